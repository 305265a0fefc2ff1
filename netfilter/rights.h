/* What lwgate-net may do: CAP_NET_ADMIN, a list of system calls, and nothing else. */
#pragma once
#include <stdbool.h>
#include "base/bug.h"
#include "netfilter/netfilter.h"

/* Says which right is missing and how to grant it. Returns 0 or -EPERM. */
int rights_check(char why[CAPTURE_TEXT]) MUST_CHECK;
/* Gives up everything but CAP_NET_ADMIN, for good: another user where we are root, no new rights by
 * executing anything, no core file, nobody else may read our memory. Returns 0 or -errno. */
int rights_drop(void) MUST_CHECK;
/* Refuses every system call that we do not need, for good: with EPERM. may_fork leaves what the guard
 * needs to start a worker. Returns 0 or -errno. */
int rights_filter(bool may_fork) MUST_CHECK;
