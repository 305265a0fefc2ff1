/* JSON as it is written: json-c's values, put together so that memory which runs out is seen once, at
 * the end. *o is an object or an array, and the caller's; where memory runs out it is freed and becomes
 * NULL, and so stays whatever is put into it. With a key the value becomes a member of the object, a new
 * one; keys are not copied and outlive it. With NULL it goes to the end of the array. */
#pragma once
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "control/text.h"

/* Puts a value in, which is taken. NULL says that there was no memory for it. */
void tree_put(struct json_object **o, const char *key, struct json_object *value);
/* Puts null in. */
void tree_null(struct json_object **o, const char *key);
/* Puts a string in; for NULL, null. Bytes that are no UTF-8 become U+FFFD. */
void tree_string(struct json_object **o, const char *key, const char *value);
/* The same, a string of n bytes. */
void tree_bytes(struct json_object **o, const char *key, const char *value, size_t n);
/* Puts a number in. */
void tree_int(struct json_object **o, const char *key, int64_t value);
/* Puts a number in that has no sign. */
void tree_uint(struct json_object **o, const char *key, uint64_t value);
/* Puts true or false in. */
void tree_bool(struct json_object **o, const char *key, bool value);
/* Adds it to a text, without blanks, and frees it. Where memory ran out, the text is broken. */
void tree_write(struct text *t, struct json_object **o);
