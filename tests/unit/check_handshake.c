/* Until a session is up: flights, timers, refusals, and datagrams that are not its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/rand.h"
#include "dtls_suites.h"
#include "sealer.h"
#include "wire.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

/* Datagrams of a handshake that loses none: two hellos, the server's flight in two (that end does
 * not group), our flight, the server's last. */
#define DATAGRAMS 7

static int64_t shaken_after(const struct wire *w)
{
	return mono_since((struct mono){ 1000000 }, w->established);
}

START_TEST(six_ways_over_the_wire_and_the_session_is_up)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .server_name = "lwm2m.example.org" });
	ck_assert_str_eq(dtls_suite(w->client), "");
	ck_assert_int_eq(dtls_write(w->client, (const uint8_t *)"x", 1), -ENOTCONN);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_eq(shaken_after(w), 6 * WIRE_MS);
	ck_assert_uint_eq(w->sent, DATAGRAMS);
	ck_assert_uint_eq(w->sent_way[WIRE_UP], 3); /* each flight of ours is one datagram */
	ck_assert_str_eq(dtls_suite(w->client), "TLS_PSK_WITH_AES_128_CCM_8");
	ck_assert_str_eq(wolf_peer_sni(w->server), "lwm2m.example.org");
	ck_assert(wolf_peer_is_up(w->server));
	ck_assert(dtls_deadline(w->client).ms == MONO_NEVER.ms);
	ck_assert_uint_eq(w->events[DTLS_ESTABLISHED], 1);
	wire_end(w);
}
END_TEST

/* A ClientHello without cookie: suites stand behind record header 13, message header 12, version 2,
 * random 32, and the empty session id and cookie. */
static struct cursor hello_suites(const struct wire *w)
{
	struct cursor c = cur_of(w->packet[0].bytes, w->packet[0].n);
	cur_take(&c, 13 + 12 + 2 + 32);
	cur_take(&c, cur_u8(&c));
	cur_take(&c, cur_u8(&c));
	return c;
}

/* The body of an extension in the ClientHello; p is NULL when it is not there. */
static struct slice hello_extension(const struct wire *w, uint16_t number)
{
	struct cursor c = hello_suites(w);
	cur_take(&c, cur_u16(&c));
	cur_take(&c, cur_u8(&c));
	cur_u16(&c);
	while (cur_left(&c) > 0 && !c.broken) {
		uint16_t got = cur_u16(&c);
		struct slice body = cur_take(&c, cur_u16(&c));
		if (got == number)
			return body;
	}
	ck_assert(!c.broken);
	return (struct slice){ NULL, 0 };
}

START_TEST(suites_are_offered_in_the_order_of_the_specification)
{
	static const uint16_t order[] = { 0xc0a8, 0x00ae, 0xc0a4, 0x00a8 };
	struct wire *w = wire_begin(&(struct wire_spec){ .no_server = true });
	struct cursor c = hello_suites(w);
	ck_assert_uint_eq(cur_u16(&c), sizeof(order));
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		ck_assert_uint_eq(cur_u16(&c), order[i]);
	ck_assert(hello_extension(w, 0).p == NULL);  /* no name, no SNI */
	ck_assert(hello_extension(w, 23).p != NULL); /* extended master secret, RFC 7627 */
	wire_end(w);
}
END_TEST

static const struct {
	const char *library, *iana;
} suite_rows[] = {
	{ "PSK-AES128-CCM-8", "TLS_PSK_WITH_AES_128_CCM_8" },
	{ "PSK-AES128-CBC-SHA256", "TLS_PSK_WITH_AES_128_CBC_SHA256" },
	{ "PSK-AES128-CCM", "TLS_PSK_WITH_AES_128_CCM" },
	{ "PSK-AES128-GCM-SHA256", "TLS_PSK_WITH_AES_128_GCM_SHA256" },
};

