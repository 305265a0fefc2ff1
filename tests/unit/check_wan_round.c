/* Which address and port an association tries, and when it tries again: what a hostile review found. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "association.h"
#include "suite.h"
#include "trunk.h"

START_TEST(rule10_a_server_that_ends_each_session_is_asked_ever_more_slowly)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	for (int s = 0; s < 120; s++) {
		rig_close_sessions(r);
		rig_advance(r, 1000);
	}
	ck_assert_uint_le(rig_counts(r, COUNT_HANDSHAKES), 12);
	ck_assert_uint_ge(rig_counts(r, COUNT_HANDSHAKES), 4);
	rig_free(r);
}
END_TEST

START_TEST(each_address_has_its_share_of_a_short_timeout)
{
	struct rig *r = rig_create();
	rig_secure(r);
	r->servers[0].host = NAME;
	r->servers[0].handshake_timeout = 2;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	struct addr two[2] = { at(CLOUD), at(CLOUD2) };
	fake_name_set(r->net, NAME, two, 2);
	rig_settle(r);
	r->deaf_at = at(CLOUD);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 1100);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	rig_free(r);
}
END_TEST

START_TEST(rule4_the_third_flight_has_its_time_too)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	uint16_t port = r->port;
	rig_close_sessions(r);
	rig_advance(r, RECONNECT_JITTER_MS);
	rig_close_sessions(r); /* the server is gone with the second one */
	r->server_deaf = true;
	rig_advance(r, RECONNECT_JITTER_MS + BACKOFF_FIRST_MS * 2);
	ck_assert_int_eq(wan_of(r)->state, WAN_HANDSHAKE);
	while (dtls_unanswered(wan_of(r)->attempt) < PORT_FLIGHTS)
		rig_advance(r, 100);
	ck_assert_uint_eq(wan_of(r)->port, port);
	rig_advance(r, 3800);
	ck_assert_uint_eq(wan_of(r)->port, port);
	rig_advance(r, 300);
	ck_assert_uint_ne(wan_of(r)->port, port);
	rig_free(r);
}
END_TEST

START_TEST(rule10_copies_do_not_start_handshakes_without_a_pause)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_advance(r, 6000);
	for (unsigned round = 0; round < 20; round++) {
		for (int copy = 0; copy < 3; copy++) {
			rig_device(r, A, coap(CON, "0.02", round + 10, "bb", "dp"));
			rig_expect_server(r, coap(CON, "0.02", round + 10, "bb", "dp"));
		}
		rig_server(r, r->port, coap(ACK, "2.04", round + 10, "bb", ""));
		rig_expect_device(r, A, coap(ACK, "2.04", round + 10, "bb", ""));
		rig_advance(r, 100);
	}
	ck_assert_uint_le(rig_counts(r, COUNT_SERVER_SILENT), 1);
	rig_free(r);
}
END_TEST

START_TEST(message_that_the_kernel_refuses_is_lost_once_and_not_relayed)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	uint64_t before = f->up.messages;
	fake_wan_fail_sends(r->net, r->port, ENETUNREACH);
	rig_device(r, A, coap(CON, "0.02", 9, "bb", "dp"));
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_SEND), 1);
	ck_assert_uint_eq(f->up.messages, before);
	fake_wan_fail_sends(r->net, r->port, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule11_what_the_kernel_drops_is_counted_once)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	fake_wan_overflow(r->net, r->port, 5);
	wan_count_overflow(&f->wan);
	wan_count_overflow(&f->wan);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_OVERFLOW), 5);
	fake_wan_overflow(r->net, r->port, 7);
	r->conf.endpoint_count = 0;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_OVERFLOW), 7);
	rig_free(r);
}
END_TEST

