/* Birth, proof and end of flows. */
#include "life.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "assist.h"
#include "base/log.h"
#include "called.h"
#include "crew.h"
#include "datapath.h"
#include "forward.h"
#include "identity.h"
#include "lan_session.h"
#include "opaque.h"
#include "wanted.h"

static void changed(struct datapath *dp)
{
	if (dp->changed != NULL)
		dp->changed(dp->who);
}

static struct mono last_traffic(const struct flow *f)
{
	return f->last_up.ms > f->last_down.ms ? f->last_up : f->last_down;
}

/* When the flow ends unless something happens. */
static struct mono life_ends(const struct flow *f)
{
	if (f->route->has_address && !f->route->is_opaque)
		return MONO_NEVER;
	if (!f->is_live)
		return mono_add(f->last_up, UNPROVEN_MS);
	if (f->route->is_bootstrap)
		return mono_add(last_traffic(f), LIFETIME_GRACE_S * 1000LL);
	if (f->expires.ms != MONO_NEVER.ms)
		return f->expires;
	return mono_add(last_traffic(f), FLOW_IDLE_MS);
}

void life_rearm(struct datapath *dp, struct flow *f, struct mono now)
{
	struct mono at = mono_min(life_ends(f), held_next(&f->held));
	at = mono_min(at, assist_next(f));
	if (f->opaque != NULL)
		at = mono_min(at, opaque_trial_ends(f));
	timer_arm(dp->env.timers, &f->life, f->is_ending ? now : at);
}

static struct datapath *datapath_of(struct flow *f)
{
	return container_of(f->wan.env, struct datapath, env);
}

static void fire(struct timer *timer, struct mono now)
{
	struct flow *f = container_of(timer, struct flow, life);
	struct datapath *dp = datapath_of(f);
	forward_expire(dp, f, now);
	assist_tick(dp, f, now);
	if (f->opaque != NULL)
		opaque_tick(dp, f, now);
	if (f->is_ending)
		life_end(dp, f, "it deregistered");
	else if (!mono_reached(life_ends(f), now))
		life_rearm(dp, f, now);
	else if (!f->is_live)
		life_end(dp, f, "no server accepted it");
	else
		life_end(dp, f, f->expires.ms != MONO_NEVER.ms ? "its lifetime is over" :
								  "it was idle");
}

/* Ends the flows of other endpoints at the flow's address, or the guests among them. */
static void end_others(struct datapath *dp, const struct flow *f, bool only_guests)
{
	struct flow *next;
	for (struct flow *o = flow_find(dp->flows, &f->key); o != NULL; o = next) {
		next = o->sibling;
		if (strcmp(o->route->endpoint, f->route->endpoint) != 0 &&
			(o->is_guest || !only_guests))
			life_end(dp, o, "its address belongs to another endpoint now");
	}
}

/* The flow came to its address: as the owner, or as a guest. An address that the configuration gives to
 * the endpoint is its own at once; it may never register. */
static void settle(struct datapath *dp, struct flow *f)
{
	f->is_guest = false;
	end_others(dp, f, !f->route->has_address);
	for (struct flow *o = flow_find(dp->flows, &f->key); o != NULL; o = o->sibling)
		if (strcmp(o->route->endpoint, f->route->endpoint) != 0)
			f->is_guest = true;
}

void life_open_wan(struct datapath *dp, struct flow *f, int64_t delay_ms, struct mono now)
{
	const struct route *r = f->route;
	assist_stop(f);
	struct wan_spec spec = { .server = r->server, .calls = &datapath_wan_calls,
		.psk = { r->identity, r->key }, .pair = { r->cert, r->private_key },
		.label = r->endpoint, .port = r->port, .delay_ms = delay_ms,
		.is_opaque = r->is_opaque };
	wan_open(&f->wan, &dp->env, &spec, now);
}

static struct flow *make(struct datapath *dp, const struct life_spec *spec)
{
	if (dp->crew != NULL && !crew_enter_flow(dp, spec->route, &spec->key))
		return NULL;
	struct flow *f = flow_add(dp->flows, &spec->key);
	if (f != NULL && (!spec->route->is_opaque || opaque_create(&f->opaque) == 0))
		return f;
	if (f != NULL)
		flow_remove(dp->flows, f);
	if (dp->crew != NULL)
		crew_leave_flow(dp, spec->route, &spec->key);
	return NULL;
}

