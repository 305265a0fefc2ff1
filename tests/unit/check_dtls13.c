/* What is DTLS 1.3's alone: versions that do not meet, suites, keys that are refused, key updates,
 * acknowledgements, unified headers. What holds as in 1.2 runs in the other files' "DTLS 1.3". */
#include <errno.h>
#include <string.h>
#include "dtls_suites.h"
#include "pki.h"
#include "wire.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

static const uint8_t hi[] = { 'h', 'i' };

static int64_t elapsed(const struct wire *w)
{
	return mono_since((struct mono){ 1000000 }, w->now);
}

/* A client of ours with a session of our listener; both are up. */
static struct wire *both_up(struct lan **l, bool cid)
{
	*l = lan_begin(cid);
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = cid, .lan = *l });
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_eq(dtls_state((*l)->session[0].s), DTLS_UP);
	return w;
}

static void end(struct wire *w, struct lan *l)
{
	if (l != NULL)
		lan_end(l);
	wire_end(w);
}

START_TEST(six_ways_and_both_are_up)
{
	struct lan *l;
	struct wire *w = both_up(&l, _i);
	struct dtls_session *s = l->session[0].s;
	ck_assert_uint_eq(w->sent, 6);
	ck_assert_int_eq(mono_since((struct mono){ 1000000 }, w->established), 60);
	ck_assert_int_eq(dtls_version_of(w->client), DTLS_1_3);
	ck_assert_int_eq(dtls_version_of(s), DTLS_1_3);
	ck_assert_str_eq(dtls_suite(s), "TLS_AES_128_GCM_SHA256");
	ck_assert_str_eq(dtls_suite(w->client), dtls_suite(s));
	ck_assert(slice_is(dtls_identity(s), "meter17"));
	ck_assert_int_eq(dtls_has_own_cid(s), _i);
	ck_assert_int_eq(dtls_peer_cid(w->client), _i ? LAN_CID : -1);
	ck_assert(dtls_deadline(s).ms == MONO_NEVER.ms);
	ck_assert(dtls_deadline(w->client).ms == MONO_NEVER.ms);
	/* The answer to a stranger is shorter than what he said. */
	ck_assert_uint_eq(w->packet[1].n, 144);
	ck_assert_uint_gt(w->packet[0].n, 144);
	/* Sealed from the ServerHello on, and no ticket comes. */
	ck_assert_uint_eq(w->packet[4].bytes[0] & 0xe0, 0x20);
	ck_assert_uint_eq(w->packet[5].bytes[0] & 0xe0, 0x20);
	end(w, l);
}
END_TEST

