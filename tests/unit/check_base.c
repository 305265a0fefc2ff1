/* The ground floor: cursors, addresses, hex, hash, log budget, randomness. */
#include "suite.h"
#include "check_rights.h"
#include "check_secret.h"
#include <errno.h>
#include <pthread.h>
#include "base/addr.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/list.h"
#include "base/log.h"
#include "base/rand.h"

START_TEST(cursor_reads_in_network_order_and_stops_at_the_end)
{
	struct cursor c = cur_of("\x01\x02\x03" "ab", 5);
	ck_assert_uint_eq(cur_u8(&c), 1);
	ck_assert_uint_eq(cur_u16(&c), 0x0203);
	ck_assert(slice_is(cur_take(&c, 2), "ab"));
	ck_assert(!c.broken);
	ck_assert_uint_eq(cur_u8(&c), 0);
	ck_assert(c.broken);
}
END_TEST

START_TEST(cursor_stays_broken)
{
	struct cursor c = cur_of("abc", 3);
	ck_assert_uint_eq(cur_take(&c, 4).n, 0);
	ck_assert_uint_eq(cur_take(&c, 1).n, 0);
	ck_assert(c.broken);
}
END_TEST

START_TEST(writer_refuses_what_does_not_fit)
{
	uint8_t room[3];
	struct writer w = put_into(room, sizeof(room));
	put_u16(&w, 0x0102);
	put_u16(&w, 3);
	ck_assert(w.broken);
	ck_assert_uint_eq(put_len(&w), 2);
}
END_TEST

static const char *const good_addr[][2] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "192.0.2.1:5683", "192.0.2.1:5683" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "[2001:db8::1]", "2001:db8::1" },
	{ "[2001:DB8:0::1]:1", "[2001:db8::1]:1" },
	{ "::", "::" },
	{ "[fe80::1%lo]:65535", "[fe80::1%lo]:65535" },
	{ "::ffff:192.0.2.1", "192.0.2.1" },
};

START_TEST(addr_prints_what_it_read)
{
	struct addr a;
	char text[ADDR_TEXT];
	ck_assert_int_eq(addr_parse(&a, good_addr[_i][0]), 0);
	ck_assert_str_eq(addr_print(&a, text), good_addr[_i][1]);
}
END_TEST

static const char *const bad_addr[] = { "", "192.0.2", "192.0.2.1:", "192.0.2.1:0", "1.2.3.4:65536",
	"1.2.3.4:+1", "1.2.3.4: 1", "[::1", "[::1]x", "[::1]:", "[192.0.2.1]:1", "host", "host:1",
	"::1%lo", "fe80::1%nosuchif", "1.2.3.4:5683x", "[]:1", ":5683" };

START_TEST(addr_refuses_other_text)
{
	struct addr a = addr_any(true, 7);
	struct addr before = a;
	ck_assert_int_eq(addr_parse(&a, bad_addr[_i]), -EINVAL);
	ck_assert(addr_eq(&a, &before));
}
END_TEST

START_TEST(addr_survives_the_socket_form)
{
	struct sockaddr_storage ss;
	struct addr a, b;
	ck_assert_int_eq(addr_parse(&a, good_addr[_i][0]), 0);
	ck_assert_uint_gt(addr_to_sockaddr(&a, &ss), 0);
	ck_assert(addr_from_sockaddr(&b, &ss));
	ck_assert(addr_eq(&a, &b));
}
END_TEST

START_TEST(addr_knows_kinds)
{
	struct addr a;
	ck_assert(addr_parse(&a, "224.0.1.187") == 0 && addr_is_multicast(&a));
	ck_assert(addr_parse(&a, "ff02::fd") == 0 && addr_is_multicast(&a));
	ck_assert(addr_parse(&a, "255.255.255.255") == 0 && addr_is_multicast(&a));
	ck_assert(addr_parse(&a, "0.0.0.0") == 0 && addr_is_any(&a) && addr_is_v4(&a));
	ck_assert(addr_parse(&a, "::") == 0 && addr_is_any(&a) && !addr_is_v4(&a));
	ck_assert(addr_parse(&a, "192.0.2.1") == 0 && !addr_is_multicast(&a) && !addr_is_any(&a));
}
END_TEST

