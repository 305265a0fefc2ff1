/* The doors to the kernel, each by itself, in a network of the test's: tables, rules and routes,
 * conntrack, transparent sockets, rights. The network tests show them at work together. */
#include "suite.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "capture_samples.h"
#include "netfilter.h"
#include "netfilter/ct.h"
#include "netfilter/nft.h"
#include "netfilter/plan.h"
#include "netfilter/policy.h"
#include "netfilter/rights.h"
#include "netfilter/transparent.h"
#include "netns.h"

static char why[CAPTURE_TEXT];
static struct plan plan;
static struct capture capture;
static struct ruleset *ruleset;
static struct policy *policy;
static struct capture_counts counts;

static void begin(void)
{
	netns_enter();
	capture = sample_narrow();
	ck_assert_int_eq(plan_make(&plan, &capture), 0);
}

/* ---- tables ------------------------------------------------------------------------------------ */

START_TEST(nft_takes_the_golden_rules)
{
	begin();
	ck_assert_int_eq(ruleset_open(&ruleset), 0);
	ck_assert_int_eq(ruleset_run(ruleset, PLAN_EMPTY, why), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_msg(ruleset_run(ruleset, plan.rules, why) == 0, "%s", why);
	netns_run("nft list table inet lwgate | grep -q 'tproxy ip6 to :5783'");
	netns_run("nft list table inet lwgate_closed | grep -q drop");
	ruleset_close(ruleset);
	netns_run("! nft list table inet lwgate 2>/dev/null");
	netns_run("nft list table inet lwgate_closed | grep -q drop");
	ruleset_close(NULL);
}
END_TEST

START_TEST(nft_takes_the_largest_rules)
{
	begin();
	capture.listen_count = CAPTURE_LISTENS;
	for (size_t i = 0; i < CAPTURE_LISTENS; i++) {
		capture.listen[i] = capture.listen[1];
		capture.listen[i].port_count = CAPTURE_PORTS;
		for (size_t k = 0; k < CAPTURE_PORTS; k++)
			capture.listen[i].port[k] = (uint16_t)(6000 + k);
		capture.listen[i].server_count = CAPTURE_SERVERS;
		for (size_t k = 0; k < CAPTURE_SERVERS; k++) {
			capture.listen[i].server[k] = capture.listen[i].server[0];
			capture.listen[i].server[k].ip[14] = (uint8_t)k;
		}
	}
	ck_assert_int_eq(plan_make(&plan, &capture), 0);
	ck_assert_int_eq(ruleset_open(&ruleset), 0);
	ck_assert_msg(ruleset_run(ruleset, plan.rules, why) == 0, "%s", why);
	ruleset_close(ruleset);
}
END_TEST

START_TEST(nft_is_one_transaction)
{
	begin();
	ck_assert_int_eq(ruleset_open(&ruleset), 0);
	ck_assert_int_eq(ruleset_run(ruleset, plan.rules, why), 0);
	uint64_t before = ruleset_digest(ruleset, PLAN_TABLE);
	ck_assert_int_eq(ruleset_run(ruleset, PLAN_EMPTY "add rule inet lwgate nowhere drop\n", why), -EIO);
	ck_assert_msg(strstr(why, "refused") != NULL, "it says: %s", why);
	ck_assert_int_eq(ruleset_run(ruleset, "what is this", why), -EIO);
	ck_assert_uint_ne(before, 0);
	ck_assert_uint_eq(ruleset_digest(ruleset, PLAN_TABLE), before);
	ruleset_close(ruleset);
}
END_TEST

START_TEST(nft_is_not_inherited)
{
	begin();
	ck_assert_int_eq(ruleset_open(&ruleset), 0);
	ck_assert_int_eq(ruleset_run(ruleset, plan.rules, why), 0);
	int seen = 0;
	for (int fd = 3; fd < 64; fd++) {
		int domain = 0;
		socklen_t n = sizeof(domain);
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) != 0 || domain != AF_NETLINK)
			continue;
		ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
		seen++;
	}
	ck_assert_int_ge(seen, 1);
	ruleset_close(ruleset);
}
END_TEST

