/* Whoever speaks without a flow (DESIGN.md 6, rules 1, 2, 5, 6, 15). */
#include <string.h>
#include "rig.h"
#include "suite.h"
#include "trunk.h"

#define REG "rd?ep=dev&lt=60"

/* A relay that knows "dev", and "dev2". */
static struct rig *up(void)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_start(r);
	return r;
}

/* The message gets this answer from the relay itself ("" for none), and is counted so. */
static void expect_answer(struct rig *r, const char *message, const char *answer, enum drop why)
{
	uint64_t before = rig_drops(r, why);
	rig_device(r, B, message);
	rig_expect_device(r, B, answer);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, why), before + 1);
}

/* The message makes a flow, and goes to the server as it is. */
static void expect_passes(struct rig *r, const char *from, const char *message)
{
	rig_device(r, from, message);
	rig_expect_server(r, message);
	rig_expect_silence(r);
}

/* ---- rule 1: who may be first ---- */

START_TEST(rule1_register_makes_a_flow)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	ck_assert(f->is_live);
	ck_assert_str_eq(f->location, "/rd/0");
	ck_assert(addr_eq(&r->sent_from, &r->called[true]));
	rig_free(r);
}
END_TEST

START_TEST(rule1_bootstrap_request_makes_a_flow)
{
	static const char *const uri[] = { "bs?ep=dev", "bspack?ep=dev" };
	static const char *const code[] = { "0.02", "0.01" };
	struct rig *r = rig_create();
	rig_add_server(r, "bs", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud")->bootstrap_server = rig_conf_server(r, "bs");
	rig_start(r);
	struct addr cloud2 = at(CLOUD2);
	expect_passes(r, A, coap(CON, code[_i], 1, "aa", uri[_i]));
	ck_assert(addr_same_host(&r->to, &cloud2));
	ck_assert(rig_flow(r, "dev")->route->is_bootstrap);
	rig_free(r);
}
END_TEST

START_TEST(rule1_a_non_register_makes_a_flow_too)
{
	struct rig *r = up();
	expect_passes(r, A, coap(NON, "0.02", 1, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(rule1_same_address_on_another_interface_is_another_device)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	r->ifindex = 3;
	rig_device(r, A, coap(CON, "0.02", 9, "01", "dp"));
	rig_expect_device(r, A, refusal("4.04", 9, "01", -1));
	ck_assert_uint_eq(r->sent_ifindex, 3);
	rig_register(r, A, "dev2", "rd/1");
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	rig_free(r);
}
END_TEST

START_TEST(rule1_ipv6_device_reaches_an_ipv4_server)
{
	struct rig *r = up();
	rig_register(r, V6, "dev", "rd/0");
	rig_server(r, r->port, coap(CON, "0.01", 5, "bb", "3/0/0"));
	rig_expect_device(r, V6, coap(CON, "0.01", 5, "bb", "3/0/0"));
	ck_assert(addr_eq(&r->sent_from, &r->called[false]));
	rig_free(r);
}
END_TEST

/* ---- rule 1: and who may not ---- */

START_TEST(rule1_ping_gets_rst)
{
	struct rig *r = up();
	expect_answer(r, empty(CON, 0x1234), empty(RST, 0x1234), DROP_STRANGER_PING);
	rig_free(r);
}
END_TEST

START_TEST(rule1_con_request_gets_404)
{
	static const char *const uri[] = { "dp", "3/0/0", ".well-known/core", "", "rdx", "bs/1" };
	struct rig *r = up();
	for (size_t i = 0; i < sizeof(uri) / sizeof(uri[0]); i++)
		expect_answer(r, coap(CON, "0.02", 7, "0102", uri[i]),
			refusal("4.04", 7, "0102", -1), DROP_STRANGER_REQUEST);
	rig_free(r);
}
END_TEST

START_TEST(rule1_404_at_most_ten_a_second)
{
	struct rig *r = up();
	unsigned answered = 0;
	for (unsigned i = 0; i < 30; i++) {
		rig_device(r, B, coap(CON, "0.01", i, "", "3"));
		answered += *rig_device_got(r, B) != '\0';
	}
	ck_assert_uint_eq(answered, 10);
	ck_assert_uint_eq(rig_counts(r, COUNT_ANSWERS_WITHHELD), 20);
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_REQUEST), 30);
	for (unsigned ms = 0; ms < 5000; ms += 20) {
		rig_advance(r, 20);
		rig_device(r, B, coap(CON, "0.01", ms, "", "3"));
		answered += *rig_device_got(r, B) != '\0';
	}
	ck_assert_uint_ge(answered, 10 + 45);
	ck_assert_uint_le(answered, 10 + 50);
	rig_free(r);
}
END_TEST

START_TEST(rule1_404_are_limited_for_each_listener_apart)
{
	struct rig *r = rig_create();
	rig_add_listen(r, "other", 5783);
	rig_start(r);
	for (unsigned i = 0; i < 11; i++)
		rig_device(r, B, coap(CON, "0.01", i, "", "3"));
	for (unsigned i = 0; i < 10; i++)
		rig_expect_device(r, B, refusal("4.04", i, "", -1));
	rig_expect_silence(r);
	rig_device_at(r, B, 5783, coap(CON, "0.01", 99, "", "3"));
	rig_expect_device(r, B, refusal("4.04", 99, "", -1));
	ck_assert_uint_eq(r->sent_from.port, 5783);
	rig_free(r);
}
END_TEST

START_TEST(rule1_unknown_location_gets_silence)
{
	struct rig *r = up();
	expect_answer(r, coap(CON, "0.02", 1, "aa", "rd/0?lt=60"), "", DROP_STRANGER_LOCATION);
	expect_answer(r, coap(CON, "0.04", 2, "aa", "rd/0"), "", DROP_STRANGER_LOCATION);
	expect_answer(r, coap(CON, "0.01", 3, "aa", "rd/0"), "", DROP_STRANGER_LOCATION);
	expect_answer(r, coap(CON, "0.02", 4, "aa", "rd/a/b/c/d/e/f/g/h/i"), "",
		DROP_STRANGER_LOCATION);
	rig_free(r);
}
END_TEST

START_TEST(rule1_responses_acks_and_resets_get_silence)
{
	struct rig *r = up();
	expect_answer(r, empty(ACK, 1), "", DROP_STRANGER_OTHER);
	expect_answer(r, empty(RST, 1), "", DROP_STRANGER_OTHER);
	expect_answer(r, empty(NON, 1), "", DROP_STRANGER_OTHER);
	expect_answer(r, coap(ACK, "2.05", 1, "aa", NULL), "", DROP_STRANGER_OTHER);
	expect_answer(r, coap(CON, "2.05", 1, "aa", NULL), "", DROP_STRANGER_OTHER);
	expect_answer(r, coap(NON, "4.04", 1, "aa", NULL), "", DROP_STRANGER_OTHER);
	expect_answer(r, coap(CON, "7.01", 1, "aa", NULL), "", DROP_STRANGER_OTHER);
	expect_answer(r, coap(ACK, "0.02", 1, "aa", REG), "", DROP_STRANGER_OTHER);
	expect_answer(r, coap(RST, "0.02", 1, "aa", REG), "", DROP_STRANGER_OTHER);
	rig_free(r);
}
END_TEST

START_TEST(rule1_non_requests_get_silence)
{
	struct rig *r = up();
	expect_answer(r, coap(NON, "0.01", 1, "aa", "3"), "", DROP_STRANGER_REQUEST);
	expect_answer(r, coap(NON, "0.02", 1, "aa", "rd?ep=who"), "", DROP_NO_ROUTE);
	rig_free(r);
}
END_TEST

START_TEST(rule1_multicast_and_broadcast_get_silence)
{
	static const char *const called[] = { "224.0.1.187:5683", "255.255.255.255:5683",
		"[ff02::fd]:5683", "[ff05::fd]:5683" };
	struct rig *r = up();
	struct addr to = at(called[_i]);
	r->called[addr_is_v4(&to)] = to;
	const char *from = addr_is_v4(&to) ? A : V6;
	rig_device(r, from, coap(CON, "0.02", 1, "aa", REG));
	rig_device(r, from, coap(CON, "0.01", 2, "aa", "3"));
	rig_device(r, from, empty(CON, 3));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_MULTICAST), 3);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule1_broadcast_of_a_network_gets_silence)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	r->called[true] = at("192.168.1.255:5683");
	fake_net_broadcast(r->net, &r->called[true]);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_device(r, B, coap(CON, "0.02", 2, "aa", "rd?ep=dev2"));
	rig_device(r, B, empty(CON, 3));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_MULTICAST), 3);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_free(r);
}
END_TEST

