/* Devices that come with certificates or raw keys: who is let in, and that the others are told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dtls_suites.h"
#include "pki.h"
#include "wire.h"

#define SLICE(text)   ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })
#define NAME          "lwm2m.example.org"
#define Y1970         0
#define Y2022         1640995200
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* A listener that takes devices of any kind: its own certificate, a CA file, and raw keys. */
static struct lan *any_lan(const char *ca)
{
	struct lan *l = lan_begin_with(&(struct dtls_listener_spec){
		.pair = { pki("server-inter.pem"), pki("server.key") },
		.ca = ca != NULL ? pki(ca) : (struct slice){ NULL, 0 },
		.find_key = lan_knows,
		.wall_s = pki_wall,
	});
	l->known_key = pki_spki("device.pub");
	l->deadline_ms = 20000;
	return l;
}

/* A listener that has a raw key and no certificate. */
static struct lan *raw_lan(void)
{
	struct lan *l = lan_begin_with(&(struct dtls_listener_spec){
		.pair = { .private_key = pki("server.key") }, .find_key = lan_knows });
	l->known_key = pki_spki("device.pub");
	l->deadline_ms = 20000;
	return l;
}

static struct wire_spec device(struct lan *l, enum dtls_security security)
{
	struct wire_spec spec = { .lan = l, .deadline_ms = 20000 };
	spec.profile.security = security;
	spec.pair.private_key = pki("device.key");
	if (security == DTLS_X509) {
		spec.profile.trust = pki("ca.pem");
		spec.profile.expected_name = NAME;
		spec.profile.wall_s = pki_wall;
		spec.pair.cert = pki("device.pem");
	} else if (security == DTLS_RPK) {
		spec.profile.trust = pki("server.pub");
	} else {
		spec.pair.private_key = (struct slice){ NULL, 0 };
	}
	return spec;
}

static void assert_carries(struct wire *w, struct lan_session *e)
{
	unsigned client_got = w->client_got, got = e->got;
	ck_assert_int_eq(dtls_write(w->client, (const uint8_t *)"up", 2), 0);
	ck_assert_int_eq(dtls_write(e->s, (const uint8_t *)"down", 4), 0);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->client_got, client_got + 1);
	ck_assert_uint_eq(e->got, got + 1);
}

/* One after the other at one listener, in any order. */
START_TEST(every_kind_comes_in_beside_the_others)
{
	static const enum dtls_security order[] = { DTLS_PSK, DTLS_X509, DTLS_RPK, DTLS_PSK,
		DTLS_RPK, DTLS_X509 };
	struct lan *l = any_lan("ca.pem");
	struct wire *w[LENGTH(order)];
	for (size_t i = 0; i < LENGTH(order); i++) {
		struct wire_spec spec = device(l, order[i]);
		w[i] = wire_begin(&spec);
		wire_run(w[i], MONO_NEVER);
		struct lan_session *e = &l->session[i];
		ck_assert_int_eq(dtls_state(w[i]->client), DTLS_UP);
		ck_assert_int_eq(dtls_state(e->s), DTLS_UP);
		ck_assert_int_eq(dtls_security_of(e->s), order[i]);
		ck_assert_int_eq(dtls_security_of(w[i]->client), order[i]);
		ck_assert_int_eq(dtls_why(e->s), DTLS_FAULT_NONE);
		struct slice key = order[i] == DTLS_PSK ? SLICE("") : pki_spki("device.pub");
		ck_assert(slice_eq(dtls_public_key(e->s), key));
		ck_assert_int_eq(dtls_identity(e->s).n > 0, order[i] == DTLS_PSK);
		assert_carries(w[i], e);
	}
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_REPLACED), 0);
	lan_end(l);
	for (size_t i = 0; i < LENGTH(order); i++)
		wire_end(w[i]);
}
END_TEST

START_TEST(a_listener_with_a_raw_key_alone)
{
	struct lan *l = raw_lan();
	struct wire_spec spec = device(l, DTLS_RPK);
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	/* A certificate is neither had nor taken: there is no suite for that. */
	spec = device(l, DTLS_X509);
	struct wire *other = wire_begin(&spec);
	wire_shake(other);
	ck_assert_int_eq(dtls_state(other->client), DTLS_DEAD);
	ck_assert_int_eq(dtls_alert(other->client), 40);
	ck_assert_uint_eq(l->born, 1);
	spec = device(l, DTLS_PSK);
	struct wire *third = wire_begin(&spec);
	wire_run(third, MONO_NEVER);
	ck_assert_int_eq(dtls_state(third->client), DTLS_UP);
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
	wire_end(other);
	wire_end(third);
}
END_TEST

