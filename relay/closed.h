/* What drops captured traffic while nobody serves has no owner in the kernel, and outlives us. A file "closed"
 * beside the state file says that there may be such a thing, so that a start which does not want it takes it
 * away. */
#pragma once
#include <stdbool.h>

/* True when there may be something in the kernel that drops. dir is the folder of the state file; NULL: never. */
bool closed_is_left(const char *dir);
/* Notes that there may be such a thing, or that there is none; what hinders it is said in the log. */
void closed_note(const char *dir, bool is_closed);
/* Takes it away, where it is left, by a lwgate-net of its own; for a start that serves nobody. What hinders it
 * is said in the log. */
void closed_take_away(const char *dir);
