/* Memory of one configuration or one reading: given out piece by piece, wiped and freed as a whole.
 * What stands in it may be secret, so it lies in pages for that. */
#include "conf/conf_int.h"
#include <stdalign.h>
#include <stdarg.h>
#include <string.h>
#include "base/secret.h"

/* Bytes of an ordinary chunk: whole pages with what stands in front of it. */
#define CHUNK ((size_t)64 * 1024 - 128)

struct chunk {
	struct chunk *next; /* older, or NULL */
	size_t size, used;  /* bytes of room, bytes given out */
	alignas(max_align_t) uint8_t room[];
};

void arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){ .limit = limit };
}

static struct chunk *add_chunk(struct arena *arena, size_t n)
{
	/* Where a limit is set, memory is to run out at every piece, not at every chunk. */
	size_t size = n > CHUNK || arena->limit != 0 ? n : CHUNK;
	if (arena->limit != 0 && (size > arena->limit || arena->size > arena->limit - size))
		return NULL;
	struct chunk *chunk = secret_alloc(sizeof(*chunk) + size);
	if (chunk == NULL)
		return NULL;
	chunk->size = size;
	chunk->next = arena->first;
	arena->first = chunk;
	arena->size += size;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t n)
{
	size_t aligned = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct chunk *chunk = arena->first;
	if (aligned < n || arena->failed)
		chunk = NULL;
	else if (chunk == NULL || aligned > chunk->size - chunk->used)
		chunk = add_chunk(arena, aligned);
	if (chunk == NULL) {
		arena->failed = true;
		return NULL;
	}
	void *p = chunk->room + chunk->used;
	chunk->used += aligned;
	return p;
}

const char *arena_copy(struct arena *arena, const char *text, size_t n)
{
	char *copy = arena_alloc(arena, n + 1);
	if (copy == NULL)
		return "";
	if (n != 0)
		memcpy(copy, text, n);
	return copy;
}

const char *arena_vprintf(struct arena *arena, const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	char *text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
	if (text != NULL)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text != NULL ? text : "";
}

const char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const char *text = arena_vprintf(arena, fmt, args);
	va_end(args);
	return text;
}

void arena_fini(struct arena *arena)
{
	struct chunk *chunk = arena->first;
	while (chunk != NULL) {
		struct chunk *next = chunk->next;
		secret_free(chunk);
		chunk = next;
	}
	*arena = (struct arena){ .failed = false };
}
