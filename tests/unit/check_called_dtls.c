/* Devices with DTLS that call their servers' own addresses (DESIGN.md 6, rules 16 and 17). */
#include "called.h"
#include <stdio.h>
#include <string.h>
#include "lan_session.h"
#include "rig_lan.h"
#include "rig_opaque.h"
#include "suite.h"
#include "trunk.h"

/* An endpoint of two servers; its devices call the first. */
static struct rig *up(void)
{
	static const char *names[] = { "br-lan" };
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_add_server(r, "field", CLOUD2, 5683);
	rig_endpoint(r, "dev", "field");
	rig_lan_secure(r, "dev");
	r->listens[0].interface = (struct conf_list){ names, 1 };
	r->listens[0].intercept = true;
	fake_net_interface(r->net, "br-lan", r->ifindex);
	fake_net_own(r->net, &r->called[true]);
	rig_start(r);
	rig_transparent(r);
	rig_call(r, CLOUD);
	return r;
}

static void expect_reaches(struct rig *r, struct rig_dtls *d, const char *server)
{
	struct addr to = at(server);
	rig_call(r, server);
	rig_dtls_serve(r, d);
	ck_assert(addr_same_host(&r->to, &to));
}

/* From one port: what tells them apart is what they call. */
START_TEST(rule16_a_device_has_a_session_for_each_server_that_it_calls)
{
	struct rig *r = up();
	struct rig_dtls *one = rig_dtls_register(r, A, "dev");
	rig_call(r, CLOUD2);
	struct rig_dtls *two = rig_dtls_register(r, A, "dev");
	ck_assert_uint_eq(rig_proven(r), 2);
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	for (int i = 0; i < 2; i++) {
		expect_reaches(r, one, CLOUD);
		expect_reaches(r, two, CLOUD2);
	}
	/* The device begins anew with one server; the other session is none of that. */
	rig_call(r, CLOUD2);
	struct rig_dtls *again = rig_dtls(r, A, "dev-lan");
	ck_assert_uint_eq(rig_proven(r), 2);
	expect_reaches(r, again, CLOUD2);
	expect_reaches(r, one, CLOUD);
	rig_dtls_free(one);
	rig_dtls_free(two);
	rig_dtls_free(again);
	rig_free(r);
}
END_TEST

/* A connection id is good towards the server that it was agreed for. */
START_TEST(rule16_connection_id_called_at_another_server_is_a_strangers)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_call(r, CLOUD2);
	rig_dtls_move(d, B);
	rig_dtls_send(d, RIG_SEND);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_STRANGER), 1);
	expect_reaches(r, d, CLOUD); /* moved, and heard */
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* Nor is a session without one. */
START_TEST(rule16_record_called_at_another_server_is_a_strangers)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_begin(r, A, "dev-lan", false);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_up(d));
	rig_call(r, CLOUD2);
	rig_dtls_send(d, RIG_SEND);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_STRANGER), 1);
	expect_reaches(r, d, CLOUD);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule18_interception_that_is_turned_off_ends_its_sessions)
{
	struct rig *r = up();
	struct rig_dtls *captured = rig_dtls_register(r, A, "dev");
	r->listens[0].intercept = false;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_proven(r), 0);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(captured));
	rig_dtls_free(captured);
	rig_free(r);
}
END_TEST

/* Each costs memory and a timer. */
START_TEST(rule16_sessions_of_an_endpoint_are_limited)
{
	static char names[10][4], hosts[10][24];
	struct rig_dtls *d[10];
	struct rig *r = up();
	r->takes_strays = true;
	for (unsigned i = 0; i < 10; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", i);
		snprintf(hosts[i], sizeof(hosts[i]), "203.0.113.%u", i + 1);
		rig_add_server(r, names[i], hosts[i], 5683);
		rig_endpoint(r, "dev", names[i]);
	}
	rig_lan_secure(r, "dev");
	rig_add_listen(r, "more", 7000);
	ck_assert_int_eq(rig_apply(r), 0);
	rig_transparent(r);
	for (unsigned i = 0; i < 10; i++) {
		rig_call(r, hosts[i]);
		d[i] = rig_dtls(r, A, "dev-lan");
		ck_assert_uint_le(rig_proven(r), 2 + SESSIONS_CALLED);
	}
	ck_assert_uint_eq(rig_proven(r), 2 + SESSIONS_CALLED);
	r->conf.listen_count--;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_proven(r), 1 + SESSIONS_CALLED);
	rig_call(r, CLOUD);
	struct rig_dtls *again = rig_dtls_register(r, A, "dev");
	expect_reaches(r, again, CLOUD);
	rig_dtls_free(again);
	for (unsigned i = 0; i < 10; i++)
		rig_dtls_free(d[i]);
	rig_free(r);
}
END_TEST

START_TEST(rule15_there_are_timers_for_a_session_with_each_called_server)
{
	size_t reserved[2];
	static char names[50][4];
	for (int is_on = 0; is_on < 2; is_on++) {
		struct rig *r = up();
		for (unsigned i = 0; i < 50; i++) {
			snprintf(names[i], sizeof(names[i]), "e%u", i);
			rig_endpoint(r, names[i], "cloud");
			rig_lan_secure(r, names[i]);
		}
		rig_stop(r);
		r->listens[0].intercept = is_on;
		rig_start(r);
		reserved[is_on] = r->dp->reserved;
		rig_free(r);
	}
	ck_assert_uint_ge(reserved[1], reserved[0] + 50 * SESSIONS_CALLED);
}
END_TEST

