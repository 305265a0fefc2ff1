/* Log lines that strangers can provoke. */
#include "notice.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include "limits.h"

int notices_share(struct notices_shared *shared)
{
	for (int i = 0; i < NOTICE_COUNT; i++) {
		shared->lines[i] = (struct bucket){ { 0 }, 0 };
		shared->muted[i] = 0;
	}
	return pthread_mutex_init(&shared->lock, NULL) == 0 ? 0 : -ENOMEM;
}

void notices_unshare(struct notices_shared *shared)
{
	pthread_mutex_destroy(&shared->lock);
}

static bool may_all(struct notices_shared *shared, enum notice kind, struct mono now)
{
	pthread_mutex_lock(&shared->lock);
	bool may = bucket_take(&shared->lines[kind], NOTICE_BURST, NOTICE_PER_SECOND, now);
	pthread_mutex_unlock(&shared->lock);
	return may;
}

/* Where there are several workers, one's own budget is as large as that of all, and is asked first: a flood takes no
 * lock. */
static bool may_write(struct notices *notices, enum notice kind, struct mono now, uint64_t *muted)
{
	struct log_limit *limit = &notices->limit[kind];
	struct notices_shared *shared = notices->shared;
	*muted = limit->muted;
	bool may = log_may(limit, NOTICE_BURST, NOTICE_PER_SECOND, now);
	if (shared == NULL)
		return may;
	if (may && may_all(shared, kind, now)) {
		*muted = atomic_exchange(&shared->muted[kind], 0);
		return true;
	}
	atomic_fetch_add(&shared->muted[kind], 1);
	return false;
}

void notice(struct notices *notices, enum notice kind, enum log_level level, struct mono now,
	const char *fmt, ...)
{
	char line[900];
	uint64_t muted;
	if (!log_is_on(level) || !may_write(notices, kind, now, &muted))
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (muted == 0)
		log_line(level, "%s", line);
	else
		log_line(level, "%s (%" PRIu64 " more like this were not written)", line, muted);
}