/* A hello that is shorter than what would be said to it: nothing is said. */
START_TEST(a_short_hello_gets_nothing)
{
	uint8_t hello[128] = { 22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t tail[] = { 0, 0, 0, 2, 0x13, 0x01, 1, 0, 0, 13, 0, 43, 0, 3, 2, 0xfe,
		0xfc, 0, 45, 0, 2, 1, 0 };
	struct lan *l = lan_begin(false);
	struct wire *w = wire_begin(&(struct wire_spec){ .no_server = true });
	size_t body = 2 + 32 + sizeof(tail), n = 13 + 12 + body;
	hello[12] = (uint8_t)(12 + body);
	hello[13] = 1;
	hello[16] = hello[24] = (uint8_t)body;
	hello[25] = 0xfe;
	hello[26] = 0xfd;
	memcpy(hello + 25 + 2 + 32, tail, sizeof(tail));
	lan_feed(l, &w->address, hello, n, w->now);
	ck_assert_uint_eq(l->born, 0);
	/* It is sound and asks for 1.3, so that this is not for another reason: an alert fits. */
	ck_assert_uint_le(w->sent, 2);
	if (w->sent == 2)
		ck_assert_uint_eq(w->packet[1].n, 15);
	end(w, l);
}
END_TEST

static const struct {
	const char *library, *iana;
} suite_rows[] = {
	{ "TLS13-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256" },
	{ "TLS13-AES128-CCM-SHA256", "TLS_AES_128_CCM_SHA256" },
	{ "TLS13-AES128-CCM-8-SHA256", "TLS_AES_128_CCM_8_SHA256" },
};

START_TEST(every_suite_works_towards_a_server)
{
	for (int no_dhe = 0; no_dhe < 2; no_dhe++) {
		struct wire *w = wire_begin(&(struct wire_spec){
			.suites = suite_rows[_i].library, .no_dhe = no_dhe });
		wire_shake(w);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		ck_assert_str_eq(dtls_suite(w->client), suite_rows[_i].iana);
		ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
		wolf_peer_write(w->server, hi, sizeof(hi));
		wire_run(w, MONO_NEVER);
		ck_assert(w->server_got == 1 && w->client_got == 1);
		end(w, NULL);
	}
}
END_TEST

/* A device on bare wolfSSL. */
struct device {
	struct wolf_peer *peer;
	struct lan *lan;
	struct lan_peer address;
	unsigned sent, got; /* datagrams of the listener's side; messages that the device read */
	uint8_t last[2000]; /* datagram of the listener's side */
	size_t last_n;
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
	ck_assert_uint_le(n, sizeof(d->last));
	memcpy(d->queue[i], bytes, n);
	d->queue_n[i] = n;
	d->sent++;
	d->last_n = n;
	memcpy(d->last, bytes, n);
}

static void on_data(void *who, const uint8_t *bytes, size_t n)
{
	struct device *d = who;
	(void)bytes;
	(void)n;
	d->got++;
}

static void device_run(struct device *d)
{
	for (; d->taken < d->put; d->taken++)
		wolf_peer_feed(d->peer, d->queue[d->taken % 16], d->queue_n[d->taken % 16]);
}

static void device_begin(struct device *d, const char *suites, bool v13, bool no_dhe)
{
	memset(d, 0, sizeof(*d));
	d->lan = lan_begin(true);
	d->address = (struct lan_peer){ SLICE("foreign"), to_device, d };
	d->peer = wolf_peer_create(&(struct wolf_peer_spec){ .suites = suites,
		.is_client = true,
		.v13 = v13,
		.no_dhe = no_dhe,
		.identity = SLICE("meter17"),
		.key = SLICE("0123456789abcdef"),
		.cid = true,
		.own_cid = SLICE("theirs"),
		.send = to_lan,
		.on_data = on_data,
		.who = d });
	wolf_peer_begin(d->peer);
	device_run(d);
}

static void device_end(struct device *d)
{
	lan_end(d->lan);
	wolf_peer_free(d->peer);
}

START_TEST(every_suite_works_for_a_device)
{
	static struct device d;
	for (int no_dhe = 0; no_dhe < 2; no_dhe++) {
		device_begin(&d, suite_rows[_i].library, true, no_dhe);
		struct dtls_session *s = d.lan->session[0].s;
		ck_assert(wolf_peer_is_up(d.peer));
		ck_assert_str_eq(dtls_suite(s), suite_rows[_i].iana);
		ck_assert(dtls_has_own_cid(s));
		ck_assert_int_eq(dtls_peer_cid(s), 6);
		ck_assert_int_eq(dtls_write(s, hi, sizeof(hi)), 0);
		wolf_peer_write(d.peer, hi, sizeof(hi));
		device_run(&d);
		ck_assert(d.got == 1 && d.lan->session[0].got == 1);
		device_end(&d);
	}
}
END_TEST

/* Ours is the order that counts, and CCM_8 comes last. */
START_TEST(the_best_common_suite_is_taken)
{
	static struct device d;
	device_begin(&d, "TLS13-AES128-CCM-8-SHA256:TLS13-AES128-CCM-SHA256", true, false);
	ck_assert_str_eq(dtls_suite(d.lan->session[0].s), "TLS_AES_128_CCM_SHA256");
	device_end(&d);
}
END_TEST

START_TEST(no_common_suite_is_told_at_once)
{
	static struct device d;
	device_begin(&d, "TLS13-CHACHA20-POLY1305-SHA256", true, false);
	ck_assert_uint_eq(d.lan->born, 0);
	ck_assert_uint_eq(d.sent, 1);
	ck_assert_mem_eq(d.last, "\x15\xfe\xfd\0\0\0\0\0\0\0\0\0\2\2\x28", 15);
	device_end(&d);
}
END_TEST

/* ---- versions ---- */

START_TEST(a_listener_serves_old_devices_too)
{
	struct lan *l = lan_begin(true);
	struct wire *w =
		wire_begin(&(struct wire_spec){ .lan = l, .cid = true, .old_client = true });
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_eq(dtls_version_of(l->session[0].s), DTLS_1_2);
	ck_assert_str_eq(dtls_suite(w->client), "TLS_PSK_WITH_AES_128_CCM_8");
	ck_assert(dtls_has_own_cid(l->session[0].s));
	end(w, l);
}
END_TEST

START_TEST(a_new_client_learns_that_a_server_is_old)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .old_server = true });
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(dtls_alert(w->client), 70);
	ck_assert_int_eq(elapsed(w), 1000);
	end(w, NULL);
}
END_TEST

