/* Which record of DTLS 1.3 is the newest, and what moves with it. What devices send is sealed here, so
 * that numbers, epochs and headers are ours to choose; wolfSSL judges whether they are authentic. */
#include <string.h>
#include "dtls/number13_int.h"
#include "dtls_suites.h"
#include "sealer13.h"
#include "wire.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

static const struct {
	const char *name;
	bool ccm;
	size_t tag;
} suites[] = {
	{ "TLS13-AES128-GCM-SHA256", false, 16 },
	{ "TLS13-AES128-CCM-SHA256", true, 16 },
	{ "TLS13-AES128-CCM-8-SHA256", true, 8 },
};

/* A device that shook hands by the library, and says the rest by itself. */
struct device {
	struct wolf_peer *peer;
	struct lan *lan;
	struct lan_peer address;
	struct sealer13 seal; /* of its newest epoch */
	uint16_t message;     /* number of its next handshake message */
	uint8_t queue[16][2000];
	size_t queue_n[16];
	unsigned put, taken;
};

static void to_lan(void *who, const uint8_t *bytes, size_t n)
{
	struct device *d = who;
	lan_feed(d->lan, &d->address, bytes, n, (struct mono){ 1000000 });
}

static void to_device(void *who, const uint8_t *bytes, size_t n)
{
	struct device *d = who;
	unsigned i = d->put++ % 16;
	ck_assert_uint_le(n, sizeof(d->queue[i]));
	memcpy(d->queue[i], bytes, n);
	d->queue_n[i] = n;
}

static void on_data(void *who, const uint8_t *bytes, size_t n)
{
	(void)who;
	(void)bytes;
	(void)n;
}

static void device_begin(struct device *d, int suite, bool is_short)
{
	memset(d, 0, sizeof(*d));
	d->lan = lan_begin(true);
	d->address = (struct lan_peer){ SLICE("foreign"), to_device, d };
	d->peer = wolf_peer_create(&(struct wolf_peer_spec){ .suites = suites[suite].name,
		.is_client = true,
		.v13 = true,
		.identity = SLICE("meter17"),
		.key = SLICE("0123456789abcdef"),
		.cid = true,
		.own_cid = SLICE("theirs"),
		.send = to_lan,
		.on_data = on_data,
		.who = d });
	wolf_peer_begin(d->peer);
	for (; d->taken < d->put; d->taken++)
		wolf_peer_feed(d->peer, d->queue[d->taken % 16], d->queue_n[d->taken % 16]);
	ck_assert(wolf_peer_is_up(d->peer));
	d->seal = (struct sealer13){ .epoch = 3,
		.cid = { d->lan->session[0].cid, LAN_CID },
		.tag = suites[suite].tag,
		.ccm = suites[suite].ccm,
		.is_short = is_short };
	memcpy(d->seal.secret, wolf_peer_secret(d->peer), sizeof(d->seal.secret));
	d->message = 3; /* behind two hellos and the Finished */
}

static void device_end(struct device *d)
{
	lan_end(d->lan);
	wolf_peer_free(d->peer);
}

enum taken { LOST, READ, NEWEST };

/* The session takes a record with n bytes of data. */
static enum taken say(struct device *d, const struct sealer13 *seal, uint64_t number, size_t n)
{
	static uint8_t record[20000], room[20000], plain[16000];
	struct dtls_session *s = d->lan->session[0].s;
	const struct mono now = { 1000000 };
	size_t got;
	dtls_feed(s, record, sealer13_seal(seal, SEALER13_DATA, number, plain, n, record), now);
	enum dtls_event event = dtls_read(s, room, sizeof(room), &got, now);
	ck_assert(event == DTLS_DATA || !dtls_was_newest(s));
	if (event != DTLS_DATA)
		return LOST;
	ck_assert_uint_eq(got, n);
	return dtls_was_newest(s) ? NEWEST : READ;
}

static enum taken says(struct device *d, uint64_t number)
{
	return say(d, &d->seal, number, 20);
}

