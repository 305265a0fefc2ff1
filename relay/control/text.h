/* Text that grows while it is put together: answers, rows, messages of many lines. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/bug.h"

/* A text in the making. Zeroed is empty. */
struct text {
	char *p;     /* the bytes and their end, owned; NULL while empty */
	size_t n;    /* bytes without the end */
	size_t room; /* bytes of memory */
	bool broken; /* memory ran out: what stands there is not whole */
};

/* Adds n bytes. */
void text_bytes(struct text *t, const void *bytes, size_t n);
/* Adds a C string. */
void text_add(struct text *t, const char *s);
/* Adds like printf. */
void text_addf(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first n bytes. */
void text_eat(struct text *t, size_t n);
/* The text as a C string, "" while it is empty. */
const char *text_str(const struct text *t);
/* Empties it and frees its memory. */
void text_fini(struct text *t);
