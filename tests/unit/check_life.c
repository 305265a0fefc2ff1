/* Birth, proof and end of flows (DESIGN.md 6, rule 7), and what a restart keeps (rules 4, 19). */
#include <errno.h>
#include <string.h>
#include "base/hex.h"
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

static void pass(struct rig *r, const char *from, const char *message)
{
	rig_device(r, from, message);
	rig_expect_server(r, message);
}

static void answer(struct rig *r, const char *device, const char *message)
{
	rig_server(r, r->port, message);
	rig_expect_device(r, device, message);
}

/* ---- rule 7 ---- */

START_TEST(rule7_unproven_ends_after_60_s)
{
	struct rig *r = up();
	pass(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 59999);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_advance(r, 1);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert_uint_eq(fake_net_open(r->net), 2); /* the listener's */
	rig_free(r);
}
END_TEST

START_TEST(rule7_refused_registration_stays_unproven)
{
	struct rig *r = up();
	pass(r, A, coap(CON, "0.02", 1, "aa", REG));
	answer(r, A, coap(ACK, "4.03", 1, "aa", NULL));
	ck_assert(!rig_flow(r, "dev")->is_live);
	rig_advance(r, 60000);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule7_live_after_the_servers_201)
{
	struct rig *r = up();
	pass(r, A, coap(CON, "0.02", 1, "aa", REG));
	ck_assert(!rig_flow(r, "dev")->is_live);
	answer(r, A, coap(ACK, "2.01", 2, "aa", NULL)); /* another message id, another token */
	answer(r, A, coap(ACK, "2.01", 1, "ab", NULL));
	answer(r, A, coap(CON, "0.01", 1, "aa", "3"));
	answer(r, A, empty(ACK, 1));
	ck_assert(!rig_flow(r, "dev")->is_live);
	answer(r, A, located(CON, "2.01", 0x77, "aa", "rd/5")); /* a separate response */
	ck_assert(rig_flow(r, "dev")->is_live);
	ck_assert_str_eq(rig_flow(r, "dev")->location, "/rd/5");
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_PROVEN), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule7_ends_with_the_lifetime_plus_247_s)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_advance(r, 306999);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_advance(r, 1);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule7_update_extends_the_lifetime)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_advance(r, 200000);
	pass(r, A, coap(CON, "0.02", 5, "bb", "rd/0"));
	answer(r, A, coap(ACK, "2.04", 5, "bb", NULL));
	rig_advance(r, 306999);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	pass(r, A, coap(CON, "0.02", 6, "bb", "rd/0?lt=1000"));
	answer(r, A, coap(ACK, "2.04", 6, "bb", NULL));
	rig_advance(r, 1246999);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_advance(r, 1);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule7_refused_update_extends_nothing)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_advance(r, 200000);
	pass(r, A, coap(CON, "0.02", 5, "bb", "rd/0?lt=9999"));
	answer(r, A, coap(ACK, "4.04", 5, "bb", NULL));
	rig_advance(r, 107000);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule7_lifetime_without_lt_is_a_day_and_0_is_without_end)
{
	struct rig *r = up();
	pass(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	answer(r, A, located(ACK, "2.01", 1, "aa", "rd/0"));
	pass(r, B, coap(CON, "0.02", 1, "aa", "rd?ep=dev2&lt=0"));
	answer(r, B, located(ACK, "2.01", 1, "aa", "rd/1"));
	rig_advance(r, 12 * 3600 * 1000);
	pass(r, B, empty(CON, 1));
	rig_advance(r, (12 * 3600 + 246) * 1000);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_advance(r, 1000);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert_ptr_nonnull(rig_flow(r, "dev2"));
	rig_free(r);
}
END_TEST

START_TEST(rule7_ends_after_the_idle_limit)
{
	struct rig *r = up();
	pass(r, B, coap(CON, "0.02", 1, "aa", "rd?ep=dev2&lt=0"));
	answer(r, B, located(ACK, "2.01", 1, "aa", "rd/1"));
	rig_advance(r, FLOW_IDLE_MS - 1);
	answer(r, B, empty(CON, 5));
	rig_advance(r, FLOW_IDLE_MS - 1);
	ck_assert_ptr_nonnull(rig_flow(r, "dev2"));
	rig_advance(r, 1);
	ck_assert_ptr_null(rig_flow(r, "dev2"));
	rig_free(r);
}
END_TEST

START_TEST(rule7_ends_with_a_deregister_answered_202)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	pass(r, A, coap(CON, "0.04", 5, "bb", "rd/0"));
	answer(r, A, coap(ACK, "4.04", 5, "bb", NULL));
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	pass(r, A, coap(CON, "0.04", 6, "bb", "rd/0"));
	answer(r, A, coap(ACK, "2.02", 6, "bb", NULL));
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_device(r, A, empty(CON, 7));
	rig_expect_device(r, A, empty(RST, 7));
	rig_free(r);
}
END_TEST

