/* What the relay learns from messages that pass, and which of two servers a message is for. */
#include <string.h>
#include "rig.h"
#include "suite.h"
#include "trunk.h"

static struct rig *up(void)
{
	struct rig *r = rig_create();
	rig_add_server(r, "bs", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud")->bootstrap_server = rig_conf_server(r, "bs");
	rig_start(r);
	return r;
}

static void pass(struct rig *r, const char *message)
{
	rig_device(r, A, message);
	rig_expect_server(r, message);
}

static void answer(struct rig *r, const char *message)
{
	rig_server(r, r->port, message);
	rig_expect_device(r, A, message);
}

/* ---- siblings: one device address, two servers ---- */

/* Opens both flows, in either order. */
static void open_both(struct rig *r, bool bootstrap_first, uint16_t *bs, uint16_t *cloud)
{
	for (int i = 0; i < 2; i++) {
		if ((i == 0) == bootstrap_first) {
			pass(r, coap(CON, "0.02", 1, "aa", "bs?ep=dev"));
			*bs = r->port;
			answer(r, coap(ACK, "2.04", 1, "aa", NULL));
		} else {
			pass(r, coap(CON, "0.02", 2, "bb", "rd?ep=dev&lt=60"));
			*cloud = r->port;
			answer(r, located(ACK, "2.01", 2, "bb", "rd/0"));
		}
	}
	ck_assert_uint_ne(*bs, *cloud);
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
}

/* A message of the device goes to the association with this port. */
static void expect_goes(struct rig *r, uint16_t port, const char *message)
{
	pass(r, message);
	ck_assert_uint_eq(r->port, port);
}

static void server_says(struct rig *r, uint16_t port, const char *message)
{
	r->port = port;
	answer(r, message);
}

START_TEST(requests_go_by_their_kind)
{
	struct rig *r = up();
	uint16_t bs, cloud;
	open_both(r, _i == 0, &bs, &cloud);
	expect_goes(r, bs, coap(CON, "0.02", 10, "cc", "bs?ep=dev"));
	expect_goes(r, bs, coap(CON, "0.01", 11, "cc", "bspack?ep=dev"));
	expect_goes(r, cloud, coap(CON, "0.02", 12, "cc", "rd?ep=dev"));
	expect_goes(r, cloud, coap(CON, "0.02", 13, "cc", "rd/0"));
	expect_goes(r, cloud, coap(CON, "0.02", 14, "", "dp"));
	expect_goes(r, cloud, coap(NON, "0.01", 15, "cc", "3"));
	rig_free(r);
}
END_TEST

START_TEST(answers_go_to_the_server_that_asked)
{
	struct rig *r = up();
	uint16_t bs, cloud;
	open_both(r, _i == 0, &bs, &cloud);
	server_says(r, bs, coap(CON, "0.03", 100, "01", "0/1"));
	server_says(r, cloud, coap(CON, "0.01", 200, "02", "3/0"));
	expect_goes(r, bs, coap(ACK, "2.04", 100, "01", NULL));
	expect_goes(r, cloud, coap(ACK, "2.05", 200, "02", NULL));
	server_says(r, bs, coap(CON, "0.04", 101, "03", "0"));
	expect_goes(r, bs, empty(ACK, 101));
	expect_goes(r, bs, coap(CON, "2.02", 999, "03", NULL)); /* a separate response */
	server_says(r, bs, empty(ACK, 999));
	server_says(r, cloud, coap(NON, "0.01", 201, "0405", "3"));
	expect_goes(r, cloud, coap(NON, "2.05", 998, "0405", NULL));
	server_says(r, bs, empty(CON, 102));
	expect_goes(r, bs, empty(RST, 102));
	server_says(r, cloud, empty(CON, 202));
	expect_goes(r, cloud, empty(RST, 202));
	rig_free(r);
}
END_TEST

START_TEST(notifications_go_to_the_server_that_observes)
{
	struct rig *r = up();
	uint16_t bs, cloud;
	open_both(r, _i == 0, &bs, &cloud);
	server_says(r, cloud, coap(CON, "0.01", 200, "0b5e", "3/0"));
	expect_goes(r, cloud, coap(ACK, "2.05", 200, "0b5e", NULL));
	for (unsigned i = 0; i < 8; i++)
		expect_goes(r, cloud, coap(NON, "2.05", 300 + i, "0b5e", NULL));
	expect_goes(r, cloud, coap(NON, "2.05", 400, "ffff", NULL)); /* of nobody: the server's */
	rig_free(r);
}
END_TEST

START_TEST(flow_that_is_alone_again_gets_all)
{
	struct rig *r = up();
	uint16_t bs, cloud;
	open_both(r, _i == 0, &bs, &cloud);
	pass(r, coap(CON, "0.04", 50, "dd", "rd/0"));
	answer(r, coap(ACK, "2.02", 50, "dd", NULL));
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	server_says(r, bs, coap(CON, "0.03", 100, "01", "0/1"));
	expect_goes(r, bs, coap(ACK, "2.04", 100, "01", NULL));
	rig_free(r);
}
END_TEST

START_TEST(both_flows_follow_a_device_to_its_new_port_one_by_one)
{
	struct rig *r = up();
	uint16_t bs, cloud;
	open_both(r, _i == 0, &bs, &cloud);
	const char *update = coap(CON, "0.02", 20, "ee", "rd/0");
	rig_device(r, A2, update);
	rig_expect_server(r, update);
	ck_assert_uint_eq(r->port, cloud);
	rig_server(r, cloud, coap(ACK, "2.04", 20, "ee", NULL));
	rig_expect_device(r, A2, coap(ACK, "2.04", 20, "ee", NULL));
	server_says(r, bs, coap(CON, "0.03", 100, "01", "0/1"));
	expect_goes(r, bs, coap(ACK, "2.04", 100, "01", NULL));
	rig_free(r);
}
END_TEST

/* ---- registrations ---- */

START_TEST(register_in_blocks_counts_with_its_last_block)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", "rd?ep=dev&lt=30"));
	answer(r, coap(ACK, "2.31", 1, "aa", NULL));
	ck_assert(!rig_flow(r, "dev")->is_live);
	pass(r, coap(CON, "0.02", 2, "aa", "rd?ep=dev&lt=30")); /* one token for all blocks */
	answer(r, coap(ACK, "2.31", 2, "aa", NULL));
	pass(r, coap(CON, "0.02", 3, "bb", "rd?ep=dev&lt=30")); /* or one for each */
	answer(r, located(ACK, "2.01", 3, "bb", "rd/0"));
	ck_assert(rig_flow(r, "dev")->is_live);
	ck_assert_uint_eq(rig_flow(r, "dev")->lifetime_s, 30);
	rig_free(r);
}
END_TEST