START_TEST(hex_reads_and_refuses)
{
	uint8_t b[2];
	char text[5];
	ck_assert_int_eq(hex_decode("0aFf", 4, b, 2), 2);
	ck_assert(b[0] == 0x0a && b[1] == 0xff);
	hex_encode(b, 2, text);
	ck_assert_str_eq(text, "0aff");
	ck_assert_int_eq(hex_decode("0", 1, b, 2), -EINVAL);
	ck_assert_int_eq(hex_decode("0g", 2, b, 2), -EINVAL);
	ck_assert_int_eq(hex_decode("000000", 6, b, 2), -ENOSPC);
}
END_TEST

START_TEST(hash_depends_on_key_and_every_byte)
{
	struct hash_key k = { 1, 2 }, other = { 1, 3 };
	uint8_t bytes[17] = { 0 };
	uint64_t h = hash_bytes(&k, bytes, sizeof(bytes));
	ck_assert(h == hash_bytes(&k, bytes, sizeof(bytes)));
	ck_assert(h != hash_bytes(&other, bytes, sizeof(bytes)));
	ck_assert(h != hash_bytes(&k, bytes, sizeof(bytes) - 1));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = 1;
		ck_assert(h != hash_bytes(&k, bytes, sizeof(bytes)));
		bytes[i] = 0;
	}
}
END_TEST

START_TEST(log_budget_lets_a_burst_through_and_then_a_rate)
{
	struct log_limit limit = { 0 };
	struct mono now = { 1000 };
	int out = 0;
	for (int i = 0; i < 100; i++)
		out += log_may(&limit, 5, 2, now);
	ck_assert_int_eq(out, 5);
	ck_assert_uint_eq(limit.muted, 95);
	now.ms += 1000;
	for (int i = 0; i < 100; i++)
		out += log_may(&limit, 5, 2, now);
	ck_assert_int_eq(out, 7);
}
END_TEST

START_TEST(rand_below_stays_below)
{
	for (int i = 0; i < 10000; i++)
		ck_assert_uint_lt(rand_below(7), 7);
	uint8_t a[8], b[8];
	rand_bytes(a, sizeof(a));
	rand_bytes(b, sizeof(b));
	ck_assert(memcmp(a, b, sizeof(a)) != 0);
}
END_TEST

START_TEST(list_keeps_order_and_lets_go)
{
	struct list head, n[3];
	list_init(&head);
	for (int i = 0; i < 3; i++) {
		list_init(&n[i]);
		list_append(&head, &n[i]);
	}
	int seen = 0;
	list_each(node, &head) {
		ck_assert_ptr_eq(node, &n[seen]);
		seen++;
		list_remove(node);
	}
	ck_assert_int_eq(seen, 3);
	ck_assert(list_is_empty(&head));
}
END_TEST

/* Draws in a thread of its own. */
static void *draw(void *to)
{
	rand_bytes(to, 16);
	return NULL;
}

START_TEST(rand_of_each_thread_is_its_own)
{
	uint8_t drawn[8][16];
	pthread_t thread[8];
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, draw, drawn[i]), 0);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	for (int i = 0; i < 8; i++)
		for (int k = 0; k < i; k++)
			ck_assert_int_ne(memcmp(drawn[i], drawn[k], 16), 0);
}
END_TEST

static Suite *base_suite(void)
{
	Suite *s = suite_create("base");
	SUITE_TEST(s, cursor_reads_in_network_order_and_stops_at_the_end);
	SUITE_TEST(s, cursor_stays_broken);
	SUITE_TEST(s, writer_refuses_what_does_not_fit);
	TCase *c = tcase_create("addr");
	int good = sizeof(good_addr) / sizeof(good_addr[0]);
	tcase_add_loop_test(c, addr_prints_what_it_read, 0, good);
	tcase_add_loop_test(c, addr_survives_the_socket_form, 0, good);
	tcase_add_loop_test(c, addr_refuses_other_text, 0, sizeof(bad_addr) / sizeof(bad_addr[0]));
	suite_add_tcase(s, c);
	SUITE_TEST(s, addr_knows_kinds);
	SUITE_TEST(s, hex_reads_and_refuses);
	SUITE_TEST(s, hash_depends_on_key_and_every_byte);
	SUITE_TEST(s, log_budget_lets_a_burst_through_and_then_a_rate);
	SUITE_TEST(s, rand_below_stays_below);
	SUITE_TEST(s, rand_of_each_thread_is_its_own);
	SUITE_TEST(s, list_keeps_order_and_lets_go);
	return s;
}

SUITE_MAIN(base_suite, secret_suite, rights_suite)
