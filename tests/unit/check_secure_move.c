/* Devices with DTLS that come back, move, flood, and live through a reload and a restart (DESIGN.md 6,
 * rules 3, 12, 18, 19). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "identity.h"
#include "lan_session.h"
#include "rig_lan.h"
#include "suite.h"
#include "trunk.h"

#define C "192.168.1.12:50000"

static struct rig *up(void)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "other", "cloud");
	rig_lan_secure(r, "dev");
	rig_lan_secure(r, "other");
	rig_start(r);
	return r;
}

/* ---- before a record's turn ---- */

START_TEST(what_is_fetched_is_the_session_and_its_flow)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	const struct lan_session *s = lan_session_next(r->dp->sessions, LAN_PROVEN, NULL);
	ck_assert_ptr_nonnull(s);
	struct lan_key key = s->key;
	key.identity = 0;
	ck_assert_ptr_eq(lan_session_fetch(lan_session_fetch_chain(r->dp->sessions, &key)), s);
	ck_assert_ptr_eq(flow_fetch_id(r->dp->flows, s->flow)->session, s);
	for (int i = 0; i < 3; i++)
		rig_dtls_send(d, RIG_SEND); /* a batch */
	for (int i = 0; i < 3; i++)
		rig_expect_server(r, RIG_SEND);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- a device that begins anew ---- */

START_TEST(rule12_reboot_at_the_same_address_takes_the_flow_once_it_is_proven)
{
	struct rig *r = up();
	struct rig_dtls *old = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	struct rig_dtls *new = rig_dtls_begin(r, A, "dev-lan", true);
	while (rig_counts(r, COUNT_DEVICE_HANDSHAKES_DONE) == 1) {
		rig_dtls_send(old, RIG_SEND); /* the old session is as good as ever */
		rig_expect_server(r, RIG_SEND);
		ck_assert_uint_gt(rig_lan_step(r), 0);
	}
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_up(new));
	rig_dtls_serve(r, new);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(rig_proven(r), 1);
	ck_assert_uint_eq(rig_half_open(r), 0);
	rig_dtls_send(old, RIG_SEND);
	rig_expect_silence(r);
	rig_dtls_free(old);
	rig_dtls_free(new);
	rig_free(r);
}
END_TEST

START_TEST(rule12_a_handshake_that_is_never_proven_harms_nobody)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_lan_wrong_key(r, true);
	for (unsigned i = 0; i < 5; i++) {
		rig_dtls_free(rig_dtls(r, A, "dev-lan"));
		rig_dtls_serve(r, d);
	}
	rig_advance(r, HALF_OPEN_MS / 2);
	while (fake_lan_take(r->net) != NULL)
		;
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule3_new_handshake_from_elsewhere_takes_the_flow)
{
	struct rig *r = up();
	struct rig_dtls *old = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	struct rig_dtls *new = rig_dtls(r, B, "dev-lan");
	ck_assert(rig_dtls_is_up(new));
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 1);
	rig_server(r, port, coap(CON, "0.01", 1, "cc", "3/0"));
	rig_expect_dtls(new, coap(CON, "0.01", 1, "cc", "3/0"));
	rig_dtls_serve(r, new);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(rig_proven(r), 1);
	rig_dtls_free(old);
	rig_dtls_free(new);
	rig_free(r);
}
END_TEST

START_TEST(rule3_wrong_key_from_elsewhere_takes_nothing)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_lan_wrong_key(r, true);
	struct rig_dtls *thief = rig_dtls(r, B, "dev-lan");
	rig_server(r, r->port, coap(CON, "0.01", 1, "cc", "3/0"));
	rig_expect_dtls(d, coap(CON, "0.01", 1, "cc", "3/0"));
	ck_assert_str_eq(rig_dtls_got(thief), "");
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 0);
	rig_dtls_free(d);
	rig_dtls_free(thief);
	rig_free(r);
}
END_TEST

/* ---- a device that moves by its connection id ---- */

