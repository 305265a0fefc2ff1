/* Sequences that somebody could make up to harm devices with DTLS (DESIGN.md 6, rules 2, 12, 15 and 18). */
#include <string.h>
#include "identity.h"
#include "lan_session.h"
#include "pki.h"
#include "rig_lan.h"
#include "suite.h"
#include "trunk.h"

#define CN   "urn:dev:os:meter17"
#define REG  coap(CON, "0.02", 1, "aa", "rd?lt=60")

/* A listener that takes certificates and unknown endpoints. */
static struct rig *up_welcome(void)
{
	struct rig *r = rig_create();
	rig_lan_pki(r);
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = &r->servers[0];
	rig_start(r);
	return r;
}

static struct rig_dtls *meter(struct rig *r, const char *from)
{
	struct rig_dtls *d = rig_dtls_cert(r, from, "device.pem", "device.key");
	ck_assert(rig_dtls_is_up(d));
	return d;
}

static void registers(struct rig *r, struct rig_dtls *d)
{
	rig_dtls_send(d, REG);
	rig_expect_server(r, REG);
	rig_server(r, r->port, located(ACK, "2.01", 1, "aa", "rd/0"));
	rig_expect_dtls(d, located(ACK, "2.01", 1, "aa", "rd/0"));
}

/* ---- somebody without DTLS uses the name of a device that has shaken hands ---- */

START_TEST(rule2_name_of_a_session_without_a_flow_is_not_for_plain_devices)
{
	struct rig *r = up_welcome();
	if (_i == 1) {
		rig_endpoint(r, CN, "cloud");
		ck_assert_int_eq(rig_apply(r), 0);
	}
	struct rig_dtls *d = meter(r, A);
	rig_device(r, B, coap(CON, "0.02", 7, "aa", "rd?ep=" CN));
	rig_expect_device(r, B, refusal("4.03", 7, "aa", -1));
	registers(r, d);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_static_flow_that_a_reload_opened_becomes_the_sessions)
{
	struct rig *r = up_welcome();
	struct rig_dtls *d = meter(r, A);
	rig_endpoint(r, CN, "cloud");
	r->endpoints[0].has_address = true;
	r->endpoints[0].address = at("192.168.1.99");
	ck_assert_int_eq(rig_apply(r), 0);
	registers(r, d);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	ck_assert(rig_flow(r, CN)->key.identity != 0);
	rig_server(r, r->port, coap(CON, "0.01", 20, "cc", "3/0"));
	rig_expect_dtls(d, coap(CON, "0.01", 20, "cc", "3/0"));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule18_device_that_need_not_speak_dtls_any_more_is_served_without)
{
	struct rig *r = up_welcome();
	rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	r->endpoints[0].lan_identity = NULL;
	r->endpoints[0].lan_key = (struct conf_key){ NULL, 0 };
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	rig_dtls_free(d);
	rig_register(r, A, "dev", "rd/1");
	rig_free(r);
}
END_TEST

/* ---- endpoints that no section names ---- */

