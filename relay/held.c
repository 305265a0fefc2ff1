/* Messages that wait. */
#include "held.h"
#include <stdlib.h>
#include <string.h>
#include "limits.h"

static bool is_waiting(const struct held_queue *q, const struct msg *m)
{
	for (const struct held *h = q->first; h != NULL; h = h->next)
		if (h->type == m->type && h->mid == m->mid && h->code == m->code)
			return true;
	return false;
}

static bool is_stranger(unsigned kind)
{
	return (kind & HELD_STRANGER) != 0;
}

enum drop held_push(struct held_queue *q, struct held_budget *budget, const struct msg *m,
	const uint8_t *bytes, size_t n, unsigned kind, struct mono now)
{
	if (m->type == MSG_CON && is_waiting(q, m))
		return DROP_HELD_DUPLICATE;
	if (q->count >= HELD_PER_FLOW)
		return DROP_HELD_FULL;
	size_t most = budget->workers > 1 ? LIMIT_SHARE(HELD_BYTES_TOTAL, budget->workers) :
					    HELD_BYTES_TOTAL;
	if (budget->bytes + n > most || (is_stranger(kind) &&
		budget->strangers + n > most / HELD_STRANGER_SHARE))
		return DROP_HELD_MEMORY;
	struct held *h = malloc(sizeof(*h) + n);
	if (h == NULL)
		return DROP_HELD_MEMORY;
	*h = (struct held){ .type = m->type, .code = m->code, .mid = m->mid, .n = n,
		.kind = kind };
	h->dies = mono_add(now, m->type == MSG_CON ? HELD_CON_MS : HELD_NON_MS);
	memcpy(h->bytes, bytes, n);
	if (q->last != NULL)
		q->last->next = h;
	else
		q->first = h;
	q->last = h;
	q->count++;
	budget->bytes += n;
	budget->strangers += is_stranger(kind) ? n : 0;
	return DROP_COUNT;
}

/* Unlinks the message behind prev, or the first when prev is NULL. */
static struct held *take(struct held_queue *q, struct held *prev)
{
	struct held *h = prev != NULL ? prev->next : q->first;
	if (prev != NULL)
		prev->next = h->next;
	else
		q->first = h->next;
	if (q->last == h)
		q->last = prev;
	q->count--;
	h->next = NULL;
	return h;
}

struct held *held_pop(struct held_queue *q)
{
	return q->first != NULL ? take(q, NULL) : NULL;
}

struct held *held_pop_expired(struct held_queue *q, struct mono now)
{
	struct held *prev = NULL;
	for (struct held *h = q->first; h != NULL; prev = h, h = h->next)
		if (mono_reached(h->dies, now))
			return take(q, prev);
	return NULL;
}

struct held *held_pop_answerable(struct held_queue *q)
{
	struct held *prev = NULL;
	for (struct held *h = q->first; h != NULL; prev = h, h = h->next)
		if (h->type == MSG_CON && h->code != MSG_EMPTY && h->code >> 5 == 0 &&
			(h->kind & HELD_REGISTRATION) == 0)
			return take(q, prev);
	return NULL;
}

void held_free(struct held_budget *budget, struct held *h)
{
	if (h == NULL)
		return;
	budget->bytes -= h->n;
	budget->strangers -= is_stranger(h->kind) ? h->n : 0;
	free(h);
}

struct mono held_next(const struct held_queue *q)
{
	struct mono next = MONO_NEVER;
	for (const struct held *h = q->first; h != NULL; h = h->next)
		next = mono_min(next, h->dies);
	return next;
}
