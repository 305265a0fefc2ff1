/* Conversations that pass unended.
 *
 *   the other address          left when
 *   none                       somebody speaks from there who may be the device -> on trial
 *   on trial                   the device's address speaks -> lapsed; answered, and time is over -> the
 *                              device is there, and its former address is the other, lapsed; time is
 *                              over -> lapsed
 *   lapsed: answers go to the  it speaks again -> on trial; so does a third one -> that is on trial
 *   device's address alone
 */
#include "opaque.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/bucket.h"
#include "base/log.h"
#include "called.h"
#include "cid.h"
#include "classify.h"
#include "crew.h"
#include "datapath.h"
#include "handover.h"
#include "lan_session.h"
#include "life.h"
#include "record.h"

/* What is known of whoever speaks from an address. */
struct claim {
	unsigned answered; /* how often the server answered a protected record by one */
	bool asked;        /* a protected record went up, and none came since */
	bool said_hello;   /* a ClientHello went up */
	bool is_anew;      /* the server took it: numbers begin again */
	bool is_offered;   /* the connection id that was offered is for it, be it none */
	bool is_hidden;    /* its numbers are encrypted: DTLS 1.3 */
	bool has_number;   /* number counts */
	uint64_t number;   /* highest of its records, see record_view */
};

struct opaque {
	struct claim here;      /* at the flow's address */
	struct claim there;     /* at another one, where has_other */
	struct claim before;    /* of the device, when the other spoke first: it must be newer */
	bool has_other;         /* there is one, on trial or lapsed */
	struct lan_key key;     /* of the other */
	struct lan_port *port;  /* its socket */
	struct addr called;     /* our address that it calls */
	struct mono until;      /* end of its trial; MONO_NEVER: lapsed */
	size_t sent;            /* bytes that went there unanswered */
	unsigned hellos;        /* ClientHellos since the server was heard last */
	struct bucket unproven; /* for addresses that no server has answered */
	struct cid cid;         /* that the device's records carry; kept while another is offered */
	struct cid offered;     /* of a handshake that is not done */
};

/* ---- life ---- */

int opaque_create(struct opaque **opaque)
{
	struct opaque *o = calloc(1, sizeof(*o));
	if (o == NULL)
		return -ENOMEM;
	o->until = MONO_NEVER;
	*opaque = o;
	return 0;
}

void opaque_end(struct datapath *dp, struct flow *flow)
{
	struct opaque *o = flow->opaque;
	if (o == NULL)
		return;
	cid_clear(dp->cids, &o->cid);
	cid_clear(dp->cids, &o->offered);
	flow->opaque = NULL;
	free(o);
}

struct slice opaque_cid(const struct flow *flow)
{
	return (struct slice){ flow->opaque->cid.bytes, flow->opaque->cid.n };
}

void opaque_set_cid(struct datapath *dp, struct flow *flow, struct slice cid)
{
	cid_set(dp->cids, &flow->opaque->cid, flow->id, cid);
}

/* ---- the other address ---- */

void opaque_settle(struct flow *flow)
{
	flow->opaque->has_other = false;
	flow->opaque->until = MONO_NEVER;
}

struct mono opaque_trial_ends(const struct flow *flow)
{
	return flow->opaque->until;
}

/* The server answered the other as it answers the device. A record whose number is hidden may be an old one
 * that somebody sent again while the server spoke for another reason: once is not enough. Nor is it for one
 * that shows a number where the device hides its own. */
static bool is_answered(const struct opaque *o)
{
	bool is_clear = o->there.has_number && !o->here.is_hidden;
	return o->there.answered >= (o->there.is_anew || is_clear ? 1U : 2U);
}

static void begin_trial(struct datapath *dp, struct flow *flow, struct mono now)
{
	struct opaque *o = flow->opaque;
	if (o->until.ms != MONO_NEVER.ms)
		return;
	o->sent = 0;
	o->until = mono_add(now, OPAQUE_TRIAL_MS);
	dp->env.stat.count[COUNT_OPAQUE_TRIALS]++;
	life_rearm(dp, flow, now);
}

/* The device's handshake is done: the id that it was offered is its own from now on. */
static void keep_offer(struct datapath *dp, struct flow *flow)
{
	struct opaque *o = flow->opaque;
	if (!o->here.is_offered)
		return;
	o->here.is_offered = false;
	cid_set(dp->cids, &o->cid, flow->id, (struct slice){ o->offered.bytes, o->offered.n });
	cid_clear(dp->cids, &o->offered);
	if (dp->changed != NULL)
		dp->changed(dp->who);
}

/* The trial comes to nothing, or was not needed. What is known stays, for a handshake may be under way. */
static void lapse(struct opaque *o)
{
	o->until = MONO_NEVER;
	o->there.asked = false;
	o->there.answered = 0;
}