START_TEST(rule3_newer_record_with_a_connection_id_moves_the_flow)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	rig_dtls_serve(r, d);
	rig_dtls_move(d, B);
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_HANDSHAKES_DONE), 1);
	struct addr b = at(B);
	ck_assert(addr_eq(&rig_flow(r, "dev")->key.device, &b));
	rig_server(r, port, coap(CON, "0.01", 1, "cc", "3/0"));
	rig_expect_dtls(d, coap(CON, "0.01", 1, "cc", "3/0"));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule3_replayed_or_older_record_moves_nothing)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	struct addr a = at(A);
	rig_dtls_serve(r, d);
	rig_dtls_replay(d, B);
	ck_assert(addr_eq(&rig_flow(r, "dev")->key.device, &a));
	rig_dtls_lose(d, RIG_SEND); /* a record that an attacker kept back ... */
	struct rig_dtls *kept = d;
	uint16_t port = r->port;
	rig_dtls_replay(kept, B); /* ... it is newer than all: this one does move */
	rig_expect_server(r, RIG_SEND);
	rig_dtls_move(d, B);
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->port, port);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule3_older_record_that_was_never_seen_passes_and_moves_nothing)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	struct addr a = at(A);
	static uint8_t bytes[UDP_ROOM];
	rig_dtls_lose(d, RIG_SEND);
	size_t n = rig_dtls_last(d, bytes);
	rig_dtls_serve(r, d); /* a newer one came */
	struct addr b = at(B), called = r->called[true];
	called.port = DEVICE_PORT;
	fake_lan_arrive(r->net, &b, &called, r->ifindex, bytes, n);
	rig_expect_server(r, RIG_SEND);
	ck_assert(addr_eq(&rig_flow(r, "dev")->key.device, &a));
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(without_a_connection_id_a_moved_device_is_a_stranger)
{
	struct rig *r = up();
	r->listens[0].cid = false;
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_dtls_move(d, B);
	rig_dtls_send(d, RIG_SEND);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_STRANGER), 1);
	rig_dtls_move(d, A);
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule19_interface_made_anew_is_followed_in_the_session)
{
	struct rig *r = up();
	r->listens[0].cid = _i;
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	r->ifindex = 9;
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->sent_ifindex, 9);
	ck_assert_uint_eq(rig_flow(r, "dev")->key.ifindex, 9);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* Until it speaks there is no other number than the one that is gone. */
START_TEST(rule20_device_whose_interface_was_made_anew_is_reached_before_it_speaks)
{
	struct rig *r = up();
	const char *ask = coap(CON, "0.01", 5, "bb", "3/0");
	fake_net_interface(r->net, "lan0", r->ifindex);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	for (int i = 0; i < 2; i++) { /* another event alone changes nothing */
		datapath_addresses_changed(r->dp, fake_net_now(r->net));
		rig_advance(r, MOVE_SOCKETS_AFTER_MS);
		rig_server(r, port, ask);
		rig_lan_pump(r);
		rig_expect_dtls(d, ask);
		ck_assert_uint_eq(r->sent_ifindex, i == 0 ? 2 : 0);
		fake_net_interface(r->net, "lan0", 9);
	}
	r->ifindex = 9;
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(r->sent_ifindex, 9);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(connection_id_of_another_listener_is_a_strangers)
{
	struct rig *r = up();
	struct conf_listen *l = rig_add_listen(r, "second", 5693);
	l->coaps = 5694;
	l->cid = true;
	ck_assert_int_eq(rig_apply(r), 0);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	static uint8_t bytes[UDP_ROOM];
	rig_dtls_lose(d, RIG_SEND);
	size_t n = rig_dtls_last(d, bytes);
	struct addr b = at(B), called = r->called[true];
	called.port = 5694;
	fake_lan_arrive(r->net, &b, &called, r->ifindex, bytes, n);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_STRANGER), 1);
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule12_copy_of_a_hello_makes_no_other_session)
{
	struct rig *r = up();
	static uint8_t bytes[UDP_ROOM];
	struct rig_dtls *d = rig_dtls_begin(r, A, "dev-lan", true);
	rig_lan_step(r); /* the hello with its cookie */
	size_t n = rig_dtls_last(d, bytes);
	struct addr a = at(A), called = r->called[true];
	called.port = DEVICE_PORT;
	ck_assert_uint_eq(rig_half_open(r), 1);
	fake_lan_arrive(r->net, &a, &called, r->ifindex, bytes, n);
	ck_assert_uint_eq(rig_half_open(r), 1);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_up(d));
	fake_lan_arrive(r->net, &a, &called, r->ifindex, bytes, n);
	ck_assert_uint_eq(rig_half_open(r), 0);
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- floods ---- */

static const char *host(unsigned i, unsigned port)
{
	static char text[40];
	snprintf(text, sizeof(text), "10.%u.%u.%u:%u", i >> 16, i >> 8 & 255, i & 255, port);
	return text;
}

START_TEST(rule12_unverified_address_costs_no_memory)
{
	struct rig *r = up();
	for (unsigned i = 0; i < 3000; i++) {
		struct rig_dtls *d = rig_dtls_begin(r, host(i, 5000), "dev-lan", true);
		const struct fake_datagram *answer = fake_lan_take(r->net);
		ck_assert_ptr_nonnull(answer);
		ck_assert_uint_le(answer->n, 60);
		rig_dtls_free(d);
	}
	ck_assert_uint_eq(rig_half_open(r) + rig_proven(r), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_HELLOS_ANSWERED), 3000);
	rig_dtls_free(rig_dtls_register(r, A, "dev"));
	rig_free(r);
}
END_TEST

