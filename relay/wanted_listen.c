/* Listeners and their sockets: wanted state against present state. */
#include "wanted_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "base/log.h"
#include "conf/conf.h"
#include "crew.h"
#include "identity.h"
#include "reason.h"
#include "secure.h"
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

struct lan_port *wanted_port_by_number(const struct datapath *dp, uint32_t number)
{
	struct listener *l;
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;)
		list_each(node, &l->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (p->number >> 8 == number >> 8)
				return p;
		}
	return NULL;
}

size_t wanted_sessions_most(const struct datapath *dp)
{
	size_t count = 0;
	bool intercepts = false;
	list_each(node, &((struct datapath *)(uintptr_t)dp)->listeners) {
		count += wanted_entry(node)->is_wanted;
		intercepts |= wanted_entry(node)->is_wanted && wanted_entry(node)->listener.intercepts;
	}
	return count + (intercepts ? SESSIONS_CALLED : 0);
}

/* ---- listeners and their sockets ---- */

static struct listener_entry *listener_present(const struct plan *plan, const char *name)
{
	list_each(node, &plan->dp->listeners)
		if (strcmp(wanted_entry(node)->listener.name, name) == 0)
			return wanted_entry(node);
	return NULL;
}

/* A cookie is good for one to two of these. */
static void rotate(struct timer *timer, struct mono now)
{
	struct listener *l = container_of(timer, struct listener, rotate);
	dtls_listener_rotate(l->dtls);
	timer_arm(l->timers, timer, mono_add(now, COOKIE_MS));
}

static int listener_make(struct listener_entry **made, struct datapath *dp, const char *name)
{
	struct listener_entry *e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	list_init(&e->node);
	list_init(&e->listener.ports);
	e->listener.number = ++dp->listener_numbers;
	e->listener.timers = dp->env.timers;
	e->listener.rotate.fire = rotate;
	hash_key_init(&e->listener.secret);
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
	timer_disarm(e->listener.timers, &e->listener.rotate);
	dtls_listener_free(e->next_dtls);
	dtls_listener_free(e->listener.dtls);
	list_each(node, &e->listener.ports)
		lan_close(container_of(node, struct lan_port, node));
	list_remove(&e->node);
	free(e->listener.name);
	free(e);
}

/* An opaque endpoint may come by this listener. */
static bool has_opaque(const struct conf *conf, const struct conf_listen *by)
{
	for (size_t i = 0; i < conf->endpoint_count; i++) {
		const struct conf_endpoint *e = &conf->endpoint[i];
		if (e->mode == CONF_OPAQUE && (e->listen == NULL || e->listen == by))
			return true;
	}
	return false;
}

/* A port for DTLS is opened where somebody may come by it, or where it was asked for by its number. */
static bool wants_dtls(const struct plan *plan, const struct conf_listen *conf)
{
	return conf->coaps != 0 && (conf->coaps_is_set ||
		identities_most(plan->identities) > 0 || has_opaque(plan->conf, conf));
}

static struct slice slice_of(const struct conf_blob *blob)
{
	return (struct slice){ blob->bytes, blob->n };
}

/* All that makes one listener's DTLS different from another's, as a number under its own secret: no copy
 * of the private key stands about only to be compared. */
static uint64_t fingerprint(const struct listener *l, const struct conf_listen *conf)
{
	const struct conf_blob *blobs[] = { &conf->cert, &conf->private_key, &conf->ca };
	uint64_t print[5] = { conf->cid, conf->dtls };
	for (size_t i = 0; i < 3; i++)
		print[2 + i] = hash_bytes(&l->secret, blobs[i]->bytes, blobs[i]->n);
	return hash_bytes(&l->secret, print, sizeof(print));
}

