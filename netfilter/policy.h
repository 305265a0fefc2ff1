/* The policy rules and local routes that lead captured packets to our sockets: a door to libnl, for
 * lwgate-net. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "netfilter/plan.h"
#include "base/bug.h"

struct policy;

/* Opens the sockets; nothing is changed. Returns 0 or -errno. */
int policy_open(struct policy **policy) MUST_CHECK;
/* A descriptor that is readable when something happened. */
int policy_fd(const struct policy *policy);
/* Adds what the plan has to what is there, so that captured packets of before find their way as well, until
 * policy_set. Returns as that does. */
int policy_add(struct policy *policy, const struct plan *plan, char why[CAPTURE_TEXT]) MUST_CHECK;
/* Makes rules and routes as the plan has them, whatever was there, also a dead predecessor's. Returns
 * 0, or -errno with a sentence in `why`. */
int policy_set(struct policy *policy, const struct plan *plan, char why[CAPTURE_TEXT]) MUST_CHECK;
/* Reads what has come, and mends what somebody else removed or changed, counting it.
 * Returns 0, or -errno when the events or the mending failed for good. */
int policy_read(struct policy *policy, struct capture_counts *counts) MUST_CHECK;
/* Takes our rules and routes away. */
void policy_clear(struct policy *policy);
/* Closes the sockets; rules and routes stay. NULL is allowed. */
void policy_close(struct policy *policy);
