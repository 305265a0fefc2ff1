/* The record header filter: what may reach the library in which state. */
#include <stdio.h>
#include <string.h>
#include "base/hex.h"
#include "dtls/dtls.h"
#include "dtls_suites.h"

#define OK    DTLS_HEADER_OK
#define BAD   DTLS_HEADER_BAD
#define HELLO DTLS_HEADER_CLIENT_HELLO

/* Records in parts: type, version, epoch, number, length, body. */
#define NUMBER "000000000000"
#define EPOCH0                                                                                     \
	"fefd"                                                                                     \
	"0000" NUMBER
#define EPOCH1                                                                                     \
	"fefd"                                                                                     \
	"0001" NUMBER
#define DONE "0e0000000000000000000000" /* ServerHelloDone, empty */

static const struct {
	const char *what;
	const char *hex;
	enum dtls_header handshake, established;
} rows[] = {
	/* clang-format off */
	{ "nothing", "", BAD, BAD },
	{ "one byte", "16", BAD, BAD },
	{ "a header cut short", "16" EPOCH0 "00", BAD, BAD },
	{ "a body cut short", "16" EPOCH0 "000d" DONE, BAD, BAD },
	{ "an empty record", "16" EPOCH0 "0000", BAD, BAD },
	{ "an empty protected record", "17" EPOCH1 "0000", BAD, BAD },
	{ "ServerHelloDone", "16" EPOCH0 "000c" DONE, OK, BAD },
	{ "the same as DTLS 1.0", "16feff0000" NUMBER "000c" DONE, OK, BAD },
	{ "as TLS 1.2", "1603030000" NUMBER "000c" DONE, BAD, BAD },
	{ "as DTLS 1.3", "16fefc0000" NUMBER "000c" DONE, BAD, BAD },
	{ "two messages in a record", "16" EPOCH0 "0018" DONE DONE, OK, BAD },
	{ "two messages, the second cut", "16" EPOCH0 "0017" DONE "0e00000000000000000000", BAD,
		BAD },
	{ "HelloRequest", "16" EPOCH0 "000c" "000000000000000000000000", BAD, BAD },
	{ "ClientHello", "16" EPOCH0 "000d" "01000001000000000000000100", HELLO, HELLO },
	{ "ClientHello, cut", "16" EPOCH0 "0001" "01", HELLO, HELLO },
	{ "ClientHello as DTLS 1.0", "16feff0000" NUMBER "000c" "010000000000000000000000", HELLO,
		HELLO },
	{ "ServerHello", "16" EPOCH0 "000d" "02000001000000000000000100", OK, BAD },
	{ "HelloVerifyRequest", "16" EPOCH0 "000d" "03000001000000000000000100", OK, BAD },
	{ "ServerKeyExchange", "16" EPOCH0 "000e" "0c0000020001000000000002" "0000", OK, BAD },
	{ "Certificate, which PSK has not", "16" EPOCH0 "000d" "0b000001000000000000000100", BAD,
		BAD },
	{ "ClientKeyExchange", "16" EPOCH0 "000d" "10000001000000000000000100", BAD, BAD },
	{ "Finished in plaintext", "16" EPOCH0 "000d" "14000001000000000000000100", BAD, BAD },
	{ "a message of no known type", "16" EPOCH0 "000c" "ff0000000000000000000000", BAD, BAD },
	{ "a message header cut short", "16" EPOCH0 "000b" "0200000100000000000001", BAD, BAD },
	{ "the first half of a message", "16" EPOCH0 "000d" "02000002000000000000000100", OK, BAD },
	{ "the second half", "16" EPOCH0 "000d" "02000002000000000100000100", OK, BAD },
	{ "a part behind the end", "16" EPOCH0 "000d" "02000002000000000200000100", BAD, BAD },
	{ "a part of nothing", "16" EPOCH0 "000c" "020000020000000000000000", BAD, BAD },
	{ "a part longer than its record", "16" EPOCH0 "000d" "02000002000000000000000200", BAD,
		BAD },
	{ "the longest message", "16" EPOCH0 "000d" "02000800000000000000000100", OK, BAD },
	{ "a longer one", "16" EPOCH0 "000d" "02000801000000000000000100", BAD, BAD },
	{ "a part behind every end", "16" EPOCH0 "000d" "020000010000ffffff00000100", BAD, BAD },
	{ "ChangeCipherSpec", "14" EPOCH0 "0001" "01", OK, BAD },
	{ "another value", "14" EPOCH0 "0001" "02", BAD, BAD },
	{ "one byte too long", "14" EPOCH0 "0002" "0101", BAD, BAD },
	{ "a protected one", "14" EPOCH1 "0001" "01", BAD, BAD },
	{ "fatal alert in plaintext", "15" EPOCH0 "0002" "0228", OK, BAD },
	{ "warning in plaintext", "15" EPOCH0 "0002" "0100", OK, BAD },
	{ "alert of no level", "15" EPOCH0 "0002" "0328", BAD, BAD },
	{ "alert of one byte", "15" EPOCH0 "0001" "02", BAD, BAD },
	{ "data in plaintext", "17" EPOCH0 "0001" "41", BAD, BAD },
	{ "protected data", "17" EPOCH1 "0001" "41", BAD, OK },
	{ "protected alert", "15" EPOCH1 "0001" "41", OK, OK },
	{ "protected handshake", "16" EPOCH1 "0001" "41", OK, BAD },
	{ "protected, as DTLS 1.0", "17feff0001" NUMBER "0001" "41", BAD, BAD },
	{ "epoch 2", "17fefd0002" NUMBER "0001" "41", BAD, BAD },
	{ "epoch 65535", "17fefdffff" NUMBER "0001" "41", BAD, BAD },
	{ "type 19", "13" EPOCH0 "0001" "41", BAD, BAD },
	{ "heartbeat", "18" EPOCH1 "0001" "41", BAD, BAD },
	{ "connection id, of which we have none", "19" EPOCH1 "0001" "41", BAD, BAD },
	{ "ACK of DTLS 1.3", "1a" EPOCH1 "0001" "41", BAD, BAD },
	{ "unified header of DTLS 1.3", "2c000000000000000000000000000000", BAD, BAD },
	{ "CoAP", "40011234b3666f6f", BAD, BAD },
	{ "two data records", "17" EPOCH1 "0001" "41" "17" EPOCH1 "0001" "42", BAD, OK },
	{ "data and a tail", "17" EPOCH1 "0001" "41" "17", BAD, BAD },
	{ "data and a ClientHello", "17" EPOCH1 "0001" "41" "16" EPOCH0 "0001" "01", BAD, HELLO },
	/* clang-format on */
};

