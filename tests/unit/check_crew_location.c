/* Rule 3 where there are several workers: a Location leads to the flow that it would lead to if there were one. */
#include "trunk.h"
#include "suite.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rig_crew.h"

#define A3 "192.168.1.10:40002"

/* Two endpoints of one server, and one of another. */
static struct rig *up_servers(unsigned workers)
{
	struct rig *r = rig_of(workers);
	rig_add_server(r, "second", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_endpoint(r, "other", "second");
	rig_start(r);
	return r;
}

/* Registers where the kernel brings it to this worker; some time passes. Returns its source port. */
static uint16_t registered_at(struct rig *r, int worker, const char *from, const char *name, const char *location)
{
	register_at(r, worker, from, name, location);
	rig_advance(r, 10);
	return r->port;
}

/* An Update that comes from nobody's address to this worker goes up by this source port; 0: it is lost by name. */
static void expect_found(struct rig *r, int worker, const char *from, const char *location, uint16_t port)
{
	static unsigned mid = 0x5000;
	const char *update = coap(CON, "0.02", ++mid, "ab", location);
	uint64_t lost = rig_drops(r, DROP_STRANGER_LOCATION);
	steer_to(r, worker);
	rig_device(r, from, update);
	if (port == 0) {
		rig_expect_silence(r);
		ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), lost + 1);
		return;
	}
	rig_expect_server(r, update);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), lost);
}

/* ---- whose it is ---- */

START_TEST(rule3_location_leads_to_its_worker_at_once)
{
	struct rig *r = up_servers(4);
	uint16_t port = registered_at(r, 1, A, "dev", "rd/7");
	expect_found(r, 2, A2, "rd/7", port);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 1);
	rig_server(r, port, coap(ACK, "2.04", 0x5001, "ab", NULL));
	ck_assert_str_ne(rig_device_got(r, A2), "");
	expect_found(r, 1, A3, "rd/7", port); /* it is there already */
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 1);
	rig_free(r);
}
END_TEST

/* Whichever worker hears it, one that has a flow with it or one that has none. */
START_TEST(rule3_location_of_two_servers_names_nobody_over_workers)
{
	struct rig *r = up_servers(3);
	registered_at(r, 0, A, "dev", "rd/0");
	registered_at(r, 1, A2, "other", "rd/0");
	expect_found(r, _i, A3, "rd/0", 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 0);
	rig_free(r);
}
END_TEST

/* It names somebody again when one of them has left, has another Location, or is elsewhere. */
START_TEST(rule3_location_is_clear_again_when_one_has_it)
{
	for (int end = 0; end < 4; end++) {
		struct rig *r = up_servers(2);
		uint16_t port = registered_at(r, 0, A, "dev", "rd/0");
		registered_at(r, 1, A2, "other", "rd/0");
		expect_found(r, 0, A3, "rd/0", 0);
		if (end == 0)
			deregister(r, A2, "rd/0");
		else if (end == 1)
			registered_at(r, 1, A2, "other", "rd/9");
		else if (end == 2)
			r->conf.endpoint_count = 2;
		ck_assert_int_eq(rig_apply(r), 0);
		expect_found(r, 0, A3, "rd/0", end < 3 ? port : 0);
		rig_free(r);
	}
}
END_TEST

/* A server that was restarted counts from the beginning: the last one who got the Location has it. */
START_TEST(rule3_location_given_twice_names_the_last_over_workers)
{
	struct rig *r = up_servers(3);
	registered_at(r, _i, A, "dev", "rd/0");
	uint16_t port = registered_at(r, 1 - _i, A2, "dev2", "rd/0");
	expect_found(r, 2, A3, "rd/0", port);
	rig_free(r);
}
END_TEST

/* Then the first one gets it once more. */
START_TEST(rule3_location_given_anew_counts_from_then)
{
	struct rig *r = up_servers(3);
	uint16_t port = registered_at(r, 0, A, "dev", "rd/0");
	registered_at(r, 1, A2, "dev2", "rd/0");
	registered_at(r, 2, A, "dev", "rd/0");
	expect_found(r, 2, A3, "rd/0", port);
	rig_free(r);
}
END_TEST

START_TEST(rule3_location_given_twice_at_once_names_nobody)
{
	struct rig *r = up_servers(3);
	steer_to(r, 0);
	rig_register(r, A, "dev", "rd/0");
	steer_to(r, 1);
	rig_register(r, A2, "dev2", "rd/0");
	for (int i = 0; i < 3; i++)
		expect_found(r, i, A3, "rd/0", 0);
	rig_free(r);
}
END_TEST

/* ---- where the device is ---- */

