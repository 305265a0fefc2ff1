/* Messages from one thread to another: one writes, one reads, nobody waits. Bytes of any length up to
 * RING_MESSAGE_MAX, in the order in which they were written. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "limits.h"

/* Bytes of the longest message: a datagram, and what must be known of it. */
#define RING_MESSAGE_MAX (UDP_ROOM + 256)

struct ring;

/* Makes a ring of `size` bytes, a power of two; half of it must hold a message. 0 or -ENOMEM. */
int ring_create(struct ring **ring, size_t size) MUST_CHECK;
/* Ends it, with what nobody read. Both threads must have left it. NULL is allowed. */
void ring_free(struct ring *ring);
/* Room for a message of n bytes, aligned for anything; NULL when the reader is too far behind. It is sent by
 * ring_commit, by nothing else. The writer's. */
void *ring_room(struct ring *ring, size_t n);
/* Sends the room that was given last. */
void ring_commit(struct ring *ring);
/* The oldest message, which stays until ring_next; p is NULL when there is none. The reader's. */
struct slice ring_first(struct ring *ring);
/* Takes the oldest off. */
void ring_next(struct ring *ring);
