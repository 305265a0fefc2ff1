/* Flows counted by their state. */
#include "tally.h"
#include <errno.h>
#include <stdlib.h>
#include "crew.h"
#include "datapath.h"

int tally_create(struct tally **tally, const struct datapath *dp)
{
	size_t servers = 0;
	*tally = NULL;
	list_each(node, &dp->servers)
		servers++;
	struct tally *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->server = calloc(servers + 1, sizeof(*t->server));
	if (t->server == NULL) {
		free(t);
		return -ENOMEM;
	}
	list_each(at, &dp->servers)
		t->server[t->servers++].number = container_of(at, struct server, node)->number;
	*tally = t;
	return 0;
}

static void count(struct tally *t, const struct flow *flow, struct mono now)
{
	t->flows++;
	t->live += flow->is_live;
	t->late += wan_is_late(&flow->wan, now);
	t->waiting += flow->held.count;
	t->state[flow->wan.state]++;
	for (size_t i = 0; i < t->servers; i++)
		if (t->server[i].number == flow->route->server->number)
			t->server[i].state[flow->wan.state]++;
}

bool tally_more(struct tally *t, const struct datapath *dp, size_t most, struct mono now)
{
	for (; most > 0; most--) {
		struct flow *flow = crew_next_flow(dp, &t->worker, &t->at);
		if (flow == NULL)
			return false;
		wan_count_overflow(&flow->wan);
		count(t, flow, now);
	}
	return true;
}

struct tally_server tally_server(const struct tally *t, const struct server *server)
{
	for (size_t i = 0; i < t->servers; i++)
		if (t->server[i].number == server->number)
			return t->server[i];
	return (struct tally_server){ .number = server->number };
}

void tally_free(struct tally *t)
{
	if (t == NULL)
		return;
	free(t->server);
	free(t);
}
