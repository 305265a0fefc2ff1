/* The answers of the control socket: their numbers are those of the datapath, their JSON is whole
 * whatever happens between two pieces. */
#include "suite.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "control/answer.h"
#include "life.h"
#include "opaque.h"
#include "small_relay.h"

Suite *answers_suite(void);

static struct small_relay relay;
static struct control_spec spec;
static int reload_result;

static int reload(void *who, struct text *said, struct mono now)
{
	(void)who;
	(void)now;
	text_add(said, "lwgate.conf:3: first fault\nlwgate.conf:9: second \"fault\"\n");
	return reload_result;
}

static void up(const struct small_spec *how)
{
	log_open(LOG_TO_NOBODY, "check");
	small_relay_up(&relay, how);
	spec = (struct control_spec){ .datapath = relay.dp, .config = "/etc/config/lwgate",
		.state = "/var/lib/lwgate/routes.json", .started = fake_net_now(relay.net),
		.reload = reload };
}

/* The whole answer, parsed strictly. The caller puts it. */
static struct json_object *get(const char *line)
{
	struct answer a;
	struct text t = { 0 };
	answer_begin(&a, &spec, line, strlen(line), &t, fake_net_now(relay.net));
	while (answer_more(&a, &t, fake_net_now(relay.net)))
		;
	answer_fini(&a);
	ck_assert(t.n > 0 && t.p[t.n - 1] == '\n');
	struct json_tokener *tok = json_tokener_new();
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *o = json_tokener_parse_ex(tok, t.p, (int)t.n - 1);
	ck_assert_msg(json_tokener_get_error(tok) == json_tokener_success &&
		json_tokener_get_parse_end(tok) == t.n - 1, "no JSON: %s", t.p);
	json_tokener_free(tok);
	text_fini(&t);
	return o;
}

/* The value at a path like "flows/states/up" or "servers/0/name". */
static struct json_object *at(struct json_object *o, const char *path)
{
	char copy[128], *save = NULL;
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *part = strtok_r(copy, "/", &save); part != NULL; part = strtok_r(NULL, "/", &save)) {
		struct json_object *next = NULL;
		if (json_object_is_type(o, json_type_array))
			next = json_object_array_get_idx(o, strtoul(part, NULL, 10));
		else
			ck_assert_msg(json_object_object_get_ex(o, part, &next), "no %s", path);
		o = next;
	}
	return o;
}

static int64_t number(struct json_object *o, const char *path)
{
	ck_assert_msg(json_object_is_type(at(o, path), json_type_int), "%s", path);
	return json_object_get_int64(at(o, path));
}

static const char *string(struct json_object *o, const char *path)
{
	ck_assert_msg(json_object_is_type(at(o, path), json_type_string), "%s", path);
	return json_object_get_string(at(o, path));
}

static void is_null(struct json_object *o, const char *path)
{
	ck_assert_msg(at(o, path) == NULL, "%s is not null", path);
}

