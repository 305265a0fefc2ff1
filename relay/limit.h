/* Budgets: how often strangers are answered, and how many unproven endpoints a source may have. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bucket.h"
#include "base/bug.h"
#include "base/hash.h"
#include "base/mono.h"

/* Unproven entries by source address. A table of fixed size: sources beyond it share one count, so
 * an attacker with many addresses meets the limit too. */
struct sources;

/* Makes the table. Returns 0 or -ENOMEM. */
int sources_create(struct sources **sources) MUST_CHECK;
/* Ends the table. NULL is allowed. */
void sources_free(struct sources *sources);
/* Counts one more unproven entry of this host. Returns a ticket, not 0, to give back with
 * sources_remove; 0 when the host has `most` already. */
unsigned sources_add(struct sources *sources, const struct addr *host, unsigned most) MUST_CHECK;
/* Takes the entry with this ticket off again. 0 is allowed. */
void sources_remove(struct sources *sources, unsigned ticket);
