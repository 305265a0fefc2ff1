/* Budgets for strangers. */
#include "limit.h"
#include <string.h>
#include "limits.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

static struct mono ms(int64_t v)
{
	return (struct mono){ v };
}

START_TEST(zeroed_bucket_is_full_whenever_it_is_used_first)
{
	struct bucket b = { 0 };
	for (int i = 0; i < 5; i++)
		ck_assert(bucket_take(&b, 5, 1, ms(_i * 1000000000LL)));
	ck_assert(!bucket_take(&b, 5, 1, ms(_i * 1000000000LL)));
}
END_TEST

START_TEST(bucket_fills_with_time_and_not_over_its_size)
{
	struct bucket b = { 0 };
	for (int i = 0; i < 3; i++)
		ck_assert(bucket_take(&b, 3, 10, ms(1000)));
	ck_assert(!bucket_take(&b, 3, 10, ms(1099)));
	ck_assert(bucket_take(&b, 3, 10, ms(1100)));
	ck_assert(!bucket_take(&b, 3, 10, ms(1100)));
	for (int i = 0; i < 3; i++)
		ck_assert(bucket_take(&b, 3, 10, ms(3600000)));
	ck_assert(!bucket_take(&b, 3, 10, ms(3600000)));
}
END_TEST

START_TEST(bucket_never_gives_more_than_its_rate)
{
	struct bucket b = { 0 };
	unsigned given = 0;
	for (int64_t t = 5000; t < 65000; t += 7)
		given += bucket_take(&b, 10, 10, ms(t));
	ck_assert_uint_le(given, 10 + 600);
	ck_assert_uint_ge(given, 400);
}
END_TEST

START_TEST(bucket_survives_a_clock_that_stands_or_goes_back)
{
	struct bucket b = { 0 };
	ck_assert(bucket_take(&b, 1, 1, ms(5000)));
	ck_assert(!bucket_take(&b, 1, 1, ms(5000)));
	ck_assert(!bucket_take(&b, 1, 1, ms(1000)));
	ck_assert(bucket_take(&b, 1, 1, ms(6000)));
}
END_TEST

static struct addr host(unsigned i)
{
	struct addr a = at("10.0.0.0");
	a.ip[13] = (uint8_t)(i >> 16);
	a.ip[14] = (uint8_t)(i >> 8);
	a.ip[15] = (uint8_t)i;
	a.port = (uint16_t)(1000 + i);
	return a;
}

START_TEST(a_source_has_so_many_and_gets_them_back)
{
	struct sources *s;
	unsigned ticket[3];
	ck_assert_int_eq(sources_create(&s), 0);
	struct addr a = host(1), b = host(2);
	for (int i = 0; i < 3; i++) {
		a.port++; /* ports do not make another source */
		ticket[i] = sources_add(s, &a, 3);
		ck_assert_uint_ne(ticket[i], 0);
	}
	ck_assert_uint_eq(sources_add(s, &a, 3), 0);
	unsigned other = sources_add(s, &b, 3);
	ck_assert_uint_ne(other, 0);
	sources_remove(s, ticket[1]);
	ticket[1] = sources_add(s, &a, 3);
	ck_assert_uint_ne(ticket[1], 0);
	ck_assert_uint_eq(sources_add(s, &a, 3), 0);
	sources_remove(s, 0);
	sources_remove(s, other);
	for (int i = 0; i < 3; i++)
		sources_remove(s, ticket[i]);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_ne(sources_add(s, &a, 3), 0);
	ck_assert_uint_eq(sources_add(s, &a, 3), 0);
	sources_free(s);
}
END_TEST

START_TEST(link_local_hosts_of_two_links_are_two_sources)
{
	struct sources *s;
	ck_assert_int_eq(sources_create(&s), 0);
	struct addr a = at("fe80::1"), b = a;
	a.scope = 1;
	b.scope = 2;
	ck_assert_uint_ne(sources_add(s, &a, 1), 0);
	ck_assert_uint_eq(sources_add(s, &a, 1), 0);
	ck_assert_uint_ne(sources_add(s, &b, 1), 0);
	sources_free(s);
}
END_TEST

START_TEST(sources_beyond_the_table_share_one_count)
{
	enum { HOSTS = 4 * SOURCES_MAX, MOST = 3 };
	static unsigned ticket[HOSTS];
	struct sources *s;
	unsigned taken = 0, refused = 0;
	ck_assert_int_eq(sources_create(&s), 0);
	for (unsigned i = 0; i < HOSTS; i++) {
		struct addr a = host(i);
		ticket[i] = sources_add(s, &a, MOST);
		taken += ticket[i] != 0;
		refused += ticket[i] == 0;
	}
	ck_assert_uint_le(taken, SOURCES_MAX + MOST);
	ck_assert_uint_gt(taken, SOURCES_MAX / 2);
	ck_assert_uint_eq(taken + refused, HOSTS);
	for (unsigned i = 0; i < HOSTS; i++)
		sources_remove(s, ticket[i]);
	struct addr a = host(7);
	ck_assert_uint_ne(sources_add(s, &a, MOST), 0);
	sources_free(s);
}
END_TEST

Suite *limit_suite(void)
{
	Suite *s = suite_create("limit");
	TCase *t = tcase_create("first use");
	tcase_add_loop_test(t, zeroed_bucket_is_full_whenever_it_is_used_first, 0, 3);
	suite_add_tcase(s, t);
	SUITE_TEST(s, bucket_fills_with_time_and_not_over_its_size);
	SUITE_TEST(s, bucket_never_gives_more_than_its_rate);
	SUITE_TEST(s, bucket_survives_a_clock_that_stands_or_goes_back);
	SUITE_TEST(s, a_source_has_so_many_and_gets_them_back);
	SUITE_TEST(s, link_local_hosts_of_two_links_are_two_sources);
	SUITE_TEST(s, sources_beyond_the_table_share_one_count);
	return s;
}
