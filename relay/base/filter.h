/* Which system calls a process may make, from now on and for good. The door to libseccomp. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"

/* A condition on one argument of a system call, counted from 0: what remains of it behind the mask is
 * the value. An unused one is all zero. */
struct filter_arg {
	unsigned place; /* of the argument */
	uint64_t mask;  /* its bits that count */
	uint64_t value; /* what they are */
};
/* A system call that is allowed where both conditions hold. Named again, with others, it is allowed where
 * those hold, too. */
struct filter_call {
	const char *name;         /* as the kernel calls it */
	struct filter_arg arg[2]; /* both hold */
};
/* The list of what a program calls. Names that this machine does not know are left out. */
struct filter_list {
	const char *const *name; /* allowed as they are */
	size_t names; /* how many */
	const struct filter_call *call; /* allowed with conditions */
	size_t calls; /* how many */
};

/* Refuses every system call that none of the lists has, with EPERM, in all threads of the process. Built with FILTER_STRICT, for tests:
 * such a call ends the process (SIGSYS). Returns 0; -ENOSYS where the kernel has no filters, or another
 * -errno. */
int filter_load(const struct filter_list *list, size_t lists) MUST_CHECK;
/* True when this build can serve under a filter: the sanitizers' own calls are on nobody's list. */
bool filter_fits(void);