START_TEST(every_suite_works)
{
	static uint8_t bytes[DTLS_WRITE_MAX];
	uint8_t id[32];
	memset(id, 0xc1, sizeof(id));
	/* CBC with an id of the server's alone is more than wolfSSL can (dtls/README.md). */
	bool cid = strstr(suite_rows[_i].library, "CBC") == NULL;
	struct wire *w = wire_begin(&(struct wire_spec){ .suites = suite_rows[_i].library,
		.cid = true,
		.server_cid = cid,
		.own_cid = { id, sizeof(id) } });
	wire_shake(w);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_str_eq(dtls_suite(w->client), suite_rows[_i].iana);
	/* The longest records with the longest connection id: the most that may be added. */
	ck_assert_int_eq(dtls_write(w->client, bytes, sizeof(bytes)), 0);
	ck_assert_uint_le(w->packet[w->sent - 1].n, sizeof(bytes) + DTLS_OVERHEAD_MAX);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->server_last_n, sizeof(bytes));
	wire_end(w);
}
END_TEST

START_TEST(no_common_suite_is_an_alert)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .suites = "PSK-CHACHA20-POLY1305" });
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(dtls_alert(w->client), 115);
	wire_end(w);
}
END_TEST

/* offered, accepted, the server's id, what is agreed */
static const struct {
	bool offered, accepted;
	struct slice cid;
	int agreed;
} cid_rows[] = {
	{ false, false, SLICE(""), -1 },
	{ false, true, SLICE("abcd"), -1 },
	{ true, false, SLICE(""), -1 },
	{ true, true, SLICE(""), -1 },
	{ true, true, SLICE("a"), 1 },
	{ true, true, SLICE("abcdefgh"), 8 },
};

START_TEST(connection_id)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = cid_rows[_i].offered,
		.server_cid = cid_rows[_i].accepted,
		.own_cid = cid_rows[_i].cid });
	struct slice offer = hello_extension(w, 54);
	ck_assert_int_eq(offer.p != NULL, cid_rows[_i].offered);
	if (offer.p != NULL) /* an empty one */
		ck_assert(offer.n == 1 && offer.p[0] == 0);
	wire_shake(w);
	ck_assert_int_eq(dtls_peer_cid(w->client), cid_rows[_i].agreed);
	ck_assert_int_eq(dtls_write(w->client, (const uint8_t *)"up", 2), 0);
	const uint8_t *record = w->packet[w->sent - 1].bytes;
	ck_assert_uint_eq(record[0], cid_rows[_i].agreed > 0 ? 25 : 23);
	if (cid_rows[_i].agreed > 0)
		ck_assert_mem_eq(record + 11, cid_rows[_i].cid.p, cid_rows[_i].cid.n);
	wolf_peer_write(w->server, (const uint8_t *)"down", 4);
	ck_assert_uint_eq(w->packet[w->sent - 1].bytes[0], 23);
	wire_run(w, MONO_NEVER);
	ck_assert(w->server_got == 1 && w->client_got == 1);
	wire_end(w);
}
END_TEST

START_TEST(longest_identity_and_key)
{
	uint8_t identity[128], key[64];
	memset(identity, 'i', sizeof(identity));
	memset(key, 0xff, sizeof(key));
	struct wire *w = wire_begin(&(struct wire_spec){
		.identity = { identity, sizeof(identity) }, .key = { key, sizeof(key) } });
	wire_shake(w);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	wire_end(w);
}
END_TEST

