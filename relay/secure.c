/* DTLS towards devices. */
#include "secure.h"
#include <errno.h>
#include <string.h>
#include "called.h"
#include "classify.h"
#include "crew.h"
#include "datapath.h"
#include "handover.h"
#include "identify.h"
#include "identity.h"
#include "lan_session.h"
#include "life.h"
#include "newcomer.h"
#include "opaque.h"
#include "secure_int.h"
#include "wanted.h"

static void lost(struct datapath *dp, enum drop why)
{
	dp->env.stat.drop[why]++;
}

static void count(struct datapath *dp, enum count what)
{
	dp->env.stat.count[what]++;
}

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	const struct lan_session *s = who;
	lan_send(s->port, &s->key.device, &s->called, s->key.ifindex, datagram, n);
}

const struct dtls_calls secure_dtls_calls = { .emit = emit };

/* ---- who is it? ---- */

const struct dtls_psk *secure_find_psk(void *psk_who, struct slice identity)
{
	const struct datapath *dp = psk_who;
	struct identity *id = identity_by_psk(dp->identities, identity);
	return id != NULL ? &id->psk : NULL;
}

bool secure_find_key(void *psk_who, struct slice spki)
{
	const struct datapath *dp = psk_who;
	return identity_by_key(dp->identities, spki) != NULL;
}

/* ---- the end of a session ---- */

/* Flows of the device stay: it may come back. */
static void leave_flows(struct datapath *dp, const struct lan_session *s)
{
	struct route *r = NULL;
	while (s->identity != NULL &&
		(r = route_of(dp->routes, s->identity->endpoint, r)) != NULL) {
		struct flow *flow = flow_by_id(dp->flows, r->flow);
		if (flow != NULL && flow->session == s)
			flow->session = NULL;
	}
}

static void drop_session(struct datapath *dp, struct lan_session *s)
{
	leave_flows(dp, s);
	if (dp->crew != NULL)
		crew_leave_session(dp, s);
	list_remove(&s->same_identity);
	timer_disarm(dp->env.timers, &s->timer);
	dtls_forget(&s->dtls);
	lan_session_free(dp->sessions, s);
}

static void close_session(struct datapath *dp, struct lan_session *s)
{
	dtls_close(&s->dtls);
	drop_session(dp, s);
}

static void evict(struct lan_session *s)
{
	count(s->dp, COUNT_DEVICE_PUSHED_OUT);
	drop_session(s->dp, s);
}

static void ended(struct datapath *dp, struct lan_session *s, struct mono now)
{
	if (s->identity == NULL)
		secure_tell_failure(dp, s, now);
	else
		count(dp, COUNT_DEVICE_CLOSED);
	drop_session(dp, s);
}

/* ---- time passes ---- */

static bool has_flow(const struct datapath *dp, const struct lan_session *s)
{
	return s->identity != NULL && flow_find(dp->flows, &s->key) != NULL;
}

/* A session of DTLS 1.3 that is up may have to repeat something too. */
static void rearm(struct datapath *dp, struct lan_session *s)
{
	if (dtls_state(s->dtls) == DTLS_HANDSHAKE)
		timer_arm(dp->env.timers, &s->timer, dtls_deadline(s->dtls));
	else if (dtls_deadline(s->dtls).ms != MONO_NEVER.ms)
		timer_arm_by(dp->env.timers, &s->timer, dtls_deadline(s->dtls));
}

/* A session without a flow ends when it is idle; one with a flow lasts as long as that. Somebody who is
 * no endpoint of ours has time for a refusal. */
static void look_idle(struct datapath *dp, struct lan_session *s, struct mono now)
{
	bool is_known = s->identity != NULL;
	struct mono ends = mono_add(s->heard, is_known ? SESSION_IDLE_MS : STRANGER_SESSION_MS);
	if (has_flow(dp, s))
		ends = mono_add(now, SESSION_IDLE_MS);
	if (mono_reached(ends, now)) {
		count(dp, COUNT_DEVICE_IDLE);
		close_session(dp, s);
	} else {
		timer_arm(dp->env.timers, &s->timer, mono_min(ends, dtls_deadline(s->dtls)));
	}
}