/* Devices refuse it, and nobody here would know why. */
static void tell_dates(const struct conf_listen *conf)
{
	const char *what = reason_of_dates(slice_of(&conf->cert), loop_wall());
	if (what != NULL)
		log_warn("%s:%u: listen '%s': its certificate %s", conf->where.file,
			conf->where.line, conf->name, what);
}

static int dtls_make(struct plan *plan, struct listener_entry *e, const struct conf_listen *conf)
{
	bool has_key = conf->private_key.n > 0;
	struct dtls_listener_spec spec = { .cid = conf->cid,
		.version = conf->dtls == CONF_DTLS13 ? DTLS_1_3 : DTLS_1_2, .find_psk = secure_find_psk,
		.find_key = has_key ? secure_find_key : NULL, .psk_who = plan->dp,
		.calls = &secure_dtls_calls, .wall_s = loop_wall };
	spec.pair = (struct dtls_pair){ slice_of(&conf->cert), slice_of(&conf->private_key) };
	spec.ca = slice_of(&conf->ca);
	int rc = dtls_listener_create(&e->next_dtls, &spec);
	if (rc != 0)
		wanted_fault(plan, &conf->where, "listen '%s' can not serve DTLS: %s", conf->name,
			has_key ? reason_of_file(rc) : strerror(-rc));
	else if (!plan->is_copy)
		tell_dates(conf);
	return rc;
}

/* Prepares the listener's DTLS where the present one does not fit any more. */
static int prepare_dtls(struct plan *plan, struct listener_entry *e, const struct conf_listen *conf)
{
	bool wants = wants_dtls(plan, conf);
	e->next_dtls = NULL;
	e->fingerprint = fingerprint(&e->listener, conf);
	e->changes_dtls = wants != (e->listener.dtls != NULL) ||
		(wants && e->listener.fingerprint != e->fingerprint);
	return wants && e->changes_dtls ? dtls_make(plan, e, conf) : 0;
}

static int prepare_listener(struct plan *plan, size_t i)
{
	const struct conf_listen *conf = &plan->conf->listen[i];
	int rc = 0;
	plan->listener[i] = listener_present(plan, conf->name);
	if (plan->listener[i] == NULL) {
		rc = listener_make(&plan->listener[i], plan->dp, conf->name);
		plan->listener_is_new[i] = rc == 0;
	}
	return rc == 0 ? prepare_dtls(plan, plan->listener[i], conf) : rc;
}

static int prepare_listeners(struct plan *plan)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < plan->conf->listen_count; i++)
		rc = prepare_listener(plan, i);
	return rc;
}

static struct lan_port *port_present(const struct plan *plan, const struct wanted_port *w)
{
	struct listener *l;
	for (size_t i = 0; (l = wanted_listener(plan->dp, &i)) != NULL;) {
		list_each(node, &l->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (p->is_secure == w->is_secure && addr_eq(&p->bound, &w->at.address) &&
				text_is_same(p->interface, w->at.interface))
				return p;
		}
	}
	return NULL;
}

/* Of this worker or of another one, whose sockets are the same. */
static bool is_wanted(const struct plan *plan, const struct lan_port *port)
{
	for (size_t i = 0; i < plan->ports; i++) {
		const struct lan_port *p = plan->port[i].port;
		if (p == port || (p != NULL && p->number >> 8 == port->number >> 8))
			return true;
	}
	return false;
}

/* Shuts the sockets of the same family and number that nobody wants any more: an old one on all
 * interfaces stands in the way of a new one on one of them, and the other way round. The ports stay for
 * their flows; undo opens them again. True when there was one. */