START_TEST(verdict_on_a_record)
{
	uint8_t bytes[128];
	const char *hex = rows[_i].hex;
	long n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	ck_assert_int_ge(n, 0);
	ck_assert_msg(dtls_header_check(bytes, (size_t)n, false) == rows[_i].handshake,
		"in the handshake: %s", rows[_i].what);
	ck_assert_msg(dtls_header_check(bytes, (size_t)n, true) == rows[_i].established,
		"established: %s", rows[_i].what);
}
END_TEST

START_TEST(length_of_a_record_is_bounded)
{
	static uint8_t r[13 + DTLS_RECORD_MAX + DTLS_OVERHEAD_MAX + 1] = { 0x17, 0xfe, 0xfd, 0, 1 };
	size_t n = DTLS_RECORD_MAX + DTLS_OVERHEAD_MAX;
	r[11] = (uint8_t)(n >> 8);
	r[12] = (uint8_t)n;
	ck_assert_int_eq(dtls_header_check(r, 13 + n, true), OK);
	r[12]++;
	ck_assert_int_eq(dtls_header_check(r, 13 + n + 1, true), BAD);
}
END_TEST

/* A handshake between two other libraries: what its server says passes in the handshake, what it
 * says after that passes on a session, and none of what its client says passes as plaintext. */
static enum dtls_header wanted(bool from_server, unsigned line, bool established)
{
	const unsigned first_data = 8; /* datagrams are counted from 0 */
	if (line >= first_data)
		return established ? OK : BAD;
	if (line < 4 && !from_server)
		return HELLO;
	if (established)
		return BAD;
	/* Client: ClientKeyExchange is refused; CCS and Finished look like the server's. */
	return line == 4 ? BAD : OK;
}

START_TEST(captured_flights)
{
	char text[2048];
	uint8_t bytes[1024];
	unsigned line = 0;
	bool from_server = false;
	FILE *f = fopen("tests/captures/dtls12-psk-ccm8.hex", "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(text, sizeof(text), f) != NULL) {
		text[strcspn(text, "\n")] = '\0';
		if (text[0] == '#') {
			from_server = strncmp(text, "# S>C", 5) == 0;
			continue;
		}
		long n = hex_decode(text, strlen(text), bytes, sizeof(bytes));
		ck_assert_int_gt(n, 0);
		for (int up = 0; up < 2; up++)
			ck_assert_msg(dtls_header_check(bytes, (size_t)n, up) ==
					      wanted(from_server, line, up),
				"datagram %u, established %d", line, up);
		line++;
	}
	fclose(f);
	ck_assert_uint_eq(line, 10);
}
END_TEST

Suite *header_suite(void)
{
	Suite *s = suite_create("dtls header");
	TCase *c = tcase_create("rows");
	tcase_add_loop_test(c, verdict_on_a_record, 0, sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(s, c);
	SUITE_TEST(s, length_of_a_record_is_bounded);
	SUITE_TEST(s, captured_flights);
	return s;
}
