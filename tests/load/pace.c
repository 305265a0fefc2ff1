/* Closed and open loops: see pace.h. */
#include "pace.h"

void pace_begin(struct pace *p, double rate, size_t inflight, int64_t now)
{
	*p = (struct pace){ .rate = rate, .inflight = inflight, .began = now };
}

static int64_t meant_at(const struct pace *p)
{
	return p->began + (int64_t)((double)p->meant * 1e9 / p->rate);
}

bool pace_may(const struct pace *p, size_t outstanding, int64_t now, int64_t *meant)
{
	*meant = p->rate > 0 ? meant_at(p) : now;
	return outstanding < p->inflight && *meant <= now;
}

void pace_left(struct pace *p)
{
	p->meant++;
}

int64_t pace_next(const struct pace *p, size_t outstanding)
{
	return p->rate > 0 && outstanding < p->inflight ? meant_at(p) : INT64_MAX;
}
