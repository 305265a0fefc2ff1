/* Messages that wait. */
#include "held.h"
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "limits.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

static const struct mono start = { 5000 };

/* Puts a message in hex into the queue. */
static enum drop push(struct held_queue *q, struct held_budget *b, const char *hex, struct mono now)
{
	uint8_t bytes[64];
	struct msg m;
	long n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(msg_peek(&m, bytes, (size_t)n), MSG_OK);
	return held_push(q, b, &m, bytes, (size_t)n, 
		strstr(hex, "b27264") != NULL ? HELD_REGISTRATION : 0, now);
}

static void empty_out(struct held_queue *q, struct held_budget *b)
{
	struct held *h;
	while ((h = held_pop(q)) != NULL)
		held_free(b, h);
	ck_assert_uint_eq(b->bytes, 0);
	ck_assert_uint_eq(q->count, 0);
	ck_assert_ptr_null(q->first);
	ck_assert_ptr_null(q->last);
	ck_assert_int_eq(held_next(q).ms, MONO_NEVER.ms);
	held_free(b, NULL);
}

START_TEST(rule9_oldest_goes_first_byte_for_byte)
{
	struct held_queue q = { 0 };
	struct held_budget b = { 0 };
	char hex[60];
	for (unsigned i = 0; i < HELD_PER_FLOW; i++)
		ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", i, "aa", "3"), start), DROP_COUNT);
	for (unsigned i = 0; i < HELD_PER_FLOW; i++) {
		struct held *h = held_pop(&q);
		hex_encode(h->bytes, h->n, hex);
		ck_assert_str_eq(hex, coap(CON, "0.01", i, "aa", "3"));
		ck_assert_uint_eq(h->mid, i);
		held_free(&b, h);
	}
	ck_assert_ptr_null(held_pop(&q));
	empty_out(&q, &b);
}
END_TEST

START_TEST(rule9_duplicate_of_a_waiting_con_is_not_queued_twice)
{
	struct held_queue q = { 0 };
	struct held_budget b = { 0 };
	ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", 1, "aa", "3"), start), DROP_COUNT);
	ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", 1, "aa", "3"), start), DROP_HELD_DUPLICATE);
	ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", 2, "aa", "3"), start), DROP_COUNT);
	ck_assert_int_eq(push(&q, &b, coap(NON, "0.01", 1, "aa", "3"), start), DROP_COUNT);
	ck_assert_int_eq(push(&q, &b, coap(NON, "0.01", 1, "aa", "3"), start), DROP_COUNT);
	ck_assert_int_eq(push(&q, &b, empty(ACK, 1), start), DROP_COUNT);
	ck_assert_uint_eq(q.count, 5);
	empty_out(&q, &b);
}
END_TEST

START_TEST(rule9_a_bounded_number_waits)
{
	struct held_queue q = { 0 };
	struct held_budget b = { 0 };
	for (unsigned i = 0; i < HELD_PER_FLOW; i++)
		ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", i, "", NULL), start), DROP_COUNT);
	ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", 99, "", NULL), start), DROP_HELD_FULL);
	ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", 0, "", NULL), start), DROP_HELD_DUPLICATE);
	held_free(&b, held_pop(&q));
	ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", 99, "", NULL), start), DROP_COUNT);
	empty_out(&q, &b);
}
END_TEST

START_TEST(rule9_all_queues_together_take_bounded_memory)
{
	struct held_queue q = { 0 };
	struct held_budget b = { .bytes = HELD_BYTES_TOTAL - 8 };
	ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", 1, "aabbccddee", NULL), start),
		DROP_HELD_MEMORY);
	ck_assert_int_eq(push(&q, &b, coap(CON, "0.01", 1, "aabbccdd", NULL), start), DROP_COUNT);
	ck_assert_int_eq(push(&q, &b, empty(ACK, 1), start), DROP_HELD_MEMORY);
	b.bytes -= HELD_BYTES_TOTAL - 8;
	empty_out(&q, &b);
}
END_TEST