static void fire(struct timer *timer, struct mono now)
{
	struct lan_session *s = container_of(timer, struct lan_session, timer);
	struct datapath *dp = s->dp;
	switch (dtls_state(s->dtls)) {
	case DTLS_HANDSHAKE:
		if (dtls_tick(s->dtls, now) != DTLS_NOTHING)
			ended(dp, s, now);
		else
			rearm(dp, s);
		return;
	case DTLS_UP:
		if (dtls_tick(s->dtls, now) != DTLS_NOTHING) {
			ended(dp, s, now);
			return;
		}
		look_idle(dp, s, now);
		return;
	case DTLS_DEAD:
		ended(dp, s, now);
		return;
	}
	BUG("unknown session state");
}

/* ---- a device proves who it is, or that it is elsewhere ---- */

/* The server that a device reaches by this session, where its endpoint has several. */
static const struct route *way_of(const struct datapath *dp, const struct lan_session *s,
	bool is_bootstrap)
{
	struct route_way way = called_way(dp, &s->key, &s->called, s->port->listener);
	return route_find(dp->routes, slice_str(s->identity->endpoint), is_bootstrap, &way);
}

/* A device has one session for each server: both would lead to the same. An endpoint that no section names
 * has its routes by its Registers. */
static bool is_same_way(const struct datapath *dp, const struct lan_session *a,
	const struct lan_session *b)
{
	if (a->key.listener == b->key.listener && a->key.server == b->key.server)
		return true;
	const struct route *way = way_of(dp, a, false);
	if (way != NULL || way_of(dp, b, false) != NULL)
		return way == way_of(dp, b, false);
	return called_by_unknown(dp, &a->key, a->port->listener) ==
		called_by_unknown(dp, &b->key, b->port->listener);
}

/* The flows of the endpoint that go its way are this session's, wherever they were. */
static void take_flows(struct datapath *dp, struct lan_session *s, struct mono now)
{
	struct parcel here = { .port = s->port, .called = s->called, .key = s->key, .now = now };
	struct route *r = NULL;
	while ((r = route_of(dp->routes, s->identity->endpoint, r)) != NULL) {
		struct flow *flow = flow_by_id(dp->flows, r->flow);
		if (flow == NULL || way_of(dp, s, r->is_bootstrap) != r)
			continue;
		life_move(dp, flow, &here);
		flow->session = s;
		s->flow = flow->id;
	}
}

/* The CA knows the device, and no section does: it stays half-open, and hears 4.03 (rule 2). */
static void stranger(struct datapath *dp, struct lan_session *s, struct mono now)
{
	count(dp, COUNT_DEVICE_UNKNOWN);
	s->heard = now;
	s->is_told = true;
	secure_tell_refused(dp, s, "its certificate is good, but no section names that endpoint", now);
	look_idle(dp, s, now);
}

/* Sessions of the endpoint that this one takes the place of are over, without a word: the device has
 * forgotten them. */
static bool drop_older(struct datapath *dp, const struct lan_session *s)
{
	bool dropped = false;
	list_each(node, &s->identity->sessions) {
		struct lan_session *old = container_of(node, struct lan_session, same_identity);
		if (old == s || !is_same_way(dp, old, s))
			continue;
		drop_session(dp, old);
		dropped = true;
	}
	return dropped;
}

/* A device may call many servers: the oldest sessions go. */
static void trim(struct datapath *dp, struct identity *id)
{
	size_t count = 0, most = wanted_sessions_most(dp);
	list_each(node, &id->sessions)
		count++;
	for (; count > most; count--)
		evict(container_of(id->sessions.next, struct lan_session, same_identity));
}

/* It is this endpoint's from now on; false when it ended, for another worker has the endpoint since it was
 * asked: a device that needs the session begins anew. */
static bool belongs_to(struct datapath *dp, struct lan_session *s, struct identity *id, struct mono now)
{
	struct lan_key key = s->key;
	key.identity = id->number;
	lan_session_proven(dp->sessions, s);
	lan_session_rekey(dp->sessions, s, &key);
	s->identity = id;
	list_append(&id->sessions, &s->same_identity);
	s->heard = now;
	if (dp->crew != NULL && !crew_enter_session(dp, s)) {
		count(dp, COUNT_DEVICE_PUSHED_OUT);
		close_session(dp, s);
		return false;
	}
	take_flows(dp, s, now);
	bool again = drop_older(dp, s);
	trim(dp, id);
	count(dp, COUNT_DEVICE_HANDSHAKES_DONE);
	secure_tell_proven(dp, s, again, now);
	look_idle(dp, s, now);
	return true;
}

