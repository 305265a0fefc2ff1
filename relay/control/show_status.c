/* The answer to "status": the relay as a whole. */
#include "answer.h"
#include <string.h>
#include "base/machine.h"
#include "control/tree.h"
#include "crew.h"
#include "datapath.h"
#include "intercept.h"
#include "lan_session.h"
#include "wanted.h"

/* Sections of endpoints: a bootstrap route right behind the other is of the same section. */
static size_t endpoints(const struct datapath *dp)
{
	size_t n = 0;
	const char *last = "";
	const struct route *r;
	for (size_t at = 0; dp->routes != NULL && (r = route_next(dp->routes, &at)) != NULL;) {
		n += !r->is_bootstrap || strcmp(last, r->endpoint) != 0;
		last = r->endpoint;
	}
	return n;
}

static void put_daemon(const struct control_spec *spec, struct json_object **o, struct mono now)
{
	tree_string(o, "version", LWGATE_VERSION);
	tree_int(o, "uptime_ms", mono_since(spec->started, now));
	tree_uint(o, "workers", crew_count(spec->datapath));
	tree_string(o, "config", spec->config);
	tree_string(o, "state_file", spec->state);
	tree_uint(o, "memory_bytes", machine_resident());
	tree_uint(o, "endpoints", endpoints(spec->datapath));
}

static struct json_object *interception(const struct intercept *intercept)
{
	struct intercept_status s = intercept_status(intercept);
	struct json_object *o = json_object_new_object();
	tree_bool(&o, "wanted", s.is_wanted);
	tree_bool(&o, "captured", s.is_wanted && s.is_captured);
	tree_string(&o, "fault", s.is_wanted && s.fault[0] != '\0' ? s.fault : NULL);
	return o;
}

static struct json_object *states(const size_t state[TALLY_STATES])
{
	struct json_object *o = json_object_new_object();
	for (unsigned i = 0; i < TALLY_STATES; i++)
		tree_uint(&o, wan_state_print((enum wan_state)i), state[i]);
	return o;
}

static struct json_object *flows(const struct datapath *dp, const struct tally *t)
{
	struct json_object *o = json_object_new_object();
	tree_uint(&o, "now", t->flows);
	tree_uint(&o, "max", flows_most(dp->flows));
	tree_uint(&o, "live", t->live);
	tree_uint(&o, "unproven", t->flows - t->live);
	tree_uint(&o, "late", t->late);
	tree_put(&o, "states", states(t->state));
	tree_uint(&o, "waiting_messages", t->waiting);
	tree_uint(&o, "waiting_bytes", crew_held_bytes(dp));
	return o;
}

static struct json_object *sessions(const struct datapath *dp)
{
	struct json_object *o = json_object_new_object();
	tree_uint(&o, "now", crew_sessions(dp, true));
	tree_uint(&o, "half_open", crew_sessions(dp, false));
	tree_uint(&o, "half_open_max", HALF_OPEN_MAX);
	return o;
}

static struct json_object *addresses(const struct server *s)
{
	char address[ADDR_TEXT];
	struct json_object *o = json_object_new_array();
	for (size_t i = 0; i < s->addresses; i++)
		tree_string(&o, NULL, addr_print(&s->address[i], address));
	return o;
}

static struct json_object *one_server(const struct server *s, const struct tally *t)
{
	struct tally_server counted = tally_server(t, s);
	size_t all = 0;
	for (unsigned i = 0; i < TALLY_STATES; i++)
		all += counted.state[i];
	struct json_object *o = json_object_new_object();
	tree_string(&o, "name", s->name);
	tree_string(&o, "uri", s->uri);
	tree_put(&o, "addresses", addresses(s));
	tree_uint(&o, "associations", all);
	tree_uint(&o, "up", counted.state[WAN_UP]);
	tree_put(&o, "states", states(counted.state));
	return o;
}

