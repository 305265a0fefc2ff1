/* The kernel's events: what may change a source address is told, noise is not, a loss is. */
#include "suite.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "netfilter/rtnl.h"
#include "netfilter.h"
#include "netns.h"

static struct rtnl *rtnl;

static void drain(void)
{
	int rc;
	while ((rc = rtnl_read(rtnl)) > 0)
		;
	ck_assert_int_eq(rc, 0);
}

static void setup(void)
{
	netns_enter();
	netns_join(netns_create(), "eth0");
	ck_assert_int_eq(rtnl_open(&rtnl), 0);
	drain();
}

/* Events are there when the command that made them returned. */
static void tells(const char *line)
{
	netns_run("%s", line);
	struct pollfd p = { .fd = rtnl_fd(rtnl), .events = POLLIN };
	ck_assert_msg(poll(&p, 1, 5000) == 1, "no event: %s", line);
	ck_assert_msg(rtnl_read(rtnl) == 1, "not told: %s", line);
	drain();
}

static void is_silent(const char *line)
{
	netns_run("%s", line);
	ck_assert_msg(rtnl_read(rtnl) == 0, "told: %s", line);
}

START_TEST(rtnl_tells_what_may_change_a_source_address)
{
	setup();
	tells("ip addr add 10.0.0.1/24 dev eth0");
	tells("ip addr add 10.0.0.2/24 dev eth0");
	tells("ip addr del 10.0.0.1/24 dev eth0");
	tells("ip addr add fd00::1/64 dev eth0 nodad");
	tells("ip addr del fd00::1/64 dev eth0");
	tells("ip addr add 10.1.0.1/24 dev eth0");
	tells("ip route add default via 10.1.0.9");
	tells("ip route replace default via 10.1.0.8");
	tells("ip route del default");
	tells("ip route add blackhole 203.0.113.0/24");
	tells("ip -6 route add 2001:db8::/32 dev eth0");
	tells("ip -6 route del 2001:db8::/32 dev eth0");
	tells("ip rule add from 10.1.0.1 table 7");
	tells("ip -6 rule add from fd00::1 table 7");
	tells("ip link set eth0 down");
	tells("ip link set eth0 up");
	tells("ip link del eth0");
	rtnl_close(rtnl);
}
END_TEST

START_TEST(rtnl_tells_a_carrier)
{
	netns_enter();
	int there = netns_create(), here = netns_here();
	netns_join(there, "eth0");
	ck_assert_int_eq(rtnl_open(&rtnl), 0);
	drain();
	netns_move(there);
	tells("ip link set eth0 down");
	tells("ip link set eth0 up");
	netns_move(here);
	rtnl_close(rtnl);
}
END_TEST

START_TEST(rtnl_keeps_noise_back)
{
	setup();
	netns_run("ip addr add 10.0.0.1/24 dev eth0");
	drain();
	is_silent("ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev eth0");
	is_silent("ip -6 neigh add fe80::7 lladdr 02:00:00:00:00:07 dev eth0");
	is_silent("ip link set eth0 promisc on");
	is_silent("ip route add local 192.0.2.0/24 dev lo table 100");
	is_silent("ip -6 route add local ::/0 dev lo table 100");
	/* Duplicate detection takes its time before the address is anybody's source. */
	netns_sysctl("net/ipv6/conf/eth0/accept_dad", "1");
	netns_sysctl("net/ipv6/conf/eth0/dad_transmits", "1000");
	is_silent("ip addr add fd00::2/64 dev eth0 noprefixroute");
	rtnl_close(rtnl);
}
END_TEST

START_TEST(rtnl_tells_that_events_were_lost)
{
	setup();
	int small = 1;
	ck_assert_int_eq(setsockopt(rtnl_fd(rtnl), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	netns_run("i=1; while [ $i -lt 20 ]; do"
		" ip neigh add 10.0.0.$i lladdr 02:00:00:00:00:07 dev eth0;"
		" ip link set eth0 promisc on; ip link set eth0 promisc off; i=$((i + 1)); done");
	ck_assert_int_eq(rtnl_read(rtnl), 1);
	drain();
	tells("ip addr add 10.0.0.1/24 dev eth0");
	rtnl_close(rtnl);
}
END_TEST

START_TEST(rtnl_does_not_block_and_is_not_inherited)
{
	setup();
	ck_assert_int_ne(fcntl(rtnl_fd(rtnl), F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(rtnl_fd(rtnl), F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(rtnl_read(rtnl), 0);
	rtnl_close(rtnl);
	rtnl_close(NULL);
}
END_TEST

START_TEST(rtnl_needs_no_right)
{
	netns_enter();
	ck_assert_int_eq(setresuid(65534, 65534, 65534) == 0 || errno == EINVAL, 1);
	ck_assert_int_eq(rtnl_open(&rtnl), 0);
	ck_assert_int_eq(rtnl_read(rtnl), 0);
	rtnl_close(rtnl);
}
END_TEST

Suite *rtnl_suite(void)
{
	Suite *s = suite_create("rtnl");
	SUITE_TEST(s, rtnl_tells_what_may_change_a_source_address);
	SUITE_TEST(s, rtnl_tells_a_carrier);
	SUITE_TEST(s, rtnl_keeps_noise_back);
	SUITE_TEST(s, rtnl_tells_that_events_were_lost);
	SUITE_TEST(s, rtnl_does_not_block_and_is_not_inherited);
	SUITE_TEST(s, rtnl_needs_no_right);
	return s;
}
