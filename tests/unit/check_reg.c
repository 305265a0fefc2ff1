/* What a device's request means: paths, queries in any order and shape, and paths as text. */
#include "suite.h"
#include <string.h>
#include "lwm2m/reg.h"

#define GET    1
#define POST   2
#define PUT    3
#define DELETE 4

/* Splits "rd/0?ep=a&lt=1" into a request; every '/' and '&' begins a new option, as on the wire. */
static struct reg_request request_of(uint8_t code, const char *uri)
{
	struct reg_request r = { .code = code };
	const char *p = uri, *query = strchr(uri, '?');
	for (bool more = *uri != '\0' && *uri != '?'; more; p++) {
		struct slice s = { (const uint8_t *)p, strcspn(p, "/?") };
		if (r.segments++ < REG_SEGMENTS)
			r.segment[r.segments - 1] = s;
		p += s.n;
		more = *p == '/';
	}
	for (p = query; p != NULL && *p != '\0';) {
		struct slice s = { (const uint8_t *)p + 1, strcspn(p + 1, "&") };
		if (r.queries++ < REG_QUERIES)
			r.query[r.queries - 1] = s;
		p += 1 + s.n;
	}
	return r;
}

static const struct {
	uint8_t code;
	const char *uri;
	enum reg_kind kind;
} kinds[] = {
	{ POST, "rd", REG_REGISTER },
	{ POST, "rd?ep=a", REG_REGISTER },
	{ POST, "rd/?ep=a", REG_REGISTER },
	{ POST, "rd/0", REG_UPDATE },
	{ POST, "rd/0/", REG_UPDATE },
	{ POST, "rd/0/1", REG_UPDATE },
	{ POST, "rd/1/2/3/4/5/6/7/8/9", REG_UPDATE },
	{ POST, "rd//0", REG_UPDATE },
	{ DELETE, "rd/0", REG_DEREGISTER },
	{ DELETE, "rd/0/", REG_DEREGISTER },
	{ DELETE, "rd", REG_RD_OTHER },
	{ DELETE, "rd/", REG_RD_OTHER },
	{ GET, "rd", REG_RD_OTHER },
	{ GET, "rd/0", REG_RD_OTHER },
	{ PUT, "rd/0", REG_RD_OTHER },
	{ 31, "rd/0", REG_RD_OTHER },
	{ POST, "bs?ep=a", REG_BOOTSTRAP },
	{ POST, "bs/", REG_BOOTSTRAP },
	{ POST, "bs/0", REG_OTHER },
	{ GET, "bs", REG_OTHER },
	{ DELETE, "bs", REG_OTHER },
	{ GET, "bspack?ep=a", REG_BSPACK },
	{ POST, "bspack", REG_OTHER },
	{ GET, "bspack/1", REG_OTHER },
	{ POST, "", REG_OTHER },
	{ POST, "?ep=a", REG_OTHER },
	{ POST, "/rd", REG_OTHER },
	{ POST, "r", REG_OTHER },
	{ POST, "rdx", REG_OTHER },
	{ POST, "RD", REG_OTHER },
	{ POST, "%72d", REG_OTHER },
	{ POST, "dp", REG_OTHER },
	{ POST, "bs2", REG_OTHER },
};

START_TEST(kind_follows_method_and_path)
{
	struct reg_request r = request_of(kinds[_i].code, kinds[_i].uri);
	struct reg_info info = reg_read(&r);
	ck_assert_msg(
		info.kind == kinds[_i].kind, "%d %s: %d", kinds[_i].code, kinds[_i].uri, info.kind);
}
END_TEST

