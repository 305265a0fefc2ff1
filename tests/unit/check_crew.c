/* Several workers in one thread: whatever comes to whichever of them, devices and servers see one relay. */
#include "trunk.h"
#include "suite.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lan_session.h"
#include "rig_crew.h"

#define UPDATE(mid, uri) coap(CON, "0.02", mid, "ab", uri)

/* ---- whom the kernel brings elsewhere ---- */

START_TEST(crew_serves_a_device_where_it_comes_in)
{
	struct rig *r = up(2);
	register_at(r, 1, A, "dev", "rd/0");
	ck_assert_uint_eq(owner(r, "dev"), 1);
	ck_assert_uint_eq(flows_count(rig_worker(r, 0)->flows), 0);
	exchange(r, A, 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 0);
	rig_free(r);
}
END_TEST

/* The kernel's choice has changed: the answer leaves all the same, by the same port. */
START_TEST(crew_hands_a_known_device_over_to_its_worker)
{
	struct rig *r = up(3);
	register_at(r, 2, A, "dev", "rd/0");
	for (int i = 0; i < 3; i++) {
		steer_to(r, i);
		exchange(r, A, 10 + (unsigned)i);
		ck_assert_uint_eq(r->sent_from.port, 5683);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 2);
	ck_assert_uint_eq(owner(r, "dev"), 2);
	rig_free(r);
}
END_TEST

/* Rule 3 over workers: the old address is asked, and stays silent. The association stays. */
START_TEST(crew_moves_a_device_that_comes_to_another_worker)
{
	struct rig *r = up(2);
	register_at(r, 0, A, "dev", "rd/0");
	uint16_t port = r->port;
	steer_to(r, 1);
	const char *again = coap(CON, "0.02", 0x77, "aa", "rd?ep=dev&lt=60");
	rig_device(r, B, again);
	stays_silent(r, A);
	rig_expect_server(r, again);
	ck_assert_uint_eq(r->port, port);
	rig_server(r, port, located(ACK, "2.01", 0x77, "aa", "rd/1"));
	rig_expect_device(r, B, located(ACK, "2.01", 0x77, "aa", "rd/1"));
	exchange(r, B, 0x78);
	ck_assert_uint_eq(owner(r, "dev"), 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 1);
	rig_free(r);
}
END_TEST

/* And one that answers keeps its flow, whichever worker its thief came to. */
START_TEST(crew_refuses_who_feigns_to_be_a_device_of_another_worker)
{
	struct rig *r = up(2);
	register_at(r, 0, A, "dev", "rd/0");
	steer_to(r, 1);
	rig_device(r, B, coap(CON, "0.02", 0x77, "aa", "rd?ep=dev&lt=60"));
	const char *ping = rig_device_got(r, A);
	unsigned mid = (unsigned)strtoul(ping + 4, NULL, 16);
	rig_device(r, A, empty(RST, mid));
	rig_expect_device(r, B, refusal("4.03", 0x77, "aa", -1));
	steer_to(r, 0);
	exchange(r, A, 3);
	rig_free(r);
}
END_TEST

/* ---- one address, two endpoints, two workers ---- */

/* An address is given to another device: its new owner's flow comes to the worker that serves the address, as a
 * guest, and the address is its own once the server has accepted it. The source port is kept. */
START_TEST(crew_brings_a_guest_to_the_worker_of_its_address)
{
	struct rig *r = up(2);
	register_at(r, 0, A, "dev", "rd/0");
	register_at(r, 1, B, "dev2", "rd/1");
	uint16_t port = r->port;
	steer_to(r, 0);
	const char *again = coap(CON, "0.02", 0x77, "aa", "rd?ep=dev2&lt=60");
	rig_device(r, A, again);
	stays_silent(r, B);
	rig_expect_server(r, again);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(owner(r, "dev2"), 0);
	ck_assert_ptr_nonnull(rig_flow(r, "dev")); /* both are served as yet */
	ck_assert(rig_flow(r, "dev2")->is_guest);
	rig_server(r, port, located(ACK, "2.01", 0x77, "aa", "rd/2"));
	rig_expect_device(r, A, located(ACK, "2.01", 0x77, "aa", "rd/2"));
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_FLOWS), 1);
	rig_free(r);
}
END_TEST

/* ---- what is remembered ---- */

