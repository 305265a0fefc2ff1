/* Log lines that strangers can provoke: a burst goes out, then some a second, and the next line that goes
 * out tells how many like it were kept back. Several workers write no more than one would. */
#pragma once
#include <pthread.h>
#include "base/bug.h"
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

/* What all workers together may write. */
struct notices_shared {
	pthread_mutex_t lock; /* of lines */
	struct bucket lines[NOTICE_COUNT]; /* by enum notice */
	_Atomic unsigned muted[NOTICE_COUNT]; /* lines kept back since one that went out */
};

/* Budgets by kind, of one worker. Zeroed is ready. */
struct notices {
	struct log_limit limit[NOTICE_COUNT]; /* by enum notice */
	struct notices_shared *shared; /* with others, borrowed; NULL where there are none */
};

/* Makes full budgets. Returns 0 or -ENOMEM. */
int notices_share(struct notices_shared *shared) MUST_CHECK;
/* Ends them. */
void notices_unshare(struct notices_shared *shared);

/* Writes one line, or counts it as kept back. */
void notice(struct notices *notices, enum notice kind, enum log_level level, struct mono now,
	const char *fmt, ...) PRINTF_LIKE(5, 6);
