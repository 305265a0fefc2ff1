/* Associations towards a DTLS server: how they come up and keep their port, and what else comes in
 * (DESIGN.md 6, rules 4, 9, 11, 13). What is sent is seen by a wolfSSL server. */
#include <errno.h>
#include <string.h>
#include "association.h"
#include "suite.h"
#include "trunk.h"

/* ---- coming up ---- */

START_TEST(rule9_messages_wait_for_the_handshake_and_go_oldest_first)
{
	struct rig *r = up();
	struct addr from = at(A);
	r->server_deaf = true;
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_device(r, A, coap(NON, "0.02", 2, "", "dp"));
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG)); /* a copy */
	rig_device(r, A, empty(CON, 3));
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_DUPLICATE), 1);
	ck_assert_int_eq(wan_of(r)->state, WAN_HANDSHAKE);
	r->server_deaf = false;
	rig_advance(r, 1000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_expect_server(r, coap(NON, "0.02", 2, "", "dp"));
	rig_expect_server(r, empty(CON, 3));
	ck_assert_int_eq(wan_of(r)->state, WAN_UP);
	ck_assert_str_eq(wan_suite(wan_of(r)), "TLS_PSK_WITH_AES_128_CCM_8");
	ck_assert_uint_eq(r->to.port, SECURE_PORT);
	ck_assert_uint_eq(r->dp->held.bytes, 0);
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	ck_assert(addr_eq(&rig_flow(r, "dev")->key.device, &from));
	rig_free(r);
}
END_TEST

START_TEST(rule9_overflow_and_expiry_are_named)
{
	struct rig *r = up();
	r->server_deaf = true;
	for (unsigned i = 0; i < HELD_PER_FLOW + 2; i++)
		rig_device(r, A, coap(i % 2 == 0 ? CON : NON, "0.02", i, "aa", REG));
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_FULL), 2);
	rig_advance(r, 9999);
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_EXPIRED), 0);
	rig_advance(r, 1);
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_EXPIRED), 4);
	rig_advance(r, 35000);
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_EXPIRED), 8);
	ck_assert_uint_eq(rig_flow(r, "dev")->held.count, 0);
	rig_device(r, A, coap(CON, "0.02", 99, "aa", REG));
	r->conf.endpoint_count = 0;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_ENDED), 1);
	ck_assert_uint_eq(r->dp->held.bytes, 0);
	rig_free(r);
}
END_TEST

