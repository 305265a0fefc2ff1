/* The state file as a whole: a header, rows, an end that says how many. Read in one go, row by row,
 * so that memory does not grow with the table. */
#pragma once
#include <stdio.h>
#include "base/bug.h"
#include "control/row.h"

/* Most rows of a file; more are a fault. */
#define ROWS_MAX 250000

/* What is wrong with a file, and where. */
struct rows_fault {
	unsigned line;    /* the first line is 1 */
	const char *text; /* in words */
};

/* Reads the file from where it stands. each, which may be NULL, is told of every flow and port and
 * must not keep the row. Returns 0; or -EINVAL with the fault, -EIO when reading fails, -ENOMEM. Rows
 * before a fault have been told: read it with NULL first. */
int rows_read(FILE *file, int64_t *saved_at, void (*each)(void *who, const struct row *row),
	void *who, struct rows_fault *fault) MUST_CHECK;