/* RFC 8446 4.6.3: update_not_requested, in a record of that number. */
static void update(struct device *d, uint64_t number)
{
	uint8_t record[128], room[64];
	size_t got;
	struct dtls_session *s = d->lan->session[0].s;
	uint8_t message[13] = { 24, 0, 0, 1, 0, (uint8_t)d->message++, 0, 0, 0, 0, 0, 1, 0 };
	size_t n = sealer13_seal(&d->seal, SEALER13_HANDSHAKE, number, message, 13, record);
	dtls_feed(s, record, n, (struct mono){ 1000000 });
	ck_assert_int_eq(dtls_read(s, room, sizeof(room), &got, (struct mono){ 1000000 }),
		DTLS_NOTHING);
	ck_assert(!dtls_was_newest(s));
	sealer13_update(&d->seal);
}

/* ---- numbers ---- */

struct row {
	uint64_t number;
	enum taken taken;
};

/* Each is followed by a row of LOST and number 0. */
static const struct row few[] = { { 5, NEWEST }, { 3, READ }, { 5, LOST }, { 4, READ }, { 6, NEWEST },
	{ 100, NEWEST }, { 36, LOST }, { 99, READ }, { 101, NEWEST }, { 0, LOST } };
static const struct row wrap8[] = { { 100, NEWEST }, { 200, NEWEST }, { 255, NEWEST }, { 254, READ },
	{ 257, NEWEST }, { 255, LOST }, { 256, READ }, { 253, READ }, { 380, NEWEST },
	{ 500, NEWEST }, { 511, NEWEST }, { 512, NEWEST }, { 510, READ }, { 0, LOST } };
static const struct row wrap16[] = { { 30000, NEWEST }, { 60000, NEWEST }, { 65535, NEWEST },
	{ 65533, READ }, { 65537, NEWEST }, { 65535, LOST }, { 65536, READ }, { 65534, READ },
	{ 98000, NEWEST }, { 120000, NEWEST }, { 131071, NEWEST }, { 131072, NEWEST }, { 131070, READ }, { 0, LOST } };

static void assert_rows(struct device *d, const struct row *row)
{
	for (; row->number != 0; row++)
		ck_assert_msg(says(d, row->number) == row->taken, "number %u", (unsigned)row->number);
}

START_TEST(newest_is_what_the_hidden_numbers_say)
{
	static struct device d;
	for (int is_short = 0; is_short < 2; is_short++) {
		device_begin(&d, _i, is_short);
		ck_assert(!dtls_was_newest(d.lan->session[0].s));
		ck_assert_int_eq(says(&d, 0), NEWEST);
		ck_assert_int_eq(says(&d, 0), LOST);
		assert_rows(&d, few);
		device_end(&d);
	}
}
END_TEST

START_TEST(the_last_bits_go_round)
{
	static struct device d;
	for (int is_short = 0; is_short < 2; is_short++) {
		device_begin(&d, 0, is_short);
		assert_rows(&d, is_short ? wrap8 : wrap16);
		device_end(&d);
	}
}
END_TEST

/* A device may take the short form for one record and the long one for the next. */
START_TEST(both_forms_count_together)
{
	static struct device d;
	device_begin(&d, 0, false);
	struct sealer13 brief = d.seal;
	brief.is_short = true;
	ck_assert_int_eq(says(&d, 250), NEWEST);
	ck_assert_int_eq(say(&d, &brief, 260, 20), NEWEST);
	ck_assert_int_eq(says(&d, 259), READ);
	ck_assert_int_eq(say(&d, &brief, 258, 20), READ);
	ck_assert_int_eq(say(&d, &brief, 259, 20), LOST);
	ck_assert_int_eq(says(&d, 300), NEWEST);
	device_end(&d);
}
END_TEST

