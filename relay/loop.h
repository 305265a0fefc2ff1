/* The event loop: descriptors, timers, and the only clock. One wake-up reads the clock once, runs
 * the timers that are due, tells the owners of ready descriptors, then calls every flush hook. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/list.h"
#include "base/mono.h"
#include "timer.h"

struct loop;

/* What happened to a descriptor; bits. An ICMP error on a socket comes as LOOP_ERROR alone, so its
 * owner reads for that as for LOOP_READ. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_ERROR = 4 };

/* Interest in a descriptor, embedded in its owner; level-triggered. */
struct watch {
	int fd; /* the owner's; it closes it */
	/* Called when something happened; it may forget this and any other watch. */
	void (*ready)(struct watch *watch, unsigned happened, struct mono now);
	/* Called some descriptors before ready, where it is not NULL and others come first: may ask for memory
	 * that ready will look at (base/fetch.h), and changes nothing. */
	void (*soon)(const struct watch *watch);
	uint32_t slot; /* private: 0 while not watched */
};

/* What another thread may ask for in the middle of a wake-up. Embedded in its owner. */
struct urge {
	_Atomic bool is_wanted; /* set by the other thread */
	/* Called between two descriptors while it is wanted; may do what a watch's ready may. */
	void (*run)(struct urge *urge);
};

/* Called at the end of each wake-up, e.g. to send what a batch gathered. Embedded in its owner. */
struct flush {
	struct list node; /* private */
	/* The work. */
	void (*run)(struct flush *flush, struct mono now);
};

/* Makes a loop. Returns 0 or -errno. */
int loop_create(struct loop **loop) MUST_CHECK;
/* Ends it; watches and timers must be gone or are forgotten. NULL is allowed. */
void loop_free(struct loop *loop);
/* Starts watching watch->fd for LOOP_READ and LOOP_WRITE bits. Returns 0 or -errno. */
int loop_watch(struct loop *loop, struct watch *watch, unsigned wanted) MUST_CHECK;
/* Changes what is waited for. Returns 0 or -errno. */
int loop_rewatch(struct loop *loop, struct watch *watch, unsigned wanted) MUST_CHECK;
/* Stops watching, before the descriptor is closed; safe inside any callback, also for a descriptor
 * whose event of this wake-up has not been told yet. A zeroed watch, or one that is not watched, is
 * left alone. */
void loop_unwatch(struct loop *loop, struct watch *watch);
/* Adds a flush hook. list_remove(&flush->node) takes it out. */
void loop_on_flush(struct loop *loop, struct flush *flush);
/* Looks at this one between two descriptors; it does not wake a loop that waits. One a loop; NULL: none. */
void loop_on_urge(struct loop *loop, struct urge *urge);
/* The timers of this loop. */
struct timers *loop_timers(struct loop *loop);
/* The clock as it was read at this wake-up; outside of one, as it is. */
struct mono loop_now(const struct loop *loop);
/* Runs until loop_stop. Returns 0 or -errno. */
int loop_run(struct loop *loop) MUST_CHECK;
/* Waits at most wait_ms (-1: for ever) for one wake-up and serves it. Returns 0 or -errno. */
int loop_once(struct loop *loop, int wait_ms) MUST_CHECK;
/* Makes loop_run return after this wake-up; called before, at once. */
void loop_stop(struct loop *loop);
/* Seconds since 1970 by the machine's clock, for what outlives a restart; it may jump. */
int64_t loop_wall(void);