START_TEST(nft_says_that_another_owns_the_table)
{
	struct ruleset *second;
	begin();
	ck_assert_int_eq(ruleset_open(&ruleset), 0);
	ck_assert_int_eq(ruleset_open(&second), 0);
	ck_assert_int_eq(ruleset_run(ruleset, plan.rules, why), 0);
	ck_assert_int_eq(ruleset_run(second, PLAN_EMPTY, why), -EBUSY);
	ck_assert_msg(strstr(why, "another process owns") != NULL, "it says: %s", why);
	ruleset_close(ruleset);
	ck_assert_int_eq(ruleset_run(second, PLAN_EMPTY, why), 0);
	ruleset_close(second);
	netns_run("nft add table inet lwgate");
	ck_assert_int_eq(ruleset_open(&second), 0);
	ck_assert_int_eq(ruleset_run(second, PLAN_EMPTY, why), -EEXIST);
	ck_assert_int_eq(ruleset_run(second, PLAN_REMOVE, why), 0);
	ck_assert_int_eq(ruleset_run(second, PLAN_EMPTY, why), 0);
	ruleset_close(second);
}
END_TEST

START_TEST(nft_tells_of_our_table_only)
{
	int fd;
	begin();
	ck_assert_int_eq(ruleset_watch(&fd), 0);
	ck_assert(!ruleset_touched(fd, PLAN_CLOSED));
	netns_run("nft add table inet other; nft add table inet lwgate_close; nft delete table inet other");
	ck_assert(!ruleset_touched(fd, PLAN_CLOSED));
	netns_run("nft add table inet lwgate_closed");
	ck_assert(ruleset_touched(fd, PLAN_CLOSED));
	netns_run("nft add chain inet lwgate_closed x");
	ck_assert(ruleset_touched(fd, PLAN_CLOSED));
	netns_run("nft flush ruleset");
	ck_assert(ruleset_touched(fd, PLAN_CLOSED));
	ck_assert(!ruleset_touched(fd, PLAN_CLOSED));
	close(fd);
}
END_TEST

/* ---- rules and routes -------------------------------------------------------------------------- */

static void read_events(void)
{
	/* What we mend makes events itself. */
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(policy_read(policy, &counts), 0);
}

static void set_policy(void)
{
	begin();
	netns_run("ip link add lan0 type veth peer name lan9");
	ck_assert_int_eq(policy_open(&policy), 0);
	ck_assert_msg(policy_set(policy, &plan, why) == 0, "%s", why);
	read_events();
}

static void has(unsigned rules, unsigned routes)
{
	netns_run("for f in 4 6; do [ $(ip -$f rule | grep -c 'lookup 5683') = %u ] &&"
		" [ $(ip -$f route show table 5683 | grep -c '^local default dev lo') = %u ] || exit 1; done",
		rules, routes);
}

START_TEST(policy_is_set_and_cleared)
{
	set_policy();
	has(2, 1);
	netns_run("ip rule | grep -q 'fwmark 0x8000000/0x8000000 iif br-lan.7'");
	ck_assert_int_eq(policy_set(policy, &plan, why), 0);
	has(2, 1);
	policy_clear(policy);
	has(0, 0);
	read_events();
	has(0, 0);
	policy_clear(policy);
	ck_assert_uint_eq(counts.rules + counts.routes, 0);
	policy_close(policy);
	policy_close(NULL);
}
END_TEST

/* Captured packets of before, with another mark, find their way until the rules are changed as well. */
START_TEST(policy_of_before_stays_until_it_is_set)
{
	set_policy();
	uint32_t mark = plan.mark;
	plan.mark = plan.mask = 0x40;
	ck_assert_int_eq(policy_add(policy, &plan, why), 0);
	has(4, 1);
	ck_assert_int_eq(policy_set(policy, &plan, why), 0);
	has(2, 1);
	netns_run("ip rule | grep -q 'fwmark 0x40/0x40 iif br-lan.7'");
	plan.mark = plan.mask = mark;
	plan.interface_count = 0;
	ck_assert_int_eq(policy_add(policy, &plan, why), 0);
	has(2, 1);
	ck_assert_int_eq(policy_set(policy, &plan, why), 0);
	has(0, 0);
	read_events();
	ck_assert_uint_eq(counts.rules + counts.routes, 0);
	policy_close(policy);
}
END_TEST

START_TEST(policy_takes_leftovers_over)
{
	netns_enter();
	netns_run("for f in 4 6; do ip -$f rule add prio 568 iif old fwmark 1/1 lookup 5683;"
		"ip -$f rule add prio 568 fwmark 0x8000000/0x8000000 lookup 5683;"
		"ip -$f rule add prio 568 iif lan0 fwmark 0x8000000/0x8000000 lookup 5683;"
		"ip -$f rule add prio 568 iif lan0 fwmark 0x8000000/0x8000000 dport 7 lookup 5683 || :;"
		"ip -$f route add unreachable default table 5683; done");
	capture = sample_narrow();
	ck_assert_int_eq(plan_make(&plan, &capture), 0);
	ck_assert_int_eq(policy_open(&policy), 0);
	ck_assert_msg(policy_set(policy, &plan, why) == 0, "%s", why);
	has(2, 1);
	policy_close(policy);
	has(2, 1);
}
END_TEST

