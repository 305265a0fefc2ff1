/* What lwgate-net is told, when, and how often (DESIGN.md 6, rule 16). */
#include "intercept.h"
#include <errno.h>
#include <stdio.h>
#include "fake_helper.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

static struct intercept *intercept;
static unsigned broken;

static void on_broken(void *who)
{
	(void)who;
	broken++;
}

/* One listener on one interface; nothing is answered yet. */
static struct rig *up(size_t interfaces)
{
	static const char *names[] = { "br-lan", "br-iot" };
	struct rig *r = rig_create();
	r->listens[0].interface = (struct conf_list){ names, interfaces };
	r->listens[0].intercept = true;
	r->conf.gateway.mark = r->conf.gateway.mark_mask = 0x8000000;
	fake_net_interface(r->net, "br-lan", r->ifindex);
	fake_net_interface(r->net, "br-iot", 3);
	rig_add_server(r, "field", CLOUD2, 5783);
	rig_start(r);
	broken = 0;
	struct intercept_spec spec = { .datapath = r->dp, .program = "/nowhere", .broken = on_broken };
	ck_assert_int_eq(intercept_create(&intercept, &spec, true), 0);
	rig_settle(r);
	return r;
}

static void down(struct rig *r)
{
	intercept_free(intercept, false);
	rig_free(r);
}

/* All that were sent from the one at this place on. */
static void all_made(unsigned from, int code)
{
	for (unsigned n = fake_helper.sockets; from < n; from++)
		fake_helper_say_made(fake_helper.socket[from], code);
}

static const char *fault(void)
{
	return intercept_status(intercept).fault;
}

START_TEST(rule16_sockets_go_first_and_then_the_state_once)
{
	struct rig *r = up(1);
	ck_assert_uint_eq(fake_helper.sockets, 4); /* two ports, two families */
	ck_assert_uint_eq(fake_helper.sets, 1);
	ck_assert_uint_eq(fake_helper.sets_before_last, 0);
	all_made(0, 0);
	fake_helper_say_done(0);
	ck_assert(intercept_status(intercept).is_captured);
	rig_advance(r, 600000);
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(fake_helper.sockets, 4);
	ck_assert_uint_eq(fake_helper.sets, 1);
	down(r);
}
END_TEST

/* Again after 1 s, 2 s, and at last each minute; not more often. */
START_TEST(rule16_a_refused_state_is_tried_again_ever_more_slowly)
{
	struct rig *r = up(1);
	all_made(0, 0);
	int64_t pause = 1000;
	for (unsigned sets = 1; sets < 12; sets++) {
		fake_helper_say_done(-EINVAL);
		ck_assert(!intercept_status(intercept).is_captured);
		ck_assert_str_ne(fault(), "");
		rig_advance(r, pause - 1);
		ck_assert_uint_eq(fake_helper.sets, sets);
		rig_advance(r, 1);
		ck_assert_uint_eq(fake_helper.sets, sets + 1);
		pause = pause * 2 < 60000 ? pause * 2 : 60000;
	}
	fake_helper_say_done(0);
	ck_assert_str_eq(fault(), "");
	rig_advance(r, 600000);
	ck_assert_uint_eq(fake_helper.sets, 12);
	down(r);
}
END_TEST

/* That the rules are there does not make up for it. */
START_TEST(rule16_a_refused_socket_is_tried_again)
{
	struct rig *r = up(1);
	all_made(0, -ENOMEM);
	fake_helper_say_done(0);
	ck_assert_str_ne(fault(), "");
	rig_advance(r, 999);
	ck_assert_uint_eq(fake_helper.sockets, 4);
	rig_advance(r, 1);
	ck_assert_uint_eq(fake_helper.sockets, 8);
	ck_assert_uint_eq(fake_helper.sets, 1);
	all_made(4, 0);
	ck_assert_str_eq(fault(), "");
	rig_advance(r, 600000);
	ck_assert_uint_eq(fake_helper.sockets, 8);
	down(r);
}
END_TEST

