/* Rows of the state file: what is written is read again; what is not right in any field is refused. */
#include "suite.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "control/rows.h"

Suite *rows_suite(void);

static const char flow_line[] =
	"{\"endpoint\":\"urn:dev:1\",\"server\":\"cloud\",\"bootstrap\":false,\"port\":40001,"
	"\"listener\":\"lan\",\"device\":\"192.168.1.5:5683\",\"interface\":\"lo\","
	"\"called\":\"192.168.1.1\",\"location\":\"/rd/5\",\"lifetime_s\":300,"
	"\"expires_in_ms\":547000,\"live\":true,\"up_messages\":1,\"up_bytes\":22,"
	"\"down_messages\":2,\"down_bytes\":9}";

static int read_line(struct row *row, const char *line, const char **why)
{
	return row_read(row, line, strlen(line), why);
}

/* The line reads, and writes itself again. */
static void same(const char *line)
{
	struct row row;
	struct text t = { 0 };
	const char *why = "";
	ck_assert_msg(read_line(&row, line, &why) == 0, "%s: %s", line, why);
	row_write(&t, &row);
	ck_assert_str_eq(t.p + t.n - 1, "\n");
	t.p[t.n - 1] = '\0';
	ck_assert_str_eq(text_str(&t), line);
	text_fini(&t);
	row_fini(&row);
}

START_TEST(test_round_trip)
{
	same(flow_line);
	same("{\"endpoint\":\"x\",\"server\":\"s\",\"bootstrap\":false,\"port\":40001,"
	     "\"listener\":\"lan\",\"device\":\"192.168.1.5:5683\",\"called\":\"192.168.1.1\","
	     "\"lifetime_s\":0,\"expires_in_ms\":-1,\"live\":true,\"secured\":true,"
	     "\"cid\":\"c1d2e3f4\",\"up_messages\":1,\"up_bytes\":2,\"down_messages\":3,"
	     "\"down_bytes\":4}");
	same("{\"endpoint\":\"x\",\"server\":\"s\",\"bootstrap\":false,\"port\":40001,"
	     "\"listener\":\"lan\",\"device\":\"192.168.1.5:5683\",\"called\":\"198.51.100.1\","
	     "\"called_port\":5783,\"calls\":\"cloud\",\"known_as\":\"192.0.2.1\","
	     "\"lifetime_s\":0,\"expires_in_ms\":-1,\"live\":true,"
	     "\"up_messages\":1,\"up_bytes\":2,\"down_messages\":3,\"down_bytes\":4}");
	same("{\"lwgate_routes\":1,\"saved_at\":1750000000}");
	same("{\"endpoint\":\"a\",\"server\":\"b\",\"bootstrap\":true,\"port\":65535}");
	same("{\"endpoint_hex\":\"ff41\",\"server\":\"b\",\"bootstrap\":true,\"port\":1}");
	same("{\"rows\":0}");
	same("{\"endpoint\":\"x\",\"server\":\"s\",\"bootstrap\":false,\"port\":0,"
	     "\"listener\":\"lan\",\"device\":\"192.0.2.7:5684\",\"called\":\"192.0.2.1\","
	     "\"lifetime_s\":0,\"expires_in_ms\":-1,\"live\":true,\"secured\":true,"
	     "\"up_messages\":1,\"up_bytes\":0,\"down_messages\":0,\"down_bytes\":0}");
	same("{\"endpoint\":\"x\",\"server\":\"s\",\"bootstrap\":false,\"port\":0,"
	     "\"listener\":\"lan\",\"device\":\"[fe80::5]:5683\",\"interface\":\"lo\","
	     "\"zone\":\"lo\",\"called\":\"fe80::1\",\"lifetime_s\":0,\"expires_in_ms\":-1,"
	     "\"live\":false,\"up_messages\":18446744073709551615,\"up_bytes\":0,"
	     "\"down_messages\":0,\"down_bytes\":0}");
}
END_TEST

