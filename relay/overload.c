/* Overload: fair shares for devices. */
#include "overload.h"
#include <inttypes.h>
#include "base/log.h"
#include "datapath.h"
#include "lan_session.h"
#include "udp.h"
#include "wanted.h"

/* ---- how it stands ---- */

/* The fullest queue of all LAN sockets, percent. */
static unsigned fullest(struct datapath *dp)
{
	unsigned most = 0;
	struct listener *l;
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;)
		list_each(node, &l->ports) {
			const struct lan_port *p = container_of(node, struct lan_port, node);
			unsigned filled = p->fd >= 0 ? udp_filled(p->fd) : 0;
			most = filled > most ? filled : most;
		}
	return most;
}

static uint64_t carried_per_second(const struct overload *o, struct mono now)
{
	int64_t ms = mono_since(o->began, now);
	return (uint64_t)(o->messages - o->dropped) * 1000 / (uint64_t)(ms > 0 ? ms : 1);
}

/* ---- the log ---- */

static const char *worst(const struct datapath *dp)
{
	struct flow_id id = { dp->overload.most_slot, dp->overload.most_generation };
	const struct flow *flow = flow_by_id(dp->flows, id);
	return flow != NULL ? flow->route->endpoint : "a device without a registration";
}

/* One line at the beginning, and one from time to time. */
static void tell(struct datapath *dp, struct mono now)
{
	struct overload *o = &dp->overload;
	o->told_messages += o->messages;
	o->told_dropped += o->dropped;
	if (o->dropped == 0 || (o->is_told && mono_since(o->since, now) < OVERLOAD_TELL_MS))
		return;
	notice(&dp->notices, NOTICE_OVERLOAD, LOG_LEVEL_WARN, now,
		"lan: overload: devices send more than can be carried, %" PRIu64 " of %" PRIu64
		" messages were dropped in %" PRId64 " ms; %s sends most",
		o->told_dropped, o->told_messages, mono_since(o->since, now), worst(dp));
	o->is_told = true;
	o->told_messages = o->told_dropped = 0;
	o->since = now;
}

/* ---- windows ---- */

static void window_begin(struct datapath *dp, struct mono now)
{
	struct overload *o = &dp->overload;
	o->window++;
	o->began = now;
	o->messages = o->dropped = o->devices = o->most = 0;
	o->most_slot = 0;
	timer_arm(dp->env.timers, &o->tick, mono_add(now, OVERLOAD_WINDOW_MS));
}

/* A window in which many devices sent a message each says little about any. */
static bool is_window_over(const struct overload *o, struct mono now)
{
	return o->messages >= (uint64_t)o->devices * OVERLOAD_SAMPLE ||
		mono_since(o->began, now) >= OVERLOAD_WINDOW_MAX_MS;
}

/* A smaller share needs its time to show in the queue, unless that gets too full meanwhile. Where it is full
 * whatever the share is, dropping more here would only carry less. */
static bool may_lower(const struct overload *o, unsigned filled, struct mono now)
{
	if (carried_per_second(o, now) < o->carried_most / OVERLOAD_LEAST)
		return false;
	return filled > o->filled || mono_since(o->lowered, now) >= OVERLOAD_PATIENCE_MS;
}

/* The share of the next window, by what the present one was like. */
static void adapt(struct overload *o, unsigned filled, struct mono now)
{
	uint64_t carried = carried_per_second(o, now);
	if (carried > o->carried_most)
		o->carried_most = carried;
	if (filled >= OVERLOAD_URGENT && may_lower(o, filled, now)) {
		uint32_t used = o->share < o->most ? o->share : o->most;
		used -= used / 4;
		o->share = used > OVERLOAD_FLOOR ? used : OVERLOAD_FLOOR;
		o->lowered = now;
	} else if (filled < OVERLOAD_EMPTY && o->dropped > 0) {
		o->share += o->share / 16 + 1;
	}
	o->filled = filled;
}

