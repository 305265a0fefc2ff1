/* Wanted state to rules: golden texts, what is refused, and that libnftables' words are ours. */
#include "netfilter.h"
#include "suite.h"
#include <errno.h>
#include "capture_samples.h"
#include "netfilter/plan.h"

#define IN "meta pkttype host fib daddr type != { local, broadcast, anycast, multicast }"
#define OUT "fib saddr type != local"
static struct plan plan;
static char why[CAPTURE_TEXT];

#define BOTH_GONE                                                                                  \
	"table inet lwgate {\n\tflags owner\n}\ndelete table inet lwgate\n"

START_TEST(plan_of_nothing_takes_all_away)
{
	struct capture c = { .generation = 1 };
	ck_assert_int_eq(plan_make(&plan, &c), 0);
	ck_assert_str_eq(plan.rules, BOTH_GONE "table inet lwgate {\n\tflags owner\n}\n"
		"table inet lwgate_closed {\n}\ndelete table inet lwgate_closed\n");
	ck_assert_uint_eq(plan.interface_count, 0);
	ck_assert(!plan.is_closed);
}
END_TEST

START_TEST(plan_captures_ports_from_interfaces)
{
	struct capture c = sample_wide();
	ck_assert_int_eq(plan_make(&plan, &c), 0);
	ck_assert_str_eq(plan.rules, BOTH_GONE
		"table inet lwgate {\n"
		"\tflags owner\n"
		"\tset interfaces0 {\n"
		"\t\ttype ifname\n"
		"\t\telements = { \"lan0\", \"br-lan.7\" }\n"
		"\t}\n"
		"\tset ports0 {\n"
		"\t\ttype inet_service\n"
		"\t\telements = { 5683, 5684 }\n"
		"\t}\n"
		"\tchain untracked {\n"
		"\t\ttype filter hook prerouting priority raw; policy accept;\n"
		"\t\tiifname @interfaces0 udp dport @ports0 " IN " notrack\n"
		"\t}\n"
		"\tchain captured {\n"
		"\t\ttype filter hook prerouting priority mangle; policy accept;\n"
		"\t\tiifname @interfaces0 udp dport 5683 " IN " tproxy to :5683"
		" meta mark set meta mark & 0xf7ffffff | 0x08000000 counter accept\n"
		"\t\tiifname @interfaces0 udp dport 5684 " IN " tproxy to :5684"
		" meta mark set meta mark & 0xf7ffffff | 0x08000000 counter accept\n"
		"\t}\n"
		"\tchain answers {\n"
		"\t\ttype filter hook output priority raw; policy accept;\n"
		"\t\toifname @interfaces0 udp sport @ports0 " OUT " notrack\n"
		"\t}\n"
		"}\n"
		"table inet lwgate_closed {\n}\ndelete table inet lwgate_closed\n");
	ck_assert_uint_eq(plan.interface_count, 2);
	ck_assert_str_eq(plan.interface[1], "br-lan.7");
	ck_assert_uint_eq(plan.mark, 0x8000000);
}
END_TEST

