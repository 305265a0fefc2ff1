/* Reload: wanted state against present state (DESIGN.md 6, rule 18), plain and secure. */
#include <errno.h>
#include <string.h>
#include "rig.h"
#include "suite.h"
#include "trunk.h"

#define REG "rd?ep=dev&lt=60"

/* "dev" is registered at the server, plain or secure, from A; "dev2" from B. */
static struct rig *up(bool secure)
{
	struct rig *r = rig_create();
	if (secure)
		rig_secure(r);
	rig_add_server(r, "second", CLOUD2, secure ? SECURE_PORT : 5683);
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	rig_register(r, B, "dev2", "rd/1");
	return r;
}

static void apply(struct rig *r)
{
	ck_assert_int_eq(rig_apply(r), 0);
}

/* A request of the device reaches the server by this port, and its answer comes back. */
static void expect_works(struct rig *r, const char *device, uint16_t port)
{
	rig_device(r, device, coap(CON, "0.02", 0x51, "ab", "dp"));
	rig_expect_server(r, coap(CON, "0.02", 0x51, "ab", "dp"));
	if (port != 0)
		ck_assert_uint_eq(r->port, port);
	rig_server(r, r->port, coap(ACK, "2.04", 0x51, "ab", NULL));
	rig_expect_device(r, device, coap(ACK, "2.04", 0x51, "ab", NULL));
}

/* The address has no flow any more. */
static void expect_stranger(struct rig *r, const char *device)
{
	rig_device(r, device, coap(CON, "0.02", 0x52, "ab", "dp"));
	rig_expect_device(r, device, refusal("4.04", 0x52, "ab", -1));
}

START_TEST(rule18_same_configuration_keeps_everything)
{
	struct rig *r = up(_i);
	struct flow *f = rig_flow(r, "dev");
	struct server *server = f->route->server;
	struct dtls_session *session = f->wan.session;
	uint16_t port = f->wan.port;
	unsigned open = fake_net_open(r->net);
	for (int i = 0; i < 20; i++)
		apply(r);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	ck_assert_ptr_eq(f->route->server, server);
	ck_assert_ptr_eq(f->wan.session, session);
	ck_assert_uint_eq(fake_net_open(r->net), open);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_OPENED), 2);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_ENDED), 0);
	expect_works(r, A, port);
	expect_works(r, B, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule18_many_reloads_take_no_more_and_no_more_memory)
{
	struct rig *r = up(false);
	apply(r);
	size_t reserved = loop_timers(r->loop)->held;
	for (int i = 0; i < 50; i++)
		apply(r);
	ck_assert_uint_eq(loop_timers(r->loop)->held, reserved);
	rig_stop(r);
	ck_assert_uint_le(loop_timers(r->loop)->held, 1); /* the resolver's */
	rig_free(r);
}
END_TEST

START_TEST(rule18_reload_that_fails_reserves_nothing_for_good)
{
	struct rig *r = up(false);
	apply(r); /* beside what stands already */
	size_t reserved = loop_timers(r->loop)->held;
	r->listens[0].coap = 5783;
	for (int i = 0; i < 50; i++) {
		fake_net_fail_opens(r->net, EADDRINUSE, 1);
		ck_assert_int_eq(rig_apply(r), -EADDRINUSE);
	}
	ck_assert_uint_eq(loop_timers(r->loop)->held, reserved);
	rig_free(r);
}
END_TEST

START_TEST(rule18_changed_key_makes_the_association_anew)
{
	static const uint8_t other[16] = { 9, 9, 9 };
	struct rig *r = up(true);
	struct flow *f = rig_flow(r, "dev");
	uint16_t port = f->wan.port;
	r->endpoints[0].key.bytes = (uint8_t *)(uintptr_t)other;
	r->key = (struct slice){ other, sizeof(other) };
	apply(r);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	ck_assert_uint_eq(r->goodbyes, 1);
	rig_advance(r, 1000);
	expect_works(r, A, port);
	expect_works(r, B, 0); /* untouched */
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES), 3);
	ck_assert_str_eq(f->location, "/rd/0");
	rig_free(r);
}
END_TEST

