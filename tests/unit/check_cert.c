/* Towards servers: whom a client trusts, and that it says why not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "dtls_suites.h"
#include "pki.h"
#include "wire.h"

#define SLICE(text)   ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })
#define NAME          "lwm2m.example.org"
#define Y1970         0
#define Y2022         1640995200
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct wire_spec x509(const char *trust, const char *name)
{
	return (struct wire_spec){
		.profile = { .security = DTLS_X509,
			.trust = pki(trust),
			.expected_name = name,
			.wall_s = pki_wall },
		.pair = { pki("device.pem"), pki("device.key") },
		.suites = "ECDHE-ECDSA-AES128-CCM-8",
		.far = { .cert = pki("server.pem"),
			.private_key = pki("server.key"),
			.asks = true },
		.deadline_ms = 20000,
	};
}

static struct wire_spec rpk(const char *trust)
{
	return (struct wire_spec){
		.profile = { .security = DTLS_RPK, .trust = pki(trust) },
		.pair = { { NULL, 0 }, pki("device.key") },
		.suites = "ECDHE-ECDSA-AES128-CCM-8",
		.far = { .cert = pki_spki("server.pub"),
			.private_key = pki("server.key"),
			.is_raw = true,
			.asks = true },
		.deadline_ms = 20000,
	};
}

/* Both ways carry. */
static void assert_carries(struct wire *w)
{
	ck_assert_int_eq(dtls_write(w->client, (const uint8_t *)"up", 2), 0);
	wolf_peer_write(w->server, (const uint8_t *)"down", 4);
	wire_run(w, MONO_NEVER);
	ck_assert(w->server_got == 1 && w->client_got == 1);
}