START_TEST(credentials_out_of_bounds_are_refused)
{
	static const uint8_t bytes[129] = "0123";
	static const struct dtls_psk bad[] = {
		{ { bytes, 0 }, { bytes, 16 } }, { { bytes, 4 }, { bytes, 0 } },
		{ { bytes, 4 }, { bytes, 65 } },
		{ { bytes, 5 }, { bytes, 16 } }, /* a zero in the identity */
	};
	uint8_t letters[129];
	memset(letters, 'a', sizeof(letters));
	struct wire *w = wire_begin(&(struct wire_spec){ .no_server = true });
	struct dtls_session *s = w->client;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct dtls_session_spec spec = { .psk = bad[i], .deadline_ms = 1000, .who = w };
		ck_assert_int_eq(dtls_connect(&s, w->profile, &spec, w->now), -EINVAL);
		ck_assert_ptr_null(s);
	}
	struct dtls_session_spec spec = {
		.psk = { { letters, 129 }, { letters, 16 } }, .deadline_ms = 1000, .who = w
	};
	ck_assert_int_eq(dtls_connect(&s, w->profile, &spec, w->now), -EINVAL);
	wire_end(w);
}
END_TEST

START_TEST(wrong_key_times_out_at_the_deadline)
{
	struct wire *w = wire_begin(
		&(struct wire_spec){ .server_key = SLICE("another key"), .deadline_ms = 20500 });
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_TIMED_OUT], 1);
	ck_assert_uint_eq(wire_endings(w), 1);
	ck_assert_int_eq(mono_since((struct mono){ 1000000 }, w->now), 20500);
	ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
	ck_assert(dtls_deadline(w->client).ms == MONO_NEVER.ms);
	wire_end(w);
}
END_TEST

START_TEST(unknown_identity_is_an_alert_when_the_time_of_the_flight_is_over)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .server_identity = SLICE("somebody") });
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_uint_eq(wire_endings(w), 1);
	ck_assert_int_eq(dtls_alert(w->client), 115);
	ck_assert_int_eq(mono_since((struct mono){ 1000000 }, w->now), 4 * WIRE_MS + 1000);
	wire_end(w);
}
END_TEST

START_TEST(nobody_there)
{
	static const int flights[] = { 0, 1000, 3000, 7000, 15000, 31000, 63000, 123000, 183000 };
	struct wire *w =
		wire_begin(&(struct wire_spec){ .no_server = true, .deadline_ms = 200000 });
	for (unsigned i = 0; i < sizeof(flights) / sizeof(flights[0]); i++) {
		wire_run(w, (struct mono){ 1000000 + flights[i] });
		ck_assert_uint_eq(w->sent, i + 1);
		ck_assert_uint_eq(dtls_unanswered(w->client), i + 1);
	}
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_TIMED_OUT], 1);
	ck_assert_int_eq(mono_since((struct mono){ 1000000 }, w->now), 200000);
	wire_end(w);
}
END_TEST

START_TEST(an_answer_resets_the_count)
{
	struct wire_spec spec = { .fate = { WIRE_LOSE, WIRE_LOSE } }; /* both hellos */
	struct wire *w = wire_begin(&spec);
	wire_run(w, (struct mono){ 1001500 });
	ck_assert_uint_eq(dtls_unanswered(w->client), 2);
	wire_shake(w);
	ck_assert_uint_eq(dtls_unanswered(w->client), 0);
	wire_end(w);
}
END_TEST

/* What the fate of any one datagram costs, ms, beside the six ways: our first timer or nothing. */
static const struct {
	enum wire_fate fate;
	int late;
} fate_rows[] = { { WIRE_LOSE, 1000 }, { WIRE_TWICE, 0 }, { WIRE_SWAP, WIRE_SWAP_MS },
	{ WIRE_LATE, 1000 } };
#define FATES 4

START_TEST(one_datagram_goes_astray)
{
	struct wire_spec spec = { .cid = true };
	spec.fate[_i % DATAGRAMS] = fate_rows[_i / DATAGRAMS].fate;
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	/* DTLS 1.3 acknowledges what came, so it need not wait; or waits where 1.2 would keep a part. */
	if (wire_version == DTLS_1_2)
		ck_assert_int_eq(shaken_after(w), 6 * WIRE_MS + fate_rows[_i / DATAGRAMS].late);
	ck_assert_int_le(shaken_after(w), 8 * WIRE_MS + 1000);
	ck_assert_uint_eq(w->events[DTLS_ESTABLISHED], 1);
	ck_assert_uint_eq(wire_endings(w), 0);
	wire_end(w);
}
END_TEST

