/* Whoever speaks without a flow. */
#include "newcomer.h"
#include <string.h>
#include "base/log.h"
#include "called.h"
#include "crew.h"
#include "datapath.h"
#include "forward.h"
#include "handover.h"
#include "life.h"
#include "identity.h"
#include "lan_session.h"
#include "move.h"
#include "secure.h"
#include "track.h"

static void lost(struct datapath *dp, enum drop why)
{
	dp->env.stat.drop[why]++;
}

static void answer(struct datapath *dp, const struct parcel *p, const uint8_t *bytes, size_t n)
{
	if (p->session == NULL)
		lan_send(p->port, &p->key.device, &p->called, p->key.ifindex, bytes, n);
	else if (secure_send(p->session, bytes, n) != 0)
		return;
	dp->env.stat.count[COUNT_ANSWERS]++;
}

void newcomer_refuse(struct datapath *dp, const struct parcel *p, uint8_t code, int max_age_s)
{
	struct listener *l = p->port->listener;
	bool is_404 = code == MSG_CODE(4, 4);
	uint32_t rate = is_404 ? LIMIT_PART(STRANGER_404_PER_SECOND, dp->env.workers, dp->number) :
				 LIMIT_SHARE(STRANGER_REFUSALS_PER_SECOND, dp->env.workers);
	if (p->msg.type != MSG_CON)
		return;
	if (!bucket_take(is_404 ? &l->not_found : &l->refusals, rate, rate, p->now)) {
		dp->env.stat.count[COUNT_ANSWERS_WITHHELD]++;
		return;
	}
	uint8_t bytes[MSG_ANSWER_MAX];
	answer(dp, p, bytes, msg_answer(bytes, &p->msg, code, max_age_s));
}

/* A CoAP ping of a stranger gets its RST, as if nobody special lived here. */
static void answer_ping(struct datapath *dp, const struct parcel *p)
{
	uint8_t bytes[MSG_ANSWER_MAX];
	uint32_t rate = LIMIT_SHARE(STRANGER_REFUSALS_PER_SECOND, dp->env.workers);
	lost(dp, DROP_STRANGER_PING);
	if (bucket_take(&p->port->listener->refusals, rate, rate, p->now))
		answer(dp, p, bytes, msg_empty(bytes, MSG_RESET, p->msg.mid));
	else
		dp->env.stat.count[COUNT_ANSWERS_WITHHELD]++;
}

static void pass_on(struct datapath *dp, struct flow *flow, struct parcel *p)
{
	track_up(flow, p);
	forward_up(dp, flow, p);
}

/* The flow follows its device, and the message goes its way. */
static void go_there(struct datapath *dp, struct flow *flow, struct parcel *p)
{
	if (handover_flow(dp, flow, p))
		return;
	life_move(dp, flow, p);
	pass_on(dp, flow, p);
}

/* It is here by DTLS, though it may have said nothing yet. */
static bool has_session(const struct datapath *dp, struct slice endpoint)
{
	const struct identity *id = identity_by_endpoint(dp->identities, endpoint);
	return id != NULL && identity_is_here(id);
}

/* An endpoint with LAN credentials, or that is here by DTLS at present, is not served without (rule 2). */
static bool is_secured(const struct datapath *dp, const struct route *r)
{
	const struct flow *flow = flow_by_id(dp->flows, r->flow);
	return r->is_lan_secured || (flow != NULL && flow->key.identity != 0) ||
		has_session(dp, slice_str(r->endpoint));
}

/* ---- a static device ---- */

static bool is_bootstrap(const struct parcel *p)
{
	return p->reg.kind == REG_BOOTSTRAP || p->reg.kind == REG_BSPACK;
}

/* True when the message says by itself which endpoint speaks, and to which kind of server. */
static bool is_named(const struct parcel *p)
{
	return (p->reg.kind == REG_REGISTER || is_bootstrap(p)) && p->reg.has_ep;
}