struct flow *life_begin(struct datapath *dp, const struct life_spec *spec, struct mono now)
{
	struct flow *f = make(dp, spec);
	if (f == NULL)
		return NULL;
	f->port = spec->port;
	f->called = spec->called;
	f->route = spec->route;
	f->route->flow = f->id;
	f->session = spec->session;
	if (f->session != NULL)
		f->session->flow = f->id;
	f->born = f->last_up = f->last_down = now;
	f->expires = MONO_NEVER;
	f->is_live = spec->is_proven;
	f->source_ticket = spec->source_ticket;
	f->life.fire = fire;
	if (!f->is_live && f->route->is_dynamic)
		dp->unproven++;
	life_open_wan(dp, f, spec->delay_ms, now);
	if (f->opaque == NULL)
		settle(dp, f);
	life_rearm(dp, f, now);
	dp->env.stat.count[COUNT_FLOWS_OPENED]++;
	changed(dp);
	return f;
}

/* The entry does not count against its source any more. */
static void leave_unproven(struct datapath *dp, struct flow *f)
{
	if (!f->is_live && f->route->is_dynamic)
		dp->unproven--;
	sources_remove(dp->sources, f->source_ticket);
	f->source_ticket = 0;
}

static void tell_known(struct datapath *dp, const struct flow *f, struct mono now)
{
	static const char text[] = "flow: %s at %s is known to %s%s%s";
	char device[ADDR_TEXT];
	const char *as = f->location != NULL ? " as " : "";
	const char *location = f->location != NULL ? f->location : "";
	addr_print(&f->key.device, device);
	if (f->route->is_dynamic)
		notice(&dp->notices, NOTICE_KNOWN, LOG_LEVEL_INFO, now, text, f->route->endpoint,
			device, f->route->server->name, as, location);
	else
		log_info(text, f->route->endpoint, device, f->route->server->name, as, location);
}

void life_prove(struct datapath *dp, struct flow *f, struct mono now)
{
	if (!f->is_live) {
		leave_unproven(dp, f);
		f->is_live = true;
		dp->env.stat.count[COUNT_FLOWS_PROVEN]++;
		tell_known(dp, f, now);
	}
	if (f->is_guest) {
		f->is_guest = false;
		end_others(dp, f, false);
	}
	life_rearm(dp, f, now);
	changed(dp);
}

void life_end(struct datapath *dp, struct flow *f, const char *why)
{
	char device[ADDR_TEXT];
	struct route *route = f->route;
	addr_print(&f->key.device, device);
	if (f->is_live && !route->is_dynamic)
		log_info("flow: %s at %s ended: %s", route->endpoint, device, why);
	else
		notice(&dp->notices, NOTICE_ENDED, LOG_LEVEL_INFO, loop_now(dp->env.loop),
			"flow: %s at %s ended: %s", route->endpoint, device, why);
	move_cancel(dp, f);
	forward_forget(dp, f);
	leave_unproven(dp, f);
	timer_disarm(dp->env.timers, &f->life);
	wan_close(&f->wan);
	opaque_end(dp, f);
	assist_end(f);
	route->flow = (struct flow_id){ 0, 0 };
	life_locate(dp, f, NULL);
	if (dp->crew != NULL)
		crew_leave_flow(dp, route, &f->key);
	flow_remove(dp->flows, f);
	if (route->is_dynamic)
		route_free(dp->routes, route);
	dp->env.stat.count[COUNT_FLOWS_ENDED]++;
	changed(dp);
}

static void tell_moved(struct datapath *dp, const struct flow *f, const struct parcel *p)
{
	char from[ADDR_TEXT], to[ADDR_TEXT];
	if (addr_eq(&f->key.device, &p->key.device))
		return;
	notice(&dp->notices, NOTICE_MOVED, LOG_LEVEL_INFO, p->now, "flow: %s moved from %s to %s",
		f->route->endpoint, addr_print(&f->key.device, from),
		addr_print(&p->key.device, to));
	dp->env.stat.count[COUNT_FLOWS_MOVED]++;
}

