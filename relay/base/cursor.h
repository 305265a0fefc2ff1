/* Bounded reading and writing of bytes. A cursor that ran over its end stays broken and yields
 * zeros and empty slices, so a parser reads like the RFC's table and asks once, at the end. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Borrowed bytes; n is in bytes, p may be NULL when n is 0. */
struct slice {
	const uint8_t *p; /* first byte, borrowed */
	size_t n;         /* bytes */
};

/* The bytes of a C string without its end. */
static inline struct slice slice_str(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

/* True when both hold the same bytes. Not constant time. */
static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* True when the slice holds exactly the bytes of the C string. */
static inline bool slice_is(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

/* Copies n bytes, none for 0, into memory of malloc; false when there is none. End with slice_free. */
static inline bool slice_copy(struct slice *to, const void *from, size_t n)
{
	uint8_t *copy = n > 0 ? malloc(n) : NULL;
	*to = (struct slice){ NULL, 0 };
	if (n > 0 && copy == NULL)
		return false;
	if (n > 0)
		memcpy(copy, from, n);
	*to = (struct slice){ copy, n };
	return true;
}

/* Frees what slice_copy made; the slice is empty then. */
static inline void slice_free(struct slice *s)
{
	free((void *)(uintptr_t)s->p);
	*s = (struct slice){ NULL, 0 };
}

/* True when both C strings are the same, or both are NULL. */
static inline bool text_is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A place in bytes that are being read. */
struct cursor {
	const uint8_t *p;   /* next byte, borrowed */
	const uint8_t *end; /* one after the last */
	bool broken;        /* something asked for more than there was */
};

/* Starts reading at the first of n bytes; the bytes stay the caller's. */
static inline struct cursor cur_of(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	return (struct cursor){ p, p == NULL ? p : p + n, false };
}

/* Bytes that are left. */
static inline size_t cur_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

/* Takes n bytes; an empty slice, and a broken cursor, when fewer are left. */
static inline struct slice cur_take(struct cursor *c, size_t n)
{
	if (c->broken || n > cur_left(c)) {
		c->broken = true;
		return (struct slice){ NULL, 0 };
	}
	struct slice s = { c->p, n };
	if (n != 0)
		c->p += n;
	return s;
}

/* Takes one byte. */
static inline uint8_t cur_u8(struct cursor *c)
{
	struct slice s = cur_take(c, 1);
	return s.n == 1 ? s.p[0] : 0;
}

/* Takes two bytes in network order. */
static inline uint16_t cur_u16(struct cursor *c)
{
	struct slice s = cur_take(c, 2);
	return (uint16_t)(s.n == 2 ? s.p[0] << 8 | s.p[1] : 0);
}

/* A place in bytes that are being written. */
struct writer {
	uint8_t *start; /* first byte of the room, the caller's */
	uint8_t *p;     /* next byte */
	uint8_t *end;   /* one after the last */
	bool broken;    /* the room was too small; what stands there is not to be used */
};

/* Starts writing into n bytes of the caller's. */
static inline struct writer put_into(void *room, size_t n)
{
	uint8_t *p = room;
	return (struct writer){ p, p, p + n, false };
}

/* Bytes written so far. */
static inline size_t put_len(const struct writer *w)
{
	return (size_t)(w->p - w->start);
}

/* Writes n bytes. */
static inline void put_bytes(struct writer *w, const void *bytes, size_t n)
{
	if (w->broken || n > (size_t)(w->end - w->p)) {
		w->broken = true;
		return;
	}
	if (n != 0)
		memcpy(w->p, bytes, n);
	w->p += n;
}

/* Writes one byte. */
static inline void put_u8(struct writer *w, uint8_t v)
{
	put_bytes(w, &v, 1);
}

/* Writes two bytes in network order. */
static inline void put_u16(struct writer *w, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	put_bytes(w, b, sizeof(b));
}
