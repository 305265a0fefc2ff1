/* Events of interfaces, addresses and routes: what is looked at, and when (DESIGN.md 6, rule 20). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/hex.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

static void event(struct rig *r)
{
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
}

/* The interface of the devices is made anew, with another number. */
static void make_anew(struct rig *r)
{
	fake_net_interface(r->net, "lan0", 0);
	event(r);
	rig_advance(r, 1000);
	fake_net_interface(r->net, "lan0", 7);
	r->ifindex = 7;
	event(r);
	rig_advance(r, 1000);
}

static struct rig *up(bool bound)
{
	static const char *names[] = { "lan0" };
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	fake_net_interface(r->net, "lan0", 2);
	if (bound)
		r->listens[0].interface = (struct conf_list){ names, 1 };
	rig_start(r);
	return r;
}

static void expect_passes(struct rig *r, const char *from, const char *message, uint16_t port)
{
	rig_device(r, from, message);
	rig_expect_server(r, message);
	ck_assert_uint_eq(r->port, port);
}

/* ---- interfaces ---- */

START_TEST(rule20_flow_stays_when_the_lan_interface_is_made_anew)
{
	struct rig *r = up(_i);
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	uint16_t port = f->wan.port;
	make_anew(r);
	rig_server(r, port, coap(CON, "0.01", 5, "bb", "3/0"));
	rig_expect_device(r, A, coap(CON, "0.01", 5, "bb", "3/0"));
	ck_assert_uint_eq(r->sent_ifindex, 0); /* not known yet: routed */
	expect_passes(r, A, coap(CON, "0.02", 9, "aa", "rd/0"), port);
	rig_server(r, port, coap(ACK, "2.04", 9, "aa", NULL));
	rig_expect_device(r, A, coap(ACK, "2.04", 9, "aa", NULL));
	ck_assert_uint_eq(r->sent_ifindex, 7);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_free(r);
}
END_TEST

/* A device with a link-local address sends by an interface. */
static void link_local_says(struct rig *r, uint32_t ifindex, const char *hex)
{
	uint8_t bytes[200];
	struct addr device = at("[fe80::10]:40000"), called = at("[fe80::1]:5683");
	device.scope = called.scope = ifindex;
	long n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	fake_lan_arrive(r->net, &device, &called, ifindex, bytes, (size_t)n);
	rig_expect_server(r, hex);
}

START_TEST(rule20_link_local_device_gets_the_new_scope)
{
	struct rig *r = up(false);
	link_local_says(r, 2, coap(CON, "0.02", 8, "aa", "rd?ep=dev"));
	uint16_t port = r->port;
	make_anew(r);
	link_local_says(r, 7, coap(CON, "0.02", 9, "aa", "dp"));
	ck_assert_uint_eq(r->port, port);
	rig_server(r, port, empty(ACK, 9));
	rig_settle(r);
	const struct fake_datagram *d = fake_lan_take(r->net);
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(d->to.scope, 7);
	ck_assert_uint_eq(d->from.scope, 7);
	ck_assert_uint_eq(d->ifindex, 7);
	rig_free(r);
}
END_TEST

START_TEST(rule20_bound_socket_is_opened_when_its_interface_has_an_address)
{
	struct rig *r = up(true);
	uint16_t port = rig_register(r, A, "dev", "rd/0")->wan.port;
	unsigned open = fake_net_open(r->net);
	fake_net_interface(r->net, "lan0", 7);
	fake_net_fail_opens(r->net, EADDRNOTAVAIL, 2);
	event(r);
	rig_advance(r, 1000);
	ck_assert_uint_eq(fake_net_open(r->net), open - 2);
	rig_server(r, port, coap(CON, "0.01", 5, "bb", "3/0"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_SEND), 1);
	event(r);
	rig_advance(r, 1000);
	ck_assert_uint_eq(fake_net_open(r->net), open);
	r->ifindex = 7;
	expect_passes(r, A, coap(CON, "0.02", 9, "aa", "rd/0"), port);
	rig_free(r);
}
END_TEST

