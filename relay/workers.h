/* Workers as threads (DESIGN.md 6, rule 21). The first is the thread that makes them, with all that it does
 * besides; each other has a loop, a resolver and a datapath, which only it touches, except while it is held:
 * then it stands still between two events, and the first may look at all it has, and change it. Nobody else
 * waits for anybody. In place of them NULL stands for none: the relay has one worker. */
#pragma once
#include <stdbool.h>
#include "base/bug.h"
#include "base/mono.h"

struct datapath;
struct workers;

struct workers_spec {
	struct datapath *first;     /* of the first worker; borrowed */
	unsigned count;             /* how many there shall be, the first among them; two or more */
	void (*changed)(void *who); /* in the first thread: something that a restart should know changed */
	void (*looked)(void *who);  /* the same: servers or sockets of a worker are others now; all are held */
	void (*broken)(void *who);  /* the same: one can not go on */
	void *who;                  /* handed to the calls */
};

/* Makes them, and the crew of their datapaths, which are empty; no thread yet. Returns 0 or -errno. */
int workers_create(struct workers **workers, const struct workers_spec *spec) MUST_CHECK;
/* Makes the threads, which inherit what the caller may do, and are held. Returns 0 or -errno: then there are
 * none. */
int workers_start(struct workers *workers) MUST_CHECK;
/* Ends the threads: the first is alone again. */
void workers_stop(struct workers *workers);
/* Ends all but the first's datapath, which has no crew any more. NULL is allowed. */
void workers_free(struct workers *workers);

/* Returns when all others stand still. May be called again meanwhile; each call needs its workers_release. */
void workers_hold(struct workers *workers);
/* Lets them go on. */
void workers_release(struct workers *workers);
/* Addresses or routes of the machine changed: for all workers, whose sockets of one port must be opened again one
 * after the other. */
void workers_addresses_changed(struct workers *workers, struct mono now);
