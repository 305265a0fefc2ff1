/* Agreement of the peek with libcoap's parser: captured datagrams, cut and changed, and a million
 * made by chance. CHECK_SEED=number repeats a run; CHECK_MESSAGES=number makes it longer (Check's
 * own CK_TIMEOUT_MULTIPLIER gives it the time). */
#include "suite.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/hex.h"
#include "base/rand.h"
#include "capture.h"
#include "msg.h"
#include "msg_libcoap.h"

#define MESSAGES 1000000
#define LONGEST  4096

/* What was seen, for tests that ask whether they saw anything. */
struct tally {
	unsigned long accepted, refused;
	unsigned long exceptions[MSG_EXCEPTIONS];
};

/* The bytes stand in memory of just their size, so that the sanitizer sees a read behind them. */
static void compare(const uint8_t *bytes, size_t n, struct tally *t)
{
	uint8_t *exact = malloc(n == 0 ? 1 : n);
	memcpy(exact, bytes, n);
	struct msg_verdict v = msg_libcoap_compare(exact, n);
	free(exact);
	if (v.disagreement != NULL) {
		char *hex = malloc(2 * n + 1);
		hex_encode(bytes, n, hex);
		ck_abort_msg("%s: %s", v.disagreement, hex);
	}
	t->exceptions[v.exception]++;
	if (v.accepted)
		t->accepted++;
	else
		t->refused++;
}

static void all_truncations(const struct captured *d, struct tally *t)
{
	for (size_t n = 0; n <= d->n; n++)
		compare(d->bytes, n, t);
}

static void all_single_bytes(const struct captured *d, struct tally *t)
{
	uint8_t changed[sizeof(d->bytes)];
	memcpy(changed, d->bytes, d->n);
	for (size_t i = 0; i < d->n; i++) {
		for (unsigned value = 0; value < 256; value++) {
			changed[i] = (uint8_t)value;
			compare(changed, d->n, t);
		}
		changed[i] = d->bytes[i];
	}
}

/* Gives each datagram of all CoAP captures that is not longer to what is to be done with it. */
static void each_captured(
	size_t longest, void (*act)(const struct captured *, struct tally *), struct tally *t)
{
	struct captured d;
	for (int i = 0; capture_coap_files[i] != NULL; i++) {
		struct capture c;
		capture_open(&c, capture_coap_files[i]);
		while (capture_next(&c, &d))
			if (d.n <= longest)
				act(&d, t);
		capture_close(&c);
	}
}

START_TEST(agrees_on_captures_and_all_their_truncations)
{
	struct tally t = { 0 };
	each_captured(sizeof(((struct captured *)0)->bytes), all_truncations, &t);
	ck_assert_uint_gt(t.accepted, 1000);
	ck_assert_uint_gt(t.refused, 500);
}
END_TEST

START_TEST(agrees_on_every_byte_changed_to_every_value)
{
	struct tally t = { 0 };
	each_captured(24, all_single_bytes, &t);
	ck_assert_uint_gt(t.accepted, 10000);
	ck_assert_uint_gt(t.refused, 10000);
}
END_TEST

/* clang-format off */
static const struct {
	const char *hex;
	enum msg_exception exception;
} exceptions[] = {
	{ "40010000d002", MSG_EXCEPTION_EMPTY_QUERY },
	{ "42020000aabb" "b27264" "40" "00" "0161" "00" "20" "ff61", MSG_EXCEPTION_EMPTY_QUERY },
	{ "40010000e0fef3", MSG_EXCEPTION_DELTA_WRAP },
	{ "40010000e0feff", MSG_EXCEPTION_DELTA_WRAP },
	{ "40010000" "b161" "e1fef361" "ff00", MSG_EXCEPTION_DELTA_WRAP },
	/* not granted: there is more to refuse, and both do */
	{ "40010000" "d002" "ff", MSG_EXCEPTION_NONE },
	{ "40010000" "d002" "f0", MSG_EXCEPTION_NONE },
	{ "40010000" "d002" "10", MSG_EXCEPTION_NONE }, /* Hop-Limit, none */
	{ "40010000" "e0ff00", MSG_EXCEPTION_NONE },
	{ "40010000" "e0fef3" "ff", MSG_EXCEPTION_NONE },
};
/* clang-format on */

START_TEST(differs_only_by_the_named_exceptions)
{
	uint8_t bytes[64];
	const char *hex = exceptions[_i].hex;
	long n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	struct msg_verdict v = msg_libcoap_compare(bytes, (size_t)n);
	ck_assert_msg(v.disagreement == NULL, "%s: %s", hex, v.disagreement);
	ck_assert_int_eq(v.exception, exceptions[_i].exception);
}
END_TEST

/* ---- messages by chance ---------------------------------------------------------------------- */

/* splitmix64: repeats itself with its seed. */
static uint64_t state;
static uint32_t draw(uint32_t below)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ z >> 31) >> 32) % below;
}
static bool one_in(uint32_t n)
{
	return draw(n) == 0;
}

/* An extended number, in its form or, seldom, in a longer one. Returns the nibble. */
static unsigned put_extended(uint8_t ext[2], size_t *n, uint32_t v)
{
	unsigned nibble = v < 13 ? 0 : v < 269 ? 13 : 14;
	*n = 0;
	if (nibble == 13) {
		ext[(*n)++] = (uint8_t)(v - 13);
	} else if (nibble == 14) {
		ext[(*n)++] = (uint8_t)((v - 269) >> 8);
		ext[(*n)++] = (uint8_t)(v - 269);
	}
	return nibble == 0 ? v : nibble;
}

