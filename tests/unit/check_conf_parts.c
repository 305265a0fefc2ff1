/* The parts of conf: arena, index, schema, rows of an endpoints_file. */
#include "check_conf.h"
#include <stdint.h>
#include <string.h>

START_TEST(an_arena_gives_zeroed_aligned_room_up_to_its_limit)
{
	struct arena arena;
	arena_init(&arena, 1000000);
	for (size_t n = 1; n < 300; n++) {
		uint8_t *p = arena_alloc(&arena, n);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(p[i], 0);
		memset(p, 0xff, n);
	}
	ck_assert_ptr_nonnull(arena_alloc(&arena, 200000));
	ck_assert(!arena.failed);
	ck_assert_ptr_null(arena_alloc(&arena, 900000));
	ck_assert(arena.failed);
	ck_assert_str_eq(arena_copy(&arena, "x", 1), "");
	arena_fini(&arena);
	arena_init(&arena, 0);
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 3));
	arena_fini(&arena);
}
END_TEST

START_TEST(an_index_keeps_the_first_of_each_name)
{
	enum { MANY = 20000 };
	static char name[MANY][16];
	struct index index;
	index_init(&index);
	ck_assert_ptr_null(index_find(&index, "x", 1));
	for (int i = 0; i < MANY; i++) {
		snprintf(name[i], sizeof(name[i]), "%d", i);
		ck_assert_ptr_eq(index_add(&index, name[i], strlen(name[i]), name[i]), name[i]);
	}
	for (int i = 0; i < MANY; i++) {
		ck_assert_ptr_eq(index_add(&index, name[i], strlen(name[i]), &index), name[i]);
		ck_assert_ptr_eq(index_find(&index, name[i], strlen(name[i])), name[i]);
	}
	ck_assert_ptr_null(index_find(&index, "no", 2));
	ck_assert_ptr_eq(index_add(&index, NULL, 0, &index), &index);
	ck_assert_ptr_eq(index_find(&index, "", 0), &index);
	index_fini(&index);
}
END_TEST

static void expect_own_rows(const struct section_kind *kind)
{
	for (enum option_id id = kind->first; id <= kind->last; id++) {
		const struct conf_option *row = schema_row(id);
		ck_assert_str_eq(row->section, kind->name);
		ck_assert_int_eq(schema_find(kind, row->name), id);
		ck_assert_uint_le(row->place + row->size, kind->size);
	}
}

START_TEST(every_option_has_all_that_a_message_needs)
{
	size_t count;
	const struct conf_option *row = conf_schema(&count);
	ck_assert_uint_eq(count, OPTION_COUNT);
	for (size_t i = 0; i < count; i++) {
		char values[160];
		ck_assert_ptr_nonnull(row[i].section);
		ck_assert_ptr_nonnull(row[i].name);
		ck_assert_ptr_nonnull(row[i].help);
		int n = conf_option_values(&row[i], values, sizeof(values));
		ck_assert_int_gt(n, 0);
		ck_assert_int_lt(n, (int)sizeof(values));
		if (i > 0 && strcmp(row[i].section, row[i - 1].section) == 0)
			ck_assert_str_ne(row[i].name, row[i - 1].name);
	}
	for (size_t k = 0; k < KIND_COUNT; k++)
		expect_own_rows(&section_kinds[k]);
}
END_TEST

START_TEST(every_default_is_a_value_of_its_option)
{
	size_t count;
	const struct conf_option *row = conf_schema(&count);
	static const char rest[] = "config server s\n\toption uri coap://h\n"
		"config listen l\n\toption coaps 0\n";
	for (size_t i = 0; i < count; i++) {
		char text[512];
		if (row[i].standard == NULL)
			continue;
		if (strcmp(row[i].section, "gateway") == 0)
			snprintf(text, sizeof(text), "%sconfig gateway\n\toption %s '%s'\n", rest,
				row[i].name, row[i].standard);
		else
			snprintf(text, sizeof(text), "config gateway\n\toption enabled 0\n"
				"config %s x\n\toption %s '%s'\n%s", row[i].section, row[i].name,
				row[i].standard,
				strcmp(row[i].section, "server") == 0 ? "\toption uri coap://h\n"
				: strcmp(row[i].section, "endpoint") == 0 ?
				"\toption name e\n\toption server s\nconfig server s\n"
				"\toption uri coap://h\n" : "");
		conf_free(load_good(text));
	}
}
END_TEST

