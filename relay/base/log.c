/* Log lines: to stderr with the level as a word, or to syslog. */
#include "base/log.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* A reload sets the level while other threads log. */
static struct {
	enum log_sink sink;
	_Atomic enum log_level level;
} state = { LOG_TO_STDERR, LOG_LEVEL_INFO };

void log_open(enum log_sink sink, const char *ident)
{
	state.sink = sink;
	if (sink == LOG_TO_SYSLOG)
		openlog(ident, LOG_PID, LOG_DAEMON);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&state.level, level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
	return level <= atomic_load_explicit(&state.level, memory_order_relaxed) && state.sink != LOG_TO_NOBODY;
}

static const char *word_of(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERR:
		return "error: ";
	case LOG_LEVEL_WARN:
		return "warning: ";
	case LOG_LEVEL_INFO:
		return "";
	case LOG_LEVEL_DEBUG:
		return "debug: ";
	}
	BUG("unknown log level");
}

/* Control bytes in a peer's or a user's text must not forge lines. */
static void make_printable(char *line)
{
	for (char *c = line; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

void log_line(enum log_level level, const char *fmt, ...)
{
	if (!log_is_on(level))
		return;
	char line[1024];
	const char *word = state.sink == LOG_TO_STDERR ? word_of(level) : "";
	size_t at = strlen(word);
	memcpy(line, word, at);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line + at, sizeof(line) - 1 - at, fmt, ap);
	va_end(ap);
	make_printable(line);
	if (state.sink == LOG_TO_SYSLOG) {
		syslog((int)level, "%s", line);
		return;
	}
	size_t n = strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody is left to be told */
}

bool log_may(struct log_limit *limit, uint32_t burst, uint32_t per_second, struct mono now)
{
	if (!bucket_take(&limit->lines, burst, per_second, now)) {
		limit->muted++;
		return false;
	}
	limit->muted = 0;
	return true;
}