START_TEST(test_status)
{
	struct small_spec how = { .endpoints = 3, .max = 50 };
	up(&how);
	small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5");
	small_relay_ask(&relay, "silent", "192.168.1.6:5683");
	relay.dp->env.stat.drop[DROP_COAP_VERSION] = 7;
	fake_net_advance(relay.net, 2500);
	struct json_object *o = get("{\"cmd\":\"status\"}");
	ck_assert_str_eq(string(o, "version"), LWGATE_VERSION);
	ck_assert_int_eq(number(o, "uptime_ms"), 2500);
	ck_assert_int_eq(number(o, "workers"), 1);
	ck_assert_str_eq(string(o, "config"), "/etc/config/lwgate");
	ck_assert_str_eq(string(o, "state_file"), "/var/lib/lwgate/routes.json");
	ck_assert_int_gt(number(o, "memory_bytes"), 100000);
	ck_assert_int_eq(number(o, "endpoints"), 3);
	ck_assert_int_eq(number(o, "flows/now"), 2);
	ck_assert_int_eq(number(o, "flows/max"), 50);
	ck_assert_int_eq(number(o, "flows/live"), 1);
	ck_assert_int_eq(number(o, "flows/unproven"), 1);
	ck_assert_int_eq(number(o, "flows/states/up"), 2);
	ck_assert_int_eq(number(o, "flows/states/back-off"), 0);
	ck_assert_str_eq(string(o, "servers/0/name"), "cloud");
	ck_assert_str_eq(string(o, "servers/0/addresses/0"), "192.0.2.9:5683");
	ck_assert_int_eq(number(o, "servers/0/associations"), 2);
	ck_assert_int_eq(number(o, "servers/0/up"), 2);
	ck_assert_str_eq(string(o, "listeners/0/section"), "lan");
	ck_assert_str_eq(string(o, "listeners/0/server"), "cloud");
	ck_assert_str_eq(string(o, "listeners/0/sockets/0/address"), "0.0.0.0:5683");
	is_null(o, "listeners/0/sockets/0/interface");
	ck_assert_int_eq(number(o, "totals/flows_opened"), 2);
	ck_assert_int_eq(number(o, "totals/up_messages"), 2);
	ck_assert_str_eq(string(o, "drops/0/reason"), "coap_version");
	ck_assert_int_eq(number(o, "drops/0/count"), 7);
	ck_assert_uint_eq(json_object_array_length(at(o, "drops")), 1);
	ck_assert(!json_object_get_boolean(at(o, "overload")));
	json_object_put(o);
	relay.dp->overload.is_on = true;
	o = get("{\"cmd\":\"status\"}");
	ck_assert(json_object_get_boolean(at(o, "overload")));
	json_object_put(o);
	small_relay_down(&relay);
}
END_TEST

START_TEST(test_routes)
{
	struct small_spec how = { .endpoints = 1 };
	up(&how);
	struct flow *flow = small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5");
	fake_net_advance(relay.net, 2500);
	flow_drop(flow, &relay.dp->env.stat, DROP_HELD_FULL);
	struct json_object *o = get("{\"cmd\":\"routes\"}");
	ck_assert_uint_eq(json_object_array_length(at(o, "routes")), 1);
	ck_assert_str_eq(string(o, "routes/0/endpoint"), "ep-0");
	ck_assert_str_eq(string(o, "routes/0/device"), "192.168.1.5:5683");
	ck_assert_str_eq(string(o, "routes/0/listener"), "lan");
	ck_assert_str_eq(string(o, "routes/0/server"), "cloud");
	ck_assert_str_eq(string(o, "routes/0/mode"), "transparent");
	ck_assert_str_eq(string(o, "routes/0/kind"), "server");
	ck_assert_str_eq(string(o, "routes/0/state"), "up");
	ck_assert(!json_object_get_boolean(at(o, "routes/0/late")));
	is_null(o, "routes/0/suite");
	is_null(o, "routes/0/cid");
	is_null(o, "routes/0/identity");
	ck_assert_int_eq(number(o, "routes/0/port"), flow->wan.port);
	ck_assert_str_eq(string(o, "routes/0/server_address"), "192.0.2.9:5683");
	ck_assert_str_eq(string(o, "routes/0/location"), "/rd/5");
	ck_assert_int_eq(number(o, "routes/0/lifetime_s"), 300);
	ck_assert_int_eq(number(o, "routes/0/expires_in_s"), 544);
	ck_assert(json_object_get_boolean(at(o, "routes/0/live")));
	ck_assert_int_eq(number(o, "routes/0/up/messages"), 1);
	ck_assert_int_eq(number(o, "routes/0/up/bytes"), (int64_t)flow->up.bytes);
	ck_assert_int_eq(number(o, "routes/0/up/last_s"), 2);
	ck_assert_int_eq(number(o, "routes/0/down/messages"), 1);
	ck_assert_int_eq(number(o, "routes/0/down/bytes"), 10);
	ck_assert_int_eq(number(o, "routes/0/waiting"), 0);
	ck_assert_int_eq(number(o, "routes/0/drops/held_full"), 1);
	ck_assert_uint_eq(json_object_object_length(at(o, "routes/0/drops")), 1);
	json_object_put(o);
	small_relay_down(&relay);
}
END_TEST

