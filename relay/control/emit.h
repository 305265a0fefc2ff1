/* JSON as it is written: members go straight into a text, without a tree and without an allocation
 * for each value. Reading is json-c's work. Bytes that are no UTF-8 can not stand in JSON: they become
 * U+FFFD. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "control/text.h"

/* Opens "{" or "[", as a member where key is not NULL. */
void emit_open(struct text *t, const char *key, char bracket);
/* Closes "}" or "]". */
void emit_close(struct text *t, char bracket);
/* A member of an object, or, where key is NULL, of an array: a string; a NULL one is null. */
void emit_string(struct text *t, const char *key, const char *value);
/* The same, a string of n bytes. */
void emit_bytes(struct text *t, const char *key, const void *value, size_t n);
/* The same, a number. */
void emit_int(struct text *t, const char *key, int64_t value);
/* The same, a number that has no sign. */
void emit_uint(struct text *t, const char *key, uint64_t value);
/* The same, true or false. */
void emit_bool(struct text *t, const char *key, bool value);
/* The same, null. */
void emit_null(struct text *t, const char *key);
/* Bytes of the UTF-8 character at p, at least 1 of n bytes being there; 0 when it is none
 * (RFC 3629 4). */
size_t emit_utf8(const unsigned char *p, size_t n);
/* True when the C string is UTF-8 throughout. */
bool emit_is_utf8(const char *s);
