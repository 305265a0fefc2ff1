/* Listeners and their sockets: wanted state against present state. */
#include "wanted_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "base/log.h"
#include "conf/conf.h"
#include "wanted.h"

struct listener_entry *wanted_entry(struct list *node)
{
	return container_of(node, struct listener_entry, node);
}

struct listener *wanted_listener(const struct datapath *dp, size_t *at)
{
	size_t i = 0;
	list_each(node, &((struct datapath *)(uintptr_t)dp)->listeners)
		if (i++ == *at) {
			++*at;
			return &wanted_entry(node)->listener;
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

/* ---- listeners and their sockets ---- */

static struct listener_entry *listener_present(const struct plan *plan, const char *name)
{
	list_each(node, &plan->dp->listeners)
		if (strcmp(wanted_entry(node)->listener.name, name) == 0)
			return wanted_entry(node);
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

void wanted_listener_free(struct listener_entry *e)
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
	wanted_fault(plan, &conf->where, "listen '%s' can not listen on %s%s%s: %s", conf->name,
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

size_t wanted_ports_most(const struct conf *conf)
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

int wanted_listen_prepare(struct plan *plan)
{
	int rc = prepare_listeners(plan);
	return rc == 0 ? prepare_ports(plan) : rc;
}

/* ---- the change ---- */

static void listener_apply(struct plan *plan, size_t i)
{
	const struct conf_listen *conf = &plan->conf->listen[i];
	struct listener *l = &plan->listener[i]->listener;
	l->server = conf->server != NULL ? wanted_server(plan, conf->server->name) : NULL;
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
		struct listener *l = &wanted_entry(node)->listener;
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
		wanted_entry(node)->is_wanted = false;
	for (size_t i = 0; i < plan->conf->listen_count; i++)
		listener_apply(plan, i);
}

void wanted_listen_commit(struct plan *plan, struct list *rest)
{
	commit_listeners(plan);
	sort_ports(plan, rest);
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

void wanted_listen_undo(struct plan *plan)
{
	for (size_t i = 0; plan->port != NULL && i < plan->ports; i++)
		if (plan->port[i].is_new)
			lan_close(plan->port[i].port);
	undo_shut(plan);
	for (size_t i = 0; plan->listener_is_new != NULL && i < plan->conf->listen_count; i++)
		if (plan->listener_is_new[i])
			wanted_listener_free(plan->listener[i]);
}
