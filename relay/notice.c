/* Log lines that strangers can provoke. */
#include "notice.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "limits.h"

void notice(struct notices *notices, enum notice kind, enum log_level level, struct mono now,
	const char *fmt, ...)
{
	char line[900];
	struct log_limit *limit = &notices->limit[kind];
	uint64_t muted = limit->muted;
	if (!log_is_on(level) || !log_may(limit, NOTICE_BURST, NOTICE_PER_SECOND, now))
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