static uint32_t draw_number_behind(uint32_t last)
{
	static const uint16_t known[] = { 1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 20, 23,
		27, 28, 35, 39, 60, 252, 258, 292, 2, 10, 13, 61, 251, 293, 65001, 65535 };
	if (one_in(30)) /* up to the largest that can be written */
		return last + (one_in(3) ? 65530 + draw(20) : draw(0x1010d));
	for (int tries = 0; tries < 4; tries++) {
		uint32_t number = known[draw(one_in(4) ? 32 : 12)];
		if (number >= last)
			return number;
	}
	return last + draw(3);
}

static size_t draw_length(void)
{
	static const uint16_t edge[] = { 0, 1, 2, 3, 4, 5, 8, 9, 12, 13, 14, 40, 41, 255, 256, 268,
		269, 270, 1034, 1035 };
	return one_in(3) ? edge[draw(one_in(20) ? 20 : 12)] : draw(5);
}

static void put_some(struct writer *w, size_t n)
{
	while (n-- > 0)
		put_u8(w, (uint8_t)draw(256));
}

static uint32_t put_option(struct writer *w, uint32_t last)
{
	uint8_t delta[2], length[2];
	size_t deltas, lengths, n = draw_length();
	uint32_t number = draw_number_behind(last);
	unsigned high = put_extended(delta, &deltas, number - last);
	unsigned low = put_extended(length, &lengths, (uint32_t)n);
	put_u8(w, (uint8_t)(high << 4 | low));
	put_bytes(w, delta, deltas);
	put_bytes(w, length, lengths);
	put_some(w, n);
	return number;
}

static uint8_t draw_code(void)
{
	static const uint8_t usual[] = { 0, 1, 2, 3, 4, 5, 0x41, 0x44, 0x45, 0x5f, 0x80, 0x84,
		0xa0 };
	if (one_in(8))
		return (uint8_t)(0xe0 + draw(7));
	return one_in(8) ? (uint8_t)draw(256) : usual[one_in(20) ? 0 : 1 + draw(12)];
}

static size_t make_message(uint8_t *bytes)
{
	struct writer w = put_into(bytes, LONGEST);
	unsigned token = one_in(30) ? draw(16) : draw(9);
	unsigned version = one_in(30) ? draw(4) : 1;
	put_u8(&w, (uint8_t)(version << 6 | draw(4) << 4 | token));
	put_u8(&w, draw_code());
	put_u16(&w, (uint16_t)draw(65536));
	put_some(&w, token);
	uint32_t last = 0;
	for (uint32_t options = draw(6); options > 0; options--)
		last = put_option(&w, last);
	if (one_in(2)) {
		put_u8(&w, 0xff);
		put_some(&w, draw(one_in(10) ? 2 : 12));
	}
	return put_len(&w);
}

/* One change of the kind that senders and enemies make. */
static size_t change(uint8_t *bytes, size_t n)
{
	size_t at = n == 0 ? 0 : draw((uint32_t)n);
	if (n == 0)
		return 0;
	switch (draw(6)) {
	case 0:
		return at;
	case 1:
		bytes[at] = (uint8_t)draw(256);
		return n;
	case 2:
		bytes[at] ^= (uint8_t)(1u << draw(8));
		return n;
	case 3:
		bytes[at] |= one_in(2) ? 0x0f : 0xf0;
		return n;
	case 4:
		memmove(bytes + at, bytes + at + 1, n - at - 1);
		return n - 1;
	default:
		if (n == LONGEST)
			return n;
		memmove(bytes + at + 1, bytes + at, n - at);
		bytes[at] = one_in(2) ? 0xff : (uint8_t)draw(256);
		return n + 1;
	}
}

static unsigned long number_of(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);
	return text == NULL ? otherwise : strtoul(text, NULL, 0);
}

START_TEST(agrees_on_messages_made_by_chance)
{
	static uint8_t bytes[LONGEST];
	struct tally t = { 0 };
	state = number_of("CHECK_SEED", rand_below(UINT32_MAX));
	unsigned long messages = number_of("CHECK_MESSAGES", MESSAGES);
	printf("CHECK_SEED=%lu\n", (unsigned long)state);
	fflush(stdout);
	for (unsigned long i = 0; i < messages; i++) {
		size_t n = make_message(bytes);
		for (uint32_t changes = one_in(2) ? draw(4) : 0; changes > 0; changes--)
			n = change(bytes, n);
		compare(bytes, n, &t);
	}
	printf("%lu accepted, %lu refused, %lu empty queries, %lu wrapped deltas\n", t.accepted,
		t.refused, t.exceptions[MSG_EXCEPTION_EMPTY_QUERY],
		t.exceptions[MSG_EXCEPTION_DELTA_WRAP]);
	ck_assert_uint_gt(t.accepted, messages / 5);
	ck_assert_uint_gt(t.refused, messages / 5);
}
END_TEST

static Suite *msg_libcoap_suite(void)
{
	Suite *s = suite_create("msg against libcoap");
	TCase *t = tcase_create("exceptions");
	msg_libcoap_init();
	tcase_add_loop_test(t, differs_only_by_the_named_exceptions, 0,
		sizeof(exceptions) / sizeof(exceptions[0]));
	suite_add_tcase(s, t);
	SUITE_TEST(s, agrees_on_captures_and_all_their_truncations);
	SUITE_TEST(s, agrees_on_every_byte_changed_to_every_value);
	SUITE_TEST(s, agrees_on_messages_made_by_chance);
	return s;
}

SUITE_MAIN(msg_libcoap_suite)
