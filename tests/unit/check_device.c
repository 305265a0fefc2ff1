/* Sessions of the server role: handshakes that lose, repeat and disagree, ids, moves, ends. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/rand.h"
#include "dtls_suites.h"
#include "sealer.h"
#include "wire.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

/* Datagrams of a handshake that loses none: two hellos, the cookie, our flight, the client's, our
 * last: each flight is one. */
#define DATAGRAMS 6

static const uint8_t hi[] = { 'h', 'i' };

static int64_t shaken_after(const struct wire *w)
{
	return mono_since((struct mono){ 1000000 }, w->established);
}

/* Both ways carry, and so it stays. */
static void assert_carries(struct wire *w, struct lan_session *e)
{
	unsigned client_got = w->client_got, got = e->got;
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	ck_assert_int_eq(dtls_write(e->s, hi, sizeof(hi)), 0);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->client_got, client_got + 1);
	ck_assert_uint_eq(e->got, got + 1);
}

START_TEST(six_ways_over_the_wire_and_both_are_up)
{
	struct lan *l = lan_begin(false);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = l });
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_eq(shaken_after(w), 6 * WIRE_MS);
	ck_assert_uint_eq(w->sent, DATAGRAMS);
	ck_assert_uint_eq(l->born, 1);
	struct lan_session *e = &l->session[0];
	ck_assert_uint_eq(e->events[DTLS_ESTABLISHED], 1);
	ck_assert_int_eq(dtls_state(e->s), DTLS_UP);
	ck_assert_str_eq(dtls_suite(e->s), "TLS_PSK_WITH_AES_128_CCM_8");
	ck_assert(slice_is(dtls_identity(e->s), "meter17"));
	ck_assert_int_eq(dtls_peer_cid(e->s), -1);
	ck_assert(!dtls_has_own_cid(e->s));
	ck_assert(dtls_deadline(e->s).ms == MONO_NEVER.ms);
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_ANSWERED), 1);
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_ACCEPTED), 1);
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_REPLACED), 0);
	assert_carries(w, e);
	lan_end(l);
	wire_end(w);
}
END_TEST

Suite *device_suite(void)
{
	Suite *s = suite_create("dtls devices");
	SUITE_TEST(s, six_ways_over_the_wire_and_both_are_up);
	return s;
}