/* Whom no answer can reach, and who would be taken for the IPv4 host. */
START_TEST(rule1_impossible_sources_get_silence)
{
	static const char *const from[] = { "192.168.1.17", "0.0.0.0:40000", "[::]:40000" };
	struct rig *r = up();
	for (unsigned i = 0; i < 3; i++) {
		rig_device(r, from[i], coap(CON, "0.02", 1, "aa", REG));
		rig_device(r, from[i], empty(CON, 3));
	}
	r->called[true] = at("[fd00::1]:5683");
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_SOURCE), 7);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule1_register_without_a_name_gets_400)
{
	struct rig *r = up();
	expect_answer(r, coap(CON, "0.02", 1, "aa", "rd"), refusal("4.00", 1, "aa", -1),
		DROP_NO_ENDPOINT_NAME);
	expect_answer(r, coap(CON, "0.02", 2, "aa", "rd?lt=60"), refusal("4.00", 2, "aa", -1),
		DROP_NO_ENDPOINT_NAME);
	expect_answer(r, coap(CON, "0.02", 3, "aa", "rd?ep="), refusal("4.00", 3, "aa", -1),
		DROP_NO_ENDPOINT_NAME);
	expect_answer(r, coap(CON, "0.02", 4, "aa", "bs"), refusal("4.00", 4, "aa", -1),
		DROP_NO_ENDPOINT_NAME);
	rig_free(r);
}
END_TEST

