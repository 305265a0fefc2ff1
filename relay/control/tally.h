/* Flows counted by their state, in all and for each server, some at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/bug.h"
#include "base/mono.h"
#include "wan.h"

struct datapath;

/* How many values enum wan_state has. */
#define TALLY_STATES (WAN_BACKOFF + 1)

/* The associations of one server. */
struct tally_server {
	uint32_t number;             /* of the server: workers number theirs alike */
	size_t state[TALLY_STATES];  /* associations by enum wan_state */
};

struct tally {
	unsigned worker;             /* whose flows are walked */
	size_t at;                   /* how far the walk has come */
	size_t flows;                /* counted */
	size_t live;                 /* of them: a server answered with success */
	size_t late;                 /* nothing came up in the server's handshake timeout */
	size_t waiting;              /* messages that wait for an association */
	size_t state[TALLY_STATES];  /* flows by enum wan_state */
	struct tally_server *server; /* the servers when it began */
	size_t servers;              /* how many */
};

/* Begins to count. Returns 0 or -ENOMEM. */
int tally_create(struct tally **tally, const struct datapath *dp) MUST_CHECK;
/* Counts at most so many flows more, of all workers; false when all were seen. */
bool tally_more(struct tally *tally, const struct datapath *dp, size_t most, struct mono now);
/* The associations of a server; zeros for one that came later. */
struct tally_server tally_server(const struct tally *tally, const struct server *server);
/* NULL is allowed. */
void tally_free(struct tally *tally);
