/* What rules of others do to captured traffic, judged from listings of nftables as `nft -j` made them. */
#include "suite.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "conf/conf.h"
#include "control/look.h"
#include "control/text.h"

Suite *look_suite(void);

/* Pieces of listings. */
#define CHAIN(policy)                                                                              \
	"{\"chain\":{\"family\":\"inet\",\"table\":\"fw4\",\"name\":\"input\",\"handle\":1,"         \
	"\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"" policy "\"}}"
#define RULE_IN(chain, expr)                                                                       \
	",{\"rule\":{\"family\":\"inet\",\"table\":\"fw4\",\"chain\":\"" chain "\",\"handle\":6,"    \
	"\"expr\":[" expr "]}}"
#define RULE(expr) RULE_IN("input", expr)
#define MATCH(op, left, right)                                                                     \
	"{\"match\":{\"op\":\"" op "\",\"left\":" left ",\"right\":" right "}},"
#define META(key) "{\"meta\":{\"key\":\"" key "\"}}"
#define DPORT     "{\"payload\":{\"protocol\":\"udp\",\"field\":\"dport\"}}"
#define MARKED(mask) "{\"&\":[" META("mark") "," mask "]}"
#define STATES                                                                                     \
	"{\"vmap\":{\"key\":{\"ct\":{\"key\":\"state\"}},\"data\":{\"set\":[[\"established\","        \
	"{\"accept\":null}],[\"related\",{\"accept\":null}]]}}}"
#define CT_STATE "{\"ct\":{\"key\":\"state\"}}"
#define ACCEPT "{\"accept\":null}"
#define DROP   "{\"drop\":null}"
#define JUMP(to) "{\"jump\":{\"target\":\"" to "\"}}"

#define MEND "nft insert rule inet fw4 input meta mark and 0x8000000 == 0x8000000 accept"

static char said[4096];
static unsigned warnings;

static void note(void *arg, const struct conf_listen *listen, const char *text)
{
	(void)arg;
	(void)listen;
	size_t n = strlen(said);
	snprintf(said + n, sizeof(said) - n, "%s\n", text);
	warnings++;
}

static void look(const char *text, bool intercept)
{
	const char *names[] = { "br-lan" };
	struct conf_listen listen = { .name = "lan", .interface = { names, 1 }, .coap = 5683,
		.coaps = 5684, .coaps_is_set = true, .intercept = intercept };
	struct conf conf = { .gateway = { .mark = 0x8000000, .mark_mask = 0x8000000 },
		.listen = &listen, .listen_count = 1 };
	struct json_object *rules = look_read(text, strlen(text));
	ck_assert_ptr_nonnull(rules);
	said[0] = '\0';
	warnings = 0;
	look_rules(rules, &conf, note, NULL);
	json_object_put(rules);
}

