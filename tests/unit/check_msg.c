/* The peek into CoAP messages: by rule, over every captured datagram, and what the relay writes. */
#include "suite.h"
#include <stdio.h>
#include <string.h>
#include "base/hex.h"
#include "capture.h"
#include "msg.h"

/* Reads hex into memory of exactly that size, so that the sanitizer sees a read behind it. */
static uint8_t *bytes_of(const char *hex, size_t *n)
{
	size_t digits = strlen(hex);
	uint8_t *bytes = malloc(digits / 2 + 1);
	long got = hex_decode(hex, digits, bytes, digits / 2);
	ck_assert_msg(got >= 0, "no hex: %s", hex);
	*n = (size_t)got;
	return realloc(bytes, *n == 0 ? 1 : *n);
}

/* A message that must parse; the caller frees the bytes. */
static struct msg peek(const char *hex, uint8_t **bytes)
{
	size_t n;
	struct msg m;
	*bytes = bytes_of(hex, &n);
	ck_assert_msg(msg_peek(&m, *bytes, n) == MSG_OK, "refused: %s", hex);
	return m;
}

/* clang-format off */
static const struct rule {
	const char *hex;
	enum msg_fault fault;
} rules[] = {
	/* header and token */
	{ "", MSG_SHORT },
	{ "40", MSG_SHORT },
	{ "400100", MSG_SHORT },
	{ "40010000", MSG_OK },
	{ "00010000", MSG_VERSION },
	{ "80010000", MSG_VERSION },
	{ "c0010000", MSG_VERSION },
	{ "00000000", MSG_VERSION },
	{ "41010000", MSG_SHORT },
	{ "41010000aa", MSG_OK },
	{ "480100000001020304050607", MSG_OK },
	{ "4801000000010203040506", MSG_SHORT },
	{ "49010000000102030405060708", MSG_TOKEN },
	{ "4f010000000102030405060708090a0b0c0d0e", MSG_TOKEN },
	/* empty messages */
	{ "40000000", MSG_OK },
	{ "50000000", MSG_OK },
	{ "60000000", MSG_OK },
	{ "70000000", MSG_OK },
	{ "4000000000", MSG_NOT_EMPTY },
	{ "40000000ff", MSG_NOT_EMPTY },
	{ "41000000", MSG_NOT_EMPTY },
	{ "41000000aa", MSG_NOT_EMPTY },
	{ "49000000", MSG_NOT_EMPTY },
	/* codes of every class, known or not */
	{ "401f0000", MSG_OK },
	{ "40200000", MSG_OK },
	{ "40450000", MSG_OK },
	{ "40600000", MSG_OK },
	{ "40c00000", MSG_OK },
	{ "40ff0000", MSG_OK },
	{ "70010000", MSG_OK },
	/* options: nibbles, extensions, ends */
	{ "4001000000", MSG_OK },
	{ "40010000f0", MSG_OPTION },
	{ "40010000fe", MSG_OPTION },
	{ "400100000f", MSG_OPTION },
	{ "40010000d0", MSG_OPTION },
	{ "40010000d000", MSG_OK },
	{ "40010000e000", MSG_OPTION },
	{ "40010000e00000", MSG_OK },
	{ "400100000d", MSG_OPTION },
	{ "400100002d0100000000000000000000000000", MSG_OPTION },
	{ "400100002d00" "01020304050607080910111213", MSG_OK },
	{ "400100002e0000", MSG_OPTION },
	{ "4001000021", MSG_OPTION },
	{ "4001000021aa", MSG_OK },
	{ "4001000022aa", MSG_OPTION },
	{ "40010000dd0000", MSG_OPTION },
	{ "40010000ddff00" "01020304050607080910111213", MSG_OK },
	/* option numbers up to 65535 = 269 + 0xfef2 */
	{ "40010000e0fef2", MSG_OK },
	{ "40010000e0fef3", MSG_OPTION },
	{ "40010000e0feff", MSG_OPTION },
	{ "40010000e0ff00", MSG_OPTION },
	{ "40010000e0ffff", MSG_OPTION },
	{ "40010000e0fef200", MSG_OK },
	{ "40010000e0fef210", MSG_OPTION },
	{ "4001000010e0fef1", MSG_OK },
	{ "4001000010e0fef2", MSG_OPTION },
	/* payload */
	{ "40010000ff", MSG_PAYLOAD },
	{ "40010000ff00", MSG_OK },
	{ "40010000ffff", MSG_OK },
	{ "41010000aaff", MSG_PAYLOAD },
	{ "4001000020ff", MSG_PAYLOAD },
	{ "4001000020ff01", MSG_OK },
	{ "4001000022ffff", MSG_OK },
	/* a known option with a length it can not have */
	{ "40010000190102030405060708ff", MSG_OPTION },     /* If-Match, 9 bytes */
	{ "4001000030", MSG_OPTION },                       /* Uri-Host, none */
	{ "4001000040", MSG_OPTION },                       /* ETag, none */
	{ "4001000051ff", MSG_OPTION },                     /* If-None-Match, 1 byte */
	{ "400100006400000000", MSG_OPTION },               /* Observe, 4 bytes */
	{ "4001000073000000", MSG_OPTION },                 /* Uri-Port, 3 bytes */
	{ "40010000b0", MSG_OK },                           /* Uri-Path, none */
	{ "40010000c3000000", MSG_OPTION },                 /* Content-Format, 3 bytes */
	{ "40010000d5010000000000", MSG_OPTION },           /* Max-Age, 5 bytes */
	{ "40010000d002", MSG_OK },                         /* Uri-Query, none: legal */
	{ "40010000d003", MSG_OPTION },                     /* Hop-Limit, none */
	{ "40010000d10300", MSG_OK },                       /* Hop-Limit, 1 byte */
	{ "40010000d30400000000", MSG_OPTION },             /* Accept, 3 bytes */
	{ "40010000d40a00000000", MSG_OPTION },             /* Block2, 4 bytes */
	{ "40010000d40e00000000", MSG_OPTION },             /* Block1, 4 bytes */
	{ "40010000d016", MSG_OPTION },                     /* Proxy-Uri, none */
	{ "40010000d52f0000000000", MSG_OPTION },           /* Size1, 5 bytes */
	{ "40010000e200170000", MSG_OK },                   /* Request-Tag, 2 bytes */
	{ "40010000e90017010203040506070809", MSG_OPTION }, /* Request-Tag, 9 bytes */
	{ "40010000e90018010203040506070809", MSG_OK },     /* the number behind it */
	/* in class 7 the numbers mean something else */
	{ "40e1000030", MSG_OK },         /* 7.01, 3 */
	{ "40e100002400000000", MSG_OK }, /* 7.01, Max-Message-Size */
	{ "40e10000250000000000", MSG_OPTION },
	{ "40e1000041ff", MSG_OPTION },       /* 7.01, Block-Wise-Transfer */
	{ "40e2000021ff", MSG_OPTION },       /* 7.02, Custody */
	{ "40e3000021ff", MSG_OPTION },       /* 7.03, Custody */
	{ "40e4000020", MSG_OPTION },         /* 7.04, Alternative-Address */
	{ "40e400004400000000", MSG_OPTION }, /* 7.04, Hold-Off */
	{ "40e5000023000000", MSG_OPTION },   /* 7.05, Bad-CSM-Option */
	{ "40e0000023000000", MSG_OK },       /* 7.00 has no option of its own */
};
/* clang-format on */