/* The former address is the other one from now on: should it speak again, its own numbers count, not those
 * of whoever may have feigned to be the device. */
static void move_there(struct datapath *dp, struct flow *flow, struct mono now)
{
	struct opaque *o = flow->opaque;
	struct claim former = o->here;
	struct parcel there = { .port = o->port, .called = o->called, .key = o->key, .now = now };
	o->key = flow->key;
	o->port = flow->port;
	o->called = flow->called;
	o->here = o->there;
	o->there = o->before = former;
	o->there.is_anew = false;
	lapse(o);
	keep_offer(dp, flow);
	life_move(dp, flow, &there);
	life_rearm(dp, flow, now);
}

void opaque_tick(struct datapath *dp, struct flow *flow, struct mono now)
{
	struct opaque *o = flow->opaque;
	if (!mono_reached(o->until, now))
		return;
	if (is_answered(o)) {
		move_there(dp, flow, now);
		return;
	}
	o->until = MONO_NEVER;
	o->there.asked = false;
}

/* ---- who is it? ---- */

/* The flow that a record with a connection id belongs to: on this listener, and one alone. */
struct search {
	const struct datapath *dp;
	uint32_t listener, server; /* as in its key */
	struct flow *flow;
	bool is_clear;
};

static bool is_fixed(const struct route *r)
{
	return r->has_address && r->address.port != 0;
}

static void found(void *who, const struct cid *cid)
{
	struct search *s = who;
	struct flow *flow = flow_by_id(s->dp->flows, cid->flow);
	if (flow == NULL || flow->key.listener != s->listener ||
		flow->key.server != s->server || is_fixed(flow->route))
		return;
	s->is_clear = s->flow == NULL || s->flow == flow;
	s->flow = flow;
}

static struct flow *flow_by_cid(const struct datapath *dp, const struct parcel *p)
{
	struct search s = { dp, p->key.listener, p->key.server, NULL, false };
	cids_each(dp->cids, record_cid_at(p->bytes, p->n), found, &s);
	return s.is_clear ? s.flow : NULL;
}

/* The configuration says whose a listener or an address is; then where a device is at present counts, then
 * what the record says. */
static struct flow *flow_of(const struct datapath *dp, const struct parcel *p, const struct route *r)
{
	if (r != NULL)
		return flow_by_id(dp->flows, r->flow);
	struct flow *flow = flow_find(dp->flows, &p->key);
	flow = flow != NULL ? flow : flow_by_cid(dp, p);
	return flow != NULL && called_strays(flow, p) ? NULL : flow;
}

static bool is_at(const struct lan_key *place, const struct lan_key *from)
{
	return addr_eq(&place->device, &from->device) && place->listener == from->listener &&
		place->server == from->server &&
		(place->ifindex == from->ifindex || place->ifindex == 0);
}

static bool is_here(const struct flow *flow, const struct parcel *p)
{
	return is_fixed(flow->route) || is_at(&flow->key, &p->key);
}

/* It calls another of our addresses or sockets, or its interface is known now. */
static void follow(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	bool is_same = flow->key.ifindex == p->key.ifindex &&
		flow->key.listener == p->key.listener && flow->key.server == p->key.server &&
		addr_eq(&flow->called, &p->called);
	flow->port = p->port;
	if (!is_same)
		life_move(dp, flow, p);
}

/* ---- device to server ---- */

static bool is_newer(const struct record_view *view, const struct claim *than)
{
	return !view->has_number || !than->has_number || view->number > than->number;
}

static bool has_budget(struct opaque *o, const struct claim *c, struct mono now)
{
	return c->answered > 0 || bucket_take(&o->unproven, OPAQUE_UNPROVEN_BURST,
					  OPAQUE_UNPROVEN_PER_SECOND, now);
}

/* The device's own address speaks: nobody else is on trial, unless this is older than what came from there,
 * or no server has answered here either. DROP_COUNT: it may go up. */
static enum drop judge_here(struct datapath *dp, struct flow *flow, const struct parcel *p,
	const struct record_view *view)
{
	struct opaque *o = flow->opaque;
	follow(dp, flow, p);
	if (!has_budget(o, &o->here, p->now))
		return DROP_LAN_UNPROVEN;
	if (o->has_other && flow->is_live && is_newer(view, &o->there))
		lapse(o);
	return DROP_COUNT;
}