START_TEST(rule1_register_with_a_bad_name_gets_400)
{
	struct rig *r = up();
	char longest[300] = "rd?ep=";
	memset(longest + 6, 'x', 252); /* what fits into one Uri-Query */
	expect_answer(r, coap(CON, "0.02", 1, "aa", "rd?ep=dev&ep=dev2"),
		refusal("4.00", 1, "aa", -1), DROP_BAD_ENDPOINT_NAME);
	expect_answer(r, coap(CON, "0.02", 2, "aa", "rd?ep=de\nv"), refusal("4.00", 2, "aa", -1),
		DROP_BAD_ENDPOINT_NAME);
	expect_answer(r,
		coap(CON, "0.02", 4, "aa", "rd?ep=dev&a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p"),
		refusal("4.00", 4, "aa", -1), DROP_BAD_ENDPOINT_NAME);
	expect_answer(r, coap(CON, "0.02", 5, "aa", longest), refusal("4.03", 5, "aa", -1),
		DROP_NO_ROUTE);
	rig_free(r);
}
END_TEST

/* ---- rule 2 ---- */

START_TEST(rule2_endpoint_with_lan_credentials_is_never_served_without_dtls)
{
	struct rig *r = rig_create();
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud");
	e->lan_identity = "dev-lan";
	e = rig_endpoint(r, "static", "cloud");
	e->lan_public_key_file = "key.pem";
	e->has_address = true;
	e->address = at(A);
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = rig_conf_server(r, "cloud");
	rig_start(r);
	expect_answer(r, coap(CON, "0.02", 1, "aa", REG), refusal("4.03", 1, "aa", -1),
		DROP_LAN_SECURED);
	rig_device(r, A, empty(CON, 2));
	rig_expect_device(r, A, empty(RST, 2));
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule2_unknown_endpoint_gets_403)
{
	struct rig *r = up();
	expect_answer(r, coap(CON, "0.02", 1, "aa", "rd?ep=who"), refusal("4.03", 1, "aa", -1),
		DROP_NO_ROUTE);
	expect_answer(r, coap(CON, "0.02", 2, "aa", "bs?ep=who"), refusal("4.03", 2, "aa", -1),
		DROP_NO_ROUTE);
	expect_answer(r, coap(CON, "0.02", 3, "aa", "bs?ep=dev"), refusal("4.04", 3, "aa", -1),
		DROP_NO_BOOTSTRAP);
	rig_free(r);
}
END_TEST