START_TEST(plan_narrows_to_servers_and_closes)
{
	struct capture c = sample_narrow();
	memmove(&c.listen[0], &c.listen[1], sizeof(c.listen[0]));
	c.listen_count = 1;
	c.mark = 0x10;
	c.mask = 0xf0;
	ck_assert_int_eq(plan_make(&plan, &c), 0);
	ck_assert_str_eq(plan.rules, BOTH_GONE
		"table inet lwgate {\n"
		"\tflags owner\n"
#define SETS                                                                                       \
	"\tset interfaces0 {\n"                                                                    \
	"\t\ttype ifname\n"                                                                        \
	"\t\telements = { \"lan0\" }\n"                                                            \
	"\t}\n"                                                                                    \
	"\tset ports0 {\n"                                                                         \
	"\t\ttype inet_service\n"                                                                  \
	"\t\telements = { 5783 }\n"                                                                \
	"\t}\n"                                                                                    \
	"\tset servers0_v4 {\n"                                                                    \
	"\t\ttype ipv4_addr\n"                                                                     \
	"\t\telements = { 198.51.100.10 }\n"                                                       \
	"\t}\n"                                                                                    \
	"\tset servers0_v6 {\n"                                                                    \
	"\t\ttype ipv6_addr\n"                                                                     \
	"\t\telements = { 2001:db8:2::10 }\n"                                                      \
	"\t}\n"
		SETS
		"\tchain untracked {\n"
		"\t\ttype filter hook prerouting priority raw; policy accept;\n"
		"\t\tiifname @interfaces0 ip daddr @servers0_v4 udp dport @ports0 " IN ""
		" notrack\n"
		"\t\tiifname @interfaces0 ip6 daddr @servers0_v6 udp dport @ports0 " IN ""
		" notrack\n"
		"\t}\n"
		"\tchain captured {\n"
		"\t\ttype filter hook prerouting priority mangle; policy accept;\n"
		"\t\tiifname @interfaces0 ip daddr @servers0_v4 udp dport 5783 " IN ""
		" tproxy ip to :5783 meta mark set meta mark & 0xffffff0f | 0x00000010 counter accept\n"
		"\t\tiifname @interfaces0 ip6 daddr @servers0_v6 udp dport 5783 " IN ""
		" tproxy ip6 to :5783 meta mark set meta mark & 0xffffff0f | 0x00000010 counter accept\n"
		"\t}\n"
		"\tchain answers {\n"
		"\t\ttype filter hook output priority raw; policy accept;\n"
		"\t\toifname @interfaces0 ip saddr @servers0_v4 udp sport @ports0 " OUT ""
		" notrack\n"
		"\t\toifname @interfaces0 ip6 saddr @servers0_v6 udp sport @ports0 " OUT ""
		" notrack\n"
		"\t}\n"
		"}\n"
		"table inet lwgate_closed {\n}\ndelete table inet lwgate_closed\n"
		"table inet lwgate_closed {\n"
		SETS
		"\tchain forward {\n"
		"\t\ttype filter hook forward priority filter; policy accept;\n"
		"\t\tiifname @interfaces0 ip daddr @servers0_v4 udp dport @ports0 " IN ""
		" counter drop\n"
		"\t\tiifname @interfaces0 ip6 daddr @servers0_v6 udp dport @ports0 " IN ""
		" counter drop\n"
		"\t}\n"
		"}\n");
	ck_assert(plan.is_closed);
}
END_TEST

START_TEST(plan_closes_for_the_listeners_that_ask)
{
	struct capture c = sample_narrow();
	ck_assert_int_eq(plan_make(&plan, &c), 0);
	const char *closed = strstr(plan.rules, "\tchain forward {");
	ck_assert_ptr_nonnull(closed);
	ck_assert_ptr_null(strstr(closed, "@interfaces0 "));
	ck_assert_ptr_nonnull(strstr(closed, "@interfaces1 "));
	/* An interface of two listeners has one policy rule. */
	ck_assert_uint_eq(plan.interface_count, 2);
}
END_TEST

START_TEST(plan_of_a_narrow_listener_without_servers_has_empty_sets)
{
	struct capture c = sample_narrow();
	c.listen[1].server_count = 0;
	ck_assert_int_eq(plan_make(&plan, &c), 0);
	ck_assert_ptr_nonnull(strstr(plan.rules, "\tset servers1_v4 {\n\t\ttype ipv4_addr\n\t}\n"));
}
END_TEST

static void refused(const struct capture *c, const char *says)
{
	ck_assert_int_eq(plan_check(c, why), -EINVAL);
	ck_assert_msg(strstr(why, says) != NULL, "it says: %s", why);
	ck_assert_int_eq(plan_make(&plan, c), -EINVAL);
}

START_TEST(plan_refuses_names_that_mean_more)
{
	static const char *const bad[] = { "", "eth*", "a\"b", "a b", "a/b", "a\\b", "a\nb", "\xc3\xa4" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct capture c = sample_wide();
		snprintf(c.listen[0].interface[1], IF_NAMESIZE, "%s", bad[i]);
		refused(&c, "interface");
	}
	struct capture c = sample_wide();
	memset(c.listen[0].interface[0], 'x', IF_NAMESIZE);
	refused(&c, "interface");
}
END_TEST