void life_locate(struct datapath *dp, struct flow *f, const char *location)
{
	free(f->location);
	f->location = location != NULL ? strdup(location) : NULL;
	crew_locate_flow(dp, f);
}

void life_rekey(struct datapath *dp, struct flow *f, const struct lan_key *key)
{
	flow_rekey(dp->flows, f, key);
	crew_locate_flow(dp, f);
}

void life_move(struct datapath *dp, struct flow *f, const struct parcel *p)
{
	move_refuse(dp, f, &p->key, p->now);
	tell_moved(dp, f, p);
	if (dp->crew != NULL)
		crew_move_flow(dp, &f->key, &p->key);
	life_rekey(dp, f, &p->key);
	f->port = p->port;
	f->called = p->called;
	if (f->opaque == NULL)
		settle(dp, f);
	changed(dp);
}

/* ---- static devices ---- */

/* Where a static device would be called from: any socket of its family, rather one with the number of a
 * captured server's. */
static struct lan_port *port_for(struct datapath *dp, const struct route *r)
{
	struct listener *listener;
	struct lan_port *first = NULL;
	for (size_t at = 0; (listener = wanted_listener(dp, &at)) != NULL;) {
		list_each(node, &listener->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (p->is_secure || addr_is_v4(&p->bound) != addr_is_v4(&r->address))
				continue;
			if (first == NULL || (listener->intercepts && !r->server->is_secure &&
						     p->bound.port == r->server->port))
				first = p;
		}
	}
	return first;
}

void life_call_as_server(struct datapath *dp, struct flow *f)
{
	const struct server *s = f->route->server;
	struct lan_key key = f->key;
	if (!addr_is_any(&f->called) || !f->port->listener->intercepts)
		return;
	for (size_t i = 0; i < s->addresses; i++) {
		if (addr_is_v4(&s->address[i]) != addr_is_v4(&key.device))
			continue;
		f->called = s->address[i];
		f->called.port = 0;
		key.server = s->number;
		life_rekey(dp, f, &key);
		return;
	}
}

/* Where it is expected while it has not spoken. */
static struct addr address_of(const struct route *r)
{
	struct addr a = r->address;
	a.port = a.port == 0 ? 5683 : a.port;
	return a;
}

/* Of several workers, the one that it will come to. */
static bool is_here(const struct datapath *dp, const struct route *r)
{
	struct addr device = address_of(r);
	return crew_is_home(dp, r->endpoint, &device);
}

static void open_static(struct datapath *dp, struct route *r, struct mono now, int64_t delay_ms)
{
	char device[ADDR_TEXT];
	struct lan_port *port = port_for(dp, r);
	if (port == NULL) {
		log_warn("flow: %s: no listener for its address %s", r->endpoint,
			addr_print(&r->address, device));
		return;
	}
	struct life_spec spec = { .port = port, .route = r, .delay_ms = delay_ms,
		.called = addr_any(addr_is_v4(&r->address), 0), .is_proven = true };
	spec.key = (struct lan_key){ .device = address_of(r), .listener = port->listener->number };
	if (life_begin(dp, &spec, now) == NULL)
		log_err("flow: no room for the static endpoint %s", r->endpoint);
}

void life_open_static(struct datapath *dp, struct mono now)
{
	size_t opened = 0;
	struct route *r;
	for (size_t at = 0; (r = route_next(dp->routes, &at)) != NULL;)
		if (r->has_address && !r->is_lan_secured &&
			flow_by_id(dp->flows, r->flow) == NULL && is_here(dp, r))
			open_static(dp, r, now, (int64_t)(opened++ * dp->env.workers * 1000 / RESTORE_PER_SECOND));
}

/* ---- across a restart ---- */

static const char *calls_of(const struct flow *f)
{
	const struct datapath *dp = container_of(f->wan.env, struct datapath, env);
	const struct server *called = called_server(dp, f->key.server);
	if (f->key.server == CALLED_FOREIGN)
		return LIFE_CALLS_FOREIGN;
	return called != NULL ? called->name : NULL;
}