/* True when it says that somebody else than the static device speaks, or to a bootstrap server. */
static bool is_other_than(const struct parcel *p, const struct route *r)
{
	return is_named(p) && (p->reg.ep_doubtful || is_bootstrap(p) ||
				      !slice_is(p->reg.ep, r->endpoint));
}

/* The device with this address is known by it: any message may be its first (rule 1). */
static bool try_static(struct datapath *dp, struct parcel *p)
{
	struct route_way way = called_way(dp, &p->key, &p->called, p->port->listener);
	struct route *r = route_by_address(dp->routes, &p->key.device, &way);
	if (r == NULL || is_secured(dp, r) || is_other_than(p, r))
		return false;
	if (handover_to_owner(dp, slice_str(r->endpoint), p))
		return true;
	struct flow *flow = flow_by_id(dp->flows, r->flow);
	if (flow != NULL) {
		go_there(dp, flow, p);
		return true;
	}
	struct life_spec spec = { .key = p->key, .port = p->port, .called = p->called,
		.route = r, .is_proven = true };
	flow = life_begin(dp, &spec, p->now);
	if (flow != NULL) {
		pass_on(dp, flow, p);
		return true;
	}
	lost(dp, DROP_TABLE_FULL);
	if (msg_is_request(&p->msg))
		newcomer_refuse(dp, p, MSG_CODE(5, 3), BUSY_MAX_AGE_S);
	return true;
}

/* ---- a Register or Bootstrap-Request ---- */

static void refuse(struct datapath *dp, const struct parcel *p, enum drop why, uint8_t code,
	int max_age_s)
{
	lost(dp, why);
	newcomer_refuse(dp, p, code, max_age_s);
}

/* The route of the endpoint, one made for it where strangers are welcome, or NULL and refused. */
static struct route *route_for(struct datapath *dp, struct parcel *p, bool to_bootstrap)
{
	struct slice ep = p->reg.ep;
	struct route_way way = called_way(dp, &p->key, &p->called, p->port->listener);
	struct server *server = called_by_unknown(dp, &p->key, p->port->listener);
	struct route *r = route_find(dp->routes, ep, to_bootstrap, &way);
	if (r != NULL && !is_secured(dp, r))
		return r;
	bool is_known = r != NULL || route_is_configured(dp->routes, ep) ||
		route_find(dp->routes, ep, !to_bootstrap, NULL) != NULL;
	if (r != NULL || has_session(dp, ep))
		refuse(dp, p, DROP_LAN_SECURED, MSG_CODE(4, 3), -1);
	else if (to_bootstrap)
		refuse(dp, p, is_known ? DROP_NO_BOOTSTRAP : DROP_NO_ROUTE,
			is_known ? MSG_CODE(4, 4) : MSG_CODE(4, 3), -1);
	else if (is_known || server == NULL)
		refuse(dp, p, DROP_NO_ROUTE, MSG_CODE(4, 3), -1);
	else if ((r = route_dynamic(dp->routes, ep, server)) != NULL)
		return r;
	else
		refuse(dp, p, DROP_NO_MEMORY, MSG_CODE(5, 3), BUSY_MAX_AGE_S);
	return NULL;
}

/* Room for one more; unproven endpoints that nobody configured must leave room for the others. */
static bool has_room(struct datapath *dp, struct parcel *p, const struct route *r, unsigned *ticket)
{
	*ticket = 0;
	size_t most = flows_most(dp->flows);
	if (crew_flows(dp) >= most) {
		refuse(dp, p, DROP_TABLE_FULL, MSG_CODE(5, 3), BUSY_MAX_AGE_S);
		return false;
	}
	if (!r->is_dynamic)
		return true;
	if (crew_unproven(dp) < (most + 1) / UNPROVEN_SHARE)
		*ticket = sources_add(dp->sources, &p->key.device,
			LIMIT_SHARE_OF_HOST(UNPROVEN_PER_SOURCE, dp->env.workers));
	if (*ticket == 0)
		refuse(dp, p, DROP_UNPROVEN_FULL, MSG_CODE(5, 3), BUSY_MAX_AGE_S);
	return *ticket != 0;
}

