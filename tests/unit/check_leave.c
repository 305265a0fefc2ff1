/* Sessions that leave wolfSSL when they are up, of either role: what changes then, which is nothing that
 * anybody sees; that no nonce is used twice; and what an authentic peer may say to them. */
#include <errno.h>
#include <string.h>
#include "dtls/session_int.h"
#include "dtls_suites.h"
#include "sealer.h"
#include "wire.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })
#define KEY         SLICE("0123456789abcdef")

static const uint8_t hi[] = { 'h', 'i' };
static const struct mono start = { 1000000 };

static const struct {
	const char *name, *iana;
} suites[] = {
	{ "PSK-AES128-CCM-8", "TLS_PSK_WITH_AES_128_CCM_8" },
	{ "PSK-AES128-CCM", "TLS_PSK_WITH_AES_128_CCM" },
	{ "PSK-AES128-GCM-SHA256", "TLS_PSK_WITH_AES_128_GCM_SHA256" },
};
#define SUITES (sizeof(suites) / sizeof(suites[0]))

static bool has_left(const struct dtls_session *s)
{
	return s->aid == NULL;
}

/* ---- nonces ---- */

/* Every explicit nonce and record number of epoch 1 that stood on the wire, each way. */
struct seen {
	uint64_t nonce[2][512], number[2][512];
	unsigned n[2];
	size_t cid[2]; /* length of the id that goes that way */
	bool twice;
};

static uint64_t load(struct slice s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | s.p[i];
	return v;
}

static void note_nonce(struct seen *seen, enum wire_way way, uint64_t number, uint64_t nonce)
{
	ck_assert_uint_lt(seen->n[way], 512);
	for (unsigned i = 0; i < seen->n[way]; i++)
		seen->twice |= seen->nonce[way][i] == nonce || seen->number[way][i] == number;
	seen->number[way][seen->n[way]] = number;
	seen->nonce[way][seen->n[way]++] = nonce;
}

static void note_datagram(struct seen *seen, enum wire_way way, const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_of(bytes, n);
	while (cur_left(&c) > 0) {
		uint8_t type = cur_u8(&c);
		(void)cur_u16(&c);
		uint16_t epoch = cur_u16(&c);
		uint64_t number = load(cur_take(&c, 6));
		if (type == 25)
			(void)cur_take(&c, seen->cid[way]);
		struct slice body = cur_take(&c, cur_u16(&c));
		ck_assert(!c.broken);
		if (epoch == 1)
			note_nonce(seen, way, number, load((struct slice){ body.p, 8 }));
	}
}

static void note_all(struct seen *seen, const struct wire *w)
{
	for (unsigned i = 0; i < w->sent; i++)
		note_datagram(seen, w->packet[i].way, w->packet[i].bytes, w->packet[i].n);
}

/* The server's last flight is lost once, so both ends repeat theirs: wolfSSL has used two nonces of each. */
static struct wire *client_up(int suite, bool cid)
{
	struct wire_spec spec = { .cid = cid,
		.server_cid = cid,
		.own_cid = SLICE("abcdefgh"),
		.suites = suites[suite].name };
	spec.fate[6] = WIRE_LOSE;
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	ck_assert_str_eq(dtls_suite(w->client), suites[suite].iana);
	ck_assert(has_left(w->client));
	return w;
}

static void write_some(struct wire *w, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		unsigned got = w->server_got;
		ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
		wire_run(w, MONO_NEVER);
		ck_assert_uint_eq(w->server_got, got + 1);
	}
}

/* The same key is used by wolfSSL in the handshake, and by us behind it. */
START_TEST(no_nonce_of_a_client_is_used_twice)
{
	static struct seen seen;
	bool cid = (unsigned)_i >= SUITES;
	struct wire *w = client_up(_i % (int)SUITES, cid);
	seen = (struct seen){ .cid = { [WIRE_UP] = cid ? 8 : 0 } };
	write_some(w, 10);
	for (unsigned i = 0; i < 30; i++) {
		write_some(w, 1);
		wolf_peer_write(w->server, hi, sizeof(hi));
		wire_run(w, MONO_NEVER);
	}
	dtls_close(&w->client);
	note_all(&seen, w);
	ck_assert_uint_eq(seen.n[WIRE_UP], 2 + 10 + 30 + 1);
	ck_assert_uint_eq(seen.n[WIRE_DOWN], 2 + 30);
	ck_assert(!seen.twice);
	wire_end(w);
}
END_TEST

