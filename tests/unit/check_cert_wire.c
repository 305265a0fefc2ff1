/* Handshakes with certificates on a wire that loses, repeats, cuts and alters. */
#include <stdlib.h>
#include <string.h>
#include "dtls_suites.h"
#include "pki.h"
#include "wire.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define BEGIN         1000000

static const uint8_t hi[] = { 'h', 'i' };

static struct lan *lan(void)
{
	struct lan *l = lan_begin_with(&(struct dtls_listener_spec){
		.pair = { pki("server-inter.pem"), pki("server.key") },
		.ca = pki("ca.pem"),
		.find_key = lan_knows,
		.wall_s = pki_wall,
	});
	l->known_key = pki_spki("device.pub");
	return l;
}

/* Chains of two: our flights do not fit one datagram. */
static struct wire_spec x509(struct lan *l)
{
	return (struct wire_spec){
		.lan = l,
		.profile = { .security = DTLS_X509,
			.trust = pki("ca.pem"),
			.expected_name = "lwm2m.example.org",
			.wall_s = pki_wall },
		.pair = { pki("device-inter.pem"), pki("device.key") },
		.suites = "ECDHE-ECDSA-AES128-CCM-8",
		.far = { .cert = pki("server-inter.pem"),
			.private_key = pki("server.key"),
			.asks = true },
	};
}

static struct wire_spec rpk(struct lan *l)
{
	struct wire_spec spec = { .lan = l };
	spec.profile.security = DTLS_RPK;
	spec.profile.trust = pki("server.pub");
	spec.pair.private_key = pki("device.key");
	return spec;
}

static void assert_carries(struct wire *w, struct lan_session *e)
{
	unsigned client_got = w->client_got, got = e->got;
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	ck_assert_int_eq(dtls_write(e->s, hi, sizeof(hi)), 0);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->client_got, client_got + 1);
	ck_assert_uint_eq(e->got, got + 1);
}

/* Two hellos, the cookie, two datagrams of ours, two of the device, our last. */
#define DATAGRAMS 8

static const struct {
	enum wire_fate fate;
	int late;
} fate_rows[] = { { WIRE_PASS, 0 }, { WIRE_LOSE, 1000 }, { WIRE_TWICE, 0 }, { WIRE_SWAP, 1000 },
	{ WIRE_LATE, 1000 } }; /* a Finished before its keys is lost */

