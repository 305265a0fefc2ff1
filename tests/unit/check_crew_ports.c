/* Sockets of several workers: those of one port are a group in the kernel, numbered as they were opened. The
 * number has to be the worker's, whatever happened to some of them. */
#include "trunk.h"
#include "suite.h"
#include <errno.h>
#include <stdio.h>
#include "reopen.h"
#include "rig_crew.h"

#define WORKERS 3
#define DEVICES 8

/* One more wave of devices that nobody knows yet. */
struct wave {
	char name[DEVICES][16];
};

/* Workers with a listener at the interface "lan0", whose number is that of the devices' datagrams; it may come
 * later. Endpoints for one wave. */
static struct rig *prepare(struct wave *wave)
{
	static const char *names[] = { "lan0" };
	struct rig *r = rig_of(WORKERS);
	rig_endpoint(r, "dev", "cloud");
	for (int i = 0; i < DEVICES; i++) {
		snprintf(wave->name[i], sizeof(wave->name[i]), "wave%d", i);
		rig_endpoint(r, wave->name[i], "cloud");
	}
	r->listens[0].interface = (struct conf_list){ names, 1 };
	r->listens[0].intercept = true;
	r->conf.gateway.mark = r->conf.gateway.mark_mask = 0x8000000;
	fake_net_own(r->net, &r->called[true]);
	fake_net_interface(r->net, "lan0", r->ifindex);
	return r;
}

/* The kernel brings each to the worker that we compute, and nobody has to hand anything over. */
static void expect_in_order(struct rig *r, const struct wave *wave)
{
	uint64_t before = rig_counts(r, COUNT_HANDED_OVER);
	for (int i = 0; i < DEVICES; i++) {
		char from[40];
		snprintf(from, sizeof(from), "192.168.1.%d:40000", 20 + i);
		struct addr device = at(from);
		register_at(r, -1, from, wave->name[i], "rd/0");
		ck_assert_uint_eq(owner(r, wave->name[i]), steer_by_source(&r->crew->steer, &device));
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), before);
}

/* No socket is missing, either. */
static void expect_all_in_order(struct rig *r, const struct wave *wave)
{
	ck_assert_uint_eq(fake_net_open(r->net), 2 * WORKERS);
	expect_in_order(r, wave);
}

/* Some worker has lost all its sockets. */
static void lose(struct rig *r, unsigned worker)
{
	const struct listener *l = wanted_listener_by_number(rig_worker(r, worker), 1);
	list_each(node, &((struct listener *)(uintptr_t)l)->ports)
		lan_shut(container_of(node, struct lan_port, node));
}

/* As workers.c does it. */
static void event(struct rig *r)
{
	for (unsigned i = 0; i < WORKERS; i++)
		datapath_addresses_changed(rig_worker(r, i), fake_net_now(r->net));
	rig_advance(r, MOVE_SOCKETS_AFTER_MS);
	reopen_ports(r->dp);
}

/* The interface of the devices is another one now, of the same name. */
static void make_anew(struct rig *r, uint32_t ifindex)
{
	fake_net_interface(r->net, "lan0", ifindex);
	r->ifindex = ifindex;
}

/* It appears while sockets are opened: behind the first worker's turn. */
START_TEST(crew_ports_are_in_order_though_one_worker_missed_the_interface)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	fake_net_fail_opens(r->net, ENODEV, 2);
	rig_start(r);
	expect_all_in_order(r, &wave);
	rig_free(r);
}
END_TEST

/* The same at a reload, for sockets that are there. */
START_TEST(crew_ports_that_one_worker_lost_come_back_by_a_reload)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	rig_start(r);
	lose(r, (unsigned)_i);
	ck_assert_int_eq(rig_apply(r), 0);
	expect_all_in_order(r, &wave);
	rig_free(r);
}
END_TEST

START_TEST(crew_ports_that_one_worker_lost_come_back_with_the_next_event)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	rig_start(r);
	lose(r, (unsigned)_i);
	reopen_ports(r->dp);
	expect_all_in_order(r, &wave);
	rig_free(r);
}
END_TEST

/* Nothing is wrong: nothing is closed, so that nothing unread is lost. */
START_TEST(crew_ports_that_are_right_stay)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	rig_start(r);
	uint32_t number = port_at(r, 1)->number;
	reopen_ports(r->dp);
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(port_at(r, 1)->number, number);
	rig_free(r);
}
END_TEST