START_TEST(a_number_is_rebuilt_as_the_nearest)
{
	static const struct {
		uint64_t next;
		uint16_t low;
		unsigned bits;
		uint64_t full;
	} rows[] = { { 0, 0, 16, 0 }, { 0, 65535, 16, 65535 }, { 0, 255, 8, 255 }, { 1, 0, 8, 0 },
		{ 256, 255, 8, 255 }, { 255, 0, 8, 256 }, { 257, 254, 8, 254 }, { 65536, 0, 16, 65536 },
		{ 65535, 0, 16, 65536 }, { 65537, 65535, 16, 65535 }, { 300, 43, 8, 299 },
		{ 300, 45, 8, 301 }, { 0xffffffff, 1, 16, 0x100000001 },
		{ 0x100000000, 0xffff, 16, 0xffffffff } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(number13_rebuild(rows[i].next, rows[i].low, rows[i].bits) ==
				      rows[i].full,
			"row %zu", i);
}
END_TEST

/* ---- epochs ---- */

/* The two bits of the epoch go round twice. */
START_TEST(a_new_epoch_is_newer_than_the_old_ones)
{
	static struct device d;
	device_begin(&d, _i, false);
	ck_assert_int_eq(says(&d, 7), NEWEST);
	for (unsigned i = 0; i < 9; i++) {
		struct sealer13 old = d.seal;
		update(&d, 8);
		ck_assert_int_eq(say(&d, &old, 6, 20), READ);
		ck_assert_int_eq(says(&d, 0), NEWEST);
		ck_assert_int_eq(say(&d, &old, 9, 20), READ);
		ck_assert_int_eq(says(&d, 3), NEWEST);
		ck_assert_int_eq(says(&d, 2), READ);
		ck_assert_int_eq(says(&d, 3), LOST);
		ck_assert_int_eq(says(&d, 7), NEWEST);
	}
	device_end(&d);
}
END_TEST

START_TEST(two_updates_without_a_word)
{
	static struct device d;
	device_begin(&d, 0, _i);
	ck_assert_int_eq(says(&d, 0), NEWEST);
	update(&d, 1);
	update(&d, 0);
	update(&d, 0);
	ck_assert_int_eq(says(&d, 0), NEWEST);
	ck_assert_int_eq(says(&d, 1), NEWEST);
	ck_assert_int_eq(says(&d, 1), LOST);
	device_end(&d);
}
END_TEST

/* Old records, never seen, whose epoch looks like the next one. wolfSSL reads one epoch before the
 * newest; whether it reads more is its matter, that nothing moves by them is ours. */
START_TEST(an_old_epoch_is_not_taken_for_the_next)
{
	static struct device d;
	device_begin(&d, _i, false);
	struct sealer13 first = d.seal;
	ck_assert_int_eq(says(&d, 0), NEWEST);
	for (unsigned i = 0; i < 3; i++) {
		update(&d, 1);
		ck_assert_int_eq(says(&d, 0), NEWEST);
	}
	ck_assert_uint_eq(d.seal.epoch & 3, (first.epoch - 1) & 3);
	for (unsigned number = 2; number < 40; number++)
		ck_assert_int_ne(say(&d, &first, number, 20), NEWEST);
	ck_assert_int_eq(says(&d, 5), NEWEST);
	update(&d, 6);
	ck_assert_int_eq(says(&d, 0), NEWEST);
	ck_assert_int_eq(says(&d, 1), NEWEST);
	device_end(&d);
}
END_TEST

/* Too long to be opened twice: it is read, and the next one shows the epoch. */
START_TEST(a_long_first_record_of_an_epoch_shows_nothing)
{
	static struct device d;
	device_begin(&d, 0, false);
	ck_assert_int_eq(say(&d, &d.seal, 0, 9000), NEWEST);
	update(&d, 1);
	ck_assert_int_eq(say(&d, &d.seal, 0, 9000), READ);
	ck_assert_int_eq(says(&d, 1), NEWEST);
	ck_assert_int_eq(say(&d, &d.seal, 2, 9000), NEWEST);
	device_end(&d);
}
END_TEST

/* ---- moving ---- */

/* A copy of the last datagram that left, kept from the wire. */
static struct wire_packet *capture(struct wire *w, const char *text)
{
	ck_assert_int_eq(dtls_write(w->client, (const uint8_t *)text, strlen(text)), 0);
	w->packet[w->sent - 1].due = MONO_NEVER;
	return &w->packet[w->sent - 1];
}

START_TEST(a_session_moves_with_the_newest_record_alone)
{
	struct lan *l = lan_begin(true);
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l, .no_dhe = _i });
	wire_run(w, MONO_NEVER);
	struct lan_session *e = &l->session[0];
	const struct lan_peer there = { SLICE("elsewhere"), NULL, NULL };
	const struct lan_peer yonder = { SLICE("yonder"), NULL, NULL };
	struct wire_packet *p[4];
	for (int i = 0; i < 4; i++)
		p[i] = capture(w, "move");
	/* Forged: nothing is read, nothing moves. */
	p[1]->bytes[p[1]->n - 1] ^= 1;
	lan_feed(l, &there, p[1]->bytes, p[1]->n, w->now);
	p[1]->bytes[p[1]->n - 1] ^= 1;
	ck_assert(e->got == 0 && e->peer == &w->address);
	/* Newest: it moves. */
	lan_feed(l, &there, p[1]->bytes, p[1]->n, w->now);
	ck_assert(e->got == 1 && e->peer == &there);
	/* Older, and authentic: it is read, and moves nothing. */
	lan_feed(l, &yonder, p[0]->bytes, p[0]->n, w->now);
	ck_assert(e->got == 2 && e->peer == &there);
	/* Replayed: nothing. */
	lan_feed(l, &yonder, p[1]->bytes, p[1]->n, w->now);
	ck_assert(e->got == 2 && e->peer == &there);
	ck_assert(!dtls_was_newest(e->s));
	/* An older one and the newest in one datagram: the last event counts. */
	uint8_t both[512];
	memcpy(both, p[3]->bytes, p[3]->n);
	memcpy(both + p[3]->n, p[2]->bytes, p[2]->n);
	lan_feed(l, &yonder, both, p[3]->n + p[2]->n, w->now);
	ck_assert(e->got == 4 && e->peer == &yonder);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* What a network alters is not authentic, so it never counts: the numbers after it are as before. */
