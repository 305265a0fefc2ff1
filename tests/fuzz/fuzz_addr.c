/* Addresses and hex text as a stranger may write them: what was read must print and read the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/addr.h"
#include "base/hex.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void round_trip(const char *text)
{
	struct addr a, b;
	char printed[ADDR_TEXT];
	if (addr_parse(&a, text) != 0)
		return;
	if (addr_parse(&b, addr_print(&a, printed)) != 0 || !addr_eq(&a, &b))
		abort();
}

static void hex(const char *text, size_t n)
{
	uint8_t bytes[64];
	char back[2 * sizeof(bytes) + 1];
	long got = hex_decode(text, n, bytes, sizeof(bytes));
	if (got < 0)
		return;
	hex_encode(bytes, (size_t)got, back);
	if ((size_t)got * 2 != n || strncasecmp(back, text, n) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char text[256];
	if (n >= sizeof(text))
		return 0;
	memcpy(text, bytes, n);
	text[n] = '\0';
	round_trip(text);
	hex(text, n);
	return 0;
}