/* Every pair of fates at every pair of places. */
START_TEST(two_datagrams_go_astray)
{
	for (unsigned k = 0; k < FATES * FATES * 12; k++) {
		struct wire_spec spec = { .cid = true };
		spec.fate[_i] = fate_rows[k % FATES].fate;
		spec.fate[(unsigned)_i + 1 + k / (FATES * FATES)] =
			fate_rows[k / FATES % FATES].fate;
		struct wire *w = wire_begin(&spec);
		wire_run(w, MONO_NEVER);
		ck_assert_msg(dtls_state(w->client) == DTLS_UP, "case %u", k);
		ck_assert_msg(shaken_after(w) <= 3000 + 2 * 6 * WIRE_MS, "case %u: %ld ms", k,
			(long)shaken_after(w));
		wire_end(w);
	}
}
END_TEST

/* A third of all datagrams meets some fate: it comes up, or its time is over, and nothing else. */
START_TEST(random_fates)
{
	unsigned up = 0, seed;
	rand_bytes(&seed, sizeof(seed));
	printf("random_fates: seed %u\n", seed);
	srand(seed);
	for (unsigned round = 0; round < 200; round++) {
		struct wire_spec spec = { .cid = true };
		for (unsigned k = 0; k < WIRE_FATES; k++)
			spec.fate[k] = rand() % 3 == 0 ? fate_rows[rand() % FATES].fate : WIRE_PASS;
		struct wire *w = wire_begin(&spec);
		wire_shake(w);
		ck_assert_uint_eq(w->events[DTLS_ALERTED] + w->events[DTLS_CLOSED], 0);
		up += dtls_state(w->client) == DTLS_UP;
		wire_end(w);
	}
	ck_assert_uint_ge(up, 190);
}
END_TEST

/* Two ends that do not agree, and of which the other repeats whenever we do, rest all the same. */
START_TEST(a_repeat_of_the_server_provokes_none_of_ours)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .server_key = SLICE("another key") });
	wire_run(w, (struct mono){ 1000000 + 10000 });
	/* Two hellos, our flight at 40 ms, and its repeats 1, 3 and 7 s later. */
	ck_assert_uint_eq(w->sent_way[WIRE_UP], 6);
	wire_end(w);
}
END_TEST

static const uint8_t fatal[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40 };
static const uint8_t warning[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 112 };
static const uint8_t bye[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0 };

START_TEST(a_forged_alert_does_not_stop_a_server_that_answers)
{
	for (int at = 0; at < 6 * WIRE_MS; at += 5) {
		struct wire *w = wire_begin(&(struct wire_spec){ 0 });
		wire_run(w, (struct mono){ 1000000 + at });
		ck_assert_int_eq(wire_feed(w, fatal, sizeof(fatal)), DTLS_NOTHING);
		wire_run(w, MONO_NEVER);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		ck_assert_int_eq(shaken_after(w), 6 * WIRE_MS);
		wire_end(w);
	}
}
END_TEST

START_TEST(an_alert_stands_when_nothing_better_comes)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .no_server = true });
	wire_feed(w, fatal, sizeof(fatal));
	wire_feed(w, warning, sizeof(warning));
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(dtls_alert(w->client), 40);
	ck_assert_int_eq(mono_since((struct mono){ 1000000 }, w->now), 1000);
	wire_end(w);
	w = wire_begin(&(struct wire_spec){ .no_server = true });
	wire_feed(w, bye, sizeof(bye));
	wire_shake(w);
	ck_assert_int_eq(dtls_alert(w->client), 0);
	wire_end(w);
}
END_TEST

START_TEST(a_warning_ends_nothing)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .no_server = true, .deadline_ms = 5000 });
	wire_feed(w, warning, sizeof(warning));
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_TIMED_OUT], 1);
	wire_end(w);
}
END_TEST

