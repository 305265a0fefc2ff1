/* A histogram of durations: see hist.h. */
#include "hist.h"

#define STEPS (1u << HIST_STEP_BITS)

static unsigned bucket_of(uint64_t v)
{
	if (v < STEPS)
		return (unsigned)v;
	unsigned shift = 63u - (unsigned)__builtin_clzll(v) - HIST_STEP_BITS;
	return (shift + 1) * STEPS + (unsigned)(v >> shift) - STEPS;
}

/* The largest value of a bucket. */
static uint64_t bucket_top(unsigned b)
{
	if (b < STEPS)
		return b;
	unsigned shift = b / STEPS - 1;
	return ((uint64_t)(b % STEPS + STEPS + 1) << shift) - 1;
}

void hist_add(struct hist *h, int64_t ns)
{
	uint64_t v = ns < 0 ? 0 : (uint64_t)ns;
	h->count[bucket_of(v)]++;
	h->total++;
	if (v > h->max)
		h->max = v;
}

uint64_t hist_at(const struct hist *h, double share)
{
	double wanted = share * (double)h->total;
	uint64_t seen = 0;
	for (unsigned b = 0; b < HIST_BUCKETS && h->total != 0; b++) {
		seen += h->count[b];
		if (seen != 0 && (double)seen >= wanted)
			return bucket_top(b) < h->max ? bucket_top(b) : h->max;
	}
	return h->max;
}
