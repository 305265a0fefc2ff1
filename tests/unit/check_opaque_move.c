/* Opaque devices that speak from another address, and others who say so. */
#include <string.h>
#include "rig_opaque.h"
#include "suite.h"
#include "trunk.h"
#include "wolf_peer.h"

#define HOST "192.168.1.10"
/* Another host. */
#define C "192.168.1.12:40000"

/* It is not of the opaque device, whatever our own DTLS says of it. */
static void not_of_dev(struct rig *r, const char *from, const char *hex)
{
	rig_device_at(r, from, DEVICE_PORT, hex);
	rig_expect_server(r, "");
}

static void trial_over(struct rig *r)
{
	rig_advance(r, OPAQUE_TRIAL_MS);
}

/* ---- a device that moved ---- */

START_TEST(a_session_moves_with_its_connection_id)
{
	struct rig *r = up_real(HOST, true);
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "rd"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd"));
	uint16_t port = r->port;
	rig_dtls_move(d, B);
	r->takes_strays = true;
	rig_dtls_send(d, coap(CON, "0.02", 2, "aa", "rd/0"));
	rig_expect_server(r, coap(CON, "0.02", 2, "aa", "rd/0"));
	ck_assert_uint_eq(r->port, port);
	expect_at(r, A);
	rig_server(r, port, coap(ACK, "2.04", 2, "aa", NULL));
	rig_expect_dtls(d, coap(ACK, "2.04", 2, "aa", NULL));
	ck_assert_uint_eq(r->strays, 1); /* the old address got it too */
	expect_at(r, A);
	trial_over(r);
	expect_at(r, B);
	rig_server(r, port, coap(CON, "0.01", 3, "bb", "3/0/0"));
	rig_expect_dtls(d, coap(CON, "0.01", 3, "bb", "3/0/0"));
	ck_assert_uint_eq(r->strays, 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_FLOWS_MOVED), 1);
	ck_assert_uint_eq(r->hellos, 2);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

/* The server's id stands in its hello in clear; the numbers do not. */
START_TEST(a_session_of_dtls13_moves_with_its_connection_id)
{
	struct rig *r = up_real(HOST, true);
	r->v13 = true;
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	ck_assert(rig_dtls_is_up(d));
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "rd"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd"));
	ck_assert_uint_eq(opaque_cid(rig_flow(r, "dev")).n, 4);
	uint16_t port = r->port;
	rig_server(r, port, coap(ACK, "2.01", 1, "aa", NULL));
	rig_expect_dtls(d, coap(ACK, "2.01", 1, "aa", NULL));
	rig_dtls_move(d, B);
	r->takes_strays = true;
	for (unsigned mid = 2; mid < 4; mid++) {
		rig_dtls_send(d, coap(CON, "0.02", mid, "aa", "rd/0"));
		rig_expect_server(r, coap(CON, "0.02", mid, "aa", "rd/0"));
		ck_assert_uint_eq(r->port, port);
		expect_at(r, A);
		rig_server(r, port, coap(ACK, "2.04", mid, "aa", NULL));
		rig_expect_dtls(d, coap(ACK, "2.04", mid, "aa", NULL));
	}
	trial_over(r);
	expect_at(r, B);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(a_move_holds_once_the_server_has_answered)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	uint16_t port = r->port;
	up_from(r, B, cid_record(1));
	ck_assert_uint_eq(r->port, port);
	trial_over(r); /* no answer: it stays */
	expect_at(r, A);
	down_to(r, A, record(1));
	up_from(r, B, cid_record(2));
	down_to_both(r, A, B, DONE); /* whoever has no key may say this */
	trial_over(r);
	expect_at(r, A);
	up_from(r, B, cid_record(3));
	rig_advance(r, OPAQUE_TRIAL_MS / 2); /* the time begins with the answer */
	down_to_both(r, A, B, record(2));
	rig_advance(r, OPAQUE_TRIAL_MS - 1);
	expect_at(r, A);
	rig_advance(r, 1);
	expect_at(r, B);
	down_to(r, B, record(3));
	lost_from(r, A, cid_record(0), DROP_LAN_OLD); /* a copy that was late */
	up_from(r, B, cid_record(4));
	down_to(r, B, record(4));
	rig_free(r);
}
END_TEST