static const struct {
	const char *cert, *key, *ca;
	int64_t now;
	enum dtls_fault fault;
} device_rows[] = {
	{ "device.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_NONE },
	{ "device.pem", "device.key", "both.pem", PKI_NOW, DTLS_FAULT_NONE },
	{ "device-inter.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_NONE },
	{ "device-short.pem", "device.key", "ca.pem", Y2022, DTLS_FAULT_NONE },
	{ "device-oldca.pem", "device.key", "both.pem", Y2022, DTLS_FAULT_NONE },
	{ "device-oldinter.pem", "device.key", "ca.pem", Y2022, DTLS_FAULT_NONE },

	{ "device-short.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_EXPIRED },
	{ "device-oldca.pem", "device.key", "both.pem", PKI_NOW, DTLS_FAULT_EXPIRED },
	{ "device-oldinter.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_EXPIRED },
	{ "device-oldca.pem", "device.key", "ca.pem", Y2022, DTLS_FAULT_UNTRUSTED },
	{ "device-wronguse.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_WRONG_USE },
	{ "device-self.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_UNTRUSTED },
	{ "device-impostor.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_UNTRUSTED },
	{ "device-notca.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_UNTRUSTED },
	{ "device-alone.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_UNTRUSTED },
	{ "device-grandchild.pem", "other.key", "ca.pem", PKI_NOW, DTLS_FAULT_UNTRUSTED },
	{ "device-v1.pem", "device.key", "ca.pem", PKI_NOW, DTLS_FAULT_BAD },
	{ "device.pem", "device.key", NULL, PKI_NOW, DTLS_FAULT_UNTRUSTED },
};

/* Both ends have seen an end, and the one that is told a reason has the right one. */
static void assert_refused(const struct wire *w, const struct lan *l, enum dtls_fault fault)
{
	const struct lan_session *e = &l->session[0];
	ck_assert_uint_eq(l->born, 1);
	ck_assert_ptr_null(e->s);
	ck_assert_uint_eq(e->events[DTLS_ESTABLISHED], 0);
	ck_assert_uint_eq(e->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(e->why, fault);
	ck_assert_int_ge(e->alert, 0);
	ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(dtls_alert(w->client), e->alert);
	ck_assert_int_eq(dtls_why(w->client), DTLS_FAULT_NONE);
}

START_TEST(a_device_is_let_in_or_it_is_said_why_not)
{
	struct lan *l = any_lan(device_rows[_i].ca);
	struct wire_spec spec = device(l, DTLS_X509);
	spec.pair.cert = pki(device_rows[_i].cert);
	spec.pair.private_key = pki(device_rows[_i].key);
	pki_now = device_rows[_i].now;
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	if (device_rows[_i].ca == NULL) { /* no certificate is taken at all */
		ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
		ck_assert_int_eq(dtls_alert(w->client), 40);
		ck_assert_uint_eq(l->born, 0);
	} else if (device_rows[_i].fault != DTLS_FAULT_NONE) {
		assert_refused(w, l, device_rows[_i].fault);
	} else {
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		assert_carries(w, &l->session[0]);
	}
	lan_end(l);
	wire_end(w);
}
END_TEST

/* The device trusts anybody, and our clock is in 1970. */
START_TEST(a_listener_whose_clock_is_in_1970_lets_nobody_in)
{
	struct lan *l = any_lan("ca.pem");
	struct wire_spec spec = device(l, DTLS_X509);
	struct wire *w = wire_begin(&spec);
	/* The server's flight is taken in 2030, the device's in 1970. */
	wire_run(w, mono_add(w->now, 4 * WIRE_MS));
	pki_now = Y1970;
	wire_run(w, MONO_NEVER);
	assert_refused(w, l, DTLS_FAULT_NOT_YET_VALID);
	pki_now = PKI_NOW;
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(the_names_of_a_device_can_be_read)
{
	static const char *const names[] = { "urn:dev:os:meter17", "meter17.example.org",
		"urn:imei:490154203237518" };
	struct lan *l = any_lan("ca.pem");
	struct wire_spec spec = device(l, DTLS_X509);
	struct slice name;
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	assert_carries(w, &l->session[0]);
	for (size_t i = 0; i < LENGTH(names); i++) {
		ck_assert(dtls_peer_name(l->session[0].s, i, &name));
		ck_assert_msg(slice_is(name, names[i]), "%zu: %.*s", i, (int)name.n,
			(const char *)name.p);
	}
	ck_assert(!dtls_peer_name(l->session[0].s, LENGTH(names), &name));
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(an_unknown_raw_key_is_refused)
{
	struct lan *l = _i == 0 ? any_lan("ca.pem") : raw_lan();
	l->known_key = _i == 2 ? SLICE("") : pki_spki("other.pub");
	struct wire_spec spec = device(l, DTLS_RPK);
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	assert_refused(w, l, DTLS_FAULT_UNKNOWN_KEY);
	ck_assert_uint_eq(l->asked, 1);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(what_a_listener_needs)
{
	static const struct dtls_calls calls = { NULL };
	const struct dtls_listener_spec good = {
		.calls = &calls,
		.pair = { pki("server.pem"), pki("server.key") },
		.ca = pki("ca.pem"),
		.find_key = lan_knows,
		.wall_s = pki_wall,
	};
	struct dtls_listener *l;
	struct dtls_listener_spec bad = good;
	ck_assert_int_eq(dtls_listener_create(&l, &bad), 0); /* no PSK */
	dtls_listener_free(l);
	bad.wall_s = NULL;
	ck_assert_int_eq(dtls_listener_create(&l, &bad), -EINVAL);
	bad = good;
	bad.ca.n = 0;
	bad.find_key = NULL;
	ck_assert_int_eq(dtls_listener_create(&l, &bad), -EINVAL);
	bad = good;
	bad.pair.private_key.n = 0;
	ck_assert_int_eq(dtls_listener_create(&l, &bad), -EINVAL);
	bad = (struct dtls_listener_spec){ .calls = &calls };
	ck_assert_int_eq(dtls_listener_create(&l, &bad), -EINVAL);
	bad = good;
	bad.ca = pki("device.pem");
	ck_assert_int_eq(dtls_listener_create(&l, &bad), -EINVAL);
	bad = good;
	bad.pair.private_key = pki("other.key");
	ck_assert_int_eq(dtls_listener_create(&l, &bad), -EKEYREJECTED);
	ck_assert_ptr_null(l);
}
END_TEST

/* ---- devices on a library that does as it is told: one queue between both ends ---- */

struct pipe {
	struct wolf_peer *device;
	struct lan *lan;
	struct lan_peer address;
	struct {
		bool up;
		size_t n;
		uint8_t bytes[17000];
	} queue[64];
	unsigned put, got;
	size_t last_n;
};

static void queue_up(struct pipe *p, bool up, const uint8_t *bytes, size_t n)
{
	ck_assert_uint_lt(p->put, 64);
	p->queue[p->put].up = up;
	p->queue[p->put].n = n;
	memcpy(p->queue[p->put++].bytes, bytes, n);
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
	struct pipe *p = who;
	(void)bytes;
	p->last_n = n;
}

static void deliver(struct pipe *p)
{
	for (; p->got < p->put; p->got++) {
		const uint8_t *bytes = p->queue[p->got].bytes;
		size_t n = p->queue[p->got].n;
		if (p->queue[p->got].up)
			lan_feed(p->lan, &p->address, bytes, n, (struct mono){ 1000000 });
		else
			wolf_peer_feed(p->device, bytes, n);
	}
}

static struct pipe *pipe_begin(struct lan *lan, const struct wolf_peer_spec *spec)
{
	struct pipe *p = calloc(1, sizeof(*p));
	struct wolf_peer_spec full = *spec;
	p->lan = lan;
	p->address = (struct lan_peer){ SLICE("foreign"), send_down, p };
	full.is_client = true;
	full.identity = SLICE("meter17");
	full.key = SLICE("0123456789abcdef");
	full.send = send_up;
	full.on_data = on_data;
	full.who = p;
	p->device = wolf_peer_create(&full);
	wolf_peer_begin(p->device);
	deliver(p);
	return p;
}

static void pipe_end(struct pipe *p)
{
	lan_end(p->lan);
	wolf_peer_free(p->device);
	free(p);
}

static const struct {
	const char *library, *iana;
} suite_rows[] = {
	{ "ECDHE-ECDSA-AES128-CCM-8", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8" },
	{ "ECDHE-ECDSA-AES128-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256" },
	{ "ECDHE-ECDSA-AES128-CCM", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM" },
	{ "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
	/* Ours is the order that counts. */
	{ "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM-8",
		"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8" },
	{ "ECDHE-ECDSA-AES128-CCM-8:PSK-AES128-CCM-8", "TLS_PSK_WITH_AES_128_CCM_8" },
};

START_TEST(every_suite_works)
{
	for (int raw = 0; raw < 2; raw++) {
		struct pipe *p = pipe_begin(raw ? raw_lan() : any_lan("ca.pem"),
			&(struct wolf_peer_spec){ .suites = suite_rows[_i].library,
				.cert = raw ? pki_spki("device.pub") : pki("device.pem"),
				.private_key = pki("device.key"),
				.is_raw = raw });
		struct lan_session *e = &p->lan->session[0];
		ck_assert_uint_eq(e->events[DTLS_ESTABLISHED], 1);
		ck_assert(wolf_peer_is_up(p->device));
		ck_assert_str_eq(dtls_suite(e->s), suite_rows[_i].iana);
		ck_assert_int_eq(dtls_write(e->s, (const uint8_t *)"down", 4), 0);
		wolf_peer_write(p->device, (const uint8_t *)"up", 2);
		deliver(p);
		ck_assert(e->last_n == 2 && p->last_n == 4);
		pipe_end(p);
	}
}
END_TEST

/* A device that is asked for a certificate and has none says so by an empty list. */
START_TEST(a_device_without_a_certificate_is_refused)
{
	struct pipe *p = pipe_begin(any_lan("ca.pem"),
		&(struct wolf_peer_spec){ .suites = "ECDHE-ECDSA-AES128-CCM-8" });
	struct lan_session *e = &p->lan->session[0];
	ck_assert_uint_eq(e->events[DTLS_ESTABLISHED], 0);
	ck_assert_uint_eq(e->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(e->why, DTLS_FAULT_NO_CERTIFICATE);
	ck_assert(!wolf_peer_is_up(p->device));
	ck_assert_mem_eq(p->queue[p->put - 1].bytes, "\x15\xfe\xfd", 3); /* it is told */
	ck_assert(!p->queue[p->put - 1].up);
	pipe_end(p);
}
END_TEST

/* One that signs with another key than that of its certificate, or than its raw key. */
START_TEST(a_device_without_the_private_key_is_refused)
{
	struct pipe *p = pipe_begin(
		any_lan("ca.pem"), &(struct wolf_peer_spec){ .suites = "ECDHE-ECDSA-AES128-CCM-8",
					   .cert = _i ? pki_spki("device.pub") : pki("device.pem"),
					   .private_key = pki("other.key"),
					   .is_raw = _i });
	struct lan_session *e = &p->lan->session[0];
	ck_assert_uint_eq(p->lan->born, 1);
	ck_assert_uint_eq(e->events[DTLS_ESTABLISHED], 0);
	ck_assert_uint_eq(e->got, 0);
	pipe_end(p);
}
END_TEST

Suite *cert_device_suite(void)
{
	Suite *s = suite_create("dtls devices with certificates");
	TCase *c = tcase_create("devices");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, a_device_is_let_in_or_it_is_said_why_not, 0, LENGTH(device_rows));
	tcase_add_loop_test(c, every_suite_works, 0, LENGTH(suite_rows));
	tcase_add_loop_test(c, an_unknown_raw_key_is_refused, 0, 3);
	tcase_add_loop_test(c, a_device_without_the_private_key_is_refused, 0, 2);
	suite_add_tcase(s, c);
	SUITE_TEST(s, every_kind_comes_in_beside_the_others);
	SUITE_TEST(s, a_listener_with_a_raw_key_alone);
	SUITE_TEST(s, a_listener_whose_clock_is_in_1970_lets_nobody_in);
	SUITE_TEST(s, the_names_of_a_device_can_be_read);
	SUITE_TEST(s, what_a_listener_needs);
	SUITE_TEST(s, a_device_without_a_certificate_is_refused);
	return s;
}
