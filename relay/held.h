/* Messages that wait for an association, oldest first, within bounds (DESIGN.md 6, rule 9). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mono.h"
#include "msg.h"
#include "stat.h"

/* What a message is, or'ed. */
enum {
	HELD_REGISTRATION = 1, /* never answered by the relay itself (rule 5) */
	HELD_STRANGER = 2      /* of an endpoint that no section names and no server has accepted */
};

/* One waiting message. */
struct held {
	struct held *next; /* the next younger one */
	struct mono dies;        /* when it is of no more use */
	enum msg_type type; /* of the message */
	uint8_t code; /* of the message */
	uint16_t mid;            /* host order */
	unsigned kind;           /* HELD_REGISTRATION, HELD_STRANGER */
	size_t n;                /* bytes of the message */
	uint8_t bytes[]; /* the message */
};

/* The messages of one flow. Zeroed is empty. */
struct held_queue {
	struct held *first; /* the oldest */
	struct held *last; /* the youngest */
	unsigned count; /* messages */
};

/* Bytes that all queues hold together. Zeroed is ready. */
struct held_budget {
	size_t bytes; /* of all messages */
	size_t strangers; /* of those with HELD_STRANGER */
	unsigned workers; /* that share the limit; 0: this one alone */
};

/* Copies a message to the end of the queue. Returns DROP_COUNT when it was taken, else why not:
 * DROP_HELD_DUPLICATE, DROP_HELD_FULL, DROP_HELD_MEMORY. */
enum drop held_push(struct held_queue *queue, struct held_budget *budget, const struct msg *m,
	const uint8_t *bytes, size_t n, unsigned kind, struct mono now);
/* Takes the oldest off; the caller ends it with held_free. NULL when there is none. */
struct held *held_pop(struct held_queue *queue);
/* Takes off one that is past its time, or NULL. */
struct held *held_pop_expired(struct held_queue *queue, struct mono now);
/* Takes off the oldest CON request outside the registration interface, or NULL: what may be answered
 * 5.04 (rule 10). */
struct held *held_pop_answerable(struct held_queue *queue);
/* Ends a message that was taken off. NULL is allowed. */
void held_free(struct held_budget *budget, struct held *held);
/* When the next message is past its time; MONO_NEVER when none waits. */
struct mono held_next(const struct held_queue *queue);
