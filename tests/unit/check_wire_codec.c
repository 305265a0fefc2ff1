/* The codec of the seam: each type there and back; short, long, cut, other versions are refused. */
#include "suite.h"
#include <errno.h>
#include "capture_samples.h"
#include "netfilter.h"
#include "netfilter/wire.h"

static struct wire in, out;
static uint8_t bytes[WIRE_MAX + 8];

static size_t write_it(void)
{
	long n = wire_write(&in, bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	return (size_t)n;
}

/* There and back; any cut, and any byte too many, is refused. */
static void there_and_back(void)
{
	size_t n = write_it();
	ck_assert_int_eq(wire_read(&out, bytes, n), 0);
	ck_assert_int_eq(out.type, in.type);
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut + 1);
		memcpy(copy, bytes, cut);
		ck_assert_int_eq(wire_read(&out, copy, cut), -EBADMSG);
		if (cut >= 4) {
			copy[2] = (uint8_t)(cut >> 8);
			copy[3] = (uint8_t)cut;
			ck_assert_int_eq(wire_read(&out, copy, cut), -EBADMSG);
		}
		free(copy);
	}
	bytes[2] = (uint8_t)((n + 1) >> 8);
	bytes[3] = (uint8_t)(n + 1);
	ck_assert_int_eq(wire_read(&out, bytes, n + 1), -EBADMSG);
	n = write_it();
	bytes[0]++;
	ck_assert_int_eq(wire_read(&out, bytes, n), -EPROTO);
	n = write_it();
	ck_assert_int_eq(wire_read(&out, bytes, n), 0);
}

START_TEST(wire_carries_the_wanted_state)
{
	in = (struct wire){ .type = WIRE_SET, .set = sample_narrow() };
	there_and_back();
	ck_assert_mem_eq(&out.set, &in.set, sizeof(in.set));
	ck_assert_uint_eq(out.set.generation, 7);
	in.set = (struct capture){ .generation = 0xfffefdfc };
	there_and_back();
	ck_assert_mem_eq(&out.set, &in.set, sizeof(in.set));
}
END_TEST

START_TEST(wire_carries_the_largest_state)
{
	in = (struct wire){ .type = WIRE_SET, .set = sample_narrow() };
	in.set.listen_count = CAPTURE_LISTENS;
	for (size_t i = 0; i < CAPTURE_LISTENS; i++) {
		in.set.listen[i].interface_count = CAPTURE_INTERFACES;
		in.set.listen[i].port_count = CAPTURE_PORTS;
		in.set.listen[i].server_count = CAPTURE_SERVERS;
		for (size_t k = 0; k < CAPTURE_INTERFACES; k++)
			memset(in.set.listen[i].interface[k], 'x', IF_NAMESIZE - 1);
	}
	size_t n = write_it();
	ck_assert_int_eq(wire_read(&out, bytes, n), 0);
	ck_assert_uint_eq(out.set.listen[7].server_count, CAPTURE_SERVERS);
}
END_TEST

START_TEST(wire_carries_all_others)
{
	in = (struct wire){ .type = WIRE_LEAVE, .keep_closed = true };
	there_and_back();
	ck_assert(out.keep_closed);
	static const enum wire_type answers[] = { WIRE_READY, WIRE_REFUSED, WIRE_DONE };
	for (size_t i = 0; i < 3; i++) {
		in = (struct wire){ .type = answers[i], .answer = { 9, EPERM, "no right" } };
		there_and_back();
		ck_assert_uint_eq(out.answer.generation, 9);
		ck_assert_uint_eq(out.answer.code, EPERM);
		ck_assert_str_eq(out.answer.text, "no right");
	}
	in = (struct wire){ .type = WIRE_WAKE };
	there_and_back();
	in = (struct wire){ .type = WIRE_SOCKET, .id = 0x12345678 };
	there_and_back();
	ck_assert_uint_eq(out.id, 0x12345678);
	in = (struct wire){ .type = WIRE_MADE, .made = { 0x87654321, EINVAL } };
	there_and_back();
	ck_assert_uint_eq(out.made.id, 0x87654321);
	ck_assert_uint_eq(out.made.code, EINVAL);
	in = (struct wire){ .type = WIRE_COUNTS, .counts = { 1, 2, 3, 0x40000 } };
	there_and_back();
	ck_assert_mem_eq(&out.counts, &in.counts, sizeof(in.counts));
}
END_TEST

START_TEST(wire_refuses_what_has_no_room)
{
	in = (struct wire){ .type = WIRE_SET, .set = sample_wide() };
	ck_assert_int_eq(wire_write(&in, bytes, 20), -EMSGSIZE);
	ck_assert_int_eq(wire_write(&in, bytes, 0), -EMSGSIZE);
	in.set.listen_count = CAPTURE_LISTENS + 1;
	ck_assert_int_eq(wire_write(&in, bytes, sizeof(bytes)), -EMSGSIZE);
	in.set.listen_count = 1;
	in.set.listen[0].server_count = CAPTURE_SERVERS + 1;
	ck_assert_int_eq(wire_write(&in, bytes, sizeof(bytes)), -EMSGSIZE);
}
END_TEST

/* `at` is the place of a byte that is changed. */
static void refuses(size_t at, uint8_t value)
{
	size_t n = write_it();
	bytes[at] = value;
	ck_assert_int_eq(wire_read(&out, bytes, n), -EBADMSG);
}

START_TEST(wire_refuses_counts_texts_and_types_out_of_bounds)
{
	in = (struct wire){ .type = WIRE_SET, .set = sample_wide() };
	refuses(17, CAPTURE_LISTENS + 1);
	refuses(19, CAPTURE_INTERFACES + 1);
	refuses(21, IF_NAMESIZE);
	refuses(22, '\0'); /* in the middle of a name */
	refuses(1, 0);
	refuses(1, WIRE_COUNTS + 1);
	in = (struct wire){ .type = WIRE_LEAVE };
	refuses(4, 2);
}
END_TEST

Suite *codec_suite(void)
{
	Suite *s = suite_create("codec");
	SUITE_TEST(s, wire_carries_the_wanted_state);
	SUITE_TEST(s, wire_carries_the_largest_state);
	SUITE_TEST(s, wire_carries_all_others);
	SUITE_TEST(s, wire_refuses_what_has_no_room);
	SUITE_TEST(s, wire_refuses_counts_texts_and_types_out_of_bounds);
	return s;
}
