/* What the server makes of one CoAP message, whatever brought it: answers requests, counts
 * notifications, matches answers with what it asked, and sees what came by another device's path. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "answer.h"
#include "asker.h"
#include "base/bug.h"
#include "paths.h"

struct server {
	struct answer_stats answers;
	struct paths *paths; /* NULL: nobody is asked, and nothing is checked */
	struct asker *asker; /* with paths only */
	uint64_t notified;   /* notifications */
	uint64_t old;        /* those that a newer one had overtaken, or that came twice */
	uint64_t foreign;    /* messages that came by another device's path */
	uint64_t bad;        /* notifications that are wrong */
	uint64_t disorder;   /* blocks that did not follow the one before */
};

/* Takes one message. Gives the length of the answer in room, 0 when there is none. */
size_t server_take(struct server *s, const struct sockaddr_storage *from, bool secure,
	const uint8_t *message, size_t n, uint8_t *room, size_t size) MUST_CHECK;
/* Nobody is known and nothing was counted. */
void server_forget(struct server *s);
