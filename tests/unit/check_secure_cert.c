/* Devices and servers with certificates and raw public keys (DESIGN.md 6, rules 2, 13 and 14). */
#include <errno.h>
#include <string.h>
#include "identity.h"
#include "lan_session.h"
#include "pki.h"
#include "reason.h"
#include "rig_lan.h"
#include "suite.h"
#include "trunk.h"

#define CN    "urn:dev:os:meter17"
#define SAN   "urn:imei:490154203237518"
#define REG   coap(CON, "0.02", 1, "aa", "rd?lt=60")
#define Y1970 1000
#define Y2049 2524608001

static struct conf_blob blob(struct slice s)
{
	return (struct conf_blob){ (uint8_t *)(uintptr_t)s.p, s.n };
}

/* A listener that takes certificates and raw keys, and this endpoint. */
static struct rig *up(const char *endpoint)
{
	struct rig *r = rig_create();
	rig_lan_pki(r);
	rig_endpoint(r, endpoint, "cloud");
	rig_start(r);
	return r;
}

static void registers(struct rig *r, struct rig_dtls *d, const char *endpoint)
{
	ck_assert(rig_dtls_is_up(d));
	rig_dtls_send(d, REG);
	rig_expect_server(r, REG);
	rig_server(r, r->port, located(ACK, "2.01", 1, "aa", "rd/0"));
	rig_expect_dtls(d, located(ACK, "2.01", 1, "aa", "rd/0"));
	ck_assert(rig_flow(r, endpoint)->is_live);
}

/* ---- devices ---- */

static const char *const names[] = { CN, SAN, "meter17.example.org" };

