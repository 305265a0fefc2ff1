/* An endpoint that comes back from a new address (DESIGN.md 6, rule 3). */
#include <string.h>
#include "rig.h"
#include "suite.h"
#include "trunk.h"

#define REG "rd?ep=dev&lt=60"

static struct rig *up(void)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_start(r);
	return r;
}

/* The old address is pinged: gives the message id of the ping. */
static unsigned expect_ping(struct rig *r, const char *device)
{
	unsigned mid = 0;
	const char *got = rig_device_got(r, device);
	ck_assert_uint_eq(strlen(got), 8);
	ck_assert_int_eq(sscanf(got, "4000%4x", &mid), 1);
	return mid;
}

START_TEST(rule3_silent_old_address_lets_the_endpoint_move_after_2_s)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	uint16_t port = f->wan.port;
	const char *again = coap(CON, "0.02", 0x99, "cc", REG);
	rig_device(r, B, again);
	for (int i = 0; i < 3; i++) {
		expect_ping(r, A);
		ck_assert(addr_eq(&r->sent_from, &r->called[true]));
		rig_expect_silence(r);
		ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 0);
		rig_advance(r, i < 2 ? 667 : 665);
	}
	rig_expect_silence(r);
	rig_advance(r, 1);
	rig_expect_server(r, again);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 1);
	rig_server(r, port, located(ACK, "2.01", 0x99, "cc", "rd/0"));
	rig_expect_device(r, B, located(ACK, "2.01", 0x99, "cc", "rd/0"));
	rig_device(r, A, empty(CON, 5)); /* a stranger now */
	rig_expect_device(r, A, empty(RST, 5));
	rig_free(r);
}
END_TEST

START_TEST(rule3_contested_move_gets_403)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	rig_device(r, B, coap(CON, "0.02", 0x99, "cc", REG));
	unsigned mid = expect_ping(r, A);
	rig_advance(r, 500);
	rig_device(r, A, empty(RST, mid));
	rig_expect_device(r, B, refusal("4.03", 0x99, "cc", -1));
	rig_expect_silence(r); /* the answer to the ping goes nowhere */
	ck_assert_uint_eq(rig_drops(r, DROP_CONTESTED), 1);
	ck_assert_uint_eq(rig_drops(r, DROP_PING_ANSWER), 1);
	rig_advance(r, 5000);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 0);
	rig_device(r, A, empty(CON, 5));
	rig_expect_server(r, empty(CON, 5));
	ck_assert_uint_eq(r->port, f->wan.port);
	rig_free(r);
}
END_TEST

START_TEST(rule3_any_message_of_the_old_address_contests)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, B, coap(CON, "0.02", 0x99, "cc", REG));
	expect_ping(r, A);
	const char *notify = coap(NON, "2.05", 0x55, "dd", NULL);
	rig_device(r, A, notify);
	rig_expect_device(r, B, refusal("4.03", 0x99, "cc", -1));
	rig_expect_server(r, notify);
	rig_free(r);
}
END_TEST

START_TEST(rule3_late_answers_to_pings_are_eaten_for_10_s)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, B, coap(CON, "0.02", 0x99, "cc", REG));
	unsigned mid = expect_ping(r, A);
	rig_advance(r, 700);
	ck_assert_uint_eq(expect_ping(r, A), mid);
	rig_device(r, A, empty(RST, mid));
	rig_expect_device(r, B, refusal("4.03", 0x99, "cc", -1));
	rig_advance(r, 9000);
	rig_device(r, A, empty(RST, mid));
	rig_expect_silence(r);
	rig_device(r, A, empty(RST, mid ^ 1));
	rig_expect_server(r, empty(RST, mid ^ 1));
	rig_advance(r, 1000);
	rig_device(r, A, empty(RST, mid));
	rig_expect_server(r, empty(RST, mid));
	rig_free(r);
}
END_TEST

START_TEST(rule3_ping_id_is_far_from_those_of_the_server)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	for (unsigned i = 0; i < 40; i++) {
		unsigned near = i * 1777 & 0xffff;
		rig_server(r, f->wan.port, empty(CON, near));
		rig_expect_device(r, A, empty(CON, near));
		rig_device(r, B, coap(CON, "0.02", i, "cc", REG));
		unsigned mid = expect_ping(r, A), gap = (mid - near) & 0xffff;
		ck_assert_uint_ge(gap, 0x4000);
		ck_assert_uint_lt(gap, 0xc000);
		rig_device(r, A, empty(RST, mid));
		rig_expect_device(r, B, refusal("4.03", i, "cc", -1));
	}
	rig_free(r);
}
END_TEST

START_TEST(rule3_copies_of_the_waiting_register_get_silence)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	const char *again = coap(CON, "0.02", 0x99, "cc", REG);
	rig_device(r, B, again);
	expect_ping(r, A);
	rig_device(r, B, again);
	rig_device(r, A2, coap(CON, "0.02", 0x98, "cc", REG)); /* a third party */
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_MOVE_WAITING), 2);
	rig_advance(r, 2000);
	expect_ping(r, A);
	expect_ping(r, A);
	rig_expect_server(r, again);
	rig_expect_silence(r);
	struct addr b = at(B);
	ck_assert(addr_eq(&rig_flow(r, "dev")->key.device, &b));
	rig_free(r);
}
END_TEST