/* So the test above can fail: either number set back by one is found, also where only wolfSSL has used it. */
START_TEST(a_number_that_is_set_back_is_found)
{
	static struct seen seen;
	struct wire *w = client_up(_i % (int)SUITES, false);
	if ((unsigned)_i < SUITES)
		w->client->record.next--;
	else
		w->client->record.nonce_base--;
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	seen = (struct seen){ .cid = { 0 } };
	note_all(&seen, w);
	ck_assert(seen.twice);
	wire_end(w);
}
END_TEST

/* A device on wolfSSL, and our listener. */
struct pair {
	struct wolf_peer *device;
	struct lan *lan;
	struct lan_peer address;
	struct seen seen;
	uint8_t queue[8][2000];
	size_t queue_n[8];
	unsigned put, taken, got;
	bool lose_change; /* what goes down and begins with a ChangeCipherSpec */
};

static void to_lan(void *who, const uint8_t *bytes, size_t n)
{
	struct pair *p = who;
	note_datagram(&p->seen, WIRE_UP, bytes, n);
	lan_feed(p->lan, &p->address, bytes, n, start);
}

static void to_device(void *who, const uint8_t *bytes, size_t n)
{
	struct pair *p = who;
	unsigned i = p->put % 8;
	note_datagram(&p->seen, WIRE_DOWN, bytes, n);
	if (p->lose_change && bytes[0] == 20)
		return;
	p->put++;
	ck_assert_uint_le(n, sizeof(p->queue[i]));
	memcpy(p->queue[i], bytes, n);
	p->queue_n[i] = n;
}

static void on_data(void *who, const uint8_t *bytes, size_t n)
{
	struct pair *p = who;
	(void)bytes;
	(void)n;
	p->got++;
}

static void pump(struct pair *p)
{
	while (p->taken < p->put) {
		unsigned i = p->taken++ % 8;
		wolf_peer_feed(p->device, p->queue[i], p->queue_n[i]);
	}
}

static void pair_make(struct pair *p, const char *list, bool cid)
{
	memset(p, 0, sizeof(*p));
	p->lan = lan_begin(cid);
	p->seen.cid[WIRE_UP] = cid ? LAN_CID : 0;
	p->seen.cid[WIRE_DOWN] = cid ? 3 : 0;
	p->address = (struct lan_peer){ SLICE("device"), to_device, p };
	p->device = wolf_peer_create(&(struct wolf_peer_spec){ .is_client = true,
		.suites = list,
		.identity = SLICE("meter17"),
		.key = KEY,
		.cid = cid,
		.own_cid = SLICE("dev"),
		.send = to_lan,
		.on_data = on_data,
		.who = p });
}

static struct dtls_session *pair_begin(struct pair *p, const char *list, bool cid)
{
	pair_make(p, list, cid);
	wolf_peer_begin(p->device);
	pump(p);
	ck_assert_uint_eq(p->lan->born, 1);
	ck_assert_int_eq(dtls_state(p->lan->session[0].s), DTLS_UP);
	return p->lan->session[0].s;
}

static void pair_end(struct pair *p)
{
	lan_end(p->lan);
	wolf_peer_free(p->device);
}

