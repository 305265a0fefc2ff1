/* A session that is up: records of all sizes and kinds, from the peer, the past, and nobody. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/rand.h"
#include "dtls/session_int.h"
#include "dtls_suites.h"
#include "sealer.h"
#include "wire.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

static const uint8_t hi[] = { 'h', 'i' };

/* What follows is held against sessions that have had data too, and against those that wolfSSL carries on. */
static bool grown, aided;

static void grow(void)
{
	grown = true;
}

static void keep_aid(void)
{
	aided = true;
}

static struct wire *wire_up(bool cid)
{
	struct wire *w = wire_begin(
		&(struct wire_spec){ .cid = cid, .server_cid = cid, .own_cid = SLICE("abcdefgh") });
	w->client->record.is_odd = aided;
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert((w->client->aid != NULL) == (aided || wire_version == DTLS_1_3));
	if (grown) {
		struct wire_packet *p = wire_capture(w, hi, sizeof(hi));
		ck_assert_int_eq(wire_feed(w, p->bytes, p->n), DTLS_DATA);
		w->client_got = 0;
	}
	return w;
}

static struct wire *wire_sealed(struct sealer *sealer)
{
	struct wire *w = wire_up(false);
	sealer_learn(sealer, w, SLICE("0123456789abcdef"));
	return w;
}

/* The session lives: both ways carry. Ends the wire. */
static void assert_lives(struct wire *w)
{
	unsigned client_got = w->client_got, server_got = w->server_got;
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_uint_eq(wire_endings(w), 0);
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	wolf_peer_write(w->server, hi, sizeof(hi));
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->client_got, client_got + 1);
	ck_assert_uint_eq(w->server_got, server_got + 1);
	wire_end(w);
}

START_TEST(records_of_all_sizes_pass_unchanged)
{
	static const size_t sizes[] = { 1, 2, 64, 499, 500, 501, 1024, 1171, 1172, 1200, 1400, 4096,
		DTLS_WRITE_MAX };
	static uint8_t bytes[DTLS_WRITE_MAX];
	struct wire *w = wire_up(_i);
	rand_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned sent = w->sent;
		ck_assert_int_eq(dtls_write(w->client, bytes, sizes[i]), 0);
		ck_assert_uint_eq(w->sent, sent + 1);
		wolf_peer_write(w->server, bytes, sizes[i]);
		wire_run(w, MONO_NEVER);
		ck_assert_uint_eq(w->client_last_n, sizes[i]);
		ck_assert_uint_eq(w->server_last_n, sizes[i]);
		ck_assert_mem_eq(w->client_last, bytes, sizes[i]);
		ck_assert_mem_eq(w->server_last, bytes, sizes[i]);
	}
	assert_lives(w);
}
END_TEST

START_TEST(the_largest_record_of_the_standard_is_read)
{
	static uint8_t bytes[DTLS_RECORD_MAX + 1], record[sizeof(bytes) + 29];
	struct sealer sealer;
	struct wire *w = wire_sealed(&sealer);
	size_t n = sealer_seal(&sealer, WIRE_DOWN, 23, 50, bytes, DTLS_RECORD_MAX, record);
	ck_assert_int_eq(wire_feed(w, record, n), DTLS_DATA);
	ck_assert_uint_eq(w->client_last_n, DTLS_RECORD_MAX);
	assert_lives(w);
}
END_TEST

START_TEST(too_much_or_nothing_is_refused_and_harms_nothing)
{
	static uint8_t bytes[DTLS_WRITE_MAX + 1];
	struct wire *w = wire_up(false);
	unsigned sent = w->sent;
	ck_assert_int_eq(dtls_write(w->client, bytes, sizeof(bytes)), -EMSGSIZE);
	ck_assert_int_eq(dtls_write(w->client, bytes, 0), -EINVAL);
	ck_assert_uint_eq(w->sent, sent);
	assert_lives(w);
}
END_TEST