START_TEST(an_old_client_learns_that_a_server_is_new)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .old_client = true });
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(dtls_alert(w->client), 70);
	end(w, NULL);
}
END_TEST

START_TEST(a_new_device_learns_that_a_listener_is_old)
{
	lan_version = DTLS_1_2;
	struct lan *l = lan_begin(true);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = l });
	wire_shake(w);
	ck_assert_uint_eq(l->born, 0);
	ck_assert_uint_eq(w->packet[1].n, 15);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(dtls_alert(w->client), 70);
	end(w, l);
}
END_TEST

/* A forged HelloVerifyRequest is no more than a forged alert. */
START_TEST(a_forged_sign_of_age_does_not_stop_a_server_that_answers)
{
	static const uint8_t verify[] = { 22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 3, 0, 0, 4,
		0, 0, 0, 0, 0, 0, 0, 4, 0xfe, 0xff, 1, 7 };
	for (int at = 0; at < 60; at += 5) {
		struct wire *w = wire_begin(&(struct wire_spec){ 0 });
		wire_run(w, (struct mono){ 1000000 + at });
		wire_feed(w, verify, sizeof(verify));
		wire_shake(w);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		end(w, NULL);
	}
}
END_TEST

/* ---- keys ---- */

/* Who is unknown, and who has another key, hear the same; only the caller learns more. */
START_TEST(refused_keys)
{
	static const struct {
		struct slice identity;
		const char *name;
		int alert;
	} rows[] = { { SLICE("meter17"), "meter17", 47 }, { SLICE("stranger"), "stranger", 115 } };
	uint8_t said[2][15];
	for (int i = 0; i < 2; i++) {
		struct lan *l = lan_begin(false);
		l->psk.key = slice_str("another key");
		struct wire *w =
			wire_begin(&(struct wire_spec){ .lan = l, .identity = rows[i].identity });
		wire_run(w, MONO_NEVER);
		struct lan_session *e = &l->session[0];
		ck_assert_uint_eq(l->born, 1);
		ck_assert_uint_eq(e->events[DTLS_ALERTED], 1);
		ck_assert_int_eq(e->alert, rows[i].alert);
		ck_assert_str_eq((const char *)e->name, rows[i].name);
		ck_assert_int_eq(mono_since((struct mono){ 1000000 }, e->ended), 30);
		ck_assert_uint_eq(w->sent, 4);
		ck_assert_uint_eq(w->packet[3].n, sizeof(said[i]));
		memcpy(said[i], w->packet[3].bytes, sizeof(said[i]));
		ck_assert_int_eq(dtls_alert(w->client), 47);
		ck_assert_uint_eq(lan_living(l), 0);
		end(w, l);
	}
	ck_assert_mem_eq(said[0], said[1], sizeof(said[0]));
}
END_TEST

