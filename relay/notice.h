/* Log lines that strangers can provoke: a burst goes out, then some a second, and the next line that goes
 * out tells how many like it were kept back. */
#pragma once
#include "base/log.h"

/* What such a line is about; each kind has its own budget. */
enum notice {
	NOTICE_CONTESTED, /* a Register from elsewhere was refused */
	NOTICE_MOVED,     /* a flow follows its device */
	NOTICE_KNOWN,     /* a server accepted an endpoint that no section names */
	NOTICE_ENDED,     /* a flow ended that no server had accepted, or that no section names */
	NOTICE_SESSION,   /* a device came with DTLS */
	NOTICE_REFUSED,   /* a device could not prove who it is */
	NOTICE_REFUSES_US, /* a device does not take our certificate */
	NOTICE_ASSIST,    /* an Update of our own came to nothing */
	NOTICE_MENDED,    /* somebody removed what was ours from the kernel */
	NOTICE_OVERLOAD,  /* devices send more than can be carried */
	NOTICE_COUNT
};

/* Budgets by kind. Zeroed is ready. */
struct notices {
	struct log_limit limit[NOTICE_COUNT]; /* by enum notice */
};

/* Writes one line, or counts it as kept back. */
void notice(struct notices *notices, enum notice kind, enum log_level level, struct mono now,
	const char *fmt, ...) PRINTF_LIKE(5, 6);
