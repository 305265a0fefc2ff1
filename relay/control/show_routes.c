/* The answers to "routes", the routing table at work, and to "endpoints", what is configured. */
#include "answer.h"
#include "control/emit.h"
#include "datapath.h"

/* Characters of an identity that are shown (DESIGN.md 6, rule 14). */
#define IDENTITY_SHOWN 8

/* ---- routes ---- */

static void put_direction(struct text *out, const char *key, const struct flow_traffic *traffic,
	struct mono last, struct mono now)
{
	emit_open(out, key, '{');
	emit_uint(out, "messages", traffic->messages);
	emit_uint(out, "bytes", traffic->bytes);
	if (traffic->messages > 0)
		emit_int(out, "last_s", mono_since(last, now) / 1000);
	else
		emit_null(out, "last_s");
	emit_close(out, '}');
}

static void put_drops(struct text *out, const struct flow *flow)
{
	emit_open(out, "drops", '{');
	for (unsigned i = 0; flow->drops != NULL && i < DROP_COUNT; i++)
		if (flow->drops[i] != 0)
			emit_uint(out, stat_drop_text((enum drop)i)->metric, flow->drops[i]);
	emit_close(out, '}');
}

static void put_identity(struct text *out, const struct route *route)
{
	size_t n = route->identity.n < IDENTITY_SHOWN ? route->identity.n : IDENTITY_SHOWN;
	if (n == 0)
		emit_null(out, "identity");
	else
		emit_bytes(out, "identity", route->identity.p, n);
}

static void put_association(struct text *out, const struct flow *flow, struct mono now)
{
	char address[ADDR_TEXT];
	const struct wan *wan = &flow->wan;
	const char *suite = wan_suite(wan);
	int cid = wan->session != NULL ? dtls_peer_cid(wan->session) : -1;
	uint16_t port = wan->has_socket ? wan->port : flow->route->port;
	emit_string(out, "state", wan_state_print(wan->state));
	emit_bool(out, "late", wan_is_late(wan, now));
	emit_string(out, "suite", suite[0] != '\0' ? suite : NULL);
	if (cid >= 0)
		emit_int(out, "cid", cid);
	else
		emit_null(out, "cid");
	put_identity(out, flow->route);
	if (port != 0)
		emit_uint(out, "port", port);
	else
		emit_null(out, "port");
	emit_string(out, "server_address", wan->has_socket ? addr_print(&wan->peer, address) : NULL);
}

static void put_registration(struct text *out, const struct flow *flow, struct mono now)
{
	bool is_registered = flow->location != NULL;
	emit_string(out, "location", flow->location);
	if (is_registered)
		emit_uint(out, "lifetime_s", flow->lifetime_s);
	else
		emit_null(out, "lifetime_s");
	if (flow->expires.ms != MONO_NEVER.ms)
		emit_int(out, "expires_in_s", mono_since(now, flow->expires) / 1000);
	else
		emit_null(out, "expires_in_s");
	emit_bool(out, "live", flow->is_live);
}

static void put_flow(struct answer *a, struct text *out, const struct flow *flow, struct mono now)
{
	char address[ADDR_TEXT];
	answer_element(a, out);
	emit_string(out, "endpoint", flow->route->endpoint);
	emit_string(out, "device", addr_print(&flow->key.device, address));
	emit_string(out, "listener", flow->port->listener->name);
	emit_string(out, "server", flow->route->server->name);
	emit_string(out, "mode", "transparent");
	emit_string(out, "kind", flow->route->is_bootstrap ? "bootstrap" : "server");
	emit_bool(out, "dynamic", flow->route->is_dynamic);
	put_association(out, flow, now);
	put_registration(out, flow, now);
	emit_int(out, "age_s", mono_since(flow->born, now) / 1000);
	put_direction(out, "up", &flow->up, flow->last_up, now);
	put_direction(out, "down", &flow->down, flow->last_down, now);
	emit_uint(out, "waiting", flow->held.count);
	put_drops(out, flow);
	emit_close(out, '}');
}

/* The way into the array, once. */
static void begin(struct answer *a, struct text *out, const char *key)
{
	if (a->phase != 0)
		return;
	a->phase = 1;
	emit_open(out, NULL, '{');
	emit_open(out, key, '[');
}

static bool end(struct text *out)
{
	emit_close(out, ']');
	emit_close(out, '}');
	text_add(out, "\n");
	return false;
}

bool show_routes(struct answer *a, struct text *out, struct mono now)
{
	begin(a, out, "routes");
	for (unsigned i = 0; i < ANSWER_ROWS; i++) {
		const struct flow *flow = flow_next(a->spec->datapath->flows, &a->at);
		if (flow == NULL)
			return end(out);
		put_flow(a, out, flow, now);
	}
	return true;
}

/* ---- endpoints ---- */

static void put_route(struct answer *a, struct text *out, const struct route *route)
{
	char address[ADDR_TEXT];
	const struct flow *flow = flow_by_id(a->spec->datapath->flows, route->flow);
	answer_element(a, out);
	emit_string(out, "endpoint", route->endpoint);
	emit_string(out, "server", route->server->name);
	emit_string(out, "kind", route->is_bootstrap ? "bootstrap" : "server");
	emit_bool(out, "dynamic", route->is_dynamic);
	emit_string(out, "address", route->has_address ? addr_print(&route->address, address) : NULL);
	emit_string(out, "credential", route->key.n > 0 ? "psk" : "none");
	put_identity(out, route);
	emit_bool(out, "lan_secured", route->is_lan_secured);
	if (route->port != 0)
		emit_uint(out, "port", route->port);
	else
		emit_null(out, "port");
	emit_string(out, "state", flow != NULL ? wan_state_print(flow->wan.state) : "no flow");
	emit_close(out, '}');
}

/* The next route: those of sections first, then those of unknown endpoints, which only their flows
 * know. NULL when all were seen; *skip when it is none to be told of. */
static const struct route *next_route(struct answer *a, bool *skip)
{
	const struct datapath *dp = a->spec->datapath;
	*skip = false;
	if (a->phase == 1) {
		const struct route *r = dp->routes != NULL ? route_next(dp->routes, &a->at) : NULL;
		if (r != NULL)
			return r;
		a->phase = 2;
		a->at = 0;
	}
	const struct flow *flow = flow_next(dp->flows, &a->at);
	if (flow == NULL)
		return NULL;
	*skip = !flow->route->is_dynamic;
	return flow->route;
}

bool show_endpoints(struct answer *a, struct text *out, struct mono now)
{
	bool skip;
	(void)now;
	begin(a, out, "endpoints");
	for (unsigned i = 0; i < ANSWER_ROWS; i++) {
		const struct route *route = next_route(a, &skip);
		if (route == NULL)
			return end(out);
		if (!skip)
			put_route(a, out, route);
	}
	return true;
}