START_TEST(test_opaque_routes)
{
	static const uint8_t hello[] = { 22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 1, 0, 0, 1, 0, 0,
		0, 0, 0, 0, 0, 1, 0 };
	static const uint8_t cid[] = { 1, 2, 3 };
	struct small_spec how = { .endpoints = 1, .secure = true, .opaque = true,
		.fixed = "192.168.1.5" };
	up(&how);
	struct addr from, called;
	ck_assert(addr_parse(&from, "192.168.1.5:700") == 0);
	ck_assert(addr_parse(&called, "192.168.1.1:5684") == 0);
	fake_lan_arrive(relay.net, &from, &called, 1, hello, sizeof(hello));
	struct json_object *o = get("{\"cmd\":\"routes\"}");
	ck_assert_str_eq(string(o, "routes/0/endpoint"), "ep-0");
	ck_assert_str_eq(string(o, "routes/0/mode"), "opaque");
	ck_assert_str_eq(string(o, "routes/0/lan_security"), "opaque");
	ck_assert_str_eq(string(o, "routes/0/state"), "up");
	ck_assert_str_eq(string(o, "routes/0/device"), "192.168.1.5:700");
	ck_assert_int_eq(number(o, "routes/0/up/messages"), 1);
	ck_assert_int_eq(number(o, "routes/0/up/bytes"), sizeof(hello));
	is_null(o, "routes/0/suite");
	is_null(o, "routes/0/cid");
	json_object_put(o);
	struct flow *flow = small_relay_flow(&relay, "ep-0");
	opaque_set_cid(relay.dp, flow, (struct slice){ cid, sizeof(cid) });
	o = get("{\"cmd\":\"routes\"}");
	ck_assert_int_eq(number(o, "routes/0/cid"), 3);
	json_object_put(o);
	o = get("{\"cmd\":\"endpoints\"}");
	ck_assert_str_eq(string(o, "endpoints/0/mode"), "opaque");
	json_object_put(o);
	small_relay_down(&relay);
}
END_TEST

START_TEST(test_identity_is_cut_and_keys_are_absent)
{
	struct small_spec how = { .endpoints = 1, .secure = true };
	static const char *const requests[] = { "{\"cmd\":\"routes\"}", "{\"cmd\":\"endpoints\"}",
		"{\"cmd\":\"status\"}", "{\"cmd\":\"metrics\"}" };
	up(&how);
	ck_assert_ptr_nonnull(small_relay_ask(&relay, "ep-0", "192.168.1.5:5683"));
	for (size_t i = 0; i < 4; i++) {
		struct json_object *o = get(requests[i]);
		const char *all = json_object_to_json_string(o);
		ck_assert_ptr_null(strstr(all, "identity-"));
		ck_assert_ptr_null(strstr(all, "0123456789abcdef"));
		ck_assert_ptr_null(strstr(all, "30313233"));
		json_object_put(o);
	}
	struct json_object *o = get("{\"cmd\":\"routes\"}");
	ck_assert_str_eq(string(o, "routes/0/identity"), "identity");
	ck_assert_str_eq(string(o, "routes/0/state"), "handshake");
	ck_assert_int_eq(number(o, "routes/0/waiting"), 1);
	is_null(o, "routes/0/location");
	is_null(o, "routes/0/down/last_s");
	json_object_put(o);
	small_relay_down(&relay);
}
END_TEST

START_TEST(test_endpoints)
{
	struct small_spec how = { .endpoints = 2, .fixed = "192.168.1.9", .first = "caf\xe9" };
	up(&how);
	small_relay_register(&relay, "stranger", "192.168.1.5:5683", "5");
	struct json_object *o = get("{\"cmd\":\"endpoints\"}");
	ck_assert_uint_eq(json_object_array_length(at(o, "endpoints")), 3);
	ck_assert_str_eq(string(o, "endpoints/0/endpoint"), "caf\xef\xbf\xbd");
	ck_assert_str_eq(string(o, "endpoints/0/address"), "192.168.1.9");
	ck_assert_str_eq(string(o, "endpoints/0/state"), "up");
	ck_assert_str_eq(string(o, "endpoints/1/endpoint"), "ep-1");
	ck_assert_str_eq(string(o, "endpoints/1/credential"), "none");
	ck_assert_str_eq(string(o, "endpoints/1/state"), "no flow");
	is_null(o, "endpoints/1/port");
	ck_assert_str_eq(string(o, "endpoints/2/endpoint"), "stranger");
	ck_assert(json_object_get_boolean(at(o, "endpoints/2/dynamic")));
	json_object_put(o);
	small_relay_down(&relay);
}
END_TEST

