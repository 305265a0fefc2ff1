/* Text, JSON that is written, tables, units, and what a machine lacks. */
#include "suite.h"
#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include "base/machine.h"
#include "control/folder.h"
#include "control/table.h"
#include "control/tree.h"
#include "control/units.h"

/* U+FFFD. */
#define NONE "\xef\xbf\xbd"

Suite *tree_suite(void);

START_TEST(test_text_grows)
{
	struct text t = { 0 };
	ck_assert_str_eq(text_str(&t), "");
	for (unsigned i = 0; i < 1000; i++)
		text_addf(&t, "%03u,", i);
	ck_assert_uint_eq(t.n, 4000);
	ck_assert_int_eq(strncmp(t.p, "000,001,", 8), 0);
	ck_assert_str_eq(t.p + 3996, "999,");
	text_eat(&t, 3992);
	ck_assert_str_eq(t.p, "998,999,");
	text_eat(&t, t.n);
	ck_assert_str_eq(t.p, "");
	text_fini(&t);
	ck_assert_uint_eq(t.n, 0);
}
END_TEST

static void writes(const char *value, size_t n, const char *wanted)
{
	struct text t = { 0 };
	struct json_object *o = json_object_new_array();
	tree_bytes(&o, NULL, value, n);
	tree_write(&t, &o);
	ck_assert_ptr_null(o);
	ck_assert(!t.broken);
	ck_assert_str_eq(text_str(&t), wanted);
	text_fini(&t);
}

START_TEST(test_strings)
{
	writes("", 0, "[\"\"]");
	writes("plain", 5, "[\"plain\"]");
	writes("a\"b\\c/", 6, "[\"a\\\"b\\\\c/\"]");
	writes("\n\r\t\x01\0", 5, "[\"\\n\\r\\t\\u0001\\u0000\"]");
	writes("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]");
	writes("a\xe9" "b", 3, "[\"a" NONE "b\"]");
	writes("\xc0\x80", 2, "[\"" NONE NONE "\"]");
	writes("\xed\xa0\x80", 3, "[\"" NONE NONE NONE "\"]");
	writes("\xf4\x90\x80\x80", 4, "[\"" NONE NONE NONE NONE "\"]");
	writes("\xe2\x82", 2, "[\"" NONE NONE "\"]");
	writes("\0\xff", 2, "[\"\\u0000" NONE "\"]");
}
END_TEST

START_TEST(test_members)
{
	struct text t = { 0 };
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();
	tree_int(&a, NULL, 1);
	tree_null(&a, NULL);
	tree_put(&a, NULL, json_object_new_object());
	tree_string(&o, "s", "x");
	tree_string(&o, "n", NULL);
	tree_int(&o, "i", INT64_MIN);
	tree_uint(&o, "u", UINT64_MAX);
	tree_bool(&o, "b", true);
	tree_put(&o, "a", a);
	text_add(&t, "> ");
	tree_write(&t, &o);
	ck_assert_str_eq(text_str(&t), "> {\"s\":\"x\",\"n\":null,\"i\":-9223372036854775808,"
		"\"u\":18446744073709551615,\"b\":true,\"a\":[1,null,{}]}");
	text_fini(&t);
}
END_TEST

/* A value that could not be had must not look like null. */
START_TEST(test_memory_that_ran_out)
{
	struct text t = { 0 };
	struct json_object *o = json_object_new_object(), *inner = json_object_new_array();
	tree_int(&o, "before", 1);
	tree_int(&inner, NULL, 1);
	tree_put(&inner, NULL, NULL);
	ck_assert_ptr_null(inner);
	tree_string(&inner, NULL, "after");
	tree_null(&inner, NULL);
	ck_assert_ptr_null(inner);
	tree_put(&o, "inner", inner);
	tree_put(&o, "after", json_object_new_object());
	ck_assert_ptr_null(o);
	tree_write(&t, &o);
	ck_assert(t.broken);
	text_fini(&t);
}
END_TEST

/* What json-c does in its own text when malloc fails: nothing, and goes on. */
static int without_memory(struct json_object *o, struct printbuf *pb, int level, int flags)
{
	(void)o;
	(void)pb;
	(void)level;
	(void)flags;
	errno = ENOMEM;
	return 0;
}

START_TEST(test_memory_that_ran_out_in_writing)
{
	struct text t = { 0 };
	struct json_object *o = json_object_new_object(), *value = json_object_new_object();
	json_object_set_serializer(value, without_memory, NULL, NULL);
	tree_put(&o, "value", value);
	tree_write(&t, &o);
	ck_assert_ptr_null(o);
	ck_assert(t.broken);
	text_fini(&t);
}
END_TEST

START_TEST(test_units)
{
	static const struct {
		uint64_t n;
		const char *text;
	} bytes[] = { { 0, "0 B" }, { 999, "999 B" }, { 1000, "1.0 kB" }, { 12345, "12.3 kB" },
		{ 12350, "12.4 kB" }, { 999949, "999.9 kB" }, { 999950, "1.0 MB" },
		{ 4000000000, "4.0 GB" }, { UINT64_MAX, "18.4 EB" } };
	static const struct {
		int64_t s;
		const char *text;
	} ages[] = { { -1, "0s" }, { 0, "0s" }, { 59, "59s" }, { 60, "1m" }, { 3599, "59m" },
		{ 3600, "1h" }, { 86399, "23h" }, { 86400, "1d" }, { 4294967295, "49710d" } };
	char text[UNITS_TEXT];
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		ck_assert_str_eq(units_bytes(bytes[i].n, text), bytes[i].text);
	for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++)
		ck_assert_str_eq(units_age(ages[i].s, text), ages[i].text);
}
END_TEST

