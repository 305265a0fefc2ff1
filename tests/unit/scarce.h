/* Memory that runs out when a test says so. Programs with it are linked with --wrap for malloc, calloc and
 * realloc, the libraries in them too. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* From now on the nth allocation fails, counted from 0, and with lasting all behind it. */
void scarce_begin(unsigned nth, bool lasting);
/* There is enough again. Returns whether one has failed. */
bool scarce_end(void);
