/* Wanted state against present state. */
#include "wanted.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "base/log.h"
#include "conf/conf.h"
#include "datapath.h"
#include "life.h"

/* A listener in the datapath's ring. */
struct listener_entry {
	struct list node;
	struct listener listener;
	bool is_wanted; /* private to one apply */
};

/* A socket that the configuration asks for. */
struct wanted_port {
	size_t listen;             /* which section */
	struct udp_listen_spec at; /* texts borrowed from the configuration */
	struct lan_port *port;     /* the one that is there, or was opened for it */
	bool is_new;
};

/* What one apply prepares, and undoes when something fails. */
struct plan {
	struct datapath *dp;
	const struct conf *conf;
	struct server **server;           /* one for each section, kept or new */
	bool *server_is_new;
	struct listener_entry **listener; /* one for each section, kept or new */
	bool *listener_is_new;
	struct wanted_port *port;
	size_t ports;
	struct routes *routes;
};

static struct listener_entry *entry_of(struct list *node)
{
	return container_of(node, struct listener_entry, node);
}

struct listener *wanted_listener(const struct datapath *dp, size_t *at)
{
	size_t i = 0;
	list_each(node, &((struct datapath *)(uintptr_t)dp)->listeners)
		if (i++ == *at) {
			++*at;
			return &entry_of(node)->listener;
		}
	return NULL;
}

struct listener *wanted_listener_by_number(const struct datapath *dp, uint32_t number)
{
	struct listener *l;
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;)
		if (l->number == number)
			return l;
	return NULL;
}

/* Says which section can not be had, in the log and for whoever asked. */
__attribute__((format(printf, 3, 4)))
static void fault(struct plan *plan, const struct conf_where *where, const char *format, ...)
{
	char what[256];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(plan->dp->fault, sizeof(plan->dp->fault), "%s:%u: %s", where->file, where->line,
		what);
	log_err("%s", plan->dp->fault);
}

/* ---- servers ---- */

static struct server *server_present(const struct plan *plan, const struct conf_server *conf)
{
	list_each(node, &plan->dp->servers) {
		struct server *s = container_of(node, struct server, node);
		if (server_matches(s, conf))
			return s;
	}
	return NULL;
}

static int prepare_servers(struct plan *plan)
{
	for (size_t i = 0; i < plan->conf->server_count; i++) {
		const struct conf_server *conf = &plan->conf->server[i];
		plan->server[i] = server_present(plan, conf);
		if (plan->server[i] != NULL)
			continue;
		int rc = server_create(&plan->server[i], &plan->dp->env, conf, &wan_dtls_calls);
		if (rc != 0) {
			fault(plan, &conf->where, "server '%s' can not be served: %s", conf->name,
				strerror(-rc));
			return rc;
		}
		plan->server_is_new[i] = true;
	}
	return 0;
}

static struct server *server_named(void *who, const char *name)
{
	const struct plan *plan = who;
	for (size_t i = 0; i < plan->conf->server_count; i++)
		if (strcmp(plan->conf->server[i].name, name) == 0)
			return plan->server[i];
	return NULL;
}

/* ---- listeners and their sockets ---- */

static struct listener_entry *listener_present(const struct plan *plan, const char *name)
{
	list_each(node, &plan->dp->listeners)
		if (strcmp(entry_of(node)->listener.name, name) == 0)
			return entry_of(node);
	return NULL;
}

static int listener_make(struct listener_entry **made, struct datapath *dp, const char *name)
{
	struct listener_entry *e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	list_init(&e->node);
	list_init(&e->listener.ports);
	e->listener.number = ++dp->listener_numbers;
	e->listener.name = strdup(name);
	if (e->listener.name == NULL) {
		free(e);
		return -ENOMEM;
	}
	*made = e;
	return 0;
}

static void listener_free(struct listener_entry *e)
{
	list_each(node, &e->listener.ports)
		lan_close(container_of(node, struct lan_port, node));
	list_remove(&e->node);
	free(e->listener.name);
	free(e);
}

