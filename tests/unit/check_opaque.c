/* Conversations that pass unended: what passes, what begins a flow, what ends it, which server. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "rig_opaque.h"
#include "suite.h"
#include "trunk.h"

/* ---- what passes ---- */

START_TEST(a_session_passes_unended)
{
	struct rig *r = up_real(A, true);
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	ck_assert(rig_dtls_is_up(d));
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "rd?ep=anything"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd?ep=anything"));
	rig_server(r, r->port, coap(CON, "0.01", 2, "bb", "3/0/0"));
	rig_expect_dtls(d, coap(CON, "0.01", 2, "bb", "3/0/0"));
	struct flow *f = rig_flow(r, "dev");
	ck_assert(f->is_live);
	ck_assert_uint_eq(r->port, f->wan.port);
	ck_assert_uint_eq(opaque_cid(f).n, 4);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_HANDSHAKES), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_HELLOS_ANSWERED), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_OPAQUE_UP), f->up.messages);
	ck_assert_uint_eq(rig_counts(r, COUNT_OPAQUE_DOWN_BYTES), f->down.bytes);
	ck_assert_uint_ge(f->up.messages, 4);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(records_pass_byte_by_byte)
{
	struct rig *r = up_raw(A);
	static const char *const up[] = { HELLO, DONE DONE, UNIFIED, UNIFIED_CID,
		"16feff" "0000" "000000000001" "000c" "100000000000000000000000",
		"1a" "fefd" "0000" "000000000000" "0012" "0010" "00000000000000000000000000000001" };
	for (size_t i = 0; i < sizeof(up) / sizeof(up[0]); i++)
		up_from(r, A, up[i]);
	ck_assert_uint_eq(r->to.port, RAW_PORT);
	up_from(r, A, record(7));
	up_from(r, A, record(3)); /* order is the device's own affair */
	up_from(r, A, cid_record(8));
	static const char *const down[] = { DONE, TAKEN, UNIFIED, UNIFIED_CID, TAKEN DONE };
	for (size_t i = 0; i < sizeof(down) / sizeof(down[0]); i++)
		down_to(r, A, down[i]);
	ck_assert_uint_eq(rig_flow(r, "dev")->up.messages, 9);
	ck_assert_uint_eq(rig_flow(r, "dev")->down.messages, 5);
	rig_free(r);
}
END_TEST

START_TEST(junk_passes_neither_way)
{
	struct rig *r = up_raw(A);
	shaken(r, A, true);
	lost_from(r, A, "16", DROP_LAN_HEADER);
	lost_from(r, A, "40010001", DROP_LAN_HEADER);
	lost_from(r, A, HELLO "00", DROP_LAN_HEADER);
	lost_from(r, A, "17fefd" "0000" "000000000000" DATA, DROP_LAN_HEADER);
	lost_from(r, A, "ffffffffffffffffffffffffffffff", DROP_LAN_HEADER);
	struct flow *f = rig_flow(r, "dev");
	rig_server_raw(r, f->wan.port, "40010001");
	rig_server_raw(r, f->wan.port, DONE "16");
	rig_server_raw(r, f->wan.port, "17fefd" "0000" "000000000000" DATA);
	rig_expect_silence(r);
	ck_assert_uint_eq(f->drops[DROP_WAN_HEADER], 3);
	rig_free(r);
}
END_TEST

START_TEST(rule13_client_hello_of_a_server_is_never_forwarded)
{
	struct rig *r = up_raw(A);
	struct flow *f = shaken(r, A, true);
	rig_server_raw(r, f->wan.port, HELLO);
	rig_server_raw(r, f->wan.port, DONE HELLO);
	rig_server_raw(r, f->wan.port, "16fefd" "0000" "000000000000" "000d" "01000002000000000100000100");
	rig_expect_silence(r);
	ck_assert_uint_eq(f->drops[DROP_WAN_CLIENT_HELLO], 3);
	down_to(r, A, record(1));
	rig_free(r);
}
END_TEST

