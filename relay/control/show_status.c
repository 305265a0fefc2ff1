/* The answer to "status": the relay as a whole. */
#include "answer.h"
#include <string.h>
#include "base/machine.h"
#include "control/emit.h"
#include "datapath.h"
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

static void put_daemon(const struct control_spec *spec, struct text *out, struct mono now)
{
	emit_string(out, "version", LWGATE_VERSION);
	emit_int(out, "uptime_ms", mono_since(spec->started, now));
	emit_uint(out, "workers", 1);
	emit_string(out, "config", spec->config);
	emit_string(out, "state_file", spec->state);
	emit_uint(out, "memory_bytes", machine_resident());
	emit_uint(out, "endpoints", endpoints(spec->datapath));
}

static void put_states(struct text *out, const size_t state[TALLY_STATES])
{
	emit_open(out, "states", '{');
	for (unsigned i = 0; i < TALLY_STATES; i++)
		emit_uint(out, wan_state_print((enum wan_state)i), state[i]);
	emit_close(out, '}');
}

static void put_flows(const struct datapath *dp, const struct tally *t, struct text *out)
{
	emit_open(out, "flows", '{');
	emit_uint(out, "now", t->flows);
	emit_uint(out, "max", flows_most(dp->flows));
	emit_uint(out, "live", t->live);
	emit_uint(out, "unproven", t->flows - t->live);
	emit_uint(out, "late", t->late);
	put_states(out, t->state);
	emit_uint(out, "waiting_messages", t->waiting);
	emit_uint(out, "waiting_bytes", dp->held.bytes);
	emit_close(out, '}');
}

static void put_server(const struct server *s, const struct tally *t, struct text *out)
{
	char address[ADDR_TEXT];
	struct tally_server counted = tally_server(t, s);
	size_t all = 0;
	for (unsigned i = 0; i < TALLY_STATES; i++)
		all += counted.state[i];
	emit_open(out, NULL, '{');
	emit_string(out, "name", s->name);
	emit_string(out, "uri", s->uri);
	emit_open(out, "addresses", '[');
	for (size_t i = 0; i < s->addresses; i++)
		emit_string(out, NULL, addr_print(&s->address[i], address));
	emit_close(out, ']');
	emit_uint(out, "associations", all);
	emit_uint(out, "up", counted.state[WAN_UP]);
	put_states(out, counted.state);
	emit_close(out, '}');
}

static void put_listener(const struct listener *l, struct text *out)
{
	char address[ADDR_TEXT];
	emit_open(out, NULL, '{');
	emit_string(out, "section", l->name);
	emit_string(out, "server", l->server != NULL ? l->server->name : NULL);
	emit_bool(out, "accepts_unknown", l->accepts_unknown);
	emit_open(out, "sockets", '[');
	list_each(node, &l->ports) {
		const struct lan_port *p = container_of(node, struct lan_port, node);
		emit_open(out, NULL, '{');
		emit_string(out, "address", addr_print(&p->bound, address));
		emit_string(out, "interface", p->interface);
		emit_close(out, '}');
	}
	emit_close(out, ']');
	emit_close(out, '}');
}

static void put_counters(const struct counters *stat, struct text *out)
{
	emit_open(out, "totals", '{');
	for (unsigned i = 0; i < COUNT_COUNT; i++)
		emit_uint(out, stat_count_text((enum count)i)->metric, stat->count[i]);
	emit_close(out, '}');
	emit_open(out, "drops", '[');
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		if (stat->drop[i] == 0)
			continue;
		const struct stat_text *words = stat_drop_text((enum drop)i);
		emit_open(out, NULL, '{');
		emit_string(out, "reason", words->metric);
		emit_uint(out, "count", stat->drop[i]);
		emit_string(out, "text", words->text);
		emit_close(out, '}');
	}
	emit_close(out, ']');
}

bool show_status(struct answer *a, struct text *out, struct mono now)
{
	const struct datapath *dp = a->spec->datapath;
	const struct listener *l;
	if (tally_more(a->tally, dp, ANSWER_COUNTED, now))
		return true;
	emit_open(out, NULL, '{');
	put_daemon(a->spec, out, now);
	put_flows(dp, a->tally, out);
	emit_open(out, "servers", '[');
	list_each(node, &dp->servers)
		put_server(container_of(node, struct server, node), a->tally, out);
	emit_close(out, ']');
	emit_open(out, "listeners", '[');
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;)
		put_listener(l, out);
	emit_close(out, ']');
	put_counters(&dp->env.stat, out);
	emit_close(out, '}');
	text_add(out, "\n");
	return false;
}
