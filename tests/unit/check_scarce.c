/* Each allocation of the room and of wolfSSL fails in turn: nobody comes up who has proven nothing, nothing
 * is freed twice or lost (the sanitizers look), and the listener serves who comes next. */
#include "dtls_suites.h"
#include "pki.h"
#include "scarce.h"
#include "wire.h"

/* More than any of these handshakes takes; a test that gets there goes round in circles. */
#define ALLOCATIONS 20000
#define NAME        "lwm2m.example.org"

/* The last one only where the library speaks it. */
enum kind { PSK, PSK_CID, X509, RPK, PSK_13, KINDS };

static void set_version(enum kind kind)
{
	wire_version = lan_version = kind == PSK_13 ? DTLS_1_3 : DTLS_1_2;
}

static void teardown(void)
{
	wire_version = lan_version = DTLS_1_2;
}

static struct dtls_listener_spec listener_of(enum kind kind)
{
	struct dtls_listener_spec spec = { .cid = kind == PSK_CID };
	if (kind != X509 && kind != RPK)
		return spec;
	spec.pair = (struct dtls_pair){ pki("server-inter.pem"), pki("server.key") };
	spec.ca = pki("ca.pem");
	spec.find_key = lan_knows;
	spec.wall_s = pki_wall;
	return spec;
}

static struct lan *lan_of(enum kind kind)
{
	struct dtls_listener_spec spec = listener_of(kind);
	set_version(kind);
	struct lan *l = lan_begin_with(&spec);
	l->known_key = pki_spki("device.pub");
	l->deadline_ms = 20000;
	return l;
}

/* A device with the credential of that kind; a stranger has another key, or another CA's certificate. */
static struct wire_spec device_of(struct lan *l, enum kind kind, bool stranger)
{
	struct wire_spec spec = { .lan = l, .deadline_ms = 20000, .cid = kind == PSK_CID };
	if (kind == X509) {
		spec.profile.security = DTLS_X509;
		spec.profile.trust = pki("ca.pem");
		spec.profile.expected_name = NAME;
		spec.profile.wall_s = pki_wall;
		spec.pair.cert = pki(stranger ? "device-impostor.pem" : "device-inter.pem");
		spec.pair.private_key = pki("device.key");
	} else if (kind == RPK) {
		spec.profile.security = DTLS_RPK;
		spec.profile.trust = pki("server.pub");
		spec.pair.private_key = pki(stranger ? "impostor.key" : "device.key");
	} else if (stranger) {
		spec.key = slice_str("another key 1234");
	}
	return spec;
}

static void assert_is_served(struct lan *l, enum kind kind, unsigned k)
{
	struct wire_spec spec = device_of(l, kind, false);
	unsigned born = l->born;
	spec.address = slice_str("elsewhere");
	struct wire *w = wire_begin(&spec);
	wire_shake(w);
	ck_assert_msg(dtls_state(w->client) == DTLS_UP, "next one, after failure %u", k);
	ck_assert_uint_eq(l->born, born + 1);
	dtls_forget(&l->session[born].s);
	wire_end(w);
}

/* Bytes both ways where the session came up; a failing write ends it. Check would want memory, so there is
 * none of it here. */
static void talk(struct wire *w, struct lan *l)
{
	static const uint8_t hi[] = { 'h', 'i' };
	struct lan_session *e = &l->session[0];
	int sent = 0;
	if (dtls_state(w->client) == DTLS_UP)
		sent = dtls_write(w->client, hi, sizeof(hi));
	BUG_UNLESS(sent == 0 || dtls_state(w->client) == DTLS_DEAD);
	sent = 0;
	if (l->born > 0 && e->s != NULL && dtls_state(e->s) == DTLS_UP)
		sent = dtls_write(e->s, hi, sizeof(hi));
	BUG_UNLESS(sent == 0 || dtls_state(e->s) == DTLS_DEAD);
	wire_run(w, mono_add(w->now, 100));
}

/* One handshake where the kth allocation fails; false when there were not so many. */
static bool lacks(enum kind kind, bool stranger, unsigned k, bool lasting)
{
	struct lan *l = lan_of(kind);
	struct wire_spec spec = device_of(l, kind, stranger);
	struct wire *w = wire_begin(&spec);
	scarce_begin(k, lasting);
	wire_run(w, mono_add(w->now, lasting ? 3000 : 30000));
	talk(w, l);
	bool failed = scarce_end();
	ck_assert_msg(!stranger || l->born == 0 || l->session[0].events[DTLS_ESTABLISHED] == 0,
		"a stranger came in at failure %u", k);
	wire_run(w, mono_add(w->now, 30000));
	ck_assert_msg(!failed || dtls_state(w->client) != DTLS_HANDSHAKE,
		"the device hangs at failure %u", k);
	assert_is_served(l, kind, k);
	lan_end(l);
	wire_end(w);
	return failed;
}