/* A server that does not know our key shows a certificate instead: we came for the key. */
START_TEST(a_certificate_does_not_stand_in_for_a_key)
{
	struct wire *w = wire_begin(&(struct wire_spec){
		.server_identity = SLICE("somebody"),
		.far = { .cert = pki("server.pem"), .private_key = pki("server.key") } });
	wire_shake(w);
	ck_assert_uint_eq(w->events[DTLS_ESTABLISHED], 0);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_uint_gt(w->sent_way[WIRE_DOWN], 1); /* it did show one */
	end(w, NULL);
}
END_TEST

static unsigned asked;

static const struct dtls_psk *count_asked(void *who, struct slice identity)
{
	(void)who;
	(void)identity;
	asked++;
	return NULL;
}

static void say_nothing(void *who, const uint8_t *datagram, size_t n)
{
	(void)who;
	(void)datagram;
	(void)n;
}

/* Nobody makes us look a key up before he has proven his address. */
START_TEST(no_key_is_looked_up_for_a_stranger)
{
	static const struct dtls_calls calls = { say_nothing };
	struct dtls_listener_spec spec = {
		.find_psk = count_asked, .calls = &calls, .version = DTLS_1_3
	};
	struct dtls_accept_spec from = { SLICE("there"), { NULL, 0 }, 1000, NULL, NULL };
	struct dtls_listener *l;
	struct lan *other = lan_begin(false);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = other });
	wire_run(w, mono_add(w->now, 25));
	ck_assert_int_eq(dtls_listener_create(&l, &spec), 0);
	for (unsigned i = 0; i < 3; i += 2) /* the second has a cookie of another listener */
		ck_assert_ptr_null(
			dtls_accept(l, &from, w->packet[i].bytes, w->packet[i].n, w->now));
	ck_assert_uint_eq(asked, 0);
	dtls_listener_free(l);
	end(w, other);
}
END_TEST

/* ---- after the handshake ---- */

/* The peer changes its keys, asks for ours, and so on: the two bits of the epoch go round. */
START_TEST(key_updates_of_the_peer_are_answered)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = _i, .server_cid = _i,
		.own_cid = SLICE("abcdefgh") });
	wire_run(w, MONO_NEVER);
	for (unsigned i = 1; i <= 9; i++) {
		wolf_peer_update(w->server);
		wire_run(w, mono_add(w->now, 100));
		ck_assert(dtls_deadline(w->client).ms == MONO_NEVER.ms);
		wolf_peer_write(w->server, hi, sizeof(hi));
		ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
		ck_assert_uint_eq(w->packet[w->sent - 1].bytes[0] & 3, (3 + i) & 3);
		wire_run(w, mono_add(w->now, 100));
		ck_assert_uint_eq(w->client_got, i);
		ck_assert_uint_eq(w->server_got, i);
	}
	end(w, NULL);
}
END_TEST

/* Ours gets lost, and so do its first repeats. */
START_TEST(a_lost_key_update_is_repeated)
{
	struct wire *w = wire_begin(&(struct wire_spec){ 0 });
	wire_run(w, MONO_NEVER);
	wolf_peer_update(w->server);
	unsigned first = w->sent; /* our answer, in one datagram or two */
	for (unsigned i = first; i < first + 4; i++)
		w->fate[i] = WIRE_LOSE;
	wire_run(w, mono_add(w->now, 500));
	ck_assert(dtls_deadline(w->client).ms != MONO_NEVER.ms);
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0); /* still under the old keys */
	wire_run(w, mono_add(w->now, 20000));
	ck_assert(dtls_deadline(w->client).ms == MONO_NEVER.ms);
	unsigned got = w->server_got;
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	wire_run(w, mono_add(w->now, 100));
	ck_assert_uint_eq(w->server_got, got + 1);
	end(w, NULL);
}
END_TEST