/* A device that no section names has no route before it registers: two handshakes may come before. */
START_TEST(rule16_unknown_device_has_a_session_for_each_server_that_it_calls)
{
	struct rig *r = up();
	struct addr to[2] = { at(CLOUD), at(CLOUD2) };
	struct rig_dtls *d[2];
	rig_stop(r);
	rig_lan_pki(r);
	r->listens[0].server = &r->servers[0];
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	rig_start(r);
	rig_transparent(r);
	for (int i = 0; i < 2; i++) {
		rig_call(r, i == 0 ? CLOUD : CLOUD2);
		d[i] = rig_dtls_cert(r, A, "device.pem", "device.key");
		ck_assert(rig_dtls_is_up(d[i]));
	}
	ck_assert_uint_eq(rig_proven(r), 2);
	for (int i = 0; i < 2; i++) {
		rig_call(r, i == 0 ? CLOUD : CLOUD2);
		const char *request = coap(CON, "0.02", 7, "aa", "rd?lt=60");
		rig_dtls_send(d[i], request);
		rig_expect_server(r, request);
		ck_assert(addr_same_host(&r->to, &to[i]));
		rig_server(r, r->port, located(ACK, "2.01", 7, "aa", "rd/0"));
		rig_expect_dtls(d[i], located(ACK, "2.01", 7, "aa", "rd/0"));
	}
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	rig_dtls_free(d[0]);
	rig_dtls_free(d[1]);
	rig_free(r);
}
END_TEST

/* It had one with its server and one with us; now both lead to that server. The newest stays. */
START_TEST(rule18_sessions_of_an_unknown_device_become_one)
{
	struct rig *r = up();
	struct rig_dtls *d[2];
	rig_stop(r);
	rig_lan_pki(r);
	r->listens[0].server = &r->servers[1];
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	rig_start(r);
	rig_transparent(r);
	for (int i = 0; i < 2; i++) {
		rig_call(r, i == 0 ? CLOUD : "192.168.1.1");
		d[i] = rig_dtls_cert(r, A, "device.pem", "device.key");
		const char *request = coap(CON, "0.02", 7, "aa", "rd?lt=60");
		rig_dtls_send(d[i], request);
		rig_expect_server(r, request);
		rig_server(r, r->port, located(ACK, "2.01", 7, "aa", "rd/0"));
		rig_expect_dtls(d[i], located(ACK, "2.01", 7, "aa", "rd/0"));
	}
	ck_assert_uint_eq(rig_proven(r), 2);
	r->listens[0].server = &r->servers[0];
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_proven(r), 1);
	rig_call(r, "192.168.1.1");
	rig_dtls_serve(r, d[1]);
	rig_dtls_free(d[0]);
	rig_dtls_free(d[1]);
	rig_free(r);
}
END_TEST

/* Its connection id is good where it was given; and who calls us instead is on trial as anybody else. */
START_TEST(rule16_opaque_device_is_known_where_it_calls_alone)
{
	static const char *names[] = { "br-lan" };
	struct addr cloud = at(CLOUD), ours = at("192.168.1.1");
	struct rig *r = rig_create();
	struct conf_server *s = rig_add_server(r, "raw", CLOUD, RAW_PORT);
	s->scheme = CONF_COAPS;
	s->security = CONF_PSK;
	rig_add_server(r, "field", CLOUD2, 5683);
	opaque_endpoint(r, "raw", "192.168.1.10");
	r->listens[0].interface = (struct conf_list){ names, 1 };
	r->listens[0].intercept = true;
	fake_net_interface(r->net, "br-lan", r->ifindex);
	fake_net_own(r->net, &ours);
	rig_start(r);
	rig_transparent(r);
	rig_call(r, CLOUD);
	const char *up[] = { HELLO, cid_record(0) }, *down[] = { TAKEN, record(0) };
	for (int i = 0; i < 2; i++) {
		rig_device_at(r, A, RAW_PORT, up[i]);
		rig_expect_server(r, up[i]);
		rig_server_raw(r, r->port, down[i]);
		rig_expect_device(r, A, down[i]);
		ck_assert(addr_same_host(&r->sent_from, &cloud));
	}
	rig_call(r, CLOUD2);
	rig_device_at(r, B, RAW_PORT, cid_record(1));
	rig_expect_server(r, "");
	rig_call(r, CLOUD);
	rig_device_at(r, A, RAW_PORT, cid_record(2));
	rig_expect_server(r, cid_record(2));
	rig_call(r, "192.168.1.1");
	rig_device_at(r, A, RAW_PORT, cid_record(3));
	rig_expect_server(r, cid_record(3));
	rig_server_raw(r, r->port, record(1));
	rig_expect_device(r, A, record(1));
	ck_assert(addr_same_host(&r->sent_from, &cloud));
	rig_expect_device(r, A, record(1));
	ck_assert(addr_same_host(&r->sent_from, &ours));
	rig_free(r);
}
END_TEST

Suite *called_dtls_suite(void)
{
	Suite *s = suite_create("called, DTLS");
	SUITE_TEST(s, rule16_a_device_has_a_session_for_each_server_that_it_calls);
	SUITE_TEST(s, rule16_connection_id_called_at_another_server_is_a_strangers);
	SUITE_TEST(s, rule16_record_called_at_another_server_is_a_strangers);
	SUITE_TEST(s, rule18_interception_that_is_turned_off_ends_its_sessions);
	SUITE_TEST(s, rule18_sessions_of_an_unknown_device_become_one);
	SUITE_TEST(s, rule16_opaque_device_is_known_where_it_calls_alone);
	SUITE_TEST(s, rule16_sessions_of_an_endpoint_are_limited);
	SUITE_TEST(s, rule15_there_are_timers_for_a_session_with_each_called_server);
	SUITE_TEST(s, rule16_unknown_device_has_a_session_for_each_server_that_it_calls);
	return s;
}