/* Somebody speaks from elsewhere, and may be the device. */
static enum drop judge_there(struct datapath *dp, struct flow *flow, const struct parcel *p,
	const struct record_view *view)
{
	static const struct claim nothing;
	struct opaque *o = flow->opaque;
	bool is_known = o->has_other && is_at(&o->key, &p->key);
	const struct claim *claim = is_known ? &o->there : &nothing;
	bool is_taken = o->has_other && !is_known && o->until.ms != MONO_NEVER.ms &&
		o->there.answered > 0;
	if (is_taken || !has_budget(o, claim, p->now))
		return DROP_LAN_UNPROVEN;
	if (!claim->is_anew && !is_newer(view, is_known ? &o->before : &o->here))
		return DROP_LAN_OLD;
	if (!is_known) {
		opaque_settle(flow);
		o->there = nothing;
		o->before = o->here;
		o->has_other = true;
	}
	o->key = p->key;
	o->port = p->port;
	o->called = p->called;
	begin_trial(dp, flow, p->now);
	return DROP_COUNT;
}

/* A server that leaves a device's own hellos unanswered, or is not there, may be at another address. */
static void seek_server(struct flow *flow, const struct record_view *view, bool is_elsewhere,
	struct mono now)
{
	struct opaque *o = flow->opaque;
	if (!view->begins_hello || (is_elsewhere && flow->is_live))
		return;
	if (o->hellos >= OPAQUE_HELLOS || flow->wan.is_refused) {
		wan_next(&flow->wan, flow->wan.is_refused, now);
		o->hellos = 0;
	}
	o->hellos++;
}

/* What went up from there. */
static void note_up(struct claim *c, const struct record_view *view)
{
	if (view->has_client_hello) {
		c->said_hello = true;
		c->is_anew = false;
	}
	c->asked |= view->has_protected;
	c->is_hidden |= view->has_protected && !view->has_number;
	if (view->has_number && is_newer(view, c)) {
		c->has_number = true;
		c->number = view->number;
	}
}

static enum drop send_up(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	int rc = wan_send(&flow->wan, p->bytes, p->n, p->now);
	flow->last_up = p->now;
	if (rc != 0)
		return rc == -ENOTCONN ? DROP_WAN_AWAY : DROP_WAN_SEND;
	flow->up.messages++;
	flow->up.bytes += p->n;
	dp->env.stat.count[COUNT_OPAQUE_UP]++;
	dp->env.stat.count[COUNT_OPAQUE_UP_BYTES] += p->n;
	return DROP_COUNT;
}

static void pass_up(struct datapath *dp, struct flow *flow, const struct parcel *p,
	const struct record_view *view)
{
	if (dp->overload.is_on && !overload_admits_opaque(dp, flow, p->bytes, p->n))
		return;
	bool is_elsewhere = !is_here(flow, p);
	struct opaque *o = flow->opaque;
	enum drop why = is_elsewhere ? judge_there(dp, flow, p, view) :
				       judge_here(dp, flow, p, view);
	if (why == DROP_COUNT) {
		seek_server(flow, view, is_elsewhere, p->now);
		why = send_up(dp, flow, p);
	}
	if (why == DROP_COUNT)
		note_up(is_elsewhere ? &o->there : &o->here, view);
	else
		flow_drop(flow, &dp->env.stat, why);
}

/* A ClientHello, or a record with a connection id, makes the flow. */
static struct flow *begin(struct datapath *dp, const struct parcel *p, struct route *r,
	const struct record_view *view)
{
	enum drop why = DROP_LAN_STRANGER;
	if (view->has_client_hello || view->has_cid) {
		struct life_spec spec = { .key = p->key, .port = p->port, .called = p->called,
			.route = r };
		struct flow *flow = life_begin(dp, &spec, p->now);
		if (flow != NULL)
			return flow;
		why = DROP_TABLE_FULL;
	}
	dp->env.stat.drop[why]++;
	return NULL;
}

static size_t cid_length(const struct flow *flow)
{
	if (flow == NULL)
		return 0;
	return flow->opaque->cid.n > 0 ? flow->opaque->cid.n : flow->opaque->offered.n;
}

/* The configuration may name a listener and an address: then nobody else may use the listener. */
static bool is_barred(const struct route *r, const struct addr *device)
{
	return r != NULL && r->has_address && !(addr_same_host(&r->address, device) &&
		(r->address.port == 0 || r->address.port == device->port));
}

/* Records are for one server alone: another port of its host is somebody else, whom we may serve. */
static struct route *route_for(const struct datapath *dp, const struct parcel *p)
{
	const struct listener *l = p->port->listener;
	struct route_way way = called_way(dp, &p->key, &p->called, l);
	way.port = way.called != NULL ? p->port->bound.port : 0;
	return route_opaque(dp->routes, l->name, &p->key.device, &way);
}

/* The device has a session of ours here: what that does not take is asked for elsewhere. */
static bool has_session(const struct datapath *dp, const struct parcel *p)
{
	return !dtls_is_hello(p->bytes, p->n) && lan_session_at(dp->sessions, &p->key, NULL) != NULL;
}