START_TEST(name_that_is_not_resolved_yet_is_waited_for)
{
	struct rig *r = up_named();
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 3000);
	ck_assert_int_eq(wan_of(r)->state, WAN_WAITING);
	ck_assert_uint_eq(fake_net_open(r->net), 2);
	name_set(r, CLOUD, NULL);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(name_that_is_not_found_is_asked_again_ever_more_slowly)
{
	struct rig *r = up_named();
	fake_name_set(r->net, NAME, NULL, 0);
	rig_advance(r, 1999);
	ck_assert_uint_eq(fake_name_asked(r->net, NAME), 1);
	rig_advance(r, 1);
	ck_assert_uint_eq(fake_name_asked(r->net, NAME), 2);
	rig_advance(r, 4000);
	ck_assert_uint_eq(fake_name_asked(r->net, NAME), 3);
	rig_advance(r, 3600 * 1000);
	unsigned asked = fake_name_asked(r->net, NAME);
	rig_advance(r, 600 * 1000);
	ck_assert_uint_eq(fake_name_asked(r->net, NAME), asked + 10);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	name_set(r, CLOUD, NULL);
	rig_advance(r, 60000);
	pass(r, coap(CON, "0.02", 2, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(every_address_is_tried)
{
	struct rig *r = up_named();
	r->deaf_at = at(CLOUD);
	name_set(r, CLOUD, CLOUD2);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 8000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	struct addr second = at(CLOUD2);
	ck_assert(addr_same_host(&r->to, &second));
	rig_free(r);
}
END_TEST

START_TEST(every_address_is_tried_of_either_family)
{
	struct rig *r = up_named();
	r->deaf_at = at("2001:db8::5");
	name_set(r, "2001:db8::5", CLOUD);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 8000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(server_over_ipv6)
{
	struct rig *r = up_named();
	name_set(r, "2001:db8::5", NULL);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	ck_assert(!addr_is_v4(&r->to));
	rig_free(r);
}
END_TEST

START_TEST(no_socket_now_means_another_try_later)
{
	struct rig *r = up();
	fake_net_fail_opens(r->net, EMFILE, 1);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	ck_assert_int_eq(wan_of(r)->state, WAN_BACKOFF);
	rig_advance(r, 1000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(no_watch_now_means_another_try_later)
{
	struct rig *r = up();
	fake_net_fail_watches(r->net, ENOSPC, 1);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	ck_assert_uint_eq(fake_net_open(r->net), 2);
	rig_advance(r, 1000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(endpoint_without_a_credential_hurts_nobody)
{
	struct rig *r = up();
	r->endpoints[0].key.n = 0;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 50000);
	ck_assert_uint_eq(r->hellos, 0);
	ck_assert_int_eq(wan_of(r)->state, WAN_BACKOFF);
	rig_free(r);
}
END_TEST

START_TEST(round_that_is_over_comes_to_rest)
{
	struct rig *r = up_named();
	r->servers[0].handshake_timeout = 1;
	r->server_deaf = true;
	ck_assert_int_eq(rig_apply(r), 0);
	name_set(r, CLOUD, CLOUD2);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 1000); /* the first address took all of the time */
	rig_advance(r, 100);
	ck_assert_int_eq(wan_of(r)->state, WAN_BACKOFF);
	rig_free(r);
}
END_TEST

/* ---- rule 4: the source port ---- */

START_TEST(rule4_every_orderly_end_sends_close_notify)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	switch (_i) {
	case 0: /* stop */
		rig_stop(r);
		break;
	case 1: /* Deregister */
		pass(r, coap(CON, "0.04", 2, "aa", "rd/0"));
		answer(r, coap(ACK, "2.02", 2, "aa", NULL));
		break;
	case 2: /* the lifetime is over */
		rig_advance(r, 307000);
		break;
	case 3: /* not configured any more */
		r->conf.endpoint_count = 0;
		ck_assert_int_eq(rig_apply(r), 0);
		break;
	case 4: /* another key */
		r->endpoints[0].key.n--;
		ck_assert_int_eq(rig_apply(r), 0);
		break;
	}
	ck_assert_uint_eq(r->goodbyes, 1);
	rig_free(r);
}
END_TEST

START_TEST(rule4_port_is_kept_when_the_session_is_made_anew)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	uint16_t port = r->port;
	rig_close_sessions(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_CLOSED), 1);
	rig_advance(r, RECONNECT_JITTER_MS);
	pass(r, empty(CON, 1));
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(rig_flow(r, "dev")->route->port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_PORTS_GIVEN_UP), 0);
	rig_free(r);
}
END_TEST

/* A flow that ended; its port is remembered. */
static uint16_t remembered(struct rig *r)
{
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	uint16_t port = r->port;
	pass(r, coap(CON, "0.04", 2, "aa", "rd/0"));
	answer(r, coap(ACK, "2.02", 2, "aa", NULL));
	ck_assert_ptr_null(rig_flow(r, "dev"));
	return port;
}

START_TEST(rule4_port_that_somebody_else_has_is_given_up)
{
	struct rig *r = up();
	uint16_t port = remembered(r);
	fake_net_port_taken(r->net, port, true);
	pass(r, coap(CON, "0.02", 3, "aa", REG));
	ck_assert_uint_ne(r->port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_PORTS_GIVEN_UP), 1);
	ck_assert_uint_eq(rig_flow(r, "dev")->route->port, r->port);
	rig_free(r);
}
END_TEST

START_TEST(rule4_port_is_given_up_after_three_unanswered_flights)
{
	struct rig *r = up();
	uint16_t port = remembered(r);
	r->deaf_to_port = port;
	unsigned hellos = r->hellos;
	rig_device(r, A, coap(CON, "0.02", 3, "aa", REG));
	rig_advance(r, 2999);
	rig_expect_silence(r);
	ck_assert_uint_eq(r->hellos, hellos + 2);
	ck_assert_uint_eq(wan_of(r)->port, port);
	rig_advance(r, 5000);
	rig_expect_server(r, coap(CON, "0.02", 3, "aa", REG));
	ck_assert_uint_ne(r->port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_PORTS_GIVEN_UP), 1);
	ck_assert_uint_eq(rig_flow(r, "dev")->route->port, r->port);
	ck_assert_uint_eq(fake_net_open(r->net), 3);
	rig_free(r);
}
END_TEST

START_TEST(rule4_port_is_kept_when_the_new_one_is_not_proven_either)
{
	struct rig *r = up();
	uint16_t port = remembered(r);
	r->server_deaf = true;
	rig_device(r, A, coap(CON, "0.02", 3, "aa", REG));
	rig_advance(r, 50000);
	ck_assert_uint_ne(wan_of(r)->port, port);
	r->server_deaf = false;
	rig_device(r, A, coap(CON, "0.02", 4, "aa", REG)); /* begins the round again */
	rig_advance(r, 1000);
	rig_expect_server(r, coap(CON, "0.02", 4, "aa", REG));
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_PORTS_GIVEN_UP), 0);
	rig_free(r);
}
END_TEST

/* ---- what else comes in ---- */