START_TEST(peek_follows_the_rules)
{
	const struct rule *rule = &rules[_i];
	size_t n;
	struct msg m;
	uint8_t *bytes = bytes_of(rule->hex, &n);
	enum msg_fault fault = msg_peek(&m, bytes, n);
	ck_assert_msg(fault == rule->fault, "%s: fault %d, not %d", rule->hex, fault, rule->fault);
	free(bytes);
}
END_TEST

START_TEST(peek_takes_nothing_from_nowhere)
{
	struct msg m;
	ck_assert_int_eq(msg_peek(&m, NULL, 0), MSG_SHORT);
}
END_TEST

START_TEST(peek_cuts_slices_and_walks_options)
{
	uint8_t *bytes;
	struct msg m = peek("5245beefabcd44a1a2a3a4b13241eed10033e101ba77ff68656c6c6f", &bytes);

	ck_assert_int_eq(m.type, MSG_NON);
	ck_assert_uint_eq(m.code, MSG_CODE(2, 5));
	ck_assert_uint_eq(m.mid, 0xbeef);
	ck_assert(m.token.p == bytes + 4 && m.token.n == 2);
	ck_assert(m.options.p == bytes + 6 && m.options.n == 16);
	ck_assert(slice_is(m.payload, "hello"));
	static const struct {
		uint16_t number;
		const char *value;
	} want[] = { { 4, "\xa1\xa2\xa3\xa4" }, { 15, "2" }, { 19, "\xee" }, { 32, "3" },
		{ 743, "w" } };
	struct msg_options walk = msg_options(&m);
	struct msg_option o;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		ck_assert(msg_next(&walk, &o));
		ck_assert_uint_eq(o.number, want[i].number);
		ck_assert(slice_is(o.value, want[i].value));
	}
	ck_assert(!msg_next(&walk, &o));
	ck_assert(!msg_next(&walk, &o));
	free(bytes);
}
END_TEST