START_TEST(rule7_register_right_behind_a_deregister_keeps_the_flow)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	/* Another LAN socket, opened behind the flow's, so that the flow's is read first. */
	r->listens[0].coap = 5783;
	r->called[true].port = 5783;
	ck_assert_int_eq(rig_apply(r), 0);
	struct flow *f = rig_flow(r, "dev");
	struct addr from = at(A);
	uint8_t bytes[100];
	const char *again = coap(CON, "0.02", 7, "cc", REG);
	const char *delete = coap(CON, "0.04", 6, "bb", "rd/0");
	rig_device_at(r, A, 5783, delete);
	rig_expect_server(r, delete);
	/* both before the next wake-up: the 2.02 and the new Register */
	long n = hex_decode(again, strlen(again), bytes, sizeof(bytes));
	uint8_t deleted[] = { 0x61, 0x42, 0, 6, 0xbb };
	ck_assert(fake_wan_queue(r->net, f->wan.port, NULL, deleted, sizeof(deleted)));
	ck_assert(fake_lan_queue(r->net, &from, &r->called[true], r->ifindex, bytes, (size_t)n));
	rig_expect_device(r, A, coap(ACK, "2.02", 6, "bb", NULL));
	rig_expect_server(r, again);
	answer(r, A, located(ACK, "2.01", 7, "cc", "rd/9"));
	rig_advance(r, 1000);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule7_bootstrap_flow_ends_247_s_after_the_last_message)
{
	struct rig *r = rig_create();
	rig_add_server(r, "bs", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud")->bootstrap_server = rig_conf_server(r, "bs");
	rig_start(r);
	pass(r, A, coap(CON, "0.02", 1, "aa", "bs?ep=dev"));
	answer(r, A, coap(ACK, "2.04", 1, "aa", NULL));
	rig_advance(r, 200000);
	answer(r, A, coap(CON, "0.02", 2, "ab", "bs"));
	rig_advance(r, 246999);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_advance(r, 1);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule7_static_flow_outlives_deregister_and_lifetime)
{
	struct rig *r = rig_create();
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud");
	e->has_address = true;
	e->address = at(A);
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	rig_advance(r, 400000);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	pass(r, A, coap(CON, "0.04", 6, "bb", "rd/0"));
	answer(r, A, coap(ACK, "2.02", 6, "bb", NULL));
	rig_advance(r, 400000);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	ck_assert_ptr_null(rig_flow(r, "dev")->location);
	rig_free(r);
}
END_TEST

START_TEST(register_again_changes_location_and_lifetime)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	pass(r, A, coap(CON, "0.02", 9, "bb", "rd?ep=dev&lt=5"));
	answer(r, A, located(ACK, "2.01", 9, "bb", "rd/XyZ"));
	ck_assert_str_eq(f->location, "/rd/XyZ");
	ck_assert_uint_eq(f->lifetime_s, 5);
	rig_advance(r, 252000);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

/* ---- rule 4: the port ---- */

START_TEST(rule4_source_port_is_remembered_beyond_the_flow)
{
	struct rig *r = up();
	uint16_t port = rig_register(r, A, "dev", "rd/0")->wan.port;
	rig_register(r, B, "dev2", "rd/1");
	rig_advance(r, 400000);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	ck_assert_uint_eq(rig_register(r, A2, "dev", "rd/3")->wan.port, port);
	rig_free(r);
}
END_TEST

/* ---- rule 19 ---- */

struct stored {
	struct life_saved row;
	char endpoint[40], location[40];
};

/* Saves the flow of an endpoint in texts of its own. */
static struct stored save(struct rig *r, const char *name)
{
	struct stored s;
	life_save(rig_flow(r, name), &s.row, fake_net_now(r->net));
	snprintf(s.endpoint, sizeof(s.endpoint), "%s", s.row.endpoint);
	snprintf(s.location, sizeof(s.location), "%s", s.row.location == NULL ? "" : s.row.location);
	s.row.server = strcmp(s.row.server, "cloud") == 0 ? "cloud" : "bs";
	s.row.listener = "lan";
	return s;
}

static int restore(struct rig *r, struct stored *s)
{
	s->row.endpoint = s->endpoint;
	if (s->row.location != NULL)
		s->row.location = s->location;
	return life_restore(r->dp, &s->row, 0, fake_net_now(r->net));
}

/* The relay ends and a new one begins. */
static void restart(struct rig *r)
{
	rig_stop(r);
	rig_start(r);
}

START_TEST(rule19_restart_keeps_flow_port_location_and_lifetime)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	uint16_t port = f->wan.port;
	uint64_t up_bytes = f->up.bytes;
	rig_advance(r, 100000);
	struct stored s = save(r, "dev");
	ck_assert_int_eq(s.row.expires_in_ms, 207000);
	restart(r);
	fake_net_port_range(r->net, 45000, 45999);
	ck_assert_int_eq(restore(r, &s), 0);
	f = rig_flow(r, "dev");
	ck_assert(f->is_live);
	ck_assert_str_eq(f->location, "/rd/0");
	ck_assert_uint_eq(f->lifetime_s, 60);
	ck_assert_uint_eq(f->up.bytes, up_bytes);
	ck_assert_uint_eq(f->wan.port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_RESTORED), 1);
	rig_server(r, port, empty(CON, 7));
	rig_expect_device(r, A, empty(CON, 7));
	ck_assert(addr_eq(&r->sent_from, &r->called[true])); /* rule 17 */
	ck_assert_uint_eq(r->sent_ifindex, 2);
	pass(r, A, empty(RST, 7));
	rig_advance(r, 206999);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_advance(r, 1);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule19_restored_flow_waits_for_its_turn)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	struct stored s = save(r, "dev");
	restart(r);
	s.row.endpoint = s.endpoint;
	s.row.location = s.location;
	ck_assert_int_eq(life_restore(r->dp, &s.row, 3000, fake_net_now(r->net)), 0);
	rig_device(r, A, empty(CON, 1));
	rig_expect_silence(r);
	rig_advance(r, 2999);
	rig_expect_silence(r);
	rig_advance(r, 1);
	rig_expect_server(r, empty(CON, 1));
	rig_free(r);
}
END_TEST

