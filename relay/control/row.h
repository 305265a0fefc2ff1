/* One line of the state file: JSON, read strictly and written. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "cid.h"
#include "control/text.h"
#include "life.h"
#include "limits.h"

struct json_object;

/* The version that is written, and the only one that is read. */
#define ROW_VERSION 1
/* Bytes of a line with its end; a longer one is a fault. */
#define ROW_LINE_MAX 8192

enum row_kind {
	ROW_HEADER, /* the first line: version, and when it was written */
	ROW_FLOW,   /* a flow */
	ROW_PORT,   /* the source port of a route without flow */
	ROW_END     /* the last line: how many rows stand above */
};

struct row {
	enum row_kind kind;      /* which of the following count */
	struct life_saved saved; /* of a flow; of a port: endpoint, server, is_bootstrap, port; without
	                          * ifindex and scopes */
	const char *interface;   /* of a flow: the one it came in by, or NULL */
	const char *zone;        /* of a flow: scope of a link-local device, or NULL */
	int64_t saved_at;        /* of the header: seconds since 1970 */
	uint64_t rows;           /* of the end */
	char endpoint[ENDPOINT_NAME_MAX + 1]; /* private */
	uint8_t cid[CID_MAX];                 /* private */
	struct json_object *owner;            /* private: texts live in here */
};

/* Reads a line of n bytes, without its end. Returns 0, and row_fini must follow; or -EINVAL, and why
 * says in words what is wrong with it. */
int row_read(struct row *row, const char *line, size_t n, const char **why) MUST_CHECK;
/* Frees what row_read made. */
void row_fini(struct row *row);
/* Adds the line of a row, with its end, to a text. */
void row_write(struct text *t, const struct row *row);