static int prepare_listeners(struct plan *plan)
{
	for (size_t i = 0; i < plan->conf->listen_count; i++) {
		const char *name = plan->conf->listen[i].name;
		plan->listener[i] = listener_present(plan, name);
		if (plan->listener[i] != NULL)
			continue;
		int rc = listener_make(&plan->listener[i], plan->dp, name);
		if (rc != 0)
			return rc;
		plan->listener_is_new[i] = true;
	}
	return 0;
}

static struct lan_port *port_present(const struct plan *plan, const struct udp_listen_spec *at)
{
	struct listener *l;
	for (size_t i = 0; (l = wanted_listener(plan->dp, &i)) != NULL;) {
		list_each(node, &l->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (addr_eq(&p->bound, &at->address) &&
				text_is_same(p->interface, at->interface))
				return p;
		}
	}
	return NULL;
}

static bool is_wanted(const struct plan *plan, const struct lan_port *port)
{
	for (size_t i = 0; i < plan->ports; i++)
		if (plan->port[i].port == port)
			return true;
	return false;
}

/* Shuts the sockets of the same family and number that nobody wants any more: an old one on all
 * interfaces stands in the way of a new one on one of them, and the other way round. The ports stay for
 * their flows; undo opens them again. True when there was one. */
static bool make_way(struct plan *plan, const struct addr *at)
{
	bool was_there = false;
	struct listener *l;
	for (size_t i = 0; (l = wanted_listener(plan->dp, &i)) != NULL;) {
		list_each(node, &l->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (p->fd < 0 || p->bound.port != at->port ||
				addr_is_v4(&p->bound) != addr_is_v4(at) || is_wanted(plan, p))
				continue;
			lan_shut(p);
			was_there = true;
		}
	}
	return was_there;
}

static int port_open(struct plan *plan, struct wanted_port *w)
{
	char text[ADDR_TEXT];
	const struct conf_listen *conf = &plan->conf->listen[w->listen];
	struct lan_spec spec = { .listener = &plan->listener[w->listen]->listener, .at = w->at,
		.in = plan->dp->in, .calls = &datapath_lan_calls, .who = plan->dp };
	int rc = lan_open(&w->port, &plan->dp->env, &spec);
	if (rc == -EADDRINUSE && make_way(plan, &w->at.address))
		rc = lan_open(&w->port, &plan->dp->env, &spec);
	bool no_ipv6 = rc == -EAFNOSUPPORT && !addr_is_v4(&w->at.address);
	if (rc == 0 || (no_ipv6 && conf->address_count == 0)) {
		w->is_new = rc == 0;
		return 0;
	}
	fault(plan, &conf->where, "listen '%s' can not listen on %s%s%s: %s", conf->name,
		addr_print(&w->at.address, text), w->at.interface != NULL ? " of " : "",
		w->at.interface != NULL ? w->at.interface : "", strerror(-rc));
	return rc;
}

/* Opens a kept socket that was lost. */
static void port_reopen(struct lan_port *port)
{
	char text[ADDR_TEXT];
	int rc = lan_reopen(port);
	if (rc != 0)
		log_err("listen: section '%s' does not listen on %s any more: %s",
			port->listener->name, addr_print(&port->bound, text), strerror(-rc));
}

/* Writes the sockets that one section asks for, at most as many as ports_most says. */
static size_t ports_of(const struct conf_listen *conf, size_t listen, struct wanted_port *to)
{
	struct addr any[2] = { addr_any(true, 0), addr_any(false, 0) };
	const struct addr *address = conf->address_count > 0 ? conf->address : any;
	size_t addresses = conf->address_count > 0 ? conf->address_count : 2;
	size_t interfaces = conf->interface.count > 0 ? conf->interface.count : 1;
	size_t n = 0;
	for (size_t i = 0; conf->coap != 0 && i < interfaces; i++)
		for (size_t a = 0; a < addresses; a++) {
			to[n] = (struct wanted_port){ .listen = listen };
			to[n].at.address = address[a];
			to[n].at.address.port = conf->coap;
			if (conf->interface.count > 0)
				to[n].at.interface = conf->interface.item[i];
			n++;
		}
	return n;
}