START_TEST(rule19_rows_that_nobody_wants_are_refused)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	struct stored s = save(r, "dev");
	rig_stop(r);
	rig_start(r);
	struct stored other = s;
	strcpy(other.endpoint, "nobody");
	ck_assert_int_eq(restore(r, &other), -ENOENT);
	other = s;
	other.row.server = "gone";
	ck_assert_int_eq(restore(r, &other), -ENOENT);
	other = s;
	other.row.listener = "gone";
	ck_assert_int_eq(restore(r, &other), -ENOENT);
	other = s;
	other.row.is_bootstrap = true;
	ck_assert_int_eq(restore(r, &other), -ENOENT);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	r->endpoints[0].lan_identity = "lan";
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_int_eq(restore(r, &s), -ENOENT);
	rig_free(r);
}
END_TEST

START_TEST(rule19_row_of_a_taken_place_is_refused_but_its_port_kept)
{
	struct rig *r = up();
	uint16_t port = rig_register(r, A, "dev", "rd/0")->wan.port;
	struct stored s = save(r, "dev");
	rig_stop(r);
	fake_net_port_range(r->net, 45000, 45999);
	rig_start(r);
	rig_register(r, A, "dev2", "rd/1");
	ck_assert_int_eq(restore(r, &s), -EEXIST);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert_uint_eq(rig_register(r, B, "dev", "rd/3")->wan.port, port);
	ck_assert_int_eq(restore(r, &s), -EEXIST);
	rig_free(r);
}
END_TEST

