/* Associations towards a DTLS server that is lost or silent: sessions are made anew, handshakes
 * back off, waiting requests get 5.04 (DESIGN.md 6, rules 9 and 10). */
#include <errno.h>
#include <string.h>
#include "association.h"
#include "suite.h"
#include "trunk.h"

/* ---- losing a session ---- */

START_TEST(close_notify_makes_a_new_session_within_a_second_and_loses_nothing)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	rig_close_sessions(r);
	ck_assert_int_eq(wan_of(r)->state, WAN_WAITING);
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, RECONNECT_JITTER_MS);
	rig_expect_server(r, coap(CON, "0.02", 2, "bb", "dp"));
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 2);
	rig_free(r);
}
END_TEST

START_TEST(wrong_key_is_told_by_an_alert_and_backs_off)
{
	struct rig *r = up();
	r->identity = "somebody else";
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_advance(r, 3000);
	ck_assert_uint_ge(rig_counts(r, COUNT_HANDSHAKES_FAILED), 1);
	ck_assert_uint_ge(wan_of(r)->failures, 1);
	rig_forget(r);
	r->identity = "meter17";
	rig_advance(r, 10000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	ck_assert_uint_ge(wan_of(r)->failures, 1); /* a handshake proves no good will yet */
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	ck_assert_uint_eq(wan_of(r)->failures, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule10_silence_of_5_s_after_a_con_tries_a_new_session)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	uint16_t port = r->port;
	rig_forget(r);
	rig_advance(r, 60000);
	unsigned hellos = r->hellos;
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, 4999);
	rig_expect_silence(r);
	ck_assert_uint_eq(r->hellos, hellos);
	rig_advance(r, 1);
	ck_assert_uint_gt(r->hellos, hellos);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 2);
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

START_TEST(rule10_third_copy_of_a_con_tries_a_new_session)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	rig_forget(r);
	const char *con = coap(CON, "0.02", 2, "bb", "dp");
	rig_device(r, A, con);
	rig_device(r, A, con);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 0);
	rig_device(r, A, con);
	rig_settle(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 2);
	pass(r, con);
	rig_free(r);
}
END_TEST

START_TEST(rule10_one_authentic_record_in_between_is_a_sign_of_life)
{
	struct rig *r = up();
	const char *con = coap(CON, "0.02", 2, "bb", "dp");
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	uint16_t port = r->port;
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	pass(r, con);
	pass(r, con);
	r->port = port;
	answer(r, coap(CON, "0.01", 9, "cc", "3")); /* not even an answer */
	pass(r, con);
	rig_advance(r, 4900);
	answer(r, coap(CON, "0.01", 9, "cc", "3"));
	rig_advance(r, 60000);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule10_forged_records_are_no_sign_of_life)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	uint16_t port = r->port;
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	rig_forget(r);
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, 3000);
	rig_server_raw(r, port, "17fefd00010000000000090020"
		"0000000000000009ffffffffffffffffffffffffffffffffffffffffffffffff");
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_RECORD), 1);
	rig_advance(r, 2000);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule10_nons_and_responses_raise_no_suspicion)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	for (unsigned i = 0; i < 20; i++) {
		pass(r, coap(NON, "2.05", 7, "0b", NULL));
		pass(r, coap(ACK, "2.05", 7, "0b", NULL));
		rig_advance(r, 2000);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule10_old_session_stays_until_the_new_one_is_proven)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	uint16_t port = r->port;
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	/* This server never takes a ClientHello beside a session. */
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, 5000);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 1);
	ck_assert_int_eq(wan_of(r)->state, WAN_UP);
	ck_assert_ptr_nonnull(wan_of(r)->attempt);
	pass(r, coap(CON, "0.02", 3, "bb", "dp")); /* by the old one */
	r->port = port;
	answer(r, coap(ACK, "2.04", 3, "bb", NULL)); /* which lives after all */
	ck_assert_ptr_null(wan_of(r)->attempt);
	rig_advance(r, 100000);
	ck_assert_uint_eq(rig_counts(r, COUNT_SERVER_SILENT), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 1);
	pass(r, coap(NON, "0.02", 4, "bb", "dp"));
	ck_assert_uint_eq(r->goodbyes, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule10_old_session_outlives_an_attempt_that_times_out)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, 66000);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_FAILED), 1);
	ck_assert_int_eq(wan_of(r)->state, WAN_UP);
	pass(r, coap(NON, "0.02", 4, "bb", "dp"));
	answer(r, empty(CON, 9));
	rig_free(r);
}
END_TEST