START_TEST(codes_are_sorted_by_class)
{
	for (unsigned code = 0; code < 256; code++) {
		struct msg m = { .code = (uint8_t)code };
		ck_assert_int_eq(msg_is_request(&m), code >= 1 && code < 32);
		ck_assert_int_eq(msg_is_response(&m), code >= 64 && code < 192);
	}
}
END_TEST

/* Compares a message with "[CON 0.02 MID=0x7fe0 TKN=e07fedb0 182B]", as the peek would write it. */
static void check_facts(const struct captured *d, const char *path)
{
	static const char *const types[] = { "CON", "NON", "ACK", "RST" };
	struct msg m;
	char token[2 * 8 + 1], code[8], facts[80];
	enum msg_fault fault = msg_peek(&m, d->bytes, d->n);
	ck_assert_msg(fault == MSG_OK, "%s:%d: fault %d", path, d->line, fault);
	hex_encode(m.token.p, m.token.n, token);
	snprintf(facts, sizeof(facts), "[%s %s MID=0x%04x TKN=%s %zuB]", types[m.type],
		msg_code_print(m.code, code), m.mid, m.token.n == 0 ? "-" : token, d->n);
	const char *told = strrchr(d->comment, '[');
	ck_assert_msg(told != NULL, "%s:%d: no facts in the comment", path, d->line);
	ck_assert_msg(strcmp(told, facts) == 0, "%s:%d: read %s", path, d->line, facts);
}

START_TEST(peek_reads_what_the_captures_tell)
{
	struct capture c;
	struct captured d;
	unsigned count = 0;
	capture_open(&c, capture_coap_files[_i]);
	while (capture_next(&c, &d)) {
		check_facts(&d, c.path);
		count++;
	}
	capture_close(&c);
	ck_assert_uint_ge(count, 4);
}
END_TEST

START_TEST(captures_tell_directions)
{
	struct capture c;
	struct captured d;
	static const char *const want[] = { "C(port B)>S", "C(port A)>S", "S>C(port B)",
		"S>C(port A)" };
	capture_open(&c, "tests/captures/collision-same-second.hex");
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(capture_next(&c, &d));
		ck_assert_str_eq(d.direction, want[i]);
		ck_assert_int_eq(d.up, i < 2);
	}
	ck_assert(!capture_next(&c, &d));
	capture_close(&c);
	capture_open(&c, CAPTURE_DTLS);
	ck_assert(capture_next(&c, &d));
	ck_assert_str_eq(d.direction, "C>S");
	ck_assert_str_eq(d.comment, "ClientHello");
	ck_assert_uint_eq(d.bytes[0], 22);
	capture_close(&c);
}
END_TEST