START_TEST(rule3_location_is_good_for_its_host_over_workers)
{
	struct rig *r = up_servers(2);
	uint16_t port = registered_at(r, 0, A, "dev", "rd/0");
	uint16_t other = registered_at(r, 1, B, "other", "rd/0");
	expect_found(r, 0, "192.168.1.12:40000", "rd/0", 0);
	expect_found(r, 1, A2, "rd/0", port);
	expect_found(r, 0, "192.168.1.11:40001", "rd/0", other);
	rig_free(r);
}
END_TEST

/* The same Location of another server means somebody else there. */
START_TEST(rule3_location_is_good_for_its_interface_over_workers)
{
	struct rig *r = up_servers(2);
	uint16_t port = registered_at(r, 0, A, "dev", "rd/0");
	r->ifindex = 3;
	expect_found(r, 1, A2, "rd/0", 0);
	uint16_t other = registered_at(r, 1, A2, "other", "rd/0");
	expect_found(r, 0, A3, "rd/0", other);
	r->ifindex = 2;
	expect_found(r, 1, "192.168.1.10:40003", "rd/0", port);
	rig_free(r);
}
END_TEST

START_TEST(rule3_location_is_good_for_its_listener_over_workers)
{
	struct rig *r = up_servers(2);
	rig_add_listen(r, "more", 5700);
	ck_assert_int_eq(rig_apply(r), 0);
	uint16_t port = registered_at(r, 0, A, "dev", "rd/0");
	steer_to(r, 1);
	rig_device_at(r, A2, 5700, coap(CON, "0.02", 9, "ab", "rd/0"));
	rig_expect_silence(r);
	rig_device_at(r, A2, 5700, coap(CON, "0.02", 10, "ab", "rd?ep=other"));
	rig_expect_server(r, coap(CON, "0.02", 10, "ab", "rd?ep=other"));
	rig_server(r, r->port, located(ACK, "2.01", 10, "ab", "rd/0"));
	rig_expect_device(r, A2, located(ACK, "2.01", 10, "ab", "rd/0"));
	expect_found(r, 1, A3, "rd/0", port);
	rig_free(r);
}
END_TEST

/* It follows its flow from host to host. */
START_TEST(rule3_location_follows_a_device_that_moves)
{
	struct rig *r = up_servers(2);
	uint16_t port = registered_at(r, 0, A, "dev", "rd/0");
	const char *again = coap(CON, "0.02", 0x77, "aa", "rd?ep=dev&lt=60");
	rig_device(r, B, again);
	for (int i = 0; i < 3; i++) {
		ck_assert_str_ne(rig_device_got(r, A), "");
		rig_advance(r, 700);
	}
	rig_expect_server(r, again); /* and has no answer yet */
	expect_found(r, 1, A2, "rd/0", 0);
	expect_found(r, 1, "192.168.1.11:40001", "rd/0", port);
	rig_free(r);
}
END_TEST

/* The interface is another one, or is not known for a while: so it is with one worker. */
START_TEST(rule20_location_follows_an_interface_that_is_made_anew)
{
	struct rig *r = rig_of(2);
	rig_endpoint(r, "dev", "cloud");
	fake_net_interface(r->net, "lan0", 2);
	rig_start(r);
	uint16_t port = registered_at(r, 0, A, "dev", "rd/0");
	fake_net_interface(r->net, "lan0", 7);
	for (unsigned i = 0; i < 2; i++)
		datapath_addresses_changed(rig_worker(r, i), fake_net_now(r->net));
	rig_advance(r, 3000);
	expect_found(r, 1, A2, "rd/0", 0);
	r->ifindex = 7;
	expect_found(r, 1, A2, "rd/0", 0);
	expect_found(r, 1, A, "rd/0", port); /* by its address */
	expect_found(r, 1, A2, "rd/0", port);
	rig_free(r);
}
END_TEST

/* Whom the device calls is a part of it. */
static struct rig *up_captured(void)
{
	struct rig *r = rig_of(2);
	rig_add_server(r, "second", CLOUD2, 5683);
	rig_endpoint(r, "both", "cloud");
	rig_endpoint(r, "both", "second");
	r->listens[0].intercept = true;
	fake_net_own(r->net, &r->called[true]);
	rig_start(r);
	return r;
}

START_TEST(rule3_location_is_good_for_the_called_server_over_workers)
{
	struct rig *r = up_captured();
	rig_call(r, CLOUD);
	uint16_t port = registered_at(r, 0, A, "both", "rd/0");
	rig_call(r, CLOUD2);
	expect_found(r, 1, A2, "rd/0", 0);
	rig_call(r, CLOUD);
	expect_found(r, 1, A2, "rd/0", port);
	rig_call(r, CLOUD2);
	uint16_t other = registered_at(r, 1, A3, "both", "rd/0");
	expect_found(r, 1, "192.168.1.10:40003", "rd/0", other);
	rig_call(r, CLOUD);
	expect_found(r, 1, "192.168.1.10:40004", "rd/0", port);
	rig_free(r);
}
END_TEST

