/* Interception with several workers: what is captured may come to any of them, and whom a device means is found
 * out by whoever gets it, again by whoever it is handed to. */
#include "trunk.h"
#include "suite.h"
#include "called.h"
#include "lan_session.h"
#include "rig_crew.h"

/* Two servers, "cloud" and "field", which devices call by their own addresses; "dev" is for cloud, "dev2" for
 * field, "both" for both. To be started. */
static struct rig *prepare(unsigned workers)
{
	static const char *names[] = { "br-lan" };
	struct rig *r = rig_of(workers);
	rig_add_server(r, "field", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "field");
	rig_endpoint(r, "both", "cloud");
	rig_endpoint(r, "both", "field");
	r->listens[0].interface = (struct conf_list){ names, 1 };
	r->listens[0].intercept = true;
	r->conf.gateway.mark = r->conf.gateway.mark_mask = 0x8000000;
	fake_net_interface(r->net, "br-lan", r->ifindex);
	fake_net_own(r->net, &r->called[true]);
	fake_net_own(r->net, &r->called[false]);
	return r;
}

static struct rig *start(struct rig *r)
{
	rig_start(r);
	rig_transparent(r);
	return r;
}

/* What the device sends next calls this server, and comes to that worker. */
static void call_at(struct rig *r, int worker, const char *server)
{
	steer_to(r, worker);
	rig_call(r, server);
}

/* A message to the server that is called, and its answer, which leaves from the called address. */
static void exchange_with(struct rig *r, const char *from, const char *server, unsigned mid)
{
	struct addr called = at(server);
	exchange(r, from, mid);
	ck_assert(addr_same_host(&r->to, &called));
	ck_assert(addr_same_host(&r->sent_from, &called));
}

START_TEST(crew_serves_a_captured_device_wherever_it_comes_in)
{
	struct rig *r = start(prepare(3));
	rig_call(r, CLOUD);
	register_at(r, 1, A, "dev", "rd/0");
	uint16_t port = r->port;
	for (int i = 0; i < 3; i++) {
		steer_to(r, i);
		exchange_with(r, A, CLOUD, 10 + (unsigned)i);
		ck_assert_uint_eq(r->port, port);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 2);
	steer_to(r, 0);
	rig_call(r, CLOUD);
	const char *update = coap(CON, "0.02", 0x50, "ab", "rd/0"); /* from another port */
	rig_device(r, A2, update);
	rig_expect_server(r, update);
	rig_server(r, port, coap(CON, "0.01", 5, "bb", "3/0"));
	rig_expect_device(r, A2, coap(CON, "0.01", 5, "bb", "3/0"));
	struct addr cloud = at(CLOUD);
	ck_assert(addr_same_host(&r->sent_from, &cloud));
	rig_free(r);
}
END_TEST

/* The kernel chooses by what is called, too: the same device comes to two workers. All of an endpoint is at
 * one of them. */
START_TEST(crew_serves_a_device_with_a_server_at_each_worker)
{
	struct rig *r = start(prepare(2));
	rig_call(r, CLOUD);
	register_at(r, 0, A, "both", "rd/0");
	uint16_t cloud_port = r->port;
	call_at(r, 1, CLOUD2);
	const char *request = coap(CON, "0.02", 9, "cc", "rd?ep=both");
	rig_device(r, A, request);
	rig_expect_server(r, request);
	uint16_t field_port = r->port;
	ck_assert_uint_ne(field_port, cloud_port);
	rig_server(r, field_port, located(ACK, "2.01", 9, "cc", "rd/0")); /* the same Location */
	rig_expect_device(r, A, located(ACK, "2.01", 9, "cc", "rd/0"));
	for (int i = 0; i < 4; i++) {
		bool is_field = i % 2 != 0;
		call_at(r, i / 2, is_field ? CLOUD2 : CLOUD);
		exchange_with(r, A, is_field ? CLOUD2 : CLOUD, 20 + (unsigned)i);
		ck_assert_uint_eq(r->port, is_field ? field_port : cloud_port);
	}
	ck_assert_uint_eq(owner(r, "both"), 0);
	ck_assert_uint_eq(flows_count(rig_worker(r, 1)->flows), 0);
	ck_assert_uint_eq(directory_flows(r->crew->directory), 2);
	rig_free(r);
}
END_TEST

/* Two devices behind one address and port, each with its own server: the address is one worker's. */
START_TEST(crew_serves_two_endpoints_of_one_address_that_call_two_servers)
{
	struct rig *r = start(prepare(2));
	rig_call(r, CLOUD);
	register_at(r, 0, A, "dev", "rd/0");
	rig_call(r, CLOUD2);
	register_at(r, 1, A, "dev2", "rd/1");
	for (int i = 0; i < 4; i++) {
		const char *server = i % 2 == 0 ? CLOUD : CLOUD2;
		call_at(r, i / 2, server);
		exchange_with(r, A, server, 30 + (unsigned)i);
	}
	ck_assert_uint_eq(directory_flows(r->crew->directory), 2);
	rig_free(r);
}
END_TEST

/* And one that calls the gateway itself, from the same address. */
START_TEST(crew_tells_calls_of_the_gateway_from_calls_of_a_server)
{
	struct rig *r = start(prepare(2));
	register_at(r, 0, A, "both", "rd/0");
	ck_assert_uint_eq(rig_flow(r, "both")->key.server, 0);
	rig_call(r, CLOUD2);
	register_at(r, 1, A, "dev2", "rd/1");
	for (int i = 0; i < 4; i++) {
		const char *called = i % 2 == 0 ? "192.168.1.1" : CLOUD2;
		struct addr a = at(called);
		call_at(r, i / 2, called);
		exchange(r, A, 40 + (unsigned)i);
		ck_assert(addr_same_host(&r->sent_from, &a));
	}
	rig_free(r);
}
END_TEST