START_TEST(rule19_a_move_is_saved_and_found_after_a_restart)
{
	struct rig *r = up_raw(HOST);
	struct flow *f = shaken(r, A, true);
	unsigned changed = r->changed;
	up_from(r, B, cid_record(1));
	down_to_both(r, A, B, record(1));
	trial_over(r);
	ck_assert_uint_gt(r->changed, changed);
	struct life_saved saved;
	life_save(f, &saved, fake_net_now(r->net));
	static uint8_t cid[255];
	ck_assert_uint_eq(saved.cid.n, 4);
	memcpy(cid, saved.cid.p, saved.cid.n);
	saved.cid.p = cid;
	saved.endpoint = "dev";
	saved.server = "raw";
	saved.listener = "lan";
	uint16_t port = f->wan.port;
	rig_stop(r);
	rig_start(r);
	ck_assert_int_eq(life_restore(r->dp, &saved, 0, fake_net_now(r->net)), 0);
	expect_at(r, B);
	down_to(r, B, record(2));
	up_from(r, B, record(2)); /* whatever it says from where it is */
	up_from(r, C, cid_record(3)); /* and it may go on moving */
	ck_assert_uint_eq(r->port, port);
	down_to_both(r, B, C, record(3));
	trial_over(r);
	expect_at(r, C);
	rig_free(r);
}
END_TEST

START_TEST(a_host_without_port_is_found_at_its_newest)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, false);
	up_from(r, A2, record(1));
	down_to_both(r, A, A2, record(1));
	trial_over(r);
	expect_at(r, A2);
	ck_assert_uint_eq(opaque_cid(rig_flow(r, "dev")).n, 0);
	/* it boots: a new handshake, from a new port; numbers begin again */
	static const char a3[] = "192.168.1.10:40002";
	up_from(r, a3, HELLO);
	down_to_both(r, A2, a3, TAKEN_WITHOUT);
	up_from(r, a3, record(0));
	down_to_both(r, A2, a3, record(0));
	trial_over(r);
	expect_at(r, a3);
	down_to(r, a3, record(1));
	rig_free(r);
}
END_TEST

START_TEST(a_listener_of_its_own_takes_whoever_shakes_hands)
{
	struct rig *r = up_real(NULL, false);
	struct rig_dtls *old = rig_dtls(r, A, "dev-lan");
	uint16_t port = rig_flow(r, "dev")->wan.port;
	r->takes_new = true;
	struct rig_dtls *new = rig_dtls(r, B, "dev-lan");
	ck_assert(rig_dtls_is_up(new));
	rig_dtls_send(new, coap(CON, "0.02", 1, "aa", "rd"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd"));
	ck_assert_uint_eq(r->port, port);
	rig_server(r, port, coap(CON, "0.01", 2, "bb", "3/0/0"));
	rig_expect_dtls(new, coap(CON, "0.01", 2, "bb", "3/0/0"));
	trial_over(r);
	expect_at(r, B);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_dtls_free(old);
	rig_dtls_free(new);
	rig_free(r);
}
END_TEST

START_TEST(a_fixed_address_never_moves)
{
	struct rig *r = up_raw(A);
	struct flow *f = shaken(r, A, true);
	not_of_dev(r, B, cid_record(1));
	not_of_dev(r, A2, record(1));
	not_of_dev(r, A2, HELLO);
	r->ifindex = 7; /* it is the same device behind another interface */
	up_from(r, A, record(2));
	down_to(r, A, record(2));
	ck_assert_uint_eq(r->sent_ifindex, 7);
	ck_assert_ptr_eq(rig_flow(r, "dev"), f);
	ck_assert_uint_eq(rig_counts(r, COUNT_OPAQUE_TRIALS), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule17_answers_leave_from_where_it_calls)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	ck_assert(addr_same_host(&r->sent_from, &r->called[true]));
	r->called[true] = at("192.168.1.2:5683");
	up_from(r, A, cid_record(1));
	down_to(r, A, record(1));
	ck_assert(addr_same_host(&r->sent_from, &r->called[true]));
	rig_free(r);
}
END_TEST

/* DTLS 1.3 hides its numbers: one answer may have been for another reason. */
START_TEST(hidden_numbers_want_two_answers)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	up_from(r, B, UNIFIED_CID);
	down_to_both(r, A, B, UNIFIED);
	trial_over(r);
	expect_at(r, A);
	up_from(r, B, UNIFIED_CID);
	down_to_both(r, A, B, UNIFIED);
	trial_over(r);
	expect_at(r, B);
	rig_free(r);
}
END_TEST

START_TEST(a_number_that_is_shown_where_the_device_hides_its_own_is_not_believed)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	up_from(r, A, UNIFIED_CID);
	down_to(r, A, UNIFIED);
	up_from(r, B, cid_record(900));
	down_to_both(r, A, B, UNIFIED);
	trial_over(r);
	expect_at(r, A);
	rig_free(r);
}
END_TEST

