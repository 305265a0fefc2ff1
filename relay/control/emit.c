/* JSON, written (RFC 8259). */
#include "emit.h"
#include <inttypes.h>
#include <string.h>

/* A comma, unless this is the first member, or the first of a line or of a piece. */
static void separate(struct text *t)
{
	if (t->n == 0)
		return;
	char last = t->p[t->n - 1];
	if (last != '{' && last != '[' && last != ',' && last != '\n')
		text_add(t, ",");
}

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

size_t emit_utf8(const unsigned char *p, size_t n)
{
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

bool emit_is_utf8(const char *s)
{
	size_t left = strlen(s);
	while (left > 0) {
		size_t n = emit_utf8((const unsigned char *)s, left);
		if (n == 0)
			return false;
		s += n;
		left -= n;
	}
	return true;
}

/* Writes one character; returns how many bytes it had. */
static size_t put_character(struct text *t, const unsigned char *p, size_t n)
{
	size_t size = emit_utf8(p, n);
	if (size == 0)
		text_add(t, "\\ufffd");
	else if (*p == '"' || *p == '\\')
		text_addf(t, "\\%c", *p);
	else if (*p < 0x20 || *p == 0x7f)
		text_addf(t, "\\u%04x", *p);
	else
		text_bytes(t, p, size);
	return size == 0 ? 1 : size;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_quoted(struct text *t, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	text_add(t, "\"");
	for (size_t i = 0; i < n;) {
		size_t plain = i;
		while (plain < n && is_plain(p[plain]))
			plain++;
		text_bytes(t, p + i, plain - i);
		i = plain;
		if (i < n)
			i += put_character(t, p + i, n - i);
	}
	text_add(t, "\"");
}

static void put_key(struct text *t, const char *key)
{
	separate(t);
	if (key == NULL)
		return;
	put_quoted(t, key, strlen(key));
	text_add(t, ":");
}

void emit_open(struct text *t, const char *key, char bracket)
{
	put_key(t, key);
	text_bytes(t, &bracket, 1);
}

void emit_close(struct text *t, char bracket)
{
	text_bytes(t, &bracket, 1);
}

void emit_string(struct text *t, const char *key, const char *value)
{
	if (value == NULL)
		emit_null(t, key);
	else
		emit_bytes(t, key, value, strlen(value));
}

void emit_bytes(struct text *t, const char *key, const void *value, size_t n)
{
	put_key(t, key);
	put_quoted(t, value, n);
}

void emit_int(struct text *t, const char *key, int64_t value)
{
	put_key(t, key);
	text_addf(t, "%" PRId64, value);
}

void emit_uint(struct text *t, const char *key, uint64_t value)
{
	put_key(t, key);
	text_addf(t, "%" PRIu64, value);
}

void emit_bool(struct text *t, const char *key, bool value)
{
	put_key(t, key);
	text_add(t, value ? "true" : "false");
}

void emit_null(struct text *t, const char *key)
{
	put_key(t, key);
	text_add(t, "null");
}
