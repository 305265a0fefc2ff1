/* Devices that speak DTLS: who they are, what they may, where they go (DESIGN.md 6, rules 1 to 3, 12). */
#include <string.h>
#include "identity.h"
#include "lan_session.h"
#include "rig_lan.h"
#include "suite.h"
#include "trunk.h"

#define GET coap(CON, "0.01", 9, "b1", "time")

/* "dev" comes with DTLS; "other" too; "open" without. */
static struct rig *up(void)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "other", "cloud");
	rig_endpoint(r, "open", "cloud");
	rig_lan_secure(r, "dev");
	rig_lan_secure(r, "other");
	rig_start(r);
	return r;
}

/* ---- who it is ---- */

START_TEST(device_registers_and_is_asked)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_dtls_serve(r, d);
	rig_server(r, r->port, coap(CON, "0.01", 1, "cc", "3/0"));
	rig_expect_dtls(d, coap(CON, "0.01", 1, "cc", "3/0"));
	rig_dtls_send(d, coap(ACK, "2.05", 1, "cc", NULL));
	rig_expect_server(r, coap(ACK, "2.05", 1, "cc", NULL));
	ck_assert(rig_flow(r, "dev")->is_live);
	ck_assert_uint_eq(rig_proven(r), 1);
	ck_assert_uint_eq(rig_half_open(r), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule1_any_request_may_be_the_first_of_a_proven_name)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_dtls_send(d, GET);
	rig_expect_server(r, GET);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule1_a_response_is_no_first_message)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	rig_dtls_send(d, coap(ACK, "2.05", 9, "b1", NULL));
	rig_dtls_send(d, empty(RST, 9));
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_OTHER), 2);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_another_name_gets_400_and_goes_nowhere)
{
	static const char *const uris[] = { "rd?ep=other&lt=60", "rd?ep=open", "bs?ep=other",
		"rd?ep=nobody", "rd?ep=dev&ep=other", "rd?ep=other&ep=dev" };
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	for (unsigned i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		rig_dtls_send(d, coap(CON, "0.02", i, "aa", uris[i]));
		rig_expect_dtls(d, refusal("4.00", i, "aa", -1));
		ck_assert_uint_eq(rig_drops(r, DROP_OTHER_ENDPOINT), i + 1);
	}
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_dtls_free(d);
	d = rig_dtls_register(r, A, "dev"); /* the same beside a flow */
	rig_dtls_send(d, coap(CON, "0.02", 99, "aa", "rd?ep=other"));
	rig_expect_dtls(d, refusal("4.00", 99, "aa", -1));
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_a_register_without_a_name_passes)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "rd?lt=60"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd?lt=60"));
	rig_server(r, r->port, located(ACK, "2.01", 1, "aa", "rd/7"));
	rig_expect_dtls(d, located(ACK, "2.01", 1, "aa", "rd/7"));
	ck_assert(rig_flow(r, "dev")->is_live);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule2_lan_credentials_are_never_served_without_dtls)
{
	struct rig *r = up();
	rig_device(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	rig_expect_device(r, A, refusal("4.03", 1, "aa", -1));
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_SECURED), 1);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_device(r, A, coap(CON, "0.02", 2, "aa", "rd?ep=dev"));
	rig_expect_device(r, A, refusal("4.03", 2, "aa", -1));
	/* neither by its Location nor by its address */
	rig_device(r, A2, coap(CON, "0.02", 3, "aa", "rd/0"));
	rig_device(r, A, coap(CON, "0.04", 4, "aa", "rd/0"));
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), 2);
	rig_device(r, A, coap(CON, "0.01", 5, "aa", "x"));
	rig_expect_device(r, A, refusal("4.04", 5, "aa", -1));
	rig_expect_silence(r);
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(plain_device_at_the_same_address_is_another_one)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	rig_register(r, A, "open", "rd/1");
	ck_assert_uint_ne(r->port, port);
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->port, port);
	ck_assert(!rig_flow(r, "open")->is_guest && !rig_flow(r, "dev")->is_guest);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(unknown_identity_is_refused_and_counted)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls(r, A, "nobody-at-all");
	ck_assert(!rig_dtls_is_up(d));
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_UNKNOWN), 1);
	ck_assert_uint_eq(rig_half_open(r) + rig_proven(r), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(wrong_key_is_counted_once_and_ends)
{
	struct rig *r = up();
	rig_lan_wrong_key(r, true);
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	ck_assert(!rig_dtls_is_up(d));
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_WRONG_KEY), 1);
	ck_assert_uint_eq(rig_half_open(r), 1);
	rig_advance(r, HALF_OPEN_MS);
	rig_lan_pump(r);
	ck_assert_uint_eq(rig_half_open(r), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_WRONG_KEY), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_HALF_OPEN), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_CLOSED), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- several conversations ---- */