/* The session is up no later than one timer, and the repeats are few. */
START_TEST(one_datagram_goes_astray)
{
	struct lan *l = lan();
	struct wire_spec spec = x509(l);
	spec.fate[_i % DATAGRAMS] = fate_rows[_i / DATAGRAMS].fate;
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_le(mono_since((struct mono){ BEGIN }, w->established),
		6 * WIRE_MS + fate_rows[_i / DATAGRAMS].late);
	ck_assert_uint_eq(wire_endings(w), 0);
	if (_i < DATAGRAMS)
		ck_assert_uint_eq(w->sent, DATAGRAMS);
	ck_assert_uint_le(w->sent, DATAGRAMS + 5);
	ck_assert_uint_eq(l->born, 1);
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(two_datagrams_go_astray)
{
	for (unsigned k = 0; k < 16 * DATAGRAMS; k++) {
		struct lan *l = lan();
		struct wire_spec spec = x509(l);
		spec.fate[_i] = fate_rows[1 + k % 4].fate;
		spec.fate[_i + 1 + k / 16] = fate_rows[1 + k / 4 % 4].fate;
		struct wire *w = wire_begin(&spec);
		wire_run(w, MONO_NEVER);
		ck_assert_msg(dtls_state(w->client) == DTLS_UP, "case %u", k);
		ck_assert_msg(
			mono_since((struct mono){ BEGIN }, w->established) <= 3200, "case %u", k);
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

/* A server behind a narrow link: its flight is many fragments. */
START_TEST(small_fragments_arrive_in_any_order)
{
	static const uint16_t mtu[] = { 450, 600, 700 };
	for (unsigned k = 0; k < 4 * 16; k++) {
		struct wire_spec spec = x509(NULL);
		spec.far.mtu = mtu[_i];
		spec.fate[k / 4] = fate_rows[1 + k % 4].fate;
		struct wire *w = wire_begin(&spec);
		wire_run(w, MONO_NEVER);
		ck_assert_msg(dtls_state(w->client) == DTLS_UP, "case %u", k);
		ck_assert(wolf_peer_is_up(w->server));
		wire_end(w);
	}
}
END_TEST

/* What lies on the wire when that many ways are gone. */
static struct wire_packet *on_the_wire(struct wire *w, unsigned ways, unsigned nth)
{
	wire_run(w, (struct mono){ BEGIN + (int64_t)ways * WIRE_MS + WIRE_MS / 2 });
	for (unsigned i = 0; i < w->sent; i++)
		if (w->packet[i].due.ms != MONO_NEVER.ms && nth-- == 0)
			return &w->packet[i];
	return NULL;
}

enum { SERVER_FLIGHT = 3, CLIENT_FLIGHT = 4 };

/* A handshake beside a session that is up, with one datagram of a flight spoilt; true while there are
 * such datagrams. */
static bool spoil(struct lan *l, struct wire_spec spec, unsigned flight, unsigned nth,
	void (*change)(struct wire_packet *p, size_t at), size_t at)
{
	l->born = 1; /* only the first one counts; the others are gone */
	struct wire *w = wire_begin(&spec);
	struct wire_packet *p = on_the_wire(w, flight, nth);
	bool has = p != NULL && at < p->n;
	if (has) {
		change(p, at);
		wire_run(w, (struct mono){ BEGIN + 100 });
	}
	for (unsigned i = 1; i < l->born; i++)
		dtls_forget(&l->session[i].s);
	wire_end(w);
	return has;
}

static void flip(struct wire_packet *p, size_t at)
{
	p->bytes[at] ^= (uint8_t)(1U << at % 8);
}

static void flip_all(struct wire_packet *p, size_t at)
{
	p->bytes[at] ^= 0xff;
}

static void cut(struct wire_packet *p, size_t at)
{
	p->n = at;
}

static void (*const changes[])(struct wire_packet *p, size_t at) = { flip, flip_all, cut };

/* Neither a byte too far, nor the end of anything but that handshake. */
START_TEST(spoilt_certificates_harm_one_handshake)
{
	struct lan *l = lan();
	struct wire_spec good = x509(l);
	unsigned flight = _i % 2 ? CLIENT_FLIGHT : SERVER_FLIGHT;
	struct wire *w = wire_begin(&good);
	wire_run(w, MONO_NEVER);
	assert_carries(w, &l->session[0]);
	for (unsigned nth = 0; nth < 2; nth++)
		for (size_t at = 0; spoil(l, x509(l), flight, nth, changes[_i / 2], at); at++)
			;
	for (size_t at = 0; spoil(l, rpk(l), flight, 0, changes[_i / 2], at); at++)
		;
	l->born = 1;
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* A record of one handshake fragment, of a message of that length. */
static size_t fragment(uint8_t *out, uint8_t type, size_t length, size_t part)
{
	struct writer w = put_into(out, 13 + 12 + part);
	put_bytes(&w, "\x16\xfe\xfd\0\0\0\0\0\0\0\x63", 11);
	put_u16(&w, (uint16_t)(12 + part));
	put_u8(&w, type);
	put_u8(&w, (uint8_t)(length >> 16));
	put_u16(&w, (uint16_t)length);
	put_bytes(&w, "\0\2\0\0\0\0", 6);
	put_u16(&w, (uint16_t)part);
	memset(out + 25, 0, part);
	return 25 + part;
}

/* type, length, what a client with certificates, one with PSK, and a server with them say. */
static const struct {
	uint8_t type;
	size_t length;
	bool client, psk, server;
} length_rows[] = {
	{ 11, 16384, true, false, true },
	{ 11, 16385, false, false, false },
	{ 13, 16384, true, false, false },
	{ 13, 16385, false, false, false },
	{ 12, 2048, true, true, false },
	{ 12, 2049, false, false, false },
	{ 15, 2048, false, false, true },
	{ 15, 2049, false, false, false },
	{ 16, 2049, false, false, false },
	{ 22, 10, false, false, false },
};

START_TEST(certificates_pass_where_they_belong)
{
	uint8_t record[64];
	size_t n = fragment(record, length_rows[_i].type, length_rows[_i].length, 5);
	for (int psk = 0; psk < 2; psk++) {
		struct wire_spec spec = x509(NULL);
		spec.no_server = true;
		if (psk)
			spec.profile = (struct dtls_profile_spec){ .security = DTLS_PSK };
		struct wire *w = wire_begin(&spec);
		wire_feed(w, record, n);
		bool passed = dtls_dropped(w->client, DTLS_DROP_HEADER) == 0;
		ck_assert_int_eq(passed, psk ? length_rows[_i].psk : length_rows[_i].client);
		wire_end(w);
	}
	struct lan *l = lan();
	struct wire_spec spec = x509(l);
	struct wire *w = wire_begin(&spec);
	on_the_wire(w, SERVER_FLIGHT, 0);
	struct dtls_session *s = l->session[0].s;
	lan_feed(l, &w->address, record, n, w->now);
	bool passed = l->session[0].s == NULL || dtls_dropped(s, DTLS_DROP_HEADER) == 0;
	ck_assert_int_eq(passed, length_rows[_i].server);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* Every message of a handshake, after the session is up, from both sides: nothing ends. */
START_TEST(a_late_handshake_record_does_not_end_a_session)
{
	struct lan *l = lan();
	struct wire_spec spec = x509(l);
	struct wire *w = wire_begin(&spec);
	uint8_t record[64];
	wire_run(w, MONO_NEVER);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned type = 0; type < 256; type++) {
			size_t n = fragment(record, (uint8_t)type, 5, 5);
			wire_feed(w, record, n);
			if (type != 1)
				lan_feed(l, &w->address, record, n, w->now);
		}
		for (unsigned i = 0, sent = w->sent; i < sent; i++) {
			struct wire_packet *p = &w->packet[i];
			if (p->way == WIRE_DOWN)
				wire_feed(w, p->bytes, p->n);
			else if (!dtls_is_hello(p->bytes, p->n))
				lan_feed(l, &w->address, p->bytes, p->n, w->now);
		}
		wire_run(w, MONO_NEVER);
		ck_assert_uint_eq(wire_endings(w), 0);
		assert_carries(w, &l->session[0]);
	}
	lan_end(l);
	wire_end(w);
}
END_TEST

/* Hundreds of hellos that want this and that, with bad cookies, and junk: it serves all the while. */
START_TEST(a_listener_serves_after_any_error)
{
	struct lan *l = lan();
	struct wire_spec specs[] = { x509(l), rpk(l), { .lan = l } };
	for (unsigned k = 0; k < 60; k++) {
		struct wire *w = wire_begin(&specs[k % 3]);
		struct lan_peer deaf = { w->address.address, NULL, NULL };
		struct wire_packet *p = on_the_wire(w, 2, 0);
		uint8_t spoilt[2048];
		memcpy(spoilt, p->bytes, p->n);
		for (size_t at = 13; at < p->n; at += 7) {
			spoilt[at] ^= 0x55;
			struct mono now = w->now;
			unsigned born = l->born;
			lan_feed(l, &deaf, spoilt, p->n, now);
			for (unsigned i = born; i < l->born; i++)
				dtls_forget(&l->session[i].s);
			l->born = born;
			spoilt[at] ^= 0x55;
		}
		wire_shake(w);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		for (unsigned i = 0; i < l->born; i++)
			dtls_forget(&l->session[i].s);
		l->born = 0;
		wire_end(w);
	}
	lan_end(l);
}
END_TEST

Suite *cert_wire_suite(void)
{
	Suite *s = suite_create("dtls certificates on a bad wire");
	TCase *c = tcase_create("wire");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, one_datagram_goes_astray, 0, DATAGRAMS * (int)LENGTH(fate_rows));
	tcase_add_loop_test(c, small_fragments_arrive_in_any_order, 0, 3);
	tcase_add_loop_test(c, certificates_pass_where_they_belong, 0, LENGTH(length_rows));
	suite_add_tcase(s, c);
	TCase *l = case_long(s, "wire, long");
	tcase_add_loop_test(l, two_datagrams_go_astray, 0, DATAGRAMS);
	tcase_add_loop_test(l, spoilt_certificates_harm_one_handshake, 0, 2 * (int)LENGTH(changes));
	SUITE_TEST(s, a_late_handshake_record_does_not_end_a_session);
	SUITE_TEST(s, a_listener_serves_after_any_error);
	return s;
}