START_TEST(crew_remembers_a_port_whichever_worker_had_it)
{
	struct rig *r = up(2);
	register_at(r, 0, A, "dev", "rd/0");
	uint16_t port = r->port;
	deregister(r, A, "rd/0");
	ck_assert_uint_eq(owner(r, "dev"), DIRECTORY_NOBODY);
	register_at(r, 1, B, "dev", "rd/0");
	ck_assert_uint_eq(owner(r, "dev"), 1);
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

static uint16_t port_of(const struct rig *r, const char *name, const char *server)
{
	return directory_port(r->crew->directory, name, server, false);
}

/* With a flow or without, at whichever worker; what stays configured is kept. */
START_TEST(crew_forgets_the_ports_of_endpoints_that_a_reload_removes)
{
	struct rig *r = up(3);
	rig_add_server(r, "second", CLOUD2, 5683);
	rig_endpoint(r, "dev3", "cloud");
	ck_assert_int_eq(rig_apply(r), 0);
	static const char *const name[] = { "dev", "dev2", "dev3" }, *const from[] = { A, B, A2 };
	uint16_t port[3];
	for (int i = 0; i < 3; i++) {
		steer_to(r, (i + 1) % 3);
		rig_register(r, from[i], name[i], "rd/0");
		port[i] = r->port;
		ck_assert_uint_eq(port_of(r, name[i], "cloud"), port[i]);
	}
	deregister(r, B, "rd/0");
	ck_assert_uint_eq(port_of(r, "dev2", "cloud"), port[1]);
	r->endpoints[2].server = rig_conf_server(r, "second");
	struct conf_endpoint kept = r->endpoints[0];
	r->endpoints[0] = r->endpoints[2];
	r->conf.endpoint_count = 1;
	ck_assert_int_eq(rig_apply(r), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(port_of(r, name[i], "cloud"), 0);
	r->endpoints[1] = kept;
	r->conf.endpoint_count = 2;
	ck_assert_int_eq(rig_apply(r), 0);
	steer_to(r, 0);
	rig_register(r, A, "dev", "rd/0");
	ck_assert_uint_ne(r->port, port[0]);
	ck_assert_uint_eq(port_of(r, "dev", "cloud"), r->port);
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(port_of(r, "dev", "cloud"), r->port);
	rig_free(r);
}
END_TEST

/* A row of nobody whom a section names, and that can not be restored, leaves nothing. */
START_TEST(crew_forgets_the_port_of_a_stranger_that_is_not_restored)
{
	struct rig *r = rig_create();
	r->workers = 2;
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = rig_conf_server(r, "cloud");
	rig_start(r);
	steer_to(r, 1);
	struct flow *flow = rig_register(r, A, "stranger", "rd/0");
	struct life_saved row;
	life_save(flow, &row, fake_net_now(r->net));
	row.endpoint = "another";
	ck_assert_int_eq(life_restore(rig_worker(r, 1), &row, 0, fake_net_now(r->net)), -EEXIST);
	ck_assert_uint_eq(port_of(r, "another", "cloud"), 0);
	ck_assert_uint_eq(port_of(r, "stranger", "cloud"), r->port);
	deregister(r, A, "rd/0");
	ck_assert_uint_eq(port_of(r, "stranger", "cloud"), 0);
	rig_free(r);
}
END_TEST

START_TEST(crew_holds_the_limit_of_flows_exactly)
{
	struct rig *r = rig_of(2);
	r->conf.gateway.max_endpoints = 3;
	char name[4][16];
	for (int i = 0; i < 4; i++) {
		snprintf(name[i], sizeof(name[i]), "dev%d", i);
		rig_endpoint(r, name[i], "cloud");
	}
	rig_start(r);
	static const char *const from[] = { A, B, A2, "192.168.1.12:40000" };
	for (int i = 0; i < 3; i++) {
		register_at(r, i % 2, from[i], name[i], "rd/0");
	}
	for (int i = 0; i < 2; i++) {
		steer_to(r, i);
		rig_device(r, from[3], coap(CON, "0.02", 9, "aa", "rd?ep=dev3"));
		rig_expect_device(r, from[3], refusal("5.03", 9, "aa", BUSY_MAX_AGE_S));
	}
	rig_free(r);
}
END_TEST

/* Strangers who all come to one worker find no less room than if they were spread. */
START_TEST(crew_counts_unproven_endpoints_of_all_workers)
{
	struct rig *r = rig_of(2);
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->listens[0].server = rig_conf_server(r, "cloud");
	r->conf.gateway.max_endpoints = 8;
	rig_start(r);
	for (unsigned i = 0; i < 6; i++) {
		char from[40], uri[40];
		snprintf(from, sizeof(from), "192.168.1.%u:40000", 20 + i);
		snprintf(uri, sizeof(uri), "rd?ep=invented%u&lt=60", i);
		const char *request = coap(CON, "0.02", i, "aa", uri);
		steer_to(r, i < 3 ? 1 : i % 2);
		rig_device(r, from, request);
		if (i < 4)
			rig_expect_server(r, request);
		else
			rig_expect_device(r, from, refusal("5.03", i, "aa", BUSY_MAX_AGE_S));
	}
	ck_assert_uint_eq(rig_drops(r, DROP_UNPROVEN_FULL), 2);
	rig_free(r);
}
END_TEST

/* ---- reload ---- */

START_TEST(crew_is_reloaded_as_one)
{
	struct rig *r = up(2);
	register_at(r, 1, A, "dev", "rd/0");
	uint16_t port = r->port;
	rig_add_listen(r, "more", 5700);
	ck_assert_int_eq(rig_apply(r), 0);
	exchange(r, A, 1);
	ck_assert_uint_eq(r->port, port);
	rig_device_at(r, B, 5700, coap(CON, "0.02", 9, "aa", "rd?ep=dev2"));
	rig_expect_server(r, coap(CON, "0.02", 9, "aa", "rd?ep=dev2"));
	r->conf.endpoint_count = 0;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	ck_assert_ptr_null(rig_flow(r, "dev2"));
	rig_free(r);
}
END_TEST

/* What fails at the last worker is undone at all of them, and numbers go on alike. */
START_TEST(crew_changes_nothing_where_one_worker_can_not)
{
	struct rig *r = up(3);
	register_at(r, 2, A, "dev", "rd/0");
	unsigned open = fake_net_open(r->net);
	rig_add_listen(r, "more", 5700);
	for (unsigned fails = 1; fails <= 5; fails += 2) {
		fake_net_fail_watches(r->net, ENOSPC, 1);
		ck_assert_int_eq(rig_apply(r), -ENOSPC);
		ck_assert_uint_eq(fake_net_open(r->net), open);
	}
	exchange(r, A, 1);
	ck_assert_int_eq(rig_apply(r), 0);
	for (unsigned i = 1; i < 3; i++) {
		const struct datapath *dp = rig_worker(r, i);
		ck_assert_uint_eq(dp->port_numbers, r->dp->port_numbers);
		ck_assert_uint_eq(dp->listener_numbers, r->dp->listener_numbers);
		ck_assert_uint_eq(dp->server_numbers, r->dp->server_numbers);
	}
	steer_to(r, 0);
	exchange(r, A, 2);
	rig_free(r);
}
END_TEST

/* A port that gives way to another is shut at all workers, and comes back to all where that can not be. */
START_TEST(crew_makes_way_for_an_address_of_the_same_port)
{
	struct rig *r = up(2);
	struct addr lan = at("192.168.1.1");
	unsigned open = fake_net_open(r->net);
	r->listens[0].address = &lan;
	r->listens[0].address_count = 1;
	ck_assert_int_eq(rig_apply(r), 0);
	register_at(r, 1, A, "dev", "rd/0");
	r->listens[0].address_count = 0;
	ck_assert_int_eq(rig_apply(r), 0);
	exchange(r, A, 4);
	ck_assert_uint_eq(fake_net_open(r->net), open + 1);
	rig_free(r);
}
END_TEST

/* ---- static devices ---- */

START_TEST(crew_opens_a_static_device_once_where_it_will_come)
{
	struct rig *r = up_static(3, A);
	ck_assert_uint_eq(directory_flows(r->crew->directory), 1);
	struct addr device = at(A);
	ck_assert_uint_eq(owner(r, "dev"), steer_by_source(&r->crew->steer, &device));
	exchange(r, A, 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_OVER), 0);
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(directory_flows(r->crew->directory), 1);
	rig_free(r);
}
END_TEST

/* With an address alone any port is the device's, and any worker may hear it. */
START_TEST(crew_leads_a_static_device_to_its_worker_from_any_port)
{
	struct rig *r = up_static(3, "192.168.1.10");
	for (int i = 0; i < 3; i++) {
		steer_to(r, i);
		exchange(r, i == 1 ? A2 : A, 20 + (unsigned)i);
	}
	ck_assert_uint_eq(directory_flows(r->crew->directory), 1);
	rig_free(r);
}
END_TEST

/* The endpoint is at another worker than its address: a new way of it is there, too. */
START_TEST(crew_opens_a_static_way_where_its_endpoint_is)
{
	struct rig *r = rig_of(2);
	rig_add_server(r, "cloud2", CLOUD2, 5683);
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	struct addr device = at("192.168.1.10:5683");
	unsigned home = steer_by_source(&r->crew->steer, &device);
	register_at(r, home == 0 ? 1 : 0, A, "dev", "rd/0");
	ck_assert_uint_ne(owner(r, "dev"), home);
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud2");
	e->has_address = true;
	e->address = at("192.168.1.10");
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(directory_flows(r->crew->directory), 2);
	ck_assert_uint_eq(flows_count(rig_worker(r, home)->flows), 0);
	rig_free(r);
}
END_TEST

/* ---- devices with DTLS ---- */

/* A device without connection id begins anew from another port, at another worker: its session goes to the
 * flow, and the server notices nothing. */
START_TEST(crew_hands_a_new_session_to_the_worker_of_the_flow)
{
	struct rig *r = up_secure(2, false);
	struct rig_dtls *d = dtls_register_at(r, 0, A);
	uint16_t port = r->port;
	struct rig_dtls *again = dtls_at(r, 1, A2);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_SESSIONS), 1);
	ck_assert_uint_eq(lan_sessions_count(rig_worker(r, 1)->sessions, true), 0);
	rig_dtls_serve(r, again);
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(owner(r, "dev"), 0);
	ck_assert_uint_eq(rig_proven(r), 1); /* the old one is over */
	rig_dtls_free(d);
	rig_dtls_free(again);
	rig_free(r);
}
END_TEST