#define NO_LT (-1)
static const struct {
	const char *uri;
	const char *ep; /* NULL: none */
	bool doubtful;
	int64_t lifetime; /* or NO_LT */
} queries[] = {
	{ "rd?ep=dev&lt=60&lwm2m=1.1&b=U", "dev", false, 60 },
	{ "rd?b=U&lwm2m=1.1&lt=60&ep=dev", "dev", false, 60 },
	{ "rd?ep=dev&Q&lt=60", "dev", false, 60 },
	{ "rd?Q&ep=dev", "dev", false, NO_LT },
	{ "rd?ep=urn:dev:mac:0c1e2f3a4b5c", "urn:dev:mac:0c1e2f3a4b5c", false, NO_LT },
	{ "rd?ep=a=b", "a=b", false, NO_LT },
	{ "rd?ep=a%20b+c", "a%20b+c", false, NO_LT },
	{ "rd", NULL, false, NO_LT },
	{ "rd?lt=60", NULL, false, 60 },
	{ "rd?ep=", NULL, false, NO_LT },
	{ "rd?ep", NULL, false, NO_LT },
	{ "rd?e", NULL, false, NO_LT },
	{ "rd?", NULL, false, NO_LT },
	{ "rd?epx=a", NULL, false, NO_LT },
	{ "rd?EP=a", NULL, false, NO_LT },
	{ "rd?xep=a", NULL, false, NO_LT },
	/* two names */
	{ "rd?ep=a&ep=b", "a", true, NO_LT },
	{ "rd?ep=a&ep=a", "a", false, NO_LT },
	{ "rd?ep=a&ep=", "a", true, NO_LT },
	{ "rd?ep=&ep=a", NULL, true, NO_LT },
	{ "rd?ep=a&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16", "a", false, NO_LT },
	{ "rd?ep=a&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&ep=b", "a", true, NO_LT },
	{ "rd?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&ep=b", NULL, true, NO_LT },
	/* lifetimes */
	{ "rd?lt=0", NULL, false, 0 },
	{ "rd?lt=00060", NULL, false, 60 },
	{ "rd?lt=4294967295", NULL, false, UINT32_MAX },
	{ "rd?lt=4294967296", NULL, false, UINT32_MAX },
	{ "rd?lt=99999999999999999999999999", NULL, false, UINT32_MAX },
	{ "rd?lt=", NULL, false, NO_LT },
	{ "rd?lt", NULL, false, NO_LT },
	{ "rd?lt=-1", NULL, false, NO_LT },
	{ "rd?lt=+1", NULL, false, NO_LT },
	{ "rd?lt= 1", NULL, false, NO_LT },
	{ "rd?lt=1x", NULL, false, NO_LT },
	{ "rd?lt=0x10", NULL, false, NO_LT },
	{ "rd?lt=x&lt=30", NULL, false, 30 },
	{ "rd?lt=30&lt=60", NULL, false, 30 },
	{ "rd/0?lt=30", NULL, false, 30 },
	{ "bs?pct=112&ep=dev", "dev", false, NO_LT },
};

START_TEST(queries_come_in_any_order_and_shape)
{
	struct reg_request r = request_of(POST, queries[_i].uri);
	struct reg_info info = reg_read(&r);
	const char *ep = queries[_i].ep;
	ck_assert_int_eq(info.has_ep, ep != NULL);
	if (ep != NULL)
		ck_assert(slice_is(info.ep, ep));
	ck_assert_int_eq(info.ep_doubtful, queries[_i].doubtful);
	ck_assert_int_eq(info.has_lifetime, queries[_i].lifetime != NO_LT);
	ck_assert_uint_eq(info.lifetime_s, queries[_i].lifetime == NO_LT
						   ? REG_LIFETIME_DEFAULT
						   : (uint32_t)queries[_i].lifetime);
}
END_TEST

/* clang-format off */
static const struct {
	const char *path; /* split at '/' */
	const char *text; /* NULL: refused */
} paths[] = {
	{ "", "/" },
	{ "rd", "/rd" },
	{ "rd/0", "/rd/0" },
	{ "rd/0/", "/rd/0" },
	{ "rd//", "/rd/" },
	{ "rd/a~!%", "/rd/a~!%" },
	{ "rd/a b", NULL },
	{ "rd/\x7f", NULL },
	{ "rd/\xc3\xa4", NULL },
	{ "rd/\n", NULL },
	{ "1/2/3/4/5/6/7/8", "/1/2/3/4/5/6/7/8" },
	{ "1/2/3/4/5/6/7/8/9", NULL },
	{ "1/2/3/4/5/6/7/89", NULL }, /* one byte too long */
};
/* clang-format on */

START_TEST(paths_are_text_or_nothing)
{
	char *text = malloc(17);
	struct reg_request r = request_of(POST, paths[_i].path);
	bool got = reg_path(r.segment, r.segments, text, 17);
	ck_assert_int_eq(got, paths[_i].text != NULL);
	if (got)
		ck_assert_str_eq(text, paths[_i].text);
	free(text);
}
END_TEST

START_TEST(a_slash_or_an_end_inside_a_segment_is_no_path)
{
	char text[32];
	struct slice slash[] = { slice_str("rd"), slice_str("0/1") };
	struct slice end[] = { slice_str("rd"), { (const uint8_t *)"0\0x", 3 } };
	ck_assert(!reg_path(slash, 2, text, sizeof(text)));
	ck_assert(!reg_path(end, 2, text, sizeof(text)));
}
END_TEST

START_TEST(a_path_needs_room_for_its_end)
{
	char text[6];
	struct slice segment[] = { slice_str("rd"), slice_str("0") };
	for (size_t size = 0; size < 6; size++)
		ck_assert(!reg_path(segment, 2, text, size));
	ck_assert(reg_path(segment, 2, text, 6));
}
END_TEST

static Suite *reg_suite(void)
{
	Suite *s = suite_create("reg");
	TCase *t = tcase_create("tables");
	tcase_add_loop_test(t, kind_follows_method_and_path, 0, sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_loop_test(
		t, queries_come_in_any_order_and_shape, 0, sizeof(queries) / sizeof(queries[0]));
	tcase_add_loop_test(t, paths_are_text_or_nothing, 0, sizeof(paths) / sizeof(paths[0]));
	suite_add_tcase(s, t);
	SUITE_TEST(s, a_slash_or_an_end_inside_a_segment_is_no_path);
	SUITE_TEST(s, a_path_needs_room_for_its_end);
	return s;
}

SUITE_MAIN(reg_suite)