START_TEST(test_names_of_any_bytes)
{
	struct row row = { .kind = ROW_PORT, .saved = { .server = "s", .port = 7 } }, back;
	struct text t = { 0 };
	const char *why = "", *names[] = { "caf\xc3\xa9", "latin\xe9", "\xff", "a\"b\\c", "x\xc3" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		row.saved.endpoint = names[i];
		row_write(&t, &row);
		ck_assert_int_eq(row_read(&back, t.p, t.n - 1, &why), 0);
		ck_assert_str_eq(back.saved.endpoint, names[i]);
		row_fini(&back);
		text_eat(&t, t.n);
	}
	text_fini(&t);
}
END_TEST

START_TEST(test_flow_fields)
{
	struct row row;
	const char *why;
	ck_assert_int_eq(read_line(&row, flow_line, &why), 0);
	const struct life_saved *s = &row.saved;
	char text[ADDR_TEXT];
	ck_assert_int_eq(row.kind, ROW_FLOW);
	ck_assert_str_eq(s->endpoint, "urn:dev:1");
	ck_assert_str_eq(s->server, "cloud");
	ck_assert(!s->is_bootstrap);
	ck_assert_uint_eq(s->port, 40001);
	ck_assert_str_eq(s->listener, "lan");
	ck_assert_str_eq(addr_print(&s->device, text), "192.168.1.5:5683");
	ck_assert_str_eq(addr_print(&s->called, text), "192.168.1.1");
	ck_assert_str_eq(row.interface, "lo");
	ck_assert_ptr_null(row.zone);
	ck_assert_str_eq(s->location, "/rd/5");
	ck_assert_uint_eq(s->lifetime_s, 300);
	ck_assert_int_eq(s->expires_in_ms, 547000);
	ck_assert(s->is_live);
	ck_assert_uint_eq(s->up_messages, 1);
	ck_assert_uint_eq(s->up_bytes, 22);
	ck_assert_uint_eq(s->down_messages, 2);
	ck_assert_uint_eq(s->down_bytes, 9);
	row_fini(&row);
}
END_TEST

