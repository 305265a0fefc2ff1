/* Things that are found by the address of a peer: an open table. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/bug.h"

struct places;

/* At most so many things at a time. NULL when there is no memory. */
struct places *places_create(size_t most) MUST_CHECK;
/* NULL is allowed; the things stay their owner's. */
void places_free(struct places *p);
/* The thing that stands there, NULL when there is none. */
void *places_find(const struct places *p, const struct sockaddr_storage *at) MUST_CHECK;
/* Puts a thing where none stands. */
void places_put(struct places *p, const struct sockaddr_storage *at, void *thing);
/* Takes away what stands there, if anything does. */
void places_remove(struct places *p, const struct sockaddr_storage *at);
/* Takes away all. */
void places_clear(struct places *p);