static size_t ports_most(const struct conf *conf)
{
	size_t n = 1;
	for (size_t i = 0; i < conf->listen_count; i++)
		n += (conf->listen[i].interface.count + 1) * (conf->listen[i].address_count + 2);
	return n;
}

static int prepare_ports(struct plan *plan)
{
	for (size_t i = 0; i < plan->conf->listen_count; i++)
		plan->ports += ports_of(&plan->conf->listen[i], i, &plan->port[plan->ports]);
	for (size_t i = 0; i < plan->ports; i++)
		plan->port[i].port = port_present(plan, &plan->port[i].at);
	for (size_t i = 0; i < plan->ports; i++) {
		struct lan_port *present = plan->port[i].port;
		int rc = present != NULL ? 0 : port_open(plan, &plan->port[i]);
		if (rc != 0)
			return rc;
		if (present != NULL && present->fd < 0)
			port_reopen(present);
	}
	return 0;
}

/* ---- the flows ---- */

/* A socket of the listener that can serve the flow; the one that it has where that is kept, else rather
 * one that hears the interface of the device. */
static struct lan_port *port_for(struct listener *l, const struct flow *flow)
{
	struct lan_port *fitting = NULL, *best = NULL;
	list_each(node, &l->ports) {
		struct lan_port *p = container_of(node, struct lan_port, node);
		if (p == flow->port)
			return p;
		if (addr_is_v4(&p->bound) != addr_is_v4(&flow->key.device) ||
			!(addr_is_any(&p->bound) || addr_same_host(&p->bound, &flow->called)))
			continue;
		fitting = p;
		if (p->ifindex == 0 || p->ifindex == flow->key.ifindex)
			best = p;
	}
	return best != NULL ? best : fitting;
}

/* The route that a flow has under the new configuration, or NULL when it is not allowed any more. */
static struct route *route_for(struct plan *plan, struct listener *l, struct flow *flow)
{
	struct route *old = flow->route;
	struct route *r = route_find_exact(plan->routes, old->endpoint, old->server->name,
		old->is_bootstrap);
	if (r != NULL)
		return r->is_lan_secured ? NULL : r;
	bool stays = old->is_dynamic && l->accepts_unknown && l->server != NULL &&
		strcmp(l->server->name, old->server->name) == 0 &&
		route_find(plan->routes, slice_str(old->endpoint), false, NULL) == NULL;
	return stays ? old : NULL;
}

/* The association goes on where server and credential are the same, else it is made anew. */
static void flow_to_route(struct plan *plan, struct flow *flow, struct route *r, struct mono now)
{
	struct route *old = flow->route;
	bool same = r == old ? old->server == flow->port->listener->server :
			       route_same_way(old, r);
	if (r == old) {
		route_adopt(plan->routes, plan->dp->routes, old, flow->port->listener->server);
	} else {
		if (same)
			route_swap_texts(old, r); /* the association points to the old ones */
		r->port = old->port;
		r->flow = flow->id;
		flow->route = r;
	}
	if (same)
		return;
	wan_close(&flow->wan);
	struct wan_spec spec = { .server = r->server, .calls = &datapath_wan_calls,
		.psk = { r->identity, r->key }, .label = r->endpoint, .port = r->port };
	wan_open(&flow->wan, &plan->dp->env, &spec, now);
}

static void flow_apply(struct plan *plan, struct flow *flow, struct mono now)
{
	struct datapath *dp = plan->dp;
	struct listener *l = wanted_listener_by_number(dp, flow->key.listener);
	struct lan_port *port = l != NULL ? port_for(l, flow) : NULL;
	struct route *r = port != NULL ? route_for(plan, l, flow) : NULL;
	if (r != NULL && !life_fits(r, &flow->key.device))
		r = NULL;
	if (r == NULL) {
		life_end(dp, flow, "the configuration does not allow it any more");
		return;
	}
	struct route *old = flow->route;
	flow->port = port;
	if (old->is_dynamic && r != old && !flow->is_live)
		dp->unproven--;
	flow_to_route(plan, flow, r, now);
	if (old->is_dynamic && r != old)
		route_free(dp->routes, old);
	life_rearm(dp, flow, now);
}