static struct rig *up_open(unsigned most)
{
	struct rig *r = rig_create();
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = rig_conf_server(r, "cloud");
	r->conf.gateway.max_endpoints = most;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	return r;
}

START_TEST(rule2_unknown_endpoint_is_accepted_where_the_listener_says_so)
{
	struct rig *r = up_open(8);
	struct flow *f = rig_register(r, A, "who", "rd/3");
	ck_assert(f->route->is_dynamic);
	ck_assert_uint_eq(r->dp->unproven, 0);
	expect_passes(r, A, coap(CON, "0.02", 9, "", "dp"));
	rig_free(r);
}
END_TEST

/* ---- rule 6 ---- */

START_TEST(rule6_endpoint_known_at_two_servers_through_two_listeners)
{
	struct rig *r = rig_create();
	rig_add_server(r, "second", CLOUD2, 5683);
	rig_add_listen(r, "other", 5783);
	r->listens[0].server = rig_conf_server(r, "cloud");
	r->listens[1].server = rig_conf_server(r, "second");
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev", "second");
	rig_start(r);
	struct addr one = at(CLOUD), two = at(CLOUD2);
	const char *m = coap(CON, "0.02", 1, "aa", REG);
	expect_passes(r, A, m);
	ck_assert(addr_same_host(&r->to, &one));
	uint16_t first = r->port;
	rig_device_at(r, A, 5783, m);
	rig_expect_server(r, m);
	ck_assert(addr_same_host(&r->to, &two));
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	rig_server(r, r->port, empty(CON, 7));
	rig_expect_device(r, A, empty(CON, 7));
	ck_assert_uint_eq(r->sent_from.port, 5783);
	rig_server(r, first, empty(CON, 8));
	rig_expect_device(r, A, empty(CON, 8));
	ck_assert_uint_eq(r->sent_from.port, 5683);
	rig_free(r);
}
END_TEST

/* ---- rules 7 and 15: limits ---- */

START_TEST(rule15_full_table_gets_503_with_max_age_and_evicts_nobody)
{
	struct rig *r = rig_create();
	r->conf.gateway.max_endpoints = 2;
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_endpoint(r, "dev3", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	rig_register(r, A2, "dev2", "rd/1");
	expect_answer(r, coap(CON, "0.02", 1, "aa", "rd?ep=dev3"),
		refusal("5.03", 1, "aa", BUSY_MAX_AGE_S), DROP_TABLE_FULL);
	expect_passes(r, A, empty(CON, 1));
	expect_passes(r, A2, empty(CON, 1));
	rig_free(r);
}
END_TEST

START_TEST(rule15_static_device_in_a_full_table_gets_503)
{
	struct rig *r = rig_create();
	r->conf.gateway.max_endpoints = 1;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	rig_register(r, B, "dev", "rd/0");
	struct conf_endpoint *e = rig_endpoint(r, "static", "cloud");
	e->has_address = true;
	e->address = at(A);
	ck_assert_int_eq(rig_apply(r), 0);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", "dp"));
	rig_expect_device(r, A, refusal("5.03", 1, "aa", BUSY_MAX_AGE_S));
	rig_device(r, A, empty(CON, 2));
	rig_device(r, A, coap(CON, "2.05", 3, "aa", NULL));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_TABLE_FULL), 3);
	rig_free(r);
}
END_TEST

