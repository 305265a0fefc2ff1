/* Wanted state against present state. */
#include "wanted.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "base/log.h"
#include "called.h"
#include "conf/conf.h"
#include "crew.h"
#include "datapath.h"
#include "identity.h"
#include "intercept.h"
#include "lan_session.h"
#include "life.h"
#include "opaque.h"
#include "reason.h"
#include "reopen.h"
#include "secure.h"
#include "wanted_int.h"

/* Lines about certificates out of their time, each start or reload. */
#define DATES_TOLD 8

void wanted_fault(struct plan *plan, const struct conf_where *where, const char *format, ...)
{
	char what[768]; /* an endpoint's name may be long */
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

struct server *wanted_server_named(const struct datapath *dp, const char *name)
{
	list_each(node, &((struct datapath *)(uintptr_t)dp)->servers) {
		struct server *s = container_of(node, struct server, node);
		if (strcmp(s->name, name) == 0)
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
		const struct server *before = wanted_server_named(plan->dp, conf->name);
		uint32_t number = before != NULL ? before->number : ++plan->dp->server_numbers;
		int rc = server_create(&plan->server[i], &plan->dp->env, conf, number, &wan_dtls_calls);
		if (rc != 0) {
			wanted_fault(plan, &conf->where, "server '%s' can not be served: %s", conf->name,
				conf->ca.n + conf->server_key.n > 0 ? reason_of_file(rc) :
								      strerror(-rc));
			return rc;
		}
		plan->server_is_new[i] = true;
		if (before != NULL)
			server_inherit(plan->server[i], before);
	}
	return 0;
}

struct server *wanted_server(void *who, const char *name)
{
	const struct plan *plan = who;
	for (size_t i = 0; i < plan->conf->server_count; i++)
		if (strcmp(plan->conf->server[i].name, name) == 0)
			return plan->server[i];
	return NULL;
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
		if (p->is_secure != (flow->key.identity != 0) ||
			addr_is_v4(&p->bound) != addr_is_v4(&flow->key.device) ||
			(flow->key.server != 0 && p->bound.port != flow->port->bound.port) ||
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
	bool has_dtls = flow->key.identity != 0;
	if (r != NULL && r->is_opaque != old->is_opaque)
		return NULL;
	if (r != NULL)
		return r->is_lan_secured && !has_dtls ? NULL : r;
	const struct server *server = called_by_unknown(plan->dp, &flow->key, l);
	bool stays = old->is_dynamic && server != NULL &&
		strcmp(server->name, old->server->name) == 0 &&
		!route_is_configured(plan->routes, slice_str(old->endpoint));
	return stays ? old : NULL;
}

/* The association goes on where server and credential are the same, else it is made anew. */
static void flow_to_route(struct plan *plan, struct flow *flow, struct route *r, struct mono now)
{
	struct route *old = flow->route;
	struct server *server = called_by_unknown(plan->dp, &flow->key, flow->port->listener);
	bool same = r == old ? old->server == server : route_same_way(old, r);
	if (r == old) {
		route_adopt(plan->routes, plan->dp->routes, old, server);
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
	life_open_wan(plan->dp, flow, 0, now);
}

/* The one that the configuration means: by its DTLS identity, or by its address or listener. */
static bool is_device(const struct plan *plan, const struct flow *flow, const struct route *r)
{
	if (flow->key.identity == 0 || r->is_opaque)
		return life_fits(r, &flow->key.device) && life_listens(r, flow->port->listener);
	struct slice name = slice_str(r->endpoint);
	const struct identity *id = identity_by_endpoint(plan->identities, name);
	const struct identity *before = identity_by_endpoint(plan->dp->identities, name);
	/* One that lost its credential may come without DTLS now, and would not be served beside this. */
	bool has_lost = id != NULL && before != NULL && identity_has_credential(before) &&
		!identity_has_credential(id);
	return id != NULL && !has_lost;
}

static void flow_apply(struct plan *plan, struct flow *flow, struct mono now)
{
	struct datapath *dp = plan->dp;
	if (flow->opaque != NULL)
		opaque_settle(flow);
	struct listener *l = wanted_listener_by_number(dp, flow->key.listener);
	struct lan_port *port = l != NULL ? port_for(l, flow) : NULL;
	struct route *r = port != NULL ? route_for(plan, l, flow) : NULL;
	if (r != NULL && (!is_device(plan, flow, r) || !called_stays(dp, &flow->key, l)))
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

/* Remembered source ports outlive the flows, and end with the routes. */
static void keep_ports(struct plan *plan)
{
	struct route *old;
	for (size_t at = 0; (old = route_next(plan->dp->routes, &at)) != NULL;) {
		struct route *r = route_find_exact(plan->routes, old->endpoint, old->server->name,
			old->is_bootstrap);
		if (r != NULL && r->port == 0)
			r->port = old->port;
		if (r == NULL && plan->dp->crew != NULL)
			crew_port_is(plan->dp, old, 0);
	}
}

static void commit_flows(struct plan *plan, struct mono now)
{
	struct datapath *dp = plan->dp;
	struct flow *flow;
	secure_adopt(dp, plan->identities, plan->routes);
	if (dp->routes != NULL)
		keep_ports(plan);
	list_each(node, &dp->moves.waiting)
		move_cancel(dp, move_flow(node));
	for (size_t at = 0; (flow = flow_next(dp->flows, &at)) != NULL;)
		flow_apply(plan, flow, now);
	routes_free(dp->routes);
	dp->routes = plan->routes;
	plan->routes = NULL;
	secure_apply(dp, plan->identities);
	plan->identities = NULL;
}

/* Those that nobody wants any more go into old; flows may still have to leave them. */
static void commit_servers(struct plan *plan, struct list *old)
{
	struct list *ring = &plan->dp->servers;
	list_each(node, ring) {
		list_remove(node);
		list_append(old, node);
	}
	for (size_t i = 0; i < plan->conf->server_count; i++) {
		server_adopt(plan->server[i], &plan->conf->server[i]);
		list_remove(&plan->server[i]->node);
		list_append(ring, &plan->server[i]->node);
	}
	called_forget(plan->dp);
	plan->dp->env.servers_changed = true;
}

/* Listeners and servers are what the configuration says; who is still needed by flows goes into the rings. */
static void commit_first(struct plan *plan)
{
	list_init(&plan->rest);
	list_init(&plan->servers_before);
	commit_servers(plan, &plan->servers_before);
	wanted_listen_commit(plan, &plan->rest);
	wanted_dtls_end(plan);
}

static void commit_last(struct plan *plan, struct mono now)
{
	wanted_dtls_commit(plan, now);
	commit_flows(plan, now);
	list_each(node, &plan->rest)
		lan_close(container_of(node, struct lan_port, node));
	list_each(node, &plan->dp->listeners)
		if (!wanted_entry(node)->is_wanted)
			wanted_listener_free(wanted_entry(node));
	list_each(node, &plan->servers_before)
		server_free(container_of(node, struct server, node));
}

/* ---- prepare, or undo ---- */

static int plan_init(struct plan *plan, struct datapath *dp, const struct conf *conf)
{
	*plan = (struct plan){ .dp = dp, .conf = conf, .is_copy = dp->number > 0,
		.numbers = { dp->listener_numbers, dp->server_numbers, dp->port_numbers } };
	size_t servers = conf->server_count + 1, listens = conf->listen_count + 1;
	plan->server = calloc(servers, sizeof(struct server *));
	plan->server_is_new = calloc(servers, sizeof(bool));
	plan->listener = calloc(listens, sizeof(struct listener_entry *));
	plan->listener_is_new = calloc(listens, sizeof(bool));
	plan->port = calloc(wanted_ports_most(conf), sizeof(*plan->port));
	bool all = plan->server != NULL && plan->server_is_new != NULL && plan->listener != NULL &&
		plan->listener_is_new != NULL && plan->port != NULL;
	return all ? 0 : -ENOMEM;
}

static void plan_fini(struct plan *plan)
{
	routes_free(plan->routes);
	identities_free(plan->identities);
	free(plan->server);
	free(plan->server_is_new);
	free(plan->listener);
	free(plan->listener_is_new);
	free(plan->port);
}

/* Ends what prepare made. */
static void undo(struct plan *plan)
{
	wanted_listen_undo(plan);
	for (size_t i = 0; plan->server_is_new != NULL && i < plan->conf->server_count; i++)
		if (plan->server_is_new[i])
			server_free(plan->server[i]);
	/* Workers number all things alike. */
	plan->dp->listener_numbers = plan->numbers[0];
	plan->dp->server_numbers = plan->numbers[1];
	plan->dp->port_numbers = plan->numbers[2];
}

/* Some listener intercepts, or did. */
static bool captures(const struct plan *plan)
{
	bool does = intercept_is_asked(plan->conf);
	list_each(node, &plan->dp->listeners)
		does |= wanted_entry(node)->listener.intercepts;
	return does;
}

/* Room for two timers of each flow, one of each device's session (wanted_sessions_most), two of each server and listener for
 * as long as the old ones stand beside the new. It only grows: the old ones are there until the change
 * is made. */
static int reserve_timers(struct plan *plan, size_t most)
{
	struct datapath *dp = plan->dp;
	size_t flows = most > flows_count(dp->flows) ? most : flows_count(dp->flows);
	size_t sessions = identities_most(plan->identities), before = 0;
	if (dp->identities != NULL) {
		before = identities_most(dp->identities);
		sessions += identities_dynamic(dp->identities); /* they may stay, beyond the new limit */
	}
	size_t listeners = 0;
	list_each(at, &dp->listeners)
		listeners++;
	size_t ways = listeners > plan->conf->listen_count ? listeners : plan->conf->listen_count;
	if (captures(plan))
		ways += SESSIONS_CALLED;
	size_t wanted = flows * 2 + (sessions > before ? sessions : before) * ways +
		2 * HALF_OPEN_MAX + MOVES_MAX + listeners +
		(plan->conf->server_count + plan->conf->listen_count) * 2 + 2;
	list_each(node, &dp->servers)
		wanted++;
	if (wanted <= dp->reserved)
		return 0;
	int rc = timers_hold(dp->env.timers, wanted - dp->reserved);
	if (rc == 0)
		dp->reserved = wanted;
	return rc;
}

/* Who may come with DTLS; this decides how many timers there may be. */
static int prepare_identities(struct plan *plan)
{
	struct datapath *dp = plan->dp;
	const struct conf_endpoint *bad;
	int rc = identities_create(&plan->identities, plan->conf, dp->identities, &bad);
	if (rc != 0 && bad != NULL)
		wanted_fault(plan, &bad->where, "endpoint '%s': lan_public_key_file can not be used: %s",
			bad->name, reason_of_file(rc));
	if (rc == 0 && identities_most(plan->identities) > 0)
		rc = lan_sessions_set_most(dp->sessions, identities_most(plan->identities));
	return rc;
}

/* Present routes with the same files need not be looked at again: it costs time. */
static bool is_known_pair(const struct plan *plan, const struct conf_endpoint *e)
{
	struct route *r = NULL;
	while (plan->dp->routes != NULL && (r = route_of(plan->dp->routes, e->name, r)) != NULL)
		if (slice_eq(r->cert, (struct slice){ e->cert.bytes, e->cert.n }) &&
			slice_eq(r->private_key,
				(struct slice){ e->private_key.bytes, e->private_key.n }))
			return true;
	return false;
}

/* The server refuses it; the first few are enough for a log. */
static void tell_dates(const struct conf_endpoint *e, unsigned *told)
{
	struct slice cert = { e->cert.bytes, e->cert.n };
	const char *what = *told < DATES_TOLD ? reason_of_dates(cert, loop_wall()) : NULL;
	if (what == NULL)
		return;
	++*told;
	log_warn("%s:%u: endpoint '%s': its certificate %s", e->where.file, e->where.line, e->name, what);
}

/* Certificates and keys towards servers are looked at now, not when a handshake needs them. */
static int check_pairs(struct plan *plan)
{
	unsigned told = 0;
	for (size_t i = 0; i < plan->conf->endpoint_count; i++) {
		const struct conf_endpoint *e = &plan->conf->endpoint[i];
		struct dtls_pair pair = { { e->cert.bytes, e->cert.n },
			{ e->private_key.bytes, e->private_key.n } };
		if (e->private_key.n == 0 || is_known_pair(plan, e))
			continue;
		int rc = dtls_pair_check(&pair);
		if (rc == 0) {
			tell_dates(e, &told);
			continue;
		}
		wanted_fault(plan, &e->where, "endpoint '%s': %s can not be used: %s", e->name,
			e->cert.n > 0 ? "cert_file with private_key_file" : "private_key_file",
			reason_of_file(rc));
		return rc;
	}
	return 0;
}

static int prepare(struct plan *plan)
{
	size_t most = plan->conf->gateway.max_endpoints;
	int rc = prepare_identities(plan);
	if (rc == 0)
		rc = reserve_timers(plan, most);
	if (rc == 0 && !plan->is_copy)
		rc = check_pairs(plan);
	if (rc == 0)
		rc = prepare_servers(plan);
	if (rc == 0)
		rc = routes_create(&plan->routes, plan->conf, wanted_server, plan);
	if (rc == 0)
		rc = wanted_listen_prepare(plan);
	if (rc == 0)
		rc = flows_set_most(plan->dp->flows, most);
	return rc;
}

/* A router that has just booted knows no time yet. It is told once, not at each refusal. */
static void warn_of_clock(const struct conf *conf)
{
	bool certificates = false;
	for (size_t i = 0; i < conf->server_count; i++)
		certificates |= conf->server[i].security == CONF_X509;
	for (size_t i = 0; i < conf->listen_count; i++)
		certificates |= conf->listen[i].ca.n > 0;
	if (certificates && reason_clock_is_unset(loop_wall()))
		log_warn("gateway: this machine's clock is not set (it says %lld s since 1970): "
			"no certificate is accepted until it is", (long long)loop_wall());
}

/* All that may fail, for all workers, undone where it fails for one; begun counts the plans that were made. */
static int prepare_all(struct plan *plan, unsigned count, struct datapath *dp, const struct conf *conf,
	unsigned *begun)
{
	int rc = 0;
	for (*begun = 0; rc == 0 && *begun < count; ++*begun) {
		rc = plan_init(&plan[*begun], crew_datapath(dp, *begun), conf);
		if (rc == 0)
			rc = prepare(&plan[*begun]);
	}
	if (rc == 0)
		return 0;
	for (unsigned i = *begun; i-- > 0;)
		undo(&plan[i]);
	memmove(dp->fault, plan[*begun - 1].dp->fault, sizeof(dp->fault));
	return rc;
}

static void commit_all(struct plan *plan, unsigned count, struct mono now)
{
	for (unsigned i = 0; i < count; i++)
		commit_first(&plan[i]);
	for (unsigned i = 0; i < count; i++)
		commit_last(&plan[i], now);
	for (unsigned i = 0; i < count; i++)
		life_open_static(plan[i].dp, now);
}

int wanted_apply(struct datapath *dp, const struct conf *conf, struct mono now)
{
	unsigned count = crew_count(dp);
	crew_settle(dp, now); /* a session in a ring needs its listener, as it is */
	for (unsigned i = 0; i < count; i++)
		crew_datapath(dp, i)->fault[0] = '\0';
	struct plan *plan = calloc(count, sizeof(*plan));
	unsigned begun = 0;
	int rc = plan != NULL ? prepare_all(plan, count, dp, conf, &begun) : -ENOMEM;
	if (rc == 0) {
		commit_all(plan, count, now);
		warn_of_clock(conf);
	}
	reopen_ports(dp); /* what was lost, had to make way, or was not there for one of the workers */
	for (unsigned i = 0; i < begun; i++)
		plan_fini(&plan[i]);
	free(plan);
	return rc;
}

void wanted_nothing(struct datapath *dp)
{
	struct flow *flow;
	for (size_t at = 0; (flow = flow_next(dp->flows, &at)) != NULL;)
		life_end(dp, flow, "the relay stops");
	secure_end_all(dp, NULL);
	list_each(node, &dp->listeners)
		wanted_listener_free(wanted_entry(node));
	routes_free(dp->routes);
	dp->routes = NULL;
	identities_free(dp->identities);
	dp->identities = NULL;
	list_each(node, &dp->servers)
		server_free(container_of(node, struct server, node));
}