START_TEST(bootstrap_and_server_share_a_session)
{
	struct rig *r = up();
	rig_add_server(r, "boot", CLOUD2, 5693);
	r->endpoints[0].bootstrap_server = rig_conf_server(r, "boot");
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "bs?ep=dev"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "bs?ep=dev"));
	ck_assert_uint_eq(r->to.port, 5693);
	uint16_t boot = r->port;
	rig_dtls_send(d, coap(CON, "0.02", 2, "ab", "rd?lt=60"));
	rig_expect_server(r, coap(CON, "0.02", 2, "ab", "rd?lt=60"));
	ck_assert_uint_eq(r->to.port, 5683);
	rig_server(r, boot, coap(CON, "0.03", 5, "01", "0/1"));
	rig_expect_dtls(d, coap(CON, "0.03", 5, "01", "0/1"));
	rig_dtls_send(d, coap(ACK, "2.04", 5, "01", NULL));
	rig_expect_server(r, coap(ACK, "2.04", 5, "01", NULL));
	ck_assert_uint_eq(r->port, boot);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule6_endpoint_with_two_servers_has_a_session_for_each)
{
	struct rig *r = up();
	rig_add_server(r, "second", CLOUD2, 5693);
	rig_endpoint(r, "dev", "second");
	rig_lan_secure(r, "dev");
	struct conf_listen *l = rig_add_listen(r, "other", 5673);
	l->coaps = 5674;
	l->cid = true;
	r->listens[0].server = rig_conf_server(r, "cloud");
	l->server = rig_conf_server(r, "second");
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *first = rig_dtls_register(r, A, "dev");
	ck_assert_uint_eq(r->to.port, 5683);
	rig_dtls_use_port(5674);
	struct rig_dtls *second = rig_dtls_register(r, A2, "dev");
	ck_assert_uint_eq(r->to.port, 5693);
	ck_assert_uint_eq(rig_proven(r), 2);
	rig_dtls_serve(r, second);
	rig_dtls_use_port(DEVICE_PORT);
	rig_dtls_serve(r, first);
	ck_assert_uint_eq(r->to.port, 5683);
	l->server = rig_conf_server(r, "cloud"); /* now both lead to one server */
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_proven(r), 1);
	while (fake_lan_take(r->net) != NULL)
		;
	rig_dtls_free(first);
	rig_dtls_free(second);
	rig_free(r);
}
END_TEST

START_TEST(endpoint_without_a_bootstrap_server_gets_404)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "bs?ep=dev"));
	rig_expect_dtls(d, refusal("4.04", 1, "aa", -1));
	ck_assert_uint_eq(rig_drops(r, DROP_NO_BOOTSTRAP), 1);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(two_devices_may_share_an_address)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	struct rig_dtls *o = rig_dtls_register(r, A, "other");
	ck_assert_uint_eq(rig_proven(r), 2);
	rig_dtls_serve(r, d);
	rig_dtls_serve(r, o);
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_dtls_free(o);
	rig_free(r);
}
END_TEST

START_TEST(full_table_is_said_in_the_session)
{
	struct rig *r = up();
	r->conf.gateway.max_endpoints = 1;
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	struct rig_dtls *o = rig_dtls(r, B, "other-lan");
	rig_dtls_send(o, coap(CON, "0.02", 1, "aa", "rd?ep=other"));
	rig_expect_dtls(o, refusal("5.03", 1, "aa", BUSY_MAX_AGE_S));
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_dtls_free(o);
	rig_free(r);
}
END_TEST