/* From the very same port: the old session stands at the worker, the new one at the other. */
START_TEST(crew_serves_a_new_session_beside_an_old_one_of_the_address)
{
	struct rig *r = up_secure(2, false);
	struct rig_dtls *d = dtls_register_at(r, 0, A);
	for (int i = 1; i < 4; i++) {
		struct rig_dtls *again = dtls_at(r, i % 2, A);
		rig_dtls_serve(r, again);
		rig_dtls_free(again);
		ck_assert_uint_eq(rig_proven(r), 1);
	}
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* Its connection id leads to the worker that made the session; from there to where it is now. */
START_TEST(crew_finds_a_session_by_its_connection_id)
{
	struct rig *r = up_secure(2, true);
	struct rig_dtls *d = dtls_register_at(r, 0, A);
	for (int i = 0; i < 2; i++) {
		steer_to(r, i);
		rig_dtls_move(d, i == 0 ? B : A2);
		rig_dtls_serve(r, d);
	}
	steer_to(r, 1);
	struct rig_dtls *again = rig_dtls_begin(r, B, "dev-lan", true);
	rig_lan_pump(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_SESSIONS), 1);
	rig_dtls_serve(r, again);
	steer_to(r, -1); /* as its id says: to the maker */
	rig_dtls_move(again, V6);
	rig_dtls_serve(r, again);
	rig_dtls_free(d);
	rig_dtls_free(again);
	rig_free(r);
}
END_TEST