/* Answers the cookie, and goes no further. */
static void half(struct rig *r, const char *from)
{
	struct rig_dtls *d = rig_dtls_begin(r, from, "dev-lan", true);
	rig_lan_step(r);
	while (fake_lan_take(r->net) != NULL)
		;
	rig_dtls_free(d);
}

START_TEST(rule12_one_host_may_have_so_many_handshakes)
{
	struct rig *r = up();
	half(r, host(7, 100));
	for (unsigned i = 0; i < 3 * HALF_OPEN_PER_SOURCE; i++)
		half(r, host(1, 1000 + i));
	ck_assert_uint_eq(rig_half_open(r), HALF_OPEN_PER_SOURCE + 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_PUSHED_OUT), 2 * HALF_OPEN_PER_SOURCE);
	struct rig_dtls *d = rig_dtls_register(r, host(1, 999), "dev"); /* the newest is served */
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_advance(r, HALF_OPEN_MS);
	while (fake_lan_take(r->net) != NULL)
		;
	ck_assert_uint_eq(rig_half_open(r), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule12_all_hosts_together_may_have_so_many)
{
	struct rig *r = up();
	struct rig_dtls *live = rig_dtls_register(r, C, "other");
	for (unsigned i = 0; i < 3000; i++)
		half(r, host(i, 5000));
	ck_assert_uint_eq(rig_half_open(r), HALF_OPEN_MAX);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_dtls_serve(r, d);
	rig_dtls_serve(r, live);
	rig_dtls_free(d);
	rig_dtls_free(live);
	rig_free(r);
}
END_TEST

START_TEST(rule12_one_host_begins_so_many_handshakes_a_second)
{
	struct rig *r = up();
	struct rig_dtls *live = rig_dtls_register(r, C, "other");
	for (unsigned i = 0; i < HANDSHAKES_BURST + 10; i++)
		half(r, host(1, 1000 + i));
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_HANDSHAKES), 10);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev"); /* another host is served */
	rig_dtls_serve(r, live);
	rig_advance(r, 20);
	while (fake_lan_take(r->net) != NULL)
		;
	half(r, host(1, 60000));
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_HANDSHAKES), 10);
	rig_dtls_free(d);
	rig_dtls_free(live);
	rig_free(r);
}
END_TEST

START_TEST(rule12_strangers_do_not_push_out_who_has_a_flow)
{
	struct rig *r = up();
	struct rig_dtls *old = rig_dtls_register(r, A, "dev");
	half(r, A2); /* its host has a flow */
	const struct lan_session *known = lan_session_next(r->dp->sessions, LAN_KNOWN, NULL);
	ck_assert_ptr_nonnull(known);
	for (unsigned i = 0; i < 2 * HALF_OPEN_MAX; i++)
		half(r, host(i, 5000));
	ck_assert_ptr_eq(lan_session_next(r->dp->sessions, LAN_KNOWN, NULL), known);
	ck_assert_uint_eq(rig_half_open(r), HALF_OPEN_MAX + 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_DEVICE_PUSHED_OUT), HALF_OPEN_MAX);
	rig_dtls_free(old);
	rig_free(r);
}
END_TEST

START_TEST(rule12_cookie_is_good_over_one_new_secret_and_no_more)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_begin(r, A, "dev-lan", true);
	rig_advance(r, COOKIE_MS);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_up(d));
	rig_dtls_free(d);
	d = rig_dtls_begin(r, B, "other-lan", true);
	rig_advance(r, 2 * COOKIE_MS);
	rig_lan_pump(r);
	ck_assert(!rig_dtls_is_up(d));
	ck_assert_uint_eq(rig_half_open(r), 0);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(junk_at_the_port_is_named)
{
	static const struct {
		const char *hex;
		enum drop why;
	} rows[] = {
		{ "40010001", DROP_LAN_COAP },
		{ "ff", DROP_LAN_JUNK },
		{ "00", DROP_LAN_JUNK },
		{ "16fefd0000000000000000000100", DROP_LAN_STRANGER },
		{ "17fefd0001000000000001000401020304", DROP_LAN_STRANGER },
		{ "16fefd000000000000000000", DROP_LAN_STRANGER },
		{ "16fefd0000000000000000000c010000000000000000000000", DROP_LAN_HELLO },
		{ "19fefd000100000000000111223344556677880004aabbccdd", DROP_LAN_STRANGER },
		{ "19fefd0001", DROP_LAN_HEADER },
		{ "2e000001", DROP_LAN_HEADER },
		{ "15fefd00000000000000000002020a", DROP_LAN_STRANGER },
	};
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = rig_drops(r, rows[i].why);
		rig_device_at(r, B, DEVICE_PORT, rows[i].hex);
		ck_assert_msg(rig_drops(r, rows[i].why) == before + 1, "row %u", i);
		rig_expect_silence(r);
		rig_device_at(r, A, DEVICE_PORT, rows[i].hex); /* the same as if from the device */
		rig_expect_silence(r);
		rig_dtls_serve(r, d);
	}
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- reload ---- */

