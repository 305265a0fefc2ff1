/* When a request may leave: in a closed loop as soon as fewer than so many are outstanding, in an open
 * one at a rate, whatever comes back. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"

struct pace {
	double rate;     /* requests a second, 0: closed loop */
	size_t inflight; /* most that may be outstanding */
	int64_t began;   /* of the requests, ns */
	uint64_t meant;  /* requests that should have left since */
};

/* Begins now. */
void pace_begin(struct pace *p, double rate, size_t inflight, int64_t now);
/* Whether one may leave now; *meant is when it should have left, ns. */
bool pace_may(const struct pace *p, size_t outstanding, int64_t now, int64_t *meant) MUST_CHECK;
/* One has left. */
void pace_left(struct pace *p);
/* When the next one may leave without an answer to another, ns; INT64_MAX in a closed loop. */
int64_t pace_next(const struct pace *p, size_t outstanding) MUST_CHECK;