/* The meaning of each request that goes up the captures, to be counted. */
START_TEST(captured_requests_reach_the_registration_interface)
{
	struct capture c;
	struct captured d;
	unsigned count[REG_RD_OTHER + 1] = { 0 };
	capture_open(&c, "tests/captures/wakaama-lifecycle.hex");
	while (capture_next(&c, &d)) {
		struct msg m;
		struct reg_request request;
		ck_assert_int_eq(msg_peek(&m, d.bytes, d.n), MSG_OK);
		if (!d.up || !msg_is_request(&m))
			continue;
		msg_request(&m, &request);
		struct reg_info info = reg_read(&request);
		count[info.kind]++;
		if (info.kind == REG_REGISTER) {
			ck_assert(slice_is(info.ep, "wk-a"));
			ck_assert_uint_eq(info.lifetime_s, 30);
		}
	}
	capture_close(&c);
	ck_assert_uint_eq(count[REG_REGISTER], 1);
	ck_assert_uint_ge(count[REG_UPDATE], 1);
	ck_assert_uint_eq(count[REG_DEREGISTER], 1);
	ck_assert_uint_eq(count[REG_RD_OTHER], 0);
}
END_TEST

START_TEST(request_counts_what_it_can_not_keep)
{
	uint8_t bytes[256] = { 0x40, MSG_POST };
	struct writer w = put_into(bytes, sizeof(bytes));
	struct reg_request request;
	struct msg m;
	w.p += 4;
	for (int i = 0; i < REG_SEGMENTS + 2; i++)
		put_bytes(&w, i == 0 ? "\xb1/" : "\1/", 2);
	for (int i = 0; i < REG_QUERIES + 3; i++)
		put_bytes(&w, i == 0 ? "\x41q" : "\1q", 2);
	ck_assert_int_eq(msg_peek(&m, bytes, put_len(&w)), MSG_OK);
	msg_request(&m, &request);
	ck_assert_uint_eq(request.code, MSG_POST);
	ck_assert_uint_eq(request.segments, REG_SEGMENTS + 2);
	ck_assert_uint_eq(request.queries, REG_QUERIES + 3);
	ck_assert(slice_is(request.segment[REG_SEGMENTS - 1], "/"));
	ck_assert(slice_is(request.query[REG_QUERIES - 1], "q"));
}
END_TEST

/* clang-format off */
static const struct {
	const char *hex;
	const char *location; /* NULL: none that the relay keeps */
} locations[] = {
	{ "60410000" "827264" "0130", "/rd/0" },
	{ "60410000" "827264" "0a42564d41524530364f4d", "/rd/BVMARE06OM" },
	{ "60410000" "4101" "427264" "0130" "d10600" "ff61", "/rd/0" },
	{ "60410000", NULL },
	{ "60410000" "b27264", NULL }, /* a Uri-Path is none */
	{ "60410000" "827264" "032f2e2e", NULL }, /* a slash inside */
	{ "60410000" "827264" "0100", NULL },
	{ "60410000" "827264" "0120", NULL },
	{ "60410000" "827264" "02c3a4", NULL },
	{ "60410000" "827264" "0b3031323334353637383961", NULL }, /* too long for the room */
	{ "60410000" "8161" "0161016101610161016101610161", "/a/a/a/a/a/a/a/a" },
	{ "60410000" "8161" "01610161016101610161016101610161", NULL }, /* too many segments */
};
/* clang-format on */