START_TEST(no_nonce_of_a_server_is_used_twice)
{
	static struct pair p;
	struct dtls_session *s =
		pair_begin(&p, suites[_i % (int)SUITES].name, (unsigned)_i >= SUITES);
	ck_assert(has_left(s));
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(dtls_write(s, hi, sizeof(hi)), 0);
	pump(&p);
	for (unsigned i = 0; i < 30; i++) {
		wolf_peer_write(p.device, hi, sizeof(hi));
		ck_assert_int_eq(dtls_write(s, hi, sizeof(hi)), 0);
		pump(&p);
	}
	ck_assert_uint_eq(p.got, 35);
	ck_assert_uint_eq(p.lan->session[0].got, 30);
	dtls_close(&p.lan->session[0].s);
	pump(&p);
	ck_assert(wolf_peer_is_closed(p.device));
	ck_assert_uint_eq(p.seen.n[WIRE_DOWN], 1 + 5 + 30 + 1);
	ck_assert_uint_ge(p.seen.n[WIRE_UP], 1 + 30);
	ck_assert(!p.seen.twice);
	pair_end(&p);
}
END_TEST

static uint64_t plain_number(const struct wire *w, unsigned packet)
{
	ck_assert_uint_eq(w->packet[packet].bytes[0], 20);
	return load((struct slice){ w->packet[packet].bytes + 3, 8 });
}

/* wolfSSL sends the last flight once, we send it again, with numbers of its own, in both epochs. */
START_TEST(a_repeated_flight_has_its_own_numbers)
{
	static struct seen seen;
	struct lan *l = lan_begin(_i);
	struct wire_spec spec = { .lan = l, .cid = _i };
	spec.fate[5] = spec.fate[7] = WIRE_LOSE; /* the server's Finished, twice */
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	struct dtls_session *s = l->session[0].s;
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_eq(mono_since(start, w->established), 3000 + 6 * WIRE_MS);
	ck_assert(has_left(s));
	ck_assert_uint_eq(s->record.next, 3);
	ck_assert_uint_eq(plain_number(w, 7), plain_number(w, 5) + 1);
	ck_assert_uint_eq(plain_number(w, 9), plain_number(w, 5) + 2);
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	ck_assert_int_eq(dtls_write(s, hi, sizeof(hi)), 0);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->client_got, 1);
	seen = (struct seen){ .cid = { [WIRE_UP] = _i ? LAN_CID : 0 } };
	note_all(&seen, w);
	ck_assert_uint_eq(seen.n[WIRE_DOWN], 3 + 1);
	ck_assert_uint_eq(seen.n[WIRE_UP], 3 + 1);
	ck_assert(!seen.twice);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* A device on wolfSSL that lacks our last flight asks for it, and takes ours for its library's. */
START_TEST(a_repeated_flight_is_understood)
{
	static struct pair p;
	bool cid = (unsigned)_i >= SUITES;
	pair_make(&p, suites[_i % (int)SUITES].name, cid);
	p.lose_change = true;
	wolf_peer_begin(p.device);
	pump(&p);
	struct dtls_session *s = p.lan->session[0].s;
	ck_assert_int_eq(dtls_state(s), DTLS_UP);
	ck_assert(has_left(s));
	ck_assert(wolf_peer_is_shaking(p.device));
	wolf_peer_repeat(p.device); /* and that answer is lost too */
	pump(&p);
	p.lose_change = false;
	wolf_peer_repeat(p.device);
	pump(&p);
	ck_assert(wolf_peer_is_up(p.device));
	ck_assert_uint_eq(s->record.next, 3);
	ck_assert_int_eq(dtls_write(s, hi, sizeof(hi)), 0);
	wolf_peer_write(p.device, hi, sizeof(hi));
	pump(&p);
	ck_assert_uint_eq(p.got, 1);
	ck_assert_uint_eq(p.lan->session[0].got, 1);
	ck_assert(!p.seen.twice);
	pair_end(&p);
}
END_TEST

/* ---- who leaves, and what stays ---- */

/* Both ends ours, and with ids where they are wanted; data has come to the server. */
static struct wire *both_up(struct lan **lan, bool cid)
{
	*lan = lan_begin(cid);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = *lan, .cid = cid });
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	return w;
}

static void first_data(struct wire *w, struct lan *l)
{
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	wire_run(w, MONO_NEVER);
	ck_assert(has_left(l->session[0].s));
}

static void both_end(struct wire *w, struct lan *l)
{
	lan_end(l);
	wire_end(w);
}

