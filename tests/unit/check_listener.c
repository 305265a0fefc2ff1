/* What strangers get of a server: a cookie, or nothing, and never more than they gave. And what other
 * clients than ours get. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "dtls_suites.h"
#include "wire.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

/* Of the sanitizer that unit tests are built with; gcc ships no header for it. */
size_t __sanitizer_get_current_allocated_bytes(void);

static const struct mono now = { 1000000 };

/* What a listener said to a stranger. */
struct ear {
	unsigned heard;
	size_t n;
	uint8_t last[256];
};

static void hear(void *who, const uint8_t *datagram, size_t n)
{
	struct ear *e = who;
	e->heard++;
	e->n = n;
	ck_assert_uint_le(n, sizeof(e->last));
	memcpy(e->last, datagram, n);
}

/* The two ClientHellos of a handshake with the lan, the second with its cookie, not yet delivered. */
static struct wire *hellos(struct lan *l, const struct wire_packet *hello[2])
{
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = l->cid, .lan = l });
	wire_run(w, mono_add(w->now, 2 * WIRE_MS));
	ck_assert_uint_eq(w->sent, 3);
	hello[0] = &w->packet[0];
	hello[1] = &w->packet[2];
	return w;
}

START_TEST(a_hello_gets_a_cookie_of_its_address)
{
	const struct wire_packet *hello[2];
	struct ear ear = { 0 };
	const struct lan_peer there = { SLICE("elsewhere"), hear, &ear };
	struct lan *l = lan_begin(_i);
	struct wire *w = hellos(l, hello);
	ck_assert_uint_eq(w->packet[1].n, 60);
	ck_assert_uint_lt(w->packet[1].n, hello[0]->n);
	/* The cookie from another address: only a new one, every time. */
	for (unsigned i = 1; i <= 3; i++) {
		lan_feed(l, &there, hello[1]->bytes, hello[1]->n, now);
		ck_assert_uint_eq(ear.heard, i);
		ck_assert_uint_eq(ear.n, 60);
		ck_assert_uint_eq(ear.last[13], 3);
		ck_assert_mem_ne(ear.last + 28, w->packet[1].bytes + 28, 32);
	}
	ck_assert_uint_eq(l->born, 0);
	lan_feed(l, &w->address, hello[1]->bytes, hello[1]->n, now);
	ck_assert_uint_eq(l->born, 1);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(every_byte_of_an_address_counts)
{
	const struct wire_packet *hello[2];
	struct ear ear = { 0 };
	uint8_t bytes[DTLS_PEER_MAX];
	memset(bytes, 'a', sizeof(bytes));
	struct lan *l = lan_begin(false);
	struct wire *w =
		wire_begin(&(struct wire_spec){ .lan = l, .address = { bytes, sizeof(bytes) } });
	wire_run(w, mono_add(w->now, 2 * WIRE_MS));
	hello[1] = &w->packet[2];
	for (size_t i = 0; i < sizeof(bytes); i++) {
		uint8_t other[DTLS_PEER_MAX];
		memcpy(other, bytes, sizeof(other));
		other[i] ^= 1;
		const struct lan_peer there = { { other, sizeof(other) }, hear, &ear };
		lan_feed(l, &there, hello[1]->bytes, hello[1]->n, now);
		const struct lan_peer less = { { bytes, i + 1 }, hear, &ear };
		if (i + 1 < sizeof(bytes))
			lan_feed(l, &less, hello[1]->bytes, hello[1]->n, now);
	}
	ck_assert_uint_eq(l->born, 0);
	lan_feed(l, &w->address, hello[1]->bytes, hello[1]->n, now);
	ck_assert_uint_eq(l->born, 1);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(a_secret_is_good_for_one_more_period)
{
	const struct wire_packet *hello[2];
	for (unsigned rotations = 0; rotations < 4; rotations++) {
		struct lan *l = lan_begin(_i);
		struct wire *w = hellos(l, hello);
		for (unsigned i = 0; i < rotations; i++)
			dtls_listener_rotate(l->listener);
		unsigned sent = w->sent;
		lan_feed(l, &w->address, hello[1]->bytes, hello[1]->n, w->now);
		ck_assert_uint_eq(l->born, rotations < 2);
		ck_assert_uint_eq(w->sent, sent + 1); /* a flight, or a new cookie; not both */
		if (rotations < 2) {
			wire_run(w, MONO_NEVER);
			ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		}
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

START_TEST(rotation_under_way_disturbs_no_handshake)
{
	for (int at = 0; at < 6 * WIRE_MS; at += 5) {
		struct lan *l = lan_begin(_i);
		struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
		wire_run(w, mono_add(w->now, at));
		dtls_listener_rotate(l->listener);
		wire_run(w, MONO_NEVER);
		ck_assert_int_eq(mono_since(now, w->established), 6 * WIRE_MS);
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

/* Hellos of devices that are not: as they come first, and with a cookie of nobody. */
static void flood(struct lan *l, const struct wire_packet *const hello[2], struct ear *ear)
{
	static uint8_t copy[WIRE_PACKET_MAX];
	for (unsigned i = 0; i < 10000; i++) {
		uint8_t address[18] = { (uint8_t)i, (uint8_t)(i >> 8) };
		const struct wire_packet *p = hello[i % 2];
		const struct lan_peer spoofed = { { address, sizeof(address) }, hear, ear };
		memcpy(copy, p->bytes, p->n);
		memcpy(copy + 13 + 12 + 2, &i, sizeof(i)); /* another random each time */
		lan_feed(l, &spoofed, copy, p->n, now);
		ck_assert_uint_le(ear->n, p->n);
	}
}

START_TEST(a_flood_takes_no_memory)
{
	const struct wire_packet *hello[2];
	struct ear ear = { 0 };
	struct lan *l = lan_begin(_i);
	struct wire *w = hellos(l, hello);
	dtls_listener_rotate(l->listener);
	flood(l, hello, &ear); /* all that is ever taken is taken now */
	size_t before = __sanitizer_get_current_allocated_bytes();
	flood(l, hello, &ear);
	ck_assert_uint_eq(__sanitizer_get_current_allocated_bytes(), before);
	ck_assert_uint_eq(ear.heard, 20000);
	ck_assert_uint_eq(l->born, 0);
	if (wire_version == DTLS_1_2) /* in 1.3 wolfSSL takes a bad cookie for an error */
		ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_REPLACED), 0);
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_ANSWERED), 20001);
	/* A true device is served in between. */
	lan_feed(l, &w->address, hello[1]->bytes, hello[1]->n, now);
	ck_assert_uint_eq(l->born, 1);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* Whatever comes, answers stay shorter, nothing is born, and the next device is served. */
static void assert_serves(struct lan *l)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_eq(mono_since(now, w->established), 6 * WIRE_MS);
	for (unsigned i = 0; i < l->born; i++)
		dtls_forget(&l->session[i].s);
	l->born = 0;
	wire_end(w);
}

/* What the library's listening object does not survive, shown to ours past the caller's own look. */
START_TEST(junk_does_not_stop_a_listener)
{
	static uint8_t junk[WIRE_PACKET_MAX];
	const struct wire_packet *hello[2];
	struct ear ear = { 0 };
	unsigned seed;
	rand_bytes(&seed, sizeof(seed));
	printf("junk against a listener: seed %u\n", seed);
	srand(seed);
	struct lan *l = lan_begin(_i);
	struct wire *w = hellos(l, hello);
	struct dtls_accept_spec spec = { SLICE("stranger"), { NULL, 0 }, 1000,
		&(struct lan_peer){ SLICE("stranger"), hear, &ear }, NULL };
	for (unsigned i = 0; i < 20000; i++) {
		const struct wire_packet *p = hello[rand() % 2];
		size_t n = p->n;
		memcpy(junk, p->bytes, n);
		for (int k = rand() % 4; k >= 0; k--)
			junk[(size_t)rand() % (rand() % 2 ? 26 : n)] = (uint8_t)rand();
		if (rand() % 8 == 0)
			n = (size_t)rand() % n;
		ear.n = 0;
		ck_assert_ptr_null(dtls_accept(l->listener, &spec, junk, n, now));
		ck_assert_uint_le(ear.n, n);
	}
	static const uint8_t empty[13] = { 22, 0xfe, 0xfd };
	static const uint8_t alert[15] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40 };
	unsigned heard = ear.heard;
	ck_assert_ptr_null(dtls_accept(l->listener, &spec, empty, sizeof(empty), now));
	ck_assert_ptr_null(dtls_accept(l->listener, &spec, alert, sizeof(alert), now));
	ck_assert_ptr_null(dtls_accept(l->listener, &spec, alert, 0, now));
	ck_assert_uint_eq(ear.heard, heard);
	assert_serves(l);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* Extensions and suites that the library chokes on, behind a good cookie: it dies, and is replaced. */
START_TEST(a_listener_that_died_is_alive_again)
{
	static uint8_t bad[WIRE_PACKET_MAX];
	const struct wire_packet *hello[2];
	struct lan *l = lan_begin(_i);
	struct wire *w = hellos(l, hello);
	const struct wire_packet *p = hello[1];
	/* The cookie covers neither the record number nor the extensions. */
	unsigned replaced = 0;
	for (size_t at = p->n - 40; at < p->n; at++) {
		memcpy(bad, p->bytes, p->n);
		bad[at] ^= 0xff;
		lan_feed(l, &w->address, bad, p->n, now);
		for (unsigned i = 0; i < l->born; i++)
			dtls_forget(&l->session[i].s);
		l->born = 0;
	}
	replaced = (unsigned)dtls_listener_count(l->listener, DTLS_HELLO_REPLACED);
	ck_assert_uint_gt(replaced, 0);
	assert_serves(l);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(what_is_a_hello)
{
	const struct wire_packet *hello[2];
	struct lan *l = lan_begin(false);
	struct wire *w = hellos(l, hello);
	uint8_t copy[512];
	memcpy(copy, hello[0]->bytes, hello[0]->n);
	ck_assert(dtls_is_hello(copy, hello[0]->n));
	ck_assert(!dtls_is_hello(copy, 13));
	ck_assert(!dtls_is_hello(w->packet[1].bytes, w->packet[1].n));
	copy[4] = 1; /* epoch */
	ck_assert(!dtls_is_hello(copy, hello[0]->n));
	copy[4] = 0;
	copy[0] = 23;
	ck_assert(!dtls_is_hello(copy, hello[0]->n));
	ck_assert(!dtls_owns_hello(w->client, hello[0]->bytes, hello[0]->n));
	lan_end(l);
	wire_end(w);
}
END_TEST

/* A session owns its hellos, and no other's, until data has come. */
START_TEST(who_owns_a_hello)
{
	const struct wire_packet *hello[2];
	struct lan *l = lan_begin(false);
	struct wire *w = hellos(l, hello);
	lan_feed(l, &w->address, hello[1]->bytes, hello[1]->n, now);
	struct wire *other = wire_begin(&(struct wire_spec){ .lan = l, .no_server = true });
	const struct wire_packet *p = &other->packet[0];
	for (int up = 0; up < 2; up++) {
		struct dtls_session *s = l->session[0].s;
		ck_assert(dtls_owns_hello(s, hello[0]->bytes, hello[0]->n));
		ck_assert(dtls_owns_hello(s, hello[1]->bytes, hello[1]->n));
		ck_assert(!dtls_owns_hello(s, hello[1]->bytes, hello[1]->n - 1));
		ck_assert(!dtls_owns_hello(s, p->bytes, p->n));
		wire_run(w, MONO_NEVER);
	}
	ck_assert_uint_eq(l->born, 1);
	ck_assert_int_eq(dtls_write(w->client, (const uint8_t *)"x", 1), 0);
	wire_run(w, MONO_NEVER);
	ck_assert(!dtls_owns_hello(l->session[0].s, hello[1]->bytes, hello[1]->n));
	lan_end(l);
	wire_end(other);
	wire_end(w);
}
END_TEST

/* ---- another client: wolfSSL itself, with what ours can not be told to do ---- */

struct talk {
	struct wolf_peer *client;
	struct lan *lan;
	struct lan_peer address;
	struct {
		bool up;
		size_t n;
		uint8_t bytes[17000];
	} queue[32];
	unsigned put, got;  /* datagrams sent, delivered */
	size_t client_last; /* bytes of the last message that it read */
};

static void queue_up(struct talk *t, bool up, const uint8_t *bytes, size_t n)
{
	ck_assert_uint_lt(t->put, 32);
	t->queue[t->put].up = up;
	t->queue[t->put].n = n;
	memcpy(t->queue[t->put++].bytes, bytes, n);
}

static void send_up(void *who, const uint8_t *bytes, size_t n)
{
	queue_up(who, true, bytes, n);
}

static void send_down(void *who, const uint8_t *bytes, size_t n)
{
	queue_up(who, false, bytes, n);
}

static void on_data(void *who, const uint8_t *bytes, size_t n)
{
	struct talk *t = who;
	(void)bytes;
	t->client_last = n;
}

static void deliver(struct talk *t)
{
	for (; t->got < t->put; t->got++) {
		const uint8_t *bytes = t->queue[t->got].bytes;
		size_t n = t->queue[t->got].n;
		if (t->queue[t->got].up)
			lan_feed(t->lan, &t->address, bytes, n, now);
		else
			wolf_peer_feed(t->client, bytes, n);
	}
}

static struct talk *talk_begin(bool ours_cid, const struct wolf_peer_spec *spec)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct wolf_peer_spec full = *spec;
	t->lan = lan_begin(ours_cid);
	t->address = (struct lan_peer){ SLICE("foreign"), send_down, t };
	full.is_client = true;
	full.identity = SLICE("meter17");
	full.key = SLICE("0123456789abcdef");
	full.send = send_up;
	full.on_data = on_data;
	full.who = t;
	t->client = wolf_peer_create(&full);
	wolf_peer_begin(t->client);
	deliver(t);
	return t;
}

static void talk_end(struct talk *t)
{
	lan_end(t->lan);
	wolf_peer_free(t->client);
	free(t);
}

static const struct {
	const char *library, *iana;
} suite_rows[] = {
	{ "PSK-AES128-CCM-8", "TLS_PSK_WITH_AES_128_CCM_8" },
	{ "PSK-AES128-CBC-SHA256", "TLS_PSK_WITH_AES_128_CBC_SHA256" },
	{ "PSK-AES128-CCM", "TLS_PSK_WITH_AES_128_CCM" },
	{ "PSK-AES128-GCM-SHA256", "TLS_PSK_WITH_AES_128_GCM_SHA256" },
	/* Ours is the order that counts. */
	{ "PSK-AES128-GCM-SHA256:PSK-AES128-CCM:PSK-AES128-CCM-8", "TLS_PSK_WITH_AES_128_CCM_8" },
	{ "PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256", "TLS_PSK_WITH_AES_128_CBC_SHA256" },
};

/* With ids both ways, and without. */
START_TEST(every_suite_works)
{
	static uint8_t bytes[DTLS_WRITE_MAX];
	for (int cid = 0; cid < 2; cid++) {
		struct talk *t =
			talk_begin(cid, &(struct wolf_peer_spec){ .suites = suite_rows[_i].library,
						.cid = cid,
						.own_cid = SLICE("client") });
		struct lan_session *e = &t->lan->session[0];
		ck_assert_uint_eq(e->events[DTLS_ESTABLISHED], 1);
		ck_assert(wolf_peer_is_up(t->client));
		ck_assert_str_eq(dtls_suite(e->s), suite_rows[_i].iana);
		ck_assert_int_eq(dtls_peer_cid(e->s), cid ? 6 : -1);
		ck_assert_int_eq(dtls_has_own_cid(e->s), cid);
		ck_assert_int_eq(dtls_write(e->s, bytes, sizeof(bytes)), 0);
		wolf_peer_write(t->client, bytes, sizeof(bytes));
		deliver(t);
		ck_assert_uint_eq(e->last_n, sizeof(bytes));
		ck_assert_uint_eq(t->client_last, sizeof(bytes));
		wolf_peer_close(t->client);
		deliver(t);
		ck_assert_uint_eq(e->events[DTLS_CLOSED], 1);
		talk_end(t);
	}
}
END_TEST

/* Offered and not taken, not offered, ours alone, and both. */
START_TEST(connection_ids_of_either_side)
{
	static const struct {
		bool ours, theirs;
		struct slice id;
		int peer;
		bool own;
	} rows[] = { { false, true, SLICE(""), -1, false }, { true, false, SLICE(""), -1, false },
		{ true, true, SLICE(""), -1, true }, { true, true, SLICE("c"), 1, true } };
	struct talk *t =
		talk_begin(rows[_i].ours, &(struct wolf_peer_spec){ .suites = "PSK-AES128-CCM-8",
						  .cid = rows[_i].theirs,
						  .own_cid = rows[_i].id });
	struct lan_session *e = &t->lan->session[0];
	ck_assert_uint_eq(e->events[DTLS_ESTABLISHED], 1);
	ck_assert(wolf_peer_is_up(t->client));
	ck_assert_int_eq(dtls_peer_cid(e->s), rows[_i].peer);
	ck_assert_int_eq(dtls_has_own_cid(e->s), rows[_i].own);
	ck_assert_int_eq(dtls_write(e->s, (const uint8_t *)"down", 4), 0);
	wolf_peer_write(t->client, (const uint8_t *)"up", 2);
	deliver(t);
	ck_assert(e->last_n == 2 && t->client_last == 4);
	talk_end(t);
}
END_TEST

START_TEST(no_common_suite_is_told_in_few_bytes)
{
	struct talk *t =
		talk_begin(false, &(struct wolf_peer_spec){ .suites = "PSK-CHACHA20-POLY1305" });
	ck_assert_uint_eq(t->lan->born, 0);
	ck_assert_uint_eq(t->put, 4);
	ck_assert_mem_eq(t->queue[3].bytes, "\x15\xfe\xfd\0\0\0\0\0\0\0\1\0\2\2\x28", 15);
	ck_assert(!wolf_peer_is_up(t->client));
	for (unsigned i = 1; i < t->put; i += 2)
		ck_assert_uint_le(t->queue[i].n, t->queue[i - 1].n);
	assert_serves(t->lan);
	talk_end(t);
}
END_TEST

/* What holds in DTLS 1.3 as well. */
static TCase *in_13(void)
{
	TCase *c = tcase_create("DTLS 1.3");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, wire_speak_13, NULL);
	tcase_add_test(c, every_byte_of_an_address_counts);
	tcase_add_loop_test(c, a_secret_is_good_for_one_more_period, 0, 2);
	tcase_add_loop_test(c, rotation_under_way_disturbs_no_handshake, 0, 2);
	tcase_add_loop_test(c, a_flood_takes_no_memory, 0, 2);
	tcase_add_loop_test(c, junk_does_not_stop_a_listener, 0, 2);
	tcase_add_test(c, what_is_a_hello);
	tcase_add_test(c, who_owns_a_hello);
	return c;
}

Suite *listener_suite(void)
{
	Suite *s = suite_create("dtls listener");
	TCase *c = tcase_create("with ids and without");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, a_hello_gets_a_cookie_of_its_address, 0, 2);
	SUITE_TEST(s, every_byte_of_an_address_counts);
	tcase_add_loop_test(c, a_secret_is_good_for_one_more_period, 0, 2);
	tcase_add_loop_test(c, rotation_under_way_disturbs_no_handshake, 0, 2);
	tcase_add_loop_test(c, a_flood_takes_no_memory, 0, 2);
	tcase_add_loop_test(c, junk_does_not_stop_a_listener, 0, 2);
	tcase_add_loop_test(c, a_listener_that_died_is_alive_again, 0, 2);
	SUITE_TEST(s, what_is_a_hello);
	SUITE_TEST(s, who_owns_a_hello);
	tcase_add_loop_test(c, every_suite_works, 0, sizeof(suite_rows) / sizeof(suite_rows[0]));
	tcase_add_loop_test(c, connection_ids_of_either_side, 0, 4);
	SUITE_TEST(s, no_common_suite_is_told_in_few_bytes);
	suite_add_tcase(s, c);
	if (wolf_peer_has_13())
		suite_add_tcase(s, in_13());
	return s;
}