START_TEST(test_table)
{
	static const struct table_column columns[] = { { "N", true }, { "WORD", false }, { "E", false } };
	char *page = NULL;
	size_t n;
	FILE *out = open_memstream(&page, &n);
	struct table *t = table_create(columns, 3);
	ck_assert_ptr_nonnull(out);
	ck_assert_ptr_nonnull(t);
	const char *cells[] = { "1", "caf\xc3\xa9", "x", "1000", "b", "last one\x1b[2J" };
	for (size_t i = 0; i < 6; i++) {
		table_cell(t, cells[i]);
		if (i == 2)
			table_note(t, "a note\nin two lines");
	}
	ck_assert_int_eq(table_print(t, out), 0);
	fclose(out);
	ck_assert_str_eq(page, "   N  WORD  E\n"
			       "   1  caf\xc3\xa9  x\n"
			       "    a note?in two lines\n"
			       "1000  b     last one?[2J\n");
	table_free(t);
	free(page);
}
END_TEST

START_TEST(test_harmless)
{
	char *text = table_harmless("a\x07\xc2\x9b" "b\xe2\x80\xae" "c\xff");
	ck_assert_str_eq(text, "a??b?c?");
	free(text);
}
END_TEST

START_TEST(test_machine_lacks)
{
	struct machine m = { .descriptors = 1024, .port_first = 32768, .port_last = 60999 };
	char text[512];
	ck_assert(!machine_lacks(&m, 800, 1, text, sizeof(text)));
	ck_assert_str_eq(text, "");
	ck_assert(machine_lacks(&m, 4096, 1, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "4224 descriptors"));
	ck_assert_ptr_nonnull(strstr(text, "1024: 3200 are missing"));
	ck_assert_ptr_null(strstr(text, "ports"));
	m.descriptors = UINT64_MAX;
	ck_assert(!machine_lacks(&m, 28232, 1, text, sizeof(text)));
	ck_assert(machine_lacks(&m, 28233, 1, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "1 are missing"));
	m.descriptors = 10;
	ck_assert(machine_lacks(&m, 60000, 1, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "; max_endpoints 60000 needs as many local ports"));
	char small[8];
	ck_assert(machine_lacks(&m, 60000, 1, small, sizeof(small)));
	ck_assert_uint_lt(strlen(small), sizeof(small));
}
END_TEST

/* Each worker but the first has sockets of its own for listeners. */
START_TEST(test_machine_counts_workers)
{
	char text[300];
	struct machine m = { .descriptors = 1128 };
	ck_assert(!machine_lacks(&m, 1000, 1, text, sizeof(text)));
	ck_assert(machine_lacks(&m, 1000, 2, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "64 are missing"));
	m.descriptors += 3 * 64;
	ck_assert(!machine_lacks(&m, 1000, 4, text, sizeof(text)));
	ck_assert_uint_eq(machine_workers(5), 5);
	ck_assert_uint_ge(machine_workers(0), 1);
	ck_assert_uint_le(machine_workers(0), MACHINE_WORKERS);
}
END_TEST

START_TEST(test_machine_reads)
{
	struct machine m;
	machine_read(&m);
	ck_assert_uint_gt(m.descriptors, 0);
	ck_assert_uint_le(m.port_first, m.port_last);
	ck_assert_uint_gt(m.port_first, 0);
	ck_assert_uint_gt(machine_resident(), 100000);
}
END_TEST

START_TEST(test_folders)
{
	static const struct {
		const char *path, *folder;
	} of[] = { { "a", "." }, { "/a", "/" }, { "/a/b", "/a" }, { "a/b/c", "a/b" } };
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		char *folder = folder_of(of[i].path);
		ck_assert_str_eq(folder, of[i].folder);
		free(folder);
	}
	ck_assert_int_eq(folder_make("/"), 0);
	ck_assert_int_eq(folder_make("."), 0);
	ck_assert_int_ne(folder_make(""), 0);
	ck_assert_int_ne(folder_make("/dev/null/x"), 0);
}
END_TEST

Suite *tree_suite(void)
{
	Suite *s = suite_create("tree");
	SUITE_TEST(s, test_text_grows);
	SUITE_TEST(s, test_strings);
	SUITE_TEST(s, test_members);
	SUITE_TEST(s, test_memory_that_ran_out);
	SUITE_TEST(s, test_memory_that_ran_out_in_writing);
	SUITE_TEST(s, test_units);
	SUITE_TEST(s, test_table);
	SUITE_TEST(s, test_harmless);
	SUITE_TEST(s, test_machine_lacks);
	SUITE_TEST(s, test_machine_counts_workers);
	SUITE_TEST(s, test_machine_reads);
	SUITE_TEST(s, test_folders);
	return s;
}