START_TEST(rule13_client_hello_is_ignored_and_counted)
{
	static const char *const hello = "16fefd0000000000000000003c01000030000000000000003"
		"0fefd599cb39447f24d7ed96102aac4716bb89a29110d1ab3fba021664536b7dc922d00000002c0a80"
		"100000400170000";
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	uint16_t port = r->port;
	rig_server_raw(r, port, hello);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_CLIENT_HELLO), 1);
	rig_server_raw(r, port, "40000001");
	rig_server_raw(r, port, "");
	rig_server_raw(r, port, "17fefd");
	rig_expect_silence(r);
	ck_assert_uint_ge(rig_drops(r, DROP_WAN_HEADER), 2);
	r->port = port;
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	rig_free(r);
}
END_TEST

START_TEST(replayed_record_is_dropped_and_counted)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	uint16_t port = r->port;
	r->tap = true;
	rig_server(r, port, empty(CON, 1));
	rig_expect_device(r, A, empty(CON, 1));
	rig_server_raw(r, port, r->tapped);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_RECORD), 1);
	rig_free(r);
}
END_TEST

START_TEST(record_that_comes_after_the_session_is_counted)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	uint16_t port = r->port;
	r->tap = true;
	rig_server(r, port, empty(CON, 1));
	rig_expect_device(r, A, empty(CON, 1));
	char late[sizeof(r->tapped)];
	snprintf(late, sizeof(late), "%s", r->tapped);
	r->tap = false;
	rig_close_sessions(r);
	ck_assert_int_eq(wan_of(r)->state, WAN_WAITING);
	rig_server_raw(r, port, late);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_RECORD), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule11_message_beyond_the_record_limit_is_dropped_by_name)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	static uint8_t bytes[DTLS_WRITE_MAX + 1] = { 0x50, 0x45, 0, 1, 0xff };
	struct addr from = at(A);
	fake_lan_arrive(r->net, &from, &r->called[true], 2, bytes, DTLS_WRITE_MAX);
	ck_assert_uint_eq(strlen(rig_server_got(r)), 2 * DTLS_WRITE_MAX);
	fake_lan_arrive(r->net, &from, &r->called[true], 2, bytes, DTLS_WRITE_MAX + 1);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_TOO_LARGE), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule11_held_message_beyond_the_record_limit_is_named_too)
{
	struct rig *r = up();
	static uint8_t bytes[DTLS_WRITE_MAX + 1] = { 0x50, 0x45, 0, 1, 0xff };
	struct addr from = at(A);
	r->server_deaf = true;
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	fake_lan_arrive(r->net, &from, &r->called[true], 2, bytes, DTLS_WRITE_MAX + 1);
	r->server_deaf = false;
	rig_advance(r, 1000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_TOO_LARGE), 1);
	rig_free(r);
}
END_TEST

Suite *association_suite(void)
{
	Suite *s = suite_create("wan");
	TCase *t = tcase_create("tables");
	tcase_add_loop_test(t, rule4_every_orderly_end_sends_close_notify, 0, 5);
	suite_add_tcase(s, t);
	SUITE_TEST(s, rule9_messages_wait_for_the_handshake_and_go_oldest_first);
	SUITE_TEST(s, rule9_overflow_and_expiry_are_named);
	SUITE_TEST(s, name_that_is_not_resolved_yet_is_waited_for);
	SUITE_TEST(s, name_that_is_not_found_is_asked_again_ever_more_slowly);
	SUITE_TEST(s, every_address_is_tried);
	SUITE_TEST(s, every_address_is_tried_of_either_family);
	SUITE_TEST(s, server_over_ipv6);
	SUITE_TEST(s, no_socket_now_means_another_try_later);
	SUITE_TEST(s, round_that_is_over_comes_to_rest);
	SUITE_TEST(s, no_watch_now_means_another_try_later);
	SUITE_TEST(s, endpoint_without_a_credential_hurts_nobody);
	SUITE_TEST(s, rule4_port_is_kept_when_the_session_is_made_anew);
	SUITE_TEST(s, rule4_port_that_somebody_else_has_is_given_up);
	SUITE_TEST(s, rule4_port_is_given_up_after_three_unanswered_flights);
	SUITE_TEST(s, rule4_port_is_kept_when_the_new_one_is_not_proven_either);
	SUITE_TEST(s, rule13_client_hello_is_ignored_and_counted);
	SUITE_TEST(s, replayed_record_is_dropped_and_counted);
	SUITE_TEST(s, record_that_comes_after_the_session_is_counted);
	SUITE_TEST(s, rule11_message_beyond_the_record_limit_is_dropped_by_name);
	SUITE_TEST(s, rule11_held_message_beyond_the_record_limit_is_named_too);
	return s;
}
