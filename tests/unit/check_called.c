/* Whom a device means by the address that it calls (DESIGN.md 6, rules 16 and 17). What the kernel does is
 * shown in tests/netns/intercept*.sh. */
#include "called.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "intercept.h"
#include "netfilter/netfilter.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

#define OURS  "192.168.1.1"
#define NOBODY "203.0.113.9"

static void apply(struct rig *r)
{
	ck_assert_int_eq(rig_apply(r), 0);
	rig_transparent(r);
}

/* Two servers, and an endpoint for both and for one each. */
static struct rig *prepare(void)
{
	static const char *names[] = { "br-lan" };
	struct rig *r = rig_create();
	r->listens[0].interface = (struct conf_list){ names, 1 };
	r->listens[0].intercept = true;
	r->conf.gateway.mark = r->conf.gateway.mark_mask = 0x8000000;
	fake_net_interface(r->net, "br-lan", r->ifindex);
	fake_net_own(r->net, &r->called[true]);
	fake_net_own(r->net, &r->called[false]);
	rig_add_server(r, "field", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "both", "cloud");
	rig_endpoint(r, "both", "field");
	return r;
}

static struct rig *up(void)
{
	struct rig *r = prepare();
	rig_start(r);
	rig_transparent(r);
	return r;
}

/* The next message to the device leaves from this address. */
static void expect_from(struct rig *r, const char *device, const char *from, const char *hex)
{
	struct addr a = at(from);
	rig_expect_device(r, device, hex);
	ck_assert(addr_same_host(&r->sent_from, &a));
}

static struct flow *flow_to(struct rig *r, const char *name, const char *server)
{
	struct route *route = route_find_exact(r->dp->routes, name, server, false);
	ck_assert_ptr_nonnull(route);
	return flow_by_id(r->dp->flows, route->flow);
}

/* What the kernel is to do. */
static struct capture wanted;

static const struct capture *want(struct rig *r)
{
	intercept_want(r->dp, fake_net_now(r->net), &wanted);
	return &wanted;
}

START_TEST(rule17_answers_leave_from_the_address_that_was_called)
{
	struct rig *r = up();
	struct addr cloud = at(CLOUD);
	rig_call(r, CLOUD);
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	ck_assert_uint_ne(f->key.server, 0);
	ck_assert(addr_same_host(&f->called, &cloud));
	rig_server(r, f->wan.port, coap(CON, "0.01", 5, "bb", "3/0/0"));
	expect_from(r, A, CLOUD, coap(CON, "0.01", 5, "bb", "3/0/0"));
	rig_free(r);
}
END_TEST

START_TEST(rule16_calls_to_the_gateway_itself_are_served_as_ever)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	ck_assert_uint_eq(f->key.server, 0);
	rig_server(r, f->wan.port, coap(CON, "0.01", 5, "bb", "3/0/0"));
	expect_from(r, A, OURS, coap(CON, "0.01", 5, "bb", "3/0/0"));
	rig_free(r);
}
END_TEST

START_TEST(rule16_a_server_beside_the_relay_is_not_meant_by_who_calls_the_gateway)
{
	struct rig *r = prepare();
	rig_add_server(r, "beside", OURS, 5783);
	rig_start(r);
	rig_transparent(r);
	ck_assert_uint_eq(rig_register(r, A, "dev", "rd/0")->key.server, 0);
	rig_free(r);
}
END_TEST

/* The same device, port and endpoint name: two flows, each with its own server's address. */
START_TEST(rule16_a_device_with_two_servers_has_two_flows)
{
	struct rig *r = up();
	rig_call(r, CLOUD);
	rig_register(r, A, "both", "rd/0");
	rig_call(r, CLOUD2);
	rig_device(r, A, coap(CON, "0.02", 9, "cc", "rd?ep=both"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd?ep=both"));
	struct addr field = at(CLOUD2);
	ck_assert(addr_same_host(&r->to, &field));
	rig_server(r, r->port, located(ACK, "2.01", 9, "cc", "rd/0"));
	expect_from(r, A, CLOUD2, located(ACK, "2.01", 9, "cc", "rd/0"));
	struct flow *one = flow_to(r, "both", "cloud"), *two = flow_to(r, "both", "field");
	ck_assert_ptr_nonnull(one);
	ck_assert_ptr_nonnull(two);
	ck_assert_ptr_ne(one, two);
	ck_assert(!one->is_shared && !two->is_shared);
	for (int i = 0; i < 2; i++) {
		struct flow *f = i == 0 ? one : two;
		rig_call(r, i == 0 ? CLOUD : CLOUD2);
		rig_device(r, A, coap(CON, "0.02", 10, "dd", "rd/0"));
		rig_expect_server(r, coap(CON, "0.02", 10, "dd", "rd/0"));
		ck_assert_uint_eq(r->port, f->wan.port);
		rig_server(r, f->wan.port, coap(ACK, "2.04", 10, "dd", NULL));
		expect_from(r, A, i == 0 ? CLOUD : CLOUD2, coap(ACK, "2.04", 10, "dd", NULL));
	}
	rig_free(r);
}
END_TEST

START_TEST(rule16_an_endpoint_is_refused_by_a_server_that_is_not_its_own)
{
	struct rig *r = up();
	rig_call(r, CLOUD2);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	expect_from(r, A, CLOUD2, refusal("4.03", 1, "aa", -1));
	ck_assert_uint_eq(rig_drops(r, DROP_NO_ROUTE), 1);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule16_strangers_calls_are_refused_in_silence_and_counted)
{
	struct rig *r = up();
	rig_call(r, NOBODY);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	rig_device(r, A, empty(CON, 2));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_FOREIGN), 2);
	rig_free(r);
}
END_TEST