START_TEST(what_callers_ask_stays_the_same)
{
	struct lan *l;
	struct wire *w = both_up(&l, _i);
	struct dtls_session *s = l->session[0].s;
	const uint8_t *identity = dtls_identity(s).p;
	ck_assert(has_left(s));
	for (int round = 0; round < 2; round++) {
		struct slice name;
		ck_assert_str_eq(dtls_suite(s), "TLS_PSK_WITH_AES_128_CCM_8");
		ck_assert(slice_is(dtls_identity(s), "meter17"));
		ck_assert_ptr_eq(
			dtls_identity(s).p, identity); /* the session's, as long as it lives */
		ck_assert_int_eq(dtls_security_of(s), DTLS_PSK);
		ck_assert_uint_eq(dtls_public_key(s).n, 0);
		ck_assert(!dtls_peer_name(s, 0, &name));
		ck_assert_int_eq(dtls_peer_cid(s), -1); /* a client of ours has an empty one */
		ck_assert(dtls_has_own_cid(s) == (_i != 0));
		ck_assert_int_eq(dtls_version_of(s), DTLS_1_2);
		ck_assert_int_eq(dtls_state(s), DTLS_UP);
		ck_assert_int_eq(dtls_why(s), DTLS_FAULT_NONE);
		ck_assert_int_eq(dtls_alert(s), -1);
		ck_assert_uint_eq(dtls_unanswered(s), 0);
		ck_assert(dtls_deadline(s).ms == MONO_NEVER.ms);
		ck_assert_int_eq(dtls_tick(s, MONO_NEVER), DTLS_NOTHING);
		ck_assert(dtls_owns_hello(s, w->packet[2].bytes, w->packet[2].n) == (round == 0));
		ck_assert_int_eq(dtls_peer_cid(w->client), _i ? LAN_CID : -1);
		ck_assert_uint_eq(dtls_identity(w->client).n, 0);
		ck_assert_int_eq(dtls_security_of(w->client), DTLS_PSK);
		dtls_prefetch(s);
		if (round == 0) {
			first_data(w, l);
			ck_assert_int_eq(dtls_write(s, hi, sizeof(hi)), 0);
			wire_run(w, MONO_NEVER);
		}
	}
	both_end(w, l);
}
END_TEST

static void assert_stays(const char *list)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .suites = list });
	wire_run(w, MONO_NEVER);
	for (unsigned i = 0; i < 3; i++) {
		write_some(w, 1);
		wolf_peer_write(w->server, hi, sizeof(hi));
		wire_run(w, MONO_NEVER);
	}
	ck_assert_uint_eq(w->client_got, 3);
	ck_assert(!has_left(w->client));
	wire_end(w);
}

START_TEST(cbc_stays_in_the_library)
{
	assert_stays("PSK-AES128-CBC-SHA256");
}
END_TEST

/* A server's, and there the library repeats the last flight. */
START_TEST(cbc_of_a_device_stays_in_the_library)
{
	static struct pair p;
	pair_make(&p, "PSK-AES128-CBC-SHA256", _i);
	p.lose_change = true;
	wolf_peer_begin(p.device);
	pump(&p);
	ck_assert(wolf_peer_is_shaking(p.device));
	p.lose_change = false;
	wolf_peer_repeat(p.device);
	pump(&p);
	ck_assert(wolf_peer_is_up(p.device));
	struct dtls_session *s = p.lan->session[0].s;
	for (unsigned i = 0; i < 3; i++) {
		wolf_peer_write(p.device, hi, sizeof(hi));
		ck_assert_int_eq(dtls_write(s, hi, sizeof(hi)), 0);
		pump(&p);
	}
	ck_assert(!has_left(s));
	ck_assert_uint_eq(p.got, 3);
	ck_assert_uint_eq(p.lan->session[0].got, 3);
	pair_end(&p);
}
END_TEST

START_TEST(dtls_1_3_stays_in_the_library)
{
	if (!wolf_peer_has_13())
		return;
	wire_speak_13();
	assert_stays(NULL);
}
END_TEST

