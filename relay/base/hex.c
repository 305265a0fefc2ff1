/* Hexadecimal text. */
#include "base/hex.h"
#include <errno.h>

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

long hex_decode(const char *text, size_t n, uint8_t *bytes, size_t cap)
{
	if (n % 2 != 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (nibble(text[i]) < 0)
			return -EINVAL;
	if (n / 2 > cap)
		return -ENOSPC;
	for (size_t i = 0; i < n / 2; i++)
		bytes[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	return (long)(n / 2);
}

void hex_encode(const uint8_t *bytes, size_t n, char *text)
{
	static const char digit[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digit[bytes[i] >> 4];
		text[2 * i + 1] = digit[bytes[i] & 15];
	}
	text[2 * n] = '\0';
}
