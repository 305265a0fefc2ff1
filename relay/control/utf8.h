/* UTF-8 (RFC 3629), told from bytes that are none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at p, at least 1 of n bytes being there; 0 when it is none (RFC 3629 4). */
size_t utf8_size(const char *p, size_t n);
/* True when all of n bytes are UTF-8. */
bool utf8_is_all(const char *p, size_t n);