/* Another worker may have been faster. */
static void not_begun(struct datapath *dp, struct parcel *p, const struct route *r)
{
	if (!handover_to_owner(dp, slice_str(r->endpoint), p))
		refuse(dp, p, DROP_NO_MEMORY, MSG_CODE(5, 3), BUSY_MAX_AGE_S);
}

static void begin(struct datapath *dp, struct parcel *p, struct route *r)
{
	unsigned ticket;
	struct flow *flow = NULL;
	if (has_room(dp, p, r, &ticket)) {
		struct life_spec spec = { .key = p->key, .port = p->port, .called = p->called,
			.route = r, .source_ticket = ticket, .session = p->session };
		flow = life_begin(dp, &spec, p->now);
		if (flow == NULL) {
			sources_remove(dp->sources, ticket);
			not_begun(dp, p, r);
		}
	}
	if (flow != NULL)
		pass_on(dp, flow, p);
	else if (r->is_dynamic)
		route_free(dp->routes, r);
}

/* The address belongs to another endpoint by configuration; where that is a host without a port, the
 * port that the device uses at present does. */
static bool is_owned(const struct datapath *dp, const struct parcel *p)
{
	struct route_way way = called_way(dp, &p->key, &p->called, p->port->listener);
	const struct route *r = route_by_address(dp->routes, &p->key.device, &way);
	if (r == NULL || is_secured(dp, r) || slice_is(p->reg.ep, r->endpoint))
		return false;
	const struct flow *f = flow_by_id(dp->flows, r->flow);
	return r->address.port != 0 || (f != NULL && addr_eq(&f->key.device, &p->key.device));
}

/* The same device calls another address, of ours or of the server's, than before. */
static bool is_same_place(const struct flow *flow, const struct parcel *p)
{
	return addr_eq(&flow->key.device, &p->key.device) &&
		flow->key.ifindex == p->key.ifindex && flow->key.listener == p->key.listener;
}

/* A Register, Bootstrap-Request or Bootstrap-Pack-Request: the usual way in. */
static void admit(struct datapath *dp, struct parcel *p)
{
	if (!p->reg.has_ep) {
		refuse(dp, p, DROP_NO_ENDPOINT_NAME, MSG_CODE(4, 0), -1);
		return;
	}
	if (p->reg.ep_doubtful || !route_is_name(p->reg.ep)) {
		refuse(dp, p, DROP_BAD_ENDPOINT_NAME, MSG_CODE(4, 0), -1);
		return;
	}
	if (is_owned(dp, p)) {
		refuse(dp, p, DROP_CONTESTED, MSG_CODE(4, 3), -1);
		return;
	}
	if (handover_to_owner(dp, p->reg.ep, p))
		return;
	struct route *r = route_for(dp, p, is_bootstrap(p));
	if (r == NULL)
		return;
	struct flow *flow = flow_by_id(dp->flows, r->flow);
	if (flow == NULL) {
		begin(dp, p, r);
	} else if (is_same_place(flow, p)) {
		go_there(dp, flow, p);
	} else {
		move_begin(dp, flow, p);
	}
}

/* ---- an Update or Deregister from another port ---- */

static bool leads_to_called(const struct flow *f, const struct parcel *p)
{
	if (f->route->is_dynamic) /* that one, of several at its host */
		return f->route->server->number == p->key.server;
	return server_has(f->route->server, &p->called, p->now);
}

/* Somebody called us in the device's name and by its address; the device itself calls its server, as ever. */
static struct flow *led_astray(const struct datapath *dp, const struct parcel *p, const char *location)
{
	struct lan_key key = p->key;
	key.server = 0;
	struct flow *f = p->key.server != 0 ? flow_find(dp->flows, &key) : NULL;
	while (f != NULL && (f->location == NULL || strcmp(f->location, location) != 0 ||
				    !leads_to_called(f, p)))
		f = f->sibling;
	return f;
}