/* ---- the change ---- */

static void listener_apply(struct plan *plan, size_t i)
{
	const struct conf_listen *conf = &plan->conf->listen[i];
	struct listener *l = &plan->listener[i]->listener;
	l->server = conf->server != NULL ? server_named(plan, conf->server->name) : NULL;
	l->accepts_unknown = conf->unknown_endpoints == CONF_UNKNOWN_ACCEPT;
	l->may_move = conf->move;
	plan->listener[i]->is_wanted = true;
	if (plan->listener_is_new[i])
		list_append(&plan->dp->listeners, &plan->listener[i]->node);
}

/* Takes all sockets from their listeners; those that are wanted go to theirs, the rest stays. */
static void sort_ports(struct plan *plan, struct list *rest)
{
	list_each(node, &plan->dp->listeners) {
		struct listener *l = &entry_of(node)->listener;
		list_each(at, &l->ports) {
			list_remove(at);
			list_append(rest, at);
		}
	}
	for (size_t i = 0; i < plan->ports; i++) {
		struct lan_port *p = plan->port[i].port;
		if (p == NULL)
			continue; /* a family that this machine does not have */
		p->listener = &plan->listener[plan->port[i].listen]->listener;
		list_remove(&p->node);
		list_append(&p->listener->ports, &p->node);
	}
}

static void commit_listeners(struct plan *plan)
{
	list_each(node, &plan->dp->listeners)
		entry_of(node)->is_wanted = false;
	for (size_t i = 0; i < plan->conf->listen_count; i++)
		listener_apply(plan, i);
}

/* Remembered source ports outlive the flows. */
static void keep_ports(struct plan *plan)
{
	struct route *old;
	for (size_t at = 0; (old = route_next(plan->dp->routes, &at)) != NULL;) {
		struct route *r = route_find_exact(plan->routes, old->endpoint, old->server->name,
			old->is_bootstrap);
		if (r != NULL && r->port == 0)
			r->port = old->port;
	}
}

static void commit_flows(struct plan *plan, struct mono now)
{
	struct datapath *dp = plan->dp;
	struct flow *flow;
	if (dp->routes != NULL)
		keep_ports(plan);
	list_each(node, &dp->moves.waiting)
		move_cancel(dp, move_flow(node));
	for (size_t at = 0; (flow = flow_next(dp->flows, &at)) != NULL;)
		flow_apply(plan, flow, now);
	routes_free(dp->routes);
	dp->routes = plan->routes;
	plan->routes = NULL;
}

static void commit_servers(struct plan *plan)
{
	struct list *ring = &plan->dp->servers;
	struct list old;
	list_init(&old);
	list_each(node, ring) {
		list_remove(node);
		list_append(&old, node);
	}
	for (size_t i = 0; i < plan->conf->server_count; i++) {
		list_remove(&plan->server[i]->node);
		list_append(ring, &plan->server[i]->node);
	}
	list_each(node, &old)
		server_free(container_of(node, struct server, node));
}

static void commit(struct plan *plan, struct mono now)
{
	struct list rest;
	list_init(&rest);
	commit_listeners(plan);
	sort_ports(plan, &rest);
	commit_flows(plan, now);
	list_each(node, &rest)
		lan_close(container_of(node, struct lan_port, node));
	list_each(node, &plan->dp->listeners)
		if (!entry_of(node)->is_wanted)
			listener_free(entry_of(node));
	commit_servers(plan);
	life_open_static(plan->dp, now);
}

/* ---- prepare, or undo ---- */

