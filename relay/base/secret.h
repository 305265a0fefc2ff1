/* Memory for keys, and a process that does not tell them: no core dump, no tracer of the same user.
 * Any thread. */
#pragma once
#include <stddef.h>
#include "base/bug.h"
#include "base/cursor.h"

/* Makes the process undumpable (which also keeps others of its user from tracing it and from reading
 * its memory) and forbids core files, and memory in them. Call it before the first key is read; what is executed later
 * begins anew. Returns 0 or -errno. */
int secret_guard(void) MUST_CHECK;
/* Gives n zeroed bytes, aligned for anything, in pages that no core dump shows and, as far as the
 * machine's limit allows, no swap takes. Small pieces share pages. Returns NULL when there is no memory.
 * End with secret_free. */
void *secret_alloc(size_t n) MUST_CHECK;
/* Wipes and gives back. NULL is allowed. */
void secret_free(void *p);
/* Copies n bytes, none for 0, into memory of secret_alloc. Returns 0 or -ENOMEM. End with secret_wipe. */
int secret_copy(struct slice *to, const void *from, size_t n) MUST_CHECK;
/* Wipes and gives back what secret_copy made; the slice is empty then. */
void secret_wipe(struct slice *secret);
/* Pieces that are given out now, for tests. */
size_t secret_held(void);