/* What is said of a chain and its rules: nothing, that it drops, that it may drop. */
enum outcome { SILENT, DROPS, MAY_DROP };
static const struct {
	const char *name, *list;
	enum outcome wanted;
} rows[] = {
	{ "policy accept", CHAIN("accept"), SILENT },
	{ "policy drop", CHAIN("drop"), DROPS },
	{ "drops at its end", CHAIN("accept") RULE(DROP), DROPS },
	{ "the mark is accepted",
		CHAIN("drop") RULE(MATCH("==", MARKED("134217728"), "134217728") ACCEPT), SILENT },
	{ "the mark is not 0",
		CHAIN("drop") RULE(MATCH("!=", MARKED("134217728"), "0") ACCEPT), SILENT },
	{ "the whole mark", CHAIN("drop") RULE(MATCH("==", META("mark"), "134217728") ACCEPT), SILENT },
	{ "another mark", CHAIN("drop") RULE(MATCH("==", MARKED("255"), "1") ACCEPT), DROPS },
	{ "too late", CHAIN("accept") RULE(DROP) RULE(MATCH("==", META("mark"), "134217728") ACCEPT),
		DROPS },
	{ "one port of two", CHAIN("drop") RULE(MATCH("==", DPORT, "5683") ACCEPT), DROPS },
	{ "both ports", CHAIN("drop") RULE(MATCH("==", DPORT, "{\"set\":[5683,5684]}") ACCEPT), SILENT },
	{ "a range", CHAIN("drop") RULE(MATCH("==", DPORT, "{\"range\":[5683,5684]}") ACCEPT), SILENT },
	{ "the interface",
		CHAIN("drop") RULE(MATCH("==", META("iifname"), "{\"set\":[\"eth1\",\"br-lan\"]}") ACCEPT),
		SILENT },
	{ "interfaces of that beginning",
		CHAIN("drop") RULE(MATCH("==", META("iifname"), "\"br-*\"") ACCEPT), SILENT },
	{ "lo", CHAIN("drop") RULE(MATCH("==", META("iif"), "\"lo\"") ACCEPT), DROPS },
	{ "all UDP", CHAIN("drop") RULE(MATCH("==", META("l4proto"), "\"udp\"") ACCEPT), SILENT },
	{ "TCP", CHAIN("drop") RULE(MATCH("==",
		"{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}}", "5683") ACCEPT), DROPS },
	{ "known flows", CHAIN("drop") RULE(STATES), DROPS },
	{ "new flows, and ours are untracked", CHAIN("drop") RULE(MATCH("in", CT_STATE, "\"new\"") ACCEPT),
		DROPS },
	{ "untracked", CHAIN("drop") RULE(MATCH("in", CT_STATE, "[\"new\",\"untracked\"]") ACCEPT),
		SILENT },
	{ "a jump", CHAIN("drop") RULE(MATCH("==", META("iifname"), "\"br-lan\"") JUMP("lan"))
		RULE_IN("lan", ACCEPT), SILENT },
	{ "a jump that rejects", CHAIN("accept") RULE(JUMP("all")) RULE_IN("all", "{\"reject\":null}"),
		DROPS },
	{ "a jump that returns", CHAIN("drop") RULE(JUMP("lan"))
		RULE_IN("lan", "{\"return\":null}") RULE_IN("lan", ACCEPT), DROPS },
	{ "a jump to itself", CHAIN("drop") RULE(JUMP("input")), MAY_DROP },
	{ "an address", CHAIN("drop") RULE(MATCH("==",
		"{\"payload\":{\"protocol\":\"ip\",\"field\":\"saddr\"}}", "\"10.0.0.1\"") ACCEPT), MAY_DROP },
	{ "an address that is dropped", CHAIN("accept") RULE(MATCH("==",
		"{\"payload\":{\"protocol\":\"ip\",\"field\":\"saddr\"}}", "\"10.0.0.1\"") DROP), SILENT },
	{ "xtables", CHAIN("drop") RULE("{\"xt\":null}"), MAY_DROP },
	{ "so many a second", CHAIN("drop") RULE("{\"limit\":{\"rate\":1}}," ACCEPT), MAY_DROP },
	{ "nonsense", CHAIN("drop") ",7,null,[],{\"rule\":5},{\"chain\":[]},{\"rule\":{}}"
		RULE("4,{\"match\":3},{\"match\":{\"op\":7}}"), DROPS },
};

START_TEST(a_chain_is_judged_by_what_it_does_to_a_captured_packet)
{
	char text[4096];
	snprintf(text, sizeof(text), "{\"nftables\":[%s]}", rows[_i].list);
	look(text, true);
	ck_assert_msg(warnings == (rows[_i].wanted != SILENT), "%s: %s", rows[_i].name, said);
	if (rows[_i].wanted == SILENT)
		return;
	ck_assert_msg(strstr(said, rows[_i].wanted == DROPS ? "' drops " : "' may drop ") != NULL,
		"%s: %s", rows[_i].name, said);
	ck_assert_msg(strstr(said, MEND) != NULL, "%s: %s", rows[_i].name, said);
	look(text, false);
	ck_assert_msg(warnings == 0, "%s, without interception: %s", rows[_i].name, said);
}
END_TEST

START_TEST(flows_that_are_offloaded_are_told)
{
	look("{\"nftables\":[{\"rule\":{\"family\":\"inet\",\"table\":\"fw4\",\"chain\":\"forward\","
		"\"expr\":[{\"flow\":{\"op\":\"add\",\"flowtable\":\"@ft\"}}]}}]}", true);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_nonnull(strstr(said, "flow_offloading"));
}
END_TEST

START_TEST(a_name_that_a_shell_would_read_stands_in_no_command)
{
	look("{\"nftables\":[{\"chain\":{\"family\":\"inet\",\"table\":\"a;reboot\",\"name\":\"input\","
		"\"type\":\"filter\",\"hook\":\"input\",\"policy\":\"drop\"}}]}", true);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_null(strstr(said, "reboot"));
}
END_TEST