START_TEST(records_that_share_a_datagram)
{
	static uint8_t datagram[4 * 200];
	struct sealer sealer;
	struct wire *w = wire_sealed(&sealer);
	size_t n = sealer_seal(&sealer, WIRE_DOWN, 23, 11, "one", 3, datagram);
	n += sealer_seal(&sealer, WIRE_DOWN, 23, 12, "", 0, datagram + n);
	datagram[n] = 24; /* a record of an unknown type is stepped over */
	memcpy(datagram + n + 1, "\xfe\xfd\0\1\0\0\0\0\0\x9\0\1x", 13);
	n += 14;
	size_t bad = n;
	n += sealer_seal(&sealer, WIRE_DOWN, 23, 13, "bad", 3, datagram + n);
	datagram[bad + 21] ^= 1;
	n += sealer_seal(&sealer, WIRE_DOWN, 23, 14, "four", 4, datagram + n);
	ck_assert_int_eq(wire_feed(w, datagram, n), DTLS_DATA);
	ck_assert_uint_eq(w->client_got, 3);
	ck_assert_mem_eq(w->client_last, "four", 4);
	ck_assert_uint_eq(dtls_dropped(w->client, DTLS_DROP_HEADER), 1);
	ck_assert_uint_eq(dtls_dropped(w->client, DTLS_DROP_RECORD), 1);
	wire_end(w);
}
END_TEST

START_TEST(an_empty_record_is_data_of_no_bytes)
{
	uint8_t record[64];
	struct sealer sealer;
	struct wire *w = wire_sealed(&sealer);
	size_t n = sealer_seal(&sealer, WIRE_DOWN, 23, 9, "", 0, record);
	ck_assert_int_eq(wire_feed(w, record, n), DTLS_DATA);
	ck_assert_uint_eq(w->client_last_n, 0);
	ck_assert_int_eq(wire_feed(w, record, n), DTLS_NOTHING); /* a replay of it is none */
	ck_assert_uint_eq(dtls_dropped(w->client, DTLS_DROP_RECORD), 1);
	record[n - 1] ^= 1;
	record[10]++;
	ck_assert_int_eq(wire_feed(w, record, n), DTLS_NOTHING); /* nor is a forged one */
	assert_lives(w);
}
END_TEST

START_TEST(a_record_that_does_not_fit_is_dropped_whole)
{
	uint8_t room[8];
	size_t n;
	struct wire *w = wire_up(false);
	struct wire_packet *p = wire_capture(w, (const uint8_t *)"nine byte", 9);
	dtls_feed(w->client, p->bytes, p->n, w->now);
	ck_assert_int_eq(dtls_read(w->client, room, sizeof(room), &n, w->now), DTLS_NOTHING);
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(dtls_dropped(w->client, DTLS_DROP_RECORD), 1);
	p = wire_capture(w, (const uint8_t *)"eight by", 8);
	dtls_feed(w->client, p->bytes, p->n, w->now);
	ck_assert_int_eq(dtls_read(w->client, room, sizeof(room), &n, w->now), DTLS_DATA);
	ck_assert_uint_eq(n, 8);
	assert_lives(w);
}
END_TEST

/* RFC 6347 4.1.2.6, with wolfSSL's window of 64. */
START_TEST(replay_window)
{
	static const struct {
		uint64_t number;
		bool passes;
	} rows[] = { { 100, true }, { 100, false }, { 101, true }, { 99, true }, { 99, false },
		{ 101 - 63, true }, { 101 - 64, false }, { (1ull << 32) - 1, true },
		{ 102, false } };
	uint8_t record[64];
	struct sealer sealer;
	struct wire *w = wire_sealed(&sealer);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = sealer_seal(&sealer, WIRE_DOWN, 23, rows[i].number, "x", 1, record);
		enum dtls_event want = rows[i].passes ? DTLS_DATA : DTLS_NOTHING;
		ck_assert_msg(wire_feed(w, record, n) == want, "row %zu", i);
	}
	ck_assert_uint_eq(dtls_dropped(w->client, DTLS_DROP_RECORD), 4);
	wire_end(w);
}
END_TEST