START_TEST(secure_on_both_sides)
{
	struct rig *r = rig_create();
	rig_secure(r);
	rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	rig_start(r);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	for (unsigned i = 0; i < 20; i++)
		rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(both_sides_in_dtls_1_3)
{
	struct rig *r = rig_create();
	rig_secure(r);
	rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	r->v13 = true;
	r->cid = true;
	r->servers[0].dtls = r->listens[0].dtls = CONF_DTLS13;
	rig_start(r);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	ck_assert_int_eq(dtls_version_of(rig_flow(r, "dev")->session->dtls), DTLS_1_3);
	ck_assert_int_eq(dtls_version_of(rig_flow(r, "dev")->wan.session), DTLS_1_3);
	for (unsigned i = 0; i < 20; i++)
		rig_dtls_serve(r, d);
	r->v13 = false; /* a listener of 1.3 serves devices of 1.2 too */
	struct rig_dtls *old = rig_dtls(r, B, "dev-lan");
	ck_assert(rig_dtls_is_up(old));
	rig_dtls_serve(r, old);
	rig_dtls_free(d);
	rig_dtls_free(old);
	rig_free(r);
}
END_TEST

START_TEST(rule12_version_is_served_where_it_was_asked_for_alone)
{
	struct rig *r = up();
	r->v13 = true;
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	ck_assert(!rig_dtls_is_up(d));
	ck_assert_uint_eq(rig_half_open(r) + rig_proven(r), 0);
	rig_dtls_free(d);
	r->listens[0].dtls = CONF_DTLS13;
	ck_assert_int_eq(rig_apply(r), 0);
	d = rig_dtls_register(r, A, "dev");
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- sizes ---- */

START_TEST(rule11_largest_message_goes_down_and_a_larger_one_is_named)
{
	static char hex[2 * UDP_ROOM + 1];
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	for (int over = 0; over < 2; over++) {
		const char *head = coap(CON, "0.03", 3, "aa", "5/0/0");
		size_t n = (size_t)snprintf(hex, sizeof(hex), "%sff", head);
		memset(hex + n, '5', 2 * (DTLS_WRITE_MAX + over) - n);
		hex[2 * (DTLS_WRITE_MAX + over)] = '\0';
		rig_server(r, port, hex);
		ck_assert_str_eq(rig_dtls_got(d), over ? "" : hex);
		ck_assert_uint_eq(rig_drops(r, DROP_DEVICE_TOO_LARGE), over);
	}
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(record_without_coap_is_dropped)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_dtls_send(d, "ff");
	rig_dtls_send(d, "4a01000100");
	ck_assert_uint_eq(rig_drops(r, DROP_COAP_SHORT), 1);
	ck_assert_uint_eq(rig_drops(r, DROP_COAP_TOKEN), 1);
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- the end ---- */

START_TEST(device_that_closes_keeps_its_flow)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	rig_dtls_close(d);
	ck_assert_uint_eq(rig_proven(r), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_CLOSED), 1);
	rig_lan_pump(r);
	rig_dtls_free(d);
	rig_server(r, port, coap(CON, "0.01", 1, "cc", "3/0"));
	ck_assert_uint_eq(rig_drops(r, DROP_DEVICE_AWAY), 1);
	d = rig_dtls(r, A, "dev-lan");
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->port, port);
	rig_server(r, port, coap(CON, "0.01", 2, "cc", "3/0"));
	rig_expect_dtls(d, coap(CON, "0.01", 2, "cc", "3/0"));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(idle_session_without_a_flow_ends)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	rig_advance(r, SESSION_IDLE_MS - 1);
	ck_assert_uint_eq(rig_proven(r), 1);
	rig_advance(r, 1);
	ck_assert_uint_eq(rig_proven(r), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_IDLE), 1);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(session_outlives_a_deregister)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_dtls_send(d, coap(CON, "0.04", 7, "ad", "rd/0"));
	rig_expect_server(r, coap(CON, "0.04", 7, "ad", "rd/0"));
	rig_server(r, r->port, coap(ACK, "2.02", 7, "ad", NULL));
	rig_expect_dtls(d, coap(ACK, "2.02", 7, "ad", NULL));
	rig_advance(r, 1);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_dtls_send(d, coap(CON, "0.02", 8, "ae", "rd?ep=dev&lt=60"));
	rig_expect_server(r, coap(CON, "0.02", 8, "ae", "rd?ep=dev&lt=60"));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(session_with_a_flow_lasts_as_long_as_that)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev"); /* lifetime 60 s */
	rig_advance(r, (60 + LIFETIME_GRACE_S) * 1000 - 1);
	ck_assert_uint_eq(rig_proven(r), 1);
	rig_advance(r, 1 + 2 * SESSION_IDLE_MS);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert_uint_eq(rig_proven(r), 0);
	rig_lan_pump(r);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

Suite *secure_suite(void)
{
	Suite *s = suite_create("secure devices");
	SUITE_TEST(s, device_registers_and_is_asked);
	SUITE_TEST(s, rule1_any_request_may_be_the_first_of_a_proven_name);
	SUITE_TEST(s, rule1_a_response_is_no_first_message);
	SUITE_TEST(s, rule2_another_name_gets_400_and_goes_nowhere);
	SUITE_TEST(s, rule2_a_register_without_a_name_passes);
	SUITE_TEST(s, rule2_lan_credentials_are_never_served_without_dtls);
	SUITE_TEST(s, plain_device_at_the_same_address_is_another_one);
	SUITE_TEST(s, unknown_identity_is_refused_and_counted);
	SUITE_TEST(s, wrong_key_is_counted_once_and_ends);
	SUITE_TEST(s, bootstrap_and_server_share_a_session);
	SUITE_TEST(s, rule6_endpoint_with_two_servers_has_a_session_for_each);
	SUITE_TEST(s, endpoint_without_a_bootstrap_server_gets_404);
	SUITE_TEST(s, two_devices_may_share_an_address);
	SUITE_TEST(s, full_table_is_said_in_the_session);
	SUITE_TEST(s, secure_on_both_sides);
	SUITE_TEST(s, both_sides_in_dtls_1_3);
	SUITE_TEST(s, rule12_version_is_served_where_it_was_asked_for_alone);
	SUITE_TEST(s, rule11_largest_message_goes_down_and_a_larger_one_is_named);
	SUITE_TEST(s, record_without_coap_is_dropped);
	SUITE_TEST(s, device_that_closes_keeps_its_flow);
	SUITE_TEST(s, idle_session_without_a_flow_ends);
	SUITE_TEST(s, session_outlives_a_deregister);
	SUITE_TEST(s, session_with_a_flow_lasts_as_long_as_that);
	return s;
}
