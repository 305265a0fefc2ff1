/* Log lines for people. A sentence starts with the unit: log_info("route: endpoint %s ..."). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bucket.h"
#include "base/bug.h"
#include "base/mono.h"

/* How much it matters; the values are syslog's. */
enum log_level { LOG_LEVEL_ERR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Where lines go. */
enum log_sink { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_NOBODY };

/* Chooses where lines go; ident, borrowed for ever, names the program. */
void log_open(enum log_sink sink, const char *ident);
/* Lines above this level are dropped. */
void log_set_level(enum log_level level);
/* True when lines of this level are written, for work done only to log. */
bool log_is_on(enum log_level level);
/* Writes one line, at once. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_err(...)  log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_is_on(LOG_LEVEL_DEBUG))                                                    \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                    \
	} while (0)

/* A budget of lines. Zeroed is ready. */
struct log_limit {
	struct bucket lines; /* lines that may go out */
	uint64_t muted;      /* lines kept back since the last one that went out */
};

/* True when a line may go out: at most burst at once, and per_second after that. */
bool log_may(struct log_limit *limit, uint32_t burst, uint32_t per_second, struct mono now);