/* What other sessions with the same peer, and nobody at all, may throw at a handshake. */
static void throw_at(struct wire *w, const struct wire *other, struct sealer *sealer)
{
	uint8_t r[64];
	for (unsigned i = 0; i < other->sent; i++) {
		const struct wire_packet *p = &other->packet[i];
		if (p->way == WIRE_UP || p->bytes[0] != 22) /* no flight of a server's hello */
			wire_feed(w, p->bytes, p->n);
	}
	static const uint8_t types[] = { 20, 21, 22, 23, 24, 25, 26 };
	for (size_t i = 0; i < sizeof(types); i++)
		wire_feed(w, r, sealer_seal(sealer, WIRE_DOWN, types[i], 90 + i, "\1\0", 2, r));
	for (unsigned type = 0; type < 256; type++) { /* each content type, empty and not */
		uint8_t junk[] = { (uint8_t)type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 7 };
		wire_feed(w, junk, 13);
		junk[12] = 1;
		wire_feed(w, junk, 14);
	}
	for (unsigned type = 0; type < 256; type++) { /* each message that is no server's */
		uint8_t junk[25] = { 22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 12, (uint8_t)type };
		if (type != 2 && type != 3 && type != 12 && type != 14)
			wire_feed(w, junk, sizeof(junk));
	}
}

START_TEST(a_handshake_survives_what_is_not_its_own)
{
	struct sealer sealer;
	struct wire *old = wire_begin(&(struct wire_spec){ 0 });
	wire_shake(old);
	sealer_learn(&sealer, old, SLICE("0123456789abcdef"));
	wire_capture(old, (const uint8_t *)"old", 3);
	for (int at = 0; at < 6 * WIRE_MS; at += WIRE_MS / 2) {
		struct wire *w = wire_begin(&(struct wire_spec){ 0 });
		wire_run(w, (struct mono){ 1000000 + at });
		throw_at(w, old, &sealer);
		wire_run(w, MONO_NEVER);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		/* A ChangeCipherSpec in plaintext uses up the number of the server's own. */
		ck_assert_int_le(shaken_after(w), 1000 + 6 * WIRE_MS);
		ck_assert_uint_gt(dtls_dropped(w->client, DTLS_DROP_HEADER), 200);
		ck_assert_uint_gt(dtls_dropped(w->client, DTLS_DROP_CLIENT_HELLO), 0);
		wire_end(w);
	}
	wire_end(old);
}
END_TEST

/* Noise, and the server's own datagrams with bits turned, at every state: whatever comes of it, no
 * memory is harmed, and a session that dies says so once. */
START_TEST(junk_at_every_state)
{
	static const uint8_t head[] = { 22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 7 };
	uint8_t junk[200];
	unsigned seed;
	rand_bytes(&seed, sizeof(seed));
	printf("junk_at_every_state: seed %u\n", seed);
	srand(seed);
	for (unsigned round = 0; round < 400; round++) {
		struct wire *w = wire_begin(&(struct wire_spec){ .deadline_ms = 3000 });
		wire_run(w, (struct mono){ 1000000 + rand() % (6 * WIRE_MS) });
		for (unsigned i = 0; i < 20; i++) {
			struct wire_packet *p = &w->packet[(unsigned)rand() % w->sent];
			size_t n = p->n < sizeof(junk) ? p->n : sizeof(junk);
			memcpy(junk, p->bytes, n);
			junk[(size_t)rand() % n] ^= (uint8_t)(1 << rand() % 8);
			wire_feed(w, junk, n - (size_t)(rand() % 2) * ((size_t)rand() % n));
			rand_bytes(junk, sizeof(junk));
			memcpy(junk, head, (size_t)rand() % sizeof(head));
			wire_feed(w, junk, sizeof(junk));
		}
		wire_shake(w);
		ck_assert_uint_le(wire_endings(w), 1);
		ck_assert_int_eq(dtls_state(w->client) == DTLS_DEAD, wire_endings(w) == 1);
		wire_end(w);
	}
}
END_TEST