START_TEST(rule18_reload_keeps_sessions_that_are_still_allowed)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint32_t number = rig_flow(r, "dev")->key.identity;
	rig_endpoint(r, "new", "cloud");
	rig_lan_secure(r, "new");
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_flow(r, "dev")->key.identity, number);
	rig_dtls_serve(r, d);
	struct rig_dtls *n = rig_dtls_register(r, B, "new");
	rig_dtls_serve(r, n);
	rig_dtls_move(d, C);
	rig_dtls_serve(r, d);
	rig_dtls_free(d);
	rig_dtls_free(n);
	rig_free(r);
}
END_TEST

static const uint8_t new_key[16] = "a new key      ";

START_TEST(rule18_changed_key_ends_the_session_and_keeps_the_flow)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	struct conf_key before = r->endpoints[0].lan_key;
	r->endpoints[0].lan_key = (struct conf_key){ (uint8_t *)(uintptr_t)new_key, 16 };
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	ck_assert_uint_eq(rig_proven(r), 0);
	rig_dtls_free(d);
	d = rig_dtls(r, A, "dev-lan");
	ck_assert(!rig_dtls_is_up(d)); /* the old key is of no use */
	rig_dtls_free(d);
	r->endpoints[0].lan_key = before;
	ck_assert_int_eq(rig_apply(r), 0);
	while (fake_lan_take(r->net) != NULL)
		;
	d = rig_dtls(r, A, "dev-lan");
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->port, port);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule18_removed_endpoint_ends)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "other");
	r->conf.endpoint_count = 1;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	ck_assert_ptr_null(rig_flow(r, "other"));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule18_dtls_turned_off_and_on)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	r->listens[0].coaps = 0;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	ck_assert_ptr_null(rig_flow(r, "dev"));
	rig_dtls_free(d);
	r->listens[0].coaps = DEVICE_PORT;
	ck_assert_int_eq(rig_apply(r), 0);
	d = rig_dtls_register(r, A, "dev");
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule18_other_dtls_settings_end_sessions_and_keep_flows)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	r->listens[0].cid = false;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	rig_dtls_free(d);
	d = rig_dtls(r, A, "dev-lan");
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->port, port);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule18_endpoint_that_gets_or_loses_credentials_changes_sides)
{
	struct rig *r = up();
	rig_endpoint(r, "late", "cloud");
	ck_assert_int_eq(rig_apply(r), 0);
	rig_register(r, A, "late", "rd/5");
	rig_lan_secure(r, "late");
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_null(rig_flow(r, "late"));
	struct rig_dtls *d = rig_dtls_register(r, A, "late");
	r->endpoints[2].lan_identity = NULL;
	r->endpoints[2].lan_key = (struct conf_key){ NULL, 0 };
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_null(rig_flow(r, "late"));
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(d));
	rig_dtls_free(d);
	rig_register(r, A, "late", "rd/6");
	rig_free(r);
}
END_TEST

START_TEST(rule18_reload_in_a_handshake_costs_a_new_one)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_begin(r, A, "dev-lan", true);
	rig_lan_step(r);
	ck_assert_uint_eq(rig_half_open(r), 1);
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_half_open(r), 0);
	while (fake_lan_take(r->net) != NULL)
		;
	rig_dtls_free(d);
	rig_dtls_free(rig_dtls_register(r, A, "dev"));
	rig_free(r);
}
END_TEST