START_TEST(plan_refuses_what_is_not_whole)
{
	struct capture c = sample_wide();
	c.mark = 0;
	refused(&c, "mark");
	c.mark = 0x18000000;
	refused(&c, "mark");
	c = sample_wide();
	c.listen[0].interface_count = 0;
	refused(&c, "interfaces");
	c.listen[0].interface_count = CAPTURE_INTERFACES + 1;
	refused(&c, "interfaces");
	c = sample_wide();
	c.listen[0].port_count = 0;
	refused(&c, "ports");
	c.listen[0].port_count = CAPTURE_PORTS + 1;
	refused(&c, "ports");
	c = sample_wide();
	c.listen[0].port[1] = 0;
	refused(&c, "port 0");
	c = sample_wide();
	c.listen_count = CAPTURE_LISTENS + 1;
	refused(&c, "listeners");
	c = sample_narrow();
	c.listen[1].server[0] = addr_any(true, 0);
	refused(&c, "unicast");
	c.listen[1].server_count = CAPTURE_SERVERS + 1;
	refused(&c, "server");
}
END_TEST

/* The largest wanted state, with the longest names and addresses, has room. */
START_TEST(plan_has_room_for_the_largest)
{
	struct capture c = sample_wide();
	c.listen_count = CAPTURE_LISTENS;
	for (size_t i = 0; i < CAPTURE_LISTENS; i++) {
		struct capture_listen *l = &c.listen[i];
		l->interface_count = CAPTURE_INTERFACES;
		l->port_count = CAPTURE_PORTS;
		l->server_count = CAPTURE_SERVERS;
		l->is_narrow = l->is_closed = true;
		for (size_t k = 0; k < CAPTURE_INTERFACES; k++)
			snprintf(l->interface[k], IF_NAMESIZE, "interface%02zu-%02zu!", i, k);
		for (size_t k = 0; k < CAPTURE_PORTS; k++)
			l->port[k] = (uint16_t)(65000 + k);
		for (size_t k = 0; k < CAPTURE_SERVERS; k++) {
			ck_assert_int_eq(addr_parse(&l->server[k],
				"2001:1111:1111:1111:1111:1111:1111:1111"), 0);
			l->server[k].ip[15] = (uint8_t)k;
		}
	}
	ck_assert_int_eq(plan_make(&plan, &c), 0);
	ck_assert_uint_eq(plan.interface_count, PLAN_INTERFACES);
	ck_assert_ptr_nonnull(strstr(plan.rules, "interfaces7 ip6 daddr @servers7_v6 udp dport @ports7 "
		"" IN " counter drop\n\t}\n}\n"));
}
END_TEST

static bool captures(const struct capture *c, const char *text)
{
	struct addr a;
	ck_assert_int_eq(addr_parse(&a, text), 0);
	return plan_captures(c, &a);
}

START_TEST(plan_knows_what_it_captures)
{
	struct capture c = sample_narrow();
	ck_assert(captures(&c, "203.0.113.9:5683"));
	ck_assert(captures(&c, "[2001:db8::1]:5684"));
	ck_assert(!captures(&c, "203.0.113.9:5685"));
	ck_assert(captures(&c, "198.51.100.10:5783"));
	ck_assert(captures(&c, "[2001:db8:2::10]:5783"));
	ck_assert(!captures(&c, "198.51.100.11:5783"));
}
END_TEST

Suite *plan_suite(void)
{
	Suite *s = suite_create("plan");
	SUITE_TEST(s, plan_of_nothing_takes_all_away);
	SUITE_TEST(s, plan_captures_ports_from_interfaces);
	SUITE_TEST(s, plan_narrows_to_servers_and_closes);
	SUITE_TEST(s, plan_closes_for_the_listeners_that_ask);
	SUITE_TEST(s, plan_of_a_narrow_listener_without_servers_has_empty_sets);
	SUITE_TEST(s, plan_refuses_names_that_mean_more);
	SUITE_TEST(s, plan_refuses_what_is_not_whole);
	SUITE_TEST(s, plan_has_room_for_the_largest);
	SUITE_TEST(s, plan_knows_what_it_captures);
	return s;
}
