/* The door to libnftables: our tables, replaced whole. The owner of the table is a socket that the
 * library keeps; while a struct ruleset lives, nobody else can change or flush it, and with the process
 * it is gone. */
#pragma once
#include <stdbool.h>
#include "netfilter/netfilter.h"
#include "base/bug.h"

struct ruleset;

/* Gets ready; nothing is claimed yet. Returns 0 or -errno. */
int ruleset_open(struct ruleset **ruleset) MUST_CHECK;
/* Runs one transaction, all of it or nothing. Returns 0, or -EBUSY when another process owns our
 * table, -EEXIST when one of its name is there that nobody owns, -EPERM without the right, -EIO for anything else, with a sentence in `why`. */
int ruleset_run(struct ruleset *ruleset, const char *text, char why[CAPTURE_TEXT]) MUST_CHECK;
/* A number that stands for what the table `inet NAME` holds, without its counters; 0: it is not there. */
uint64_t ruleset_digest(struct ruleset *ruleset, const char *name);
/* Lets go: the owned table vanishes. NULL is allowed. */
void ruleset_close(struct ruleset *ruleset);

/* Tells of tables of others that somebody removes or changes, which needs no right: the fail-closed
 * one is not ours alone. */
int ruleset_watch(int *fd) MUST_CHECK;
/* Reads what has come on that descriptor. Returns true when something happened to a table of this
 * name, or events were lost. */
bool ruleset_touched(int fd, const char *name);
