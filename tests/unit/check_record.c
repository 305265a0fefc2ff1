/* Records as a bystander sees them: what is sound, and what it tells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "capture.h"
#include "record.h"
#include "suite.h"
#include "trunk.h"

/* Parts of records: version, epoch and number; bodies with their length. */
#define EPOCH0 "fefd" "0000" "000000000000"
#define EPOCH1 "fefd" "0001" "000000000007"
#define DATA "0010" "00112233445566778899aabbccddeeff"
#define DONE "0e0000000000000000000000"
#define HELLO "01000001000000000000000100"
#define RANDOM "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define RETRY "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
/* A ServerHello with one extension of 4 + 5 bytes. */
#define SERVER_HELLO(random, extension)                                                            \
	"16" EPOCH0 "003d" "02" "000031" "0000" "000000" "000031" "fefd" random "00" "c0a8" "00"    \
	"0009" extension

enum { JUNK, SOUND };

static const struct {
	const char *what;
	const char *hex;
	int is_sound;
} rows[] = {
	{ "nothing", "", JUNK },
	{ "one byte", "16", JUNK },
	{ "CoAP", "40010001", JUNK },
	{ "STUN", "000100002112a442000102030405060708090a0b", JUNK },
	{ "QUIC", "c000000001088394c8f03e515708000000000000", JUNK },
	{ "a header cut short", "16" EPOCH0 "00", JUNK },
	{ "a body cut short", "16" EPOCH0 "000d" DONE, JUNK },
	{ "something behind a record", "16" EPOCH0 "000c" DONE "00", JUNK },
	{ "an empty record", "17" EPOCH1 "0000", JUNK },
	{ "a record of TLS", "160303" "0000" "000000000000" "000c" DONE, JUNK },
	{ "a record that says DTLS 1.3", "16fefc" "0000" "000000000000" "000c" DONE, JUNK },
	{ "ServerHelloDone", "16" EPOCH0 "000c" DONE, SOUND },
	{ "the same as DTLS 1.0", "16feff" "0000" "000000000000" "000c" DONE, SOUND },
	{ "two messages in a record", "16" EPOCH0 "0018" DONE DONE, SOUND },
	{ "two messages, the second cut", "16" EPOCH0 "0017" DONE "0e00000000000000000000", JUNK },
	{ "a fragment beyond its message", "16" EPOCH0 "000d" "0b000001000000000100000100", JUNK },
	{ "a fragment of nothing", "16" EPOCH0 "000c" "0b0000010000000000000000", JUNK },
	{ "ClientHello", "16" EPOCH0 "000d" HELLO, SOUND },
	{ "ChangeCipherSpec", "14" EPOCH0 "000101", SOUND },
	{ "another one", "14" EPOCH0 "000102", JUNK },
	{ "an alert", "15" EPOCH0 "00020228", SOUND },
	{ "an alert of no level", "15" EPOCH0 "00020328", JUNK },
	{ "an alert too long", "15" EPOCH0 "0003022800", JUNK },
	{ "data in plaintext", "17" EPOCH0 DATA, JUNK },
	{ "data", "17" EPOCH1 DATA, SOUND },
	{ "a handshake record that is protected", "16" EPOCH1 DATA, SOUND },
	{ "a heartbeat in plaintext", "18" EPOCH0 DATA, JUNK },
	{ "a heartbeat", "18" EPOCH1 DATA, SOUND },
	{ "an unknown type", "1b" EPOCH1 DATA, JUNK },
	{ "type 19", "13" EPOCH1 DATA, JUNK },
	{ "an ACK in plaintext", "1a" EPOCH0 "0012" "0010" "00000000000000000000000000000001", SOUND },
	{ "two records", "17" EPOCH1 DATA "17" EPOCH1 DATA, SOUND },
	{ "a record and junk", "17" EPOCH1 DATA "ff" EPOCH1 DATA, JUNK },
	{ "a connection id of 4", "19" EPOCH1 "c1d2e3f4" DATA, SOUND },
	{ "two with one of 4", "19" EPOCH1 "c1d2e3f4" DATA "19" EPOCH1 "c1d2e3f4" DATA, SOUND },
	{ "none at all", "19" EPOCH1 "0010" "00112233445566778899aabbccddeeff", JUNK },
	{ "one in plaintext", "19" EPOCH0 "c1d2e3f4" DATA, JUNK },
	{ "one as DTLS 1.0", "19feff" "0001" "000000000007" "c1d2e3f4" DATA, JUNK },
	{ "ChangeCipherSpec, then one of 2", "14" EPOCH0 "000101" "19" EPOCH1 "c1d2" DATA, SOUND },
	{ "DTLS 1.3, short number, no length", "22" "01" "00112233445566778899aabbccddeeff", SOUND },
	{ "the same, a byte too short", "22" "01" "00112233445566778899aabbccddee", JUNK },
	{ "DTLS 1.3, long number, length", "2e" "0102" DATA, SOUND },
	{ "the same twice", "2e" "0102" DATA "2e" "0103" DATA, SOUND },
	{ "the same, cut", "2e" "0102" "0011" "00112233445566778899aabbccddeeff", JUNK },
	{ "DTLS 1.3 with a connection id", "3e" "c1d2e3f4" "0102" DATA, SOUND },
	{ "one without, then one with", "2e" "0102" DATA "32" "c1d2" "01"
		"00112233445566778899aabbccddeeff", SOUND },
	{ "ServerHello", SERVER_HELLO(RANDOM, "0036000504c1d2e3f4"), SOUND },
};