START_TEST(rule20_a_late_datagram_does_not_keep_a_session_of_the_old_address)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	struct addr other = at("192.0.2.77");
	uint64_t before = rig_counts(r, COUNT_HANDSHAKES_DONE);
	fake_net_source(r->net, true, &other);
	datapath_addresses_changed(r->dp, loop_now(r->loop));
	rig_advance(r, MOVE_SOCKETS_AFTER_MS);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), 1);
	if (rig_counts(r, COUNT_HANDSHAKES_DONE) == before) {
		rig_server(r, r->port, coap(CON, "0.01", 7, "cc", "3/0"));
		rig_expect_device(r, A, coap(CON, "0.01", 7, "cc", "3/0"));
	}
	rig_advance(r, 3000);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), before + 1);
	rig_free(r);
}
END_TEST

START_TEST(rule20_an_interface_made_anew_gets_a_new_socket_with_the_old_port)
{
	struct rig *r = rig_create();
	fake_net_interface(r->net, "wan0", 5);
	rig_secure(r);
	r->servers[0].interface = "wan0";
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	uint16_t port = r->port;
	fake_net_interface(r->net, "wan0", 6);
	datapath_addresses_changed(r->dp, loop_now(r->loop));
	rig_advance(r, 3000);
	ck_assert_uint_eq(rig_counts(r, COUNT_SOCKETS_MOVED), 1);
	ck_assert_uint_eq(wan_of(r)->ifindex, 6);
	ck_assert_uint_eq(wan_of(r)->port, port);
	ck_assert_int_eq(wan_of(r)->state, WAN_UP);
	rig_device(r, A, coap(CON, "0.02", 9, "bb", "dp"));
	rig_expect_server(r, coap(CON, "0.02", 9, "bb", "dp"));
	rig_free(r);
}
END_TEST

START_TEST(rule19_many_associations_of_a_server_just_found_are_paced)
{
	struct rig *r = rig_create();
	char name[16];
	char from[32];
	rig_secure(r);
	r->conf.gateway.max_endpoints = 400;
	r->servers[0].host = NAME;
	for (int i = 0; i < 390; i++) {
		snprintf(name, sizeof(name), "dev%d", i);
		rig_endpoint(r, strdup(name), "cloud");
	}
	rig_start(r);
	r->server_deaf = true;
	for (int i = 0; i < 390; i++) {
		char query[48];
		snprintf(query, sizeof(query), "rd?ep=dev%d", i);
		snprintf(from, sizeof(from), "192.168.1.10:%d", 20000 + i);
		rig_device(r, from, coap(CON, "0.02", (unsigned)i, "aa", query));
	}
	struct addr one = at(CLOUD);
	fake_name_set(r->net, NAME, &one, 1);
	rig_settle(r);
	ck_assert_uint_lt(rig_counts(r, COUNT_HANDSHAKES), 100);
	rig_advance(r, 1000);
	ck_assert_uint_ge(rig_counts(r, COUNT_HANDSHAKES), 390);
	for (int i = 0; i < 390; i++)
		free((char *)(uintptr_t)r->endpoints[i].name);
	r->conf.endpoint_count = 0;
	rig_free(r);
}
END_TEST

Suite *wan_round_suite(void)
{
	Suite *s = suite_create("wan_round");
	SUITE_TEST(s, rule10_a_server_that_ends_each_session_is_asked_ever_more_slowly);
	SUITE_TEST(s, each_address_has_its_share_of_a_short_timeout);
	SUITE_TEST(s, rule4_the_third_flight_has_its_time_too);
	SUITE_TEST(s, rule10_copies_do_not_start_handshakes_without_a_pause);
	SUITE_TEST(s, message_that_the_kernel_refuses_is_lost_once_and_not_relayed);
	SUITE_TEST(s, rule11_what_the_kernel_drops_is_counted_once);
	SUITE_TEST(s, rule20_a_late_datagram_does_not_keep_a_session_of_the_old_address);
	SUITE_TEST(s, rule20_an_interface_made_anew_gets_a_new_socket_with_the_old_port);
	SUITE_TEST(s, rule19_many_associations_of_a_server_just_found_are_paced);
	return s;
}