START_TEST(randomness_is_drawn_from_base)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };
	ck_assert_int_eq(lwg_rand_block(a, sizeof(a)), 0);
	ck_assert_int_eq(lwg_rand_block(b, sizeof(b)), 0);
	ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

/* Leaks are found when the test's process ends. */
START_TEST(a_thousand_sessions_come_and_go)
{
	for (unsigned i = 0; i < 1000; i++) {
		struct wire *w = wire_begin(
			&(struct wire_spec){ .cid = true, .deadline_ms = 1 + i % 5 * 15 });
		wire_shake(w);
		if (i % 2 != 0)
			dtls_close(&w->client);
		wire_end(w);
	}
}
END_TEST

static void add_long(TCase *c)
{
	tcase_add_loop_test(c, two_datagrams_go_astray, 0, DATAGRAMS);
	tcase_add_test(c, a_thousand_sessions_come_and_go);
}

/* What holds in DTLS 1.3 as well. */
static TCase *in_13(void)
{
	TCase *c = tcase_create("DTLS 1.3");
	tcase_add_checked_fixture(c, wire_speak_13, NULL);
	tcase_add_test(c, longest_identity_and_key);
	tcase_add_test(c, nobody_there);
	tcase_add_test(c, an_answer_resets_the_count);
	tcase_add_loop_test(c, one_datagram_goes_astray, 0, FATES * DATAGRAMS);
	tcase_add_test(c, random_fates);
	tcase_add_test(c, a_forged_alert_does_not_stop_a_server_that_answers);
	tcase_add_test(c, an_alert_stands_when_nothing_better_comes);
	tcase_add_test(c, a_warning_ends_nothing);
	tcase_add_test(c, junk_at_every_state);
	return c;
}

Suite *handshake_suite(void)
{
	Suite *s = suite_create("dtls handshake");
	TCase *c = tcase_create("rows");
	SUITE_TEST(s, six_ways_over_the_wire_and_the_session_is_up);
	SUITE_TEST(s, suites_are_offered_in_the_order_of_the_specification);
	tcase_add_loop_test(c, every_suite_works, 0, 4);
	SUITE_TEST(s, no_common_suite_is_an_alert);
	tcase_add_loop_test(c, connection_id, 0, sizeof(cid_rows) / sizeof(cid_rows[0]));
	SUITE_TEST(s, longest_identity_and_key);
	SUITE_TEST(s, credentials_out_of_bounds_are_refused);
	SUITE_TEST(s, wrong_key_times_out_at_the_deadline);
	SUITE_TEST(s, unknown_identity_is_an_alert_when_the_time_of_the_flight_is_over);
	SUITE_TEST(s, nobody_there);
	SUITE_TEST(s, an_answer_resets_the_count);
	tcase_add_loop_test(c, one_datagram_goes_astray, 0, FATES * DATAGRAMS);
	SUITE_TEST(s, random_fates);
	SUITE_TEST(s, a_repeat_of_the_server_provokes_none_of_ours);
	SUITE_TEST(s, a_forged_alert_does_not_stop_a_server_that_answers);
	SUITE_TEST(s, an_alert_stands_when_nothing_better_comes);
	SUITE_TEST(s, a_warning_ends_nothing);
	SUITE_TEST(s, a_handshake_survives_what_is_not_its_own);
	SUITE_TEST(s, junk_at_every_state);
	SUITE_TEST(s, randomness_is_drawn_from_base);
	suite_add_tcase(s, c);
	add_long(case_long(s, "long"));
	if (wolf_peer_has_13()) {
		suite_add_tcase(s, in_13());
		TCase *l = case_long(s, "DTLS 1.3, long");
		tcase_add_checked_fixture(l, wire_speak_13, NULL);
		add_long(l);
	}
	return s;
}
