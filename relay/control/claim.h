/* The path of the control socket, claimed against other daemons. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bug.h"

/* A claimed path. */
struct claim {
	char *path;      /* owned */
	uint64_t device; /* of our socket, so that no other is removed */
	uint64_t inode;  /* the same */
};

/* Listens on a unix stream socket of mode 0600 at this path; its folder is made when missing. What a
 * dead daemon left there is replaced. Returns the descriptor, nonblocking; or -EADDRINUSE where a
 * daemon answers, or another -errno; the reason is logged. */
int claim_open(struct claim *claim, const char *path) MUST_CHECK;
/* Removes the socket, unless another took its place. */
void claim_close(struct claim *claim);
/* True when a daemon accepts connections at this path, or when that can not be told. */
bool claim_is_served(const char *path) MUST_CHECK;