START_TEST(forgeries_move_no_number)
{
	static struct device d;
	uint8_t record[256], copy[256], room[64];
	size_t got, n;
	device_begin(&d, 0, _i);
	ck_assert_int_eq(says(&d, 10), NEWEST);
	n = sealer13_seal(&d.seal, SEALER13_DATA, 9, "old", 3, record);
	for (size_t bit = 0; bit < n * 8; bit++) {
		memcpy(copy, record, n);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		dtls_feed(d.lan->session[0].s, copy, n, (struct mono){ 1000000 });
		ck_assert_int_eq(dtls_read(d.lan->session[0].s, room, sizeof(room), &got,
					 (struct mono){ 1000000 }),
			DTLS_NOTHING);
	}
	ck_assert_int_eq(says(&d, 8), READ);
	ck_assert_int_eq(says(&d, 11), NEWEST);
	device_end(&d);
}
END_TEST

static TCase *all(void)
{
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, wire_speak_13, NULL);
	tcase_add_loop_test(c, newest_is_what_the_hidden_numbers_say, 0, 3);
	tcase_add_test(c, the_last_bits_go_round);
	tcase_add_test(c, both_forms_count_together);
	tcase_add_loop_test(c, a_new_epoch_is_newer_than_the_old_ones, 0, 3);
	tcase_add_loop_test(c, two_updates_without_a_word, 0, 2);
	tcase_add_loop_test(c, an_old_epoch_is_not_taken_for_the_next, 0, 3);
	tcase_add_test(c, a_long_first_record_of_an_epoch_shows_nothing);
	tcase_add_loop_test(c, a_session_moves_with_the_newest_record_alone, 0, 2);
	tcase_add_loop_test(c, forgeries_move_no_number, 0, 2);
	return c;
}

Suite *newest13_suite(void)
{
	Suite *s = suite_create("dtls 1.3 numbers");
	SUITE_TEST(s, a_number_is_rebuilt_as_the_nearest);
	if (wolf_peer_has_13())
		suite_add_tcase(s, all());
	return s;
}
