/* The words for the counters. */
#include "stat.h"
#include "base/bug.h"

static const struct stat_text drops[] = {
#define DROP(id, metric, text) [DROP_##id] = { metric, text },
#include "drop.def"
#undef DROP
};

static const struct stat_text counts[] = {
#define COUNT(id, metric, text) [COUNT_##id] = { metric, text },
#include "count.def"
#undef COUNT
};

const struct stat_text *stat_drop_text(enum drop why)
{
	BUG_UNLESS(why < DROP_COUNT);
	return &drops[why];
}

const struct stat_text *stat_count_text(enum count what)
{
	BUG_UNLESS(what < COUNT_COUNT);
	return &counts[what];
}
