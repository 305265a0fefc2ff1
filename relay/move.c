/* An endpoint that comes back from a new address. */
#include "move.h"
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "crew.h"
#include "datapath.h"
#include "forward.h"
#include "handover.h"
#include "life.h"
#include "newcomer.h"
#include "track.h"

/* The ping goes out so many times, evenly, within MOVE_SILENCE_MS: one may be lost. */
#define PINGS 3
/* Answers to our pings are known for so long, ms. */
#define PING_MEMORY_MS 10000

/* A Register that waits for the old address to stay silent. */
struct move {
	struct list node;
	struct datapath *dp;
	struct flow *flow;      /* points back here */
	struct lan_port *port;  /* where the Register came in */
	struct lan_key to;      /* who sent it */
	struct addr called;
	struct mono began;
	unsigned pings;         /* sent so far */
	struct timer timer;
	size_t n;
	uint8_t bytes[];        /* the Register */
};

void moves_init(struct moves *moves)
{
	list_init(&moves->waiting);
	moves->count = 0;
}

static void move_end(struct move *m)
{
	timer_disarm(m->dp->env.timers, &m->timer);
	list_remove(&m->node);
	m->dp->moves.count--;
	free(m);
}

static void move_free(struct move *m)
{
	m->flow->move = NULL;
	move_end(m);
}

struct flow *move_flow(struct list *node)
{
	return container_of(node, struct move, node)->flow;
}

void move_cancel(struct datapath *dp, struct flow *flow)
{
	(void)dp;
	if (flow->move != NULL)
		move_free(flow->move);
}

/* The Register as a datagram on its way up again. */
static struct parcel parcel_of(const struct move *m, struct mono now)
{
	struct parcel p = { .port = m->port, .called = m->called, .bytes = m->bytes, .n = m->n,
		.key = m->to, .now = now };
	if (msg_peek(&p.msg, m->bytes, m->n) != MSG_OK)
		BUG("a waiting Register was no message");
	track_read(&p);
	return p;
}

/* A message id far from those that the server used lately towards this device. */
static uint16_t ping_mid(const struct flow *flow)
{
	return (uint16_t)(flow->last_down_mid + 0x4000 + rand_below(0x8000));
}

static void ping(struct move *m)
{
	struct flow *f = m->flow;
	uint8_t bytes[MSG_ANSWER_MAX];
	size_t n = msg_empty(bytes, MSG_CON, f->ping_mid);
	forward_to_device(f, bytes, n);
	m->pings++;
	int64_t next_ms = (int64_t)MOVE_SILENCE_MS * m->pings / PINGS;
	timer_arm(m->dp->env.timers, &m->timer, mono_add(m->began, next_ms));
}

/* The old address stayed silent: the flow follows the Register, and the Register goes its way. */
static void move_done(struct move *m, struct mono now)
{
	struct datapath *dp = m->dp;
	struct flow *flow = m->flow;
	struct parcel p = parcel_of(m, now);
	flow->move = NULL; /* it is over: what moves the flow now must not refuse it */
	if (!handover_flow(dp, flow, &p)) {
		life_move(dp, flow, &p);
		track_up(flow, &p);
		forward_up(dp, flow, &p);
	}
	move_end(m);
}

static void fire(struct timer *timer, struct mono now)
{
	struct move *m = container_of(timer, struct move, timer);
	if (m->pings < PINGS)
		ping(m);
	else
		move_done(m, now);
}

static void contested(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	char old[ADDR_TEXT], new[ADDR_TEXT];
	flow_drop(flow, &dp->env.stat, DROP_CONTESTED);
	notice(&dp->notices, NOTICE_CONTESTED, LOG_LEVEL_WARN, p->now,
		"flow: %s is at %s and answers there; a Register for it from %s was refused",
		flow->route->endpoint, addr_print(&flow->key.device, old),
		addr_print(&p->key.device, new));
	newcomer_refuse(dp, p, MSG_CODE(4, 3), -1);
}

/* A copy of the Register that waits, or a third party's: the first one decides. */
static void already_waiting(struct datapath *dp, struct flow *flow)
{
	flow_drop(flow, &dp->env.stat, DROP_MOVE_WAITING);
}

void move_begin(struct datapath *dp, struct flow *flow, struct parcel *p)
{
	bool may = p->port->listener->may_move && flow->key.listener == p->key.listener;
	if (!may) {
		contested(dp, flow, p);
		return;
	}
	if (flow->move != NULL || crew_moves(dp) >= MOVES_MAX) {
		already_waiting(dp, flow);
		return;
	}
	struct move *m = malloc(sizeof(*m) + p->n);
	if (m == NULL) {
		flow_drop(flow, &dp->env.stat, DROP_NO_MEMORY);
		return;
	}
	*m = (struct move){ .dp = dp, .flow = flow, .port = p->port, .to = p->key,
		.called = p->called, .began = p->now, .n = p->n };
	m->timer.fire = fire;
	memcpy(m->bytes, p->bytes, p->n);
	list_init(&m->node);
	list_append(&dp->moves.waiting, &m->node);
	dp->moves.count++;
	flow->move = m;
	flow->ping_mid = ping_mid(flow);
	flow->ping_until = mono_add(p->now, PING_MEMORY_MS);
	ping(m);
}

void move_refuse(struct datapath *dp, struct flow *flow, const struct lan_key *from, struct mono now)
{
	struct move *m = flow->move;
	if (m == NULL)
		return;
	if (!addr_eq(&m->to.device, &from->device) || m->to.ifindex != from->ifindex) {
		struct parcel refused = parcel_of(m, now);
		contested(dp, flow, &refused);
	}
	move_free(m);
}

bool move_heard(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	bool is_answer = p->msg.type == MSG_RESET && p->msg.mid == flow->ping_mid &&
		!mono_reached(flow->ping_until, p->now);
	move_refuse(dp, flow, &p->key, p->now);
	if (is_answer)
		flow_drop(flow, &dp->env.stat, DROP_PING_ANSWER);
	return is_answer;
}