/* The device hears that its session is over, and nobody has one; ends all. */
static void expect_no_session(struct rig *r, struct rig_dtls *d, struct rig_dtls *again)
{
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(again));
	ck_assert_uint_eq(rig_proven(r), 0);
	rig_dtls_free(d);
	rig_dtls_free(again);
	rig_free(r);
}

/* The maker's part of a session may change or go before the session does. */
START_TEST(crew_reloads_with_a_session_of_another_workers_making)
{
	struct rig *r = up_secure(2, true);
	struct rig_dtls *d = dtls_register_at(r, 0, A);
	struct rig_dtls *again = dtls_at(r, 1, A2);
	rig_dtls_serve(r, again);
	ck_assert_int_eq(rig_apply(r), 0);
	rig_dtls_serve(r, again);
	r->listens[0].cid = false; /* another DTLS server: all sessions end */
	ck_assert_int_eq(rig_apply(r), 0);
	expect_no_session(r, d, again);
}
END_TEST

/* A session under way refers to what the reload ends. */
START_TEST(crew_reloads_with_a_session_under_way)
{
	struct rig *r = up_secure(2, true);
	struct rig_dtls *d = dtls_register_at(r, 0, A);
	is_late(r, 0);
	struct rig_dtls *again = dtls_at(r, 1, A2);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_SESSIONS), 1);
	r->listens[0].cid = false;
	ck_assert_int_eq(rig_apply(r), 0);
	comes_to_it(r, 0);
	expect_no_session(r, d, again);
}
END_TEST