START_TEST(rule20_interface_that_is_there_lets_nobody_follow)
{
	struct rig *r = up(false);
	rig_register(r, A, "dev", "rd/0");
	event(r);
	rig_advance(r, 1000);
	r->ifindex = 3;
	rig_device(r, A, coap(CON, "0.02", 9, "aa", "rd/0"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule20_two_networks_with_the_same_address_do_not_mix)
{
	struct rig *r = up(false);
	fake_net_interface(r->net, "lan1", 3);
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	uint16_t port = f->wan.port;
	r->ifindex = 3;
	struct flow *other = rig_register(r, A, "dev2", "rd/1");
	fake_net_interface(r->net, "lan1", 0);
	make_anew(r);
	ck_assert_ptr_null(f->sibling);
	ck_assert_ptr_null(other->sibling);
	expect_passes(r, A, coap(CON, "0.02", 9, "aa", "rd/0"), port);
	rig_free(r);
}
END_TEST

/* ---- events ---- */

START_TEST(rule20_events_without_end_do_not_keep_sockets_from_moving)
{
	struct rig *r = up(false);
	struct addr source = at("192.0.2.77");
	rig_register(r, A, "dev", "rd/0");
	fake_net_source(r->net, true, &source);
	for (int i = 0; i < 10; i++) {
		event(r);
		rig_advance(r, 200);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), 1);
	rig_free(r);
}
END_TEST

/* More flows than one wake-up looks at. */
static struct rig *up_many(unsigned n)
{
	static char names[RIG_ENDPOINTS][16];
	struct rig *r = rig_create();
	r->conf.gateway.max_endpoints = RIG_ENDPOINTS;
	for (unsigned i = 0; i < n; i++) {
		char from[40];
		snprintf(names[i], sizeof(names[i]), "d%u", i);
		snprintf(from, sizeof(from), "10.0.%u.%u:5683", i / 200, 1 + i % 200);
		struct conf_endpoint *e = rig_endpoint(r, names[i], "cloud");
		e->has_address = true;
		e->address = at(from);
	}
	rig_start(r);
	rig_advance(r, 5000);
	return r;
}

START_TEST(rule20_one_wake_up_looks_at_some_sockets_only)
{
	struct rig *r = up_many(MOVE_SOCKETS_PER_WAKE + 10);
	struct addr source = at("192.0.2.77");
	fake_net_source(r->net, true, &source);
	event(r);
	rig_advance(r, MOVE_SOCKETS_AFTER_MS);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), MOVE_SOCKETS_PER_WAKE);
	rig_advance(r, 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), MOVE_SOCKETS_PER_WAKE + 10);
	rig_free(r);
}
END_TEST

START_TEST(rule20_event_in_the_middle_lets_the_walk_end_and_begin_again)
{
	struct rig *r = up_many(MOVE_SOCKETS_PER_WAKE + 10);
	struct addr source = at("192.0.2.77"), next = at("192.0.2.78");
	fake_net_source(r->net, true, &source);
	event(r);
	rig_advance(r, MOVE_SOCKETS_AFTER_MS);
	fake_net_source(r->net, true, &next);
	event(r);
	rig_advance(r, 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), MOVE_SOCKETS_PER_WAKE + 10);
	rig_advance(r, MOVE_SOCKETS_AFTER_MS + 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), 2 * MOVE_SOCKETS_PER_WAKE + 10);
	rig_free(r);
}
END_TEST

Suite *reopen_suite(void)
{
	Suite *s = suite_create("reopen");
	TCase *t = tcase_create("tables");
	tcase_add_loop_test(t, rule20_flow_stays_when_the_lan_interface_is_made_anew, 0, 2);
	suite_add_tcase(s, t);
	SUITE_TEST(s, rule20_link_local_device_gets_the_new_scope);
	SUITE_TEST(s, rule20_bound_socket_is_opened_when_its_interface_has_an_address);
	SUITE_TEST(s, rule20_interface_that_is_there_lets_nobody_follow);
	SUITE_TEST(s, rule20_two_networks_with_the_same_address_do_not_mix);
	SUITE_TEST(s, rule20_events_without_end_do_not_keep_sockets_from_moving);
	SUITE_TEST(s, rule20_one_wake_up_looks_at_some_sockets_only);
	SUITE_TEST(s, rule20_event_in_the_middle_lets_the_walk_end_and_begin_again);
	return s;
}