/* The room for messages that wait is not for those who invent endpoints. */
START_TEST(rule15_known_endpoint_waits_beside_many_strangers)
{
	static char hex[2 * 16000 + 1];
	struct rig *r = up_open(1000);
	rig_secure(r);
	ck_assert_int_eq(rig_apply(r), 0);
	r->server_deaf = true;
	for (unsigned s = 0; s < 64; s++) {
		char from[40], uri[40];
		snprintf(from, sizeof(from), "10.9.%u.9:%u", s / 32, 1000 + s);
		snprintf(uri, sizeof(uri), "rd?ep=x%u", s);
		for (unsigned i = 0; i < HELD_PER_FLOW; i++) {
			int n = snprintf(hex, sizeof(hex), "%sff",
				coap(NON, "0.02", i, "aa", uri));
			memset(hex + n, '0', sizeof(hex) - 1 - (size_t)n);
			rig_device(r, from, hex);
		}
	}
	ck_assert_uint_gt(rig_drops(r, DROP_HELD_MEMORY), 0);
	uint64_t before = rig_drops(r, DROP_HELD_MEMORY);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	ck_assert_uint_eq(rig_flow(r, "dev")->held.count, 1);
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_MEMORY), before);
	rig_stop(r);
	rig_free(r);
}
END_TEST

START_TEST(rule7_unproven_entries_are_limited_for_each_source)
{
	struct rig *r = up_open(200);
	char uri[40];
	for (unsigned i = 0; i <= UNPROVEN_PER_SOURCE; i++) {
		char from[40];
		snprintf(from, sizeof(from), "192.168.1.11:%u", 41000 + i);
		snprintf(uri, sizeof(uri), "rd?ep=new%u", i);
		const char *m = coap(CON, "0.02", 1, "aa", uri);
		rig_device(r, from, m);
		if (i < UNPROVEN_PER_SOURCE)
			rig_expect_server(r, m);
		else
			rig_expect_device(r, from, refusal("5.03", 1, "aa", BUSY_MAX_AGE_S));
	}
	ck_assert_uint_eq(rig_drops(r, DROP_UNPROVEN_FULL), 1);
	ck_assert_uint_eq(flows_count(r->dp->flows), UNPROVEN_PER_SOURCE);
	expect_passes(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=other"));
	rig_register(r, "192.168.1.11:50000", "dev", "rd/9"); /* a configured one always may */
	rig_advance(r, UNPROVEN_MS + 1000);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_register(r, "192.168.1.11:50001", "again", "rd/10");
	rig_free(r);
}
END_TEST

START_TEST(rule7_unproven_entries_leave_half_of_the_table)
{
	struct rig *r = up_open(8);
	for (unsigned i = 0; i < 5; i++) {
		char from[40], uri[40];
		snprintf(from, sizeof(from), "192.168.1.%u:41000", 50 + i);
		snprintf(uri, sizeof(uri), "rd?ep=new%u", i);
		const char *m = coap(CON, "0.02", 1, "aa", uri);
		rig_device(r, from, m);
		if (i < 4)
			rig_expect_server(r, m);
		else
			rig_expect_device(r, from, refusal("5.03", 1, "aa", BUSY_MAX_AGE_S));
	}
	rig_register(r, A, "dev", "rd/0");
	rig_server(r, rig_flow(r, "new0")->wan.port, located(ACK, "2.01", 1, "aa", "rd/5"));
	rig_expect_device(r, "192.168.1.50:41000", located(ACK, "2.01", 1, "aa", "rd/5"));
	expect_passes(r, B, coap(CON, "0.02", 1, "aa", "rd?ep=new9"));
	rig_free(r);
}
END_TEST

START_TEST(refusals_are_limited_too)
{
	struct rig *r = up();
	for (unsigned i = 0; i < 2 * STRANGER_REFUSALS_PER_SECOND; i++)
		rig_device(r, B, coap(CON, "0.02", i, "", "rd?ep=who"));
	ck_assert_uint_eq(fake_lan_sent(r->net), STRANGER_REFUSALS_PER_SECOND);
	ck_assert_uint_eq(rig_counts(r, COUNT_ANSWERS_WITHHELD), STRANGER_REFUSALS_PER_SECOND);
	rig_device(r, B, empty(CON, 1));
	ck_assert_uint_eq(rig_counts(r, COUNT_ANSWERS_WITHHELD), STRANGER_REFUSALS_PER_SECOND + 1);
	while (*rig_device_got(r, B) != '\0')
		;
	rig_free(r);
}
END_TEST

/* ---- who takes whose address ---- */

START_TEST(address_taken_over_by_another_endpoint_ends_the_first)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_register(r, A, "dev2", "rd/1");
	ck_assert_ptr_null(rig_flow(r, "dev"));
	expect_passes(r, A, coap(CON, "0.02", 9, "", "dp"));
	ck_assert_uint_eq(r->port, rig_flow(r, "dev2")->wan.port);
	rig_free(r);
}
END_TEST

