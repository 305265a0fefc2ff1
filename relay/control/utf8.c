/* UTF-8, told from bytes that are none. */
#include "utf8.h"

/* After some first bytes not every second one is allowed: overlong forms, surrogates, and what lies
 * beyond U+10FFFF. */
static bool is_second(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

size_t utf8_size(const char *bytes, size_t n)
{
	const unsigned char *p = (const unsigned char *)bytes;
	if (p[0] < 0x80)
		return 1;
	size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || size > n || !is_second(p[0], p[1]))
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

bool utf8_is_all(const char *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t size = utf8_size(p + at, n - at);
		if (size == 0)
			return false;
		at += size;
	}
	return true;
}