START_TEST(rule9_non_expires_after_10_s_con_after_45_s)
{
	struct held_queue q = { 0 };
	struct held_budget b = { 0 };
	push(&q, &b, coap(CON, "0.01", 1, "", NULL), start);
	push(&q, &b, coap(NON, "0.01", 2, "", NULL), start);
	push(&q, &b, empty(ACK, 3), start);
	ck_assert_int_eq(held_next(&q).ms, start.ms + 10000);
	ck_assert_ptr_null(held_pop_expired(&q, mono_add(start, 9999)));
	for (unsigned mid = 2; mid <= 3; mid++) {
		struct held *h = held_pop_expired(&q, mono_add(start, 10000));
		ck_assert_ptr_nonnull(h);
		ck_assert_uint_eq(h->mid, mid);
		held_free(&b, h);
	}
	ck_assert_int_eq(held_next(&q).ms, start.ms + 45000);
	ck_assert_ptr_null(held_pop_expired(&q, mono_add(start, 44999)));
	push(&q, &b, coap(NON, "0.01", 4, "", NULL), start); /* behind what is taken from the middle */
	held_free(&b, held_pop_expired(&q, mono_add(start, 45000)));
	ck_assert_uint_eq(q.count, 1);
	empty_out(&q, &b);
}
END_TEST

START_TEST(rule10_only_con_requests_outside_registration_are_answerable)
{
	struct held_queue q = { 0 };
	struct held_budget b = { 0 };
	push(&q, &b, coap(CON, "0.02", 1, "", "rd"), start);
	push(&q, &b, coap(NON, "0.02", 2, "", "dp"), start);
	push(&q, &b, coap(CON, "2.05", 3, "", NULL), start);
	push(&q, &b, empty(CON, 4), start);
	push(&q, &b, coap(CON, "0.02", 5, "", "dp"), start);
	push(&q, &b, empty(ACK, 6), start);
	push(&q, &b, coap(CON, "0.05", 7, "", "dp"), start);
	for (unsigned mid = 5; mid <= 7; mid += 2) {
		struct held *h = held_pop_answerable(&q);
		ck_assert_ptr_nonnull(h);
		ck_assert_uint_eq(h->mid, mid);
		held_free(&b, h);
	}
	ck_assert_ptr_null(held_pop_answerable(&q));
	push(&q, &b, empty(ACK, 8), start);
	ck_assert_uint_eq(q.last->mid, 8);
	ck_assert_uint_eq(q.count, 6);
	empty_out(&q, &b);
}
END_TEST

/* Whoever invents endpoints can not take the room of those that are known. */
START_TEST(rule15_strangers_have_a_share_of_the_memory)
{
	static uint8_t bytes[16000] = { 0x40, 1, 0, 0, 0xff, 1 };
	struct held_queue *q = calloc(400, sizeof(*q));
	struct held_budget b = { 0 };
	struct msg m;
	unsigned taken = 0, i = 0;
	ck_assert_ptr_nonnull(q);
	for (enum drop rc = DROP_COUNT; rc == DROP_COUNT; i++) {
		bytes[2] = (uint8_t)i;
		ck_assert_int_eq(msg_peek(&m, bytes, sizeof(bytes)), MSG_OK);
		rc = held_push(&q[i / 2], &b, &m, bytes, sizeof(bytes), HELD_STRANGER, start);
		ck_assert(rc == DROP_COUNT || rc == DROP_HELD_MEMORY);
		taken += rc == DROP_COUNT;
	}
	ck_assert_uint_eq(taken, HELD_BYTES_TOTAL / HELD_STRANGER_SHARE / sizeof(bytes));
	ck_assert_int_eq(held_push(&q[390], &b, &m, bytes, sizeof(bytes), 0, start), DROP_COUNT);
	held_free(&b, held_pop(&q[0]));
	ck_assert_int_eq(held_push(&q[0], &b, &m, bytes, sizeof(bytes), HELD_STRANGER, start),
		DROP_COUNT);
	for (i = 0; i < 400; i++)
		while (q[i].count > 0)
			held_free(&b, held_pop(&q[i]));
	ck_assert_uint_eq(b.bytes, 0);
	ck_assert_uint_eq(b.strangers, 0);
	free(q);
}
END_TEST

Suite *held_suite(void)
{
	Suite *s = suite_create("held");
	SUITE_TEST(s, rule15_strangers_have_a_share_of_the_memory);
	SUITE_TEST(s, rule9_oldest_goes_first_byte_for_byte);
	SUITE_TEST(s, rule9_duplicate_of_a_waiting_con_is_not_queued_twice);
	SUITE_TEST(s, rule9_a_bounded_number_waits);
	SUITE_TEST(s, rule9_all_queues_together_take_bounded_memory);
	SUITE_TEST(s, rule9_non_expires_after_10_s_con_after_45_s);
	SUITE_TEST(s, rule10_only_con_requests_outside_registration_are_answerable);
	return s;
}