void life_save(const struct flow *f, struct life_saved *saved, struct mono now)
{
	*saved = (struct life_saved){
		.endpoint = f->route->endpoint,
		.server = f->route->server->name,
		.is_bootstrap = f->route->is_bootstrap,
		.listener = f->port->listener->name,
		.device = f->key.device,
		.ifindex = f->key.ifindex,
		.called = f->called,
		.called_port = f->port->listener->intercepts ? f->port->bound.port : 0,
		.calls = calls_of(f),
		.is_secured = f->key.identity != 0,
		.port = f->route->port,
		.location = f->location,
		.lifetime_s = f->lifetime_s,
		.expires_in_ms = -1,
		.is_live = f->is_live,
		.up_messages = f->up.messages,
		.up_bytes = f->up.bytes,
		.down_messages = f->down.messages,
		.down_bytes = f->down.bytes,
	};
	saved->is_assisted = assist_save(f, &saved->known);
	if (f->opaque != NULL)
		saved->cid = opaque_cid(f);
	if (f->expires.ms != MONO_NEVER.ms)
		saved->expires_in_ms = f->expires.ms > now.ms ? mono_since(now, f->expires) : 0;
}

/* Rather one that hears the interface of the device. */
static struct lan_port *port_of(struct datapath *dp, const struct life_saved *saved)
{
	struct listener *listener;
	struct lan_port *fitting = NULL;
	for (size_t at = 0; (listener = wanted_listener(dp, &at)) != NULL;) {
		if (strcmp(listener->name, saved->listener) != 0)
			continue;
		list_each(node, &listener->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (p->is_secure != saved->is_secured ||
				(saved->called_port != 0 && saved->called_port != p->bound.port) ||
				addr_is_v4(&p->bound) != addr_is_v4(&saved->device))
				continue;
			if (!addr_is_any(&p->bound) && !addr_same_host(&p->bound, &saved->called))
				continue;
			if (p->ifindex == 0 || p->ifindex == saved->ifindex)
				return p;
			fitting = fitting == NULL ? p : fitting;
		}
	}
	return fitting;
}

/* The route that the configuration of today has for a saved row; NULL when it wants none. */
static struct route *saved_route(struct datapath *dp, const struct life_saved *saved,
	const struct lan_key *key, const struct listener *listener)
{
	struct route *r = route_find_exact(dp->routes, saved->endpoint, saved->server,
		saved->is_bootstrap);
	if (r != NULL)
		return r->is_lan_secured && !saved->is_secured ? NULL : r;
	struct server *server = called_by_unknown(dp, key, listener);
	struct slice name = slice_str(saved->endpoint);
	if (server == NULL || strcmp(server->name, saved->server) != 0 || saved->is_bootstrap ||
		!saved->is_live ||
		route_is_configured(dp->routes, name))
		return NULL;
	return route_dynamic(dp->routes, name, server);
}

static void restore_counts(struct datapath *dp, struct flow *f, const struct life_saved *saved,
	struct mono now)
{
	f->up = (struct flow_traffic){ saved->up_messages, saved->up_bytes };
	f->down = (struct flow_traffic){ saved->down_messages, saved->down_bytes };
	f->lifetime_s = saved->lifetime_s;
	f->registered = saved->registered;
	life_locate(dp, f, saved->location);
	if (saved->expires_in_ms >= 0)
		f->expires = mono_add(now, saved->expires_in_ms);
	if (saved->is_assisted)
		assist_restore(f, &saved->known, now);
	if (f->opaque != NULL)
		opaque_set_cid(dp, f, saved->cid);
}

bool life_fits(const struct route *r, const struct addr *device)
{
	if (r->is_opaque && r->address.port == 0)
		return true; /* a connection id leads anywhere */
	return !r->has_address || (addr_same_host(&r->address, device) &&
					  (r->address.port == 0 || r->address.port == device->port));
}

bool life_listens(const struct route *r, const struct listener *l)
{
	return r->listen == NULL || strcmp(r->listen, l->name) == 0;
}

/* A static device has its flow from the start; while nothing has passed, the saved one, with the port
 * and the Location that the server knows, takes its place. */