/* The handshake is done. False when the session is another worker's now. */
static bool proven(struct datapath *dp, struct lan_session *s, struct mono now)
{
	struct identity *id = identify(dp, s);
	if (id == NULL) {
		stranger(dp, s, now);
		return true;
	}
	if (handover_session(dp, s, id->endpoint)) {
		drop_session(dp, s);
		return false;
	}
	return belongs_to(dp, s, id, now);
}

/* An authentic record, newer than all before, came from another address, socket or interface: RFC 9146 6.
 * Answers go there from now on. */
static void follow(struct datapath *dp, struct lan_session *s, const struct parcel *p)
{
	struct lan_key key = p->key;
	key.identity = s->key.identity;
	bool is_same = addr_eq(&key.device, &s->key.device) && key.ifindex == s->key.ifindex &&
		key.listener == s->key.listener;
	if (is_same && p->port == s->port && addr_eq(&p->called, &s->called))
		return;
	s->port = p->port;
	s->called = p->called;
	if (dp->crew != NULL)
		crew_move_session(dp, s, &key);
	lan_session_rekey(dp->sessions, s, &key);
	if (s->identity != NULL)
		take_flows(dp, s, p->now);
}

/* ---- records ---- */

static void message(struct datapath *dp, struct lan_session *s, const struct parcel *p, size_t n)
{
	struct parcel m = { .port = s->port, .called = s->called, .bytes = dp->env.plain, .n = n,
		.key = s->key, .session = s, .now = p->now };
	if (s->identity == NULL) {
		datapath_refuse(dp, &m);
		return;
	}
	s->heard = p->now;
	datapath_up(dp, &m);
}

/* Acts on one event; false when the session is gone. */
static bool act(struct datapath *dp, struct lan_session *s, enum dtls_event event,
	const struct parcel *p, size_t n)
{
	switch (event) {
	case DTLS_NOTHING:
		return true;
	case DTLS_ESTABLISHED:
		return proven(dp, s, p->now);
	case DTLS_DATA:
		if (dtls_was_newest(s->dtls))
			follow(dp, s, p);
		message(dp, s, p, n);
		return true;
	case DTLS_CLOSED:
	case DTLS_ALERTED:
	case DTLS_TIMED_OUT:
		ended(dp, s, p->now);
		return false;
	}
	BUG("unknown session event");
}

static void count_drops(struct datapath *dp, const struct lan_session *s, const uint64_t before[])
{
	static const enum drop why[DTLS_DROPS] = { [DTLS_DROP_HEADER] = DROP_LAN_HEADER,
		[DTLS_DROP_CLIENT_HELLO] = DROP_LAN_HELLO, [DTLS_DROP_RECORD] = DROP_LAN_RECORD };
	struct flow *flow = flow_by_id(dp->flows, s->flow);
	for (int i = 0; i < DTLS_DROPS; i++)
		for (uint64_t n = before[i]; n < dtls_dropped(s->dtls, (enum dtls_drop)i); n++)
			flow_drop(flow, &dp->env.stat, why[i]);
}

/* Gives a datagram to one session and acts on all that it brings. Returns true when something came of
 * it, so that no other session need be asked. */
static bool feed(struct datapath *dp, struct lan_session *s, const struct parcel *p, bool is_last)
{
	uint64_t before[DTLS_DROPS];
	if (dp->overload.is_on && !overload_admits_record(dp, s, p->bytes, p->n))
		return true;
	for (int i = 0; i < DTLS_DROPS; i++)
		before[i] = dtls_dropped(s->dtls, (enum dtls_drop)i);
	dtls_feed(s->dtls, p->bytes, p->n, p->now);
	for (bool took = false;; took = true) {
		size_t n = 0;
		enum dtls_event event =
			dtls_read(s->dtls, dp->env.plain, sizeof(dp->env.plain), &n, p->now);
		if (event == DTLS_NOTHING) {
			if (is_last || took)
				count_drops(dp, s, before);
			secure_tell_wrong_key(dp, s, p->now);
			rearm(dp, s);
			return took;
		}
		if (!act(dp, s, event, p, n))
			return true;
	}
}

/* ---- datagrams ---- */