/* A datagram of records that is n bytes long. */
static char *long_hex(size_t n)
{
	char *hex = malloc(2 * n + 1);
	ck_assert_ptr_nonnull(hex);
	memset(hex, 'a', 2 * n);
	hex[2 * n] = '\0';
	for (size_t at = 0; at < n;) {
		char head[64];
		size_t body = n - at - 13 > 16000 ? 16000 : n - at - 13;
		snprintf(head, sizeof(head), "17fefd0001%012zx%04zx", at, body);
		memcpy(hex + 2 * at, head, 26);
		at += 13 + body;
	}
	return hex;
}

START_TEST(rule11_what_is_too_large_is_dropped_by_name)
{
	struct rig *r = up_raw(A);
	struct flow *f = shaken(r, A, false);
	char *most = long_hex(UDP_ROOM), *more = long_hex(UDP_ROOM + 1);
	up_from(r, A, most);
	down_to(r, A, most);
	lost_from(r, A, more, DROP_LAN_TOO_LARGE);
	static uint8_t bytes[UDP_ROOM + 1];
	long n = hex_decode(more, strlen(more), bytes, sizeof(bytes));
	fake_wan_arrive(r->net, f->wan.port, NULL, bytes, (size_t)n);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_CUT), 1);
	free(most);
	free(more);
	rig_free(r);
}
END_TEST

/* ---- who is it? ---- */

START_TEST(others_meet_our_own_dtls)
{
	struct rig *r = up_raw(A);
	rig_endpoint(r, "other", "cloud");
	rig_lan_secure(r, "other");
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_register(r, B, "other");
	ck_assert_ptr_null(rig_flow(r, "dev"));
	shaken(r, A, true);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_HANDSHAKES), 1);
	ck_assert_uint_eq(crew_flows(r->dp), 2);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(a_listener_of_its_own_is_for_one_endpoint)
{
	struct rig *r = up_raw(NULL);
	struct conf_listen *l = rig_add_listen(r, "other", 5783);
	l->coaps = 5784;
	l->coaps_is_set = true;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_device_at(r, B, 5784, HELLO);
	rig_expect_server(r, "");
	ck_assert_ptr_null(rig_flow(r, "dev"));
	shaken(r, B, true);
	ck_assert_uint_eq(rig_counts(r, COUNT_HELLOS_ANSWERED), 0);
	rig_free(r);
}
END_TEST

START_TEST(a_listener_and_an_address_bar_all_others)
{
	struct rig *r = up_raw(NULL);
	r->endpoints[0].has_address = true;
	r->endpoints[0].address = at(A);
	struct conf_listen *l = rig_add_listen(r, "other", 5783);
	l->coaps = 5784;
	l->coaps_is_set = true;
	ck_assert_int_eq(rig_apply(r), 0);
	lost_from(r, B, HELLO, DROP_LAN_STRANGER);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	shaken(r, A, true);
	lost_from(r, B, HELLO, DROP_LAN_STRANGER);
	lost_from(r, A2, cid_record(1), DROP_LAN_STRANGER);
	rig_device_at(r, A, 5784, HELLO); /* at another listener it is nobody */
	rig_expect_server(r, "");
	expect_at(r, A);
	rig_free(r);
}
END_TEST

START_TEST(a_port_for_dtls_is_opened_where_they_come_by)
{
	struct rig *r = up_raw(NULL);
	struct conf_listen *l = rig_add_listen(r, "other", 5783);
	l->coaps = 5784;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(fake_net_open(r->net), 6 * opaque_workers); /* IPv6 and IPv4: two and one */
	r->endpoints[0].listen = NULL;
	r->endpoints[0].has_address = true;
	r->endpoints[0].address = at(A);
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(fake_net_open(r->net), 8 * opaque_workers);
	rig_free(r);
}
END_TEST

START_TEST(plain_messages_of_the_same_address_are_another_flow)
{
	struct rig *r = up_raw(A);
	rig_endpoint(r, "plain", "cloud");
	ck_assert_int_eq(rig_apply(r), 0);
	struct flow *f = shaken(r, A, true);
	uint16_t port = r->port;
	rig_register(r, A, "plain", "rd/0");
	ck_assert_uint_ne(r->port, port);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	ck_assert(!f->is_shared);
	r->port = port;
	down_to(r, A, record(1));
	up_from(r, A, record(1));
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

START_TEST(rule2_its_name_is_refused_without_dtls)
{
	struct rig *r = up_raw(A);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	rig_expect_device(r, A, refusal("4.03", 1, "aa", -1));
	shaken(r, A, true);
	rig_device(r, A2, coap(CON, "0.02", 2, "aa", "rd?ep=dev"));
	rig_expect_device(r, A2, refusal("4.03", 2, "aa", -1));
	expect_at(r, A);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_SECURED), 2);
	rig_free(r);
}
END_TEST