START_TEST(rule19_full_table_takes_no_more_rows)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	struct stored s = save(r, "dev");
	r->conf.gateway.max_endpoints = 1;
	rig_stop(r);
	rig_start(r);
	rig_register(r, B, "dev2", "rd/1");
	ck_assert_int_eq(restore(r, &s), -ENOSPC);
	rig_free(r);
}
END_TEST

START_TEST(rule19_stranger_is_restored_only_where_it_was_live_and_is_welcome)
{
	struct rig *r = rig_create();
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = rig_conf_server(r, "cloud");
	rig_start(r);
	rig_register(r, A, "who", "rd/0");
	struct stored s = save(r, "who");
	restart(r);
	s.row.is_live = false;
	ck_assert_int_eq(restore(r, &s), -ENOENT);
	s.row.is_live = true;
	ck_assert_int_eq(restore(r, &s), 0);
	ck_assert(rig_flow(r, "who")->route->is_dynamic);
	ck_assert_int_eq(restore(r, &s), -EEXIST);
	strcpy(s.endpoint, "else"); /* the same address */
	ck_assert_int_eq(restore(r, &s), -EEXIST);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_REFUSE;
	restart(r);
	ck_assert_int_eq(restore(r, &s), -ENOENT);
	rig_free(r);
}
END_TEST