/* ---- somebody else ---- */

START_TEST(an_old_record_from_elsewhere_is_dropped)
{
	struct rig *r = up_real(NULL, true);
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	rig_dtls_send(d, coap(NON, "0.02", 1, "aa", "dp"));
	rig_expect_server(r, coap(NON, "0.02", 1, "aa", "dp"));
	uint64_t up = rig_flow(r, "dev")->up.messages;
	rig_dtls_replay(d, B);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_OLD), 1);
	ck_assert_uint_eq(rig_flow(r, "dev")->up.messages, up);
	rig_server(r, r->port, coap(NON, "0.01", 2, "bb", "3/0/0"));
	rig_expect_dtls(d, coap(NON, "0.01", 2, "bb", "3/0/0")); /* nobody is at B to get it */
	trial_over(r);
	expect_at(r, A);
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(the_device_itself_ends_a_trial)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	up_from(r, B, cid_record(900)); /* feigned */
	down_to_both(r, A, B, record(1)); /* the server meant something else */
	up_from(r, A, UNIFIED);           /* the device answers */
	down_to(r, A, record(2));
	trial_over(r);
	expect_at(r, A);
	/* what was late does not count as the device's word */
	up_from(r, A, cid_record(5));
	up_from(r, B, cid_record(6));
	up_from(r, A, cid_record(4));
	down_to_both(r, A, B, record(3));
	rig_free(r);
}
END_TEST

START_TEST(what_was_stolen_comes_back_with_the_next_word)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	up_from(r, B, cid_record(900));
	down_to_both(r, A, B, record(1));
	trial_over(r);
	expect_at(r, B);
	down_to(r, B, record(2));
	up_from(r, A, cid_record(1)); /* though its number is below the feigned one */
	down_to_both(r, B, A, record(3));
	trial_over(r);
	expect_at(r, A);
	down_to(r, A, record(4));
	lost_from(r, B, cid_record(900), DROP_LAN_OLD);
	rig_free(r);
}
END_TEST

START_TEST(one_other_address_at_a_time)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	up_from(r, B, cid_record(1));
	up_from(r, C, cid_record(2)); /* nobody has answered B: the newest is tried */
	down_to_both(r, A, C, record(1));
	lost_from(r, B, cid_record(3), DROP_LAN_UNPROVEN);
	trial_over(r);
	expect_at(r, C);
	rig_free(r);
}
END_TEST

START_TEST(hellos_from_everywhere_are_few_and_end_nothing)
{
	struct rig *r = up_raw(NULL);
	struct flow *f = shaken(r, A, true);
	uint64_t up = f->up.messages;
	uint16_t port = f->wan.port;
	char from[40];
	for (unsigned i = 1; i <= 200; i++) {
		snprintf(from, sizeof(from), "10.0.0.%u:40000", i);
		rig_device_at(r, from, DEVICE_PORT, HELLO);
	}
	ck_assert_uint_le(f->up.messages - up, OPAQUE_UNPROVEN_BURST);
	ck_assert_uint_ge(f->drops[DROP_LAN_UNPROVEN], 200 - OPAQUE_UNPROVEN_BURST);
	while (*rig_server_got(r) != '\0')
		;
	ck_assert_uint_eq(f->wan.port, port); /* unanswered, but not the device's: no other port */
	up_from(r, A, cid_record(1)); /* the device itself needs no budget */
	down_to(r, A, record(1));
	expect_at(r, A);
	ck_assert_uint_eq(flows_count(r->dp->flows), 1);
	rig_free(r);
}
END_TEST