/* While a session was under way the endpoint came to another worker. One worker has it, and a device that needs
 * the session hears that it is over. */
START_TEST(crew_ends_a_session_that_comes_too_late)
{
	struct rig *r = up_secure(2, false);
	struct rig_dtls *d = dtls_at(r, 0, A);
	ck_assert_uint_eq(owner(r, "dev"), 0);
	is_late(r, 0);
	struct rig_dtls *late = dtls_at(r, 1, A2);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_SESSIONS), 1);
	steer_to(r, 0);
	rig_dtls_close(d);
	ck_assert_uint_eq(owner(r, "dev"), DIRECTORY_NOBODY);
	struct rig_dtls *again = dtls_at(r, 1, B);
	ck_assert_uint_eq(owner(r, "dev"), 1);
	comes_to_it(r, 0);
	rig_lan_pump(r);
	ck_assert(rig_dtls_is_closed(late));
	ck_assert_uint_eq(lan_sessions_count(rig_worker(r, 0)->sessions, true), 0);
	ck_assert_uint_eq(lan_sessions_count(rig_worker(r, 1)->sessions, true), 1);
	rig_dtls_free(d);
	rig_dtls_free(late);
	rig_dtls_free(again);
	rig_free(r);
}
END_TEST

/* Rule 2 over workers. */
START_TEST(crew_refuses_a_secured_endpoint_without_dtls)
{
	struct rig *r = up_secure(2, false);
	struct rig_dtls *d = dtls_register_at(r, 0, A);
	steer_to(r, 1);
	rig_device(r, B, coap(CON, "0.02", 9, "aa", "rd?ep=dev"));
	rig_expect_device(r, B, refusal("4.03", 9, "aa", -1));
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* A reader who is too far behind loses by name, and nobody is hurt. */
START_TEST(crew_loses_by_name_what_a_ring_has_no_room_for)
{
	struct rig *r = up(2);
	register_at(r, 0, A, "dev", "rd/0");
	steer_to(r, 1);
	struct addr device = at(A), called = at("192.168.1.1:5683");
	struct lan_port *port = port_at(r, 1);
	static uint8_t bytes[10000] = { 0x40, 0x01, 0, 1 };
	struct udp_slot slot = { .bytes = bytes, .n = sizeof(bytes), .peer = device, .called = called,
		.ifindex = r->ifindex };
	bytes[4] = 0xff;
	for (int i = 0; i < 40; i++) /* 256 KiB hold 26 */
		port->calls->datagram(port->who, port, &slot, fake_net_now(r->net));
	ck_assert_uint_ge(rig_drops(r, DROP_HANDOVER_FULL), 10);
	rig_settle(r);
	unsigned came = 0;
	while (rig_server_got(r)[0] != '\0')
		came++;
	ck_assert_uint_eq(came + rig_drops(r, DROP_HANDOVER_FULL), 40);
	exchange(r, A, 3);
	rig_free(r);
}
END_TEST

/* A device's datagrams come to the socket of this worker. */
static void flood(struct rig *r, const char *from, unsigned worker, size_t n, unsigned times)
{
	static uint8_t bytes[10000] = { 0x40, 0x01, 0, 1, 0xff };
	struct lan_port *port = port_at(r, worker);
	struct udp_slot slot = { .bytes = bytes, .n = n, .peer = at(from), .called = at("192.168.1.1:5683"),
		.ifindex = r->ifindex };
	while (times-- > 0)
		port->calls->datagram(port->who, port, &slot, fake_net_now(r->net));
}

/* The flow stays, with its association, and goes when there is room: the device repeats its Register. */
START_TEST(crew_keeps_a_flow_that_a_ring_has_no_room_for)
{
	struct rig *r = up(2);
	register_at(r, 0, A, "dev", "rd/0");
	register_at(r, 1, B, "dev2", "rd/1");
	steer_to(r, 0);
	rig_device(r, A, coap(CON, "0.02", 0x77, "aa", "rd?ep=dev2&lt=60"));
	is_late(r, 0);
	flood(r, A, 1, 10000, 40);
	flood(r, A, 1, 4, 100);
	stays_silent(r, B);
	ck_assert_uint_eq(owner(r, "dev2"), 1);
	ck_assert_ptr_nonnull(rig_flow(r, "dev2"));
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDED_FLOWS), 0);
	comes_to_it(r, 0);
	for (int i = 0; i < 4; i++)
		rig_settle(r);
	while (rig_server_got(r)[0] != '\0')
		;
	rig_free(r);
}
END_TEST