static int plan_init(struct plan *plan, struct datapath *dp, const struct conf *conf)
{
	*plan = (struct plan){ .dp = dp, .conf = conf };
	size_t servers = conf->server_count + 1, listens = conf->listen_count + 1;
	plan->server = calloc(servers, sizeof(struct server *));
	plan->server_is_new = calloc(servers, sizeof(bool));
	plan->listener = calloc(listens, sizeof(struct listener_entry *));
	plan->listener_is_new = calloc(listens, sizeof(bool));
	plan->port = calloc(ports_most(conf), sizeof(*plan->port));
	bool all = plan->server != NULL && plan->server_is_new != NULL && plan->listener != NULL &&
		plan->listener_is_new != NULL && plan->port != NULL;
	return all ? 0 : -ENOMEM;
}

static void plan_fini(struct plan *plan)
{
	routes_free(plan->routes);
	free(plan->server);
	free(plan->server_is_new);
	free(plan->listener);
	free(plan->listener_is_new);
	free(plan->port);
}

/* Opens again what had to make way. */
static void undo_shut(struct plan *plan)
{
	struct listener *l;
	for (size_t i = 0; (l = wanted_listener(plan->dp, &i)) != NULL;) {
		list_each(node, &l->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (p->fd < 0)
				port_reopen(p);
		}
	}
}

/* Ends what prepare made. */
static void undo(struct plan *plan)
{
	for (size_t i = 0; plan->port != NULL && i < plan->ports; i++)
		if (plan->port[i].is_new)
			lan_close(plan->port[i].port);
	undo_shut(plan);
	for (size_t i = 0; plan->listener_is_new != NULL && i < plan->conf->listen_count; i++)
		if (plan->listener_is_new[i])
			listener_free(plan->listener[i]);
	for (size_t i = 0; plan->server_is_new != NULL && i < plan->conf->server_count; i++)
		if (plan->server_is_new[i])
			server_free(plan->server[i]);
}

/* Room for two timers of each flow, and of each server for as long as the old ones stand beside the
 * new. It only grows: the old flows and servers are there until the change is made. */
static int reserve_timers(struct datapath *dp, size_t most, size_t servers)
{
	size_t flows = most > flows_count(dp->flows) ? most : flows_count(dp->flows);
	size_t wanted = flows * 2 + MOVES_MAX + servers * 2 + 1;
	list_each(node, &dp->servers)
		wanted++;
	if (wanted <= dp->reserved)
		return 0;
	int rc = timers_hold(dp->env.timers, wanted - dp->reserved);
	if (rc == 0)
		dp->reserved = wanted;
	return rc;
}

static int prepare(struct plan *plan)
{
	size_t most = plan->conf->gateway.max_endpoints;
	struct datapath *dp = plan->dp;
	int rc = reserve_timers(dp, most, plan->conf->server_count);
	if (rc == 0)
		rc = prepare_servers(plan);
	if (rc == 0)
		rc = routes_create(&plan->routes, plan->conf, server_named, plan);
	if (rc == 0)
		rc = prepare_listeners(plan);
	if (rc == 0)
		rc = prepare_ports(plan);
	if (rc == 0)
		rc = flows_set_most(dp->flows, most);
	return rc;
}

int wanted_apply(struct datapath *dp, const struct conf *conf, struct mono now)
{
	struct plan plan;
	dp->fault[0] = '\0';
	int rc = plan_init(&plan, dp, conf);
	if (rc == 0)
		rc = prepare(&plan);
	if (rc == 0)
		commit(&plan, now);
	else
		undo(&plan);
	plan_fini(&plan);
	return rc;
}

void wanted_nothing(struct datapath *dp)
{
	struct flow *flow;
	for (size_t at = 0; (flow = flow_next(dp->flows, &at)) != NULL;)
		life_end(dp, flow, "the relay stops");
	list_each(node, &dp->listeners)
		listener_free(entry_of(node));
	routes_free(dp->routes);
	dp->routes = NULL;
	list_each(node, &dp->servers)
		server_free(container_of(node, struct server, node));
}