static void accept_device(struct datapath *dp, struct lan_session *new, struct mono now)
{
	new->is_known = crew_is_host(dp, &new->key);
	struct lan_session *s = lan_session_add(dp->sessions, new, evict);
	if (s == NULL) {
		struct dtls_session *dtls = new->dtls;
		dtls_forget(&dtls);
		lost(dp, DROP_NO_MEMORY);
		return;
	}
	count(dp, COUNT_DEVICE_HANDSHAKES);
	dtls_set_who(s->dtls, s);
	crew_draw_cid(dp);
	s->heard = now;
	rearm(dp, s);
}

void secure_adopt_session(struct datapath *dp, struct lan_session *from, struct mono now)
{
	from->dp = dp;
	from->timer = (struct timer){ .fire = fire };
	struct lan_session *s = lan_session_add(dp->sessions, from, evict);
	struct identity *id = s != NULL ? identify(dp, s) : NULL;
	if (s == NULL) {
		dtls_forget(&from->dtls);
		lost(dp, DROP_NO_MEMORY);
		return;
	}
	dtls_set_who(s->dtls, s);
	if (id == NULL) {
		stranger(dp, s, now);
		return;
	}
	s->is_adopted = s->has_cid;
	(void)belongs_to(dp, s, id, now);
}

static bool admit(void *who)
{
	struct lan_session *new = who;
	bool may = lan_sessions_may_begin(new->dp->sessions, &new->key.device, new->heard);
	if (!may)
		lost(new->dp, DROP_LAN_HANDSHAKES);
	return may;
}

/* A stranger's ClientHello, or that of a device which began anew. */
static void hello(struct datapath *dp, struct parcel *p)
{
	struct listener *l = p->port->listener;
	struct lan_session new = { .dp = dp, .key = p->key, .port = p->port, .called = p->called,
		.has_cid = l->cid, .heard = p->now,
		.timer = { .fire = fire } };
	uint8_t peer[24];
	memcpy(peer, p->key.device.ip, 16);
	memcpy(peer + 16, &p->key.device.scope, 4);
	memcpy(peer + 20, &p->key.device.port, 2);
	memcpy(peer + 22, &p->port->bound.port, 2);
	memcpy(new.cid, dp->next_cid, LAN_CID_BYTES);
	struct dtls_accept_spec spec = { .peer = { peer, sizeof(peer) },
		.cid = { new.cid, l->cid ? LAN_CID_BYTES : 0 }, .deadline_ms = HALF_OPEN_MS,
		.who = &new, .admit = admit };
	uint64_t answered = dtls_listener_count(l->dtls, DTLS_HELLO_ANSWERED);
	uint64_t refused = dp->env.stat.drop[DROP_LAN_HANDSHAKES];
	new.dtls = dtls_accept(l->dtls, &spec, p->bytes, p->n, p->now);
	if (new.dtls != NULL)
		accept_device(dp, &new, p->now);
	else if (dtls_listener_count(l->dtls, DTLS_HELLO_ANSWERED) != answered)
		count(dp, COUNT_HELLOS_ANSWERED);
	else if (dp->env.stat.drop[DROP_LAN_HANDSHAKES] == refused)
		lost(dp, DROP_LAN_HELLO);
}

/* Sessions of the address are asked in turn: the proven one first, it came first. */
static void offer(struct datapath *dp, struct parcel *p)
{
	bool is_hello = dtls_is_hello(p->bytes, p->n);
	struct lan_session *next, *s = lan_session_at(dp->sessions, &p->key, NULL);
	if (s == NULL && !is_hello && !handover_to_place(dp, p))
		lost(dp, DROP_LAN_STRANGER);
	bool was_there = s != NULL;
	for (; s != NULL; s = next) {
		next = lan_session_at(dp->sessions, &p->key, s);
		if (is_hello && !dtls_owns_hello(s->dtls, p->bytes, p->n))
			continue;
		if (feed(dp, s, p, is_hello || next == NULL) || is_hello)
			return;
	}
	if (is_hello)
		hello(dp, p);
	else if (was_there && handover_to_place(dp, p))
		return; /* a younger session of the address is another worker's */
}

/* A record with a connection id says whose it is. */
static void offer_by_cid(struct datapath *dp, struct parcel *p, struct slice cid)
{
	struct lan_session *s = lan_session_by_cid(dp->sessions, cid);
	if (s == NULL && handover_to_cid(dp, p, cid))
		return;
	if (s == NULL || s->key.listener != p->key.listener || s->key.server != p->key.server)
		lost(dp, DROP_LAN_STRANGER);
	else
		feed(dp, s, p, true);
}