/* ---- life ---- */

START_TEST(a_hello_or_a_connection_id_begins_a_flow)
{
	struct rig *r = up_raw(A);
	lost_from(r, A, record(1), DROP_LAN_STRANGER);
	lost_from(r, A, DONE, DROP_LAN_STRANGER);
	lost_from(r, A, UNIFIED, DROP_LAN_STRANGER);
	lost_from(r, A, "1234", DROP_LAN_HEADER);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	ck_assert_uint_eq(fake_net_open(r->net), 4 * opaque_workers);
	up_from(r, A, cid_record(9));
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_advance(r, UNPROVEN_MS);
	ck_assert_uint_eq(flows_count(r->dp->flows), 0);
	up_from(r, A, HELLO);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule7_it_ends_by_the_idle_limit)
{
	struct rig *r = up_raw(A);
	struct flow *f = shaken(r, A, true);
	uint16_t port = r->port;
	rig_advance(r, FLOW_IDLE_MS - 1000);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	down_to(r, A, record(1));
	rig_advance(r, FLOW_IDLE_MS - 1000);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	rig_advance(r, 1000);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	up_from(r, A, HELLO); /* the port is remembered (rule 4) */
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

START_TEST(a_full_table_refuses_in_silence)
{
	struct rig *r = up_raw(A);
	r->conf.gateway.max_endpoints = 1;
	rig_endpoint(r, "plain", "cloud");
	ck_assert_int_eq(rig_apply(r), 0);
	rig_register(r, B, "plain", "rd/0");
	lost_from(r, A, HELLO, DROP_TABLE_FULL);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

/* ---- reload and restart ---- */

START_TEST(rule18_a_reload_keeps_it)
{
	struct rig *r = up_raw(A);
	struct flow *f = shaken(r, A, true);
	uint16_t port = f->wan.port;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	up_from(r, A, record(1));
	ck_assert_uint_eq(r->port, port);
	r->endpoints[0].address = at(B);
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule18_another_mode_ends_it)
{
	struct rig *r = up_raw(A);
	shaken(r, A, true);
	r->endpoints[0].mode = CONF_TRANSPARENT;
	r->endpoints[0].identity = "meter17";
	r->endpoints[0].key = (struct conf_key){ (uint8_t *)(uintptr_t)r->key.p, r->key.n };
	rig_lan_secure(r, "dev");
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(rule18_another_listener_ends_it)
{
	struct rig *r = up_raw(NULL);
	struct conf_listen *l = rig_add_listen(r, "other", 5783);
	l->coaps = 5784;
	shaken(r, A, true);
	r->endpoints[0].listen = l;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_free(r);
}
END_TEST

/* Stops the relay and starts it again with what was saved. */
static void restart(struct rig *r)
{
	struct life_saved saved;
	life_save(rig_flow(r, "dev"), &saved, fake_net_now(r->net));
	uint8_t cid[255];
	memcpy(cid, saved.cid.p, saved.cid.n);
	saved.cid.p = cid;
	saved.endpoint = "dev";
	saved.server = rig_conf_server(r, "raw") != NULL ? "raw" : "cloud";
	saved.listener = "lan";
	rig_stop(r);
	rig_start(r);
	ck_assert_int_eq(life_restore(r->dp, &saved, 0, fake_net_now(r->net)), 0);
}

START_TEST(rule19_a_session_survives_a_restart)
{
	struct rig *r = up_real(NULL, true);
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "rd"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd"));
	uint16_t port = r->port;
	restart(r);
	ck_assert_uint_eq(r->goodbyes, 0);
	rig_server(r, port, coap(CON, "0.01", 2, "bb", "3/0/0")); /* the server speaks first */
	rig_expect_dtls(d, coap(CON, "0.01", 2, "bb", "3/0/0"));
	rig_dtls_send(d, coap(CON, "0.02", 3, "aa", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 3, "aa", "rd/0"));
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(r->hellos, 2);
	ck_assert_uint_eq(opaque_cid(rig_flow(r, "dev")).n, 4);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule19_a_row_for_another_listener_or_mode_is_not_taken)
{
	struct rig *r = up_raw(NULL);
	shaken(r, A, true);
	struct life_saved saved;
	life_save(rig_flow(r, "dev"), &saved, fake_net_now(r->net));
	ck_assert(saved.is_secured);
	saved.endpoint = "dev";
	saved.server = "raw";
	saved.listener = "lan";
	saved.cid.n = 0;
	struct conf_listen *l = rig_add_listen(r, "other", 5783);
	l->coaps = 5784;
	r->endpoints[0].listen = l;
	rig_stop(r);
	rig_start(r);
	ck_assert_int_eq(life_restore(r->dp, &saved, 0, fake_net_now(r->net)), -ENOENT);
	saved.is_secured = false;
	ck_assert_int_eq(life_restore(r->dp, &saved, 0, fake_net_now(r->net)), -ENOENT);
	rig_free(r);
}
END_TEST

/* ---- the server ---- */

#define NAME "cloud.example"

static struct rig *up_named(void)
{
	struct rig *r = opaque_rig();
	struct conf_server *s = rig_add_server(r, "raw", NAME, RAW_PORT);
	s->scheme = CONF_COAPS;
	s->security = CONF_PSK;
	opaque_endpoint(r, "raw", A);
	rig_start(r);
	return r;
}

static void expect_server_at(struct rig *r, const char *host)
{
	struct addr want = at(host);
	ck_assert(addr_same_host(&r->to, &want));
	ck_assert_uint_eq(r->to.port, RAW_PORT);
}

START_TEST(records_are_lost_until_the_server_is_found)
{
	struct rig *r = up_named();
	struct addr a[1] = { at(CLOUD) };
	lost_from(r, A, HELLO, DROP_WAN_AWAY);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	fake_name_set(r->net, NAME, a, 1);
	rig_settle(r);
	up_from(r, A, HELLO);
	expect_server_at(r, CLOUD);
	rig_free(r);
}
END_TEST

static struct rig *up_twice(void)
{
	struct rig *r = up_named();
	struct addr a[2] = { at(CLOUD), at(CLOUD2) };
	fake_name_set(r->net, NAME, a, 2);
	rig_settle(r);
	return r;
}

START_TEST(hellos_without_answer_go_to_the_next_address)
{
	struct rig *r = up_twice();
	for (int i = 0; i < OPAQUE_HELLOS; i++) {
		up_from(r, A, HELLO);
		expect_server_at(r, CLOUD);
	}
	uint16_t port = r->port;
	for (int i = 0; i < OPAQUE_HELLOS; i++) {
		up_from(r, A, HELLO);
		expect_server_at(r, CLOUD2);
		ck_assert_uint_eq(r->port, port);
	}
	up_from(r, A, HELLO); /* rule 4: from a new port now */
	expect_server_at(r, CLOUD);
	ck_assert_uint_ne(r->port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_PORTS_GIVEN_UP), 1);
	ck_assert_uint_eq(rig_flow(r, "dev")->route->port, r->port);
	down_to(r, A, DONE); /* an answer of any kind: it is there */
	for (int i = 0; i < OPAQUE_HELLOS; i++) {
		up_from(r, A, HELLO);
		expect_server_at(r, CLOUD);
	}
	rig_free(r);
}
END_TEST

START_TEST(a_refused_hello_goes_to_the_next_address)
{
	struct rig *r = up_twice();
	up_from(r, A, HELLO);
	expect_server_at(r, CLOUD);
	uint16_t port = r->port;
	ck_assert(fake_wan_error(r->net, port, ECONNREFUSED));
	rig_settle(r);
	up_from(r, A, HELLO);
	expect_server_at(r, CLOUD2);
	ck_assert_uint_eq(r->port, port);
	ck_assert(fake_wan_error(r->net, port, ECONNREFUSED));
	rig_settle(r);
	up_from(r, A, HELLO);
	expect_server_at(r, CLOUD);
	ck_assert_uint_eq(r->port, port); /* nobody there: the port is not the reason */
	rig_free(r);
}
END_TEST

START_TEST(a_session_stays_where_it_is)
{
	struct rig *r = up_twice();
	struct flow *f = shaken(r, A, true);
	uint16_t port = f->wan.port;
	ck_assert(fake_wan_error(r->net, port, ECONNREFUSED));
	rig_settle(r);
	for (unsigned i = 1; i < 10; i++) {
		up_from(r, A, record(i));
		expect_server_at(r, CLOUD);
		rig_advance(r, 2 * SILENCE_MS); /* rule 10 is not for us: nothing is tried */
	}
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES), 0);
	ck_assert_uint_eq(f->wan.port, port);
	ck_assert_int_eq(f->wan.state, WAN_UP);
	rig_free(r);
}
END_TEST

