/* The answer to "metrics": all numbers in the Prometheus text format, version 0.0.4. */
#include "answer.h"
#include <inttypes.h>
#include <string.h>
#include "base/machine.h"
#include "control/tree.h"
#include "control/utf8.h"
#include "crew.h"
#include "datapath.h"
#include "intercept.h"
#include "lan_session.h"

static void head(struct text *t, const char *name, const char *type, const char *help)
{
	text_addf(t, "# HELP lwgate_%s %s\n# TYPE lwgate_%s %s\n", name, help, name, type);
}

/* A label's value, with what the format wants escaped; bytes that are no UTF-8 become '?'. */
static void label(struct text *t, const char *name, const char *value)
{
	size_t left = strlen(value);
	text_addf(t, "%s=\"", name);
	while (left > 0) {
		size_t n = utf8_size(value, left);
		if (n == 0)
			text_add(t, "?");
		else if (*value == '\n')
			text_add(t, "\\n");
		else if (*value == '"' || *value == '\\')
			text_addf(t, "\\%c", *value);
		else
			text_bytes(t, value, n);
		n = n == 0 ? 1 : n;
		value += n;
		left -= n;
	}
	text_add(t, "\"");
}

static void gauge(struct text *t, const char *name, const char *help, uint64_t value)
{
	head(t, name, "gauge", help);
	text_addf(t, "lwgate_%s %" PRIu64 "\n", name, value);
}

static void put_daemon(struct text *t, const struct control_spec *spec, struct mono now)
{
	int64_t up = mono_since(spec->started, now);
	head(t, "build_info", "gauge", "always 1; the version is a label");
	text_add(t, "lwgate_build_info{");
	label(t, "version", LWGATE_VERSION);
	text_add(t, "} 1\n");
	head(t, "uptime_seconds", "gauge", "time since the daemon started");
	text_addf(t, "lwgate_uptime_seconds %" PRId64 ".%03" PRId64 "\n", up / 1000, up % 1000);
	gauge(t, "resident_memory_bytes", "memory that the daemon holds", machine_resident());
}

static void put_interception(struct text *t, const struct intercept *intercept)
{
	struct intercept_status s = intercept_status(intercept);
	gauge(t, "capture_wanted", "1 where a listener intercepts", s.is_wanted);
	gauge(t, "captured", "1 while the kernel holds all that interception wants",
		s.is_wanted && s.is_captured);
}

static void put_counters(struct text *t, const struct counters *stat)
{
	for (unsigned i = 0; i < COUNT_COUNT; i++) {
		const struct stat_text *words = stat_count_text((enum count)i);
		text_addf(t, "# HELP lwgate_%s_total %s\n# TYPE lwgate_%s_total counter\n"
			"lwgate_%s_total %" PRIu64 "\n", words->metric, words->text, words->metric,
			words->metric, stat->count[i]);
	}
	head(t, "drops_total", "counter", "datagrams and messages that were lost, by reason");
	for (unsigned i = 0; i < DROP_COUNT; i++)
		text_addf(t, "lwgate_drops_total{reason=\"%s\"} %" PRIu64 "\n",
			stat_drop_text((enum drop)i)->metric, stat->drop[i]);
}

static void put_flows(struct text *t, const struct datapath *dp, const struct tally *tally)
{
	head(t, "flows", "gauge", "rows of the routing table, by state of their association");
	for (unsigned i = 0; i < TALLY_STATES; i++)
		text_addf(t, "lwgate_flows{state=\"%s\"} %zu\n",
			wan_state_print((enum wan_state)i), tally->state[i]);
	gauge(t, "flows_max", "rows that the routing table may have", flows_most(dp->flows));
	gauge(t, "flows_live", "rows that a server accepted", tally->live);
	gauge(t, "flows_late", "rows without an association in the server's handshake timeout",
		tally->late);
	gauge(t, "sessions", "DTLS sessions of devices", crew_sessions(dp, true));
	gauge(t, "sessions_half_open", "DTLS handshakes of devices under way",
		crew_sessions(dp, false));
	gauge(t, "waiting_messages", "messages that wait for an association", tally->waiting);
	gauge(t, "waiting_bytes", "their bytes", crew_held_bytes(dp));
}

/* One number of each worker. */
static void put_series(struct text *t, const struct datapath *dp, const char *name, const char *type,
	const char *help, uint64_t (*value)(const struct datapath *dp))
{
	head(t, name, type, help);
	for (unsigned i = 0; i < crew_count(dp); i++)
		text_addf(t, "lwgate_%s{worker=\"%u\"} %" PRIu64 "\n", name, i, value(crew_datapath(dp, i)));
}

static uint64_t flows_of(const struct datapath *dp)
{
	return flows_count(dp->flows);
}

static uint64_t messages_of(const struct datapath *dp)
{
	return dp->env.stat.count[COUNT_UP_MESSAGES] + dp->env.stat.count[COUNT_DOWN_MESSAGES];
}

static uint64_t handed_by(const struct datapath *dp)
{
	return dp->env.stat.count[COUNT_HANDED_OVER];
}

/* How they share the work. */
static void put_workers(struct text *t, const struct datapath *dp)
{
	gauge(t, "workers", "threads that relay", crew_count(dp));
	if (crew_count(dp) == 1)
		return;
	put_series(t, dp, "worker_flows", "gauge", "rows of the routing table, by worker", flows_of);
	put_series(t, dp, "worker_messages_total", "counter", "messages relayed, both ways, by worker",
		messages_of);
	put_series(t, dp, "worker_handed_over_total", "counter",
		"datagrams of devices of other workers, by the worker that they came to", handed_by);
}

static void put_servers(struct text *t, const struct datapath *dp, const struct tally *tally)
{
	head(t, "associations", "gauge", "associations towards each server, by state");
	list_each(node, &dp->servers) {
		const struct server *s = container_of(node, struct server, node);
		struct tally_server counted = tally_server(tally, s);
		for (unsigned i = 0; i < TALLY_STATES; i++) {
			text_add(t, "lwgate_associations{");
			label(t, "server", s->name);
			text_addf(t, ",state=\"%s\"} %zu\n", wan_state_print((enum wan_state)i),
				counted.state[i]);
		}
	}
}

bool show_metrics(struct answer *a, struct text *out, struct mono now)
{
	const struct datapath *dp = a->spec->datapath;
	if (tally_more(a->tally, dp, ANSWER_COUNTED, now))
		return true;
	struct text t = { 0 };
	struct counters sum;
	put_daemon(&t, a->spec, now);
	put_flows(&t, dp, a->tally);
	put_servers(&t, dp, a->tally);
	put_interception(&t, a->spec->intercept);
	put_workers(&t, dp);
	crew_counters(dp, &sum);
	put_counters(&t, &sum);
	struct json_object *o = json_object_new_object();
	tree_bytes(&o, "metrics", text_str(&t), t.n);
	tree_write(out, &o);
	text_add(out, "\n");
	out->broken = out->broken || t.broken;
	text_fini(&t);
	return false;
}