START_TEST(an_address_that_nobody_answered_gets_little)
{
	struct rig *r = up_raw(HOST);
	struct flow *f = shaken(r, A, true);
	up_from(r, A2, HELLO);
	unsigned to_other = 0;
	static char big[2 * 1013 + 1];
	snprintf(big, sizeof(big), "16fefd0000000000000000%04x0b%06x0000000000%06x", 1000, 988, 988);
	memset(big + 50, 'a', sizeof(big) - 51);
	for (unsigned i = 0; i < 100; i++) {
		rig_server_raw(r, f->wan.port, big);
		rig_expect_device(r, A, big);
		const struct fake_datagram *more = fake_lan_take(r->net);
		to_other += more != NULL;
	}
	ck_assert_uint_eq(to_other, OPAQUE_TRIAL_BYTES / 1013);
	rig_free(r);
}
END_TEST

START_TEST(who_came_first_by_chance_is_outdone_by_who_is_answered)
{
	struct rig *r = up_raw(NULL);
	up_from(r, B, HELLO); /* anybody */
	expect_at(r, B);
	up_from(r, A, HELLO);
	down_to_both(r, B, A, TAKEN);
	up_from(r, B, HELLO); /* its word does not count: no server has answered it */
	down_to_both(r, B, A, DONE);
	up_from(r, A, cid_record(0));
	rig_server_raw(r, r->port, record(0));
	rig_expect_device(r, A, record(0));
	rig_expect_silence(r);
	expect_at(r, A);
	ck_assert(rig_flow(r, "dev")->is_live);
	rig_free(r);
}
END_TEST

/* ---- connection ids ---- */

START_TEST(an_id_of_a_handshake_that_fails_does_not_count)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	static const char other[] = "16fefd" "0000" "000000000000" "003d" "02" "000031" "0000" "000000"
		"000031" "fefd" RANDOM "00" "c0a8" "00" "0009" "003600050411223344";
	up_from(r, A2, HELLO);
	down_to_both(r, A, A2, other);
	ck_assert_uint_eq(opaque_cid(rig_flow(r, "dev")).p[0], 0xc1);
	up_from(r, A, cid_record(1));
	down_to(r, A, record(1));
	ck_assert_uint_eq(opaque_cid(rig_flow(r, "dev")).p[0], 0xc1);
	up_from(r, A, HELLO); /* the device itself */
	down_to(r, A, other);
	ck_assert_uint_eq(opaque_cid(rig_flow(r, "dev")).p[0], 0xc1);
	up_from(r, A, record(0));
	down_to(r, A, record(0));
	ck_assert_uint_eq(opaque_cid(rig_flow(r, "dev")).p[0], 0x11);
	not_of_dev(r, C, cid_record(1));
	rig_free(r);
}
END_TEST

START_TEST(an_id_that_two_devices_have_leads_nowhere)
{
	struct rig *r = up_raw(HOST);
	struct conf_endpoint *e = rig_endpoint(r, "dev2", "raw");
	e->mode = CONF_OPAQUE;
	e->has_address = true;
	e->address = at("192.168.1.11");
	ck_assert_int_eq(rig_apply(r), 0);
	shaken(r, A, true);
	uint16_t port = r->port;
	up_from(r, B, HELLO);
	ck_assert_uint_ne(r->port, port);
	down_to(r, B, TAKEN);
	up_from(r, B, cid_record(0));
	down_to(r, B, record(0));
	not_of_dev(r, C, cid_record(9));
	up_from(r, A2, cid_record(9)); /* its host says whose it is */
	ck_assert_uint_eq(r->port, port);
	ck_assert_uint_eq(flows_count(r->dp->flows), 2);
	rig_free(r);
}
END_TEST

