/* Interfaces come and go, and come back under another number. */
#include "reopen.h"
#include <string.h>
#include "base/log.h"
#include "crew.h"
#include "datapath.h"
#include "lan_session.h"
#include "life.h"
#include "wanted.h"

static void changed(struct datapath *dp)
{
	if (dp->changed != NULL)
		dp->changed(dp->who);
}

/* The same place at a worker; NULL where that never had it. */
static struct lan_port *like(const struct lan_port *port, const struct datapath *dp)
{
	return wanted_port_by_number(dp, port->number);
}

static bool all_are_right(struct datapath *dp, const struct lan_port *port, uint32_t ifindex)
{
	bool are = true;
	for (unsigned i = 0; i < crew_count(dp); i++) {
		const struct lan_port *p = like(port, crew_datapath(dp, i));
		are &= p == NULL || (p->fd >= 0 && p->ifindex == ifindex);
	}
	return are;
}

static void shut_all(struct datapath *dp, const struct lan_port *port)
{
	for (unsigned i = 0; i < crew_count(dp); i++) {
		struct lan_port *p = like(port, crew_datapath(dp, i));
		if (p != NULL)
			lan_shut(p);
	}
}

/* Where the first can not have it nobody shall: somebody else's port is not to be shared. What another lacks is
 * handed over to it all the same. Returns the first fault. */
static int open_all(struct datapath *dp, const struct lan_port *port)
{
	int rc = 0;
	for (unsigned i = 0; i < crew_count(dp); i++) {
		struct datapath *one = crew_datapath(dp, i);
		struct lan_port *p = like(port, one);
		if (p == NULL || (i > 0 && port->fd < 0))
			continue;
		int failed = lan_reopen(p);
		one->ports_changed |= failed == 0;
		rc = rc == 0 ? failed : rc;
	}
	return rc;
}

/* A socket that is bound to an interface stays with its number, deaf, when that is made anew. The new
 * one may have no address yet; the next event comes with it. */
static void reopen_port(struct datapath *dp, struct lan_port *p)
{
	char text[ADDR_TEXT];
	uint32_t ifindex = p->interface != NULL ? udp_ifindex(p->interface) : 0;
	bool is_missing = p->interface != NULL && ifindex == 0;
	if (is_missing || all_are_right(dp, p, ifindex))
		return;
	const char *again = p->interface != NULL && p->ifindex == 0 ? "" : " again";
	shut_all(dp, p);
	int rc = open_all(dp, p);
	if (rc == 0)
		log_info("listen: section '%s' listens on %s%s%s%s", p->listener->name,
			addr_print(&p->bound, text), p->interface != NULL ? " of " : "",
			p->interface != NULL ? p->interface : "", again);
	else
		log_warn("listen: section '%s' can not listen on %s%s: %s", p->listener->name,
			addr_print(&p->bound, text), again, strerror(-rc));
}

void reopen_ports(struct datapath *dp)
{
	struct listener *l;
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;)
		list_each(node, &l->ports)
			reopen_port(dp, container_of(node, struct lan_port, node));
}

/* The same device, its interface not known. A link-local address says it too. */
static struct lan_key nowhere(const struct lan_key *key)
{
	struct lan_key k = *key;
	k.ifindex = 0;
	k.device.scope = 0;
	return k;
}

/* True when no interface has this number any more. */
static bool is_gone(uint32_t ifindex, uint32_t *known)
{
	if (ifindex == 0 || ifindex == *known)
		return false;
	bool is = !udp_is_link(ifindex);
	if (!is)
		*known = ifindex;
	return is;
}

void reopen_flow(struct datapath *dp, struct flow *flow, uint32_t *known)
{
	struct lan_session *s = flow->session;
	if (s != NULL && is_gone(s->key.ifindex, known))
		s->key.ifindex = 0; /* sessions are found without it, and follow their device by themselves */
	if (s != NULL || !is_gone(flow->key.ifindex, known))
		return;
	struct lan_key key = nowhere(&flow->key);
	const struct flow *there = flow_find(dp->flows, &key);
	/* Two networks may have used the same addresses: the first one counts. */
	if (there != NULL && strcmp(there->route->endpoint, flow->route->endpoint) != 0)
		return;
	life_rekey(dp, flow, &key);
	flow->called.scope = 0;
	changed(dp);
}

struct flow *reopen_follow(struct datapath *dp, const struct parcel *p)
{
	struct lan_key key = nowhere(&p->key);
	struct flow *flow;
	if (p->key.ifindex == 0)
		return NULL;
	while ((flow = flow_find(dp->flows, &key)) != NULL) {
		life_rekey(dp, flow, &p->key);
		changed(dp);
	}
	return flow_find(dp->flows, &p->key);
}