static size_t bytes_of(const char *hex, uint8_t *bytes)
{
	long n = hex_decode(hex, strlen(hex), bytes, strlen(hex) / 2);
	ck_assert_msg(n >= 0, "no hex: %s", hex);
	return (size_t)n;
}

static bool look(const char *hex, size_t cid_n, struct record_view *view)
{
	static uint8_t bytes[2048];
	return record_look(bytes, bytes_of(hex, bytes), cid_n, view);
}

START_TEST(each_row_is_judged)
{
	struct record_view view;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(look(rows[i].hex, 0, &view) == rows[i].is_sound, "%s", rows[i].what);
}
END_TEST

/* Bytes behind the end are another's: the copy lets the sanitizer see. */
START_TEST(no_cut_is_read_beyond_its_end)
{
	uint8_t bytes[2048];
	struct record_view view;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = bytes_of(rows[i].hex, bytes);
		for (size_t cut = 0; cut <= n; cut++) {
			uint8_t *copy = malloc(cut + 1);
			ck_assert_ptr_nonnull(copy);
			memcpy(copy + 1, bytes, cut);
			(void)!record_look(copy + 1, cut, 4, &view);
			(void)record_cid_at(copy + 1, cut);
			free(copy);
		}
	}
}
END_TEST

START_TEST(a_captured_conversation_is_sound)
{
	struct capture c;
	struct captured d;
	struct record_view view;
	unsigned hellos = 0, taken = 0, protected = 0;
	capture_open(&c, CAPTURE_DTLS);
	while (capture_next(&c, &d)) {
		ck_assert_msg(record_look(d.bytes, d.n, 0, &view), "line %d", d.line);
		ck_assert(!view.has_client_hello || d.up);
		hellos += view.begins_hello;
		taken += view.has_server_hello;
		protected += view.has_protected;
	}
	capture_close(&c);
	ck_assert_uint_ge(hellos, 2);
	ck_assert_uint_ge(taken, 1);
	ck_assert_uint_ge(protected, 4);
}
END_TEST

START_TEST(a_client_hello_is_found_wherever_it_stands)
{
	struct record_view view;
	ck_assert(look("16" EPOCH0 "000d" HELLO, 0, &view));
	ck_assert(view.has_client_hello && view.begins_hello && !view.has_protected);
	ck_assert(look("16" EPOCH0 "0019" DONE HELLO, 0, &view));
	ck_assert(view.has_client_hello);
	ck_assert(look("17" EPOCH1 DATA "16" EPOCH0 "000d" HELLO, 0, &view));
	ck_assert(view.has_client_hello && view.has_protected);
	/* its second part */
	ck_assert(look("16" EPOCH0 "000d" "01000002000000000100000100", 0, &view));
	ck_assert(view.has_client_hello && !view.begins_hello);
	ck_assert(look("16" EPOCH0 "000c" DONE, 0, &view));
	ck_assert(!view.has_client_hello);
}
END_TEST