START_TEST(a_201_to_a_create_is_no_registration)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	struct flow *f = rig_flow(r, "dev");
	rig_server(r, f->wan.port, coap(CON, "0.02", 9, "cc", "1024"));
	rig_expect_device(r, A, coap(CON, "0.02", 9, "cc", "1024"));
	pass(r, located(ACK, "2.01", 9, "cc", "1024/3"));
	ck_assert_str_eq(f->location, "/rd/0");
	pass(r, coap(CON, "0.02", 10, "cc", "dp"));
	answer(r, located(ACK, "2.01", 10, "cc", "dp/1"));
	ck_assert_str_eq(f->location, "/rd/0");
	rig_free(r);
}
END_TEST

START_TEST(register_with_an_empty_token)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "", "rd?ep=dev"));
	answer(r, empty(ACK, 1));
	answer(r, located(NON, "2.01", 77, "", "rd/0"));
	ck_assert_str_eq(rig_flow(r, "dev")->location, "/rd/0");
	rig_free(r);
}
END_TEST

START_TEST(location_that_is_too_long_is_not_remembered)
{
	struct rig *r = up();
	char location[LOCATION_MAX + 10] = "rd/";
	memset(location + 3, 'x', LOCATION_MAX);
	pass(r, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	answer(r, located(ACK, "2.01", 1, "aa", location));
	ck_assert(rig_flow(r, "dev")->is_live);
	ck_assert_ptr_null(rig_flow(r, "dev")->location);
	rig_free(r);
}
END_TEST

Suite *track_suite(void)
{
	Suite *s = suite_create("track");
	TCase *t = tcase_create("in either order");
	tcase_add_loop_test(t, requests_go_by_their_kind, 0, 2);
	tcase_add_loop_test(t, answers_go_to_the_server_that_asked, 0, 2);
	tcase_add_loop_test(t, notifications_go_to_the_server_that_observes, 0, 2);
	tcase_add_loop_test(t, flow_that_is_alone_again_gets_all, 0, 2);
	tcase_add_loop_test(t, both_flows_follow_a_device_to_its_new_port_one_by_one, 0, 2);
	suite_add_tcase(s, t);
	SUITE_TEST(s, register_in_blocks_counts_with_its_last_block);
	SUITE_TEST(s, a_201_to_a_create_is_no_registration);
	SUITE_TEST(s, register_with_an_empty_token);
	SUITE_TEST(s, location_that_is_too_long_is_not_remembered);
	return s;
}