START_TEST(policy_mends_and_counts)
{
	set_policy();
	netns_run("ip rule del prio 568; ip -6 rule flush table 5683 2>/dev/null || ip -6 rule del prio 568");
	read_events();
	has(2, 1);
	ck_assert_uint_ge(counts.rules, 2);
	ck_assert_uint_eq(counts.routes, 0);
	netns_run("ip -6 route del default table 5683; ip route replace blackhole default table 5683");
	read_events();
	has(2, 1);
	ck_assert_uint_eq(counts.routes, 2);
	struct capture_counts before = counts;
	netns_run("ip rule add prio 567 fwmark 9 lookup 77; ip route add blackhole default table 77;"
		"ip rule del prio 567");
	netns_run("ip rule add prio 568 iif lan0 fwmark 1 lookup 5683");
	read_events();
	has(2, 1);
	ck_assert_mem_eq(&before, &counts, sizeof(counts));
	policy_close(policy);
}
END_TEST

START_TEST(policy_mends_when_events_were_lost)
{
	set_policy();
	int small = 1;
	ck_assert_int_eq(setsockopt(policy_fd(policy), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	netns_run("i=0; while [ $i -lt 20 ]; do ip link set lan9 up; ip link set lan9 down; i=$((i+1)); done;"
		"ip rule del prio 568; ip link del lan0");
	read_events();
	has(2, 1);
	policy_close(policy);
}
END_TEST

START_TEST(policy_does_without_ipv6)
{
	begin();
	netns_sysctl("net/ipv6/conf/lo/disable_ipv6", "1");
	ck_assert_int_eq(policy_open(&policy), 0);
	ck_assert_msg(policy_set(policy, &plan, why) == 0, "%s", why);
	netns_run("ip rule | grep -q 'lookup 5683' && ip route show table 5683 | grep -q local");
	netns_run("! ip -6 route show table 5683 2>/dev/null | grep -q local");
	netns_sysctl("net/ipv6/conf/lo/disable_ipv6", "0");
	read_events();
	has(2, 1);
	netns_sysctl("net/ipv6/conf/lo/disable_ipv6", "1");
	read_events();
	netns_sysctl("net/ipv6/conf/lo/disable_ipv6", "0");
	read_events();
	has(2, 1);
	policy_close(policy);
}
END_TEST

/* Without IPv6, whose addresses tell of it too. */
START_TEST(policy_mends_after_lo)
{
	begin();
	netns_sysctl("net/ipv6/conf/lo/disable_ipv6", "1");
	ck_assert_int_eq(policy_open(&policy), 0);
	ck_assert_int_eq(policy_set(policy, &plan, why), 0);
	read_events();
	netns_run("ip link set lo down; ip route flush table 5683");
	read_events();
	netns_run("! ip route show table 5683 | grep -q local; ip link set lo up");
	read_events();
	netns_run("ip route show table 5683 | grep -q local");
	ck_assert_uint_eq(counts.routes, 1);
	netns_run("ip addr flush dev lo; ! ip route show table 5683 | grep -q local");
	read_events();
	netns_run("ip route show table 5683 | grep -q local");
	ck_assert_uint_eq(counts.routes, 2);
	policy_close(policy);
}
END_TEST

START_TEST(policy_leaves_other_links_alone)
{
	set_policy();
	netns_run("ip link set lan9 up; ip link set lan0 name lanx; ip link del lanx;"
		"ip link add lan0 type veth peer name lan9");
	read_events();
	has(2, 1);
	ck_assert_uint_eq(counts.rules + counts.routes, 0);
	policy_close(policy);
}
END_TEST

/* ---- sockets, conntrack, rights ---------------------------------------------------------------- */

static bool is_transparent(int fd, bool v4)
{
	int on = 0;
	socklen_t n = sizeof(on);
	ck_assert_int_eq(getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
		v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, &on, &n), 0);
	return on == 1;
}

START_TEST(transparent_is_what_all_copies_share)
{
	netns_enter();
	for (int v4 = 0; v4 < 2; v4++) {
		struct sockaddr_storage ss;
		struct addr any = addr_any(v4 == 1, 5683);
		socklen_t n = addr_to_sockaddr(&any, &ss);
		int fd = socket(ss.ss_family, SOCK_DGRAM, 0);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, n), 0);
		int copy = dup(fd);
		ck_assert(!is_transparent(fd, v4 == 1));
		ck_assert_int_eq(transparent_make(copy), 0);
		ck_assert_int_eq(transparent_make(copy), 0);
		close(copy);
		ck_assert(is_transparent(fd, v4 == 1));
		int buffer = 0;
		socklen_t size = sizeof(buffer);
		ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, &size), 0);
		ck_assert_int_ge(buffer, CAPTURE_BUFFER); /* whatever net.core.rmem_max says */
		close(fd);
	}
}
END_TEST