static void give_way(struct datapath *dp, struct route *r, const struct life_saved *saved)
{
	struct flow *f = flow_by_id(dp->flows, r->flow);
	if (!r->has_address || f == NULL || f->up.messages != 0 || f->down.messages != 0)
		return;
	life_end(dp, f, "the saved one takes its place");
	r->port = saved->port;
	if (dp->crew != NULL)
		crew_port_is(dp, r, saved->port);
}

/* At a start for all workers, for the device may come to any of them; a row of another worker brings nothing
 * that we do not know. */
static void remember(struct datapath *dp, const struct life_saved *saved, struct mono now)
{
	for (unsigned i = 0; !saved->is_guest && i < crew_count(dp); i++)
		server_remember(wanted_server_named(crew_datapath(dp, i), saved->calls), &saved->called, now);
}

/* Its number in a flow key; a server that was called there is known by that address from the start. */
static uint32_t saved_server(struct datapath *dp, const struct life_saved *saved, struct mono now)
{
	if (saved->calls == NULL)
		return 0;
	if (strcmp(saved->calls, LIFE_CALLS_FOREIGN) == 0)
		return CALLED_FOREIGN;
	struct server *s = wanted_server_named(dp, saved->calls);
	if (s == NULL)
		return CALLED_FOREIGN;
	remember(dp, saved, now);
	return s->number;
}

/* The LAN association of a saved row; false when nobody may come by it any more. */
static bool saved_key(const struct datapath *dp, const struct life_saved *saved,
	const struct lan_port *port, const struct route *r, struct lan_key *key)
{
	*key = (struct lan_key){ saved->device, saved->ifindex, port->listener->number, 0,
		key->server };
	if (!called_stays(dp, key, port->listener))
		return false;
	if (!saved->is_secured || r->is_opaque) {
		key->identity = r->is_opaque ? OPAQUE_IDENTITY : 0;
		return life_fits(r, &saved->device) && life_listens(r, port->listener);
	}
	struct slice name = slice_str(saved->endpoint);
	const struct identity *id = r->is_dynamic ? identity_dynamic(dp->identities, name) :
						    identity_by_endpoint(dp->identities, name);
	key->identity = id != NULL ? id->number : 0;
	return id != NULL;
}

/* Where other workers find it. */
static void remember_port(struct datapath *dp, const struct route *r, const struct life_saved *saved)
{
	if (dp->crew != NULL && crew_port_of(dp, r) == 0 && saved->port != 0)
		crew_port_is(dp, r, saved->port);
}

/* A route that was made for a row, and has no flow after all, goes. */
static int not_restored(struct datapath *dp, struct route *r, int rc)
{
	if (r != NULL && r->is_dynamic && flow_by_id(dp->flows, r->flow) == NULL)
		route_free(dp->routes, r);
	return rc;
}

int life_restore(struct datapath *dp, const struct life_saved *saved, int64_t delay_ms,
	struct mono now)
{
	struct lan_port *port = port_of(dp, saved);
	struct lan_key key = { .server = saved_server(dp, saved, now) };
	struct route *r = port != NULL ? saved_route(dp, saved, &key, port->listener) : NULL;
	if (r == NULL || !saved_key(dp, saved, port, r, &key))
		return not_restored(dp, r, -ENOENT);
	give_way(dp, r, saved);
	if (r->port == 0)
		r->port = saved->port;
	struct life_spec spec = { .key = key, .port = port, .route = r, .called = saved->called,
		.is_proven = saved->is_live, .delay_ms = delay_ms };
	const struct flow *there = flow_find(dp->flows, &spec.key);
	int rc = 0;
	if (flow_by_id(dp->flows, r->flow) != NULL ||
		(there != NULL && !saved->is_guest && strcmp(there->route->endpoint, saved->endpoint) != 0))
		rc = -EEXIST;
	struct flow *f = rc == 0 ? life_begin(dp, &spec, now) : NULL;
	if (f != NULL || !r->is_dynamic)
		remember_port(dp, r, saved);
	if (f == NULL)
		return not_restored(dp, r, rc != 0 ? rc : -ENOSPC);
	restore_counts(dp, f, saved, now);
	life_rearm(dp, f, now);
	dp->env.stat.count[COUNT_FLOWS_RESTORED]++;
	return 0;
}
