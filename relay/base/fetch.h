/* Memory that will be looked at soon: asked for ahead of time, so that nobody waits for it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Bytes that come at once, on most machines. */
#define FETCH_LINE 64

/* Asks for n bytes from a line's start on. Changes nothing, and any address is allowed. */
static inline void fetch(const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += FETCH_LINE)
		__builtin_prefetch((const void *)((uintptr_t)bytes + i));
}
