/* The two columns of DESIGN.md 5: what happens to a datagram, station by station. */
#include "datapath.h"
#include <errno.h>
#include <stdlib.h>
#include "ahead.h"
#include "assist.h"
#include "base/log.h"
#include "called.h"
#include "cid.h"
#include "classify.h"
#include "crew.h"
#include "base/rand.h"
#include "forward.h"
#include "identity.h"
#include "lan_session.h"
#include "life.h"
#include "newcomer.h"
#include "opaque.h"
#include "reopen.h"
#include "secure.h"
#include "track.h"
#include "wanted.h"

/* ---- device to server ---- */

/* Is it whole, and meant for us alone? */
static enum verdict check_slot(struct datapath *dp, const struct udp_slot *slot)
{
	if (slot->truncated) {
		dp->env.stat.drop[DROP_LAN_TOO_LARGE]++;
		return GONE;
	}
	if (slot->is_broadcast || addr_is_multicast(&slot->called)) {
		dp->env.stat.drop[DROP_LAN_MULTICAST] += !dp->env.is_copy; /* all workers get it */
		return GONE;
	}
	/* The kernel lets these in where one is forged. */
	if (slot->is_mixed || slot->peer.port == 0 || addr_is_any(&slot->peer)) {
		dp->env.stat.drop[DROP_LAN_SOURCE]++;
		return GONE;
	}
	return PASS;
}

/* CoAP, or something that this port does not speak? */
static enum verdict check_kind(struct datapath *dp, const struct parcel *p)
{
	switch (classify(p->bytes, p->n)) {
	case KIND_COAP:
		return PASS;
	case KIND_DTLS:
	case KIND_DTLS_CID:
		dp->env.stat.drop[DROP_LAN_DTLS]++;
		return GONE;
	case KIND_JUNK:
		dp->env.stat.drop[DROP_LAN_JUNK]++;
		return GONE;
	}
	BUG("unknown kind of datagram");
}

static enum drop drop_of(enum msg_fault fault)
{
	switch (fault) {
	case MSG_OK:
		break;
	case MSG_SHORT:
		return DROP_COAP_SHORT;
	case MSG_VERSION:
		return DROP_COAP_VERSION;
	case MSG_TOKEN:
		return DROP_COAP_TOKEN;
	case MSG_NOT_EMPTY:
		return DROP_COAP_NOT_EMPTY;
	case MSG_OPTION:
		return DROP_COAP_OPTION;
	case MSG_PAYLOAD:
		return DROP_COAP_PAYLOAD;
	}
	BUG("no fault");
}

/* Is it a well-formed message, and does it speak to the registration interface? */
static enum verdict check_message(struct datapath *dp, struct parcel *p)
{
	enum msg_fault fault = msg_peek(&p->msg, p->bytes, p->n);
	if (fault != MSG_OK) {
		dp->env.stat.drop[drop_of(fault)]++;
		return GONE;
	}
	track_read(p);
	return PASS;
}

/* Does it speak for whom it came from? A name is asked for only where DTLS gave another (rule 2). */
static enum verdict check_name(struct datapath *dp, const struct parcel *p)
{
	if (p->session == NULL || !p->reg.has_ep)
		return PASS;
	if (!p->reg.ep_doubtful && slice_is(p->reg.ep, p->session->identity->endpoint))
		return PASS;
	dp->env.stat.drop[DROP_OTHER_ENDPOINT]++;
	notice(&dp->notices, NOTICE_REFUSED, LOG_LEVEL_WARN, p->now,
		"lan: %s registers under another name than its own; it gets 4.00",
		p->session->identity->endpoint);
	newcomer_refuse(dp, p, MSG_CODE(4, 0), -1);
	return GONE;
}

/* Does the message prove that the old address of somebody who wants to move still answers? */
static enum verdict check_moves(struct datapath *dp, struct flow *first, const struct parcel *p)
{
	enum verdict verdict = PASS;
	for (struct flow *f = first; f != NULL; f = f->sibling)
		if ((f->move != NULL || f->ping_until.ms != 0) && move_heard(dp, f, p))
			verdict = TAKEN;
	return verdict;
}