/* One datagram with a false source address must not end a session. */
START_TEST(address_stays_its_owners_until_a_server_accepts_the_guest)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	const char *forged = coap(CON, "0.02", 9, "99", "rd?ep=dev2&lt=60");
	expect_passes(r, A, forged);
	uint16_t guest = r->port;
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	ck_assert(rig_flow(r, "dev2")->is_guest);
	expect_passes(r, A, coap(NON, "0.02", 10, "aa", "dp")); /* all but what names the guest */
	ck_assert_uint_eq(r->port, f->wan.port);
	expect_passes(r, A, coap(CON, "0.02", 11, "aa", "rd/0"));
	ck_assert_uint_eq(r->port, f->wan.port);
	expect_passes(r, A, coap(CON, "0.02", 12, "aa", REG));
	ck_assert_uint_eq(r->port, f->wan.port);
	expect_passes(r, A, forged);
	ck_assert_uint_eq(r->port, guest);
	rig_server(r, guest, coap(ACK, "4.03", 9, "99", NULL));
	rig_expect_device(r, A, coap(ACK, "4.03", 9, "99", NULL));
	rig_advance(r, UNPROVEN_MS + 1000);
	ck_assert_ptr_null(rig_flow(r, "dev2"));
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	rig_free(r);
}
END_TEST

START_TEST(address_has_one_guest_at_a_time)
{
	struct rig *r = up();
	rig_endpoint(r, "dev3", "cloud");
	ck_assert_int_eq(rig_apply(r), 0);
	rig_register(r, A, "dev", "rd/0");
	expect_passes(r, A, coap(CON, "0.02", 8, "88", "rd?ep=dev2"));
	expect_passes(r, A, coap(CON, "0.02", 9, "99", "rd?ep=dev3"));
	ck_assert_ptr_null(rig_flow(r, "dev2"));
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	rig_server(r, r->port, located(ACK, "2.01", 9, "99", "rd/3"));
	rig_expect_device(r, A, located(ACK, "2.01", 9, "99", "rd/3"));
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert(!rig_flow(r, "dev3")->is_guest);
	rig_free(r);
}
END_TEST

START_TEST(newcomer_that_finds_no_memory_ends_nobody)
{
	struct rig *r = up();
	r->conf.gateway.max_endpoints = 1;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, A, coap(CON, "0.02", 8, "88", "rd?ep=dev2"));
	rig_expect_device(r, A, refusal("5.03", 8, "88", BUSY_MAX_AGE_S));
	expect_passes(r, A, coap(NON, "0.02", 10, "aa", "dp"));
	rig_free(r);
}
END_TEST

START_TEST(forged_update_and_deregister_from_another_host_get_silence)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	expect_answer(r, coap(CON, "0.04", 1, "aa", "rd/0"), "", DROP_STRANGER_LOCATION);
	expect_answer(r, coap(CON, "0.02", 2, "aa", "rd/0?lt=1"), "", DROP_STRANGER_LOCATION);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	expect_passes(r, A, empty(CON, 1));
	rig_free(r);
}
END_TEST

