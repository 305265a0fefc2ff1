/* The answers to "routes", the routing table at work, and to "endpoints", what is configured. */
#include "answer.h"
#include "control/tree.h"
#include "crew.h"
#include "datapath.h"
#include "lan_session.h"
#include "opaque.h"

/* ---- the array around the rows, which goes out before it is whole ---- */

/* The way into the array, once. */
static void begin(struct answer *a, struct text *out, const char *key)
{
	if (a->phase != 0)
		return;
	a->phase = 1;
	text_addf(out, "{\"%s\":[", key);
}

/* The next element, which is taken. */
static void add(struct answer *a, struct text *out, struct json_object *row)
{
	text_add(out, a->has_one ? ",\n" : "\n");
	a->has_one = true;
	tree_write(out, &row);
}

static bool end(struct text *out)
{
	text_add(out, "]}\n");
	return false;
}

/* ---- routes ---- */

/* A number, or null where there is none. */
static void put_if(struct json_object **o, const char *key, bool is_there, int64_t value)
{
	if (is_there)
		tree_int(o, key, value);
	else
		tree_null(o, key);
}

static struct json_object *direction(const struct flow_traffic *traffic, struct mono last,
	struct mono now)
{
	struct json_object *o = json_object_new_object();
	tree_uint(&o, "messages", traffic->messages);
	tree_uint(&o, "bytes", traffic->bytes);
	put_if(&o, "last_s", traffic->messages > 0, mono_since(last, now) / 1000);
	return o;
}

static struct json_object *drops(const struct flow *flow)
{
	struct json_object *o = json_object_new_object();
	for (unsigned i = 0; flow->drops != NULL && i < DROP_COUNT; i++)
		if (flow->drops[i] != 0)
			tree_uint(&o, stat_drop_text((enum drop)i)->metric, flow->drops[i]);
	return o;
}

static void put_identity(struct json_object **o, const struct route *route)
{
	size_t n = route->identity.n < IDENTITY_SHOWN ? route->identity.n : IDENTITY_SHOWN;
	if (n == 0)
		tree_null(o, "identity");
	else
		tree_bytes(o, "identity", (const char *)route->identity.p, n);
}

static void put_association(struct json_object **o, const struct flow *flow, struct mono now)
{
	char address[ADDR_TEXT];
	const struct wan *wan = &flow->wan;
	const char *suite = wan_suite(wan);
	int cid = wan->session != NULL ? dtls_peer_cid(wan->session) : -1;
	if (flow->opaque != NULL && opaque_cid(flow).n > 0)
		cid = (int)opaque_cid(flow).n;
	uint16_t port = wan->has_socket ? wan->port : flow->route->port;
	tree_string(o, "state", wan_state_print(wan->state));
	tree_bool(o, "late", wan_is_late(wan, now));
	tree_string(o, "suite", suite[0] != '\0' ? suite : NULL);
	put_if(o, "cid", cid >= 0, cid);
	put_identity(o, flow->route);
	put_if(o, "port", port != 0, port);
	tree_string(o, "server_address", wan->has_socket ? addr_print(&wan->peer, address) : NULL);
}

static const char *security(enum dtls_security s)
{
	static const char *const names[] = { [DTLS_PSK] = "psk", [DTLS_RPK] = "rpk",
		[DTLS_X509] = "x509" };
	return names[s];
}

/* How the device reaches us; "away" comes with DTLS and has no session at present. */
static void put_device(struct json_object **o, const struct flow *flow)
{
	char address[ADDR_TEXT];
	const struct dtls_session *dtls = flow->session != NULL ? flow->session->dtls : NULL;
	tree_string(o, "device", addr_print(&flow->key.device, address));
	tree_string(o, "listener", flow->port->listener->name);
	tree_string(o, "called", addr_is_any(&flow->called) ? NULL : addr_print(&flow->called, address));
	tree_bool(o, "captured", flow->key.server != 0);
	const char *by = dtls == NULL ? "away" : security(dtls_security_of(dtls));
	if (flow->opaque != NULL)
		by = "opaque";
	tree_string(o, "lan_security", flow->key.identity == 0 ? "nosec" : by);
	tree_string(o, "lan_suite", dtls != NULL ? dtls_suite(dtls) : NULL);
	tree_bool(o, "lan_cid", dtls != NULL && dtls_has_own_cid(dtls));
}

static void put_registration(struct json_object **o, const struct flow *flow, struct mono now)
{
	tree_string(o, "location", flow->location);
	put_if(o, "lifetime_s", flow->location != NULL, flow->lifetime_s);
	put_if(o, "expires_in_s", flow->expires.ms != MONO_NEVER.ms,
		mono_since(now, flow->expires) / 1000);
	tree_bool(o, "live", flow->is_live);
}

static struct json_object *flow_row(const struct answer *a, const struct flow *flow, struct mono now)
{
	struct json_object *o = json_object_new_object();
	tree_string(&o, "endpoint", flow->route->endpoint);
	put_device(&o, flow);
	tree_string(&o, "server", flow->route->server->name);
	tree_string(&o, "mode", flow->opaque != NULL ? "opaque" : "transparent");
	tree_string(&o, "kind", flow->route->is_bootstrap ? "bootstrap" : "server");
	tree_bool(&o, "dynamic", flow->route->is_dynamic);
	tree_uint(&o, "worker", a->worker);
	put_association(&o, flow, now);
	put_registration(&o, flow, now);
	tree_int(&o, "age_s", mono_since(flow->born, now) / 1000);
	tree_put(&o, "up", direction(&flow->up, flow->last_up, now));
	tree_put(&o, "down", direction(&flow->down, flow->last_down, now));
	tree_uint(&o, "waiting", flow->held.count);
	tree_put(&o, "drops", drops(flow));
	return o;
}

bool show_routes(struct answer *a, struct text *out, struct mono now)
{
	begin(a, out, "routes");
	for (unsigned i = 0; i < ANSWER_ROWS; i++) {
		struct flow *flow = crew_next_flow(a->spec->datapath, &a->worker, &a->at);
		if (flow == NULL)
			return end(out);
		wan_count_overflow(&flow->wan);
		add(a, out, flow_row(a, flow, now));
	}
	return true;
}

/* ---- endpoints ---- */

static const char *credential(const struct route *route)
{
	if (!route->server->is_secure)
		return "none";
	return security(route->server->security);
}

static struct json_object *route_row(const struct answer *a, const struct route *route)
{
	char address[ADDR_TEXT];
	const struct flow *flow = crew_flow_of(a->spec->datapath, route);
	uint16_t port = flow != NULL ? flow->route->port : crew_port_of(a->spec->datapath, route);
	struct json_object *o = json_object_new_object();
	tree_string(&o, "endpoint", route->endpoint);
	tree_string(&o, "server", route->server->name);
	tree_string(&o, "kind", route->is_bootstrap ? "bootstrap" : "server");
	tree_string(&o, "mode", route->is_opaque ? "opaque" : "transparent");
	tree_bool(&o, "dynamic", route->is_dynamic);
	tree_string(&o, "address", route->has_address ? addr_print(&route->address, address) : NULL);
	tree_string(&o, "credential", credential(route));
	put_identity(&o, route);
	tree_bool(&o, "lan_secured", route->is_lan_secured);
	put_if(&o, "port", port != 0, port);
	tree_string(&o, "state", flow != NULL ? wan_state_print(flow->wan.state) : "no flow");
	return o;
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
	const struct flow *flow = crew_next_flow(a->spec->datapath, &a->worker, &a->at);
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
			add(a, out, route_row(a, route));
	}
	return true;
}
