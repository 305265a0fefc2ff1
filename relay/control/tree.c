/* JSON as it is written. */
#include "tree.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include "control/utf8.h"

/* A value that may be null; it is taken. */
static void put(struct json_object **o, const char *key, struct json_object *value)
{
	int rc = -1;
	if (*o != NULL && key == NULL)
		rc = json_object_array_add(*o, value);
	else if (*o != NULL)
		rc = json_object_object_add_ex(*o, key, value,
			JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT);
	if (rc == 0)
		return;
	json_object_put(value);
	json_object_put(*o);
	*o = NULL;
}

void tree_put(struct json_object **o, const char *key, struct json_object *value)
{
	if (value != NULL) {
		put(o, key, value);
		return;
	}
	json_object_put(*o);
	*o = NULL;
}

void tree_null(struct json_object **o, const char *key)
{
	put(o, key, NULL);
}

/* The text with U+FFFD for every byte that is no UTF-8. */
static struct json_object *mended(const char *p, size_t n)
{
	struct text t = { 0 };
	for (size_t at = 0; at < n;) {
		size_t size = utf8_size(p + at, n - at);
		if (size == 0)
			text_add(&t, "\xef\xbf\xbd");
		else
			text_bytes(&t, p + at, size);
		at += size == 0 ? 1 : size;
	}
	struct json_object *value = NULL;
	if (!t.broken && t.n <= INT_MAX)
		value = json_object_new_string_len(text_str(&t), (int)t.n);
	text_fini(&t);
	return value;
}

void tree_bytes(struct json_object **o, const char *key, const char *value, size_t n)
{
	if (n <= INT_MAX && utf8_is_all(value, n))
		tree_put(o, key, json_object_new_string_len(value, (int)n));
	else
		tree_put(o, key, mended(value, n));
}

void tree_string(struct json_object **o, const char *key, const char *value)
{
	if (value != NULL)
		tree_bytes(o, key, value, strlen(value));
	else
		tree_null(o, key);
}

void tree_int(struct json_object **o, const char *key, int64_t value)
{
	tree_put(o, key, json_object_new_int64(value));
}

void tree_uint(struct json_object **o, const char *key, uint64_t value)
{
	tree_put(o, key, json_object_new_uint64(value));
}

void tree_bool(struct json_object **o, const char *key, bool value)
{
	tree_put(o, key, json_object_new_boolean(value));
}

/* json-c 0.16 leaves out what it has no memory for and goes on; that malloc failed shows in errno. */
void tree_write(struct text *t, struct json_object **o)
{
	size_t n;
	errno = 0;
	const char *s = *o == NULL ? NULL : json_object_to_json_string_length(*o,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	if (s != NULL && errno != ENOMEM)
		text_bytes(t, s, n);
	else
		t->broken = true;
	json_object_put(*o);
	*o = NULL;
}