START_TEST(rule2_certificate_names_the_endpoint)
{
	struct rig *r = up(names[_i]);
	struct rig_dtls *d = rig_dtls_cert(r, A, "device.pem", "device.key");
	registers(r, d, names[_i]);
	rig_dtls_send(d, coap(CON, "0.02", 2, "aa", "rd?ep=other"));
	rig_expect_dtls(d, refusal("4.00", 2, "aa", -1));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_good_certificate_of_nobody_gets_403_and_goes)
{
	struct rig *r = up("other");
	struct rig_dtls *d = rig_dtls_cert(r, A, "device.pem", "device.key");
	ck_assert(rig_dtls_is_up(d));
	ck_assert_uint_eq(rig_half_open(r), 1);
	rig_dtls_send(d, REG);
	rig_expect_dtls(d, refusal("4.03", 1, "aa", -1));
	rig_dtls_send(d, coap(CON, "0.02", 2, "aa", "rd?ep=other"));
	rig_expect_dtls(d, refusal("4.03", 2, "aa", -1));
	ck_assert_uint_eq(rig_drops(r, DROP_NO_ROUTE), 2);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_UNKNOWN), 1);
	rig_advance(r, STRANGER_SESSION_MS);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	ck_assert_uint_eq(rig_half_open(r), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_good_certificate_of_nobody_is_accepted_where_asked_for)
{
	struct rig *r = up("other");
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = &r->servers[0];
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_cert(r, A, "device.pem", "device.key");
	registers(r, d, CN);
	ck_assert(rig_flow(r, CN)->route->is_dynamic);
	uint16_t port = r->port;
	rig_endpoint(r, "one more", "cloud");
	ck_assert_int_eq(rig_apply(r), 0); /* a reload keeps it */
	rig_dtls_send(d, RIG_SEND);
	rig_expect_server(r, RIG_SEND);
	ck_assert_uint_eq(r->port, port);
	rig_endpoint(r, CN, "cloud");
	ck_assert_int_eq(rig_apply(r), 0); /* now a section names it */
	rig_dtls_send(d, RIG_SEND);
	rig_expect_server(r, RIG_SEND);
	ck_assert_uint_eq(r->port, port);
	r->conf.endpoint_count--;
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_REFUSE;
	ck_assert_int_eq(rig_apply(r), 0); /* and now nobody does */
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	ck_assert_ptr_null(rig_flow(r, CN));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_another_listener_may_be_stricter)
{
	struct rig *r = up("other");
	struct conf_listen *l = rig_add_listen(r, "second", 5693);
	l->unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	l->server = &r->servers[0];
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_cert(r, A, "device.pem", "device.key");
	rig_dtls_send(d, REG);
	rig_expect_dtls(d, refusal("4.03", 1, "aa", -1));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_without_dtls_nobody_takes_the_flow_of_who_is_here_with_it)
{
	struct rig *r = up(CN);
	r->endpoints[0].has_address = true;
	r->endpoints[0].address = at("192.168.1.99");
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_cert(r, A, "device.pem", "device.key");
	registers(r, d, CN);
	rig_device(r, B, coap(CON, "0.02", 7, "aa", "rd?ep=" CN));
	rig_expect_device(r, B, refusal("4.03", 7, "aa", -1));
	rig_device(r, "192.168.1.99:5683", coap(CON, "0.01", 8, "aa", "x"));
	rig_expect_device(r, "192.168.1.99:5683", refusal("4.04", 8, "aa", -1));
	rig_dtls_send(d, RIG_SEND);
	rig_expect_server(r, RIG_SEND);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

static const struct {
	const char *cert;
	int64_t wall;
} bad[] = { { "device-self.pem", PKI_NOW }, { "device-impostor.pem", PKI_NOW },
	{ "device-short.pem", PKI_NOW }, { "device-wronguse.pem", PKI_NOW },
	{ "device-v1.pem", PKI_NOW }, { "device.pem", Y1970 }, { "device.pem", Y2049 } };

START_TEST(bad_certificate_is_refused_and_counted)
{
	struct rig *r = up(CN);
	fake_net_set_wall(r->net, bad[_i].wall);
	struct rig_dtls *d = rig_dtls_cert(r, A, bad[_i].cert, "device.key");
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_BAD_CERTIFICATE), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_HANDSHAKES_DONE), 0);
	ck_assert_uint_eq(rig_half_open(r), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(raw_key_names_the_endpoint_and_another_is_refused)
{
	struct rig *r = up("dev");
	r->endpoints[0].lan_public_key_file = "device.pub";
	r->endpoints[0].lan_public_key = blob(pki("device.pub"));
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *o = rig_dtls_raw(r, B, "other");
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_UNKNOWN), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_HANDSHAKES_DONE), 0);
	struct rig_dtls *d = rig_dtls_raw(r, A, "device");
	registers(r, d, "dev");
	r->endpoints[0].lan_public_key = blob(pki("other.pub"));
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	rig_dtls_free(d);
	rig_dtls_free(o);
	o = rig_dtls_raw(r, B, "other");
	rig_dtls_send(o, RIG_SEND);
	rig_expect_server(r, RIG_SEND);
	rig_dtls_free(o);
	rig_free(r);
}
END_TEST

START_TEST(all_three_kinds_come_to_one_listener)
{
	struct rig *r = up(CN);
	rig_endpoint(r, "psk", "cloud");
	rig_lan_secure(r, "psk");
	rig_endpoint(r, "raw", "cloud");
	r->endpoints[2].lan_public_key_file = "other.pub";
	r->endpoints[2].lan_public_key = blob(pki("other.pub"));
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d[3] = { rig_dtls_cert(r, A, "device.pem", "device.key"),
		rig_dtls(r, B, "psk-lan"), rig_dtls_raw(r, A2, "other") };
	const char *const name[3] = { CN, "psk", "raw" };
	for (unsigned i = 0; i < 3; i++)
		registers(r, d[i], name[i]);
	for (unsigned i = 0; i < 3; i++)
		rig_dtls_free(d[i]);
	rig_free(r);
}
END_TEST

/* ---- reload ---- */

