/* Counters of the relay: losses by reason, and what else happened. */
#pragma once
#include <stdint.h>

/* Why something was lost; see drop.def. */
enum drop {
#define DROP(id, metric, text) DROP_##id,
#include "drop.def"
#undef DROP
	DROP_COUNT
};

/* What else is counted; see count.def. */
enum count {
#define COUNT(id, metric, text) COUNT_##id,
#include "count.def"
#undef COUNT
	COUNT_COUNT
};

/* All counters since start. Zeroed is ready. */
struct counters {
	uint64_t drop[DROP_COUNT];   /* by enum drop */
	uint64_t count[COUNT_COUNT]; /* by enum count */
};

/* A name and a sentence for a person. */
struct stat_text {
	const char *metric; /* lower case with underscores */
	const char *text;   /* what it means */
};

/* The words for a reason; a number beyond the enum is a bug of ours. */
const struct stat_text *stat_drop_text(enum drop why);
/* The same for what else is counted. */
const struct stat_text *stat_count_text(enum count what);
