/* The last step of the start: from then on lwgated is its own user without any right, and calls only what
 * it is known to call (DESIGN.md 3). */
#pragma once
#include "base/bug.h"

/* Becomes user_service where we are root, gives up every capability, and refuses all other system calls.
 * Logs as whom it goes on, and what a reload can not do any more. Between, threads are made, where `threads` is
 * not NULL: they inherit what was given up, the refusals are for all, and no more can be made. It returns 0 or
 * -errno. Returns 0 or -errno. */
int confine(int (*threads)(void *who), void *who) MUST_CHECK;
/* The last part of it, for all builds but the sanitized: system calls. Returns what filter_load does. */
int confine_filter(void) MUST_CHECK;
/* Reads the configuration as a reload would, and warns of every file that can not be read any more. */
void confine_check_reload(const char *conf_path);