static struct json_object *servers(const struct datapath *dp, const struct tally *t)
{
	struct json_object *o = json_object_new_array();
	list_each(node, &dp->servers)
		tree_put(&o, NULL, one_server(container_of(node, struct server, node), t));
	return o;
}

static struct json_object *sockets(const struct listener *l)
{
	char address[ADDR_TEXT];
	struct json_object *o = json_object_new_array();
	list_each(node, &l->ports) {
		const struct lan_port *p = container_of(node, struct lan_port, node);
		struct json_object *one = json_object_new_object();
		tree_string(&one, "address", addr_print(&p->bound, address));
		tree_string(&one, "interface", p->interface);
		tree_bool(&one, "dtls", p->is_secure);
		tree_bool(&one, "open", p->fd >= 0);
		tree_put(&o, NULL, one);
	}
	return o;
}

static struct json_object *listeners(const struct datapath *dp)
{
	const struct listener *l;
	struct json_object *o = json_object_new_array();
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;) {
		struct json_object *one = json_object_new_object();
		tree_string(&one, "section", l->name);
		tree_string(&one, "server", l->server != NULL ? l->server->name : NULL);
		tree_bool(&one, "accepts_unknown", l->accepts_unknown);
		tree_bool(&one, "intercepts", l->intercepts);
		tree_put(&one, "sockets", sockets(l));
		tree_put(&o, NULL, one);
	}
	return o;
}

static struct json_object *totals(const struct counters *stat)
{
	struct json_object *o = json_object_new_object();
	for (unsigned i = 0; i < COUNT_COUNT; i++)
		tree_uint(&o, stat_count_text((enum count)i)->metric, stat->count[i]);
	return o;
}

static struct json_object *drops(const struct counters *stat)
{
	struct json_object *o = json_object_new_array();
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		if (stat->drop[i] == 0)
			continue;
		const struct stat_text *words = stat_drop_text((enum drop)i);
		struct json_object *one = json_object_new_object();
		tree_string(&one, "reason", words->metric);
		tree_uint(&one, "count", stat->drop[i]);
		tree_string(&one, "text", words->text);
		tree_put(&o, NULL, one);
	}
	return o;
}

/* How flows and messages are spread. */
static struct json_object *per_worker(const struct datapath *first)
{
	struct json_object *o = json_object_new_array();
	for (unsigned i = 0; i < crew_count(first); i++) {
		const struct datapath *dp = crew_datapath(first, i);
		struct json_object *one = json_object_new_object();
		tree_uint(&one, "flows", flows_count(dp->flows));
		tree_uint(&one, "sessions", lan_sessions_count(dp->sessions, true));
		tree_uint(&one, "up_messages", dp->env.stat.count[COUNT_UP_MESSAGES]);
		tree_uint(&one, "down_messages", dp->env.stat.count[COUNT_DOWN_MESSAGES]);
		tree_uint(&one, "handed_over", dp->env.stat.count[COUNT_HANDED_OVER]);
		tree_put(&o, NULL, one);
	}
	return o;
}

bool show_status(struct answer *a, struct text *out, struct mono now)
{
	const struct datapath *dp = a->spec->datapath;
	if (tally_more(a->tally, dp, ANSWER_COUNTED, now))
		return true;
	struct json_object *o = json_object_new_object();
	struct counters sum;
	crew_counters(dp, &sum);
	put_daemon(a->spec, &o, now);
	tree_put(&o, "flows", flows(dp, a->tally));
	tree_put(&o, "sessions", sessions(dp));
	tree_bool(&o, "overload", crew_is_overloaded(dp));
	tree_put(&o, "interception", interception(a->spec->intercept));
	tree_put(&o, "servers", servers(dp, a->tally));
	tree_put(&o, "listeners", listeners(dp));
	tree_put(&o, "per_worker", per_worker(dp));
	tree_put(&o, "totals", totals(&sum));
	tree_put(&o, "drops", drops(&sum));
	tree_write(out, &o);
	text_add(out, "\n");
	return false;
}