START_TEST(rule1_first_word_that_is_no_request_makes_nothing)
{
	struct rig *r = up_welcome();
	struct rig_dtls *d = meter(r, A);
	rig_dtls_send(d, empty(RST, 9));
	rig_dtls_send(d, coap(NON, "2.05", 9, "aa", NULL));
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_OTHER), 2);
	ck_assert_ptr_null(route_find(r->dp->routes, slice_str(CN), false, NULL));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule18_who_is_not_welcome_any_more_has_to_go)
{
	struct rig *r = up_welcome();
	struct rig_dtls *d = meter(r, A);
	if (_i == 1)
		registers(r, d);
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_REFUSE;
	rig_endpoint(r, "other", "cloud"); /* so that the port stays open */
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(lan_sessions_count(r->dp->sessions, true), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	rig_dtls_free(d);
	d = rig_dtls_cert(r, A, "device.pem", "device.key");
	rig_dtls_send(d, REG);
	rig_expect_dtls(d, refusal("4.03", 1, "aa", -1));
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_a_welcome_on_one_listener_is_none_on_another)
{
	struct rig *r = up_welcome();
	struct conf_listen *l = rig_add_listen(r, "strict", 5693);
	struct rig_dtls *d = meter(r, A);
	registers(r, d);
	l->server = &r->servers[0];
	l->coaps = 5694;
	l->cert = r->listens[0].cert;
	l->private_key = r->listens[0].private_key;
	l->ca = r->listens[0].ca;
	r->listens[0].coaps = 5695; /* the same socket is the strict one's now */
	l->coaps = DEVICE_PORT;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	rig_dtls_free(d);
	d = rig_dtls_cert(r, A, "device.pem", "device.key");
	rig_dtls_send(d, REG);
	rig_expect_dtls(d, refusal("4.03", 1, "aa", -1));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule15_names_that_left_make_room_for_new_ones)
{
	struct rig *r = rig_create();
	rig_lan_pki(r);
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = &r->servers[0];
	r->conf.gateway.max_endpoints = 2;
	rig_start(r);
	ck_assert_ptr_nonnull(identity_dynamic(r->dp->identities, slice_str("gone 1")));
	ck_assert_ptr_nonnull(identity_dynamic(r->dp->identities, slice_str("gone 2")));
	struct rig_dtls *d = meter(r, A);
	registers(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule19_welcome_device_finds_its_flow_after_a_restart)
{
	struct rig *r = up_welcome();
	struct rig_dtls *d = meter(r, A);
	registers(r, d);
	uint16_t port = r->port;
	struct life_saved row;
	life_save(rig_flow(r, CN), &row, fake_net_now(r->net));
	row.endpoint = CN;
	row.server = "cloud";
	row.listener = "lan";
	row.location = "rd/0";
	rig_stop(r);
	rig_lan_pump_stopped(r);
	rig_dtls_free(d);
	if (_i == 1) /* nobody may come by a certificate any more */
		r->listens[0].ca.n = r->listens[0].cert.n = r->listens[0].private_key.n = 0;
	rig_start(r);
	int rc = life_restore(r->dp, &row, 0, fake_net_now(r->net));
	rig_settle(r);
	if (_i == 1) {
		ck_assert_int_ne(rc, 0);
		ck_assert_ptr_null(route_find(r->dp->routes, slice_str(CN), false, NULL));
	} else {
		ck_assert_int_eq(rc, 0);
		d = meter(r, B);
		rig_dtls_send(d, RIG_SEND);
		rig_expect_server(r, RIG_SEND);
		ck_assert_uint_eq(r->port, port);
		rig_dtls_free(d);
	}
	rig_free(r);
}
END_TEST

/* ---- a certificate with the name of an opaque endpoint ---- */

START_TEST(rule2_certificate_with_the_name_of_an_opaque_endpoint_is_a_strangers)
{
	struct rig *r = up_welcome();
	struct conf_server *s = rig_add_server(r, "raw", CLOUD2, SECURE_PORT);
	struct conf_endpoint *e = rig_endpoint(r, CN, "raw");
	e->mode = CONF_OPAQUE;
	e->identity = NULL;
	e->key = (struct conf_key){ NULL, 0 };
	e->has_address = true;
	e->address = at("192.168.1.99");
	(void)s;
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_cert(r, A, "device.pem", "device.key");
	rig_dtls_send(d, REG);
	rig_expect_dtls(d, refusal("4.03", 1, "aa", -1));
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule18_welcome_device_whose_name_became_opaque_has_to_go)
{
	struct rig *r = up_welcome();
	struct rig_dtls *d = meter(r, A);
	if (_i == 1)
		registers(r, d);
	rig_add_server(r, "raw", CLOUD2, SECURE_PORT);
	struct conf_endpoint *e = rig_endpoint(r, CN, "raw");
	e->mode = CONF_OPAQUE;
	e->identity = NULL;
	e->key = (struct conf_key){ NULL, 0 };
	e->has_address = true;
	e->address = at("192.168.1.99");
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	ck_assert_uint_eq(lan_sessions_count(r->dp->sessions, true), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- listeners change places ---- */

static struct rig *up_two(void)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	struct conf_listen *l = rig_add_listen(r, "second", 5693);
	l->coaps = 5694;
	l->cid = true;
	rig_start(r);
	return r;
}

/* 0: they swap; 1: the first one goes, and the second takes its socket. */
START_TEST(rule18_sockets_that_change_listeners_end_sessions)
{
	struct rig *r = up_two();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	if (_i == 0) {
		r->listens[0].coaps = 5694;
		r->listens[1].coaps = DEVICE_PORT;
	} else {
		r->listens[0] = r->listens[1];
		r->listens[0].coaps = DEVICE_PORT;
		r->conf.listen_count = 1;
	}
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(lan_sessions_count(r->dp->sessions, true), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	rig_dtls_free(d);
	d = rig_dtls(r, A, "dev-lan");
	ck_assert(rig_dtls_is_up(d));
	rig_dtls_send(d, RIG_SEND);
	rig_expect_server(r, RIG_SEND);
	rig_server(r, r->port, coap(CON, "0.01", 20, "cc", "3/0"));
	rig_expect_dtls(d, coap(CON, "0.01", 20, "cc", "3/0"));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

Suite *secure_hostile_suite(void)
{
	Suite *s = suite_create("devices with DTLS under attack");
	TCase *t = tcase_create("each");
	tcase_add_loop_test(t, rule2_name_of_a_session_without_a_flow_is_not_for_plain_devices, 0, 2);
	tcase_add_loop_test(t, rule18_who_is_not_welcome_any_more_has_to_go, 0, 2);
	tcase_add_loop_test(t, rule19_welcome_device_finds_its_flow_after_a_restart, 0, 2);
	tcase_add_loop_test(t, rule18_welcome_device_whose_name_became_opaque_has_to_go, 0, 2);
	tcase_add_loop_test(t, rule18_sockets_that_change_listeners_end_sessions, 0, 2);
	suite_add_tcase(s, t);
	SUITE_TEST(s, rule2_static_flow_that_a_reload_opened_becomes_the_sessions);
	SUITE_TEST(s, rule18_device_that_need_not_speak_dtls_any_more_is_served_without);
	SUITE_TEST(s, rule1_first_word_that_is_no_request_makes_nothing);
	SUITE_TEST(s, rule2_a_welcome_on_one_listener_is_none_on_another);
	SUITE_TEST(s, rule15_names_that_left_make_room_for_new_ones);
	SUITE_TEST(s, rule2_certificate_with_the_name_of_an_opaque_endpoint_is_a_strangers);
	return s;
}
