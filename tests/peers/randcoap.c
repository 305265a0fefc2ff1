/* Prints random well-formed CoAP messages as lines of hex: every type, tokens of 0 to 8 bytes, known
 * options of legal lengths and unknown ones, payloads. None speaks to the registration interface. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"

#define MESSAGE_MAX 16384
#define OPTIONS_MAX 12

/* Known options in ascending order, with the lengths that RFC 7252 5.10 and its heirs allow. */
static const struct {
	unsigned number, least, most;
} known[] = {
	{ 1, 0, 8 }, { 3, 1, 255 }, { 4, 1, 8 }, { 5, 0, 0 }, { 6, 0, 3 }, { 7, 0, 2 },
	{ 8, 0, 255 }, { 11, 0, 255 }, { 12, 0, 2 }, { 14, 0, 4 }, { 15, 1, 255 }, { 17, 0, 2 },
	{ 20, 0, 255 }, { 23, 0, 3 }, { 27, 0, 3 }, { 28, 0, 4 }, { 35, 1, 1034 }, { 39, 1, 255 },
	{ 60, 0, 4 }, { 252, 1, 40 }, { 258, 0, 1 }, { 292, 0, 8 },
};
/* Codes: requests of RFC 7252 and 8132, responses of every class. */
static const uint8_t codes[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x41, 0x43, 0x44, 0x45,
	0x5f, 0x80, 0x84, 0x8d, 0xa0, 0xa3, 0xa5 };
static uint64_t state;

/* splitmix64: the same messages for the same seed, on any machine. */
static uint32_t below(uint32_t n)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

static size_t noise(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)below(256);
	return n;
}

/* The nibble of a delta or a length, and its extended bytes (RFC 7252 3.1). */
static unsigned nibble(unsigned value)
{
	return value < 13 ? value : value < 269 ? 13 : 14;
}

static size_t extended(uint8_t *p, unsigned value)
{
	if (value < 13)
		return 0;
	if (value < 269) {
		p[0] = (uint8_t)(value - 13);
		return 1;
	}
	p[0] = (uint8_t)((value - 269) >> 8);
	p[1] = (uint8_t)(value - 269);
	return 2;
}

static size_t put_option(uint8_t *p, unsigned delta, unsigned length)
{
	size_t at = 1;
	p[0] = (uint8_t)(nibble(delta) << 4 | nibble(length));
	at += extended(p + at, delta);
	at += extended(p + at, length);
	return at + noise(p + at, length);
}

/* One of the table, or an unknown one above it. */
static void draw(unsigned last, unsigned *number, unsigned *length)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].number < last || below(6) != 0)
			continue;
		*number = known[i].number;
		*length = known[i].least + below(known[i].most - known[i].least + 1);
		return;
	}
	*number = last < 2000 ? 2000 + below(60000) : last + below(65536 - last);
	*length = below(300);
}

static size_t put_options(uint8_t *p, size_t most)
{
	unsigned last = 0, number, length;
	size_t at = 0;
	for (unsigned n = below(OPTIONS_MAX); n > 0; n--) {
		draw(last, &number, &length);
		if (at + length + 5 > most)
			break;
		at += put_option(p + at, number - last, length);
		last = number;
	}
	return at;
}

static size_t message(uint8_t *p, size_t most)
{
	unsigned type = below(4), tkl = below(9);
	size_t n = 4;
	noise(p, 4);
	if (below(10) == 0) {
		/* An empty message has no token; an empty NON has no meaning. */
		p[0] = (uint8_t)(0x40 | (type == 1 ? 0 : type) << 4);
		p[1] = 0;
		return n;
	}
	p[0] = (uint8_t)(0x40 | type << 4 | tkl);
	p[1] = codes[below(sizeof(codes))];
	n += noise(p + n, tkl);
	n += put_options(p + n, most - n - 1);
	if (n + 2 < most && below(2) == 0) {
		p[n++] = 0xff;
		n += noise(p + n, 1 + below((uint32_t)(most - n - 1)));
	}
	return n;
}

int main(int argc, char **argv)
{
	static uint8_t bytes[MESSAGE_MAX];
	static char text[2 * MESSAGE_MAX + 1];
	unsigned long most = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	if (most < 64 || most > MESSAGE_MAX) {
		fprintf(stderr, "usage: randcoap SEED COUNT BYTES\n");
		return 2;
	}
	state = strtoull(argv[1], NULL, 10);
	for (unsigned long n = strtoul(argv[2], NULL, 10); n > 0; n--) {
		hex_encode(bytes, message(bytes, most), text);
		puts(text);
	}
	return 0;
}
