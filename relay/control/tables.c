/* The daemon's answers as tables. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "command.h"
#include "control/table.h"
#include "control/text.h"
#include "control/units.h"

/* ---- values of an answer, however odd it is ---- */

static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;
	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, key, &value);
	return value;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value = member(o, key);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "-";
}

static bool is_true(struct json_object *o, const char *key)
{
	return json_object_get_boolean(member(o, key));
}

static uint64_t number_of(struct json_object *o, const char *key)
{
	return json_object_get_uint64(member(o, key));
}

static size_t length_of(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

/* A number as it is; "-" where there is none. */
static void number_cell(struct table *t, struct json_object *o, const char *key)
{
	char text[UNITS_TEXT] = "-";
	if (json_object_is_type(member(o, key), json_type_int))
		snprintf(text, sizeof(text), "%" PRId64, json_object_get_int64(member(o, key)));
	table_cell(t, text);
}

static const char *age_of(struct json_object *o, const char *key, char text[UNITS_TEXT])
{
	if (!json_object_is_type(member(o, key), json_type_int))
		return "-";
	return units_age(json_object_get_int64(member(o, key)), text);
}

/* ---- routes ---- */

static const struct table_column routes_columns[] = {
	{ "STATE", false }, { "SUITE", false }, { "CID", true }, { "PORT", true }, { "UP", true },
	{ "DOWN", true }, { "SEEN", true }, { "LIFE", true }, { "ENDS", true },
	{ "LOCATION", false }, { "SERVER", false }, { "LAN", false },
	{ "DEVICE", false }, { "ENDPOINT", false },
};

/* The suite without what all of them begin with. */
static const char *short_suite(const char *suite)
{
	static const char head[] = "TLS_PSK_WITH_";
	return strncmp(suite, head, sizeof(head) - 1) == 0 ? suite + sizeof(head) - 1 : suite;
}

/* "12 3.4 kB": messages and bytes of one direction. */
static void traffic_cell(struct table *t, struct json_object *traffic)
{
	char bytes[UNITS_TEXT], text[64];
	snprintf(text, sizeof(text), "%" PRIu64 "  %s", number_of(traffic, "messages"),
		units_bytes(number_of(traffic, "bytes"), bytes));
	table_cell(t, text);
}

/* "3s/2s": since something went up, and down. */
static void seen_cell(struct table *t, struct json_object *up, struct json_object *down)
{
	char a[UNITS_TEXT], b[UNITS_TEXT], text[2 * UNITS_TEXT + 2];
	snprintf(text, sizeof(text), "%s/%s", age_of(up, "last_s", a), age_of(down, "last_s", b));
	table_cell(t, text);
}

/* What waits and what was lost, below the row, where there is something. */
static void losses_note(struct table *t, struct json_object *o)
{
	struct text note = { 0 };
	struct json_object *drops = member(o, "drops");
	if (number_of(o, "waiting") > 0)
		text_addf(&note, "waiting %" PRIu64, number_of(o, "waiting"));
	if (json_object_is_type(drops, json_type_object)) {
		const char *before = note.n > 0 ? "; lost: " : "lost: ";
		json_object_object_foreach(drops, reason, count) {
			text_addf(&note, "%s%s %" PRIu64, before, reason,
				json_object_get_uint64(count));
			before = ", ";
		}
	}
	if (note.n > 0)
		table_note(t, text_str(&note));
	text_fini(&note);
}

static void route_row(struct table *t, struct json_object *o)
{
	char text[UNITS_TEXT], cell[512];
	struct json_object *up = member(o, "up"), *down = member(o, "down");
	bool is_bootstrap = strcmp(text_of(o, "kind"), "bootstrap") == 0;
	snprintf(cell, sizeof(cell), "%s%s", text_of(o, "state"), is_true(o, "late") ? " late" : "");
	table_cell(t, cell);
	table_cell(t, short_suite(text_of(o, "suite")));
	number_cell(t, o, "cid");
	number_cell(t, o, "port");
	traffic_cell(t, up);
	traffic_cell(t, down);
	seen_cell(t, up, down);
	table_cell(t, age_of(o, "lifetime_s", text));
	table_cell(t, age_of(o, "expires_in_s", text));
	table_cell(t, text_of(o, "location"));
	snprintf(cell, sizeof(cell), "%s%s", text_of(o, "server"), is_bootstrap ? " (bs)" : "");
	table_cell(t, cell);
	table_cell(t, text_of(o, "lan_security"));
	table_cell(t, text_of(o, "device"));
	table_cell(t, text_of(o, "endpoint"));
	losses_note(t, o);
}

/* Prints an array of the answer, a row for each element. */
static int print_array(struct json_object *array, const struct table_column *column, size_t columns,
	void (*row)(struct table *t, struct json_object *o), FILE *out)
{
	struct table *t = table_create(column, columns);
	if (t == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < length_of(array); i++)
		row(t, json_object_array_get_idx(array, i));
	int rc = table_print(t, out);
	table_free(t);
	return rc;
}

#define COLUMNS(list) list, sizeof(list) / sizeof((list)[0])

int tables_routes(struct json_object *answer, FILE *out)
{
	return print_array(member(answer, "routes"), COLUMNS(routes_columns), route_row, out);
}

/* ---- endpoints ---- */

static const struct table_column endpoints_columns[] = {
	{ "STATE", false }, { "KIND", false }, { "CREDENTIAL", false }, { "LAN", false },
	{ "PORT", true }, { "ADDRESS", false }, { "SERVER", false }, { "ENDPOINT", false },
};

static void endpoint_row(struct table *t, struct json_object *o)
{
	table_cell(t, text_of(o, "state"));
	table_cell(t, is_true(o, "dynamic") ? "unknown" : text_of(o, "kind"));
	table_cell(t, text_of(o, "credential"));
	const char *lan = is_true(o, "lan_secured") ? "secured" : "nosec";
	table_cell(t, strcmp(text_of(o, "mode"), "opaque") == 0 ? "opaque" : lan);
	number_cell(t, o, "port");
	table_cell(t, text_of(o, "address"));
	table_cell(t, text_of(o, "server"));
	table_cell(t, text_of(o, "endpoint"));
}

int tables_endpoints(struct json_object *answer, FILE *out)
{
	return print_array(member(answer, "endpoints"), COLUMNS(endpoints_columns), endpoint_row, out);
}

/* ---- status ---- */

static const struct table_column servers_columns[] = {
	{ "SERVER", false }, { "UP", true }, { "ALL", true }, { "ADDRESS", false }, { "URI", false },
};
static const struct table_column sockets_columns[] = {
	{ "LISTEN", false }, { "SPEAKS", false }, { "CAPTURES", false }, { "INTERFACE", false },
	{ "ADDRESS", false },
};
static const struct table_column drops_columns[] = {
	{ "LOST", true }, { "REASON", false }, { "MEANS", false },
};
static const struct table_column workers_columns[] = {
	{ "FLOWS", true }, { "SESSIONS", true }, { "UP", true }, { "DOWN", true }, { "HANDED OVER", true },
};
static const struct table_column totals_columns[] = {
	{ "COUNT", true }, { "OF", false },
};

static void server_row(struct table *t, struct json_object *o)
{
	struct json_object *addresses = member(o, "addresses");
	struct text list = { 0 };
	for (size_t i = 0; i < length_of(addresses); i++)
		text_addf(&list, "%s%s", i > 0 ? " " : "",
			json_object_get_string(json_object_array_get_idx(addresses, i)));
	table_cell(t, text_of(o, "name"));
	number_cell(t, o, "up");
	number_cell(t, o, "associations");
	table_cell(t, list.n > 0 ? text_str(&list) : "not found");
	table_cell(t, text_of(o, "uri"));
	text_fini(&list);
}

/* A listener has a row for each socket. */
static void listener_row(struct table *t, struct json_object *o)
{
	struct json_object *sockets = member(o, "sockets");
	for (size_t i = 0; i < length_of(sockets); i++) {
		struct json_object *s = json_object_array_get_idx(sockets, i);
		table_cell(t, text_of(o, "section"));
		table_cell(t, is_true(s, "dtls") ? "coaps" : "coap");
		table_cell(t, is_true(o, "intercepts") ? "yes" : "no");
		table_cell(t, member(s, "interface") != NULL ? text_of(s, "interface") : "every");
		table_cell(t, text_of(s, "address"));
		if (!is_true(s, "open"))
			table_note(t, "not open: its interface is not there");
	}
}

/* The first worker's row is the first. */
static void worker_row(struct table *t, struct json_object *o)
{
	number_cell(t, o, "flows");
	number_cell(t, o, "sessions");
	number_cell(t, o, "up_messages");
	number_cell(t, o, "down_messages");
	number_cell(t, o, "handed_over");
}

static void drop_row(struct table *t, struct json_object *o)
{
	number_cell(t, o, "count");
	table_cell(t, text_of(o, "reason"));
	table_cell(t, text_of(o, "text"));
}

static void print_line(FILE *out, const char *title, const char *text)
{
	char *harmless = table_harmless(text);
	fprintf(out, "%-10s %s\n", title, harmless != NULL ? harmless : "?");
	free(harmless);
}

static void print_daemon(struct json_object *a, FILE *out)
{
	char up[UNITS_TEXT], memory[UNITS_TEXT], line[256];
	snprintf(line, sizeof(line), "%s, up %s, %s of memory, %" PRIu64 " worker%s",
		text_of(a, "version"), units_age((int64_t)(number_of(a, "uptime_ms") / 1000), up),
		units_bytes(number_of(a, "memory_bytes"), memory), number_of(a, "workers"),
		number_of(a, "workers") == 1 ? "" : "s");
	print_line(out, "lwgated", line);
	print_line(out, "config", text_of(a, "config"));
	print_line(out, "state", text_of(a, "state_file"));
	snprintf(line, sizeof(line), "%" PRIu64 " configured", number_of(a, "endpoints"));
	print_line(out, "endpoints", line);
}

static void print_flows(struct json_object *flows, FILE *out)
{
	struct text line = { 0 };
	struct json_object *states = member(flows, "states");
	text_addf(&line, "%" PRIu64 " of %" PRIu64 " (%" PRIu64 " live, %" PRIu64 " unproven)",
		number_of(flows, "now"), number_of(flows, "max"), number_of(flows, "live"),
		number_of(flows, "unproven"));
	if (json_object_is_type(states, json_type_object)) {
		json_object_object_foreach(states, state, count)
			if (json_object_get_uint64(count) > 0)
				text_addf(&line, ", %" PRIu64 " %s", json_object_get_uint64(count),
					state);
	}
	if (number_of(flows, "late") > 0)
		text_addf(&line, ", %" PRIu64 " late", number_of(flows, "late"));
	print_line(out, "flows", text_str(&line));
	text_fini(&line);
}

static void print_sessions(struct json_object *sessions, FILE *out)
{
	char line[128];
	snprintf(line, sizeof(line), "%" PRIu64 " of devices with DTLS, %" PRIu64 " half-open",
		number_of(sessions, "now"), number_of(sessions, "half_open"));
	if (number_of(sessions, "now") + number_of(sessions, "half_open") > 0)
		print_line(out, "sessions", line);
}

static void print_interception(struct json_object *o, FILE *out)
{
	if (!is_true(o, "wanted"))
		return;
	const char *fault = text_of(o, "fault");
	if (is_true(o, "captured"))
		print_line(out, "capture", "in the kernel");
	else
		print_line(out, "capture", member(o, "fault") != NULL ? fault : "not yet");
}

static int print_totals(struct json_object *totals, FILE *out)
{
	struct table *t = table_create(COLUMNS(totals_columns));
	if (t == NULL)
		return -ENOMEM;
	if (json_object_is_type(totals, json_type_object)) {
		json_object_object_foreach(totals, name, count) {
			if (json_object_get_uint64(count) == 0)
				continue;
			number_cell(t, totals, name);
			table_cell(t, name);
		}
	}
	int rc = table_print(t, out);
	table_free(t);
	return rc;
}

int tables_status(struct json_object *a, FILE *out)
{
	print_daemon(a, out);
	print_flows(member(a, "flows"), out);
	print_sessions(member(a, "sessions"), out);
	if (is_true(a, "overload"))
		print_line(out, "overload", "devices send more than can be carried");
	print_interception(member(a, "interception"), out);
	fputc('\n', out);
	int rc = print_array(member(a, "servers"), COLUMNS(servers_columns), server_row, out);
	fputc('\n', out);
	if (rc == 0)
		rc = print_array(member(a, "listeners"), COLUMNS(sockets_columns), listener_row, out);
	fputc('\n', out);
	if (rc == 0 && length_of(member(a, "per_worker")) > 1) {
		rc = print_array(member(a, "per_worker"), COLUMNS(workers_columns), worker_row, out);
		fputc('\n', out);
	}
	if (rc == 0)
		rc = print_totals(member(a, "totals"), out);
	if (rc == 0 && length_of(member(a, "drops")) > 0) {
		fputc('\n', out);
		rc = print_array(member(a, "drops"), COLUMNS(drops_columns), drop_row, out);
	}
	return rc;
}