START_TEST(every_bit_and_every_length_counts)
{
	struct wire *w = wire_up(true);
	struct wire_packet *p = wire_capture(w, (const uint8_t *)"payload", 7);
	static uint8_t copy[64];
	for (size_t bit = 0; bit < p->n * 8; bit++) {
		memcpy(copy, p->bytes, p->n);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(wire_feed(w, copy, p->n), DTLS_NOTHING);
	}
	for (size_t n = 0; n < p->n; n++)
		ck_assert_int_eq(wire_feed(w, p->bytes, n), DTLS_NOTHING);
	for (size_t n = 1; n + 13 < p->n; n++) { /* cut, and the header says so */
		memcpy(copy, p->bytes, p->n);
		copy[12] = (uint8_t)n;
		ck_assert_int_eq(wire_feed(w, copy, 13 + n), DTLS_NOTHING);
	}
	ck_assert_uint_eq(w->client_got, 0);
	ck_assert_uint_gt(dtls_dropped(w->client, DTLS_DROP_RECORD), 100);
	ck_assert_uint_gt(dtls_dropped(w->client, DTLS_DROP_HEADER), 50);
	ck_assert_int_eq(wire_feed(w, p->bytes, p->n), DTLS_DATA); /* it is still good */
	assert_lives(w);
}
END_TEST

START_TEST(close_notify_is_answered)
{
	struct wire *w = wire_up(false);
	wolf_peer_close(w->server);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->events[DTLS_CLOSED], 1);
	ck_assert_uint_eq(wire_endings(w), 1);
	ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
	ck_assert(wolf_peer_is_closed(w->server));
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), -ENOTCONN);
	ck_assert_str_eq(dtls_suite(w->client), "");
	unsigned sent = w->sent;
	dtls_close(&w->client); /* all was said */
	ck_assert_ptr_null(w->client);
	ck_assert_uint_eq(w->sent, sent);
	wire_end(w);
}
END_TEST

START_TEST(close_says_so_and_forget_does_not)
{
	struct wire *w = wire_up(true);
	unsigned sent = w->sent;
	dtls_close(&w->client);
	ck_assert_ptr_null(w->client);
	ck_assert_uint_eq(w->sent, sent + 1);
	struct wire_packet *p = &w->packet[sent];
	wolf_peer_feed(w->server, p->bytes, p->n);
	ck_assert(wolf_peer_is_closed(w->server));
	dtls_close(&w->client);
	wire_end(w);
	w = wire_up(false);
	sent = w->sent;
	dtls_forget(&w->client);
	ck_assert_uint_eq(w->sent, sent);
	wire_end(w);
	w = wire_begin(&(struct wire_spec){ 0 });
	sent = w->sent;
	dtls_close(&w->client); /* in its handshake there is nothing to close */
	ck_assert_uint_eq(w->sent, sent);
	wire_end(w);
}
END_TEST

START_TEST(an_authentic_fatal_alert_ends_it)
{
	uint8_t record[64];
	struct sealer sealer;
	struct wire *w = wire_sealed(&sealer);
	size_t n = sealer_seal(&sealer, WIRE_DOWN, 21, 7, "\2\24", 2, record);
	ck_assert_int_eq(wire_feed(w, record, n), DTLS_ALERTED);
	ck_assert_int_eq(dtls_alert(w->client), 20);
	ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
	ck_assert_int_eq(wire_feed(w, record, n), DTLS_NOTHING);
	ck_assert_int_eq(dtls_tick(w->client, MONO_NEVER), DTLS_NOTHING);
	wire_end(w);
}
END_TEST

