/* Memory for keys: what comes back is wiped, no dump shows it; the guard of the process. */
#include "check_secret.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "base/secret.h"
#include "suite.h"

#define PIECES 20000

/* What the kernel says of the pages where p stands: the line VmFlags of /proc/self/smaps. */
static void flags_of(uintptr_t p, char flags[256])
{
	char line[256];
	uintptr_t from = 0, to = 0;
	FILE *maps = fopen("/proc/self/smaps", "r");
	ck_assert_ptr_nonnull(maps);
	flags[0] = '\0';
	while (flags[0] == '\0' && fgets(line, sizeof(line), maps) != NULL) {
		sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to);
		if (strncmp(line, "VmFlags:", 8) == 0 && from <= p && p < to)
			snprintf(flags, 256, "%s", line);
	}
	fclose(maps);
	ck_assert_msg(flags[0] != '\0', "no pages at %zx", (size_t)p);
}

START_TEST(no_dump_shows_a_piece)
{
	static const size_t sizes[] = { 0, 1, 16, 4096, 4097, 70000 };
	char flags[256];
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *p = secret_alloc(sizes[i]);
		ck_assert_ptr_nonnull(p);
		flags_of((uintptr_t)p, flags);
		ck_assert_msg(strstr(flags, " dd") != NULL, "%zu bytes: %s", sizes[i], flags);
		secret_free(p);
	}
	void *plain = malloc(16);
	flags_of((uintptr_t)plain, flags);
	ck_assert_ptr_null(strstr(flags, " dd"));
	free(plain);
}
END_TEST

static bool is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

START_TEST(what_comes_back_is_wiped)
{
	uint8_t *first = secret_alloc(64);
	uint8_t *key = secret_alloc(64); /* the other keeps the pages */
	ck_assert(is_zero(key, 64));
	memset(key, 0x5a, 64);
	secret_free(key);
	uint8_t *again = secret_alloc(64);
	ck_assert_ptr_eq(again, key); /* the same slot */
	ck_assert(is_zero(again, 64));
	secret_free(again);
	secret_free(first);
	secret_free(NULL);
	ck_assert_uint_eq(secret_held(), 0);
}
END_TEST

/* Bytes of address space. */
static unsigned long pages(void)
{
	unsigned long n = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu", &n), 1);
	fclose(f);
	return n;
}

static int by_address(const void *a, const void *b)
{
	const uint8_t *const *left = a, *const *right = b;
	return *left < *right ? -1 : *left > *right;
}

START_TEST(small_pieces_share_pages_and_none_overlaps)
{
	static uint8_t *piece[PIECES];
	unsigned long before = pages();
	for (size_t i = 0; i < PIECES; i++) {
		piece[i] = secret_alloc(16);
		ck_assert_ptr_nonnull(piece[i]);
		ck_assert_uint_eq((uintptr_t)piece[i] % 16, 0);
		memset(piece[i], 0xff, 16);
	}
	ck_assert_uint_eq(secret_held(), PIECES);
	/* 16 bytes each, in pages of 4096, with room for the last area and for the sanitizer. */
	ck_assert_uint_lt(pages() - before, PIECES * 16 / 4096 + 1024);
	qsort(piece, PIECES, sizeof(*piece), by_address);
	for (size_t i = 1; i < PIECES; i++)
		ck_assert(piece[i] - piece[i - 1] >= 16);
	for (size_t i = 0; i < PIECES; i += 2)
		secret_free(piece[i]);
	for (size_t i = 0; i < PIECES; i += 2) {
		piece[i] = secret_alloc(i % 17);
		ck_assert(is_zero(piece[i], i % 17));
	}
	for (size_t i = 0; i < PIECES; i++)
		secret_free(piece[i]);
	ck_assert_uint_eq(secret_held(), 0);
	ck_assert_uint_lt(pages() - before, 1024);
}
END_TEST

START_TEST(sizes_that_can_not_be_are_refused)
{
	ck_assert_ptr_null(secret_alloc(SIZE_MAX));
	ck_assert_ptr_null(secret_alloc(SIZE_MAX - 4096));
	ck_assert_ptr_null(secret_alloc(SIZE_MAX / 2));
	ck_assert_uint_eq(secret_held(), 0);
}
END_TEST

START_TEST(without_leave_to_lock_there_is_memory_nevertheless)
{
	const struct rlimit none = { 0, 0 };
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	void *p = secret_alloc(100000);
	ck_assert_ptr_nonnull(p);
	secret_free(p);
}
END_TEST

START_TEST(the_guard_forbids_dumps)
{
	struct rlimit core;
	ck_assert_int_eq(secret_guard(), 0);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &core), 0);
	ck_assert_uint_eq(core.rlim_cur, 0);
	ck_assert_uint_eq(core.rlim_max, 0);
	char filter[16] = "";
	FILE *f = fopen("/proc/self/coredump_filter", "r"); /* root's by now; tests are root */
	ck_assert(f != NULL && fgets(filter, sizeof(filter), f) != NULL);
	fclose(f);
	ck_assert_str_eq(filter, "00000000\n");
}
END_TEST

Suite *secret_suite(void)
{
	Suite *s = suite_create("secret");
	SUITE_TEST(s, no_dump_shows_a_piece);
	SUITE_TEST(s, what_comes_back_is_wiped);
	SUITE_TEST(s, small_pieces_share_pages_and_none_overlaps);
	SUITE_TEST(s, sizes_that_can_not_be_are_refused);
	SUITE_TEST(s, without_leave_to_lock_there_is_memory_nevertheless);
	SUITE_TEST(s, the_guard_forbids_dumps);
	return s;
}
