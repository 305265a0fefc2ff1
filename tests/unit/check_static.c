/* Devices with a configured address (DESIGN.md 6, rules 1 and 6). */
#include <string.h>
#include "rig.h"
#include "suite.h"
#include "trunk.h"

#define REG "rd?ep=dev&lt=60"

/* The message makes a flow, and goes to the server as it is. */
static void expect_passes(struct rig *r, const char *from, const char *message)
{
	rig_device(r, from, message);
	rig_expect_server(r, message);
	rig_expect_silence(r);
}

static struct rig *up_static(const char *address)
{
	struct rig *r = rig_create();
	struct conf_endpoint *e = rig_endpoint(r, "static", "cloud");
	e->has_address = true;
	e->address = at(address);
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	return r;
}

START_TEST(rule1_static_address_may_begin_with_any_message)
{
	struct rig *r = up_static(A);
	expect_passes(r, A, coap(NON, "2.05", 1, "aa", NULL));
	expect_passes(r, A, empty(CON, 2));
	expect_passes(r, A, empty(ACK, 2));
	expect_passes(r, A, coap(CON, "0.02", 3, "", "dp"));
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_device(r, A2, empty(CON, 4)); /* another port is another device */
	rig_expect_device(r, A2, empty(RST, 4));
	rig_free(r);
}
END_TEST

START_TEST(rule1_static_device_is_reached_before_it_speaks)
{
	struct rig *r = up_static(A);
	struct flow *f = rig_flow(r, "static");
	ck_assert_ptr_nonnull(f);
	rig_server(r, f->wan.port, coap(CON, "0.01", 5, "bb", "3/0/0"));
	rig_expect_device(r, A, coap(CON, "0.01", 5, "bb", "3/0/0"));
	ck_assert_uint_eq(r->sent_ifindex, 0);
	rig_device(r, A, coap(ACK, "2.05", 5, "bb", NULL));
	rig_expect_server(r, coap(ACK, "2.05", 5, "bb", NULL));
	ck_assert_uint_eq(r->port, f->wan.port);
	rig_advance(r, 2 * FLOW_IDLE_MS);
	ck_assert_ptr_eq(rig_flow(r, "static"), f);
	rig_free(r);
}
END_TEST

START_TEST(rule1_static_without_port_fits_any_newest_wins)
{
	struct rig *r = up_static("192.168.1.10");
	struct flow *f = rig_flow(r, "static");
	ck_assert_uint_eq(f->key.device.port, 5683);
	expect_passes(r, A, empty(CON, 1));
	expect_passes(r, A2, empty(CON, 2));
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_server(r, r->port, empty(RST, 2));
	rig_expect_device(r, A2, empty(RST, 2));
	expect_passes(r, A, empty(CON, 3));
	rig_server(r, r->port, empty(RST, 3));
	rig_expect_device(r, A, empty(RST, 3));
	rig_free(r);
}
END_TEST

START_TEST(rule1_static_address_with_port_beats_one_without)
{
	struct rig *r = up_static("192.168.1.10");
	struct conf_endpoint *e = rig_endpoint(r, "exact", "cloud");
	e->has_address = true;
	e->address = at(A);
	ck_assert_int_eq(rig_apply(r), 0);
	expect_passes(r, A, empty(CON, 1));
	ck_assert_uint_eq(rig_flow(r, "exact")->up.messages, 1);
	expect_passes(r, A2, empty(CON, 2));
	ck_assert_uint_eq(rig_flow(r, "static")->up.messages, 1);
	rig_free(r);
}
END_TEST

START_TEST(rule6_bootstrap_of_a_static_device_goes_to_its_bootstrap_server)
{
	struct rig *r = rig_create();
	rig_add_server(r, "bs", CLOUD2, 5683);
	struct conf_endpoint *e = rig_endpoint(r, "static", "cloud");
	e->bootstrap_server = rig_conf_server(r, "bs");
	e->has_address = true;
	e->address = at(A);
	rig_start(r);
	expect_passes(r, A, coap(CON, "0.02", 1, "aa", "bs?ep=static"));
	struct addr to = at(CLOUD2);
	ck_assert(addr_same_host(&r->to, &to));
	expect_passes(r, A, coap(CON, "0.02", 2, "aa", "rd?ep=static"));
	to = at(CLOUD);
	ck_assert(addr_same_host(&r->to, &to));
	rig_free(r);
}
END_TEST

START_TEST(rule1_static_device_can_not_register_another_name)
{
	struct rig *r = up_static(A);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_expect_device(r, A, refusal("4.03", 1, "aa", -1));
	rig_expect_silence(r);
	ck_assert_ptr_nonnull(rig_flow(r, "static"));
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert_uint_eq(rig_drops(r, DROP_CONTESTED), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule1_another_endpoint_may_live_at_another_port_of_a_static_host)
{
	struct rig *r = up_static("192.168.1.10");
	expect_passes(r, A, empty(CON, 1));
	rig_register(r, A2, "dev", "rd/0");
	expect_passes(r, A2, coap(CON, "0.02", 9, "aa", "dp"));
	ck_assert_uint_eq(r->port, rig_flow(r, "dev")->wan.port);
	ck_assert_uint_eq(rig_flow(r, "static")->key.device.port, 40000);
	rig_free(r);
}
END_TEST

Suite *static_suite(void)
{
	Suite *s = suite_create("static devices");
	SUITE_TEST(s, rule1_static_address_may_begin_with_any_message);
	SUITE_TEST(s, rule1_static_device_is_reached_before_it_speaks);
	SUITE_TEST(s, rule1_static_without_port_fits_any_newest_wins);
	SUITE_TEST(s, rule1_static_address_with_port_beats_one_without);
	SUITE_TEST(s, rule6_bootstrap_of_a_static_device_goes_to_its_bootstrap_server);
	SUITE_TEST(s, rule1_static_device_can_not_register_another_name);
	SUITE_TEST(s, rule1_another_endpoint_may_live_at_another_port_of_a_static_host);
	return s;
}