START_TEST(files_that_can_not_be_used_are_told_and_change_nothing)
{
	struct rig *r = up(CN);
	struct rig_dtls *d = rig_dtls_cert(r, A, "device.pem", "device.key");
	registers(r, d, CN);
	const struct {
		struct conf_blob *place;
		const char *file, *said;
	} rows[] = {
		{ &r->listens[0].private_key, "other.key", "right is our own certificate first" },
		{ &r->listens[0].private_key, "ca.pem", "private_key_file can not be read; right is" },
		{ &r->listens[0].private_key, "rsa.key", "right is a key of P-256" },
		{ &r->listens[0].private_key, "p384.key", "not of curve P-256; right is" },
		{ &r->listens[0].cert, "half.pem", "can not be read" },
		{ &r->listens[0].ca, "notca.pem", "not a CA's; right is" },
		{ &r->endpoints[0].lan_public_key, "p384.pub", "not of curve P-256; right is" },
		{ &r->endpoints[0].lan_public_key, "half.pem", "can not be read" },
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf_blob before = *rows[i].place;
		*rows[i].place = blob(pki(rows[i].file));
		ck_assert_int_lt(rig_apply(r), 0);
		ck_assert_msg(strstr(r->dp->fault, rows[i].said) != NULL, "%s", r->dp->fault);
		ck_assert_msg(strncmp(r->dp->fault, "test:", 5) == 0, "%s", r->dp->fault);
		*rows[i].place = before;
		rig_dtls_send(d, RIG_SEND);
		rig_expect_server(r, RIG_SEND);
	}
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(another_certificate_of_ours_ends_sessions_and_keeps_flows)
{
	struct rig *r = up(CN);
	struct rig_dtls *d = rig_dtls_cert(r, A, "device.pem", "device.key");
	registers(r, d, CN);
	uint16_t port = r->port;
	ck_assert_int_eq(rig_apply(r), 0); /* the same files: nothing happens */
	ck_assert(!rig_dtls_is_closed(d));
	r->listens[0].cert = blob(pki("server-cn.pem"));
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	rig_dtls_free(d);
	d = rig_dtls_cert(r, A, "device.pem", "device.key");
	rig_dtls_send(d, RIG_SEND);
	rig_expect_server(r, RIG_SEND);
	ck_assert_uint_eq(r->port, port);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- servers ---- */

/* "dev" goes to a server with a certificate, or a raw key, by its own. */
static struct rig *towards(bool is_raw)
{
	struct rig *r = rig_create();
	rig_secure(r);
	struct conf_server *s = rig_conf_server(r, "cloud");
	s->security = is_raw ? CONF_RPK : CONF_X509;
	s->ca = blob(pki("ca.pem"));
	s->server_name = "lwm2m.example.org";
	s->server_key = blob(pki("server.pub"));
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud");
	e->identity = NULL;
	e->key = (struct conf_key){ NULL, 0 };
	if (!is_raw)
		e->cert = blob(pki("device.pem"));
	e->private_key = blob(pki("device.key"));
	r->far_cert = is_raw ? pki_spki("server.pub") : pki("server.pem");
	r->far_key = pki("server.key");
	r->far_raw = is_raw;
	return r;
}

START_TEST(rule13_server_with_a_certificate_or_raw_key_is_served)
{
	struct rig *r = towards(_i);
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	ck_assert(rig_has_session(r, r->port));
	ck_assert_int_eq(rig_apply(r), 0); /* the same: it stays */
	ck_assert_uint_eq(r->goodbyes, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule13_server_known_by_its_address)
{
	struct rig *r = towards(false);
	struct conf_server *s = rig_conf_server(r, "cloud");
	s->server_name = NULL;
	s->host = "192.0.2.1";
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	rig_free(r);
}
END_TEST

static const struct {
	const char *cert, *key, *name;
	int64_t wall;
} wrong[] = {
	{ "server-impostor.pem", "server.key", "lwm2m.example.org", PKI_NOW },
	{ "server-short.pem", "server.key", "lwm2m.example.org", PKI_NOW },
	{ "server-wronguse.pem", "server.key", "lwm2m.example.org", PKI_NOW },
	{ "server-self.pem", "server.key", "lwm2m.example.org", PKI_NOW },
	{ "server.pem", "server.key", "other.example.org", PKI_NOW },
	{ "server.pem", "server.key", NULL, PKI_NOW }, /* the host's address is not in it */
	{ "server.pem", "server.key", "lwm2m.example.org", Y1970 },
};

START_TEST(rule13_server_that_is_another_is_refused)
{
	struct rig *r = towards(false);
	r->far_cert = pki(wrong[_i].cert);
	r->far_key = pki(wrong[_i].key);
	rig_conf_server(r, "cloud")->server_name = wrong[_i].name;
	rig_start(r);
	fake_net_set_wall(r->net, wrong[_i].wall);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=dev&lt=60"));
	rig_advance(r, 3000);
	ck_assert_uint_ge(rig_counts(r, COUNT_HANDSHAKES_FAILED), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 0);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule13_server_with_another_raw_key_is_refused)
{
	struct rig *r = towards(true);
	rig_conf_server(r, "cloud")->server_key = blob(pki("other.pub"));
	rig_start(r);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=dev&lt=60"));
	rig_advance(r, 3000);
	ck_assert_uint_ge(rig_counts(r, COUNT_HANDSHAKES_FAILED), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 0);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule18_another_certificate_towards_the_server_makes_a_new_session)
{
	struct rig *r = towards(false);
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	r->endpoints[0].cert = blob(pki("device-inter.pem"));
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(r->goodbyes, 1);
	rig_register(r, A, "dev", "rd/0");
	r->endpoints[0].private_key = blob(pki("other.key"));
	ck_assert_int_lt(rig_apply(r), 0);
	ck_assert_ptr_nonnull(strstr(r->dp->fault, "do not belong together"));
	rig_register(r, A, "dev", "rd/0");
	rig_free(r);
}
END_TEST

START_TEST(clock_of_a_router_that_has_just_booted)
{
	ck_assert(reason_clock_is_unset(0) && reason_clock_is_unset(Y1970));
	ck_assert(reason_clock_is_unset(1767225599) && !reason_clock_is_unset(1767225600));
}
END_TEST

Suite *secure_cert_suite(void)
{
	Suite *s = suite_create("certificates and raw keys");
	TCase *t = tcase_create("each");
	tcase_add_loop_test(t, rule2_certificate_names_the_endpoint, 0, 3);
	tcase_add_loop_test(t, bad_certificate_is_refused_and_counted, 0,
		sizeof(bad) / sizeof(bad[0]));
	tcase_add_loop_test(t, rule13_server_with_a_certificate_or_raw_key_is_served, 0, 2);
	tcase_add_loop_test(t, rule13_server_that_is_another_is_refused, 0,
		sizeof(wrong) / sizeof(wrong[0]));
	suite_add_tcase(s, t);
	SUITE_TEST(s, clock_of_a_router_that_has_just_booted);
	SUITE_TEST(s, rule2_good_certificate_of_nobody_gets_403_and_goes);
	SUITE_TEST(s, rule2_good_certificate_of_nobody_is_accepted_where_asked_for);
	SUITE_TEST(s, rule2_another_listener_may_be_stricter);
	SUITE_TEST(s, rule2_without_dtls_nobody_takes_the_flow_of_who_is_here_with_it);
	SUITE_TEST(s, raw_key_names_the_endpoint_and_another_is_refused);
	SUITE_TEST(s, all_three_kinds_come_to_one_listener);
	SUITE_TEST(s, files_that_can_not_be_used_are_told_and_change_nothing);
	SUITE_TEST(s, another_certificate_of_ours_ends_sessions_and_keeps_flows);
	SUITE_TEST(s, rule13_server_known_by_its_address);
	SUITE_TEST(s, rule13_server_with_another_raw_key_is_refused);
	SUITE_TEST(s, rule18_another_certificate_towards_the_server_makes_a_new_session);
	return s;
}
