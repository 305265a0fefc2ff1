/* A histogram of durations: 64 steps for each power of two, so a value is kept within 1.6 %. */
#pragma once
#include <stdint.h>

#define HIST_STEP_BITS 6
#define HIST_BUCKETS   ((64 - HIST_STEP_BITS + 1) << HIST_STEP_BITS)

struct hist {
	uint64_t count[HIST_BUCKETS];
	uint64_t total; /* values */
	uint64_t max;   /* ns */
};

/* Adds one value in ns; one below 0 counts as 0. */
void hist_add(struct hist *h, int64_t ns);
/* The value in ns below which the share (0..1) of all values lies; 0 when there are none. */
uint64_t hist_at(const struct hist *h, double share);
