/* Deadlines of many owners: a heap of timers that their owners embed. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/mono.h"

/* One deadline. Zeroed and with fire set is ready; embedded, never copied while armed. */
struct timer {
	void (*fire)(struct timer *timer, struct mono now); /* called once; the timer is unarmed then */
	struct mono at;                                      /* the deadline, while armed */
	size_t place;                                        /* place in the heap + 1; 0 is unarmed */
	uint64_t order;                                      /* private: first armed is first fired */
};

/* All deadlines of one loop. Zeroed is ready. */
struct timers {
	struct timer **heap; /* the earliest first */
	size_t count;        /* armed timers */
	size_t room;         /* places in the heap */
	size_t reserved;     /* the largest number that timers_reserve was asked for */
	size_t held;         /* places that are kept beside that */
	uint64_t order;      /* private: timers armed so far */
	struct mono floor;   /* private: when timers last ran; an earlier deadline means the same */
};

/* Makes room for n armed timers in all, so that timer_arm can not fail; a smaller n than before
 * changes nothing. Returns 0 or -ENOMEM. */
int timers_reserve(struct timers *timers, size_t n) MUST_CHECK;
/* Makes room for n more, beside those and what others hold: for an owner that comes with its own
 * few timers. Returns 0 or -ENOMEM. */
int timers_hold(struct timers *timers, size_t n) MUST_CHECK;
/* Gives back what the same owner held. */
void timers_release(struct timers *timers, size_t n);
/* Frees the heap; the timers stay their owners'. */
void timers_fini(struct timers *timers);
/* Arms, or moves, a timer. Room must have been reserved. MONO_NEVER disarms. Timers of one deadline
 * fire in the order in which they were armed. */
void timer_arm(struct timers *timers, struct timer *timer, struct mono at);
/* Like timer_arm, but only ever to an earlier deadline. */
void timer_arm_by(struct timers *timers, struct timer *timer, struct mono at);
/* Unarms; an unarmed one is left alone. */
void timer_disarm(struct timers *timers, struct timer *timer);
/* The earliest deadline, or MONO_NEVER. */
struct mono timers_next(const struct timers *timers);
/* Fires what is due, at most `most` timers, so that one wake-up stays bounded. A timer that arms
 * itself for now again comes behind all that are due. */
void timers_run(struct timers *timers, struct mono now, size_t most);