START_TEST(a_server_hello_gives_its_connection_id)
{
	struct record_view view;
	ck_assert(look(SERVER_HELLO(RANDOM, "0036000504c1d2e3f4"), 0, &view));
	ck_assert(view.has_server_hello);
	ck_assert_uint_eq(view.gives_cid.n, 4);
	ck_assert_uint_eq(view.gives_cid.p[0], 0xc1);
	ck_assert(look(SERVER_HELLO(RANDOM, "0017000504c1d2e3f4"), 0, &view));
	ck_assert(view.has_server_hello);
	ck_assert_uint_eq(view.gives_cid.n, 0);
	ck_assert(look(SERVER_HELLO(RANDOM, "0036000503c1d2e3f4"), 0, &view)); /* broken */
	ck_assert_uint_eq(view.gives_cid.n, 0);
	ck_assert(look(SERVER_HELLO(RETRY, "0036000504c1d2e3f4"), 0, &view));
	ck_assert(!view.has_server_hello);
	ck_assert_uint_eq(view.gives_cid.n, 0);
}
END_TEST

START_TEST(a_connection_id_is_told_where_its_length_is_known)
{
	struct record_view view;
	static const char one[] = "19" EPOCH1 "c1d2e3f4" DATA;
	uint8_t bytes[2048];
	ck_assert(look(one, 4, &view));
	ck_assert(view.has_cid && view.has_protected && view.has_number);
	ck_assert_uint_eq(view.cid.n, 4);
	ck_assert_uint_eq(view.number, (UINT64_C(1) << 48) + 7);
	ck_assert(look(one, 3, &view)); /* another length than thought */
	ck_assert(view.has_cid);
	ck_assert_uint_eq(view.cid.n, 0);
	struct slice at = record_cid_at(bytes, bytes_of(one, bytes));
	ck_assert_uint_eq(at.n, 22);
	ck_assert_uint_eq(at.p[0], 0xc1);
	at = record_cid_at(bytes, bytes_of("3e" "c1d2e3f4" "0102" DATA, bytes));
	ck_assert_uint_eq(at.p[0], 0xc1);
	ck_assert_uint_eq(record_cid_at(bytes, bytes_of("2e" "0102" DATA, bytes)).n, 0);
	ck_assert_uint_eq(record_cid_at(bytes, bytes_of("17" EPOCH1 DATA, bytes)).n, 0);
	ck_assert(look("2e" "0102" DATA, 0, &view));
	ck_assert(view.has_protected && !view.has_number && !view.has_cid);
}
END_TEST

START_TEST(the_highest_number_counts)
{
	struct record_view view;
	ck_assert(look("17" "fefd" "0001" "000000000009" DATA "17" EPOCH1 DATA, 0, &view));
	ck_assert_uint_eq(view.number, (UINT64_C(1) << 48) + 9);
	ck_assert(look("16" EPOCH0 "000c" DONE, 0, &view));
	ck_assert(!view.has_number);
}
END_TEST

START_TEST(many_records_are_junk)
{
	static uint8_t bytes[15 * 65];
	struct record_view view;
	for (size_t i = 0; i < sizeof(bytes); i += 15)
		bytes_of("15" EPOCH0 "00020100", bytes + i);
	ck_assert(record_look(bytes, (size_t)15 * 64, 0, &view));
	ck_assert(!record_look(bytes, (size_t)15 * 65, 0, &view));
}
END_TEST

Suite *record_suite(void)
{
	Suite *s = suite_create("records");
	SUITE_TEST(s, each_row_is_judged);
	SUITE_TEST(s, no_cut_is_read_beyond_its_end);
	SUITE_TEST(s, a_captured_conversation_is_sound);
	SUITE_TEST(s, a_client_hello_is_found_wherever_it_stands);
	SUITE_TEST(s, a_server_hello_gives_its_connection_id);
	SUITE_TEST(s, a_connection_id_is_told_where_its_length_is_known);
	SUITE_TEST(s, the_highest_number_counts);
	SUITE_TEST(s, many_records_are_junk);
	return s;
}