START_TEST(rule18_changed_server_makes_its_associations_anew)
{
	struct rig *r = up(_i);
	struct flow *f = rig_flow(r, "dev");
	uint16_t port = f->wan.port;
	struct addr two = at(CLOUD2);
	r->servers[0].host = CLOUD2;
	r->conf.server_count = 1;
	apply(r);
	expect_works(r, A, port);
	ck_assert(addr_same_host(&r->to, &two));
	ck_assert_uint_eq(r->goodbyes, _i == 0 ? 0 : 2);
	rig_free(r);
}
END_TEST

START_TEST(rule18_endpoint_that_goes_to_another_server_ends)
{
	struct rig *r = up(_i);
	r->endpoints[0].server = rig_conf_server(r, "second");
	apply(r);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	expect_stranger(r, A);
	expect_works(r, B, 0);
	rig_register(r, A, "dev", "rd/7");
	struct addr two = at(CLOUD2);
	ck_assert(addr_same_host(&r->to, &two));
	rig_free(r);
}
END_TEST

START_TEST(rule18_server_that_is_gone_takes_its_endpoints_along)
{
	struct rig *r = up(_i);
	r->servers[0] = r->servers[1];
	r->conf.server_count = 1;
	r->endpoints[0].server = r->endpoints[1].server = &r->servers[0];
	apply(r);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	ck_assert_uint_eq(fake_net_open(r->net), 2);
	rig_free(r);
}
END_TEST

START_TEST(rule18_removed_endpoint_ends_and_the_others_stay)
{
	struct rig *r = up(_i);
	uint16_t port = rig_flow(r, "dev2")->wan.port;
	r->endpoints[0] = r->endpoints[1];
	r->conf.endpoint_count = 1;
	apply(r);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	expect_stranger(r, A);
	expect_works(r, B, port);
	ck_assert_uint_eq(r->goodbyes, _i == 0 ? 0 : 1);
	rig_free(r);
}
END_TEST

START_TEST(rule18_endpoint_that_gets_lan_credentials_ends)
{
	struct rig *r = up(_i);
	r->endpoints[0].lan_identity = "lan";
	apply(r);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	expect_stranger(r, A);
	rig_free(r);
}
END_TEST

START_TEST(rule18_removed_listener_takes_its_flows_along)
{
	struct rig *r = rig_create();
	rig_add_listen(r, "other", 5783);
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	const char *m = coap(CON, "0.02", 1, "aa", "rd?ep=dev2");
	rig_device_at(r, B, 5783, m);
	rig_expect_server(r, m);
	r->conf.listen_count = 1;
	apply(r);
	ck_assert_ptr_null(rig_flow(r, "dev2"));
	expect_works(r, A, 0);
	struct addr from = at(B), called = r->called[true];
	called.port = 5783;
	ck_assert(!fake_lan_queue(r->net, &from, &called, 2, "x", 1));
	ck_assert_uint_eq(fake_net_open(r->net), 3);
	rig_free(r);
}
END_TEST

START_TEST(rule18_listener_on_another_port_keeps_its_flows)
{
	struct rig *r = up(_i);
	uint16_t port = rig_flow(r, "dev")->wan.port;
	r->listens[0].coap = 5783;
	apply(r);
	const char *m = coap(CON, "0.02", 5, "aa", "dp");
	rig_device_at(r, A, 5783, m);
	rig_expect_server(r, m);
	ck_assert_uint_eq(r->port, port);
	rig_server(r, port, coap(ACK, "2.04", 5, "aa", NULL));
	rig_expect_device(r, A, coap(ACK, "2.04", 5, "aa", NULL));
	ck_assert_uint_eq(r->sent_from.port, 5783);
	rig_free(r);
}
END_TEST

START_TEST(rule18_listener_that_loses_a_family_ends_its_flows)
{
	struct rig *r = rig_create();
	struct addr one = at("192.168.1.1"), both[2] = { at("192.168.1.1"), at("fd00::1") };
	r->listens[0].address = both;
	r->listens[0].address_count = 2;
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	rig_register(r, V6, "dev2", "rd/1");
	r->listens[0].address = &one;
	r->listens[0].address_count = 1;
	apply(r);
	ck_assert_ptr_null(rig_flow(r, "dev2"));
	expect_works(r, A, 0);
	rig_free(r);
}
END_TEST

static struct rig *up_open(void)
{
	struct rig *r = rig_create();
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = rig_conf_server(r, "cloud");
	rig_start(r);
	rig_register(r, A, "who", "rd/0");
	return r;
}

