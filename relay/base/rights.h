/* What a process may do: its user and its capabilities. One thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/user.h"

/* A capability of linux/capability.h as a set of one. */
#define RIGHT(cap) ((uint64_t)1 << (cap))

/* True when the process has, or may take, all capabilities of the set. */
bool rights_has(uint64_t set);
/* Gives up everything but the capabilities in keep: the bounding and the ambient set too, no new rights by
 * executing anything, no core file, nobody of the same user may look at us. Where we are root, we go on as
 * this user with its groups; where that can not be (a user namespace that does not know it), as who we
 * are, without the capabilities all the same. Returns 0 or -errno. */
int rights_give_up(const struct user *user, uint64_t keep) MUST_CHECK;