/* The first worker's interface is one that is gone, the others' is the new one. */
START_TEST(crew_ports_follow_an_interface_that_is_made_anew)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	rig_start(r);
	register_at(r, 1, A, "dev", "rd/0");
	uint16_t port = r->port;
	fake_net_interface(r->net, "lan0", 0);
	event(r);
	make_anew(r, 7);
	event(r);
	ck_assert_uint_eq(fake_net_open(r->net), 2 * WORKERS + 1);
	for (int i = 0; i < WORKERS; i++) {
		steer_to(r, i);
		exchange(r, A, 20 + (unsigned)i);
		ck_assert_uint_eq(r->port, port);
		ck_assert_uint_eq(r->sent_ifindex, 7);
	}
	ck_assert_uint_eq(owner(r, "dev"), 1);
	expect_in_order(r, &wave);
	rig_free(r);
}
END_TEST

/* What lies in a ring names a socket that is another one now: it is of the same place. */
START_TEST(crew_ports_opened_again_lose_nothing_in_rings)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	rig_start(r);
	register_at(r, 0, A, "dev", "rd/0");
	is_late(r, 0);
	steer_to(r, 1);
	const char *request = coap(CON, "0.02", 9, "ab", "dp"), *answer = coap(ACK, "2.04", 9, "ab", NULL);
	rig_device(r, A, request);
	rig_expect_server(r, "");
	make_anew(r, 7);
	reopen_ports(r->dp);
	comes_to_it(r, 0);
	rig_expect_server(r, request);
	rig_server(r, r->port, answer);
	rig_expect_device(r, A, answer);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_STRANGER), 0);
	rig_free(r);
}
END_TEST

/* Another program has taken the port meanwhile: nobody may share it with that. */
START_TEST(crew_ports_wait_together_where_the_first_can_not_be_had)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	rig_start(r);
	make_anew(r, 7);
	fake_net_port_taken(r->net, 5683, true);
	event(r);
	ck_assert_uint_eq(fake_net_open(r->net), 0);
	fake_net_port_taken(r->net, 5683, false);
	event(r);
	expect_all_in_order(r, &wave);
	rig_free(r);
}
END_TEST

/* One of the others can not have its own: the rest serves, and with the next event all are as they should be. */
START_TEST(crew_ports_serve_where_one_of_the_others_can_not_be_had)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	rig_start(r);
	register_at(r, 2, A, "dev", "rd/0");
	make_anew(r, 7);
	fake_net_spare_opens(r->net, 1);
	fake_net_fail_opens(r->net, EMFILE, 1);
	event(r);
	ck_assert_int_lt(port_at(r, 1)->fd, 0);
	steer_to(r, 0);
	exchange(r, A, 1);
	steer_to(r, 2);
	exchange(r, A, 2);
	event(r);
	expect_in_order(r, &wave);
	rig_free(r);
}
END_TEST

/* What had to make way for a change that came to nothing is there again, and in order. */
START_TEST(crew_ports_that_made_way_in_vain_come_back_in_order)
{
	struct wave wave;
	struct rig *r = prepare(&wave);
	struct addr lan = at("192.168.1.1");
	rig_start(r);
	r->listens[0].address = &lan;
	r->listens[0].address_count = 1;
	fake_net_fail_watches(r->net, ENOSPC, 1);
	ck_assert_int_eq(rig_apply(r), -ENOSPC);
	expect_all_in_order(r, &wave);
	rig_free(r);
}
END_TEST

Suite *crew_ports_suite(void)
{
	Suite *s = suite_create("crew_ports");
	SUITE_TEST(s, crew_ports_are_in_order_though_one_worker_missed_the_interface);
	TCase *each = tcase_create("each worker");
	tcase_add_loop_test(each, crew_ports_that_one_worker_lost_come_back_by_a_reload, 0, WORKERS);
	tcase_add_loop_test(each, crew_ports_that_one_worker_lost_come_back_with_the_next_event, 0, WORKERS);
	suite_add_tcase(s, each);
	SUITE_TEST(s, crew_ports_that_are_right_stay);
	SUITE_TEST(s, crew_ports_follow_an_interface_that_is_made_anew);
	SUITE_TEST(s, crew_ports_opened_again_lose_nothing_in_rings);
	SUITE_TEST(s, crew_ports_wait_together_where_the_first_can_not_be_had);
	SUITE_TEST(s, crew_ports_serve_where_one_of_the_others_can_not_be_had);
	SUITE_TEST(s, crew_ports_that_made_way_in_vain_come_back_in_order);
	return s;
}