START_TEST(an_authentic_warning_does_not)
{
	uint8_t record[64];
	struct sealer sealer;
	struct wire *w = wire_sealed(&sealer);
	size_t n = sealer_seal(&sealer, WIRE_DOWN, 21, 11, "\1\144", 2, record);
	ck_assert_int_eq(wire_feed(w, record, n), DTLS_NOTHING);
	n = sealer_seal(&sealer, WIRE_DOWN, 23, 12, "x", 1, record);
	ck_assert_int_eq(wire_feed(w, record, n), DTLS_DATA);
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	wire_end(w);
}
END_TEST

/* A server that knows the keys and talks nonsense: HelloRequest, a repeated Finished, messages of
 * no type. */
START_TEST(authentic_handshake_records_are_let_be)
{
	uint8_t record[128], message[25] = { 0 };
	struct sealer sealer;
	struct wire *w = wire_sealed(&sealer);
	unsigned sent = w->sent;
	for (unsigned type = 0; type < 256; type++) {
		message[0] = (uint8_t)type;
		size_t n = sealer_seal(&sealer, WIRE_DOWN, 22, 1000 + type, message, 12, record);
		ck_assert_int_eq(wire_feed(w, record, n), DTLS_NOTHING);
	}
	ck_assert_uint_eq(dtls_dropped(w->client, DTLS_DROP_HEADER), 256);
	ck_assert_uint_eq(w->sent, sent);
	wire_end(w);
}
END_TEST

START_TEST(a_client_hello_is_counted_and_not_answered)
{
	struct wire *w = wire_up(false);
	unsigned sent = w->sent;
	for (unsigned i = 0; i < 3; i += 2) /* our own two hellos, thrown back */
		ck_assert_int_eq(wire_feed(w, w->packet[i].bytes, w->packet[i].n), DTLS_NOTHING);
	ck_assert_uint_eq(dtls_dropped(w->client, DTLS_DROP_CLIENT_HELLO), 2);
	ck_assert_uint_eq(dtls_dropped(w->client, DTLS_DROP_HEADER), 0);
	ck_assert_uint_eq(w->sent, sent);
	assert_lives(w);
}
END_TEST

/* The old session and a new attempt share a socket: each gets the datagrams of the other, all of
 * them, before its own, while the old one carries data. */
START_TEST(two_sessions_beside_each_other)
{
	struct wire *old = wire_up(_i);
	struct wire *new = wire_begin(
		&(struct wire_spec){ .cid = _i, .server_cid = _i, .own_cid = SLICE("12345678") });
	unsigned seen = 0;
	while (dtls_state(new->client) == DTLS_HANDSHAKE) {
		wire_run(new, mono_add(new->now, WIRE_MS / 2));
		for (; seen < new->sent; seen++)
			wire_feed(old, new->packet[seen].bytes, new->packet[seen].n);
		struct wire_packet *p = wire_capture(old, hi, sizeof(hi));
		wire_feed(new, p->bytes, p->n);
		wire_feed(old, p->bytes, p->n);
	}
	ck_assert_int_eq(mono_since((struct mono){ 1000000 }, new->established), 6 * WIRE_MS);
	ck_assert_uint_ge(old->client_got, 12);
	for (unsigned i = 0; i < old->sent; i++)
		wire_feed(new, old->packet[i].bytes, old->packet[i].n);
	ck_assert_uint_eq(new->client_got, 0);
	/* The server forgets the old one, and says so. */
	wolf_peer_close(old->server);
	struct wire_packet *p = &old->packet[old->sent - 1];
	ck_assert_int_eq(wire_feed(new, p->bytes, p->n), DTLS_NOTHING);
	ck_assert_int_eq(wire_feed(old, p->bytes, p->n), DTLS_CLOSED);
	wire_end(old);
	assert_lives(new);
}
END_TEST

