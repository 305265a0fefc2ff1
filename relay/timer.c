/* Deadlines of many owners: a binary heap whose timers know their place. */
#include "timer.h"
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Grows the heap until reserved and held ones fit. */
static int grow(struct timers *timers, size_t reserved, size_t held)
{
	if (held > SIZE_MAX / sizeof(*timers->heap) - reserved)
		return -ENOMEM;
	size_t wanted = reserved + held;
	if (wanted > timers->room) {
		struct timer **heap = realloc(timers->heap, wanted * sizeof(*heap));
		if (heap == NULL)
			return -ENOMEM;
		timers->heap = heap;
		timers->room = wanted;
	}
	timers->reserved = reserved;
	timers->held = held;
	return 0;
}

int timers_reserve(struct timers *timers, size_t n)
{
	if (n <= timers->reserved)
		return 0;
	if (n > SIZE_MAX / sizeof(*timers->heap))
		return -ENOMEM;
	return grow(timers, n, timers->held);
}

int timers_hold(struct timers *timers, size_t n)
{
	if (n > SIZE_MAX / sizeof(*timers->heap) - timers->held)
		return -ENOMEM;
	return grow(timers, timers->reserved, timers->held + n);
}

void timers_release(struct timers *timers, size_t n)
{
	BUG_UNLESS(n <= timers->held);
	timers->held -= n;
}

void timers_fini(struct timers *timers)
{
	for (size_t i = 0; i < timers->count; i++)
		timers->heap[i]->place = 0;
	free(timers->heap);
	*timers = (struct timers){ 0 };
}

static bool before(const struct timer *a, const struct timer *b)
{
	if (a->at.ms != b->at.ms)
		return a->at.ms < b->at.ms;
	return a->order < b->order;
}

static void put(struct timers *timers, size_t i, struct timer *timer)
{
	timers->heap[i] = timer;
	timer->place = i + 1;
}

/* Moves a timer from place i towards the root, as far as it is due earlier. */
static size_t rise(struct timers *timers, size_t i, struct timer *timer)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;
		if (!before(timer, timers->heap[parent]))
			break;
		put(timers, i, timers->heap[parent]);
		i = parent;
	}
	return i;
}

/* Moves a timer from place i towards the leaves, as far as it is due later. */
static size_t sink(struct timers *timers, size_t i, struct timer *timer)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= timers->count)
			return i;
		if (child + 1 < timers->count &&
			before(timers->heap[child + 1], timers->heap[child]))
			child++;
		if (!before(timers->heap[child], timer))
			return i;
		put(timers, i, timers->heap[child]);
		i = child;
	}
}

/* Puts a timer where it belongs, the place i being free. */
static void settle(struct timers *timers, size_t i, struct timer *timer)
{
	put(timers, sink(timers, rise(timers, i, timer), timer), timer);
}

void timer_disarm(struct timers *timers, struct timer *timer)
{
	if (timer->place == 0)
		return;
	size_t i = timer->place - 1;
	BUG_UNLESS(i < timers->count && timers->heap[i] == timer);
	timer->place = 0;
	struct timer *last = timers->heap[--timers->count];
	if (last != timer)
		settle(timers, i, last);
}

void timer_arm(struct timers *timers, struct timer *timer, struct mono at)
{
	if (at.ms == MONO_NEVER.ms) {
		timer_disarm(timers, timer);
		return;
	}
	if (timer->place == 0) {
		BUG_UNLESS(timers->count < timers->reserved + timers->held);
		timer->place = ++timers->count;
	}
	/* A deadline before the last run is as good as that run; else a timer that always asks for
	 * the past would come before all others for ever. */
	timer->at = at.ms < timers->floor.ms ? timers->floor : at;
	timer->order = timers->order++;
	settle(timers, timer->place - 1, timer);
}

void timer_arm_by(struct timers *timers, struct timer *timer, struct mono at)
{
	if (timer->place == 0 || at.ms < timer->at.ms)
		timer_arm(timers, timer, at);
}

struct mono timers_next(const struct timers *timers)
{
	return timers->count == 0 ? MONO_NEVER : timers->heap[0]->at;
}

void timers_run(struct timers *timers, struct mono now, size_t most)
{
	if (timers->floor.ms < now.ms)
		timers->floor = now;
	for (; most > 0 && mono_reached(timers_next(timers), now); most--) {
		struct timer *timer = timers->heap[0];
		timer_disarm(timers, timer);
		timer->fire(timer, now);
	}
}