/* Nobody acknowledges: it rests in the end, and lives. */
START_TEST(a_key_update_that_nobody_acknowledges_rests)
{
	struct wire *w = wire_begin(&(struct wire_spec){ 0 });
	wire_run(w, MONO_NEVER);
	wolf_peer_update(w->server);
	wire_run(w, mono_add(w->now, 10));
	unsigned first = w->sent;
	for (unsigned i = 0; i < first; i++)
		w->packet[i].due = MONO_NEVER;
	for (unsigned i = 0; i < WIRE_FATES; i++)
		w->fate[i] = WIRE_LOSE;
	wire_run(w, mono_add(w->now, 600000));
	ck_assert_uint_le(w->sent, first + 8);
	ck_assert_uint_ge(w->sent, first + 3);
	ck_assert(dtls_deadline(w->client).ms == MONO_NEVER.ms);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	end(w, NULL);
}
END_TEST

START_TEST(every_bit_and_every_length_counts)
{
	struct lan *l;
	struct wire *w = both_up(&l, _i);
	uint8_t copy[64];
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	struct wire_packet *p = &w->packet[w->sent - 1];
	p->due = MONO_NEVER;
	for (size_t bit = 0; bit < p->n * 8; bit++) {
		memcpy(copy, p->bytes, p->n);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		lan_feed(l, &w->address, copy, p->n, w->now);
	}
	for (size_t n = 1; n < p->n; n++)
		lan_feed(l, &w->address, p->bytes, n, w->now);
	ck_assert_uint_eq(l->session[0].got, 0);
	lan_feed(l, &w->address, p->bytes, p->n, w->now);
	ck_assert_uint_eq(l->session[0].got, 1);
	end(w, l);
}
END_TEST

/* RFC 9147 4.5.3: the 65th forgery ends a session of CCM_8, which is why it comes last; the others
 * survive any number that a test can make. */
START_TEST(forgeries_are_counted)
{
	static struct device d;
	uint8_t forged[40] = { 0x3f, [12] = 26 };
	device_begin(&d, suite_rows[_i].library, true, false);
	memcpy(forged + 1, d.lan->session[0].cid, LAN_CID);
	for (unsigned i = 0; i < 5000; i++) {
		forged[30] = (uint8_t)i;
		forged[31] = (uint8_t)(i >> 8);
		if (d.lan->session[0].s != NULL)
			lan_feed(d.lan, &d.address, forged, 39, (struct mono){ 1000000 });
	}
	ck_assert_int_eq(d.lan->session[0].s == NULL, _i == 2);
	device_end(&d);
}
END_TEST

/* ---- unified headers (RFC 9147 4) ---- */

/* Each is followed by 40 bytes. */
static const struct {
	const char *what;
	const char *head;
	size_t n;
	bool passes; /* to the library, where it fails its MAC */
} head_rows[] = {
	{ "whole", "\x3f\2\2\2\2\2\2\2\2\0\1\0\x28", 13, true },
	{ "8 bits of number", "\x37\2\2\2\2\2\2\2\2\1\0\x28", 12, true },
	{ "no length", "\x3b\2\2\2\2\2\2\2\2\0\1", 11, true },
	{ "neither", "\x33\2\2\2\2\2\2\2\2\1", 10, true },
	{ "epoch of the handshake", "\x3e\2\2\2\2\2\2\2\2\0\1\0\x28", 13, true },
	{ "no connection id", "\x2f\0\1\0\x28", 5, false },
	{ "length too long", "\x3f\2\2\2\2\2\2\2\2\0\1\0\x29", 13, false },
	{ "length of nothing", "\x3f\2\2\2\2\2\2\2\2\0\1\0\0", 13, false },
	{ "too short to hide a number", "\x3f\2\2\2\2\2\2\2\2\0\1\0\x0f", 13, false },
	{ "as DTLS 1.2", "\x17\xfe\xfd\0\1\0\0\0\0\0\1\0\x28", 13, false },
	{ "as DTLS 1.2 with an id", "\x19\xfe\xfd\0\1\0\0\0\0\0\2\2\2\2\2\2\2\2\1\0\x28", 21, false },
	{ "ACK in plaintext", "\x1a\xfe\xfd\0\0\0\0\0\0\0\1\0\x28", 13, false },
	{ "alert in plaintext", "\x15\xfe\xfd\0\0\0\0\0\0\0\1\0\x28", 13, false },
};