/* A connection id that is none of ours. */
static bool is_foreign_id(const struct datapath *dp, const struct parcel *p)
{
	struct slice cid;
	return classify(p->bytes, p->n) == KIND_DTLS_CID &&
		!(dtls_cid_of(p->bytes, p->n, LAN_CID_BYTES, &cid) && crew_knows_cid(dp, cid));
}

bool opaque_is_elsewhere(struct datapath *dp, struct parcel *p)
{
	if (dp->crew == NULL || dp->number == 0 || !routes_have_opaque(dp->routes))
		return false;
	bool may_be = route_for(dp, p) != NULL || (!has_session(dp, p) &&
		(is_foreign_id(dp, p) || crew_is_at_first(dp, &p->key)));
	return may_be && handover_to_first(dp, p);
}

bool opaque_up(struct datapath *dp, struct parcel *p)
{
	if (!routes_have_opaque(dp->routes))
		return false;
	struct route *r = route_for(dp, p);
	struct record_view view;
	p->key.identity = OPAQUE_IDENTITY;
	struct flow *flow = flow_of(dp, p, r);
	if (r == NULL && flow == NULL) {
		p->key.identity = 0;
		return false;
	}
	bool is_sound = record_look(p->bytes, p->n, cid_length(flow), &view);
	if (!is_sound || is_barred(r, &p->key.device)) {
		dp->env.stat.drop[is_sound ? DROP_LAN_STRANGER : DROP_LAN_HEADER]++;
		return true;
	}
	if (flow == NULL)
		flow = begin(dp, p, r, &view);
	if (flow != NULL)
		pass_up(dp, flow, p, &view);
	return true;
}

/* ---- server to device ---- */

/* The server took a client: records of it are numbered from 0, and may carry another id. */
static void took_hello(struct claim *c)
{
	if (!c->said_hello)
		return;
	c->said_hello = false;
	c->is_anew = c->is_offered = true;
	c->has_number = c->is_hidden = false;
	c->number = 0;
}

static void note_hello(struct datapath *dp, struct flow *flow, const struct record_view *view)
{
	struct opaque *o = flow->opaque;
	took_hello(&o->here);
	if (o->has_other)
		took_hello(&o->there);
	cid_set(dp->cids, &o->offered, flow->id, view->gives_cid);
}

static bool note_answer(struct claim *c)
{
	bool was_asked = c->asked;
	c->asked = false;
	c->answered += was_asked;
	return was_asked;
}

/* A record that needs a key came: what was asked before is taken for answered. */
static void note_protected(struct datapath *dp, struct flow *flow, struct mono now)
{
	struct opaque *o = flow->opaque;
	if (note_answer(&o->here)) {
		keep_offer(dp, flow);
		if (!flow->is_live)
			life_prove(dp, flow, now);
	}
	bool was_answered = is_answered(o);
	if (!o->has_other || !note_answer(&o->there) || !is_answered(o))
		return;
	if (!flow->is_live) {
		move_there(dp, flow, now);
		life_prove(dp, flow, now);
	} else if (!was_answered) {
		o->until = mono_add(now, OPAQUE_TRIAL_MS); /* for the old address to speak up */
		life_rearm(dp, flow, now);
	}
}

static void send_down(struct datapath *dp, struct flow *flow, const uint8_t *bytes, size_t n,
	struct mono now)
{
	struct opaque *o = flow->opaque;
	lan_send(flow->port, &flow->key.device, &flow->called, flow->key.ifindex, bytes, n);
	bool is_tried = o->until.ms != MONO_NEVER.ms &&
		(o->there.answered > 0 || o->sent + n <= OPAQUE_TRIAL_BYTES);
	if (is_tried) {
		lan_send(o->port, &o->key.device, &o->called, o->key.ifindex, bytes, n);
		o->sent += n;
	}
	flow->last_down = now;
	flow->down.messages++;
	flow->down.bytes += n;
	dp->env.stat.count[COUNT_OPAQUE_DOWN]++;
	dp->env.stat.count[COUNT_OPAQUE_DOWN_BYTES] += n;
}

void opaque_down(struct datapath *dp, struct flow *flow, const uint8_t *bytes, size_t n,
	struct mono now)
{
	struct record_view view;
	bool is_sound = record_look(bytes, n, 0, &view);
	if (!is_sound || view.has_client_hello) {
		flow_drop(flow, &dp->env.stat,
			is_sound ? DROP_WAN_CLIENT_HELLO : DROP_WAN_HEADER);
		return;
	}
	flow->opaque->hellos = 0;
	if (view.has_server_hello)
		note_hello(dp, flow, &view);
	if (view.has_protected)
		note_protected(dp, flow, now);
	send_down(dp, flow, bytes, n, now);
}