START_TEST(rule3_option_move_0_forbids_it)
{
	struct rig *r = up();
	r->listens[0].move = false;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, B, coap(CON, "0.02", 0x99, "cc", REG));
	rig_expect_device(r, B, refusal("4.03", 0x99, "cc", -1));
	rig_device(r, A2, coap(CON, "0.02", 0x99, "cc", REG));
	rig_expect_device(r, A2, refusal("4.03", 0x99, "cc", -1));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_CONTESTED), 2);
	rig_free(r);
}
END_TEST

START_TEST(rule3_only_on_the_same_listener)
{
	struct rig *r = up();
	rig_add_listen(r, "other", 5783);
	ck_assert_int_eq(rig_apply(r), 0);
	rig_register(r, A, "dev", "rd/0");
	rig_device_at(r, B, 5783, coap(CON, "0.02", 0x99, "cc", REG));
	rig_expect_device(r, B, refusal("4.03", 0x99, "cc", -1));
	ck_assert_uint_eq(r->sent_from.port, 5783);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule3_only_by_a_register)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, B, coap(CON, "0.02", 1, "cc", "dp?ep=dev"));
	rig_expect_device(r, B, refusal("4.04", 1, "cc", -1));
	rig_device(r, B, coap(CON, "0.02", 2, "cc", "rd/0?ep=dev"));
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule3_location_is_a_second_key_for_another_port)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	const char *update = coap(CON, "0.02", 7, "cc", "rd/0?lt=60");
	rig_device(r, A2, update);
	rig_expect_server(r, update);
	ck_assert_uint_eq(r->port, f->wan.port);
	rig_server(r, r->port, coap(ACK, "2.04", 7, "cc", NULL));
	rig_expect_device(r, A2, coap(ACK, "2.04", 7, "cc", NULL));
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 1);
	rig_free(r);
}
END_TEST

/* A server that was restarted counts from the beginning: the last one who got the Location has it. */
START_TEST(rule3_location_given_twice_names_the_last)
{
	struct rig *r = up();
	bool dev_last = _i == 1;
	rig_register(r, dev_last ? A2 : A, dev_last ? "dev2" : "dev", "rd/0");
	rig_advance(r, 10);
	struct flow *f = rig_register(r, dev_last ? A : A2, dev_last ? "dev" : "dev2", "rd/0");
	rig_device(r, "192.168.1.10:40002", coap(CON, "0.02", 9, "bb", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 9, "bb", "rd/0"));
	ck_assert_uint_eq(r->port, f->wan.port);
	rig_free(r);
}
END_TEST

START_TEST(rule3_deregister_from_another_port)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, A2, coap(CON, "0.04", 7, "cc", "rd/0"));
	rig_expect_server(r, coap(CON, "0.04", 7, "cc", "rd/0"));
	rig_server(r, r->port, coap(ACK, "2.02", 7, "cc", NULL));
	rig_expect_device(r, A2, coap(ACK, "2.02", 7, "cc", NULL));
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule3_location_that_two_servers_handed_out_names_nobody)
{
	struct rig *r = rig_create();
	rig_add_server(r, "second", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "second");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	rig_register(r, A2, "dev2", "rd/0");
	rig_device(r, "192.168.1.10:40002", coap(CON, "0.02", 7, "cc", "rd/0"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule3_location_from_another_port_contests_a_move)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, B, coap(CON, "0.02", 0x99, "cc", REG));
	expect_ping(r, A);
	rig_device(r, A2, coap(CON, "0.02", 7, "cc", "rd/0"));
	rig_expect_device(r, B, refusal("4.03", 0x99, "cc", -1));
	rig_expect_server(r, coap(CON, "0.02", 7, "cc", "rd/0"));
	rig_advance(r, 3000);
	rig_expect_silence(r);
	struct addr a2 = at(A2);
	ck_assert(addr_eq(&rig_flow(r, "dev")->key.device, &a2));
	rig_free(r);
}
END_TEST

/* The device itself goes elsewhere while somebody waits for its old address to stay silent. */
START_TEST(rule3_static_device_that_moves_contests_a_move)
{
	struct rig *r = rig_create();
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud");
	e->has_address = true;
	e->address = at("192.168.1.10");
	rig_start(r);
	rig_device(r, A, empty(CON, 1));
	rig_expect_server(r, empty(CON, 1));
	rig_device(r, B, coap(CON, "0.02", 0x99, "cc", REG));
	expect_ping(r, A);
	rig_device(r, A2, empty(CON, 2));
	rig_expect_device(r, B, refusal("4.03", 0x99, "cc", -1));
	rig_expect_server(r, empty(CON, 2));
	rig_advance(r, 3000);
	rig_expect_silence(r);
	struct addr a2 = at(A2);
	ck_assert(addr_eq(&rig_flow(r, "dev")->key.device, &a2));
	ck_assert_uint_eq(r->dp->moves.count, 0);
	rig_free(r);
}
END_TEST

