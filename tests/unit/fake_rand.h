/* The seed of fake_rand.c, which stands in for base/rand.c where a test must be repeatable. */
#pragma once
#include <stdint.h>

/* From here on the same numbers come. */
void fake_rand_seed(uint64_t seed);
