/* Hexadecimal text to bytes and back. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"

/* Reads n characters of hex into at most cap bytes. Returns the number of bytes, or -EINVAL for an
 * odd length or another character, -ENOSPC when they do not fit. */
long hex_decode(const char *text, size_t n, uint8_t *bytes, size_t cap) MUST_CHECK;
/* Writes 2 * n characters and the end into text. */
void hex_encode(const uint8_t *bytes, size_t n, char *text);
