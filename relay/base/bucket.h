/* How much of something may happen: a burst at once, and then so much a second. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/mono.h"

/* A bucket of tokens that fills again with time. Zeroed is full. */
struct bucket {
	struct mono filled; /* when tokens were last added */
	uint32_t used;      /* tokens gone */
};

/* Takes one token of a bucket that holds `size` and gains `per_second`; false when it is empty. */
bool bucket_take(struct bucket *bucket, uint32_t size, uint32_t per_second, struct mono now);