START_TEST(rule18_strangers_stay_while_they_are_welcome)
{
	struct rig *r = up_open();
	uint16_t port = rig_flow(r, "who")->wan.port;
	apply(r);
	apply(r);
	expect_works(r, A, port);
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_REFUSE;
	apply(r);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	expect_stranger(r, A);
	rig_free(r);
}
END_TEST

START_TEST(rule18_strangers_follow_the_server_of_their_listener)
{
	struct rig *r = up_open();
	struct addr two = at(CLOUD2);
	r->servers[0].host = CLOUD2; /* the same name at another place */
	apply(r);
	expect_works(r, A, 0);
	ck_assert(addr_same_host(&r->to, &two));
	rig_add_server(r, "second", CLOUD, 5683);
	r->listens[0].server = rig_conf_server(r, "second");
	apply(r);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule18_stranger_becomes_configured_and_stays)
{
	struct rig *r = up_open();
	rig_device(r, B, coap(CON, "0.02", 1, "aa", "rd?ep=new"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd?ep=new"));
	ck_assert_uint_eq(r->dp->unproven, 1);
	rig_endpoint(r, "new", "cloud");
	rig_endpoint(r, "who", "cloud");
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_REFUSE;
	apply(r);
	ck_assert_uint_eq(r->dp->unproven, 0);
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	ck_assert(!rig_flow(r, "who")->route->is_dynamic);
	expect_works(r, B, r->port);
	expect_works(r, A, 0);
	rig_advance(r, UNPROVEN_MS);
	ck_assert_ptr_null(rig_flow(r, "new"));
	ck_assert_uint_eq(r->dp->unproven, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule18_stranger_becomes_configured_for_another_credential)
{
	struct rig *r = up_open();
	r->endpoints[0] = (struct conf_endpoint){ .name = "who", .identity = "new",
		.server = rig_conf_server(r, "cloud") };
	r->conf.endpoint_count = 1;
	apply(r);
	expect_works(r, A, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule18_max_endpoints_shrinks_without_ending_anybody)
{
	struct rig *r = up(_i);
	r->conf.gateway.max_endpoints = 1;
	rig_endpoint(r, "dev3", "cloud");
	apply(r);
	expect_works(r, A, 0);
	expect_works(r, B, 0);
	rig_device(r, A2, coap(CON, "0.02", 1, "aa", "rd?ep=dev3"));
	rig_expect_device(r, A2, refusal("5.03", 1, "aa", BUSY_MAX_AGE_S));
	r->conf.gateway.max_endpoints = 5000;
	apply(r);
	rig_register(r, A2, "dev3", "rd/3");
	expect_works(r, A, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule18_bind_that_fails_changes_nothing)
{
	struct rig *r = up(_i);
	uint16_t port = rig_flow(r, "dev")->wan.port;
	unsigned open = fake_net_open(r->net), watched = fake_net_watched(r->net);
	struct conf_listen before = r->listens[0];
	/* Everything else changes too, and one more listener opens before the one that fails. */
	r->conf.endpoint_count = 1;
	r->endpoints[0].identity = "other";
	r->servers[0].host = "198.51.100.77";
	r->listens[0].move = false;
	rig_add_listen(r, "fine", 5783);
	rig_add_listen(r, "bad", 5784);
	fake_net_port_taken(r->net, 5784, true);
	ck_assert_int_eq(rig_apply(r), -EADDRINUSE);
	ck_assert_uint_eq(fake_net_open(r->net), open);
	ck_assert_uint_eq(fake_net_watched(r->net), watched);
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	expect_works(r, A, port);
	expect_works(r, B, 0);
	size_t i = 0;
	ck_assert(wanted_listener(r->dp, &i)->may_move);
	ck_assert_ptr_null(wanted_listener(r->dp, &i));
	r->listens[0] = before;
	fake_net_port_taken(r->net, 5784, false);
	apply(r);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule18_machine_without_ipv6_listens_on_ipv4)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	r->listens[0].coap = 0; /* off */
	rig_start(r);
	ck_assert_uint_eq(fake_net_open(r->net), 0);
	r->listens[0].coap = 5683;
	fake_net_no_ipv6(r->net);
	apply(r);
	ck_assert_uint_eq(fake_net_open(r->net), 1);
	rig_register(r, A, "dev", "rd/0");
	apply(r);
	expect_works(r, A, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule18_interfaces_are_listened_on_one_by_one)
{
	static const char *names[] = { "br-lan", "br-iot" };
	struct rig *r = rig_create();
	r->listens[0].interface = (struct conf_list){ names, 2 };
	fake_net_interface(r->net, "br-lan", 2);
	rig_endpoint(r, "dev", "cloud");
	ck_assert_int_eq(loop_create(&r->loop), 0);
	ck_assert_int_eq(resolver_create(&r->resolver, r->loop), 0);
	ck_assert_int_eq(datapath_create(&r->dp, r->loop, r->resolver, NULL, NULL), 0);
	ck_assert_int_eq(rig_apply(r), -ENODEV);
	fake_net_interface(r->net, "br-iot", 3);
	apply(r);
	ck_assert_uint_eq(fake_net_open(r->net), 4);
	rig_register(r, A, "dev", "rd/0");
	rig_free(r);
}
END_TEST

/* One socket on all interfaces, and one on each of some, can not stand at the same time. */
START_TEST(rule18_listener_goes_to_interfaces_and_back)
{
	static const char *names[] = { "br-lan", "br-iot" };
	struct rig *r = up(0);
	uint16_t port = rig_flow(r, "dev")->wan.port;
	fake_net_interface(r->net, "br-lan", 2);
	fake_net_interface(r->net, "br-iot", 3);
	for (int i = 0; i < 2; i++) {
		r->listens[0].interface = (struct conf_list){ names, 2 };
		apply(r);
		ck_assert_uint_eq(flows_count(r->dp->flows), 2);
		ck_assert_str_eq(rig_flow(r, "dev")->port->interface, "br-lan");
		expect_works(r, A, port);
		rig_server(r, port, empty(CON, 5));
		rig_expect_device(r, A, empty(CON, 5));
		r->listens[0].interface.count = 0;
		apply(r);
		expect_works(r, A, port);
	}
	rig_free(r);
}
END_TEST

START_TEST(rule18_what_made_way_comes_back_when_the_rest_fails)
{
	static const char *names[] = { "br-lan", "missing" };
	struct rig *r = up(0);
	uint16_t port = rig_flow(r, "dev")->wan.port;
	unsigned open = fake_net_open(r->net), watched = fake_net_watched(r->net);
	fake_net_interface(r->net, "br-lan", 2);
	r->listens[0].interface = (struct conf_list){ names, 2 };
	ck_assert_int_eq(rig_apply(r), -ENODEV);
	ck_assert_uint_eq(fake_net_open(r->net), open);
	ck_assert_uint_eq(fake_net_watched(r->net), watched);
	ck_assert_ptr_null(rig_flow(r, "dev")->port->interface);
	expect_works(r, A, port);
	expect_works(r, B, 0);
	r->listens[0].interface.count = 1;
	fake_net_port_taken(r->net, 5683, true);
	ck_assert_int_eq(rig_apply(r), -EADDRINUSE); /* and nothing comes back: the port is stolen */
	ck_assert_uint_eq(fake_net_open(r->net), open - 1);
	rig_server(r, port, empty(CON, 5));
	rig_expect_silence(r);
	fake_net_port_taken(r->net, 5683, false);
	r->listens[0].interface.count = 0;
	apply(r);
	rig_free(r);
}
END_TEST

START_TEST(rule18_static_device_comes_goes_and_moves)
{
	struct rig *r = up(_i);
	struct conf_endpoint *e = rig_endpoint(r, "static", "cloud");
	e->has_address = true;
	e->address = at("192.168.1.20:7000");
	apply(r);
	rig_advance(r, 1000);
	expect_works(r, "192.168.1.20:7000", 0);
	e->address = at("192.168.1.20:7001");
	apply(r);
	rig_advance(r, 1000);
	expect_works(r, "192.168.1.20:7001", 0);
	expect_stranger(r, "192.168.1.20:7000");
	e->address = at("192.168.1.21:7001");
	apply(r);
	rig_advance(r, 1000);
	expect_works(r, "192.168.1.21:7001", 0);
	r->conf.endpoint_count--;
	apply(r);
	expect_stranger(r, "192.168.1.21:7001");
	rig_free(r);
}
END_TEST

START_TEST(rule18_reload_in_the_middle_of_a_handshake)
{
	struct rig *r = rig_create();
	rig_secure(r);
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	r->server_deaf = true;
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	apply(r);
	ck_assert_uint_eq(rig_flow(r, "dev")->held.count, 1);
	r->servers[0].handshake_timeout = 30; /* another server, as it were */
	apply(r);
	ck_assert_uint_eq(rig_flow(r, "dev")->held.count, 1);
	r->server_deaf = false;
	rig_advance(r, 1000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(rule18_server_changes_from_plain_to_secure_and_back)
{
	struct rig *r = up(false);
	uint16_t port = rig_flow(r, "dev")->wan.port;
	struct conf_server plain = r->servers[0];
	rig_secure(r);
	apply(r);
	expect_works(r, A, port);
	ck_assert_uint_eq(r->to.port, SECURE_PORT);
	r->servers[0] = plain;
	apply(r);
	ck_assert_uint_eq(r->goodbyes, 2);
	rig_forget(r);
	expect_works(r, A, port);
	ck_assert_uint_eq(r->to.port, 5683);
	rig_free(r);
}
END_TEST

START_TEST(rule18_many_servers_are_all_exchanged)
{
	static char name[300][16], host[300][24];
	struct rig *r = rig_create();
	r->conf.gateway.max_endpoints = 1;
	for (int i = 0; i < 300; i++) {
		snprintf(name[i], sizeof(name[i]), "s%d", i);
		snprintf(host[i], sizeof(host[i]), "198.51.%d.%d", 100 + i / 200, 1 + i % 200);
		rig_add_server(r, name[i], host[i], 5683);
	}
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	for (int i = 1; i <= 300; i++)
		r->servers[i].port = 5999;
	apply(r);
	r->conf.server_count = 1;
	apply(r);
	expect_works(r, A, 0);
	rig_free(r);
}
END_TEST

Suite *wanted_suite(void)
{
	Suite *s = suite_create("wanted");
	TCase *t = tcase_create("plain and secure");
	tcase_add_loop_test(t, rule18_same_configuration_keeps_everything, 0, 2);
	tcase_add_loop_test(t, rule18_changed_server_makes_its_associations_anew, 0, 2);
	tcase_add_loop_test(t, rule18_endpoint_that_goes_to_another_server_ends, 0, 2);
	tcase_add_loop_test(t, rule18_server_that_is_gone_takes_its_endpoints_along, 0, 2);
	tcase_add_loop_test(t, rule18_removed_endpoint_ends_and_the_others_stay, 0, 2);
	tcase_add_loop_test(t, rule18_endpoint_that_gets_lan_credentials_ends, 0, 2);
	tcase_add_loop_test(t, rule18_listener_on_another_port_keeps_its_flows, 0, 2);
	tcase_add_loop_test(t, rule18_max_endpoints_shrinks_without_ending_anybody, 0, 2);
	tcase_add_loop_test(t, rule18_bind_that_fails_changes_nothing, 0, 2);
	tcase_add_loop_test(t, rule18_static_device_comes_goes_and_moves, 0, 2);
	suite_add_tcase(s, t);
	SUITE_TEST(s, rule18_many_reloads_take_no_more_and_no_more_memory);
	SUITE_TEST(s, rule18_reload_that_fails_reserves_nothing_for_good);
	SUITE_TEST(s, rule18_changed_key_makes_the_association_anew);
	SUITE_TEST(s, rule18_removed_listener_takes_its_flows_along);
	SUITE_TEST(s, rule18_listener_that_loses_a_family_ends_its_flows);
	SUITE_TEST(s, rule18_strangers_stay_while_they_are_welcome);
	SUITE_TEST(s, rule18_strangers_follow_the_server_of_their_listener);
	SUITE_TEST(s, rule18_stranger_becomes_configured_and_stays);
	SUITE_TEST(s, rule18_stranger_becomes_configured_for_another_credential);
	SUITE_TEST(s, rule18_machine_without_ipv6_listens_on_ipv4);
	SUITE_TEST(s, rule18_interfaces_are_listened_on_one_by_one);
	SUITE_TEST(s, rule18_listener_goes_to_interfaces_and_back);
	SUITE_TEST(s, rule18_what_made_way_comes_back_when_the_rest_fails);
	SUITE_TEST(s, rule18_reload_in_the_middle_of_a_handshake);
	SUITE_TEST(s, rule18_server_changes_from_plain_to_secure_and_back);
	SUITE_TEST(s, rule18_many_servers_are_all_exchanged);
	return s;
}