/* ---- by chance ---- */

/* Devices speak, change ports and hosts, while the kernel brings them to any worker. */
START_TEST(crew_serves_all_whatever_the_kernel_chooses)
{
	enum { DEVICES = 6, STEPS = 400 };
	char name[DEVICES][16], from[DEVICES][32], location[DEVICES][16];
	uint16_t port[DEVICES];
	struct rig *r = rig_of(4);
	for (int i = 0; i < DEVICES; i++) {
		snprintf(name[i], sizeof(name[i]), "dev%d", i);
		rig_endpoint(r, name[i], "cloud");
	}
	rig_start(r);
	srand(rig_seed());
	for (int i = 0; i < DEVICES; i++) {
		snprintf(from[i], sizeof(from[i]), "192.168.1.%d:40000", 20 + i);
		snprintf(location[i], sizeof(location[i]), "rd/%d", i);
		register_at(r, rand() % 4, from[i], name[i], location[i]);
		port[i] = r->port;
	}
	for (unsigned step = 1; step <= STEPS; step++) {
		int i = rand() % DEVICES;
		const char *update = UPDATE(step, location[i]);
		steer_to(r, rand() % 4);
		if (rand() % 3 == 0) /* another port of its host */
			snprintf(from[i], sizeof(from[i]), "192.168.1.%d:%d", 20 + i, 40000 + rand() % 9);
		rig_device(r, from[i], update);
		rig_expect_server(r, update);
		ck_assert_uint_eq(r->port, port[i]);
		rig_server(r, port[i], coap(ACK, "2.04", step, "ab", NULL));
		rig_expect_device(r, from[i], coap(ACK, "2.04", step, "ab", NULL));
		rig_advance(r, 10);
	}
	ck_assert_uint_eq(directory_flows(r->crew->directory), DEVICES);
	ck_assert_uint_eq(rig_drops(r, DROP_STRANGER_LOCATION), 0);
	ck_assert_uint_gt(rig_counts(r, COUNT_HANDED_OVER), STEPS / 2);
	rig_free(r);
}
END_TEST

Suite *crew_suite(void)
{
	Suite *s = suite_create("crew");
	SUITE_TEST(s, crew_serves_a_device_where_it_comes_in);
	SUITE_TEST(s, crew_hands_a_known_device_over_to_its_worker);
	SUITE_TEST(s, crew_moves_a_device_that_comes_to_another_worker);
	SUITE_TEST(s, crew_refuses_who_feigns_to_be_a_device_of_another_worker);
	SUITE_TEST(s, crew_brings_a_guest_to_the_worker_of_its_address);
	SUITE_TEST(s, crew_remembers_a_port_whichever_worker_had_it);
	SUITE_TEST(s, crew_forgets_the_ports_of_endpoints_that_a_reload_removes);
	SUITE_TEST(s, crew_forgets_the_port_of_a_stranger_that_is_not_restored);
	SUITE_TEST(s, crew_holds_the_limit_of_flows_exactly);
	SUITE_TEST(s, crew_counts_unproven_endpoints_of_all_workers);
	SUITE_TEST(s, crew_is_reloaded_as_one);
	SUITE_TEST(s, crew_changes_nothing_where_one_worker_can_not);
	SUITE_TEST(s, crew_makes_way_for_an_address_of_the_same_port);
	SUITE_TEST(s, crew_opens_a_static_device_once_where_it_will_come);
	SUITE_TEST(s, crew_leads_a_static_device_to_its_worker_from_any_port);
	SUITE_TEST(s, crew_opens_a_static_way_where_its_endpoint_is);
	SUITE_TEST(s, crew_hands_a_new_session_to_the_worker_of_the_flow);
	SUITE_TEST(s, crew_serves_a_new_session_beside_an_old_one_of_the_address);
	SUITE_TEST(s, crew_finds_a_session_by_its_connection_id);
	SUITE_TEST(s, crew_reloads_with_a_session_of_another_workers_making);
	SUITE_TEST(s, crew_reloads_with_a_session_under_way);
	SUITE_TEST(s, crew_ends_a_session_that_comes_too_late);
	SUITE_TEST(s, crew_refuses_a_secured_endpoint_without_dtls);
	SUITE_TEST(s, crew_loses_by_name_what_a_ring_has_no_room_for);
	SUITE_TEST(s, crew_keeps_a_flow_that_a_ring_has_no_room_for);
	SUITE_TEST(s, crew_serves_all_whatever_the_kernel_chooses);
	return s;
}