/* The device calls another of our addresses, or another socket of the listener, than before: answers
 * leave from there (rule 17). A restart should know the address. */
static void follow_called(struct datapath *dp, struct flow *first, const struct parcel *p)
{
	bool is_new = false;
	for (struct flow *f = first; f != NULL; f = f->sibling) {
		f->port = p->port;
		if (addr_eq(&f->called, &p->called))
			continue;
		f->called = p->called;
		is_new = true;
	}
	if (is_new && dp->changed != NULL)
		dp->changed(dp->who);
}

/* The first flow of the conversation that the message is part of, or NULL. */
static struct flow *flow_of_parcel(struct datapath *dp, const struct parcel *p)
{
	struct flow *flow = NULL;
	if (p->session != NULL)
		flow = flow_by_id(dp->flows, p->session->flow);
	if (flow == NULL || flow->is_shared || flow->session != p->session)
		flow = flow_find(dp->flows, &p->key);
	if (flow == NULL && p->session == NULL)
		flow = reopen_follow(dp, p);
	return flow;
}

/* Ends those that lead elsewhere than where the device calls; returns the first that is left, or NULL. */
static struct flow *end_strays(struct datapath *dp, struct flow *first, const struct parcel *p)
{
	bool did_end = false;
	for (struct flow *next, *f = first; f != NULL; f = next) {
		next = f->sibling;
		if (!called_strays(f, p))
			continue;
		life_end(dp, f, "its device calls where its server is not");
		did_end = true;
	}
	return did_end ? flow_find(dp->flows, &p->key) : first;
}

/* While more comes than can be carried: is it within its device's share? Records were asked before they were opened. */
static enum verdict check_share(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	if (!dp->overload.is_on || p->session != NULL)
		return PASS;
	return overload_admits_message(dp, flow, p) ? PASS : GONE;
}

void datapath_up(struct datapath *dp, struct parcel *p)
{
	if (check_message(dp, p) != PASS || check_name(dp, p) != PASS)
		return;
	struct flow *flow = end_strays(dp, flow_of_parcel(dp, p), p);
	if (flow == NULL || newcomer_is_other(flow, p)) {
		newcomer_up(dp, p);
		return;
	}
	if (check_share(dp, flow, p) != PASS)
		return;
	follow_called(dp, flow, p);
	if (check_moves(dp, flow, p) != PASS)
		return;
	flow = track_sibling(flow, p);
	track_up(flow, p);
	forward_up(dp, flow, p);
}

void datapath_refuse(struct datapath *dp, struct parcel *p)
{
	if (check_message(dp, p) != PASS)
		return;
	dp->env.stat.drop[DROP_NO_ROUTE]++;
	if (msg_is_request(&p->msg))
		newcomer_refuse(dp, p, MSG_CODE(4, 3), -1);
}

void datapath_take(struct datapath *dp, struct parcel *p)
{
	const struct lan_port *port = p->port;
	/* lwgate-net may have made it transparent though we have not read that yet. */
	if ((port->is_transparent || port->listener->intercepts) && !called_read(dp, p))
		return;
	if (port->is_secure)
		secure_up(dp, p);
	else if (check_kind(dp, p) == PASS)
		datapath_up(dp, p);
}

static void datagram(void *who, struct lan_port *port, struct udp_slot *slot, struct mono now)
{
	struct datapath *dp = who;
	if (check_slot(dp, slot) != PASS)
		return;
	struct parcel p = { .port = port, .called = slot->called, .bytes = slot->bytes,
		.n = slot->n, .now = now };
	p.key = lan_key_of(port, slot);
	datapath_take(dp, &p);
}

static void soon(void *who, const struct lan_port *port, struct udp_batch *batch, unsigned n)
{
	ahead_of_batch(who, port, batch, n);
}

static void refused(void *who, unsigned count)
{
	struct datapath *dp = who;
	dp->env.stat.drop[DROP_LAN_SEND] += count;
}

