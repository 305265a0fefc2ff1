/* Associations whose network changes: addresses of the server, ICMP errors, routes and addresses of
 * ours (DESIGN.md 6, rules 10, 11, 20), towards secure and plain servers. */
#include <errno.h>
#include <string.h>
#include "association.h"
#include "suite.h"
#include "trunk.h"

/* The server, secure or plain, known by a name that is found at one address. */
static struct rig *up_found(bool secure)
{
	struct rig *r = up_at(secure, NAME);
	name_set(r, CLOUD, NULL);
	return r;
}

static void expect_at(struct rig *r, const char *server)
{
	struct addr a = at(server);
	ck_assert(addr_same_host(&r->to, &a));
}

/* The device repeats a CON until it reaches a server; within so many seconds. */
static void repeat_until_heard(struct rig *r, unsigned seconds)
{
	const char *con = coap(CON, "0.02", 0x55, "bb", "dp");
	for (unsigned i = 0; i < seconds; i++) {
		rig_device(r, A, con);
		const char *got = rig_server_got(r);
		while (*got != '\0') { /* copies waited */
			bool heard = strcmp(got, con) == 0;
			got = rig_server_got(r);
			if (heard && *got == '\0')
				return;
		}
		rig_advance(r, 1000);
	}
	ck_abort_msg("no server got it in %u s", seconds);
}

/* ---- the server's addresses; secure and plain ---- */