static void begin(struct datapath *dp, unsigned filled, struct mono now)
{
	struct overload *o = &dp->overload;
	o->is_on = true;
	o->is_told = false;
	o->share = UINT32_MAX;
	o->carried_most = 0;
	o->filled = filled;
	o->told_messages = o->told_dropped = 0;
	o->since = o->dropping = now;
	o->lowered = mono_add(now, -OVERLOAD_PATIENCE_MS);
	dp->env.stat.count[COUNT_OVERLOADS]++;
	window_begin(dp, now);
}

static void end(struct datapath *dp, struct mono now)
{
	dp->overload.is_on = false;
	if (dp->overload.is_told)
		notice(&dp->notices, NOTICE_OVERLOAD, LOG_LEVEL_INFO, now,
			"lan: overload is over");
}

static void fire(struct timer *timer, struct mono now)
{
	struct overload *o = container_of(timer, struct overload, tick);
	struct datapath *dp = container_of(o, struct datapath, overload);
	if (!is_window_over(o, now)) {
		timer_arm(dp->env.timers, timer, mono_add(now, OVERLOAD_WINDOW_MS));
		return;
	}
	unsigned filled = fullest(dp);
	if (o->dropped > 0 || filled >= OVERLOAD_FULL)
		o->dropping = now;
	adapt(o, filled, now);
	tell(dp, now);
	if (mono_since(o->dropping, now) >= OVERLOAD_CALM_MS)
		end(dp, now);
	else
		window_begin(dp, now);
}

/* ---- for the stations ---- */

void overload_init(struct overload *overload)
{
	*overload = (struct overload){ .tick.fire = fire };
}

void overload_pressed(struct datapath *dp, struct mono now)
{
	unsigned filled = dp->overload.is_on ? 0 : fullest(dp);
	if (filled >= OVERLOAD_FULL)
		begin(dp, filled, now);
}

/* Counts it; true when it is within the share. */
static bool take(struct overload *o, struct portion *portion, enum overload_kind kind,
	const struct flow *flow)
{
	if (portion->window != o->window) {
		*portion = (struct portion){ .window = o->window };
		o->devices++;
	}
	uint32_t sent = ++portion->sent[kind];
	o->messages++;
	if (sent > o->most) {
		o->most = sent;
		o->most_slot = flow != NULL ? flow->id.slot : 0;
		o->most_generation = flow != NULL ? flow->id.generation : 0;
	}
	return sent <= o->share;
}

static bool admits(struct datapath *dp, struct portion *portion, enum overload_kind kind,
	struct flow *flow)
{
	struct overload *o = &dp->overload;
	if (take(o, portion, kind, flow))
		return true;
	o->dropped++;
	flow_drop(flow, &dp->env.stat, DROP_OVERLOAD);
	return false;
}

bool overload_admits_message(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	bool is_preferred = p->reg.kind != REG_OTHER || !msg_is_request(&p->msg);
	return admits(dp, &flow->portion, is_preferred ? OVERLOAD_PREFERRED : OVERLOAD_OTHER, flow);
}

/* RFC 5246 6.2.1: change_cipher_spec, alert, handshake. */
static enum overload_kind kind_of(const uint8_t *datagram, size_t n)
{
	bool is_plain = n > 0 && datagram[0] >= 20 && datagram[0] <= 22;
	return is_plain ? OVERLOAD_PREFERRED : OVERLOAD_OTHER;
}

bool overload_admits_record(struct datapath *dp, struct lan_session *s, const uint8_t *datagram, size_t n)
{
	struct flow *flow = flow_by_id(dp->flows, s->flow);
	return s->identity == NULL || admits(dp, &s->portion, kind_of(datagram, n), flow);
}

bool overload_admits_opaque(struct datapath *dp, struct flow *flow, const uint8_t *datagram, size_t n)
{
	return admits(dp, &flow->portion, kind_of(datagram, n), flow);
}