/* What nobody relays is dropped where it comes in. */
START_TEST(crew_refuses_foreign_calls_at_each_worker)
{
	struct rig *r = start(prepare(2));
	for (int i = 0; i < 2; i++) {
		call_at(r, i, "203.0.113.9");
		rig_device(r, A, coap(CON, "0.02", 9, "aa", "rd?ep=dev"));
		rig_expect_silence(r);
	}
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_FOREIGN), 2);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 0);
	rig_free(r);
}
END_TEST

/* ---- with DTLS ---- */

static struct rig *up_captured_dtls(unsigned workers)
{
	struct rig *r = prepare(workers);
	r->conf.endpoint_count = 0;
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev", "field");
	rig_lan_secure(r, "dev");
	start(r);
	rig_call(r, CLOUD);
	return r;
}

static void serve_at(struct rig *r, struct rig_dtls *d, int worker, const char *server)
{
	struct addr to = at(server);
	call_at(r, worker, server);
	rig_dtls_serve(r, d);
	ck_assert(addr_same_host(&r->to, &to));
}

START_TEST(crew_has_a_session_for_each_server_whichever_worker_made_it)
{
	struct rig *r = up_captured_dtls(2);
	struct rig_dtls *one = dtls_register_at(r, 0, A);
	rig_call(r, CLOUD2);
	struct rig_dtls *two = dtls_register_at(r, 1, A);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_SESSIONS), 1);
	ck_assert_uint_eq(rig_proven(r), 2);
	ck_assert_uint_eq(lan_sessions_count(rig_worker(r, 0)->sessions, true), 2);
	ck_assert_uint_eq(directory_flows(r->crew->directory), 2);
	for (int i = 0; i < 2; i++) {
		serve_at(r, one, i, CLOUD);
		serve_at(r, two, i, CLOUD2);
	}
	rig_dtls_move(two, B); /* from the maker's id to where the session is */
	serve_at(r, two, -1, CLOUD2);
	serve_at(r, one, 1, CLOUD);
	rig_dtls_free(one);
	rig_dtls_free(two);
	rig_free(r);
}
END_TEST

START_TEST(crew_ends_all_captured_sessions_with_the_interception)
{
	struct rig *r = up_captured_dtls(2);
	rig_endpoint(r, "dev2", "cloud");
	rig_lan_secure(r, "dev2");
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *one = dtls_register_at(r, 0, A);
	steer_to(r, 1);
	struct rig_dtls *two = rig_dtls_register(r, B, "dev2");
	ck_assert_uint_eq(owner(r, "dev"), 0);
	ck_assert_uint_eq(owner(r, "dev2"), 1);
	r->listens[0].intercept = false;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_proven(r), 0);
	ck_assert_uint_eq(directory_flows(r->crew->directory), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(one));
	ck_assert(rig_dtls_is_closed(two));
	rig_dtls_free(one);
	rig_dtls_free(two);
	rig_free(r);
}
END_TEST

/* ---- static devices with DTLS ---- */

/* A key says who it is: its flow begins where it comes in, with any message, and stays there. */
START_TEST(crew_serves_a_static_device_with_dtls_by_each_worker)
{
	struct rig *r = rig_of(3);
	unsigned home = (unsigned)_i;
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	e->has_address = true;
	e->address = at("192.168.1.10");
	rig_start(r);
	ck_assert_uint_eq(directory_flows(r->crew->directory), 0);
	steer_to(r, 1);
	rig_device(r, A, coap(CON, "0.02", 9, "aa", "dp")); /* its address alone is not enough */
	rig_expect_device(r, A, refusal("4.04", 9, "aa", -1));
	for (unsigned i = 0; i < 3; i++) {
		struct rig_dtls *d = dtls_at(r, (int)(home + i) % 3, i == 1 ? A2 : A);
		rig_dtls_serve(r, d);
		ck_assert_uint_eq(owner(r, "dev"), home);
		ck_assert_uint_eq(directory_flows(r->crew->directory), 1);
		rig_server(r, r->port, coap(CON, "0.01", 6, "bb", "3/0"));
		rig_lan_pump(r);
		rig_expect_dtls(d, coap(CON, "0.01", 6, "bb", "3/0"));
		rig_dtls_free(d);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_SESSIONS), 2);
	rig_free(r);
}
END_TEST

Suite *crew_called_suite(void)
{
	Suite *s = suite_create("crew_called");
	SUITE_TEST(s, crew_serves_a_captured_device_wherever_it_comes_in);
	SUITE_TEST(s, crew_serves_a_device_with_a_server_at_each_worker);
	SUITE_TEST(s, crew_serves_two_endpoints_of_one_address_that_call_two_servers);
	SUITE_TEST(s, crew_tells_calls_of_the_gateway_from_calls_of_a_server);
	SUITE_TEST(s, crew_refuses_foreign_calls_at_each_worker);
	SUITE_TEST(s, crew_has_a_session_for_each_server_whichever_worker_made_it);
	SUITE_TEST(s, crew_ends_all_captured_sessions_with_the_interception);
	TCase *each = tcase_create("each worker");
	tcase_add_loop_test(each, crew_serves_a_static_device_with_dtls_by_each_worker, 0, 3);
	suite_add_tcase(s, each);
	return s;
}