void secure_up(struct datapath *dp, struct parcel *p)
{
	struct slice cid;
	if (opaque_is_elsewhere(dp, p) || opaque_up(dp, p))
		return;
	switch (classify(p->bytes, p->n)) {
	case KIND_DTLS:
		offer(dp, p);
		return;
	case KIND_DTLS_CID:
		if (dtls_cid_of(p->bytes, p->n, LAN_CID_BYTES, &cid))
			offer_by_cid(dp, p, cid);
		else
			lost(dp, DROP_LAN_HEADER);
		return;
	case KIND_COAP:
		lost(dp, DROP_LAN_COAP);
		return;
	case KIND_JUNK:
		lost(dp, DROP_LAN_JUNK);
		return;
	}
	BUG("unknown kind of datagram");
}

int secure_send(struct lan_session *s, const uint8_t *bytes, size_t n)
{
	int rc = dtls_write(s->dtls, bytes, n);
	rearm(s->dp, s);
	if (rc == -EPROTO) /* it is dead; its timer buries it, for its caller may be at work on it */
		timer_arm(s->dp->env.timers, &s->timer, s->heard);
	return rc == 0 || rc == -EMSGSIZE ? rc : -ENOTCONN;
}

/* ---- start, reload, stop ---- */

/* A session keeps to its endpoint when that has the same credential still, and is welcome still; and to
 * its listener, which may have another socket now. */
static bool stays(const struct lan_session *s, const struct identity *id)
{
	const struct listener *l = s->port->listener;
	return id != NULL && identity_same(s->identity, id) && !s->port->is_leaving &&
		l->number == s->key.listener && called_stays(s->dp, &s->key, l) &&
		(!id->is_dynamic || l->accepts_unknown);
}

void secure_adopt(struct datapath *dp, struct identities *identities, const struct routes *routes)
{
	struct identity *next;
	if (dp->identities == NULL)
		return;
	for (struct identity *id = identity_next_dynamic(dp->identities, NULL); id != NULL; id = next) {
		struct slice name = slice_str(id->endpoint);
		next = identity_next_dynamic(dp->identities, id);
		if (identify_is_used(dp, id) && !route_is_configured(routes, name) &&
			identity_by_endpoint(identities, name) == NULL)
			identity_adopt(identities, dp->identities, id);
	}
}

void secure_apply(struct datapath *dp, struct identities *identities)
{
	struct lan_session *next;
	while ((next = lan_session_next(dp->sessions, LAN_STRANGERS, NULL)) != NULL ||
		(next = lan_session_next(dp->sessions, LAN_KNOWN, NULL)) != NULL)
		close_session(dp, next);
	/* An identity that was adopted is the same one, and has all of them still: drop_older shall see only
	 * those that came before. */
	for (next = NULL; (next = lan_session_next(dp->sessions, LAN_PROVEN, next)) != NULL;)
		list_remove(&next->same_identity);
	next = lan_session_next(dp->sessions, LAN_PROVEN, NULL);
	while (next != NULL) {
		struct lan_session *s = next;
		struct slice name = slice_str(s->identity->endpoint);
		struct identity *id = identity_by_endpoint(identities, name);
		next = lan_session_next(dp->sessions, LAN_PROVEN, s);
		if (!stays(s, id)) {
			close_session(dp, s);
			continue;
		}
		s->identity = id;
		list_append(&id->sessions, &s->same_identity);
		if (drop_older(dp, s)) /* listeners that had different servers have one now */
			take_flows(dp, s, loop_now(dp->env.loop));
		trim(dp, id);
	}
	identities_free(dp->identities);
	dp->identities = identities;
}

/* A socket may be another listener's by now: what counts is whose the session is. */
void secure_end_all(struct datapath *dp, const struct listener *only)
{
	for (enum lan_ring ring = LAN_STRANGERS; ring < LAN_RINGS; ring++) {
		struct lan_session *next = lan_session_next(dp->sessions, ring, NULL);
		while (next != NULL) {
			struct lan_session *s = next;
			next = lan_session_next(dp->sessions, ring, s);
			if (only == NULL || s->key.listener == only->number)
				close_session(dp, s);
		}
	}
}