START_TEST(verdict_on_a_unified_header)
{
	uint8_t bytes[64] = { 0 }, room[64];
	size_t n;
	struct lan *l;
	struct wire *w = both_up(&l, true);
	struct dtls_session *s = l->session[0].s;
	memcpy(bytes, head_rows[_i].head, head_rows[_i].n);
	dtls_feed(s, bytes, head_rows[_i].n + 40, w->now);
	ck_assert_int_eq(dtls_read(s, room, sizeof(room), &n, w->now), DTLS_NOTHING);
	uint64_t header = dtls_dropped(s, DTLS_DROP_HEADER);
	ck_assert_msg((header == 0) == head_rows[_i].passes, "%s", head_rows[_i].what);
	ck_assert_uint_eq(dtls_dropped(s, DTLS_DROP_RECORD), head_rows[_i].passes);
	ck_assert_int_eq(dtls_state(s), DTLS_UP);
	end(w, l);
}
END_TEST

START_TEST(what_is_a_connection_id_in_a_unified_header)
{
	uint8_t r[9 + 2 + 2 + 16] = { 0x3f, 'c', 'o', 'n', 'n', 'e', 'c', 't', '!', 0, 1, 0, 16 };
	struct slice cid;
	ck_assert(dtls_cid_of(r, sizeof(r), 8, &cid));
	ck_assert(slice_is(cid, "connect!"));
	ck_assert(!dtls_cid_of(r, sizeof(r), 0, &cid));
	for (size_t n = 0; n < sizeof(r); n++)
		ck_assert(!dtls_cid_of(r, n, 8, &cid));
	r[0] = 0x2f;
	ck_assert(!dtls_cid_of(r, sizeof(r), 8, &cid));
	r[0] = 0x7f;
	ck_assert(!dtls_cid_of(r, sizeof(r), 8, &cid));
	r[0] = 0x33; /* one byte of number, no length */
	ck_assert(dtls_cid_of(r, sizeof(r), 8, &cid));
	ck_assert(slice_is(cid, "connect!"));
}
END_TEST

/* ---- hellos that wolfSSL would read past the end of ---- */

/* Cut anywhere, with all lengths around the cut set right: no object of the library sees it unless the
 * extensions are whole. */
START_TEST(a_cut_hello_is_refused)
{
	uint8_t copy[512];
	struct lan *l = lan_begin(_i);
	struct wire *w = wire_begin(&(struct wire_spec){ .no_server = true, .cid = _i });
	const struct wire_packet *p = &w->packet[0];
	for (size_t n = 26; n < p->n; n++) {
		memcpy(copy, p->bytes, p->n);
		copy[11] = (uint8_t)((n - 13) >> 8);
		copy[12] = (uint8_t)(n - 13);
		copy[15] = copy[23] = (uint8_t)((n - 25) >> 8);
		copy[16] = copy[24] = (uint8_t)(n - 25);
		lan_feed(l, &w->address, copy, n, w->now);
	}
	/* Without any extension it is a hello of DTLS 1.2. */
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_REFUSED), p->n - 26 - 1);
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_REPLACED), 0);
	end(w, l);
}
END_TEST