START_TEST(rule16_strangers_calls_are_relayed_where_it_says_so)
{
	struct rig *r = prepare();
	r->listens[0].foreign = CONF_FOREIGN_RELAY;
	r->listens[0].server = &r->servers[0];
	rig_start(r);
	rig_transparent(r);
	rig_call(r, NOBODY);
	struct flow *f = rig_register(r, A, "both", "rd/0");
	ck_assert_str_eq(f->route->server->name, "cloud");
	ck_assert_uint_eq(f->key.server, CALLED_FOREIGN);
	rig_server(r, f->wan.port, coap(CON, "0.01", 5, "bb", "3/0/0"));
	expect_from(r, A, NOBODY, coap(CON, "0.01", 5, "bb", "3/0/0"));
	r->listens[0].foreign = CONF_FOREIGN_REFUSE;
	apply(r);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule16_unknown_endpoints_go_to_the_server_that_they_call)
{
	struct rig *r = prepare();
	struct addr field = at(CLOUD2);
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = &r->servers[0];
	rig_add_server(r, "safe", "198.51.100.3", SECURE_PORT);
	rig_start(r);
	rig_transparent(r);
	rig_call(r, CLOUD2);
	struct flow *f = rig_register(r, A, "who", "rd/0");
	ck_assert_str_eq(f->route->server->name, "field");
	ck_assert(addr_same_host(&r->to, &field));
	apply(r);
	ck_assert_ptr_eq(rig_flow(r, "who"), f);
	rig_call(r, CLOUD2); /* a section names this one, for another server */
	rig_device(r, B, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	rig_expect_device(r, B, refusal("4.03", 1, "aa", -1));
	rig_call(r, "198.51.100.3"); /* it wants a credential */
	rig_device(r, B, coap(CON, "0.02", 1, "aa", "rd?ep=other"));
	rig_expect_device(r, B, refusal("4.03", 1, "aa", -1));
	rig_free(r);
}
END_TEST

/* A device that was set up anew, or that falls back, is the same one: nobody asks its old address, which
 * would answer. */
START_TEST(rule16_a_device_may_call_the_gateway_and_then_its_server)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	rig_call(r, CLOUD);
	rig_device(r, A, coap(CON, "0.02", 9, "cc", "rd?ep=dev"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd?ep=dev"));
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	rig_server(r, f->wan.port, coap(CON, "0.01", 5, "bb", "3/0/0"));
	expect_from(r, A, CLOUD, coap(CON, "0.01", 5, "bb", "3/0/0"));
	rig_free(r);
}
END_TEST

/* A forged Register from the device's own address takes its flow to the gateway's address. The next word of the
 * device takes it back. */
START_TEST(rule3_an_update_to_the_server_takes_a_stolen_flow_back)
{
	struct rig *r = up();
	rig_call(r, CLOUD);
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	rig_call(r, OURS);
	rig_device(r, A, coap(CON, "0.02", 9, "cc", "rd?ep=dev"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd?ep=dev"));
	ck_assert_uint_eq(f->key.server, 0);
	rig_call(r, CLOUD2);
	rig_device(r, A, coap(CON, "0.02", 10, "dd", "rd/0")); /* that is not its server */
	rig_expect_silence(r);
	rig_call(r, CLOUD);
	rig_device(r, A, coap(CON, "0.02", 10, "dd", "rd/1")); /* nor this its Location */
	rig_expect_silence(r);
	rig_device(r, A, coap(CON, "0.02", 10, "dd", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 10, "dd", "rd/0"));
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	rig_server(r, f->wan.port, coap(ACK, "2.04", 10, "dd", NULL));
	expect_from(r, A, CLOUD, coap(ACK, "2.04", 10, "dd", NULL));
	rig_free(r);
}
END_TEST

/* From another port the Location says who it is, at the server that is called and at no other. */
START_TEST(rule3_location_is_good_for_the_called_server_alone)
{
	struct rig *r = up();
	rig_call(r, CLOUD);
	struct flow *f = rig_register(r, A, "both", "rd/0");
	rig_call(r, CLOUD2);
	rig_device(r, A2, coap(CON, "0.02", 9, "cc", "rd/0"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), 1);
	rig_call(r, CLOUD);
	rig_device(r, A2, coap(CON, "0.02", 9, "cc", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd/0"));
	ck_assert_uint_eq(r->port, f->wan.port);
	rig_free(r);
}
END_TEST

/* Of several servers of one host the port decides: 5683 is also plain CoAP for the one at 5684. */
START_TEST(rule16_the_called_port_decides_between_servers_of_one_host)
{
	struct rig *r = prepare();
	rig_add_server(r, "other", "198.51.100.7", 5783);
	rig_add_server(r, "near", "198.51.100.7", SECURE_PORT);
	rig_add_server(r, "exact", "198.51.100.7", 5683);
	rig_start(r);
	rig_transparent(r);
	struct addr host = at("198.51.100.7");
	struct parcel p = { .called = host, .now = fake_net_now(r->net) };
	struct listener *l = wanted_listener(r->dp, &(size_t){ 0 });
	list_each(node, &l->ports)
		if (container_of(node, struct lan_port, node)->bound.port == 5683)
			p.port = container_of(node, struct lan_port, node);
	ck_assert(called_read(r->dp, &p));
	ck_assert_str_eq(called_server(r->dp, p.key.server)->name, "exact");
	struct lan_port *first = p.port;
	list_each(node, &l->ports)
		if (container_of(node, struct lan_port, node)->bound.port == 5783)
			p.port = container_of(node, struct lan_port, node);
	ck_assert(called_read(r->dp, &p));
	ck_assert_str_eq(called_server(r->dp, p.key.server)->name, "other");
	p.port = first;
	r->conf.server_count--;
	apply(r);
	ck_assert(called_read(r->dp, &p));
	ck_assert_str_eq(called_server(r->dp, p.key.server)->name, "near");
	r->conf.server_count--;
	apply(r);
	ck_assert(called_read(r->dp, &p));
	ck_assert_str_eq(called_server(r->dp, p.key.server)->name, "other");
	rig_add_server(r, "later", "198.51.100.7", 5793);
	apply(r);
	ck_assert(called_read(r->dp, &p));
	ck_assert_str_eq(called_server(r->dp, p.key.server)->name, "other");
	rig_free(r);
}
END_TEST

/* An endpoint that has only the other server of the host goes there. */
START_TEST(rule16_a_host_with_two_servers_serves_who_has_one)
{
	struct rig *r = prepare();
	rig_add_server(r, "other", CLOUD, 5783);
	rig_endpoint(r, "elsewhere", "other");
	rig_start(r);
	rig_transparent(r);
	rig_call(r, CLOUD);
	rig_device(r, A, coap(CON, "0.02", 9, "cc", "rd?ep=elsewhere"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd?ep=elsewhere"));
	ck_assert_uint_eq(r->to.port, 5783);
	rig_free(r);
}
END_TEST

/* It became so before its answer was read: what was captured meanwhile is seen as that. */
START_TEST(rule16_a_socket_that_may_be_transparent_hears_calls_to_others)
{
	struct rig *r = prepare();
	rig_start(r);
	rig_call(r, CLOUD2);
	rig_device(r, A, coap(CON, "0.02", 9, "cc", "rd?ep=both"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd?ep=both"));
	struct addr field = at(CLOUD2);
	ck_assert(addr_same_host(&r->to, &field));
	ck_assert_uint_ne(rig_flow(r, "both")->key.server, 0);
	rig_free(r);
}
END_TEST

/* A new address of ours, by DHCP. */
START_TEST(rule16_an_address_that_becomes_ours_is_ours_at_once)
{
	struct rig *r = up();
	struct addr new = at(NOBODY);
	rig_call(r, NOBODY);
	rig_device(r, A, coap(CON, "0.01", 1, "aa", "x"));
	rig_expect_silence(r);
	fake_net_own(r->net, &new);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_device(r, A, coap(CON, "0.01", 2, "aa", "x"));
	rig_expect_device(r, A, refusal("4.04", 2, "aa", -1));
	rig_free(r);
}
END_TEST

/* By the answer of a name server; by a reload, the host stays the same one by name. */
START_TEST(rule16_a_server_goes_on_to_be_called_where_it_was)
{
	struct rig *r = prepare();
	struct addr first = at(CLOUD), second = at("198.51.100.3");
	r->servers[0].host = "cloud.example";
	rig_start(r);
	rig_transparent(r);
	r->dp->env.servers_changed = false;
	fake_name_set(r->net, "cloud.example", &first, 1);
	rig_settle(r);
	ck_assert(r->dp->env.servers_changed);
	rig_call(r, CLOUD);
	rig_register(r, A, "dev", "rd/0");
	r->dp->env.servers_changed = false;
	fake_name_set(r->net, "cloud.example", &second, 1);
	rig_advance(r, 3600 * 1000);
	ck_assert(r->dp->env.servers_changed); /* for what is captured */
	called_forget(r->dp);
	rig_register(r, A, "dev", "rd/0");
	fake_name_forget(r->net, "cloud.example");
	r->servers[0].handshake_timeout = 30;
	apply(r);
	rig_device(r, A, coap(RST, "0.00", 1, "", NULL));
	rig_call(r, "198.51.100.3");
	rig_device(r, A, coap(RST, "0.00", 1, "", NULL));
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_FOREIGN), 0);
	r->servers[0].host = "198.51.100.9";
	apply(r);
	rig_call(r, CLOUD);
	rig_device(r, A, coap(RST, "0.00", 1, "", NULL));
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_FOREIGN), 1);
	rig_stop(r);
	while (*rig_server_got(r) != '\0')
		;
	rig_free(r);
}
END_TEST

/* Nobody could answer from there. */
START_TEST(rule18_a_port_that_is_captured_no_more_ends_its_flows)
{
	struct rig *r = prepare();
	rig_add_server(r, "other", CLOUD, 5783);
	rig_endpoint(r, "elsewhere", "other");
	rig_start(r);
	rig_transparent(r);
	rig_call(r, CLOUD);
	rig_device_at(r, A, 5783, coap(CON, "0.02", 9, "cc", "rd?ep=elsewhere"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd?ep=elsewhere"));
	ck_assert_uint_eq(rig_flow(r, "elsewhere")->port->bound.port, 5783);
	rig_conf_server(r, "other")->port = 5793;
	apply(r);
	ck_assert_ptr_null(rig_flow(r, "elsewhere"));
	rig_free(r);
}
END_TEST

/* Before its name is resolved, a restarted relay knows it by saved rows alone. */
START_TEST(rule16_a_server_that_was_goes_before_another_port_of_the_host)
{
	struct rig *r = prepare();
	struct addr host = at(CLOUD);
	r->servers[0].host = "cloud.example";
	rig_add_server(r, "left", CLOUD, 5803);
	rig_start(r);
	rig_transparent(r);
	server_remember(called_server(r->dp, 1), &host, fake_net_now(r->net));
	struct listener *l = wanted_listener(r->dp, &(size_t){ 0 });
	struct parcel p = { .called = host, .now = fake_net_now(r->net) };
	list_each(node, &l->ports)
		if (container_of(node, struct lan_port, node)->bound.port == 5683)
			p.port = container_of(node, struct lan_port, node);
	ck_assert(called_read(r->dp, &p));
	ck_assert_str_eq(called_server(r->dp, p.key.server)->name, "cloud");
	rig_free(r);
}
END_TEST

/* Two names swapped their addresses: whoever is there now is meant. */
START_TEST(rule16_a_server_that_is_there_goes_before_one_that_was)
{
	struct rig *r = up();
	struct server *cloud = called_server(r->dp, 1), *field = called_server(r->dp, 2);
	ck_assert_str_eq(cloud->name, "cloud");
	server_remember(cloud, &field->address[0], fake_net_now(r->net));
	rig_settle(r);
	called_forget(r->dp);
	rig_call(r, CLOUD2);
	rig_device(r, A, coap(CON, "0.02", 9, "cc", "rd?ep=both"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd?ep=both"));
	struct addr to = at(CLOUD2);
	ck_assert(addr_same_host(&r->to, &to));
	rig_free(r);
}
END_TEST

/* What was found for a call is asked again after a while: a former address is the server's no longer then. */
START_TEST(rule16_a_former_address_ends_though_it_is_called_all_the_time)
{
	struct rig *r = up();
	struct addr old = at(NOBODY);
	server_remember(called_server(r->dp, 1), &old, fake_net_now(r->net));
	rig_settle(r);
	called_forget(r->dp);
	rig_call(r, NOBODY);
	rig_device(r, A, coap(CON, "0.01", 1, "aa", "x"));
	rig_expect_device(r, A, refusal("4.04", 1, "aa", -1));
	for (int64_t ms = 0; ms < SERVER_FORMER_MS; ms += CALLED_MEMO_MS / 2) {
		rig_advance(r, CALLED_MEMO_MS / 2);
		rig_device(r, A, coap(RST, "0.00", 1, "", NULL));
	}
	uint64_t before = rig_drops(r, DROP_LAN_FOREIGN);
	rig_advance(r, CALLED_MEMO_MS);
	rig_device(r, A, coap(RST, "0.00", 1, "", NULL));
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_FOREIGN), before + 1);
	unsigned asked = fake_net_sources_asked(r->net);
	rig_device(r, A, coap(RST, "0.00", 1, "", NULL));
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_FOREIGN), before + 2);
	ck_assert_uint_eq(fake_net_sources_asked(r->net), asked);
	rig_free(r);
}
END_TEST

/* Strangers choose whom they call, and each new address costs system calls. */
START_TEST(rule16_strangers_calls_cost_little_and_hinder_nobody)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	for (int round = 0; round < 2; round++) {
		unsigned before = fake_net_sources_asked(r->net);
		for (unsigned i = 0; i < 4000; i++) {
			char text[40];
			snprintf(text, sizeof(text), "203.0.%u.%u", i / 200, i % 200 + 1);
			rig_call(r, text);
			rig_device(r, B, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
		}
		ck_assert_uint_le(fake_net_sources_asked(r->net), before + CALLED_ASKS_BURST);
		rig_call(r, OURS);
		rig_device(r, A, coap(NON, "0.02", 10, "dd", "rd/0"));
		rig_expect_server(r, coap(NON, "0.02", 10, "dd", "rd/0"));
		rig_advance(r, CALLED_MEMO_MS + 1);
	}
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_FOREIGN), 8000);
	/* Nor is what could not be asked taken for a stranger's for long. */
	struct addr new = at("192.168.1.2");
	fake_net_own(r->net, &new);
	for (unsigned i = 0; i < CALLED_ASKS_BURST; i++) {
		rig_call(r, i % 2 == 0 ? "203.0.113.1" : "203.0.113.17");
		rig_device(r, B, coap(RST, "0.00", 1, "", NULL));
	}
	rig_call(r, "192.168.1.2");
	rig_device(r, B, coap(NON, "0.01", 1, "aa", "x"));
	rig_advance(r, 1000);
	rig_device(r, B, coap(CON, "0.01", 1, "aa", "x"));
	rig_expect_device(r, B, refusal("4.04", 1, "aa", -1));
	rig_free(r);
}
END_TEST

/* Also when it has called the other one before. */
START_TEST(rule16_unknown_endpoints_go_to_the_server_of_a_host_that_they_call)
{
	struct rig *r = prepare();
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = &r->servers[0];
	rig_add_server(r, "other", CLOUD, 5783);
	rig_start(r);
	rig_transparent(r);
	rig_call(r, CLOUD);
	rig_register(r, A, "who", "rd/0");
	rig_device_at(r, A, 5783, coap(CON, "0.02", 9, "cc", "rd?ep=who"));
	rig_expect_server(r, coap(CON, "0.02", 9, "cc", "rd?ep=who"));
	ck_assert_uint_eq(r->to.port, 5783);
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	rig_free(r);
}
END_TEST

/* A socket that is bound to an interface reaches nobody behind another one. */
START_TEST(rule19_a_restart_finds_the_socket_of_the_interface)
{
	static const char *names[] = { "br-lan", "br-iot" };
	struct rig *r = prepare();
	struct life_saved row;
	char endpoint[] = "dev", location[] = "/rd/0";
	r->listens[0].interface = (struct conf_list){ names, 2 };
	fake_net_interface(r->net, "br-iot", 3);
	rig_start(r);
	rig_transparent(r);
	rig_call(r, CLOUD);
	r->ifindex = 3;
	rig_register(r, A, "dev", "rd/0");
	life_save(rig_flow(r, "dev"), &row, fake_net_now(r->net));
	row.endpoint = endpoint;
	row.location = location;
	row.server = row.calls = "cloud";
	row.listener = "lan";
	rig_stop(r);
	rig_start(r);
	ck_assert_int_eq(life_restore(r->dp, &row, 0, fake_net_now(r->net)), 0);
	ck_assert_str_eq(rig_flow(r, "dev")->port->interface, "br-iot");
	rig_free(r);
}
END_TEST

/* A flow to one server of a host came by the other, which goes elsewhere. The flow does not go along. */
START_TEST(rule16_a_flow_does_not_follow_another_server_from_its_host)
{
	struct rig *r = prepare();
	rig_add_server(r, "other", CLOUD, 5783);
	rig_endpoint(r, "elsewhere", "other");
	rig_start(r);
	rig_transparent(r);
	rig_call(r, CLOUD);
	struct flow *f = rig_register(r, A, "elsewhere", "rd/0");
	ck_assert_str_eq(called_server(r->dp, f->key.server)->name, "cloud");
	/* Both may be called at another address of the host. */
	struct addr more = at("198.51.100.8");
	server_remember(called_server(r->dp, 1), &more, fake_net_now(r->net));
	server_remember((struct server *)(uintptr_t)f->route->server, &more, fake_net_now(r->net));
	rig_call(r, "198.51.100.8");
	rig_device(r, A, coap(CON, "0.02", 8, "cc", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 8, "cc", "rd/0"));
	ck_assert_ptr_eq(rig_flow(r, "elsewhere"), f);
	r->servers[0].host = "198.51.100.9";
	apply(r);
	ck_assert_ptr_nonnull(rig_flow(r, "elsewhere"));
	rig_call(r, "198.51.100.9");
	rig_device(r, A, coap(CON, "0.02", 9, "cc", "rd/0"));
	rig_device(r, A, coap(CON, "0.02", 10, "cc", "rd?ep=elsewhere"));
	rig_expect_device(r, A, refusal("4.03", 10, "cc", -1));
	ck_assert_ptr_null(rig_flow(r, "elsewhere"));
	rig_free(r);
}
END_TEST

/* Devices ask for names more rarely than we do. */
START_TEST(rule16_an_address_that_a_server_had_is_its_own_for_a_day)
{
	struct rig *r = up();
	struct server *s = called_server(r->dp, 1);
	struct mono now = fake_net_now(r->net);
	struct addr old = at(NOBODY);
	ck_assert(!server_has(s, &old, now));
	server_remember(s, &old, now);
	ck_assert(server_has(s, &old, now));
	ck_assert(server_has(s, &old, mono_add(now, SERVER_FORMER_MS - 1)));
	ck_assert(!server_has(s, &old, mono_add(now, SERVER_FORMER_MS)));
	for (int i = 0; i < SERVER_FORMER; i++) {
		struct addr more = at("203.0.113.100");
		more.ip[15] = (uint8_t)(100 + i);
		server_remember(s, &more, mono_add(now, 1 + i));
		server_remember(s, &more, mono_add(now, 1 + i));
	}
	ck_assert(!server_has(s, &old, now)); /* the oldest went for the newest */
	rig_free(r);
}
END_TEST

/* A device that asked for the name once, years ago. */
START_TEST(rule16_an_address_that_a_device_still_calls_stays_its_servers)
{
	struct rig *r = up();
	struct server *s = called_server(r->dp, 1);
	struct addr old = at(NOBODY);
	server_remember(s, &old, fake_net_now(r->net));
	rig_call(r, NOBODY);
	rig_register(r, A, "dev", "rd/0");
	for (int i = 0; i < 4; i++) {
		rig_advance(r, SERVER_FORMER_MS / 2);
		ck_assert(server_has(s, &old, fake_net_now(r->net)));
		rig_device(r, A, coap(CON, "0.02", 10 + i, "dd", "rd?ep=dev&lt=86400"));
		rig_expect_server(r, coap(CON, "0.02", 10 + i, "dd", "rd?ep=dev&lt=86400"));
		rig_server(r, r->port, located(ACK, "2.01", 10 + i, "dd", "rd/0"));
		expect_from(r, A, NOBODY, located(ACK, "2.01", 10 + i, "dd", "rd/0"));
	}
	rig_advance(r, SERVER_FORMER_MS);
	ck_assert(!server_has(s, &old, fake_net_now(r->net)));
	rig_free(r);
}
END_TEST

/* Whoever has it then is a stranger, and foreign 'pass' leaves him alone. */
START_TEST(rule16_an_address_of_before_is_captured_for_a_day)
{
	struct rig *r = prepare();
	struct addr old = at(NOBODY);
	r->listens[0].foreign = CONF_FOREIGN_PASS;
	rig_start(r);
	rig_advance(r, 1000);
	size_t servers = want(r)->listen[0].server_count;
	server_remember(called_server(r->dp, 1), &old, fake_net_now(r->net));
	ck_assert_uint_eq(want(r)->listen[0].server_count, servers + 1);
	r->dp->env.servers_changed = false;
	rig_advance(r, SERVER_FORMER_MS - RESOLVE_AGAIN_MS);
	ck_assert(!r->dp->env.servers_changed);
	ck_assert_uint_eq(want(r)->listen[0].server_count, servers + 1);
	rig_advance(r, 2 * RESOLVE_AGAIN_MS);
	ck_assert(r->dp->env.servers_changed); /* so that lwgate-net is told */
	ck_assert_uint_eq(want(r)->listen[0].server_count, servers);
	rig_free(r);
}
END_TEST

START_TEST(rule18_a_server_of_other_settings_keeps_its_flows_and_addresses)
{
	struct rig *r = up();
	rig_call(r, CLOUD);
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	uint32_t number = f->key.server;
	r->servers[0].handshake_timeout = 30; /* made anew */
	apply(r);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	ck_assert_uint_eq(f->key.server, number);
	ck_assert_ptr_eq(called_server(r->dp, number), f->route->server);
	rig_device(r, A, coap(CON, "0.02", 10, "dd", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 10, "dd", "rd/0"));
	rig_free(r);
}
END_TEST

START_TEST(rule18_interception_that_is_turned_off_ends_what_came_by_it)
{
	struct rig *r = up();
	rig_register(r, B, "both", "rd/1");
	rig_call(r, CLOUD);
	rig_register(r, A, "dev", "rd/0");
	r->listens[0].intercept = false;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert_ptr_nonnull(rig_flow(r, "both"));
	/* The kernel still brings some, until it knows. They go on their way by themselves the next time. */
	rig_device(r, A, coap(CON, "0.01", 9, "cc", "x"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_FOREIGN), 1);
	rig_free(r);
}
END_TEST

/* Before any name is resolved. */
START_TEST(rule19_a_restart_knows_whom_devices_call)
{
	struct rig *r = up();
	struct life_saved row;
	char endpoint[] = "dev", location[] = "/rd/0";
	rig_call(r, CLOUD);
	rig_register(r, A, "dev", "rd/0");
	life_save(rig_flow(r, "dev"), &row, fake_net_now(r->net));
	ck_assert_str_eq(row.calls, "cloud");
	ck_assert_uint_eq(row.called_port, 5683);
	row.endpoint = endpoint;
	row.location = location;
	row.server = row.calls = "cloud";
	row.listener = "lan";
	row.called = at("198.51.100.250"); /* as it was then */
	rig_stop(r);
	rig_start(r);
	rig_transparent(r);
	ck_assert_int_eq(life_restore(r->dp, &row, 0, fake_net_now(r->net)), 0);
	rig_call(r, "198.51.100.250");
	rig_device(r, A, coap(CON, "0.02", 10, "dd", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 10, "dd", "rd/0"));
	rig_server(r, r->port, coap(ACK, "2.04", 10, "dd", NULL));
	expect_from(r, A, "198.51.100.250", coap(ACK, "2.04", 10, "dd", NULL));
	row.calls = "gone"; /* a section that is there no more */
	rig_stop(r);
	rig_start(r);
	ck_assert_int_eq(life_restore(r->dp, &row, 0, fake_net_now(r->net)), -ENOENT);
	rig_free(r);
}
END_TEST

START_TEST(rule17_a_static_device_hears_its_server_before_it_speaks)
{
	struct rig *r = prepare();
	struct conf_endpoint *e = rig_endpoint(r, "static", "field");
	e->has_address = true;
	e->address = at(A);
	rig_start(r);
	rig_transparent(r);
	struct flow *f = rig_flow(r, "static");
	rig_server(r, f->wan.port, coap(CON, "0.01", 5, "bb", "3/0/0"));
	expect_from(r, A, CLOUD2, coap(CON, "0.01", 5, "bb", "3/0/0"));
	/* It calls us: then that is right. */
	rig_device(r, A, coap(ACK, "2.05", 5, "bb", NULL));
	rig_expect_server(r, coap(ACK, "2.05", 5, "bb", NULL));
	ck_assert_ptr_eq(rig_flow(r, "static"), f);
	rig_server(r, f->wan.port, coap(CON, "0.01", 6, "bb", "3/0/0"));
	expect_from(r, A, OURS, coap(CON, "0.01", 6, "bb", "3/0/0"));
	rig_free(r);
}
END_TEST

/* ---- what the kernel is to do ---- */

START_TEST(rule16_wanted_state_follows_from_listeners_and_servers)
{
	struct rig *r = prepare();
	static const char *names[] = { "br-lan", "br-iot" };
	r->listens[0].interface = (struct conf_list){ names, 2 };
	fake_net_interface(r->net, "br-iot", 3);
	rig_add_server(r, "boot", "198.51.100.3", 5783);
	rig_start(r);
	const struct capture *c = want(r);
	ck_assert_uint_eq(c->mark, 0x8000000);
	ck_assert_uint_eq(c->listen_count, 1);
	ck_assert_uint_eq(c->listen[0].interface_count, 2);
	ck_assert_str_eq(c->listen[0].interface[0], "br-lan");
	ck_assert_str_eq(c->listen[0].interface[1], "br-iot");
	ck_assert_uint_eq(c->listen[0].port_count, 2);
	ck_assert_uint_eq(c->listen[0].port[0], 5683);
	ck_assert_uint_eq(c->listen[0].port[1], 5783);
	ck_assert(!c->listen[0].is_narrow && !c->listen[0].is_closed);
	ck_assert_uint_eq(c->listen[0].server_count, 0);
	r->listens[0].foreign = CONF_FOREIGN_PASS;
	r->listens[0].without_relay = CONF_FAIL_CLOSED;
	apply(r);
	c = want(r);
	ck_assert(c->listen[0].is_narrow && c->listen[0].is_closed);
	ck_assert_uint_eq(c->listen[0].server_count, 3);
	ck_assert_uint_eq(c->listen[0].server[0].port, 0);
	r->listens[0].intercept = false;
	apply(r);
	ck_assert_uint_eq(want(r)->listen_count, 0);
	rig_free(r);
}
END_TEST

/* It is compared byte by byte with what was sent. */
START_TEST(rule16_the_same_state_is_wanted_in_the_same_bytes)
{
	struct rig *r = prepare();
	static struct capture before;
	r->listens[0].foreign = CONF_FOREIGN_PASS;
	rig_start(r);
	before = *want(r);
	memset(&wanted, 0xa5, sizeof(wanted));
	ck_assert_mem_eq(want(r), &before, sizeof(before));
	rig_free(r);
}
END_TEST

Suite *called_suite(void)
{
	Suite *s = suite_create("called");
	SUITE_TEST(s, rule17_answers_leave_from_the_address_that_was_called);
	SUITE_TEST(s, rule16_calls_to_the_gateway_itself_are_served_as_ever);
	SUITE_TEST(s, rule16_a_server_beside_the_relay_is_not_meant_by_who_calls_the_gateway);
	SUITE_TEST(s, rule16_a_device_with_two_servers_has_two_flows);
	SUITE_TEST(s, rule16_an_endpoint_is_refused_by_a_server_that_is_not_its_own);
	SUITE_TEST(s, rule16_strangers_calls_are_refused_in_silence_and_counted);
	SUITE_TEST(s, rule16_strangers_calls_are_relayed_where_it_says_so);
	SUITE_TEST(s, rule16_unknown_endpoints_go_to_the_server_that_they_call);
	SUITE_TEST(s, rule16_a_device_may_call_the_gateway_and_then_its_server);
	SUITE_TEST(s, rule3_an_update_to_the_server_takes_a_stolen_flow_back);
	SUITE_TEST(s, rule3_location_is_good_for_the_called_server_alone);
	SUITE_TEST(s, rule16_the_called_port_decides_between_servers_of_one_host);
	SUITE_TEST(s, rule16_a_host_with_two_servers_serves_who_has_one);
	SUITE_TEST(s, rule16_a_socket_that_may_be_transparent_hears_calls_to_others);
	SUITE_TEST(s, rule16_an_address_that_becomes_ours_is_ours_at_once);
	SUITE_TEST(s, rule16_a_server_goes_on_to_be_called_where_it_was);
	SUITE_TEST(s, rule18_a_port_that_is_captured_no_more_ends_its_flows);
	SUITE_TEST(s, rule16_a_server_that_was_goes_before_another_port_of_the_host);
	SUITE_TEST(s, rule16_a_server_that_is_there_goes_before_one_that_was);
	SUITE_TEST(s, rule16_a_former_address_ends_though_it_is_called_all_the_time);
	SUITE_TEST(s, rule16_strangers_calls_cost_little_and_hinder_nobody);
	SUITE_TEST(s, rule16_unknown_endpoints_go_to_the_server_of_a_host_that_they_call);
	SUITE_TEST(s, rule19_a_restart_finds_the_socket_of_the_interface);
	SUITE_TEST(s, rule16_a_flow_does_not_follow_another_server_from_its_host);
	SUITE_TEST(s, rule16_an_address_that_a_server_had_is_its_own_for_a_day);
	SUITE_TEST(s, rule16_an_address_that_a_device_still_calls_stays_its_servers);
	SUITE_TEST(s, rule16_an_address_of_before_is_captured_for_a_day);
	SUITE_TEST(s, rule18_a_server_of_other_settings_keeps_its_flows_and_addresses);
	SUITE_TEST(s, rule18_interception_that_is_turned_off_ends_what_came_by_it);
	SUITE_TEST(s, rule19_a_restart_knows_whom_devices_call);
	SUITE_TEST(s, rule17_a_static_device_hears_its_server_before_it_speaks);
	SUITE_TEST(s, rule16_wanted_state_follows_from_listeners_and_servers);
	SUITE_TEST(s, rule16_the_same_state_is_wanted_in_the_same_bytes);
	return s;
}