/* Replaces what in the good line by with: each of these must be refused. */
static const struct {
	const char *what, *with;
} bad_fields[] = {
	{ "\"urn:dev:1\"", "\"\"" },
	{ "\"urn:dev:1\"", "7" },
	{ "\"urn:dev:1\"", "\"a\\u0000b\"" },
	{ "\"urn:dev:1\"", "\"a\\nb\"" },
	{ "\"endpoint\":\"urn:dev:1\",", "" },
	{ "\"endpoint\":\"urn:dev:1\",", "\"endpoint\":\"a\",\"endpoint_hex\":\"41\"," },
	{ "\"endpoint\":\"urn:dev:1\",", "\"endpoint_hex\":\"4\"," },
	{ "\"endpoint\":\"urn:dev:1\",", "\"endpoint_hex\":\"zz\"," },
	{ "\"endpoint\":\"urn:dev:1\",", "\"endpoint_hex\":\"4100\"," },
	{ "\"endpoint\":\"urn:dev:1\",", "\"endpoint_hex\":\"0f42\"," },
	{ "\"server\":\"cloud\",", "" },
	{ "\"cloud\"", "\"\"" },
	{ "\"cloud\"", "null" },
	{ "\"bootstrap\":false", "\"bootstrap\":0" },
	{ "\"bootstrap\":false,", "" },
	{ "40001", "-1" },
	{ "40001", "65536" },
	{ "40001", "4e4" },
	{ "40001", "\"40001\"" },
	{ "\"listener\":\"lan\",", "" },
	{ "\"lan\"", "\"\"" },
	{ "192.168.1.5:5683", "192.168.1.5" },
	{ "192.168.1.5:5683", "192.168.1.5:0" },
	{ "192.168.1.5:5683", "0.0.0.0:5683" },
	{ "192.168.1.5:5683", "224.0.1.187:5683" },
	{ "192.168.1.5:5683", "[fd00::5]:5683" },
	{ "192.168.1.5:5683", "a.example:5683" },
	{ "192.168.1.5:5683", "192.168.1.5:568300" },
	{ "\"interface\":\"lo\"", "\"interface\":\"\"" },
	{ "\"interface\":\"lo\"", "\"interface\":3" },
	{ "\"interface\":\"lo\"", "\"interface\":\"l\xff\"" },
	{ "\"cloud\"", "\"cl\xe9\"" },
	{ "\"urn:dev:1\"", "\"caf\xe9\"" },
	{ "\"interface\":\"lo\"", "\"zone\":\"lo\"" },
	{ "\"192.168.1.1\"", "\"192.168.1.1:5683\"" },
	{ "\"192.168.1.1\"", "\"fd00::1\"" },
	{ "\"192.168.1.1\"", "\"\"" },
	{ "\"called\":\"192.168.1.1\",", "" },
	{ "/rd/5", "rd/5" },
	{ "/rd/5", "" },
	{ "/rd/5", "/rd/\xc3\xa9" },
	{ "/rd/5", "/rd/0123456789012345678901234567890123456789012345678901234567890" },
	{ "\"lifetime_s\":300", "\"lifetime_s\":-1" },
	{ "\"lifetime_s\":300", "\"lifetime_s\":4294967296" },
	{ "\"lifetime_s\":300,", "" },
	{ "547000", "-2" },
	{ "547000", "9000000000000000" },
	{ "\"expires_in_ms\":547000,", "" },
	{ "\"live\":true", "\"live\":1" },
	{ "\"live\":true,", "" },
	{ "\"live\":true", "\"live\":true,\"calls\":\"\"" },
	{ "\"live\":true", "\"live\":true,\"calls\":7" },
	{ "\"live\":true", "\"live\":true,\"called_port\":70000" },
	{ "\"live\":true", "\"live\":true,\"known_as\":\"192.0.2.1:5\"" },
	{ "\"live\":true", "\"live\":true,\"known_as\":\"nobody\"" },
	{ "\"live\":true", "\"live\":true,\"cid\":\"\"" },
	{ "\"live\":true", "\"live\":true,\"cid\":\"abc\"" },
	{ "\"live\":true", "\"live\":true,\"cid\":\"xy\"" },
	{ "\"live\":true", "\"live\":true,\"cid\":7" },
	{ "\"up_messages\":1", "\"up_messages\":-1" },
	{ "\"up_messages\":1,", "" },
	{ "\"up_bytes\":22", "\"up_bytes\":2.5" },
	{ "\"up_bytes\":22,", "" },
	{ "\"down_messages\":2", "\"down_messages\":null" },
	{ "\"down_messages\":2,", "" },
	{ "\"down_bytes\":9", "\"down_bytes\":[]" },
	{ ",\"down_bytes\":9", "" },
	{ "\"down_bytes\":9", "\"down_bytes\":9,\"more\":1" },
	{ "\"down_bytes\":9", "\"down_bytes\":9,\"rows\":1" },
	{ "\"down_bytes\":9}", "\"down_bytes\":9}{}" },
	{ "\"down_bytes\":9}", "\"down_bytes\":9" },
};

START_TEST(test_bad_fields)
{
	char line[2048];
	const char *what = bad_fields[_i].what, *why = NULL;
	const char *place = strstr(flow_line, what);
	struct row row;
	ck_assert_ptr_nonnull(place);
	snprintf(line, sizeof(line), "%.*s%s%s", (int)(place - flow_line), flow_line,
		bad_fields[_i].with, place + strlen(what));
	ck_assert_msg(read_line(&row, line, &why) == -EINVAL, "taken: %s", line);
	ck_assert_ptr_nonnull(why);
	ck_assert_ptr_null(row.owner);
}
END_TEST

START_TEST(test_bad_lines)
{
	static const char *const lines[] = { "", "null", "[]", "7", "\"x\"", "{}", "{", "}", "{]",
		"{\"rows\":-1}", "{\"rows\":\"1\"}", "{\"lwgate_routes\":1}", "{\"saved_at\":1}",
		"{\"lwgate_routes\":2,\"saved_at\":1}", "{\"lwgate_routes\":0,\"saved_at\":1}",
		"{\"rows\":1,\"saved_at\":1}", "{\"rows\":1,}", "{\"rows\":{\"a\":{}}}",
		"{\"endpoint\":\"a\",\"server\":\"b\",\"bootstrap\":true,\"port\":0}",
		"{\"server\":\"b\",\"bootstrap\":true,\"port\":1}" };
	struct row row;
	const char *why;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(read_line(&row, lines[i], &why) == -EINVAL, "taken: %s", lines[i]);
}
END_TEST

/* ---- whole files ---- */

static unsigned told;

static void tell(void *who, const struct row *row)
{
	(void)who;
	(void)row;
	told++;
}