/* A library that did something odd with its nonces keeps the session, and that goes on. */
START_TEST(an_odd_session_stays_in_the_library)
{
	struct wire *w = wire_begin(&(struct wire_spec){ 0 });
	w->client->record.is_odd = true;
	wire_run(w, MONO_NEVER);
	for (unsigned i = 0; i < 3; i++) {
		write_some(w, 1);
		wolf_peer_write(w->server, hi, sizeof(hi));
		wire_run(w, MONO_NEVER);
	}
	ck_assert_uint_eq(w->client_got, 3);
	ck_assert(!has_left(w->client));
	wire_end(w);
}
END_TEST

/* Only an authentic Finished lets a session leave, and what is forged moves no window. */
START_TEST(a_forged_finished_lets_nobody_leave)
{
	struct wire_spec spec = { .suites = suites[_i].name };
	spec.fate[6] = WIRE_LOSE;
	struct wire *w = wire_begin(&spec);
	wire_run(w, mono_add(w->now, 6 * WIRE_MS));
	struct wire_packet *p = &w->packet[6];
	uint8_t copy[128];
	for (size_t i = 14 + 5; i < p->n; i++) { /* behind type, version and epoch */
		memcpy(copy, p->bytes, p->n);
		copy[i] ^= 0x80;
		ck_assert_int_eq(wire_feed(w, copy, p->n), DTLS_NOTHING);
		ck_assert(!has_left(w->client));
	}
	ck_assert_int_eq(wire_feed(w, p->bytes, p->n), DTLS_ESTABLISHED);
	ck_assert(has_left(w->client));
	ck_assert_uint_eq(w->client->record.top, 0);
	ck_assert_uint_eq(w->client->record.seen, 1);
	write_some(w, 3);
	wire_end(w);
}
END_TEST

/* The handshake thrown back, and a new hello: nothing is said, and nothing changes. */
START_TEST(the_handshake_is_over)
{
	struct lan *l;
	struct wire *w = both_up(&l, _i);
	struct dtls_session *s = l->session[0].s;
	first_data(w, l);
	unsigned sent = w->sent;
	uint8_t room[64];
	size_t n;
	for (unsigned i = 0; i < sent; i++) {
		dtls_feed(s, w->packet[i].bytes, w->packet[i].n, w->now);
		ck_assert_int_eq(dtls_read(s, room, sizeof(room), &n, w->now), DTLS_NOTHING);
	}
	ck_assert_uint_eq(w->sent, sent);
	ck_assert_uint_eq(dtls_dropped(s, DTLS_DROP_CLIENT_HELLO), 2);
	ck_assert_uint_ge(dtls_dropped(s, DTLS_DROP_RECORD), 1); /* the data again */
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(l->session[0].got, 2);
	both_end(w, l);
}
END_TEST

/* ---- an authentic device, sealed here ---- */

struct far {
	struct lan *lan;
	struct wire *wire;
	struct sealer sealer;
	bool cid;
	uint64_t number;
};

static void far_meet(struct far *f, bool cid)
{
	f->cid = cid;
	f->number = 100;
	f->wire = both_up(&f->lan, cid);
	sealer_learn(&f->sealer, f->wire, KEY);
}

static void far_begin(struct far *f, bool cid)
{
	far_meet(f, cid);
	first_data(f->wire, f->lan);
	f->lan->session[0].got = 0;
}

static void far_end(struct far *f)
{
	both_end(f->wire, f->lan);
}

static struct lan_session *far_feed(struct far *f, const uint8_t *record, size_t n)
{
	lan_feed(f->lan, &f->wire->address, record, n, f->wire->now);
	return &f->lan->session[0];
}

/* Says it as the peer would, with zeros behind it where ids are used. */
static struct lan_session *say(struct far *f, uint8_t type, struct slice content, size_t zeros)
{
	uint8_t inner[400] = { 0 }, record[500];
	size_t n;
	struct lan_session *e = &f->lan->session[0];
	memcpy(inner, content.p, content.n);
	inner[content.n] = type;
	if (f->cid)
		n = sealer_seal_cid(&f->sealer, WIRE_UP, (struct slice){ e->cid, LAN_CID },
			f->number++, inner, content.n + 1 + zeros, record);
	else
		n = sealer_seal(
			&f->sealer, WIRE_UP, type, f->number++, content.p, content.n, record);
	return far_feed(f, record, n);
}