START_TEST(a_name_that_is_too_long_stands_in_no_command)
{
	char text[1024], name[241] = "";
	memset(name, 'n', sizeof(name) - 1);
	snprintf(text, sizeof(text), "{\"nftables\":[{\"chain\":{\"family\":\"inet\",\"table\":\"%s\","
		"\"name\":\"%s\",\"type\":\"filter\",\"hook\":\"input\",\"policy\":\"drop\"}}]}", name, name);
	look(text, true);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_null(strstr(said, "insert"));
	ck_assert_ptr_nonnull(strstr(said, "meta mark and 0x8000000 == 0x8000000 accept"));
}
END_TEST

START_TEST(what_mends_is_told_for_now_and_to_last)
{
	look("{\"nftables\":[" CHAIN("drop") "]}", true);
	ck_assert_ptr_nonnull(strstr(said, MEND "; and, to last, mkdir -p /usr/share/nftables.d/chain-pre/input"
		" && echo 'meta mark and 0x8000000 == 0x8000000 accept' "
		">/usr/share/nftables.d/chain-pre/input/lwgate.nft\n"));
	look("{\"nftables\":[{\"chain\":{\"family\":\"inet\",\"table\":\"filter\",\"name\":\"input\","
		"\"type\":\"filter\",\"hook\":\"input\",\"policy\":\"drop\"}}]}", true);
	ck_assert_ptr_nonnull(strstr(said, "; and, to last, 'meta mark and 0x8000000 == 0x8000000 accept' "
		"first in that chain in the firewall's own file (Debian: /etc/nftables.conf)\n"));
}
END_TEST

/* Without who would come by DTLS its port is not opened, so rules for it do not matter. */
START_TEST(a_port_that_is_not_opened_is_not_looked_at)
{
	const char *names[] = { "br-lan" };
	const struct conf_endpoint endpoint = { .lan_identity = "meter" };
	struct conf_listen listen = { .name = "lan", .interface = { names, 1 }, .coap = 5683,
		.coaps = 5684, .intercept = true };
	struct conf conf = { .gateway = { .mark = 0x8000000, .mark_mask = 0x8000000 },
		.listen = &listen, .listen_count = 1 };
	static const char text[] = "{\"nftables\":["
		CHAIN("drop") RULE(MATCH("==", DPORT, "5683") ACCEPT) "]}";
	for (unsigned i = 0; i < 2; i++) {
		struct json_object *rules = look_read(text, strlen(text));
		conf.endpoint = (struct conf_endpoint *)(uintptr_t)&endpoint;
		conf.endpoint_count = i;
		said[0] = '\0';
		warnings = 0;
		look_rules(rules, &conf, note, NULL);
		json_object_put(rules);
		ck_assert_uint_eq(warnings, i);
	}
}
END_TEST

START_TEST(what_is_no_listing_is_refused)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"nftables\":{}}", "7" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_ptr_null(look_read(texts[i], strlen(texts[i])));
	struct text deep = { 0 };
	text_add(&deep, "{\"nftables\":[");
	for (unsigned i = 0; i < 100000; i++)
		text_add(&deep, "[");
	ck_assert_ptr_null(look_read(text_str(&deep), deep.n));
	text_fini(&deep);
}
END_TEST

/* Sixteen chains that each jump twice to the next: the walk is bounded, and the outcome is not known. */
START_TEST(chains_without_end_are_not_walked_to_their_end)
{
	struct text t = { 0 };
	text_add(&t, "{\"nftables\":[" CHAIN("drop") RULE(JUMP("c0")));
	for (unsigned i = 0; i < 15; i++)
		for (unsigned k = 0; k < 8; k++)
			text_addf(&t, ",{\"rule\":{\"family\":\"inet\",\"table\":\"fw4\",\"chain\":\"c%u\","
				"\"expr\":[{\"jump\":{\"target\":\"c%u\"}}]}}", i, i + 1);
	text_add(&t, "]}");
	look(text_str(&t), true);
	text_fini(&t);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_nonnull(strstr(said, "may drop"));
}
END_TEST

Suite *look_suite(void)
{
	Suite *s = suite_create("look");
	TCase *c = tcase_create("rows");
	tcase_add_loop_test(c, a_chain_is_judged_by_what_it_does_to_a_captured_packet, 0,
		sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(s, c);
	SUITE_TEST(s, flows_that_are_offloaded_are_told);
	SUITE_TEST(s, a_name_that_a_shell_would_read_stands_in_no_command);
	SUITE_TEST(s, a_name_that_is_too_long_stands_in_no_command);
	SUITE_TEST(s, what_mends_is_told_for_now_and_to_last);
	SUITE_TEST(s, a_port_that_is_not_opened_is_not_looked_at);
	SUITE_TEST(s, what_is_no_listing_is_refused);
	SUITE_TEST(s, chains_without_end_are_not_walked_to_their_end);
	return s;
}