static const struct {
	const char *library, *iana;
	bool rsa;
} suite_rows[] = {
	{ "ECDHE-ECDSA-AES128-CCM-8", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", false },
	{ "ECDHE-ECDSA-AES128-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", false },
	{ "ECDHE-ECDSA-AES128-CCM", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", false },
	{ "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false },
	{ "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", true },
};

START_TEST(every_suite_works)
{
	for (int raw = 0; raw < 2; raw++) {
		struct wire_spec spec = raw ? rpk("server.pub") : x509("ca.pem", NAME);
		if (raw && suite_rows[_i].rsa)
			continue;
		if (suite_rows[_i].rsa) {
			spec.far.cert = pki("server-rsa.pem");
			spec.far.private_key = pki("rsa.key");
		}
		spec.suites = suite_rows[_i].library;
		struct wire *w = wire_begin(&spec);
		wire_shake(w);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		ck_assert_str_eq(dtls_suite(w->client), suite_rows[_i].iana);
		ck_assert_int_eq(dtls_security_of(w->client), raw ? DTLS_RPK : DTLS_X509);
		ck_assert_int_eq(dtls_why(w->client), DTLS_FAULT_NONE);
		assert_carries(w);
		wire_end(w);
	}
}
END_TEST

START_TEST(suites_are_offered_in_the_order_of_the_specification)
{
	static const uint16_t order[] = { 0xc0ae, 0xc023, 0xc0ac, 0xc02b, 0xc02f };
	for (int raw = 0; raw < 2; raw++) {
		struct wire_spec spec = raw ? rpk("server.pub") : x509("ca.pem", NAME);
		size_t n = raw ? 4 : 5; /* no raw key of RSA */
		spec.no_server = true;
		struct wire *w = wire_begin(&spec);
		struct cursor c = cur_of(w->packet[0].bytes, w->packet[0].n);
		cur_take(&c, 13 + 12 + 2 + 32);
		cur_take(&c, cur_u8(&c));
		cur_take(&c, cur_u8(&c));
		ck_assert_uint_eq(cur_u16(&c), 2 * n);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(cur_u16(&c), order[i]);
		wire_end(w);
	}
}
END_TEST

static const struct {
	const char *cert, *key, *trust, *name;
	int64_t now;
	enum dtls_fault fault;
} server_rows[] = {
	{ "server.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_NONE },
	{ "server.pem", "server.key", "ca.der", NAME, PKI_NOW, DTLS_FAULT_NONE },
	{ "server.pem", "server.key", "both.pem", NAME, PKI_NOW, DTLS_FAULT_NONE },
	{ "server.pem", "server.key", "ca.pem", "LwM2M.Example.ORG", PKI_NOW, DTLS_FAULT_NONE },
	{ "server.pem", "server.key", "ca.pem", "a.wild.example.org", PKI_NOW, DTLS_FAULT_NONE },
	{ "server.pem", "server.key", "ca.pem", "192.0.2.1", PKI_NOW, DTLS_FAULT_NONE },
	{ "server.pem", "server.key", "ca.pem", "2001:db8:0::1", PKI_NOW, DTLS_FAULT_NONE },
	{ "server-inter.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_NONE },
	{ "server-cn.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_NONE },
	{ "server-oldca.pem", "server.key", "oldca.pem", NAME, Y2022, DTLS_FAULT_NONE },
	{ "server-short.pem", "server.key", "ca.pem", NAME, Y2022, DTLS_FAULT_NONE },

	{ "server.pem", "server.key", "ca.pem", "a.b.wild.example.org", PKI_NOW,
		DTLS_FAULT_WRONG_NAME },
	{ "server.pem", "server.key", "ca.pem", "wild.example.org", PKI_NOW,
		DTLS_FAULT_WRONG_NAME },
	{ "server.pem", "server.key", "ca.pem", "xwild.example.org", PKI_NOW,
		DTLS_FAULT_WRONG_NAME },
	{ "server.pem", "server.key", "ca.pem", "lwm2m.example.or", PKI_NOW,
		DTLS_FAULT_WRONG_NAME },
	{ "server.pem", "server.key", "ca.pem", "192.0.2.2", PKI_NOW, DTLS_FAULT_WRONG_NAME },
	{ "server.pem", "server.key", "ca.pem", "2001:db8::2", PKI_NOW, DTLS_FAULT_WRONG_NAME },
	/* There is a SAN: the CN does not count. */
	{ "server.pem", "server.key", "ca.pem", "server", PKI_NOW, DTLS_FAULT_WRONG_NAME },
	{ "server-cn.pem", "server.key", "ca.pem", "server", PKI_NOW, DTLS_FAULT_WRONG_NAME },
	{ "server.pem", "server.key", "ca.pem", NAME, Y1970, DTLS_FAULT_NOT_YET_VALID },
	{ "server-inter.pem", "server.key", "ca.pem", NAME, Y1970, DTLS_FAULT_NOT_YET_VALID },
	{ "server-short.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_EXPIRED },
	{ "server-oldca.pem", "server.key", "oldca.pem", NAME, PKI_NOW, DTLS_FAULT_EXPIRED },
	{ "server-nosign.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_WRONG_USE },
	{ "server-wronguse.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_WRONG_USE },
	{ "server-self.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_UNTRUSTED },
	{ "server-impostor.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_UNTRUSTED },
	{ "server.pem", "server.key", "oldca.pem", NAME, PKI_NOW, DTLS_FAULT_UNTRUSTED },
	{ "server-alone.pem", "server.key", "ca.pem", NAME, PKI_NOW, DTLS_FAULT_UNTRUSTED },
};

static void assert_refused(const struct wire *w, enum dtls_fault fault)
{
	ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
	ck_assert_uint_eq(w->events[DTLS_ESTABLISHED], 0);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_uint_eq(wire_endings(w), 1);
	ck_assert_int_eq(dtls_why(w->client), fault);
	ck_assert_int_ge(dtls_alert(w->client), 0);
	ck_assert(!wolf_peer_is_up(w->server));
}

START_TEST(a_server_is_trusted_or_it_is_said_why_not)
{
	pki_now = server_rows[_i].now;
	struct wire_spec spec = x509(server_rows[_i].trust, server_rows[_i].name);
	spec.far.cert = pki(server_rows[_i].cert);
	spec.far.private_key = pki(server_rows[_i].key);
	struct wire *w = wire_begin(&spec);
	wire_shake(w);
	if (server_rows[_i].fault == DTLS_FAULT_NONE) {
		ck_assert_int_eq(dtls_why(w->client), DTLS_FAULT_NONE);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		struct slice key = pki_spki("server.pub");
		ck_assert(slice_eq(dtls_public_key(w->client), key));
		assert_carries(w);
		ck_assert_uint_gt(wolf_peer_given(w->server), 300);
	} else {
		assert_refused(w, server_rows[_i].fault);
	}
	wire_end(w);
}
END_TEST

START_TEST(the_names_of_a_server_can_be_read)
{
	static const char *const names[] = { "server", NAME, "*.wild.example.org" };
	struct wire_spec spec = x509("ca.pem", NAME);
	struct slice name;
	struct wire *w = wire_begin(&spec);
	ck_assert(!dtls_peer_name(w->client, 0, &name));
	wire_shake(w);
	for (size_t i = 0; i < LENGTH(names); i++) {
		ck_assert(dtls_peer_name(w->client, i, &name));
		ck_assert(slice_is(name, names[i]));
	}
	ck_assert(!dtls_peer_name(w->client, LENGTH(names), &name));
	wire_end(w);
}
END_TEST

/* A CA that came in a server's chain vouches for nobody else. */
START_TEST(an_intermediate_ca_is_forgotten)
{
	struct wire_spec spec = x509("ca.pem", NAME);
	spec.far.cert = pki("server-inter.pem");
	struct wire *w = wire_begin(&spec);
	wire_shake(w);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	dtls_forget(&w->client);
	wolf_peer_free(w->server);
	/* The same profile, and a server that leaves it out. */
	spec.far.cert = pki("server-alone.pem");
	struct wire *other = wire_begin(&spec);
	dtls_forget(&other->client);
	struct dtls_session_spec own = { .deadline_ms = 20000, .who = other, .pair = spec.pair };
	ck_assert_int_eq(dtls_connect(&other->client, w->profile, &own, other->now), 0);
	w->server = NULL;
	other->packet[0].due = MONO_NEVER;
	wire_shake(other);
	assert_refused(other, DTLS_FAULT_UNTRUSTED);
	dtls_forget(&other->client);
	wire_end(w);
	other->client = NULL;
	wire_end(other);
}
END_TEST

START_TEST(a_known_raw_key_is_trusted)
{
	static const char *const files[] = { "server.pub", "server.pem", "server.key" };
	for (size_t i = 0; i < LENGTH(files); i++) {
		struct wire_spec spec = rpk(files[i]);
		struct slice name;
		struct wire *w = wire_begin(&spec);
		wire_shake(w);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		ck_assert(slice_eq(dtls_public_key(w->client), pki_spki("server.pub")));
		ck_assert(!dtls_peer_name(w->client, 0, &name));
		assert_carries(w);
		ck_assert_uint_eq(wolf_peer_given(w->server), 91);
		wire_end(w);
	}
}
END_TEST

/* wolfSSL finds every raw key good. */
START_TEST(an_unknown_raw_key_is_refused)
{
	struct wire_spec spec = rpk("other.pub");
	struct wire *w = wire_begin(&spec);
	wire_shake(w);
	assert_refused(w, DTLS_FAULT_UNKNOWN_KEY);
	ck_assert(slice_eq(dtls_public_key(w->client), pki_spki("server.pub")));
	wire_end(w);
}
END_TEST

/* The server knows no raw keys, though its certificate is of the very key; it says so. */
START_TEST(a_server_without_raw_keys_is_none)
{
	struct wire_spec spec = rpk("server.pub");
	spec.far = x509("ca.pem", NAME).far;
	struct wire *w = wire_begin(&spec);
	wire_shake(w);
	assert_refused(w, DTLS_FAULT_NONE);
	wire_end(w);
}
END_TEST

/* A raw key that nobody asked for, though a certificate was. */
START_TEST(a_raw_key_in_place_of_a_certificate_is_refused)
{
	struct wire_spec spec = x509("ca.pem", NAME);
	spec.far = rpk("server.pub").far;
	struct wire *w = wire_begin(&spec);
	wire_shake(w);
	ck_assert_int_ne(dtls_state(w->client), DTLS_UP);
	ck_assert_uint_eq(w->events[DTLS_ESTABLISHED], 0);
	wire_end(w);
}
END_TEST

START_TEST(a_server_without_the_private_key_is_refused)
{
	/* Its certificate is good, but it signs with another key. */
	struct wire_spec spec = x509("ca.pem", NAME);
	spec.far.private_key = pki("other.key");
	struct wire *w = wire_begin(&spec);
	wire_shake(w);
	ck_assert_int_eq(dtls_state(w->client), DTLS_DEAD);
	ck_assert_uint_eq(w->events[DTLS_ESTABLISHED], 0);
	wire_end(w);
}
END_TEST

START_TEST(what_a_profile_needs)
{
	static const struct dtls_calls calls = { NULL };
	const struct dtls_profile_spec good = x509("ca.pem", NAME).profile;
	struct dtls_profile *p;
	struct dtls_profile_spec bad = good;
	bad.calls = &calls;
	bad.wall_s = NULL;
	ck_assert_int_eq(dtls_profile_create(&p, &bad), -EINVAL);
	bad.wall_s = pki_wall;
	bad.expected_name = NULL;
	ck_assert_int_eq(dtls_profile_create(&p, &bad), -EINVAL);
	bad.expected_name = "";
	ck_assert_int_eq(dtls_profile_create(&p, &bad), -EINVAL);
	bad.expected_name = NAME;
	bad.trust = pki("notca.pem");
	ck_assert_int_eq(dtls_profile_create(&p, &bad), -EINVAL);
	bad.trust = (struct slice){ NULL, 0 };
	ck_assert_int_eq(dtls_profile_create(&p, &bad), -EBADMSG);
	bad.security = DTLS_RPK;
	ck_assert_int_eq(dtls_profile_create(&p, &bad), -EBADMSG);
	bad.trust = pki("p384.pub");
	ck_assert_int_eq(dtls_profile_create(&p, &bad), -ENOTSUP);
	ck_assert_ptr_null(p);
}
END_TEST

START_TEST(what_a_session_needs)
{
	for (int raw = 0; raw < 2; raw++) {
		struct wire_spec spec = raw ? rpk("server.pub") : x509("ca.pem", NAME);
		struct dtls_session_spec own = { .deadline_ms = 1000, .pair = spec.pair };
		struct dtls_session *s;
		spec.no_server = true;
		struct wire *w = wire_begin(&spec);
		own.who = w;
		own.pair.cert = raw ? pki("device.pem") : (struct slice){ NULL, 0 };
		ck_assert_int_eq(dtls_connect(&s, w->profile, &own, w->now), -EINVAL);
		own.pair.cert = pki("server.pem");
		ck_assert_int_eq(dtls_connect(&s, w->profile, &own, w->now), -EKEYREJECTED);
		own.pair.private_key = (struct slice){ NULL, 0 };
		ck_assert_int_eq(dtls_connect(&s, w->profile, &own, w->now), -ENOKEY);
		ck_assert_ptr_null(s);
		wire_end(w);
	}
}
END_TEST

Suite *cert_suite(void)
{
	Suite *s = suite_create("dtls certificates");
	TCase *c = tcase_create("servers");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, every_suite_works, 0, LENGTH(suite_rows));
	tcase_add_loop_test(c, a_server_is_trusted_or_it_is_said_why_not, 0, LENGTH(server_rows));
	suite_add_tcase(s, c);
	SUITE_TEST(s, suites_are_offered_in_the_order_of_the_specification);
	SUITE_TEST(s, the_names_of_a_server_can_be_read);
	SUITE_TEST(s, an_intermediate_ca_is_forgotten);
	SUITE_TEST(s, a_known_raw_key_is_trusted);
	SUITE_TEST(s, an_unknown_raw_key_is_refused);
	SUITE_TEST(s, a_server_without_raw_keys_is_none);
	SUITE_TEST(s, a_raw_key_in_place_of_a_certificate_is_refused);
	SUITE_TEST(s, a_server_without_the_private_key_is_refused);
	SUITE_TEST(s, what_a_profile_needs);
	SUITE_TEST(s, what_a_session_needs);
	return s;
}