START_TEST(one_allocation_fails)
{
	unsigned k = 0;
	while (lacks((enum kind)(_i / 2), _i % 2 == 1, k, false))
		ck_assert_uint_lt(k++, ALLOCATIONS);
	ck_assert_uint_gt(k, 10);
}
END_TEST

START_TEST(all_allocations_fail_from_one_on)
{
	unsigned k = 0;
	while (lacks((enum kind)(_i / 2), _i % 2 == 1, k, true))
		ck_assert_uint_lt(k += 7, ALLOCATIONS);
	ck_assert_uint_gt(k, 10);
}
END_TEST

/* Makes a listener with a failing allocation; false when there were not so many. */
static bool listener_lacks(enum kind kind, unsigned k)
{
	struct lan *l = lan_of(kind);
	struct dtls_listener_spec spec = listener_of(kind);
	static const struct dtls_calls none = { NULL };
	struct dtls_listener *made = NULL;
	spec.calls = &none;
	spec.find_psk = NULL;
	spec.version = lan_version;
	spec.psk_who = l;
	scarce_begin(k, false);
	int rc = dtls_listener_create(&made, &spec);
	bool failed = scarce_end();
	ck_assert_msg((rc == 0) == (made != NULL), "failure %u", k);
	dtls_listener_free(made);
	lan_end(l);
	return failed;
}

START_TEST(a_listener_is_made_whole_or_not)
{
	unsigned k = 0;
	while (listener_lacks((enum kind)_i, k))
		ck_assert_uint_lt(k++, ALLOCATIONS);
}
END_TEST

/* Makes a client's profile and session with a failing allocation. */
static bool client_lacks(enum kind kind, unsigned k)
{
	struct wire_spec wire = device_of(NULL, kind, false);
	static const struct dtls_calls none = { NULL };
	struct dtls_profile *profile = NULL;
	wire.profile.calls = &none;
	wire.profile.version = wire_version;
	scarce_begin(k, false);
	int rc = dtls_profile_create(&profile, &wire.profile);
	bool failed = scarce_end();
	ck_assert_msg((rc == 0) == (profile != NULL), "failure %u", k);
	dtls_profile_free(profile);
	return failed;
}

START_TEST(a_profile_is_made_whole_or_not)
{
	unsigned k = 0;
	set_version((enum kind)_i);
	while (client_lacks((enum kind)_i, k))
		ck_assert_uint_lt(k++, ALLOCATIONS);
}
END_TEST

static void nowhere(void *who, const uint8_t *datagram, size_t n)
{
	(void)who;
	(void)datagram;
	(void)n;
}

static bool session_lacks(struct dtls_profile *profile, const struct wire_spec *wire, unsigned k)
{
	struct dtls_session *s = NULL;
	struct dtls_session_spec spec = { .psk = { slice_str("meter17"), slice_str("0123456789abcdef") },
		.pair = wire->pair, .server_name = NAME, .deadline_ms = 1000 };
	scarce_begin(k, false);
	int rc = dtls_connect(&s, profile, &spec, (struct mono){ 0 });
	bool failed = scarce_end();
	ck_assert_msg((rc == 0) == (s != NULL), "failure %u", k);
	dtls_forget(&s);
	return failed;
}

START_TEST(a_client_begins_or_says_why_not)
{
	struct wire_spec wire = device_of(NULL, (enum kind)_i, false);
	static const struct dtls_calls calls = { nowhere };
	struct dtls_profile *profile = NULL;
	unsigned k = 0;
	set_version((enum kind)_i);
	wire.profile.calls = &calls;
	wire.profile.version = wire_version;
	ck_assert_int_eq(dtls_profile_create(&profile, &wire.profile), 0);
	while (session_lacks(profile, &wire, k))
		ck_assert_uint_lt(k++, ALLOCATIONS);
	dtls_profile_free(profile);
}
END_TEST

Suite *scarce_suite(void)
{
	int kinds = wolf_peer_has_13() ? KINDS : PSK_13;
	Suite *suite = suite_create("memory runs out");
	TCase *tc = tcase_create("memory runs out");
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, all_allocations_fail_from_one_on, 0, 2 * kinds);
	tcase_add_loop_test(tc, a_listener_is_made_whole_or_not, 0, kinds);
	tcase_add_loop_test(tc, a_profile_is_made_whole_or_not, 0, kinds);
	tcase_add_loop_test(tc, a_client_begins_or_says_why_not, 0, kinds);
	suite_add_tcase(suite, tc);
	TCase *l = case_long(suite, "one allocation fails");
	tcase_add_checked_fixture(l, NULL, teardown);
	tcase_add_loop_test(l, one_allocation_fails, 0, 2 * kinds);
	return suite;
}