START_TEST(rule20_it_follows_our_own_address)
{
	struct rig *r = up_raw(A);
	struct flow *f = shaken(r, A, true);
	uint16_t port = f->wan.port;
	struct addr ours = at("192.0.2.77");
	fake_net_source(r->net, true, &ours);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_advance(r, 5000);
	up_from(r, A, cid_record(1));
	ck_assert_uint_eq(r->port, port);
	ck_assert(addr_same_host(&r->from, &ours));
	rig_free(r);
}
END_TEST

START_TEST(rule20_it_is_never_assisted)
{
	struct rig *r = up_raw(A);
	rig_conf_server(r, "raw")->assist_update = true;
	ck_assert_int_eq(rig_apply(r), 0);
	struct flow *f = shaken(r, A, true);
	struct addr ours = at("192.0.2.77");
	fake_net_source(r->net, true, &ours);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_advance(r, 10000);
	rig_expect_silence(r);
	ck_assert_ptr_null(f->assist);
	rig_free(r);
}
END_TEST

Suite *opaque_suite(void)
{
	Suite *s = suite_create("opaque");
	OPAQUE_TEST(s, a_session_passes_unended);
	OPAQUE_TEST(s, records_pass_byte_by_byte);
	OPAQUE_TEST(s, junk_passes_neither_way);
	OPAQUE_TEST(s, rule13_client_hello_of_a_server_is_never_forwarded);
	OPAQUE_TEST(s, rule11_what_is_too_large_is_dropped_by_name);
	OPAQUE_TEST(s, others_meet_our_own_dtls);
	OPAQUE_TEST(s, a_listener_of_its_own_is_for_one_endpoint);
	OPAQUE_TEST(s, a_listener_and_an_address_bar_all_others);
	OPAQUE_TEST(s, a_port_for_dtls_is_opened_where_they_come_by);
	OPAQUE_TEST(s, plain_messages_of_the_same_address_are_another_flow);
	OPAQUE_TEST(s, rule2_its_name_is_refused_without_dtls);
	OPAQUE_TEST(s, a_hello_or_a_connection_id_begins_a_flow);
	OPAQUE_TEST(s, rule7_it_ends_by_the_idle_limit);
	OPAQUE_TEST(s, a_full_table_refuses_in_silence);
	OPAQUE_TEST(s, rule18_a_reload_keeps_it);
	OPAQUE_TEST(s, rule18_another_mode_ends_it);
	OPAQUE_TEST(s, rule18_another_listener_ends_it);
	OPAQUE_TEST(s, rule19_a_session_survives_a_restart);
	OPAQUE_TEST(s, rule19_a_row_for_another_listener_or_mode_is_not_taken);
	OPAQUE_TEST(s, records_are_lost_until_the_server_is_found);
	OPAQUE_TEST(s, hellos_without_answer_go_to_the_next_address);
	OPAQUE_TEST(s, a_refused_hello_goes_to_the_next_address);
	OPAQUE_TEST(s, a_session_stays_where_it_is);
	OPAQUE_TEST(s, rule20_it_follows_our_own_address);
	OPAQUE_TEST(s, rule20_it_is_never_assisted);
	return s;
}