START_TEST(zeros_behind_the_type_are_no_data)
{
	struct far f;
	far_begin(&f, true);
	for (unsigned zeros = 0; zeros < 300; zeros += 37) {
		struct lan_session *e = say(&f, 23, SLICE("a\0\0"), zeros);
		ck_assert_uint_eq(e->got, zeros / 37 + 1);
		ck_assert_uint_eq(e->last_n, 3);
		ck_assert_mem_eq(e->last, "a\0\0", 3);
	}
	far_end(&f);
}
END_TEST

START_TEST(an_empty_record_is_data_with_an_id_too)
{
	struct far f;
	far_begin(&f, _i);
	struct lan_session *e = say(&f, 23, SLICE(""), 0);
	ck_assert_uint_eq(e->got, 1);
	ck_assert_uint_eq(e->last_n, 0);
	e = say(&f, 23, SLICE(""), 20);
	ck_assert_uint_eq(e->got, 2);
	far_end(&f);
}
END_TEST

/* Nothing but zeros, or nothing at all: authentic, and no record. */
START_TEST(an_inner_plaintext_without_a_type_is_dropped)
{
	struct far f;
	uint8_t record[200], zeros[20] = { 0 };
	far_begin(&f, true);
	struct slice cid = { f.lan->session[0].cid, LAN_CID };
	for (size_t n = 0; n <= sizeof(zeros); n++) {
		size_t length =
			sealer_seal_cid(&f.sealer, WIRE_UP, cid, f.number++, zeros, n, record);
		struct lan_session *e = far_feed(&f, record, length);
		ck_assert_uint_eq(dtls_dropped(e->s, DTLS_DROP_RECORD), n + 1);
	}
	ck_assert_uint_eq(say(&f, 23, SLICE("x"), 0)->got, 1);
	far_end(&f);
}
END_TEST

/* No other session's, none at all, or too short a one: all sealed with the right key. */
START_TEST(a_record_needs_the_id_that_was_agreed)
{
	struct far f;
	uint8_t record[200];
	far_begin(&f, true);
	struct lan_session *e = &f.lan->session[0];
	uint8_t other[LAN_CID];
	memcpy(other, e->cid, LAN_CID);
	other[LAN_CID - 1] ^= 1;
	size_t n = sealer_seal_cid(
		&f.sealer, WIRE_UP, (struct slice){ other, LAN_CID }, 200, "x\x17", 2, record);
	uint8_t room[64];
	size_t got;
	dtls_feed(e->s, record, n, f.wire->now);
	ck_assert_int_eq(dtls_read(e->s, room, sizeof(room), &got, f.wire->now), DTLS_NOTHING);
	ck_assert_uint_eq(dtls_dropped(e->s, DTLS_DROP_RECORD), 1);
	n = sealer_seal(&f.sealer, WIRE_UP, 23, 201, "x", 1, record);
	dtls_feed(e->s, record, n, f.wire->now);
	ck_assert_int_eq(dtls_read(e->s, room, sizeof(room), &got, f.wire->now), DTLS_NOTHING);
	ck_assert_uint_eq(dtls_dropped(e->s, DTLS_DROP_HEADER), 1);
	ck_assert_uint_eq(say(&f, 23, SLICE("x"), 0)->got, 1);
	far_end(&f);
}
END_TEST

