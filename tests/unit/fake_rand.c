/* Randomness that is the same each time: every function of base/rand.h. A seed, and no more. */
#include "fake_rand.h"
#include <string.h>
#include "base/bug.h"
#include "base/rand.h"

static uint64_t state = 1;

void fake_rand_seed(uint64_t seed)
{
	state = seed;
}

/* SplitMix64. */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void rand_bytes(void *bytes, size_t n)
{
	uint8_t *to = bytes;
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)next();
}

uint32_t rand_below(uint32_t below)
{
	BUG_UNLESS(below != 0);
	return (uint32_t)(next() % below);
}

void rand_forget(void)
{
}