/* "two" came to where "dev" might be too: the one that was there stays. */
START_TEST(two_flows_may_have_one_address)
{
	struct rig *r = up_raw("192.168.1.11");
	struct conf_endpoint *e = rig_endpoint(r, "two", "raw");
	e->mode = CONF_OPAQUE;
	e->has_address = true;
	e->address = at(HOST);
	ck_assert_int_eq(rig_apply(r), 0);
	shaken(r, B, true); /* "dev" */
	uint16_t port = r->port;
	up_from(r, C, cid_record(1));
	down_to_both(r, B, C, record(1));
	trial_over(r);
	expect_at(r, C);
	r->endpoints[1].address = at("192.168.1.12");
	ck_assert_int_eq(rig_apply(r), 0);
	up_from(r, C, HELLO); /* the configuration gives C to "two" now */
	ck_assert_uint_ne(r->port, port);
	down_to(r, C, DONE);
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	ck_assert_ptr_nonnull(rig_flow(r, "two"));
	r->port = port;
	down_to(r, C, record(2));
	rig_free(r);
}
END_TEST

START_TEST(an_id_counts_on_its_own_listener_only)
{
	struct rig *r = up_raw(HOST);
	struct conf_listen *l = rig_add_listen(r, "other", 5783);
	l->coaps = 5784;
	ck_assert_int_eq(rig_apply(r), 0);
	shaken(r, A, true);
	rig_device_at(r, B, 5784, cid_record(1));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_STRANGER) + rig_drops(r, DROP_LAN_HEADER), 1);
	up_from(r, B, cid_record(1));
	rig_free(r);
}
END_TEST

START_TEST(a_reload_ends_a_trial)
{
	struct rig *r = up_raw(HOST);
	shaken(r, A, true);
	up_from(r, B, cid_record(1));
	ck_assert_int_eq(rig_apply(r), 0);
	down_to(r, A, record(1));
	up_from(r, B, cid_record(2));
	down_to_both(r, A, B, record(2));
	rig_free(r);
}
END_TEST

Suite *opaque_move_suite(void)
{
	Suite *s = suite_create("opaque moves");
	OPAQUE_TEST(s, a_session_moves_with_its_connection_id);
	if (wolf_peer_has_13())
		OPAQUE_TEST(s, a_session_of_dtls13_moves_with_its_connection_id);
	OPAQUE_TEST(s, a_move_holds_once_the_server_has_answered);
	OPAQUE_TEST(s, rule19_a_move_is_saved_and_found_after_a_restart);
	OPAQUE_TEST(s, a_host_without_port_is_found_at_its_newest);
	OPAQUE_TEST(s, a_listener_of_its_own_takes_whoever_shakes_hands);
	OPAQUE_TEST(s, a_fixed_address_never_moves);
	OPAQUE_TEST(s, rule17_answers_leave_from_where_it_calls);
	OPAQUE_TEST(s, hidden_numbers_want_two_answers);
	OPAQUE_TEST(s, a_number_that_is_shown_where_the_device_hides_its_own_is_not_believed);
	OPAQUE_TEST(s, an_old_record_from_elsewhere_is_dropped);
	OPAQUE_TEST(s, the_device_itself_ends_a_trial);
	OPAQUE_TEST(s, what_was_stolen_comes_back_with_the_next_word);
	OPAQUE_TEST(s, one_other_address_at_a_time);
	OPAQUE_TEST(s, hellos_from_everywhere_are_few_and_end_nothing);
	OPAQUE_TEST(s, an_address_that_nobody_answered_gets_little);
	OPAQUE_TEST(s, who_came_first_by_chance_is_outdone_by_who_is_answered);
	OPAQUE_TEST(s, an_id_of_a_handshake_that_fails_does_not_count);
	OPAQUE_TEST(s, an_id_that_two_devices_have_leads_nowhere);
	OPAQUE_TEST(s, two_flows_may_have_one_address);
	OPAQUE_TEST(s, an_id_counts_on_its_own_listener_only);
	OPAQUE_TEST(s, a_reload_ends_a_trial);
	return s;
}