START_TEST(alerts)
{
	struct far f;
	far_begin(&f, _i);
	struct lan_session *e = &f.lan->session[0];
	unsigned sent = f.wire->sent;
	(void)say(&f, 21, SLICE("\1\144"), 3); /* no_renegotiation, a warning */
	(void)say(&f, 21, SLICE("\2"), 0);     /* no alert */
	(void)say(&f, 21, SLICE("\2\24x"), 0);
	(void)say(&f, 21, SLICE(""), 0);
	ck_assert_uint_eq(say(&f, 23, SLICE("x"), 0)->got, 1);
	ck_assert_uint_eq(f.wire->sent, sent);
	(void)say(&f, 21, SLICE("\2\24"), 5);
	ck_assert_ptr_null(e->s);
	ck_assert_uint_eq(e->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(e->alert, 20);
	ck_assert_str_eq((const char *)e->name, "meter17");
	ck_assert_uint_eq(f.wire->sent, sent); /* a fatal alert is not answered */
	far_end(&f);
}
END_TEST

START_TEST(close_notify_of_a_device_is_answered)
{
	struct far f;
	far_begin(&f, _i);
	struct lan_session *e = &f.lan->session[0];
	(void)say(&f, 21, SLICE("\1\0"), 0);
	ck_assert_ptr_null(e->s);
	ck_assert_uint_eq(e->events[DTLS_CLOSED], 1);
	wire_run(f.wire, MONO_NEVER);
	ck_assert_uint_eq(f.wire->events[DTLS_CLOSED], 1); /* the client had the answer */
	far_end(&f);
}
END_TEST

/* HelloRequest, ClientHello, Finished, ChangeCipherSpec, heartbeats, unknown types. */
START_TEST(a_renegotiation_is_let_be)
{
	struct far f;
	uint8_t message[25] = { 0 };
	far_begin(&f, true);
	struct lan_session *e = &f.lan->session[0];
	unsigned sent = f.wire->sent;
	for (unsigned k = 0; k < 256; k++) {
		message[0] = (uint8_t)k;
		(void)say(&f, 22, (struct slice){ message, 12 + k % 13 }, 0);
		if (k != 0 && k != 21 && k != 23)
			(void)say(&f, (uint8_t)k, SLICE("\1"), 0);
	}
	ck_assert_uint_eq(f.wire->sent, sent);
	ck_assert_uint_eq(e->got, 0);
	ck_assert_uint_eq(dtls_dropped(e->s, DTLS_DROP_RECORD), 0);
	ck_assert_uint_eq(say(&f, 23, SLICE("x"), 0)->got, 1);
	far_end(&f);
}
END_TEST

/* Before the first data a Finished asks for our last flight, one answer each; nothing else does. */
START_TEST(only_a_finished_brings_the_last_flight)
{
	struct far f;
	uint8_t message[24] = { 0 };
	far_meet(&f, _i);
	unsigned sent = f.wire->sent;
	for (unsigned k = 0; k < 256; k++) {
		message[0] = (uint8_t)k;
		(void)say(&f, 22, (struct slice){ message, sizeof(message) }, 0);
		ck_assert_uint_eq(f.wire->sent, sent + (k >= 20));
	}
	f.number--; /* the same once more is none */
	message[0] = 20;
	(void)say(&f, 22, (struct slice){ message, sizeof(message) }, 0);
	ck_assert_uint_eq(f.wire->sent, sent + 1);
	(void)say(&f, 22, (struct slice){ message, sizeof(message) }, 0);
	ck_assert_uint_eq(f.wire->sent, sent + 2);
	(void)say(&f, 22, SLICE(""), 0);
	ck_assert_uint_eq(say(&f, 23, SLICE("x"), 0)->got, 1);
	(void)say(&f, 22, (struct slice){ message, sizeof(message) }, 0);
	ck_assert_uint_eq(f.wire->sent, sent + 2);
	far_end(&f);
}
END_TEST

/* RFC 9146 6: an address is believed when nothing newer came before. */
START_TEST(only_the_newest_moves_a_device)
{
	struct far f;
	far_begin(&f, true);
	struct lan_session *e = &f.lan->session[0];
	struct lan_peer elsewhere = { SLICE("elsewhere"), NULL, NULL };
	const uint64_t numbers[] = { 300, 299, 301, 1ull << 40, (1ull << 40) - 1 };
	const bool moves[] = { true, false, true, true, false };
	for (size_t i = 0; i < 5; i++) {
		uint8_t record[100];
		e->peer = &f.wire->address;
		size_t n = sealer_seal_cid(&f.sealer, WIRE_UP, (struct slice){ e->cid, LAN_CID },
			numbers[i], "x\x17", 2, record);
		lan_feed(f.lan, &elsewhere, record, n, f.wire->now);
		ck_assert_uint_eq(e->got, i + 1);
		ck_assert((e->peer == &elsewhere) == moves[i]);
	}
	dtls_forget(&e->s); /* its way leads nowhere */
	far_end(&f);
}
END_TEST

START_TEST(a_session_without_numbers_ends_in_order)
{
	struct lan *l;
	struct wire *w = both_up(&l, _i);
	struct lan_session *e = &l->session[0];
	first_data(w, l);
	ck_assert_int_eq(dtls_write(e->s, hi, sizeof(hi)), 0);
	wire_run(w, MONO_NEVER);
	w->client->record.next = RECORD12_NUMBERS - RECORD12_SPARE - 2;
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), -EPROTO);
	ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
	ck_assert_int_eq(dtls_alert(w->client), -1);
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), -ENOTCONN);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(e->got, 3);
	ck_assert_uint_eq(e->events[DTLS_CLOSED], 1);
	both_end(w, l);
}
END_TEST