/* The Location is a second key for the same host with another port (rule 3). */
static void try_location(struct datapath *dp, struct parcel *p)
{
	char location[LOCATION_MAX];
	struct flow *flow = NULL;
	bool has_location = track_location(&p->msg, location);
	if (has_location && handover_to_location(dp, location, p))
		return;
	if (has_location)
		flow = crew_flow_by_location(dp, &p->key, location);
	if (has_location && flow == NULL)
		flow = led_astray(dp, p, location);
	if (flow != NULL)
		go_there(dp, flow, p);
	else
		lost(dp, DROP_STRANGER_LOCATION);
}

/* ---- a device whose name is proven ---- */

static bool is_registration(const struct parcel *p)
{
	return p->reg.kind == REG_REGISTER || is_bootstrap(p);
}

/* The endpoint's flow may be elsewhere: a reload opened it for a static address. */
static void begin_secured(struct datapath *dp, struct parcel *p, struct route *r)
{
	struct flow *flow = flow_by_id(dp->flows, r->flow);
	if (flow == NULL) {
		begin(dp, p, r);
		return;
	}
	life_move(dp, flow, p);
	flow->session = p->session;
	p->session->flow = flow->id;
	pass_on(dp, flow, p);
}

/* Any request may be the first (rule 1). */
static void admit_secured(struct datapath *dp, struct parcel *p)
{
	const struct identity *id = p->session->identity;
	struct slice ep = slice_str(id->endpoint);
	struct route_way way = called_way(dp, &p->key, &p->called, p->port->listener);
	struct route *r = route_find(dp->routes, ep, is_bootstrap(p), &way);
	struct server *server = called_by_unknown(dp, &p->key, p->port->listener);
	bool is_first = msg_is_request(&p->msg) || p->msg.type == MSG_CON;
	if (r == NULL && is_first && id->is_dynamic && !is_bootstrap(p) && server != NULL)
		r = route_dynamic(dp->routes, ep, server);
	if (!is_first)
		lost(dp, DROP_STRANGER_OTHER);
	else if (r != NULL)
		begin_secured(dp, p, r);
	else if (is_bootstrap(p))
		refuse(dp, p, DROP_NO_BOOTSTRAP, MSG_CODE(4, 4), -1);
	else
		refuse(dp, p, DROP_NO_ROUTE, MSG_CODE(4, 3), -1);
}

/* A Register needs no name here; it goes to a server, or to a bootstrap server. */
static bool is_other_kind(const struct flow *first, const struct parcel *p)
{
	if (!is_registration(p))
		return false;
	for (const struct flow *f = first; f != NULL; f = f->sibling)
		if (f->route->is_bootstrap == is_bootstrap(p))
			return false;
	return true;
}

bool newcomer_is_other(const struct flow *first, const struct parcel *p)
{
	if (p->session != NULL)
		return is_other_kind(first, p);
	if (!is_named(p))
		return false;
	for (const struct flow *f = first; f != NULL && !p->reg.ep_doubtful; f = f->sibling)
		if (f->route->is_bootstrap == is_bootstrap(p) &&
			slice_is(p->reg.ep, f->route->endpoint))
			return false;
	return true;
}

void newcomer_up(struct datapath *dp, struct parcel *p)
{
	bool is_con = p->msg.type == MSG_CON;
	if (p->session != NULL) {
		admit_secured(dp, p);
		return;
	}
	if (handover_to_place(dp, p) || try_static(dp, p))
		return;
	if (is_con && p->msg.code == MSG_EMPTY) {
		answer_ping(dp, p);
	} else if (!msg_is_request(&p->msg) || (!is_con && p->msg.type != MSG_NON)) {
		lost(dp, DROP_STRANGER_OTHER);
	} else if (p->reg.kind == REG_REGISTER || is_bootstrap(p)) {
		admit(dp, p);
	} else if (p->reg.kind == REG_UPDATE || p->reg.kind == REG_DEREGISTER) {
		try_location(dp, p);
	} else {
		lost(dp, p->reg.kind == REG_RD_OTHER ? DROP_STRANGER_LOCATION :
						       DROP_STRANGER_REQUEST);
		if (p->reg.kind != REG_RD_OTHER)
			newcomer_refuse(dp, p, MSG_CODE(4, 4), -1);
	}
}