/* Somebody registered in a device's name, by its address, and called us; the device calls its server. */
START_TEST(rule3_location_of_a_device_that_is_led_astray_over_workers)
{
	struct rig *r = up_captured();
	uint16_t port = registered_at(r, 0, A, "both", "rd/0");
	rig_call(r, CLOUD);
	expect_found(r, 1, A, "rd/0", port);
	rig_free(r);
}
END_TEST

/* ---- what goes to another worker ---- */

/* A flow that went to the worker of its address has its Location there, from the time when it was given. */
START_TEST(rule3_location_goes_with_its_flow_to_another_worker)
{
	struct rig *r = up_servers(2);
	uint16_t port = registered_at(r, 1, A, "dev", "rd/0");
	registered_at(r, 0, A2, "other", "rd/1");
	expect_found(r, 0, A3, "rd/0", port);
	rig_server(r, port, coap(ACK, "2.04", 0x7fff, "ab", NULL));
	(void)rig_device_got(r, A3);
	registered_at(r, 0, B, "dev2", "rd/0");
	/* The device comes to an address that is another endpoint's, at the other worker. */
	const char *again = coap(CON, "0.02", 0x77, "aa", "rd?ep=dev&lt=60");
	rig_device(r, A2, again);
	rig_advance(r, 3000);
	while (rig_device_got(r, A3)[0] != '\0')
		;
	rig_expect_server(r, again);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_FLOWS), 1);
	ck_assert_uint_eq(directory_owner(r->crew->directory, slice_str("dev")), 0);
	ck_assert_int_ne(rig_flow(r, "dev")->registered.ms, 0);
	for (int i = 0; i < 2; i++)
		expect_found(r, i, i == 0 ? "192.168.1.10:40005" : "192.168.1.10:40006", "rd/0", port);
	rig_free(r);
}
END_TEST

/* As the gateway stops: the first worker is the last, and has no crew by then. */
START_TEST(rule3_location_is_no_harm_when_its_crew_ends)
{
	struct rig *r = up_servers(2);
	registered_at(r, 0, A, "dev", "rd/0");
	registered_at(r, 1, A2, "other", "rd/0");
	crew_end(r->crew);
	datapath_free(r->others[0]);
	r->others[0] = NULL;
	crew_leave(r->dp);
	crew_free(r->crew);
	r->crew = NULL;
	expect_found(r, 0, A3, "rd/0", rig_flow(r, "dev")->wan.port);
	rig_free(r);
}
END_TEST

/* ---- strangers ---- */

/* Invented Locations are handed to nobody, however many. */
START_TEST(rule3_invented_location_is_handed_to_nobody)
{
	struct rig *r = up_servers(4);
	registered_at(r, 1, A, "dev", "rd/0");
	steer_to(r, 0);
	for (unsigned i = 0; i < 2000; i++)
		rig_device(r, A2, coap(CON, "0.02", i, "ab", "rd/7"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 0);
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), 2000);
	rig_free(r);
}
END_TEST

/* An Update that gives nothing new changes nothing: who got the Location later has it. */
START_TEST(rule3_update_is_no_new_registration)
{
	struct rig *r = up_servers(2);
	registered_at(r, 0, A, "dev", "rd/0");
	uint16_t port = registered_at(r, 1, A2, "dev2", "rd/0");
	steer_to(r, 0);
	const struct located *before = rig_flow(r, "dev")->located;
	rig_device(r, A, coap(CON, "0.02", 9, "ab", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 9, "ab", "rd/0"));
	rig_server(r, r->port, coap(ACK, "2.04", 9, "ab", NULL));
	rig_expect_device(r, A, coap(ACK, "2.04", 9, "ab", NULL));
	ck_assert_ptr_eq(rig_flow(r, "dev")->located, before);
	expect_found(r, 0, A3, "rd/0", port);
	rig_free(r);
}
END_TEST

/* ---- by chance ---- */

#define DEVICES 6
#define STEPS 600

struct world {
	struct rig *r;
	unsigned life, kernel; /* seeds: what happens is the same whatever the kernel does */
	char name[DEVICES][16], from[DEVICES][32], location[DEVICES][16]; /* location "": none */
	unsigned port; /* the last that a device used */
};

static unsigned draw(struct world *w, unsigned below)
{
	return (unsigned)rand_r(&w->life) % below;
}

static void new_port(struct world *w, unsigned host, char from[32])
{
	snprintf(from, 32, "192.168.1.%u:%u", 10 + host, ++w->port);
}