static void pressed(void *who, struct mono now)
{
	overload_pressed(who, now);
}

const struct lan_calls datapath_lan_calls = { .datagram = datagram, .refused = refused,
	.soon = soon, .pressed = pressed };

/* ---- server to device ---- */

/* The message stands in its slot already. */
static enum drop post(struct flow *flow, const uint8_t *bytes, size_t n)
{
	struct udp_slot *slot = lan_slot(flow->port);
	BUG_UNLESS(slot->bytes == bytes);
	slot->n = n;
	slot->peer = flow->key.device;
	slot->called = flow->called;
	slot->ifindex = flow->key.ifindex;
	lan_commit(flow->port);
	return DROP_COUNT;
}

/* The device gets it as a record of its session. */
static enum drop seal(struct flow *flow, const uint8_t *bytes, size_t n)
{
	int rc = flow->session != NULL ? secure_send(flow->session, bytes, n) : -ENOTCONN;
	if (rc == 0)
		return DROP_COUNT;
	return rc == -EMSGSIZE ? DROP_DEVICE_TOO_LARGE : DROP_DEVICE_AWAY;
}

void datapath_down(struct datapath *dp, struct flow *flow, uint8_t *bytes, size_t n,
	struct mono now)
{
	struct msg m;
	enum msg_fault fault = msg_peek(&m, bytes, n);
	if (fault != MSG_OK) {
		flow_drop(flow, &dp->env.stat, drop_of(fault));
		return;
	}
	if (assist_eats(dp, flow, &m, now))
		return;
	track_down(dp, flow, &m, now);
	if (flow->is_shared)
		track_recent(flow, &m);
	enum drop why = flow->key.identity != 0 ? seal(flow, bytes, n) : post(flow, bytes, n);
	if (why != DROP_COUNT) {
		flow_drop(flow, &dp->env.stat, why);
		return;
	}
	flow->last_down = now;
	flow->last_down_mid = m.mid;
	flow->down.messages++;
	flow->down.bytes += n;
	dp->env.stat.count[COUNT_DOWN_MESSAGES]++;
	dp->env.stat.count[COUNT_DOWN_BYTES] += n;
}

static struct flow *flow_of(struct wan *wan)
{
	return container_of(wan, struct flow, wan);
}

static struct datapath *datapath_of(const struct wan *wan)
{
	return container_of(wan->env, struct datapath, env);
}

static uint8_t *wan_room(struct wan *wan, struct mono now)
{
	(void)now;
	struct flow *flow = flow_of(wan);
	return flow->key.identity != 0 ? wan->env->plain : lan_slot(flow->port)->bytes;
}

static void wan_message(struct wan *wan, uint8_t *bytes, size_t n, struct mono now)
{
	struct flow *flow = flow_of(wan);
	if (flow->opaque != NULL)
		opaque_down(datapath_of(wan), flow, bytes, n, now);
	else
		datapath_down(datapath_of(wan), flow, bytes, n, now);
}

static void wan_soon(const struct wan *wan)
{
	flow_fetch(container_of(wan, struct flow, wan));
}

static void wan_came_up(struct wan *wan, struct mono now)
{
	assist_is_up(flow_of(wan), now);
	life_call_as_server(datapath_of(wan), flow_of(wan));
	forward_held(datapath_of(wan), flow_of(wan), now);
}

static void wan_late(struct wan *wan, struct mono now)
{
	(void)now;
	forward_late(datapath_of(wan), flow_of(wan));
}

static void wan_lost(struct wan *wan, enum drop why)
{
	flow_drop(flow_of(wan), &datapath_of(wan)->env.stat, why);
}

static void wan_port(struct wan *wan, uint16_t port)
{
	struct datapath *dp = datapath_of(wan);
	flow_of(wan)->route->port = port;
	if (dp->crew != NULL)
		crew_port_is(dp, flow_of(wan)->route, port);
	if (dp->changed != NULL)
		dp->changed(dp->who);
}