/* Its own Register waits, and then its Update takes the flow to that very port. */
START_TEST(rule3_location_from_the_waiting_port_refuses_nobody)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	const char *again = coap(CON, "0.02", 0x99, "cc", REG);
	rig_device(r, A2, again);
	expect_ping(r, A);
	rig_device(r, A2, coap(CON, "0.02", 7, "cc", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 7, "cc", "rd/0"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_CONTESTED), 0);
	rig_device(r, A2, again);
	rig_expect_server(r, again);
	ck_assert_uint_eq(r->port, f->wan.port);
	rig_free(r);
}
END_TEST

START_TEST(rule3_mover_takes_the_address_of_another_endpoint)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_register(r, B, "dev2", "rd/1");
	rig_device(r, B, coap(CON, "0.02", 0x99, "cc", REG));
	expect_ping(r, A);
	rig_advance(r, 2000);
	expect_ping(r, A);
	expect_ping(r, A);
	rig_expect_server(r, coap(CON, "0.02", 0x99, "cc", REG));
	ck_assert_ptr_nonnull(rig_flow(r, "dev2")); /* until the server says yes */
	rig_server(r, r->port, located(ACK, "2.01", 0x99, "cc", "rd/2"));
	rig_expect_device(r, B, located(ACK, "2.01", 0x99, "cc", "rd/2"));
	ck_assert_ptr_null(rig_flow(r, "dev2"));
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule3_flow_that_ends_forgets_the_waiting_register)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, B, coap(CON, "0.02", 0x99, "cc", REG));
	expect_ping(r, A);
	r->conf.endpoint_count = 0;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(r->dp->moves.count, 0);
	rig_advance(r, 5000);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule15_so_many_moves_wait_at_once)
{
	struct rig *r = rig_create();
	static char name[MOVES_MAX + 1][16];
	r->conf.gateway.max_endpoints = 200;
	for (unsigned i = 0; i <= MOVES_MAX; i++) {
		snprintf(name[i], sizeof(name[i]), "dev%u", i);
		rig_endpoint(r, name[i], "cloud");
	}
	rig_start(r);
	char from[40], uri[40];
	for (unsigned i = 0; i <= MOVES_MAX; i++) {
		snprintf(from, sizeof(from), "192.168.1.10:%u", 41000 + i);
		rig_register(r, from, name[i], "rd/0");
	}
	for (unsigned i = 0; i <= MOVES_MAX; i++) {
		snprintf(from, sizeof(from), "192.168.1.10:%u", 41000 + i);
		snprintf(uri, sizeof(uri), "rd?ep=%s", name[i]);
		rig_device(r, B, coap(CON, "0.02", i, "cc", uri));
		if (i < MOVES_MAX)
			expect_ping(r, from);
		rig_expect_silence(r);
	}
	ck_assert_uint_eq(rig_drops(r, DROP_MOVE_WAITING), 1);
	rig_stop(r);
	rig_free(r);
}
END_TEST

Suite *move_suite(void)
{
	Suite *s = suite_create("move");
	SUITE_TEST(s, rule3_silent_old_address_lets_the_endpoint_move_after_2_s);
	SUITE_TEST(s, rule3_contested_move_gets_403);
	SUITE_TEST(s, rule3_any_message_of_the_old_address_contests);
	SUITE_TEST(s, rule3_late_answers_to_pings_are_eaten_for_10_s);
	SUITE_TEST(s, rule3_ping_id_is_far_from_those_of_the_server);
	SUITE_TEST(s, rule3_copies_of_the_waiting_register_get_silence);
	SUITE_TEST(s, rule3_option_move_0_forbids_it);
	SUITE_TEST(s, rule3_only_on_the_same_listener);
	SUITE_TEST(s, rule3_only_by_a_register);
	SUITE_TEST(s, rule3_location_is_a_second_key_for_another_port);
	TCase *t = tcase_create("tables");
	tcase_add_loop_test(t, rule3_location_given_twice_names_the_last, 0, 2);
	suite_add_tcase(s, t);
	SUITE_TEST(s, rule3_deregister_from_another_port);
	SUITE_TEST(s, rule3_location_that_two_servers_handed_out_names_nobody);
	SUITE_TEST(s, rule3_location_from_another_port_contests_a_move);
	SUITE_TEST(s, rule3_static_device_that_moves_contests_a_move);
	SUITE_TEST(s, rule3_location_from_the_waiting_port_refuses_nobody);
	SUITE_TEST(s, rule3_mover_takes_the_address_of_another_endpoint);
	SUITE_TEST(s, rule3_flow_that_ends_forgets_the_waiting_register);
	SUITE_TEST(s, rule15_so_many_moves_wait_at_once);
	return s;
}