START_TEST(rule16_what_could_not_be_sent_is_tried_again)
{
	struct rig *r = up(1);
	all_made(0, 0);
	fake_helper_say_done(0);
	fake_helper.fails = ENOBUFS;
	fake_net_interface(r->net, "br-lan", 7); /* other sockets */
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_advance(r, 500);
	ck_assert_uint_eq(fake_helper.sockets, 4);
	fake_helper.fails = 0;
	rig_advance(r, 2000);
	ck_assert_uint_eq(fake_helper.sockets, 8);
	all_made(4, 0);
	ck_assert_str_eq(fault(), "");
	down(r);
}
END_TEST

/* Of sockets that were asked for, too: who died may have answered nothing. */
START_TEST(rule16_a_new_worker_hears_all_that_is_not_answered)
{
	struct rig *r = up(1);
	fake_helper_say_made(fake_helper.socket[0], 0);
	fake_helper_say_ready();
	rig_settle(r);
	ck_assert_uint_eq(fake_helper.sockets, 7);
	ck_assert_uint_eq(fake_helper.sets, 2);
	all_made(4, 0);
	fake_helper_say_done(0);
	ck_assert(intercept_status(intercept).is_captured);
	down(r);
}
END_TEST

/* The sockets that had to make way for it are opened again, and are others. */
START_TEST(rule18_a_refused_configuration_leaves_capture_as_it_was)
{
	struct rig *r = up(1);
	all_made(0, 0);
	fake_helper_say_done(0);
	struct conf_listen before = r->listens[0];
	r->listens[0].interface.count = 0;
	r->listens[0].intercept = false;
	rig_add_listen(r, "second", 6000);
	fake_net_port_taken(r->net, 6000, true);
	ck_assert_int_ne(rig_apply(r), 0);
	r->listens[0] = before;
	ck_assert_uint_gt(fake_helper.sockets, 4);
	all_made(4, 0);
	size_t at = 0;
	struct listener *l = wanted_listener(r->dp, &at);
	list_each(node, &l->ports)
		ck_assert(container_of(node, struct lan_port, node)->is_transparent);
	ck_assert_uint_eq(fake_helper.sets, 1);
	down(r);
}
END_TEST

/* The one before was refused, or done: what is wanted now is under way. */
START_TEST(rule16_an_answer_for_the_state_before_says_nothing)
{
	struct rig *r = up(1);
	all_made(0, 0);
	uint32_t before = fake_helper.set.generation;
	r->listens[0].without_relay = CONF_FAIL_CLOSED;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(fake_helper.sets, 2);
	fake_helper_say_done_of(before, 0);
	ck_assert(!intercept_status(intercept).is_captured);
	fake_helper_say_done_of(before, -EINVAL);
	ck_assert_str_eq(fault(), "");
	rig_advance(r, 5000);
	ck_assert_uint_eq(fake_helper.sets, 2);
	fake_helper_say_done(0);
	ck_assert(intercept_status(intercept).is_captured);
	down(r);
}
END_TEST

/* A socket's retry sends no state again that is done. */
START_TEST(rule16_a_state_that_is_done_is_not_sent_for_a_socket)
{
	struct rig *r = up(1);
	fake_helper_say_done(0);
	all_made(0, -EPERM);
	rig_advance(r, 3000);
	ck_assert_uint_gt(fake_helper.sockets, 4);
	ck_assert_uint_eq(fake_helper.sets, 1);
	down(r);
}
END_TEST

/* An answer that comes after the socket was opened anew is not the new one's. */
START_TEST(rule16_an_answer_for_a_closed_socket_is_nobodys)
{
	struct rig *r = up(1);
	fake_net_interface(r->net, "br-lan", 7);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_advance(r, 3000);
	ck_assert_uint_eq(fake_helper.sockets, 8);
	for (unsigned i = 0; i < 4; i++)
		fake_helper_say_made(fake_helper.socket[i], 0);
	size_t at = 0;
	struct listener *l = wanted_listener(r->dp, &at);
	list_each(node, &l->ports) {
		const struct lan_port *p = container_of(node, struct lan_port, node);
		ck_assert(!p->is_transparent && p->is_asked);
	}
	down(r);
}
END_TEST