const struct wan_calls datapath_wan_calls = { .room = wan_room, .message = wan_message,
	.soon = wan_soon, .is_up = wan_came_up, .is_late = wan_late, .lost = wan_lost, .port_is = wan_port };

/* ---- the machine's addresses changed (rule 20) ---- */

/* Sockets are looked at soon, but not later than some time after the first event. */
static void move_soon(struct datapath *dp, struct mono now)
{
	struct mono soon = mono_add(now, MOVE_SOCKETS_AFTER_MS);
	timer_arm(dp->env.timers, &dp->moving, mono_min(soon, dp->move_by));
}

static void walk_done(struct datapath *dp, struct mono now)
{
	dp->is_moving = false;
	if (!dp->move_again)
		return;
	dp->move_again = false;
	datapath_addresses_changed(dp, now);
}

static void move_sockets(struct timer *timer, struct mono now)
{
	struct datapath *dp = container_of(timer, struct datapath, moving);
	uint32_t spread = (uint32_t)(crew_flows(dp) * 1000 / RESTORE_PER_SECOND) + 500;
	uint32_t known = 0;
	if (!dp->is_moving) {
		dp->is_moving = true;
		dp->moving_at = 0;
		dp->move_by = MONO_NEVER;
		if (dp->crew == NULL) /* else all together: workers.c */
			reopen_ports(dp);
	}
	for (unsigned i = 0; i < MOVE_SOCKETS_PER_WAKE; i++) {
		struct flow *flow = flow_next(dp->flows, &dp->moving_at);
		if (flow == NULL) {
			walk_done(dp, now);
			return;
		}
		reopen_flow(dp, flow, &known);
		assist_move(dp, flow, spread, now);
	}
	timer_arm(dp->env.timers, &dp->moving, mono_add(now, 1)); /* others come first */
}

void datapath_addresses_changed(struct datapath *dp, struct mono now)
{
	called_forget(dp);
	if (dp->is_moving) {
		dp->move_again = true;
		return;
	}
	dp->move_by = mono_min(dp->move_by, mono_add(now, MOVE_SOCKETS_BY_MS));
	move_soon(dp, now);
}

/* ---- life ---- */

int datapath_create(struct datapath **datapath, struct loop *loop, struct resolver *resolver,
	void (*changed)(void *who), void *who)
{
	struct datapath *dp = calloc(1, sizeof(*dp));
	if (dp == NULL)
		return -ENOMEM;
	dp->env.loop = loop;
	dp->env.timers = loop_timers(loop);
	dp->env.resolver = resolver;
	dp->env.workers = 1;
	dp->changed = changed;
	dp->who = who;
	dp->moving.fire = move_sockets;
	overload_init(&dp->overload);
	dp->move_by = MONO_NEVER;
	list_init(&dp->listeners);
	list_init(&dp->servers);
	moves_init(&dp->moves);
	rand_bytes(dp->next_cid, sizeof(dp->next_cid));
	int rc = sources_create(&dp->sources);
	if (rc == 0)
		rc = lan_sessions_create(&dp->sessions);
	if (rc == 0)
		rc = cids_create(&dp->cids);
	if (rc == 0)
		rc = flows_create(&dp->flows, 1);
	if (rc == 0)
		rc = udp_batch_create(&dp->in, LAN_BATCH);
	if (rc != 0) {
		datapath_free(dp);
		return rc;
	}
	*datapath = dp;
	return 0;
}

void datapath_free(struct datapath *dp)
{
	if (dp == NULL)
		return;
	dp->changed = NULL;
	timer_disarm(dp->env.timers, &dp->moving);
	timer_disarm(dp->env.timers, &dp->overload.tick);
	if (dp->in != NULL)
		wanted_nothing(dp);
	crew_leave(dp);
	timers_release(dp->env.timers, dp->reserved);
	udp_batch_free(dp->in);
	flows_free(dp->flows);
	lan_sessions_free(dp->sessions);
	cids_free(dp->cids);
	sources_free(dp->sources);
	free(dp);
}