START_TEST(transparent_are_udp_sockets_only)
{
	static const int other[][3] = { { AF_INET, SOCK_STREAM, 0 }, { AF_INET6, SOCK_STREAM, 0 },
		{ AF_INET, SOCK_RAW, IPPROTO_UDP }, { AF_INET, SOCK_DGRAM, IPPROTO_ICMP },
		{ AF_UNIX, SOCK_DGRAM, 0 }, { AF_NETLINK, SOCK_DGRAM, 0 } };
	netns_enter();
	netns_sysctl("net/ipv4/ping_group_range", "0 0");
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		int fd = socket(other[i][0], other[i][1], other[i][2]);
		ck_assert_msg(fd >= 0, "%zu: %s", i, strerror(errno));
		ck_assert_int_eq(transparent_make(fd), -EINVAL);
		close(fd);
	}
	int file = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(transparent_make(file), -EINVAL);
	close(file);
	ck_assert_int_eq(transparent_make(file), -EINVAL);
}
END_TEST

START_TEST(ct_forgets_nothing_where_nothing_is)
{
	begin();
	ck_assert_int_eq(ct_forget(&capture), 0);
	capture.listen_count = 0;
	ck_assert_int_eq(ct_forget(&capture), 0);
}
END_TEST

/* In a child, since all of it is for good. */
static void without_rights(void)
{
	if (rights_check(why) != 0 || why[0] != '\0')
		_exit(1);
	if (rights_drop() != 0 || rights_check(why) != 0)
		_exit(2);
	if (prctl(PR_GET_DUMPABLE) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		_exit(3);
	/* A right that root had. */
	if (chroot("/") == 0 || errno != EPERM)
		_exit(4);
	struct sockaddr_in any = { .sin_family = AF_INET };
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (rights_filter(false) != 0)
		_exit(5);
	/* One that was passed can be made transparent, and used for nothing that a name leads to. */
	if (transparent_make(udp) != 0 || connect(udp, (struct sockaddr *)&any, sizeof(any)) == 0)
		_exit(10);
	if (socket(AF_NETLINK, SOCK_RAW, 0) < 0)
		_exit(6);
	if (socket(AF_INET, SOCK_DGRAM, 0) >= 0 || socket(AF_INET6, SOCK_DGRAM, 0) >= 0 ||
		socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0)
		_exit(7);
	if (open("/dev/null", O_WRONLY) >= 0 || open("/tmp/x", O_RDONLY | O_CREAT, 0600) >= 0 ||
		open("/dev/null", O_RDONLY) < 0)
		_exit(8);
	if (syscall(SYS_execve, "/bin/true", NULL, NULL) == 0 || errno != EPERM ||
		syscall(SYS_ptrace, 0, 0, 0, 0) == 0 || errno != EPERM || syscall(SYS_fork) >= 0)
		_exit(9);
	_exit(0);
}

START_TEST(rights_are_given_up)
{
	netns_enter();
	pid_t pid = fork();
	int status = 0;
	if (pid == 0)
		without_rights();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "status %x", (unsigned)status);
}
END_TEST

Suite *doors_suite(void)
{
	Suite *s = suite_create("doors");
	SUITE_TEST(s, nft_takes_the_golden_rules);
	SUITE_TEST(s, nft_takes_the_largest_rules);
	SUITE_TEST(s, nft_is_one_transaction);
	SUITE_TEST(s, nft_is_not_inherited);
	SUITE_TEST(s, nft_says_that_another_owns_the_table);
	SUITE_TEST(s, nft_tells_of_our_table_only);
	SUITE_TEST(s, policy_is_set_and_cleared);
	SUITE_TEST(s, policy_of_before_stays_until_it_is_set);
	SUITE_TEST(s, policy_takes_leftovers_over);
	SUITE_TEST(s, policy_mends_and_counts);
	SUITE_TEST(s, policy_mends_when_events_were_lost);
	SUITE_TEST(s, policy_does_without_ipv6);
	SUITE_TEST(s, policy_mends_after_lo);
	SUITE_TEST(s, policy_leaves_other_links_alone);
	SUITE_TEST(s, transparent_is_what_all_copies_share);
	SUITE_TEST(s, transparent_are_udp_sockets_only);
	SUITE_TEST(s, ct_forgets_nothing_where_nothing_is);
	SUITE_TEST(s, rights_are_given_up);
	return s;
}