/* Nothing that a stranger can make ends a session that is up. */
START_TEST(junk_does_not_end_a_session)
{
	static uint8_t junk[17000];
	unsigned seed;
	struct wire *w = wire_up(_i);
	wire_capture(w, hi, sizeof(hi));
	rand_bytes(&seed, sizeof(seed));
	printf("junk_does_not_end_a_session: seed %u\n", seed);
	srand(seed);
	for (unsigned round = 0; round < 20000; round++) {
		struct wire_packet *p = &w->packet[(unsigned)rand() % w->sent];
		size_t n = p->n;
		memcpy(junk, p->bytes, n);
		for (int i = rand() % 4; i >= 0; i--)
			junk[(size_t)rand() % (rand() % 2 ? 14 : n)] = (uint8_t)rand();
		if (rand() % 8 == 0) { /* a long one that says how long */
			n = 14 + (size_t)rand() % (sizeof(junk) - 14);
			junk[11] = (uint8_t)((n - 13) >> 8);
			junk[12] = (uint8_t)(n - 13);
		}
		if (n != p->n || memcmp(junk, p->bytes, n) != 0)
			ck_assert_int_eq(wire_feed(w, junk, n), DTLS_NOTHING);
	}
	assert_lives(w);
}
END_TEST

/* What holds in DTLS 1.3 as well. */
static TCase *in_13(void)
{
	TCase *c = tcase_create("DTLS 1.3");
	tcase_add_checked_fixture(c, wire_speak_13, NULL);
	tcase_add_loop_test(c, records_of_all_sizes_pass_unchanged, 0, 2);
	tcase_add_test(c, too_much_or_nothing_is_refused_and_harms_nothing);
	tcase_add_test(c, a_record_that_does_not_fit_is_dropped_whole);
	tcase_add_test(c, close_notify_is_answered);
	tcase_add_test(c, close_says_so_and_forget_does_not);
	tcase_add_test(c, a_client_hello_is_counted_and_not_answered);
	tcase_add_loop_test(c, two_sessions_beside_each_other, 0, 2);
	tcase_add_loop_test(c, junk_does_not_end_a_session, 0, 2);
	return c;
}

static TCase *in_12(const char *name)
{
	TCase *c = tcase_create(name);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, records_of_all_sizes_pass_unchanged, 0, 2);
	tcase_add_test(c, the_largest_record_of_the_standard_is_read);
	tcase_add_test(c, too_much_or_nothing_is_refused_and_harms_nothing);
	tcase_add_test(c, records_that_share_a_datagram);
	tcase_add_test(c, an_empty_record_is_data_of_no_bytes);
	tcase_add_test(c, a_record_that_does_not_fit_is_dropped_whole);
	tcase_add_test(c, replay_window);
	tcase_add_test(c, every_bit_and_every_length_counts);
	tcase_add_test(c, close_notify_is_answered);
	tcase_add_test(c, close_says_so_and_forget_does_not);
	tcase_add_test(c, an_authentic_fatal_alert_ends_it);
	tcase_add_test(c, an_authentic_warning_does_not);
	tcase_add_test(c, authentic_handshake_records_are_let_be);
	tcase_add_test(c, a_client_hello_is_counted_and_not_answered);
	tcase_add_loop_test(c, two_sessions_beside_each_other, 0, 2);
	tcase_add_loop_test(c, junk_does_not_end_a_session, 0, 2);
	return c;
}

Suite *records_suite(void)
{
	Suite *s = suite_create("dtls records");
	TCase *old = in_12("behind its first data"), *kept = in_12("carried by wolfSSL");
	tcase_add_checked_fixture(old, grow, NULL);
	tcase_add_checked_fixture(kept, keep_aid, NULL);
	suite_add_tcase(s, in_12("before its first data"));
	suite_add_tcase(s, old);
	suite_add_tcase(s, kept);
	if (wolf_peer_has_13())
		suite_add_tcase(s, in_13());
	return s;
}