START_TEST(stop_says_goodbye)
{
	struct rig *r = up();
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	rig_stop(r);
	rig_lan_pump_stopped(r);
	ck_assert(rig_dtls_is_closed(d));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* ---- restart ---- */

START_TEST(rule19_restored_flow_waits_for_its_device)
{
	struct rig *r = up();
	struct life_saved saved;
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	uint16_t port = r->port;
	life_save(rig_flow(r, "dev"), &saved, fake_net_now(r->net));
	ck_assert(saved.is_secured);
	saved.location = "/rd/0";
	saved.endpoint = "dev";
	saved.server = "cloud";
	saved.listener = "lan";
	rig_stop(r);
	while (fake_lan_take(r->net) != NULL)
		;
	rig_dtls_free(d);
	rig_start(r);
	ck_assert_int_eq(life_restore(r->dp, &saved, 0, fake_net_now(r->net)), 0);
	rig_server(r, port, coap(CON, "0.01", 1, "cc", "3/0"));
	ck_assert_uint_eq(rig_drops(r, DROP_DEVICE_AWAY), 1);
	rig_device(r, A, coap(CON, "0.02", 3, "aa", "rd/0")); /* not without DTLS */
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), 1);
	d = rig_dtls(r, B, "dev-lan");
	rig_dtls_serve(r, d);
	ck_assert_uint_eq(r->port, port);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(rule19_saved_flow_of_an_endpoint_without_credentials_is_none)
{
	struct rig *r = up();
	rig_endpoint(r, "open", "cloud");
	ck_assert_int_eq(rig_apply(r), 0);
	struct life_saved saved = { .endpoint = "open", .server = "cloud", .listener = "lan",
		.device = at(A), .called = at("192.168.1.1"), .port = 41000, .expires_in_ms = -1,
		.is_secured = true };
	ck_assert_int_eq(life_restore(r->dp, &saved, 0, fake_net_now(r->net)), -ENOENT);
	saved.endpoint = "dev";
	saved.is_secured = false;
	ck_assert_int_eq(life_restore(r->dp, &saved, 0, fake_net_now(r->net)), -ENOENT);
	rig_free(r);
}
END_TEST

Suite *secure_move_suite(void)
{
	Suite *s = suite_create("secure devices that move");
	SUITE_TEST(s, what_is_fetched_is_the_session_and_its_flow);
	SUITE_TEST(s, rule12_reboot_at_the_same_address_takes_the_flow_once_it_is_proven);
	SUITE_TEST(s, rule12_a_handshake_that_is_never_proven_harms_nobody);
	SUITE_TEST(s, rule3_new_handshake_from_elsewhere_takes_the_flow);
	SUITE_TEST(s, rule3_wrong_key_from_elsewhere_takes_nothing);
	SUITE_TEST(s, rule3_newer_record_with_a_connection_id_moves_the_flow);
	SUITE_TEST(s, rule3_replayed_or_older_record_moves_nothing);
	SUITE_TEST(s, rule3_older_record_that_was_never_seen_passes_and_moves_nothing);
	SUITE_TEST(s, without_a_connection_id_a_moved_device_is_a_stranger);
	TCase *t = tcase_create("with and without connection ids");
	tcase_add_loop_test(t, rule19_interface_made_anew_is_followed_in_the_session, 0, 2);
	tcase_add_test(t, rule20_device_whose_interface_was_made_anew_is_reached_before_it_speaks);
	suite_add_tcase(s, t);
	SUITE_TEST(s, connection_id_of_another_listener_is_a_strangers);
	SUITE_TEST(s, rule12_copy_of_a_hello_makes_no_other_session);
	SUITE_TEST(s, rule12_unverified_address_costs_no_memory);
	SUITE_TEST(s, rule12_one_host_may_have_so_many_handshakes);
	SUITE_TEST(s, rule12_all_hosts_together_may_have_so_many);
	SUITE_TEST(s, rule12_one_host_begins_so_many_handshakes_a_second);
	SUITE_TEST(s, rule12_strangers_do_not_push_out_who_has_a_flow);
	SUITE_TEST(s, rule12_cookie_is_good_over_one_new_secret_and_no_more);
	SUITE_TEST(s, junk_at_the_port_is_named);
	SUITE_TEST(s, rule18_reload_keeps_sessions_that_are_still_allowed);
	SUITE_TEST(s, rule18_changed_key_ends_the_session_and_keeps_the_flow);
	SUITE_TEST(s, rule18_removed_endpoint_ends);
	SUITE_TEST(s, rule18_dtls_turned_off_and_on);
	SUITE_TEST(s, rule18_other_dtls_settings_end_sessions_and_keep_flows);
	SUITE_TEST(s, rule18_endpoint_that_gets_or_loses_credentials_changes_sides);
	SUITE_TEST(s, rule18_reload_in_a_handshake_costs_a_new_one);
	SUITE_TEST(s, stop_says_goodbye);
	SUITE_TEST(s, rule19_restored_flow_waits_for_its_device);
	SUITE_TEST(s, rule19_saved_flow_of_an_endpoint_without_credentials_is_none);
	return s;
}
