/* Monotonic time as a type of its own. Only relay/loop.c reads the clock; others are told now. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A point on the monotonic clock. */
struct mono {
	int64_t ms; /* milliseconds since some fixed point; only differences mean something */
};

/* Later than every point in time: a deadline that never comes. */
#define MONO_NEVER ((struct mono){ INT64_MAX })

/* The point ms milliseconds after t; never stays never. */
static inline struct mono mono_add(struct mono t, int64_t ms)
{
	if (t.ms == INT64_MAX)
		return t;
	return (struct mono){ t.ms + ms };
}

/* True once the deadline has come. */
static inline bool mono_reached(struct mono deadline, struct mono now)
{
	return deadline.ms <= now.ms;
}

/* Milliseconds from earlier to later; negative where they are the other way round. */
static inline int64_t mono_since(struct mono earlier, struct mono later)
{
	return later.ms - earlier.ms;
}

/* The earlier of the two. */
static inline struct mono mono_min(struct mono a, struct mono b)
{
	return a.ms < b.ms ? a : b;
}
