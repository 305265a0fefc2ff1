/* The last station on the way up. */
#include "forward.h"
#include <errno.h>
#include <string.h>
#include "assist.h"
#include "base/log.h"
#include "datapath.h"
#include "life.h"
#include "secure.h"

void forward_to_device(struct flow *flow, const uint8_t *bytes, size_t n)
{
	if (flow->key.identity != 0) {
		if (flow->session != NULL && secure_send(flow->session, bytes, n) != 0)
			log_debug("flow: %s: an answer found no session", flow->route->endpoint);
		return;
	}
	lan_send(flow->port, &flow->key.device, &flow->called, flow->key.ifindex, bytes, n);
}

/* A request that may be answered 5.04: a CON outside the registration interface (rules 5, 10). */
static bool is_answerable(const struct parcel *p)
{
	return p->msg.type == MSG_CON && msg_is_request(&p->msg) && p->reg.kind == REG_OTHER;
}

static void answer_late(struct datapath *dp, struct flow *flow, const struct msg *m)
{
	uint8_t bytes[MSG_ANSWER_MAX];
	size_t n = msg_answer(bytes, m, MSG_CODE(5, 4), -1);
	forward_to_device(flow, bytes, n);
	dp->env.stat.count[COUNT_ANSWERS]++;
	flow_drop(flow, &dp->env.stat, DROP_HELD_ANSWERED);
}

static void answer_held(struct datapath *dp, struct flow *flow, struct held *h)
{
	struct msg m;
	if (msg_peek(&m, h->bytes, h->n) != MSG_OK)
		BUG("a waiting message was none");
	answer_late(dp, flow, &m);
	held_free(&dp->held, h);
}

static void hold(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	if (is_answerable(p) && wan_is_late(&flow->wan, p->now)) {
		answer_late(dp, flow, &p->msg);
		return;
	}
	unsigned kind = p->reg.kind != REG_OTHER ? HELD_REGISTRATION : 0;
	if (flow->route->is_dynamic && !flow->is_live)
		kind |= HELD_STRANGER;
	enum drop why = held_push(&flow->held, &dp->held, &p->msg, p->bytes, p->n, kind, p->now);
	if (why != DROP_COUNT)
		flow_drop(flow, &dp->env.stat, why);
	life_rearm(dp, flow, p->now);
}

static void sent_up(struct datapath *dp, struct flow *flow, size_t n)
{
	flow->up.messages++;
	flow->up.bytes += n;
	dp->env.stat.count[COUNT_UP_MESSAGES]++;
	dp->env.stat.count[COUNT_UP_BYTES] += n;
}

void forward_up(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	assist_note(flow, p);
	flow->last_up = p->now;
	if (p->msg.type == MSG_CON)
		wan_note_con(&flow->wan, p->msg.mid, p->now);
	int rc = wan_send(&flow->wan, p->bytes, p->n, p->now);
	if (rc == 0)
		sent_up(dp, flow, p->n);
	else if (rc == -EMSGSIZE)
		flow_drop(flow, &dp->env.stat, DROP_WAN_TOO_LARGE);
	else if (!wan_is_up(&flow->wan))
		hold(dp, flow, p);
	else
		flow_drop(flow, &dp->env.stat, DROP_WAN_SEND);
}

void forward_held(struct datapath *dp, struct flow *flow, struct mono now)
{
	struct held *h;
	while (wan_is_up(&flow->wan) && (h = held_pop(&flow->held)) != NULL) {
		if (h->type == MSG_CON)
			wan_note_con(&flow->wan, h->mid, now);
		int rc = wan_send(&flow->wan, h->bytes, h->n, now);
		if (rc == 0)
			sent_up(dp, flow, h->n);
		else
			flow_drop(flow, &dp->env.stat,
				rc == -EMSGSIZE ? DROP_WAN_TOO_LARGE : DROP_WAN_SEND);
		held_free(&dp->held, h);
	}
	life_rearm(dp, flow, now);
}

void forward_late(struct datapath *dp, struct flow *flow)
{
	struct held *h;
	while ((h = held_pop_answerable(&flow->held)) != NULL)
		answer_held(dp, flow, h);
}

void forward_expire(struct datapath *dp, struct flow *flow, struct mono now)
{
	struct held *h;
	while ((h = held_pop_expired(&flow->held, now)) != NULL) {
		bool is_request = h->code != MSG_EMPTY && h->code >> 5 == 0;
		if (h->type == MSG_CON && is_request && (h->kind & HELD_REGISTRATION) == 0) {
			answer_held(dp, flow, h);
			continue;
		}
		flow_drop(flow, &dp->env.stat, DROP_HELD_EXPIRED);
		held_free(&dp->held, h);
	}
}

void forward_forget(struct datapath *dp, struct flow *flow)
{
	struct held *h;
	while ((h = held_pop(&flow->held)) != NULL) {
		flow_drop(flow, &dp->env.stat, DROP_HELD_ENDED);
		held_free(&dp->held, h);
	}
}