START_TEST(rule19_row_that_is_over_ends_at_once)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	struct stored s = save(r, "dev");
	restart(r);
	s.row.expires_in_ms = 0;
	ck_assert_int_eq(restore(r, &s), 0);
	rig_settle(r);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule19_bootstrap_and_server_flow_of_one_address_come_back_both)
{
	struct rig *r = rig_create();
	rig_add_server(r, "bs", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud")->bootstrap_server = rig_conf_server(r, "bs");
	rig_start(r);
	pass(r, A, coap(CON, "0.02", 1, "aa", "bs?ep=dev"));
	answer(r, A, coap(ACK, "2.04", 1, "aa", NULL));
	struct stored bs = save(r, "dev");
	rig_register(r, A, "dev", "rd/0");
	struct stored s = save(r, "dev");
	if (s.row.is_bootstrap) { /* the walk found the older one first */
		size_t i = 0;
		flow_next(r->dp->flows, &i);
		life_save(flow_next(r->dp->flows, &i), &s.row, fake_net_now(r->net));
		s.row.server = "cloud";
		s.row.listener = "lan";
		snprintf(s.location, sizeof(s.location), "/rd/0");
	}
	restart(r);
	ck_assert_int_eq(restore(r, &bs), 0);
	ck_assert_int_eq(restore(r, &s), 0);
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	rig_free(r);
}
END_TEST

START_TEST(rule19_static_device_keeps_its_source_port)
{
	struct rig *r = rig_create();
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud");
	e->has_address = true;
	e->address = at(A);
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	struct stored s = save(r, "dev");
	rig_stop(r);
	fake_net_port_range(r->net, 45000, 45999);
	rig_start(r);
	ck_assert_int_eq(restore(r, &s), 0);
	ck_assert_uint_eq(rig_flow(r, "dev")->wan.port, s.row.port);
	ck_assert_str_eq(rig_flow(r, "dev")->location, "/rd/0");
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule19_static_device_with_another_address_by_now_is_not_restored)
{
	struct rig *r = rig_create();
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud");
	e->has_address = true;
	e->address = at(A);
	rig_start(r);
	struct stored s = save(r, "dev");
	e->address = at(B);
	restart(r);
	ck_assert_int_eq(restore(r, &s), -ENOENT);
	struct addr b = at(B);
	ck_assert(addr_eq(&rig_flow(r, "dev")->key.device, &b));
	rig_free(r);
}
END_TEST

START_TEST(changed_is_told_when_a_restart_would_differ)
{
	struct rig *r = up();
	unsigned before = r->changed;
	pass(r, A, coap(CON, "0.02", 1, "aa", REG));
	ck_assert_uint_gt(r->changed, before);
	before = r->changed;
	answer(r, A, located(ACK, "2.01", 1, "aa", "rd/0"));
	ck_assert_uint_gt(r->changed, before);
	before = r->changed;
	pass(r, A, empty(CON, 1));
	answer(r, A, empty(RST, 1));
	ck_assert_uint_eq(r->changed, before);
	pass(r, A2, coap(CON, "0.04", 6, "bb", "rd/0"));
	ck_assert_uint_gt(r->changed, before);
	before = r->changed;
	answer(r, A2, coap(ACK, "2.02", 6, "bb", NULL));
	ck_assert_uint_gt(r->changed, before);
	rig_free(r);
}
END_TEST

Suite *life_suite(void)
{
	Suite *s = suite_create("life");
	SUITE_TEST(s, rule7_unproven_ends_after_60_s);
	SUITE_TEST(s, rule7_refused_registration_stays_unproven);
	SUITE_TEST(s, rule7_live_after_the_servers_201);
	SUITE_TEST(s, rule7_ends_with_the_lifetime_plus_247_s);
	SUITE_TEST(s, rule7_update_extends_the_lifetime);
	SUITE_TEST(s, rule7_refused_update_extends_nothing);
	SUITE_TEST(s, rule7_lifetime_without_lt_is_a_day_and_0_is_without_end);
	SUITE_TEST(s, rule7_ends_after_the_idle_limit);
	SUITE_TEST(s, rule7_ends_with_a_deregister_answered_202);
	SUITE_TEST(s, rule7_register_right_behind_a_deregister_keeps_the_flow);
	SUITE_TEST(s, rule7_bootstrap_flow_ends_247_s_after_the_last_message);
	SUITE_TEST(s, rule7_static_flow_outlives_deregister_and_lifetime);
	SUITE_TEST(s, register_again_changes_location_and_lifetime);
	SUITE_TEST(s, rule4_source_port_is_remembered_beyond_the_flow);
	SUITE_TEST(s, rule19_restart_keeps_flow_port_location_and_lifetime);
	SUITE_TEST(s, rule19_restored_flow_waits_for_its_turn);
	SUITE_TEST(s, rule19_rows_that_nobody_wants_are_refused);
	SUITE_TEST(s, rule19_row_of_a_taken_place_is_refused_but_its_port_kept);
	SUITE_TEST(s, rule19_full_table_takes_no_more_rows);
	SUITE_TEST(s, rule19_stranger_is_restored_only_where_it_was_live_and_is_welcome);
	SUITE_TEST(s, rule19_row_that_is_over_ends_at_once);
	SUITE_TEST(s, rule19_bootstrap_and_server_flow_of_one_address_come_back_both);
	SUITE_TEST(s, rule19_static_device_keeps_its_source_port);
	SUITE_TEST(s, rule19_static_device_with_another_address_by_now_is_not_restored);
	SUITE_TEST(s, changed_is_told_when_a_restart_would_differ);
	return s;
}