START_TEST(doubtful_name_is_not_forwarded_on_a_known_flow_either)
{
	struct rig *r = up();
	rig_register(r, B, "dev", "rd/0");
	expect_answer(r, coap(CON, "0.02", 1, "aa", "rd?ep=dev&ep=dev2"),
		refusal("4.00", 1, "aa", -1), DROP_BAD_ENDPOINT_NAME);
	rig_free(r);
}
END_TEST

/* ---- rule 5 ---- */

START_TEST(rule5_no_invented_error_to_update)
{
	struct rig *r = up();
	rig_secure(r);
	ck_assert_int_eq(rig_apply(r), 0);
	r->server_deaf = true;
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	for (unsigned i = 0; i < 30; i++) {
		rig_device(r, A, coap(CON, "0.02", 100 + i, "aa", "rd/0?lt=60"));
		rig_device(r, A, coap(CON, "0.04", 200 + i, "aa", "rd/0"));
		rig_device(r, A, coap(CON, "0.02", 300 + i, "aa", REG));
		rig_advance(r, 10000);
		ck_assert_uint_eq(fake_lan_sent(r->net), 0);
	}
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

Suite *newcomer_suite(void)
{
	Suite *s = suite_create("newcomer");
	SUITE_TEST(s, rule1_register_makes_a_flow);
	TCase *t = tcase_create("tables");
	tcase_add_loop_test(t, rule1_bootstrap_request_makes_a_flow, 0, 2);
	tcase_add_loop_test(t, rule1_multicast_and_broadcast_get_silence, 0, 4);
	suite_add_tcase(s, t);
	SUITE_TEST(s, rule1_a_non_register_makes_a_flow_too);
	SUITE_TEST(s, rule1_same_address_on_another_interface_is_another_device);
	SUITE_TEST(s, rule1_ipv6_device_reaches_an_ipv4_server);
	SUITE_TEST(s, rule1_ping_gets_rst);
	SUITE_TEST(s, rule1_con_request_gets_404);
	SUITE_TEST(s, rule1_404_at_most_ten_a_second);
	SUITE_TEST(s, rule1_404_are_limited_for_each_listener_apart);
	SUITE_TEST(s, rule1_unknown_location_gets_silence);
	SUITE_TEST(s, rule1_responses_acks_and_resets_get_silence);
	SUITE_TEST(s, rule1_non_requests_get_silence);
	SUITE_TEST(s, rule1_broadcast_of_a_network_gets_silence);
	SUITE_TEST(s, rule1_impossible_sources_get_silence);
	SUITE_TEST(s, rule1_register_without_a_name_gets_400);
	SUITE_TEST(s, rule1_register_with_a_bad_name_gets_400);
	SUITE_TEST(s, rule2_endpoint_with_lan_credentials_is_never_served_without_dtls);
	SUITE_TEST(s, rule2_unknown_endpoint_gets_403);
	SUITE_TEST(s, rule2_unknown_endpoint_is_accepted_where_the_listener_says_so);
	SUITE_TEST(s, rule5_no_invented_error_to_update);
	SUITE_TEST(s, rule6_endpoint_known_at_two_servers_through_two_listeners);
	SUITE_TEST(s, rule15_static_device_in_a_full_table_gets_503);
	SUITE_TEST(s, rule15_known_endpoint_waits_beside_many_strangers);
	SUITE_TEST(s, rule7_unproven_entries_are_limited_for_each_source);
	SUITE_TEST(s, rule7_unproven_entries_leave_half_of_the_table);
	SUITE_TEST(s, rule15_full_table_gets_503_with_max_age_and_evicts_nobody);
	SUITE_TEST(s, refusals_are_limited_too);
	SUITE_TEST(s, doubtful_name_is_not_forwarded_on_a_known_flow_either);
	SUITE_TEST(s, address_taken_over_by_another_endpoint_ends_the_first);
	SUITE_TEST(s, address_stays_its_owners_until_a_server_accepts_the_guest);
	SUITE_TEST(s, address_has_one_guest_at_a_time);
	SUITE_TEST(s, newcomer_that_finds_no_memory_ends_nobody);
	SUITE_TEST(s, forged_update_and_deregister_from_another_host_get_silence);
	return s;
}
