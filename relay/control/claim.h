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
	int folder;      /* where it lies, open: later there may be no right to find it */
};

/* Listens on a unix stream socket at this path, that root, its owner and the group of user_service may
 * call. Its folder is made when missing, and handed over where nothing else is in it. What a
 * dead daemon left there is replaced. Returns the descriptor, nonblocking; or -EADDRINUSE where a
 * daemon answers, or another -errno; the reason is logged. */
int claim_open(struct claim *claim, const char *path) MUST_CHECK;
/* Removes the socket, unless another took its place. In a folder that is not ours to write it stays; the
 * next start takes it away. */
void claim_close(struct claim *claim);
/* True when a daemon accepts connections at this path, or when that can not be told. */
bool claim_is_served(const char *path) MUST_CHECK;