START_TEST(rule10_server_that_takes_the_new_session_gets_what_follows_in_it)
{
	struct rig *r = up();
	r->takes_new = true;
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, 5000);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), 2);
	ck_assert_ptr_null(wan_of(r)->attempt);
	pass(r, coap(CON, "0.02", 3, "bb", "dp"));
	answer(r, coap(ACK, "2.04", 3, "bb", NULL));
	rig_free(r);
}
END_TEST

START_TEST(rule10_messages_pass_by_the_old_session_during_the_new_handshake)
{
	struct rig *r = up();
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	uint16_t port = r->port;
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	r->server_mute = true;
	pass(r, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, 5500);
	ck_assert_ptr_nonnull(wan_of(r)->attempt);
	pass(r, coap(NON, "0.02", 3, "bb", "dp"));
	r->server_mute = false;
	r->port = port;
	answer(r, coap(ACK, "2.04", 2, "bb", NULL));
	ck_assert_ptr_null(wan_of(r)->attempt);
	rig_free(r);
}
END_TEST

/* ---- pauses ---- */

START_TEST(rule10_handshakes_back_off_with_jitter)
{
	struct rig *r = up();
	r->server_deaf = true;
	r->servers[0].handshake_timeout = 1; /* rounds are short */
	ck_assert_int_eq(rig_apply(r), 0);
	struct conf_endpoint *e = &r->endpoints[0];
	e->has_address = true; /* so that the flow stays */
	e->address = at(A);
	ck_assert_int_eq(rig_apply(r), 0);
	uint64_t last = rig_counts(r, COUNT_HANDSHAKES);
	int64_t begun = fake_net_now(r->net).ms, expected = 1000;
	unsigned odd = 0;
	for (int round = 0; round < 12; round++) {
		while (rig_counts(r, COUNT_HANDSHAKES) == last)
			rig_advance(r, 10);
		int64_t pause = fake_net_now(r->net).ms - begun - 1000;
		ck_assert_int_ge(pause, expected / 2 - 20);
		ck_assert_int_le(pause, expected + 20);
		odd += pause % 1000 != 0;
		begun = fake_net_now(r->net).ms;
		last++;
		expected = expected * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : expected * 2;
	}
	ck_assert_uint_gt(odd, 0);
	rig_free(r);
}
END_TEST

START_TEST(rule10_con_of_a_device_cuts_the_pause_short_not_below_5_s)
{
	struct rig *r = up();
	r->server_deaf = true;
	r->servers[0].handshake_timeout = 1;
	r->endpoints[0].has_address = true;
	r->endpoints[0].address = at(A);
	ck_assert_int_eq(rig_apply(r), 0);
	rig_advance(r, 600 * 1000);
	while (wan_of(r)->state == WAN_BACKOFF)
		rig_advance(r, 10);
	while (wan_of(r)->state != WAN_BACKOFF)
		rig_advance(r, 10);
	uint64_t begun = rig_counts(r, COUNT_HANDSHAKES);
	rig_advance(r, 10000);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES), begun);
	for (unsigned ms = 0; ms < 60000; ms += 100) {
		rig_device(r, A, coap(CON, "0.02", ms, "aa", "dp"));
		rig_advance(r, 100);
		while (*rig_device_got(r, A) != '\0')
			;
	}
	begun = rig_counts(r, COUNT_HANDSHAKES) - begun;
	ck_assert_uint_ge(begun, 9);
	ck_assert_uint_le(begun, 13);
	for (unsigned ms = 0; ms < 20000; ms += 100) { /* a NON cuts nothing */
		rig_device(r, A, coap(NON, "0.02", ms, "aa", "dp"));
		rig_advance(r, 100);
	}
	r->server_deaf = false;
	rig_device(r, A, coap(CON, "0.02", 1, "ab", REG));
	rig_advance(r, 6000);
	ck_assert_int_eq(wan_of(r)->state, WAN_UP);
	while (*rig_server_got(r) != '\0')
		;
	rig_free(r);
}
END_TEST