/* The key's hello is unchanged, its extensions are not: whatever comes of it, the next is served. */
START_TEST(extensions_with_a_bit_turned)
{
	uint8_t copy[512];
	struct lan *l = lan_begin(true);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = l, .cid = true });
	wire_run(w, mono_add(w->now, 25));
	for (unsigned k = 0; k < 3; k += 2) {
		const struct wire_packet *p = &w->packet[k];
		for (size_t bit = 25 * 8; bit < p->n * 8; bit++) {
			memcpy(copy, p->bytes, p->n);
			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
			unsigned sent = w->sent = 3; /* their record numbers do not matter */
			lan_feed(l, &w->address, copy, p->n, w->now);
			ck_assert_uint_le(w->sent, sent + 1);
			for (unsigned i = 0; i < l->born; i++)
				dtls_forget(&l->session[i].s);
			l->born = 0;
		}
	}
	lan_feed(l, &w->address, w->packet[2].bytes, w->packet[2].n, w->now);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	end(w, l);
}
END_TEST

/* A library without it serves the other version. */
START_TEST(it_is_there_or_it_is_refused)
{
	static const struct dtls_calls calls = { say_nothing };
	int want = wolf_peer_has_13() ? 0 : -ENOTSUP;
	struct dtls_profile *p;
	struct dtls_listener *l;
	struct dtls_profile_spec spec = { .calls = &calls, .version = DTLS_1_3 };
	struct dtls_listener_spec listen = {
		.find_psk = count_asked, .calls = &calls, .version = DTLS_1_3
	};
	ck_assert_int_eq(dtls_profile_create(&p, &spec), want);
	ck_assert_int_eq(dtls_listener_create(&l, &listen), want);
	dtls_profile_free(p);
	dtls_listener_free(l);
	spec.version = listen.version = DTLS_1_2;
	ck_assert_int_eq(dtls_profile_create(&p, &spec), 0);
	ck_assert_int_eq(dtls_listener_create(&l, &listen), 0);
	dtls_profile_free(p);
	dtls_listener_free(l);
}
END_TEST

static TCase *all(void)
{
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, wire_speak_13, NULL);
	tcase_add_loop_test(c, six_ways_and_both_are_up, 0, 2);
	tcase_add_test(c, a_short_hello_gets_nothing);
	tcase_add_loop_test(c, every_suite_works_towards_a_server, 0, 3);
	tcase_add_loop_test(c, every_suite_works_for_a_device, 0, 3);
	tcase_add_test(c, the_best_common_suite_is_taken);
	tcase_add_test(c, no_common_suite_is_told_at_once);
	tcase_add_test(c, a_listener_serves_old_devices_too);
	tcase_add_test(c, a_new_client_learns_that_a_server_is_old);
	tcase_add_test(c, an_old_client_learns_that_a_server_is_new);
	tcase_add_test(c, a_new_device_learns_that_a_listener_is_old);
	tcase_add_test(c, a_forged_sign_of_age_does_not_stop_a_server_that_answers);
	tcase_add_test(c, refused_keys);
	tcase_add_test(c, a_certificate_does_not_stand_in_for_a_key);
	tcase_add_test(c, no_key_is_looked_up_for_a_stranger);
	tcase_add_loop_test(c, key_updates_of_the_peer_are_answered, 0, 2);
	tcase_add_test(c, a_lost_key_update_is_repeated);
	tcase_add_test(c, a_key_update_that_nobody_acknowledges_rests);
	tcase_add_loop_test(c, every_bit_and_every_length_counts, 0, 2);
	tcase_add_loop_test(c, forgeries_are_counted, 0, 3);
	tcase_add_loop_test(
		c, verdict_on_a_unified_header, 0, sizeof(head_rows) / sizeof(head_rows[0]));
	tcase_add_test(c, what_is_a_connection_id_in_a_unified_header);
	tcase_add_loop_test(c, a_cut_hello_is_refused, 0, 2);
	tcase_add_test(c, extensions_with_a_bit_turned);
	return c;
}

Suite *dtls13_suite(void)
{
	Suite *s = suite_create("dtls 1.3");
	SUITE_TEST(s, it_is_there_or_it_is_refused);
	if (wolf_peer_has_13())
		suite_add_tcase(s, all());
	return s;
}