START_TEST(rule10_silent_server_is_looked_for_at_its_other_address)
{
	struct rig *r = up_at(_i, NAME);
	name_set(r, CLOUD, CLOUD2);
	uint16_t port = registered(r);
	expect_at(r, CLOUD);
	r->deaf_at = at(CLOUD);
	rig_forget(r);
	repeat_until_heard(r, 80);
	expect_at(r, CLOUD2);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_ge(rig_counts(r, COUNT_SERVER_SILENT), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule10_silent_server_is_looked_for_at_its_new_address)
{
	struct rig *r = up_found(_i);
	r->endpoints[0].has_address = true; /* so that the flow stays */
	r->endpoints[0].address = at(A);
	ck_assert_int_eq(rig_apply(r), 0);
	registered(r);
	r->deaf_at = at(CLOUD);
	rig_forget(r);
	name_set(r, CLOUD2, NULL);
	rig_advance(r, RESOLVE_AGAIN_MS);
	repeat_until_heard(r, 80);
	expect_at(r, CLOUD2);
	rig_free(r);
}
END_TEST

START_TEST(new_address_is_left_alone_while_the_old_one_answers)
{
	struct rig *r = up_found(_i);
	r->endpoints[0].has_address = true; /* so that the flow stays */
	r->endpoints[0].address = at(A);
	ck_assert_int_eq(rig_apply(r), 0);
	registered(r);
	name_set(r, CLOUD2, NULL);
	rig_advance(r, RESOLVE_AGAIN_MS);
	for (int i = 0; i < 20; i++) {
		pass(r, coap(CON, "0.02", 5, "cc", "dp"));
		expect_at(r, CLOUD);
		answer(r, coap(ACK, "2.04", 5, "cc", NULL));
		rig_advance(r, 4000);
	}
	rig_free(r);
}
END_TEST

START_TEST(address_of_a_family_that_is_missing_is_passed_over)
{
	struct rig *r = up_at(_i, NAME);
	name_set(r, "2001:db8::5", CLOUD);
	fake_net_fail_opens(r->net, EAFNOSUPPORT, 1);
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	expect_at(r, CLOUD);
	rig_free(r);
}
END_TEST

START_TEST(socket_that_can_not_change_family_is_opened_again_later)
{
	struct rig *r = up_at(false, NAME);
	name_set(r, CLOUD, "2001:db8::5");
	registered(r);
	r->deaf_at = at(CLOUD);
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp"));
	fake_net_fail_opens(r->net, EMFILE, 1);
	rig_advance(r, 5000);
	rig_device(r, A, coap(CON, "0.02", 3, "bb", "dp")); /* no socket now: must go nowhere else */
	repeat_until_heard(r, 30);
	rig_device(r, A, coap(CON, "0.02", 4, "bb", "dp"));
	while (*rig_server_got(r) != '\0')
		ck_assert_uint_eq(r->port, wan_of(r)->port);
	rig_free(r);
}
END_TEST

START_TEST(plain_server_of_one_address_is_never_suspected)
{
	struct rig *r = up_found(false);
	uint16_t port = registered(r);
	for (unsigned i = 0; i < 10; i++) {
		pass(r, coap(CON, "0.02", 2, "bb", "dp"));
		rig_advance(r, 10000);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 0);
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

START_TEST(plain_association_tells_its_port_when_another_family_needs_another)
{
	struct rig *r = up_at(false, NAME);
	name_set(r, CLOUD, "2001:db8::5");
	uint16_t port = registered(r);
	r->deaf_at = at(CLOUD);
	fake_net_port_taken(r->net, port, true);
	repeat_until_heard(r, 30);
	expect_at(r, "2001:db8::5");
	ck_assert_uint_ne(r->port, port);
	ck_assert_uint_eq(rig_flow(r, "dev")->route->port, r->port);
	rig_free(r);
}
END_TEST

/* ---- ICMP ---- */

START_TEST(rule11_refused_handshake_goes_on_to_the_next_address)
{
	struct rig *r = up_at(true, NAME);
	name_set(r, CLOUD, CLOUD2);
	r->server_deaf = true;
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	ck_assert(fake_wan_error(r->net, wan_of(r)->port, ECONNREFUSED));
	r->server_deaf = false;
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	expect_at(r, CLOUD2);
	ck_assert_uint_eq(rig_counts(r, COUNT_ICMP_ERRORS), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule11_refused_record_tries_a_new_session_within_a_second)
{
	struct rig *r = up_found(true);
	registered(r);
	rig_forget(r); /* the server restarts */
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp"));
	ck_assert(fake_wan_error(r->net, wan_of(r)->port, ECONNREFUSED));
	rig_settle(r);
	rig_advance(r, BACKOFF_FIRST_MS);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 2);
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	rig_free(r);
}
END_TEST

START_TEST(rule11_server_that_stays_away_is_asked_with_pauses_and_found_again)
{
	struct rig *r = up_found(true);
	registered(r);
	rig_forget(r);
	r->server_deaf = true;
	unsigned errors = 0;
	for (unsigned i = 0; i < 200; i++) { /* each datagram is refused */
		rig_device(r, A, coap(CON, "0.02", i, "bb", "dp"));
		rig_advance(r, 500);
		errors += fake_wan_error(r->net, wan_of(r)->port, ECONNREFUSED);
		rig_settle(r);
		while (*rig_device_got(r, A) != '\0')
			;
	}
	ck_assert_uint_eq(errors, 200);
	ck_assert_uint_le(rig_counts(r, COUNT_HANDSHAKES), 40);
	r->server_deaf = false;
	repeat_until_heard(r, 10);
	rig_free(r);
}
END_TEST

/* ---- rule 20: our own addresses and routes ---- */

static void change_source(struct rig *r, const char *source)
{
	struct addr a = source == NULL ? addr_any(true, 0) : at(source);
	fake_net_source(r->net, true, source == NULL ? NULL : &a);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_advance(r, MOVE_SOCKETS_AFTER_MS);
}

START_TEST(rule20_plain_socket_moves_and_keeps_its_port)
{
	struct rig *r = up_found(false);
	uint16_t port = registered(r);
	change_source(r, "192.0.2.77");
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), 1);
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	struct addr from = at("192.0.2.77");
	ck_assert(addr_same_host(&r->from, &from));
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

START_TEST(rule20_with_cid_the_session_goes_on)
{
	struct rig *r = rig_create();
	rig_secure(r);
	r->cid = true;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	uint16_t port = registered(r);
	ck_assert_int_eq(dtls_peer_cid(wan_of(r)->session), 4);
	change_source(r, "192.0.2.77");
	rig_advance(r, 10000);
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	struct addr from = at("192.0.2.77");
	ck_assert(addr_same_host(&r->from, &from));
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES), 1);
	answer(r, coap(ACK, "2.04", 2, "bb", NULL));
	rig_free(r);
}
END_TEST

START_TEST(rule20_without_cid_the_session_is_made_anew)
{
	struct rig *r = up_found(true);
	uint16_t port = registered(r);
	change_source(r, "192.0.2.77");
	rig_advance(r, 2000);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 2);
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	struct addr from = at("192.0.2.77");
	ck_assert(addr_same_host(&r->from, &from));
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

