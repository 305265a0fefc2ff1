/* Messages from one thread to another.
 *
 * head and tail count bytes for ever; their last bits are places. A message does not wrap: where it would,
 * what is left behind the last one is skipped, and says so. */
#include "ring.h"
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

/* In front of a message. */
struct head {
	uint32_t size; /* with this, and what aligns the next; in all */
	uint32_t n;    /* bytes of the message; SKIPPED: there is none */
};
#define SKIPPED UINT32_MAX
/* Writer and reader shall not share a line of the cache. */
#define LINE 64
#define ALIGN (sizeof(struct head) > alignof(max_align_t) ? sizeof(struct head) : alignof(max_align_t))

struct ring {
	size_t mask;
	uint8_t *bytes;
	alignas(LINE) _Atomic size_t tail; /* the writer's: all before it can be read */
	size_t head_seen;                  /* what it knows of the reader's */
	size_t given;                      /* where its next message ends, while it fills that */
	alignas(LINE) _Atomic size_t head; /* the reader's: all before it can be written */
	size_t tail_seen;                  /* what it knows of the writer's */
};

int ring_create(struct ring **ring, size_t size)
{
	BUG_UNLESS((size & (size - 1)) == 0 && size / 2 >= RING_MESSAGE_MAX + 2 * ALIGN);
	*ring = NULL;
	struct ring *r = aligned_alloc(LINE, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	*r = (struct ring){ .mask = size - 1, .bytes = aligned_alloc(LINE, size) };
	if (r->bytes == NULL) {
		free(r);
		return -ENOMEM;
	}
	*ring = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	free(r->bytes);
	free(r);
}

static struct head *at(const struct ring *r, size_t place)
{
	return (struct head *)(void *)(r->bytes + (place & r->mask));
}

static bool has_room(struct ring *r, size_t end)
{
	if (end - r->head_seen > r->mask + 1)
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
	return end - r->head_seen <= r->mask + 1;
}

void *ring_room(struct ring *r, size_t n)
{
	BUG_UNLESS(n <= RING_MESSAGE_MAX);
	size_t size = (ALIGN + n + ALIGN - 1) & ~(ALIGN - 1);
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	size_t left = r->mask + 1 - (tail & r->mask);
	size_t begin = left < size ? tail + left : tail;
	if (!has_room(r, begin + size))
		return NULL;
	if (begin != tail)
		*at(r, tail) = (struct head){ (uint32_t)left, SKIPPED };
	*at(r, begin) = (struct head){ (uint32_t)size, (uint32_t)n };
	r->given = begin + size;
	return r->bytes + (begin & r->mask) + ALIGN;
}

void ring_commit(struct ring *r)
{
	atomic_store_explicit(&r->tail, r->given, memory_order_release);
}

static bool has_message(struct ring *r, size_t head)
{
	if (head == r->tail_seen)
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return head != r->tail_seen;
}

struct slice ring_first(struct ring *r)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	if (!has_message(r, head))
		return (struct slice){ NULL, 0 };
	if (at(r, head)->n == SKIPPED) {
		head += at(r, head)->size;
		atomic_store_explicit(&r->head, head, memory_order_release);
	}
	return (struct slice){ (uint8_t *)at(r, head) + ALIGN, at(r, head)->n };
}

void ring_next(struct ring *r)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	atomic_store_explicit(&r->head, head + at(r, head)->size, memory_order_release);
}