START_TEST(suggestions_are_near_or_none)
{
	struct arena arena;
	arena_init(&arena, 0);
	const struct section_kind *endpoint = &section_kinds[KIND_ENDPOINT];
	ck_assert_str_eq(schema_suggest(&arena, endpoint, "idnetity"), "did you mean 'identity'?");
	ck_assert_str_eq(schema_suggest(&arena, endpoint, "keyfile"), "did you mean 'key_file'?");
	ck_assert_str_eq(schema_suggest(&arena, endpoint, "uri"),
		"it belongs in a server section");
	ck_assert_ptr_nonnull(strstr(schema_suggest(&arena, endpoint, "psk_hint_of_the_server"),
		"the options are name server"));
	ck_assert_str_eq(schema_suggest_kind(&arena, "listener"), "did you mean 'listen'?");
	char name[300];
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(schema_suggest(&arena, endpoint, name), "the options are"));
	arena_fini(&arena);
}
END_TEST

START_TEST(shown_values_are_cut_and_clean)
{
	char room[SHOWN];
	ck_assert_str_eq(shown(room, "a\tb\x7f"), "a\\x09b\\x7f");
	char text[200];
	memset(text, 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_uint_lt(strlen(shown(room, text)), SHOWN);
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	shown(room, text);
	ck_assert_str_eq(room + strlen(room) - 5, "\xc3\xa4...");
}
END_TEST

static const char with_rows[] = "config gateway\n\toption endpoints_file f\n"
	"\toption max_endpoints 60000\n"
	"config server s\n\toption uri coaps://h\nconfig listen\n\toption coaps 0\n";

static struct conf *load_rows(char *csv, size_t n, struct conf_faults *faults)
{
	const struct text rows = { .bytes = csv, .n = n };
	return conf_load_text("/x/c", with_rows, sizeof(with_rows) - 1, &rows, 0, faults);
}

/* Were a check quadratic, this would run into its time limit. */
START_TEST(sixty_thousand_rows_load_and_one_more_does_not)
{
	struct conf_faults faults;
	char *csv = NULL;
	size_t n;
	FILE *out = open_memstream(&csv, &n);
	fputs("name,server,identity,key,address,prefix\n", out);
	for (int i = 0; i <= CONF_ENDPOINTS_MAX; i++)
		fprintf(out, "ep-%d,s,id-%d,%032x,10.0.%d.%d,p%x\n", i, i, i + 1, i >> 8, i & 255,
			i);
	fclose(out);
	size_t last = (size_t)(strstr(csv, "\nep-60000") - csv) + 1;
	struct conf *conf = load_rows(csv, last, &faults);
	ck_assert_ptr_nonnull(conf);
	ck_assert_uint_eq(conf->endpoint_count, CONF_ENDPOINTS_MAX);
	ck_assert_str_eq(conf->endpoint[59999].identity, "id-59999");
	ck_assert_uint_eq(conf->endpoint[59999].where.line, 60001);
	conf_free(conf);
	conf_faults_free(&faults);
	ck_assert_ptr_null(load_rows(csv, n, &faults));
	ck_assert_uint_eq(faults.errors, 1);
	ck_assert_uint_eq(faults.list[0].where.line, 60002);
	conf_faults_free(&faults);
	free(csv);
}
END_TEST

START_TEST(cells_are_read_as_rfc_4180_says)
{
	struct conf_faults faults;
	char csv[] = "name,server,identity,key\r\n"
		"\"a\"\"b\",s,\"x,y\",000102030405060708090a0b0c0d0e0f\r\n"
		"\" c \",\"s\",i,\"100102030405060708090a0b0c0d0e0f\"";
	struct conf *conf = load_rows(csv, sizeof(csv) - 1, &faults);
	ck_assert_ptr_nonnull(conf);
	ck_assert_uint_eq(conf->endpoint_count, 2);
	ck_assert_str_eq(conf->endpoint[0].name, "a\"b");
	ck_assert_str_eq(conf->endpoint[0].identity, "x,y");
	ck_assert_str_eq(conf->endpoint[1].name, " c ");
	ck_assert_str_eq(conf->endpoint[1].where.file, "/x/f");
	conf_free(conf);
	conf_faults_free(&faults);
}
END_TEST

Suite *conf_parts_suite(void)
{
	Suite *s = suite_create("conf parts");
	SUITE_TEST(s, an_arena_gives_zeroed_aligned_room_up_to_its_limit);
	SUITE_TEST(s, an_index_keeps_the_first_of_each_name);
	SUITE_TEST(s, every_option_has_all_that_a_message_needs);
	SUITE_TEST(s, every_default_is_a_value_of_its_option);
	SUITE_TEST(s, suggestions_are_near_or_none);
	SUITE_TEST(s, shown_values_are_cut_and_clean);
	SUITE_TEST(s, sixty_thousand_rows_load_and_one_more_does_not);
	SUITE_TEST(s, cells_are_read_as_rfc_4180_says);
	return s;
}