START_TEST(rule20_handshake_begins_again_from_the_new_address)
{
	struct rig *r = up_found(true);
	r->server_deaf = true;
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 1500);
	r->server_deaf = false;
	change_source(r, "192.0.2.77");
	rig_advance(r, 1000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	struct addr from = at("192.0.2.77");
	ck_assert(addr_same_host(&r->from, &from));
	rig_free(r);
}
END_TEST

START_TEST(rule20_change_that_is_none_moves_nothing)
{
	struct rig *r = up_found(_i);
	registered(r);
	change_source(r, "192.0.2.1");
	rig_advance(r, 5000);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), 0);
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	rig_free(r);
}
END_TEST

START_TEST(rule20_no_route_and_then_a_route_again)
{
	struct rig *r = up_found(_i);
	uint16_t port = registered(r);
	change_source(r, NULL);
	rig_device(r, A, coap(NON, "0.02", 2, "bb", "dp"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_SEND), 1);
	change_source(r, "192.0.2.1");
	rig_advance(r, 3000);
	pass(r, coap(CON, "0.02", 3, "bb", "dp"));
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

START_TEST(rule20_association_that_begins_without_a_route_gets_one_later)
{
	struct rig *r = up_found(_i);
	change_source(r, NULL);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_expect_silence(r);
	rig_advance(r, 10000);
	change_source(r, "192.0.2.1");
	rig_advance(r, 3000);
	if (_i == 0) /* plain: nothing waits */
		rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(rule20_many_sockets_move_in_steps)
{
	static char name[300][16];
	struct rig *r = rig_create();
	r->conf.gateway.max_endpoints = 300;
	for (unsigned i = 0; i < 300; i++) {
		char from[40];
		snprintf(name[i], sizeof(name[i]), "dev%u", i);
		snprintf(from, sizeof(from), "192.168.%u.%u", i / 200, i % 200 + 1);
		struct conf_endpoint *e = rig_endpoint(r, name[i], "cloud");
		e->has_address = true;
		e->address = at(from);
	}
	rig_start(r);
	rig_advance(r, 1000); /* they open paced */
	ck_assert_uint_eq(flows_count(r->dp->flows), 300);
	struct addr source = at("192.0.2.77");
	fake_net_source(r->net, true, &source);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	datapath_addresses_changed(r->dp, fake_net_now(r->net)); /* events come in bursts */
	rig_advance(r, MOVE_SOCKETS_AFTER_MS - 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), 0);
	rig_advance(r, 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), MOVE_SOCKETS_PER_WAKE);
	rig_advance(r, 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), 300);
	rig_free(r);
}
END_TEST

Suite *network_suite(void)
{
	Suite *s = suite_create("network changes");
	TCase *t = tcase_create("plain and secure");
	tcase_add_loop_test(t, rule10_silent_server_is_looked_for_at_its_other_address, 0, 2);
	tcase_add_loop_test(t, rule10_silent_server_is_looked_for_at_its_new_address, 0, 2);
	tcase_add_loop_test(t, new_address_is_left_alone_while_the_old_one_answers, 0, 2);
	tcase_add_loop_test(t, address_of_a_family_that_is_missing_is_passed_over, 0, 2);
	tcase_add_loop_test(t, rule20_change_that_is_none_moves_nothing, 0, 2);
	tcase_add_loop_test(t, rule20_no_route_and_then_a_route_again, 0, 2);
	tcase_add_loop_test(t, rule20_association_that_begins_without_a_route_gets_one_later, 0, 2);
	suite_add_tcase(s, t);
	SUITE_TEST(s, socket_that_can_not_change_family_is_opened_again_later);
	SUITE_TEST(s, plain_server_of_one_address_is_never_suspected);
	SUITE_TEST(s, plain_association_tells_its_port_when_another_family_needs_another);
	SUITE_TEST(s, rule11_refused_handshake_goes_on_to_the_next_address);
	SUITE_TEST(s, rule11_refused_record_tries_a_new_session_within_a_second);
	SUITE_TEST(s, rule11_server_that_stays_away_is_asked_with_pauses_and_found_again);
	SUITE_TEST(s, rule20_plain_socket_moves_and_keeps_its_port);
	SUITE_TEST(s, rule20_with_cid_the_session_goes_on);
	SUITE_TEST(s, rule20_without_cid_the_session_is_made_anew);
	SUITE_TEST(s, rule20_handshake_begins_again_from_the_new_address);
	SUITE_TEST(s, rule20_many_sockets_move_in_steps);
	return s;
}