/* Neither side may wait for the other to read; rules come when all sockets are under way. */
START_TEST(rule16_many_sockets_go_in_portions)
{
	static char names[60][12];
	struct rig *r = up(2);
	fake_helper_say_done(0);
	all_made(0, 0);
	unsigned sockets = fake_helper.sockets, sets = fake_helper.sets;
	ck_assert_uint_eq(sockets, 8);
	for (unsigned i = 0; i < 28; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", i);
		rig_add_server(r, names[i], CLOUD, (uint16_t)(6000 + i));
	}
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(fake_helper.sockets, sockets + 100);
	ck_assert_uint_eq(fake_helper.sets, sets);
	while (fake_helper.sets == sets) {
		ck_assert_uint_lt(sockets, fake_helper.sockets);
		fake_helper_say_made(fake_helper.socket[sockets++], 0);
		rig_settle(r);
	}
	ck_assert_uint_eq(fake_helper.sockets, 8 + 28 * 4);
	all_made(sockets, 0);
	fake_helper_say_done(0);
	ck_assert_str_eq(fault(), "");
	down(r);
}
END_TEST

/* Also where the kernel has refused all so far: who starts us again may mend that. */
START_TEST(rule16_lwgated_leaves_with_lwgate_net_where_capture_is_wanted)
{
	struct rig *r = up(1);
	all_made(0, 0);
	fake_helper_say_done(-EINVAL);
	fake_helper_say_gone();
	ck_assert_uint_eq(broken, 1);
	ck_assert(!intercept_can(intercept));
	rig_advance(r, 100000);
	ck_assert_uint_eq(fake_helper.sets, 1);
	down(r);
	r = up(1);
	r->listens[0].intercept = false;
	ck_assert_int_eq(rig_apply(r), 0);
	fake_helper_say_done(0);
	fake_helper_say_gone();
	ck_assert_uint_eq(broken, 0);
	down(r);
}
END_TEST

/* More than a set holds: those that are, before those that were. */
START_TEST(rule16_pass_knows_servers_that_are_before_those_that_were)
{
	static char names[60][12], hosts[60][24];
	static struct capture c;
	struct rig *r = up(1);
	r->listens[0].foreign = CONF_FOREIGN_PASS;
	for (unsigned i = 0; i < 30; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", i);
		snprintf(hosts[i], sizeof(hosts[i]), "203.0.113.%u", i + 1);
		rig_add_server(r, names[i], hosts[i], 5683);
	}
	ck_assert_int_eq(rig_apply(r), 0);
	list_each(node, &r->dp->servers) {
		struct server *s = container_of(node, struct server, node);
		for (unsigned i = 0; i < SERVER_FORMER; i++) {
			struct addr a = at("10.0.0.1");
			a.ip[14] = (uint8_t)s->number;
			a.ip[15] = (uint8_t)(i + 1);
			server_remember(s, &a, fake_net_now(r->net));
		}
	}
	intercept_want(r->dp, fake_net_now(r->net), &c);
	ck_assert_uint_eq(c.listen[0].server_count, CAPTURE_SERVERS);
	struct addr last = at("203.0.113.30");
	bool found = false;
	for (size_t i = 0; i < CAPTURE_SERVERS; i++)
		found |= addr_same_host(&c.listen[0].server[i], &last);
	ck_assert(found);
	down(r);
}
END_TEST

Suite *intercept_suite(void)
{
	Suite *s = suite_create("intercept");
	SUITE_TEST(s, rule16_sockets_go_first_and_then_the_state_once);
	SUITE_TEST(s, rule16_a_refused_state_is_tried_again_ever_more_slowly);
	SUITE_TEST(s, rule16_a_refused_socket_is_tried_again);
	SUITE_TEST(s, rule16_what_could_not_be_sent_is_tried_again);
	SUITE_TEST(s, rule16_a_new_worker_hears_all_that_is_not_answered);
	SUITE_TEST(s, rule18_a_refused_configuration_leaves_capture_as_it_was);
	SUITE_TEST(s, rule16_an_answer_for_the_state_before_says_nothing);
	SUITE_TEST(s, rule16_a_state_that_is_done_is_not_sent_for_a_socket);
	SUITE_TEST(s, rule16_an_answer_for_a_closed_socket_is_nobodys);
	SUITE_TEST(s, rule16_many_sockets_go_in_portions);
	SUITE_TEST(s, rule16_lwgated_leaves_with_lwgate_net_where_capture_is_wanted);
	SUITE_TEST(s, rule16_pass_knows_servers_that_are_before_those_that_were);
	return s;
}