static bool make_way_of(const struct plan *plan, const struct datapath *dp, const struct addr *at)
{
	bool was_there = false;
	struct listener *l;
	for (size_t i = 0; (l = wanted_listener(dp, &i)) != NULL;) {
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

static bool make_way(const struct plan *plan, const struct addr *at)
{
	bool was_there = false;
	for (unsigned i = 0; i < crew_count(plan->dp); i++)
		was_there |= make_way_of(plan, crew_datapath(plan->dp, i), at);
	return was_there;
}

/* What is to be done about a socket that could not be had, as it follows the reason; "" for nothing. */
static const char *right_for(int rc)
{
	return rc != -EACCES ? ""
		: "; the right CAP_NET_BIND_SERVICE is missing for this port; right is a restart, not a "
		"reload, as root or with that right (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE; "
		"procd: \"NET_BIND_SERVICE\" in its capabilities file; or: setcap "
		"cap_net_bind_service+ep lwgated), or a port above 1023";
}

static int port_open(struct plan *plan, struct wanted_port *w)
{
	char text[ADDR_TEXT];
	const struct conf_listen *conf = &plan->conf->listen[w->listen];
	struct lan_spec spec = { .listener = &plan->listener[w->listen]->listener, .at = w->at,
		.is_secure = w->is_secure, .in = plan->dp->in, .calls = &datapath_lan_calls, .who = plan->dp,
		.number = ++plan->dp->port_numbers << 8, .may_wait = conf->intercept };
	if (plan->dp->crew != NULL) {
		spec.at.steer = &plan->dp->crew->steer;
		spec.at.worker = plan->dp->number;
	}
	int rc = lan_open(&w->port, &plan->dp->env, &spec);
	if (rc == -EADDRINUSE && make_way(plan, &w->at.address))
		rc = lan_open(&w->port, &plan->dp->env, &spec);
	bool no_ipv6 = rc == -EAFNOSUPPORT && !addr_is_v4(&w->at.address);
	if (rc == 0 || (no_ipv6 && conf->address_count == 0)) {
		w->is_new = rc == 0;
		if (rc == 0 && w->port->fd < 0 && !plan->is_copy)
			log_warn("%s:%u: listen '%s' waits for interface %s, which is not there",
				conf->where.file, conf->where.line, conf->name, w->at.interface);
		return 0;
	}
	wanted_fault(plan, &conf->where, "listen '%s' can not listen on %s%s%s: %s%s", conf->name,
		addr_print(&w->at.address, text), w->at.interface != NULL ? " of " : "",
		w->at.interface != NULL ? w->at.interface : "", strerror(-rc), right_for(rc));
	return rc;
}

/* Writes the sockets that one section asks for on one port number, and gives the place behind them. */
static struct wanted_port *ports_of(const struct conf_listen *conf, const struct wanted_port *like,
	struct wanted_port *to)
{
	struct addr any[2] = { addr_any(true, 0), addr_any(false, 0) };
	const struct addr *address = conf->address_count > 0 ? conf->address : any;
	size_t addresses = conf->address_count > 0 ? conf->address_count : 2;
	size_t interfaces = conf->interface.count > 0 ? conf->interface.count : 1;
	for (size_t i = 0; i < interfaces; i++)
		for (size_t a = 0; a < addresses; a++, to++) {
			*to = *like;
			to->at.address = address[a];
			to->at.address.port = like->at.address.port;
			if (conf->interface.count > 0)
				to->at.interface = conf->interface.item[i];
		}
	return to;
}

static void list_port(struct plan *plan, size_t listen, uint16_t port, bool is_secure)
{
	const struct conf_listen *conf = &plan->conf->listen[listen];
	struct wanted_port like = { .listen = listen, .is_secure = is_secure };
	like.at.address.port = port;
	if (port != 0 && (!is_secure || wants_dtls(plan, conf)))
		plan->ports = (size_t)(ports_of(conf, &like, &plan->port[plan->ports]) - plan->port);
}

/* Writes all that section asks for, at most as many as wanted_ports_most says. Who intercepts listens at the
 * servers' ports too. */
static void list_ports(struct plan *plan, size_t listen)
{
	const struct conf_listen *conf = &plan->conf->listen[listen];
	struct conf_captured captured[CONF_CAPTURED_PORTS];
	list_port(plan, listen, conf->coap, false);
	list_port(plan, listen, conf->coaps, true);
	size_t n = conf_captured(plan->conf, conf, captured);
	for (size_t i = 0; i < n; i++)
		list_port(plan, listen, captured[i].port, captured[i].is_secure);
}

size_t wanted_ports_most(const struct conf *conf)
{
	size_t n = 1;
	struct conf_captured captured[CONF_CAPTURED_PORTS];
	for (size_t i = 0; i < conf->listen_count; i++)
		n += (2 + conf_captured(conf, &conf->listen[i], captured)) *
			(conf->listen[i].interface.count + 1) * (conf->listen[i].address_count + 2);
	return n;
}

static int prepare_ports(struct plan *plan)
{
	for (size_t i = 0; i < plan->conf->listen_count; i++)
		list_ports(plan, i);
	for (size_t i = 0; i < plan->ports; i++)
		plan->port[i].port = port_present(plan, &plan->port[i]);
	for (size_t i = 0; i < plan->ports; i++) {
		int rc = plan->port[i].port != NULL ? 0 : port_open(plan, &plan->port[i]);
		if (rc != 0)
			return rc;
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
	l->intercepts = conf->intercept;
	l->relays_foreign = conf->foreign == CONF_FOREIGN_RELAY;
	l->is_narrow = conf->foreign == CONF_FOREIGN_PASS;
	l->is_closed = conf->without_relay == CONF_FAIL_CLOSED;
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
			container_of(at, struct lan_port, node)->is_leaving = true;
			list_remove(at);
			list_append(rest, at);
		}
	}
	for (size_t i = 0; i < plan->ports; i++) {
		struct lan_port *p = plan->port[i].port;
		if (p == NULL)
			continue; /* a family that this machine does not have */
		p->is_leaving = false;
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
	plan->dp->mark = plan->conf->gateway.mark;
	plan->dp->mark_mask = plan->conf->gateway.mark_mask;
	plan->dp->ports_changed = true;
}

void wanted_listen_commit(struct plan *plan, struct list *rest)
{
	commit_listeners(plan);
	sort_ports(plan, rest);
}

void wanted_dtls_end(struct plan *plan)
{
	list_each(node, &plan->dp->listeners) {
		const struct listener_entry *e = wanted_entry(node);
		if (!e->is_wanted || e->changes_dtls)
			secure_end_all(plan->dp, &e->listener);
	}
}

static void dtls_apply(struct listener_entry *e, struct mono now)
{
	struct listener *l = &e->listener;
	if (!e->is_wanted || !e->changes_dtls)
		return;
	dtls_listener_free(l->dtls);
	l->dtls = e->next_dtls;
	e->next_dtls = NULL;
	timer_arm(l->timers, &l->rotate, l->dtls != NULL ? mono_add(now, COOKIE_MS) : MONO_NEVER);
}

void wanted_dtls_commit(struct plan *plan, struct mono now)
{
	list_each(node, &plan->dp->listeners)
		dtls_apply(wanted_entry(node), now);
	for (size_t i = 0; i < plan->conf->listen_count; i++) {
		plan->listener[i]->listener.cid = plan->conf->listen[i].cid;
		plan->listener[i]->listener.fingerprint = plan->listener[i]->fingerprint;
	}
}

void wanted_listen_undo(struct plan *plan)
{
	for (size_t i = 0; plan->port != NULL && i < plan->ports; i++)
		if (plan->port[i].is_new)
			lan_close(plan->port[i].port);
	for (size_t i = 0; plan->listener_is_new != NULL && i < plan->conf->listen_count; i++)
		if (plan->listener_is_new[i]) {
			wanted_listener_free(plan->listener[i]);
		} else if (plan->listener[i] != NULL) {
			dtls_listener_free(plan->listener[i]->next_dtls);
			plan->listener[i]->next_dtls = NULL;
		}
}
