/* Whom a device means by the address that it calls. */
#include "called.h"
#include <string.h>
#include "datapath.h"
#include "udp.h"

struct server *called_server(const struct datapath *dp, uint32_t number)
{
	if (number == 0 || number == CALLED_FOREIGN)
		return NULL;
	list_each(node, &((struct datapath *)(uintptr_t)dp)->servers) {
		struct server *s = container_of(node, struct server, node);
		if (s->number == number)
			return s;
	}
	return NULL;
}

/* How well a server fits the port: it is its own, or that of plain CoAP beside its own of DTLS (5683 and
 * 5684), or another one of its host. */
static int fitness(const struct server *s, const struct lan_port *port)
{
	if (s->port == port->bound.port && s->is_secure == port->is_secure)
		return 3;
	return s->is_secure && !port->is_secure && s->port == port->bound.port + 1 ? 2 : 1;
}

/* The server at the address; of several the one that fits the port best, then one that is there still rather
 * than one that was, or whose name is not resolved as yet, then the first. */
static const struct server *server_at(const struct datapath *dp, const struct lan_port *port,
	const struct addr *called, struct mono now)
{
	const struct server *best = NULL;
	int most = 0;
	list_each(node, &((struct datapath *)(uintptr_t)dp)->servers) {
		const struct server *s = container_of(node, struct server, node);
		if (!server_has(s, called, now))
			continue;
		int fits = 2 * fitness(s, port) + server_is_at(s, called);
		if (fits > most) {
			most = fits;
			best = s;
		}
	}
	return best;
}

/* This machine is its own source towards itself. */
static bool is_ours(const struct addr *called)
{
	struct addr source, asked = *called;
	asked.port = 9; /* any */
	return udp_source_for(&asked, NULL, &source) == 0 && addr_same_host(&source, called);
}

static struct called_memo *memo_of(struct datapath *dp, const struct lan_port *port,
	const struct addr *called)
{
	unsigned sum = port->bound.port;
	for (size_t i = 0; i < sizeof(called->ip); i++)
		sum = sum * 31 + called->ip[i];
	return &dp->called[sum % CALLED_MEMOS];
}

/* Asks the kernel, at most so often. Beyond that a stranger is meant, most likely. */
static bool may_ask(struct datapath *dp, struct mono now)
{
	unsigned workers = dp->env.workers;
	return bucket_take(&dp->asks, LIMIT_SHARE(CALLED_ASKS_BURST, workers),
		LIMIT_SHARE(CALLED_ASKS_PER_SECOND, workers), now);
}

/* Strangers' addresses, of which there is no end, do not push out others. */
static void keep(struct called_memo *place, const struct called_memo *found)
{
	bool is_strangers = found->server == 0 && !found->is_ours;
	bool is_same = addr_eq(&place->address, &found->address);
	if (!is_strangers || is_same || (place->server == 0 && !place->is_ours))
		*place = *found;
}

/* Who calls us at a port of ours does not mean a server that we run beside the relay at another. */
static struct called_memo look_up(struct datapath *dp, const struct lan_port *port,
	const struct addr *called, struct mono now)
{
	struct called_memo *m = memo_of(dp, port, called);
	bool is_known = m->until.ms != 0 && m->address.port == port->bound.port &&
		addr_same_host(&m->address, called);
	bool may = (!is_known || mono_reached(m->until, now)) && may_ask(dp, now);
	if (is_known && !may)
		return *m;
	const struct server *s = server_at(dp, port, called, now);
	bool is_us = may && (s == NULL || fitness(s, port) == 1) && is_ours(called);
	struct called_memo found = { .address = *called, .server = s != NULL && !is_us ? s->number : 0,
		.is_ours = is_us, .until = mono_add(now, CALLED_MEMO_MS) };
	found.address.port = port->bound.port;
	if (may)
		keep(m, &found);
	return found;
}

bool called_read(struct datapath *dp, struct parcel *p)
{
	const struct listener *l = p->port->listener;
	struct called_memo m = look_up(dp, p->port, &p->called, p->now);
	p->key.server = m.server;
	if (m.is_ours || (m.server != 0 && l->intercepts))
		return true;
	if (m.server == 0 && l->intercepts && l->relays_foreign && l->server != NULL) {
		p->key.server = CALLED_FOREIGN;
		return true;
	}
	dp->env.stat.drop[DROP_LAN_FOREIGN]++;
	return false;
}

void called_used(struct datapath *dp, const struct flow *flow, struct mono now)
{
	struct server *s = called_server(dp, flow->key.server);
	if (s != NULL)
		server_touch(s, &flow->called, now);
}

void called_forget(struct datapath *dp)
{
	memset(dp->called, 0, sizeof(dp->called));
}

struct route_way called_way(const struct datapath *dp, const struct lan_key *key,
	const struct addr *called, const struct listener *l)
{
	const struct server *s = called_server(dp, key->server);
	if (s == NULL)
		return (struct route_way){ .preferred = l->server };
	return (struct route_way){ .preferred = s, .called = called, .now = loop_now(dp->env.loop) };
}

struct server *called_by_unknown(const struct datapath *dp, const struct lan_key *key,
	const struct listener *l)
{
	struct server *called = called_server(dp, key->server);
	if (!l->accepts_unknown)
		return NULL;
	if (called == NULL)
		return l->server;
	return called->is_secure ? NULL : called;
}

bool called_stays(const struct datapath *dp, const struct lan_key *key, const struct listener *l)
{
	if (key->server == 0)
		return true;
	if (key->server == CALLED_FOREIGN)
		return l->intercepts && l->relays_foreign && l->server != NULL;
	return l->intercepts && called_server(dp, key->server) != NULL;
}

bool called_strays(const struct flow *f, const struct parcel *p)
{
	if (p->key.server == 0 || p->key.server == CALLED_FOREIGN)
		return false;
	const struct server *s = f->route->server;
	return p->key.server != s->number && !addr_same_host(&f->called, &p->called) &&
		!server_has(s, &p->called, p->now);
}