START_TEST(location_is_text_or_nothing)
{
	char *text = malloc(17); /* the longest above fits just */
	uint8_t *bytes;
	struct msg m = peek(locations[_i].hex, &bytes);
	bool got = msg_location(&m, text, _i == 9 ? 14 : 17);
	ck_assert_int_eq(got, locations[_i].location != NULL);
	if (got)
		ck_assert_str_eq(text, locations[_i].location);
	free(text);
	free(bytes);
}
END_TEST

/* clang-format off */
static const struct {
	const char *request;
	uint8_t code;
	int max_age_s;
	const char *answer;
} answers[] = {
	{ "4402abcd01020304", MSG_CODE(4, 4), -1, "6484abcd01020304" },
	{ "5002abcd", MSG_CODE(4, 3), -1, "5083abcd" },
	{ "4002abcd", MSG_CODE(5, 3), 0, "60a3abcdd001" },
	{ "4002abcd", MSG_CODE(5, 3), 60, "60a3abcdd1013c" },
	{ "4002abcd", MSG_CODE(5, 3), 256, "60a3abcdd2010100" },
	{ "4802abcd0102030405060708", MSG_CODE(5, 3), INT32_MAX,
		"68a3abcd0102030405060708d4017fffffff" },
};
/* clang-format on */

START_TEST(answers_are_what_the_request_calls_for)
{
	uint8_t *bytes, out[MSG_ANSWER_MAX];
	char hex[2 * MSG_ANSWER_MAX + 1];
	struct msg m = peek(answers[_i].request, &bytes), again;
	size_t n = msg_answer(out, &m, answers[_i].code, answers[_i].max_age_s);
	hex_encode(out, n, hex);
	ck_assert_str_eq(hex, answers[_i].answer);
	ck_assert_int_eq(msg_peek(&again, out, n), MSG_OK);
	free(bytes);
}
END_TEST

START_TEST(empty_messages_are_four_bytes)
{
	uint8_t out[MSG_ANSWER_MAX];
	ck_assert_uint_eq(msg_empty(out, MSG_RESET, 0x1234), 4);
	ck_assert(memcmp(out, "\x70\x00\x12\x34", 4) == 0);
	ck_assert_uint_eq(msg_empty(out, MSG_ACK, 0xffff), 4);
	ck_assert(memcmp(out, "\x60\x00\xff\xff", 4) == 0);
}
END_TEST

START_TEST(codes_print_as_people_write_them)
{
	char text[8];
	ck_assert_str_eq(msg_code_print(MSG_EMPTY, text), "0.00");
	ck_assert_str_eq(msg_code_print(MSG_CODE(2, 5), text), "2.05");
	ck_assert_str_eq(msg_code_print(0xff, text), "7.31");
}
END_TEST

static Suite *msg_suite(void)
{
	Suite *s = suite_create("msg");
	TCase *t = tcase_create("tables");
	tcase_add_loop_test(t, peek_follows_the_rules, 0, sizeof(rules) / sizeof(rules[0]));
	tcase_add_loop_test(
		t, location_is_text_or_nothing, 0, sizeof(locations) / sizeof(locations[0]));
	tcase_add_loop_test(
		t, answers_are_what_the_request_calls_for, 0, sizeof(answers) / sizeof(answers[0]));
	for (int i = 0; capture_coap_files[i] != NULL; i++)
		tcase_add_loop_test(t, peek_reads_what_the_captures_tell, i, i + 1);
	suite_add_tcase(s, t);
	SUITE_TEST(s, peek_takes_nothing_from_nowhere);
	SUITE_TEST(s, peek_cuts_slices_and_walks_options);
	SUITE_TEST(s, codes_are_sorted_by_class);
	SUITE_TEST(s, captures_tell_directions);
	SUITE_TEST(s, captured_requests_reach_the_registration_interface);
	SUITE_TEST(s, request_counts_what_it_can_not_keep);
	SUITE_TEST(s, empty_messages_are_four_bytes);
	SUITE_TEST(s, codes_print_as_people_write_them);
	return s;
}

SUITE_MAIN(msg_suite)