/* Nothing of the keys is left in a session that is over. */
START_TEST(keys_are_wiped)
{
	struct record12 none;
	struct wire *w = client_up(0, false);
	wolf_peer_write(w->server, hi, sizeof(hi));
	wire_run(w, MONO_NEVER);
	ck_assert(has_left(w->client));
	wolf_peer_close(w->server);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
	memset(&none, 0, sizeof(none));
	ck_assert_mem_eq(&w->client->record, &none, sizeof(none));
	wire_end(w);
}
END_TEST

Suite *leave_suite(void)
{
	Suite *s = suite_create("dtls sessions that left wolfSSL");
	TCase *c = tcase_create("each suite, with and without an id");
	tcase_add_loop_test(c, no_nonce_of_a_client_is_used_twice, 0, 2 * SUITES);
	tcase_add_loop_test(c, no_nonce_of_a_server_is_used_twice, 0, 2 * SUITES);
	tcase_add_loop_test(c, a_number_that_is_set_back_is_found, 0, 2 * SUITES);
	tcase_add_loop_test(c, a_forged_finished_lets_nobody_leave, 0, SUITES);
	tcase_add_loop_test(c, a_repeated_flight_is_understood, 0, 2 * SUITES);
	tcase_add_loop_test(c, a_repeated_flight_has_its_own_numbers, 0, 2);
	tcase_add_loop_test(c, only_a_finished_brings_the_last_flight, 0, 2);
	tcase_add_loop_test(c, a_session_without_numbers_ends_in_order, 0, 2);
	tcase_add_loop_test(c, what_callers_ask_stays_the_same, 0, 2);
	tcase_add_loop_test(c, the_handshake_is_over, 0, 2);
	tcase_add_loop_test(c, an_empty_record_is_data_with_an_id_too, 0, 2);
	tcase_add_loop_test(c, alerts, 0, 2);
	tcase_add_loop_test(c, close_notify_of_a_device_is_answered, 0, 2);
	suite_add_tcase(s, c);
	SUITE_TEST(s, cbc_stays_in_the_library);
	tcase_add_loop_test(c, cbc_of_a_device_stays_in_the_library, 0, 2);
	SUITE_TEST(s, dtls_1_3_stays_in_the_library);
	SUITE_TEST(s, an_odd_session_stays_in_the_library);
	SUITE_TEST(s, zeros_behind_the_type_are_no_data);
	SUITE_TEST(s, an_inner_plaintext_without_a_type_is_dropped);
	SUITE_TEST(s, a_record_needs_the_id_that_was_agreed);
	SUITE_TEST(s, a_renegotiation_is_let_be);
	SUITE_TEST(s, only_the_newest_moves_a_device);
	SUITE_TEST(s, keys_are_wiped);
	return s;
}