/* An Update from nobody's address. Returns who is meant, or -1. */
static int stray(struct world *w, unsigned step)
{
	struct rig *r = w->r;
	char from[32], location[16];
	new_port(w, draw(w, 2), from);
	snprintf(location, sizeof(location), "rd/%u", draw(w, 3));
	const char *update = coap(CON, "0.02", step, "ab", location);
	rig_device(r, from, update);
	const char *got = rig_server_got(r);
	if (got[0] == '\0')
		return -1;
	ck_assert_str_eq(got, update);
	rig_server(r, r->port, coap(ACK, "2.04", step, "ab", NULL));
	rig_expect_device(r, from, coap(ACK, "2.04", step, "ab", NULL));
	for (int i = 0; i < DEVICES; i++) {
		const struct flow *f = rig_flow(r, w->name[i]);
		if (f != NULL && f->wan.port == r->port) {
			memcpy(w->from[i], from, sizeof(from));
			return i;
		}
	}
	ck_abort_msg("it went up by nobody's port");
}

static int happen(struct world *w, unsigned step)
{
	unsigned i = draw(w, DEVICES), what = draw(w, 8);
	fake_lan_steer(w->r->net, (int)((unsigned)rand_r(&w->kernel) % (w->r->workers + 1)) - 1);
	if (what < 4)
		return stray(w, step);
	if (what < 6) {
		snprintf(w->location[i], sizeof(w->location[i]), "rd/%u", draw(w, 3));
		rig_register(w->r, w->from[i], w->name[i], w->location[i]);
	} else if (what == 6 && w->location[i][0] != '\0') {
		deregister(w->r, w->from[i], w->location[i]);
		w->location[i][0] = '\0';
	}
	if (draw(w, 2) == 0)
		rig_advance(w->r, 1);
	return -2;
}

static void live(unsigned workers, int outcome[STEPS])
{
	struct world w = { .r = rig_create(), .life = rig_seed(), .port = 30000 };
	w.kernel = w.life + 1;
	w.r->workers = workers;
	rig_add_server(w.r, "second", CLOUD2, 5683);
	for (unsigned i = 0; i < DEVICES; i++) {
		snprintf(w.name[i], sizeof(w.name[i]), "dev%u", i);
		rig_endpoint(w.r, w.name[i], i % 3 == 2 ? "second" : "cloud");
		new_port(&w, i % 2, w.from[i]);
	}
	rig_start(w.r);
	for (unsigned i = 0; i < STEPS; i++)
		outcome[i] = happen(&w, i);
	rig_free(w.r);
}

START_TEST(rule3_several_workers_decide_as_one_does)
{
	static int one[STEPS], several[STEPS];
	unsigned found = 0, lost = 0;
	live(1, one);
	live((unsigned)_i, several);
	for (unsigned i = 0; i < STEPS; i++) {
		ck_assert_msg(one[i] == several[i], "step %u: %d, with %d workers %d", i, one[i], _i, several[i]);
		found += one[i] >= 0;
		lost += one[i] == -1;
	}
	ck_assert_uint_gt(found, STEPS / 20);
	ck_assert_uint_gt(lost, STEPS / 20);
}
END_TEST

#define add_loop(suite, test, from, to) add_case(suite, #test, test, from, to)

static void add_case(Suite *s, const char *name, const TTest *test, int from, int to)
{
	TCase *t = tcase_create(name);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test, from, to);
	suite_add_tcase(s, t);
}

Suite *crew_location_suite(void)
{
	Suite *s = suite_create("crew_location");
	SUITE_TEST(s, rule3_location_leads_to_its_worker_at_once);
	add_loop(s, rule3_location_of_two_servers_names_nobody_over_workers, 0, 3);
	SUITE_TEST(s, rule3_location_is_clear_again_when_one_has_it);
	add_loop(s, rule3_location_given_twice_names_the_last_over_workers, 0, 2);
	SUITE_TEST(s, rule3_location_given_anew_counts_from_then);
	SUITE_TEST(s, rule3_location_given_twice_at_once_names_nobody);
	SUITE_TEST(s, rule3_location_is_good_for_its_host_over_workers);
	SUITE_TEST(s, rule3_location_is_good_for_its_interface_over_workers);
	SUITE_TEST(s, rule3_location_is_good_for_its_listener_over_workers);
	SUITE_TEST(s, rule3_location_follows_a_device_that_moves);
	SUITE_TEST(s, rule20_location_follows_an_interface_that_is_made_anew);
	SUITE_TEST(s, rule3_location_is_good_for_the_called_server_over_workers);
	SUITE_TEST(s, rule3_location_of_a_device_that_is_led_astray_over_workers);
	SUITE_TEST(s, rule3_location_goes_with_its_flow_to_another_worker);
	SUITE_TEST(s, rule3_location_is_no_harm_when_its_crew_ends);
	SUITE_TEST(s, rule3_invented_location_is_handed_to_nobody);
	SUITE_TEST(s, rule3_update_is_no_new_registration);
	add_loop(s, rule3_several_workers_decide_as_one_does, 2, 5);
	return s;
}