/* Every line is a comment, or a name that a comment announced, labels, and a number. */
static void check_metrics(const char *text)
{
	char type[128] = "";
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		char line[512], name[128];
		ck_assert_uint_lt(n, sizeof(line));
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		ck_assert_msg(text[n] == '\n', "a line has no end");
		text += n + 1;
		if (strncmp(line, "# HELP ", 7) == 0)
			continue;
		if (sscanf(line, "# TYPE %127s", type) == 1)
			continue;
		ck_assert_int_eq(sscanf(line, "%127[a-z_]", name), 1);
		ck_assert_str_eq(name, type);
		char *end, *value = strrchr(line, ' ');
		ck_assert_ptr_nonnull(value);
		strtod(value + 1, &end);
		ck_assert_msg(end != value + 1 && *end == '\0', "%s", line);
	}
}

START_TEST(test_metrics)
{
	struct small_spec how = { .endpoints = 1, .max = 50 };
	up(&how);
	small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5");
	relay.dp->env.stat.drop[DROP_LAN_JUNK] = 12345678901;
	fake_net_advance(relay.net, 1234);
	struct json_object *o = get("{\"cmd\":\"metrics\"}");
	const char *text = string(o, "metrics");
	check_metrics(text);
	ck_assert_ptr_nonnull(strstr(text, "lwgate_drops_total{reason=\"lan_junk\"} 12345678901\n"));
	ck_assert_ptr_nonnull(strstr(text, "lwgate_drops_total{reason=\"wan_cut\"} 0\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nlwgate_flows_opened_total 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "lwgate_flows{state=\"up\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "lwgate_associations{server=\"cloud\",state=\"up\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nlwgate_uptime_seconds 1.234\n"));
	ck_assert_ptr_nonnull(strstr(text, "lwgate_build_info{version=\"" LWGATE_VERSION "\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nlwgate_flows_max 50\n"));
	json_object_put(o);
	small_relay_down(&relay);
}
END_TEST

START_TEST(test_reload)
{
	struct small_spec how = { .endpoints = 1 };
	up(&how);
	reload_result = 0;
	struct json_object *o = get("{\"cmd\":\"reload\"}");
	ck_assert(json_object_get_boolean(at(o, "ok")));
	ck_assert_uint_eq(json_object_array_length(at(o, "said")), 2);
	ck_assert_str_eq(string(o, "said/1"), "lwgate.conf:9: second \"fault\"");
	json_object_put(o);
	reload_result = -EINVAL;
	o = get("{\"cmd\":\"reload\"}");
	ck_assert(!json_object_get_boolean(at(o, "ok")));
	ck_assert_ptr_nonnull(strstr(string(o, "error"), "nothing was changed"));
	ck_assert_str_eq(string(o, "said/0"), "lwgate.conf:3: first fault");
	json_object_put(o);
	small_relay_down(&relay);
}
END_TEST

START_TEST(test_garbage)
{
	static const char *const lines[] = { "", " ", "status", "{}", "[]", "null", "{\"cmd\":1}",
		"{\"cmd\":null}", "{\"cmd\":\"\"}", "{\"cmd\":\"stat\"}", "{\"cmd\":\"statuses\"}",
		"{\"cmd\":\"status-and-much-more-text-behind-it\"}", "{\"cmd\":\"status\"",
		"{\"cmd\":\"status\"}x", "{\"cmd\":{\"cmd\":{\"cmd\":{\"cmd\":1}}}}", "\xff\xfe" };
	struct small_spec how = { .endpoints = 0 };
	up(&how);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct json_object *o = get(lines[i]);
		ck_assert_str_ne(string(o, "error"), "");
		ck_assert_uint_eq(json_object_object_length(o), 1);
		json_object_put(o);
	}
	small_relay_down(&relay);
}
END_TEST

START_TEST(test_nothing_is_there)
{
	struct small_spec how = { .no_listener = true };
	static const char *const requests[] = { "{\"cmd\":\"routes\"}", "{\"cmd\":\"endpoints\"}",
		"{\"cmd\":\"status\"}", "{\"cmd\":\"metrics\"}" };
	up(&how);
	for (size_t i = 0; i < 4; i++)
		json_object_put(get(requests[i]));
	small_relay_down(&relay);
	/* Nor has a configuration been applied. */
	struct fake_net *net = fake_net_create();
	ck_assert_int_eq(loop_create(&relay.loop), 0);
	ck_assert_int_eq(resolver_create(&relay.resolver, relay.loop), 0);
	ck_assert_int_eq(datapath_create(&relay.dp, relay.loop, relay.resolver, NULL, NULL), 0);
	spec.datapath = relay.dp;
	relay.net = net;
	for (size_t i = 0; i < 4; i++)
		json_object_put(get(requests[i]));
	small_relay_down(&relay);
}
END_TEST

/* Takes the answer in pieces and lets flows end and begin between them. */
static void shaken(const char *line)
{
	struct answer a;
	struct text t = { 0 }, all = { 0 };
	unsigned pieces = 0, next = 0;
	bool more = true;
	answer_begin(&a, &spec, line, strlen(line), &t, fake_net_now(relay.net));
	while (more) {
		struct flow *flow;
		char name[16];
		more = answer_more(&a, &t, fake_net_now(relay.net));
		text_bytes(&all, t.p, t.n);
		text_eat(&t, t.n);
		pieces++;
		for (unsigned i = 0; i < 20; i++, next += 7) {
			snprintf(name, sizeof(name), "dev-%u", next % 300);
			flow = small_relay_flow(&relay, name);
			if (flow != NULL)
				life_end(relay.dp, flow, "the test ends it");
			else
				small_relay_crowd(&relay, next % 300, next % 300 + 1);
		}
	}
	ck_assert_uint_gt(pieces, 1);
	struct json_object *o = json_tokener_parse(text_str(&all));
	ck_assert_msg(o != NULL, "no JSON for %s", line);
	json_object_put(o);
	answer_fini(&a);
	text_fini(&t);
	text_fini(&all);
}

START_TEST(test_flows_come_and_go)
{
	struct small_spec how = { .endpoints = 4, .max = 1000 };
	up(&how);
	small_relay_crowd(&relay, 0, 300);
	shaken("{\"cmd\":\"routes\"}");
	shaken("{\"cmd\":\"endpoints\"}");
	small_relay_down(&relay);
}
END_TEST

START_TEST(test_reload_between_pieces)
{
	struct small_spec how = { .endpoints = 8, .max = 5000 }, other = { .endpoints = 1, .max = 5000 };
	static const char *const requests[] = { "{\"cmd\":\"routes\"}", "{\"cmd\":\"endpoints\"}",
		"{\"cmd\":\"status\"}", "{\"cmd\":\"metrics\"}" };
	up(&how);
	small_relay_crowd(&relay, 0, 2100);
	for (size_t i = 0; i < 4; i++) {
		struct answer a;
		struct text t = { 0 };
		answer_begin(&a, &spec, requests[i], strlen(requests[i]), &t, fake_net_now(relay.net));
		ck_assert(answer_more(&a, &t, fake_net_now(relay.net)));
		how.secure = !how.secure;
		small_relay_apply(&relay, &other);
		while (answer_more(&a, &t, fake_net_now(relay.net)))
			;
		struct json_object *o = json_tokener_parse(text_str(&t));
		ck_assert_ptr_nonnull(o);
		json_object_put(o);
		text_fini(&t);
		answer_fini(&a);
	}
	small_relay_down(&relay);
}
END_TEST

Suite *answers_suite(void)
{
	Suite *s = suite_create("answers");
	SUITE_TEST(s, test_status);
	SUITE_TEST(s, test_routes);
	SUITE_TEST(s, test_opaque_routes);
	SUITE_TEST(s, test_identity_is_cut_and_keys_are_absent);
	SUITE_TEST(s, test_endpoints);
	SUITE_TEST(s, test_metrics);
	SUITE_TEST(s, test_reload);
	SUITE_TEST(s, test_garbage);
	SUITE_TEST(s, test_nothing_is_there);
	SUITE_TEST(s, test_flows_come_and_go);
	SUITE_TEST(s, test_reload_between_pieces);
	return s;
}
