/* What the relay learns from messages that pass. */
#include "track.h"
#include <stdlib.h>
#include <string.h>
#include "assist.h"
#include "called.h"
#include "datapath.h"
#include "life.h"

/* Messages that went down lately on one of several sibling flows. */
#define RECENT 16
struct flow_recent {
	unsigned next;             /* where the next one is written */
	struct {
		uint16_t mid;
		uint8_t token_n;
		uint8_t token[8];
		bool is_used;
	} message[RECENT];
};

/* True when the first segment of the path is one of the registration interface. */
static bool may_register(const struct msg *m)
{
	struct msg_options at = msg_options(m);
	struct msg_option o;
	while (msg_next(&at, &o) && o.number <= MSG_OPT_URI_PATH)
		if (o.number == MSG_OPT_URI_PATH)
			return slice_is(o.value, "rd") || slice_is(o.value, "bs") ||
				slice_is(o.value, "bspack");
	return false;
}

void track_read(struct parcel *p)
{
	p->reg = (struct reg_info){ .kind = REG_OTHER };
	if (!msg_is_request(&p->msg) || !may_register(&p->msg))
		return;
	struct reg_request request;
	msg_request(&p->msg, &request);
	p->reg = reg_read(&request);
}

bool track_location(const struct msg *m, char location[LOCATION_MAX])
{
	struct reg_request request;
	msg_request(m, &request);
	return request.segments <= REG_SEGMENTS &&
		reg_path(request.segment, request.segments, location, LOCATION_MAX);
}

void track_up(struct flow *flow, const struct parcel *p)
{
	if (p->reg.kind == REG_OTHER || p->reg.kind == REG_RD_OTHER)
		return;
	struct flow_asked *asked = &flow->asked;
	*asked = (struct flow_asked){ .kind = p->reg.kind, .mid = p->msg.mid,
		.token_n = (uint8_t)p->msg.token.n, .lifetime_s = p->reg.lifetime_s,
		.has_lifetime = p->reg.has_lifetime };
	if (p->msg.token.n != 0)
		memcpy(asked->token, p->msg.token.p, p->msg.token.n);
	if (p->reg.kind == REG_REGISTER)
		flow->is_ending = false; /* it deregistered a moment ago, and is back */
}

static bool is_answer(const struct flow_asked *asked, const struct msg *m)
{
	struct slice token = { asked->token, asked->token_n };
	return msg_is_response(m) && slice_eq(m->token, token) &&
		(m->type != MSG_ACK || m->mid == asked->mid);
}

void track_extend(struct flow *flow, struct mono now)
{
	int64_t ms = ((int64_t)flow->lifetime_s + LIFETIME_GRACE_S) * 1000;
	flow->expires = flow->lifetime_s == 0 ? MONO_NEVER : mono_add(now, ms);
}

static void registered(struct datapath *dp, struct flow *flow, const struct flow_asked *asked,
	const struct msg *m, struct mono now)
{
	char location[LOCATION_MAX];
	flow->lifetime_s = asked->has_lifetime ? asked->lifetime_s : REG_LIFETIME_DEFAULT;
	flow->registered = now;
	life_locate(dp, flow, msg_location(m, location, sizeof(location)) ? location : NULL);
	track_extend(flow, now);
}

static void deregistered(struct datapath *dp, struct flow *flow)
{
	life_locate(dp, flow, NULL);
	flow->expires = MONO_NEVER;
	/* A static device keeps its flow: requests may reach it without a registration. */
	flow->is_ending = !flow->route->has_address;
}

/* A success of the server to the request of this kind. */
static void succeeded(struct datapath *dp, struct flow *flow, const struct flow_asked *asked,
	const struct msg *m, struct mono now)
{
	switch (asked->kind) {
	case REG_REGISTER:
		if (m->code == MSG_CODE(2, 1))
			registered(dp, flow, asked, m, now);
		break;
	case REG_UPDATE:
		if (asked->has_lifetime)
			flow->lifetime_s = asked->lifetime_s;
		if (m->code == MSG_CODE(2, 4))
			track_extend(flow, now);
		break;
	case REG_DEREGISTER:
		if (m->code == MSG_CODE(2, 2))
			deregistered(dp, flow);
		break;
	case REG_BOOTSTRAP:
	case REG_BSPACK:
	case REG_OTHER:
	case REG_RD_OTHER:
		break;
	}
	called_used(dp, flow, now);
	life_prove(dp, flow, now);
}

void track_down(struct datapath *dp, struct flow *flow, const struct msg *m, struct mono now)
{
	if (flow->asked.kind == REG_OTHER || !is_answer(&flow->asked, m))
		return;
	if (m->code == MSG_CODE(2, 31))
		return; /* a block of a longer request: its last one will be answered */
	struct flow_asked asked = flow->asked;
	flow->asked.kind = REG_OTHER;
	assist_heard(flow, &asked, m->code);
	if (m->code >> 5 == 2)
		succeeded(dp, flow, &asked, m, now);
}

/* ---- several servers behind one device address ---- */

void track_recent(struct flow *flow, const struct msg *m)
{
	if (flow->recent == NULL)
		flow->recent = calloc(1, sizeof(*flow->recent));
	if (flow->recent == NULL)
		return;
	unsigned i = flow->recent->next++ % RECENT;
	flow->recent->message[i].is_used = true;
	flow->recent->message[i].mid = m->mid;
	flow->recent->message[i].token_n = (uint8_t)m->token.n;
	if (m->token.n != 0)
		memcpy(flow->recent->message[i].token, m->token.p, m->token.n);
}

static bool went_down(const struct flow *flow, const struct msg *m)
{
	bool by_mid = m->type == MSG_ACK || m->type == MSG_RESET;
	for (unsigned i = 0; flow->recent != NULL && i < RECENT; i++) {
		struct slice token = { flow->recent->message[i].token,
			flow->recent->message[i].token_n };
		if (!flow->recent->message[i].is_used)
			continue;
		if (by_mid ? flow->recent->message[i].mid == m->mid : slice_eq(token, m->token))
			return true;
	}
	return false;
}

/* True when the request names this flow: its endpoint, or its Location. */
static bool is_named(const struct flow *f, const struct parcel *p, const char *location)
{
	if (p->reg.has_ep)
		return slice_is(p->reg.ep, f->route->endpoint);
	return location != NULL && f->location != NULL && strcmp(f->location, location) == 0;
}

/* The flow to a bootstrap server, or to a server; else whichever there is. Of two endpoints it is that
 * of the one that is named, else the owner's of the address. */
static struct flow *of_kind(struct flow *first, bool is_bootstrap, const struct parcel *p)
{
	char location[LOCATION_MAX];
	bool has_location = (p->reg.kind == REG_UPDATE || p->reg.kind == REG_DEREGISTER) &&
		track_location(&p->msg, location);
	struct flow *found = NULL;
	for (struct flow *f = first; f != NULL; f = f->sibling) {
		if (f->route->is_bootstrap != is_bootstrap)
			continue;
		if (is_named(f, p, has_location ? location : NULL))
			return f;
		if (found == NULL || (found->is_guest && !f->is_guest))
			found = f;
	}
	return found != NULL ? found : first;
}

struct flow *track_sibling(struct flow *first, const struct parcel *p)
{
	if (first->sibling == NULL)
		return first;
	if (msg_is_request(&p->msg))
		return of_kind(first, p->reg.kind == REG_BOOTSTRAP || p->reg.kind == REG_BSPACK, p);
	for (struct flow *f = first; f != NULL; f = f->sibling)
		if (went_down(f, &p->msg))
			return f;
	return of_kind(first, false, p);
}