static int read_file(const char *bytes, size_t n, struct rows_fault *fault)
{
	int64_t saved_at;
	FILE *f = fmemopen((void *)(uintptr_t)bytes, n, "r");
	ck_assert_ptr_nonnull(f);
	told = 0;
	int rc = rows_read(f, &saved_at, tell, NULL, fault);
	fclose(f);
	return rc;
}

#define HEADER "{\"lwgate_routes\":1,\"saved_at\":1750000000}\n"
#define PORT(name) "{\"endpoint\":\"" name "\",\"server\":\"s\",\"bootstrap\":false,\"port\":9}\n"
#define END(n) "{\"rows\":" #n "}\n"

START_TEST(test_whole_file)
{
	char file[4096];
	struct rows_fault fault;
	size_t n = (size_t)snprintf(file, sizeof(file), HEADER "%s\n" PORT("a") PORT("b") END(3),
		flow_line);
	ck_assert_int_eq(read_file(file, n, &fault), 0);
	ck_assert_uint_eq(told, 3);
}
END_TEST

START_TEST(test_cut_at_every_byte)
{
	char file[4096];
	struct rows_fault fault;
	size_t n = (size_t)snprintf(file, sizeof(file), HEADER "%s\n" PORT("a") END(2), flow_line);
	for (size_t cut = 1; cut < n; cut++) {
		ck_assert_msg(read_file(file, cut, &fault) == -EINVAL, "taken when cut at %zu", cut);
		ck_assert_str_ne(fault.text, "");
	}
	ck_assert_int_eq(read_file(file, n, &fault), 0);
}
END_TEST

static const struct {
	const char *file;
	unsigned line; /* where the fault is */
} bad_files[] = {
	{ "\n", 1 },
	{ END(0), 1 },
	{ PORT("a") END(1), 1 },
	{ HEADER HEADER END(0), 2 },
	{ HEADER END(1), 2 },
	{ HEADER PORT("a") END(0), 3 },
	{ HEADER PORT("a") END(2), 3 },
	{ HEADER PORT("a") PORT("a") END(2), 3 },
	{ HEADER PORT("a") END(1) END(1), 4 },
	{ HEADER PORT("a") END(1) "\n", 4 },
	{ HEADER PORT("a") END(1) "x", 4 },
	{ HEADER END(0) PORT("a"), 3 },
	{ HEADER PORT("a"), 2 },
	{ "{\"lwgate_routes\":2,\"saved_at\":1}\n" END(0), 1 },
};

START_TEST(test_bad_files)
{
	struct rows_fault fault;
	const char *file = bad_files[_i].file;
	ck_assert_int_eq(read_file(file, strlen(file), &fault), -EINVAL);
	ck_assert_uint_eq(fault.line, bad_files[_i].line);
	ck_assert_str_ne(fault.text, "");
}
END_TEST

START_TEST(test_zero_byte_and_long_line)
{
	static const char zero[] = HEADER "{\"rows\":0}\0\n";
	static char longest[ROW_LINE_MAX * 2];
	struct rows_fault fault;
	ck_assert_int_eq(read_file(zero, sizeof(zero) - 1, &fault), -EINVAL);
	ck_assert_uint_eq(fault.line, 2);
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "{\"rows\":0", 9);
	ck_assert_int_eq(read_file(longest, sizeof(longest), &fault), -EINVAL);
}
END_TEST

Suite *rows_suite(void)
{
	Suite *s = suite_create("rows");
	SUITE_TEST(s, test_round_trip);
	SUITE_TEST(s, test_names_of_any_bytes);
	SUITE_TEST(s, test_flow_fields);
	TCase *fields = tcase_create("bad fields");
	tcase_add_loop_test(fields, test_bad_fields, 0, sizeof(bad_fields) / sizeof(bad_fields[0]));
	tcase_add_loop_test(fields, test_bad_files, 0, sizeof(bad_files) / sizeof(bad_files[0]));
	suite_add_tcase(s, fields);
	SUITE_TEST(s, test_bad_lines);
	SUITE_TEST(s, test_whole_file);
	SUITE_TEST(s, test_cut_at_every_byte);
	SUITE_TEST(s, test_zero_byte_and_long_line);
	return s;
}