START_TEST(rule10_504_after_the_handshake_timeout)
{
	struct rig *r = up();
	r->server_deaf = true;
	r->servers[0].handshake_timeout = 20;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp"));
	rig_device(r, A, coap(NON, "0.02", 3, "bb", "dp"));
	rig_device(r, A, coap(CON, "2.05", 4, "bb", NULL));
	rig_advance(r, 19999);
	rig_expect_silence(r);
	rig_advance(r, 1);
	rig_expect_device(r, A, refusal("5.04", 2, "bb", -1));
	rig_expect_silence(r);
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp")); /* again if it is repeated */
	rig_expect_device(r, A, refusal("5.04", 2, "bb", -1));
	rig_device(r, A, coap(CON, "0.05", 5, "cc", "3"));
	rig_expect_device(r, A, refusal("5.04", 5, "cc", -1));
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_ANSWERED), 3);
	r->server_deaf = false;
	rig_advance(r, 10000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG)); /* rule 5: it waited on */
	rig_expect_server(r, coap(CON, "2.05", 4, "bb", NULL));
	rig_free(r);
}
END_TEST

START_TEST(rule9_con_that_waited_45_s_is_answered_504)
{
	struct rig *r = up();
	r->server_deaf = true;
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, 44999);
	rig_expect_silence(r);
	rig_advance(r, 1);
	rig_expect_device(r, A, refusal("5.04", 2, "bb", -1));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_HELD_EXPIRED), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule10_504_also_when_the_name_is_not_found)
{
	struct rig *r = up_named();
	r->servers[0].handshake_timeout = 20;
	ck_assert_int_eq(rig_apply(r), 0);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	rig_device(r, A, coap(CON, "0.02", 2, "bb", "dp"));
	rig_advance(r, 20000);
	rig_expect_device(r, A, refusal("5.04", 2, "bb", -1));
	rig_free(r);
}
END_TEST

Suite *silence_suite(void)
{
	Suite *s = suite_create("wan silence");
	SUITE_TEST(s, close_notify_makes_a_new_session_within_a_second_and_loses_nothing);
	SUITE_TEST(s, wrong_key_is_told_by_an_alert_and_backs_off);
	SUITE_TEST(s, rule10_silence_of_5_s_after_a_con_tries_a_new_session);
	SUITE_TEST(s, rule10_third_copy_of_a_con_tries_a_new_session);
	SUITE_TEST(s, rule10_one_authentic_record_in_between_is_a_sign_of_life);
	SUITE_TEST(s, rule10_forged_records_are_no_sign_of_life);
	SUITE_TEST(s, rule10_nons_and_responses_raise_no_suspicion);
	SUITE_TEST(s, rule10_old_session_stays_until_the_new_one_is_proven);
	SUITE_TEST(s, rule10_old_session_outlives_an_attempt_that_times_out);
	SUITE_TEST(s, rule10_server_that_takes_the_new_session_gets_what_follows_in_it);
	SUITE_TEST(s, rule10_messages_pass_by_the_old_session_during_the_new_handshake);
	SUITE_TEST(s, rule10_handshakes_back_off_with_jitter);
	SUITE_TEST(s, rule10_con_of_a_device_cuts_the_pause_short_not_below_5_s);
	SUITE_TEST(s, rule10_504_after_the_handshake_timeout);
	SUITE_TEST(s, rule9_con_that_waited_45_s_is_answered_504);
	SUITE_TEST(s, rule10_504_also_when_the_name_is_not_found);
	return s;
}
