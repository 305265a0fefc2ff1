/* LAN sockets against the kernel: what was called, what leaves, what is refused, what is lost. */
#include "suite.h"
#include "io.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "netns.h"
#include "talk.h"

START_TEST(udp_answers_from_what_was_called_over_lo)
{
	setup_pair();
	netns_run("ip addr add 10.0.0.7/24 dev eth0; ip addr add fd00::7/64 dev eth0 nodad;"
		"ip addr add fe80::7/64 dev eth0 nodad; ip addr add 10.9.9.9/32 dev lo");
	int v4 = listen_at("0.0.0.0:5683", NULL), v6 = listen_at("[::]:5683", NULL);
	ck_assert_int_ge(v4, 0);
	ck_assert_int_ge(v6, 0);
	call_and_hear(v4, "127.0.0.1:5683", "127.0.0.1");
	call_and_hear(v4, "127.0.0.9:5683", "127.0.0.9");
	call_and_hear(v4, "10.0.0.1:5683", "10.0.0.1");
	call_and_hear(v4, "10.0.0.7:5683", "10.0.0.7");
	call_and_hear(v4, "10.9.9.9:5683", "10.9.9.9");
	call_and_hear(v6, "[::1]:5683", "::1");
	call_and_hear(v6, "[fd00::7]:5683", "fd00::7");
	call_and_hear(v6, "[fe80::7%eth0]:5683", "fe80::7%eth0");
	udp_close(v4);
	udp_close(v6);
}
END_TEST

/* A program of the gateway's own may call another address than its own. */
START_TEST(udp_answers_local_callers_from_loopback)
{
	setup_pair();
	int lan[] = { listen_at("0.0.0.0:5683", NULL), listen_at("[::]:5683", NULL) };
	static const char *const from[] = { "127.0.0.1:7000", "[::1]:7000" };
	static const char *const called[] = { "10.0.0.1:5683", "[fd00::1]:5683" };
	for (int i = 0; i < 2; i++) {
		struct udp_listen_spec spec = { .address = at(from[i]) };
		struct addr to = at(called[i]);
		int fd = udp_listen(&spec);
		ck_assert_int_eq(udp_reconnect(fd, &to), 0);
		send_text(fd, "hello");
		bounce(lan[i]);
		expect_text(fd, "hello");
	}
}
END_TEST

/* The same with the device on the other end of a cable. */
START_TEST(udp_answers_from_what_was_called_over_a_cable)
{
	setup_pair();
	netns_run("ip addr add 10.0.0.7/24 dev eth0; ip addr add fd00::7/64 dev eth0 nodad;"
		"ip addr add fe80::7/64 dev eth0 nodad; ip addr add 10.9.9.9/32 dev lo");
	int v4 = listen_at("0.0.0.0:5683", NULL), v6 = listen_at("[::]:5683", NULL);
	netns_move(there);
	netns_run("ip route add 10.9.9.9 via 10.0.0.1; ip addr add fe80::8/64 dev eth0 nodad");
	call_and_hear(v4, "10.0.0.1:5683", "10.0.0.1");
	call_and_hear(v4, "10.0.0.7:5683", "10.0.0.7");
	call_and_hear(v4, "10.9.9.9:5683", "10.9.9.9");
	call_and_hear(v6, "[fd00::7]:5683", "fd00::7");
	call_and_hear(v6, "[fe80::7%eth0]:5683", "fe80::7%eth0");
	ck_assert_uint_ne(udp_batch_slot(batch, 0)->ifindex, 0);
	ck_assert_uint_eq(udp_batch_slot(batch, 0)->peer.scope, udp_batch_slot(batch, 0)->ifindex);
}
END_TEST

/* Two cables to devices that hold the same address: the answer leaves where the request came in. */
START_TEST(udp_answers_through_the_interface_of_the_request)
{
	netns_enter();
	here = netns_here();
	int ns[2], fd[2][2];
	static const char *const name[] = { "lan0", "lan1" };
	for (int i = 0; i < 2; i++) {
		ns[i] = netns_create();
		netns_join(ns[i], name[i]);
		netns_run("ip addr add 10.0.0.1/24 dev %s; ip addr add fd00::1/64 dev %s nodad",
			name[i], name[i]);
		netns_sysctl(i == 0 ? "net/ipv4/conf/lan0/rp_filter" : "net/ipv4/conf/lan1/rp_filter",
			"0");
	}
	netns_sysctl("net/ipv4/conf/all/rp_filter", "0");
	int lan[] = { listen_at("0.0.0.0:5683", NULL), listen_at("[::]:5683", NULL) };
	for (int i = 0; i < 2; i++) {
		netns_move(ns[i]);
		netns_run("ip addr add 10.0.0.2/24 dev %s; ip addr add fd00::2/64 dev %s nodad",
			name[i], name[i]);
		fd[i][0] = client("10.0.0.1:5683");
		fd[i][1] = client("[fd00::1]:5683");
	}
	for (int family = 0; family < 2; family++) {
		uint32_t seen[2];
		for (int i = 0; i < 2; i++) {
			send_text(fd[i][family], name[i]);
			seen[i] = bounce(lan[family])->ifindex;
			expect_text(fd[i][family], name[i]);
		}
		ck_assert_uint_ne(seen[0], seen[1]);
	}
}
END_TEST

/* ifindex 0 is routed. */
START_TEST(udp_routes_what_names_no_interface)
{
	setup_pair();
	int lan = listen_at("0.0.0.0:5683", NULL), lan6 = listen_at("[::]:5683", NULL);
	netns_move(there);
	int fd = client("10.0.0.1:5683"), fd6 = client("[fd00::1]:5683");
	struct addr any4 = addr_any(true, 0), any6 = addr_any(false, 0);
	for (int family = 0; family < 2; family++) {
		unsigned refused = 0;
		int wan = family == 0 ? fd : fd6, ear = family == 0 ? lan : lan6;
		struct udp_slot *slot = udp_batch_slot(batch, 0);
		send_text(wan, "one");
		await(ear);
		ck_assert_int_eq(udp_recv_batch(ear, batch, SLOTS), 1);
		slot->ifindex = 0;
		ck_assert_uint_eq(udp_send_batch(ear, batch, 0, 1, &refused), 1);
		expect_text(wan, "one");
		slot->called = family == 0 ? any4 : any6;
		ck_assert_uint_eq(udp_send_batch(ear, batch, 0, 1, &refused), 1);
		expect_text(wan, "one");
	}
}
END_TEST

START_TEST(udp_tells_what_was_called_at_a_broadcast_address)
{
	setup_pair();
	int lan = listen_at("0.0.0.0:5683", NULL);
	netns_move(there);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
	struct sockaddr_storage ss;
	struct addr to = at("10.0.0.255:5683");
	socklen_t n = addr_to_sockaddr(&to, &ss);
	ck_assert_int_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&ss, n), 1);
	await(lan);
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 1);
	is_addr(&udp_batch_slot(batch, 0)->called, "10.0.0.255");
	ck_assert(udp_batch_slot(batch, 0)->is_broadcast);
	close(fd);
}
END_TEST

/* An IPv6 datagram of "x" between two addresses, whatever they are, from port 7000 to 5683. */
static void forge(const char *from, const char *to)
{
	uint8_t packet[49] = { 0x60, 0, 0, 0, 0, 9, 17, 64 };
	struct addr source = at(from), target = at(to);
	memcpy(packet + 8, source.ip, 16);
	memcpy(packet + 24, target.ip, 16);
	static const uint8_t udp[] = { 7000 >> 8, 7000 & 0xff, 5683 >> 8, 5683 & 0xff, 0, 9, 0, 0, 'x' };
	memcpy(packet + 40, udp, sizeof(udp));
	uint32_t sum = 17 + 9;
	for (unsigned i = 8; i < sizeof(packet); i++)
		sum += (uint32_t)packet[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	packet[46] = (uint8_t)(~sum >> 8);
	packet[47] = (uint8_t)~sum;
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(&target, &ss);
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	ck_assert_int_eq(sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&ss, n), sizeof(packet));
	close(fd);
}

/* The kernel lets in who forges ::ffff:a.b.c.d, which here has the shape of the IPv4 host. */
START_TEST(udp_tells_an_ipv4_address_that_came_over_ipv6)
{
	setup_pair();
	int lan = listen_at("[::]:5683", NULL);
	netns_move(there);
	static const char *const from[] = { "fd00::2", "10.0.0.2", "127.0.0.1" };
	for (int i = 0; i < 3; i++) {
		forge(from[i], "fd00::1");
		await(lan);
		ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 1);
		ck_assert_int_eq(udp_batch_slot(batch, 0)->is_mixed, i > 0);
	}
}
END_TEST

START_TEST(udp_reads_and_sends_in_batches)
{
	netns_enter();
	int lan = listen_at("127.0.0.1:5683", NULL), fd = client("127.0.0.1:5683");
	char text[16];
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		send_text(fd, text);
	}
	unsigned refused = 0;
	ck_assert_int_eq(udp_recv_batch(lan, batch, 10), 10);
	ck_assert_uint_eq(udp_send_batch(lan, batch, 4, 6, &refused), 6);
	expect_text(fd, "4");
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 64);
	ck_assert_mem_eq(udp_batch_slot(batch, 63)->bytes, "73", 2);
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 26);
	ck_assert_mem_eq(udp_batch_slot(batch, 0)->bytes, "74", 2);
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 0);
	send_text(fd, "");
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 1);
	ck_assert_uint_eq(udp_batch_slot(batch, 0)->n, 0);
	ck_assert_uint_eq(udp_send_batch(lan, batch, 0, 0, &refused), 0);
	ck_assert_uint_eq(refused, 0);
}
END_TEST

START_TEST(udp_skips_what_the_kernel_refuses)
{
	setup_pair();
	int lan = listen_at("0.0.0.0:5683", NULL);
	netns_move(there);
	int fd = client("10.0.0.1:5683");
	for (int i = 0; i < 5; i++)
		send_text(fd, "x");
	await(lan);
	unsigned refused = 0;
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 5);
	udp_batch_slot(batch, 0)->peer = at("203.0.113.1:1"); /* no route to it; with an interface */
	udp_batch_slot(batch, 0)->ifindex = 0;                /* named, it would be sought there */
	udp_batch_slot(batch, 2)->called = at("10.0.0.99");   /* not our address */
	udp_batch_slot(batch, 4)->ifindex = 4711;             /* no such interface */
	udp_batch_slot(batch, 1)->bytes[0] = 'a';
	udp_batch_slot(batch, 3)->bytes[0] = 'b';
	ck_assert_uint_eq(udp_send_batch(lan, batch, 0, 5, &refused), 2);
	ck_assert_uint_eq(refused, 3);
	expect_text(fd, "a");
	expect_text(fd, "b");
}
END_TEST

START_TEST(udp_counts_what_would_block)
{
	setup_pair();
	netns_run("tc qdisc add dev eth0 root tbf rate 8kbit burst 1600 limit 1000000");
	int lan = listen_at("0.0.0.0:5683", NULL), small = 1;
	ck_assert_int_eq(setsockopt(lan, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct udp_slot *slot = udp_batch_slot(batch, i);
		slot->peer = at("10.0.0.2:9");
		slot->called = addr_any(true, 0);
		slot->ifindex = 0;
		memset(slot->bytes, 0, 1000);
		slot->n = 1000;
	}
	unsigned refused = 0;
	unsigned sent = udp_send_batch(lan, batch, 0, SLOTS, &refused);
	ck_assert_uint_gt(refused, 0);
	ck_assert_uint_eq(sent + refused, SLOTS);
}
END_TEST

START_TEST(udp_lan_is_not_disturbed_by_icmp)
{
	setup_pair();
	static const char *const listen[] = { "0.0.0.0:5683", "[::]:5683" };
	static const char *const deaf[] = { "10.0.0.2:9", "[fd00::2]:9" };
	static const char *const call[] = { "10.0.0.1:5683", "[fd00::1]:5683" };
	for (int i = 0; i < 2; i++) {
		unsigned refused = 0;
		int lan = listen_at(listen[i], NULL);
		netns_move(there);
		int fd = client(call[i]);
		netns_move(here);
		send_text(fd, "hello");
		await(lan);
		ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 1);
		struct addr alive = udp_batch_slot(batch, 0)->peer;
		for (int k = 0; k < 3; k++) {
			udp_batch_slot(batch, 0)->peer = at(deaf[i]);
			ck_assert_uint_eq(udp_send_batch(lan, batch, 0, 1, &refused), 1);
		}
		ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 0);
		udp_batch_slot(batch, 0)->peer = alive;
		ck_assert_uint_eq(udp_send_batch(lan, batch, 0, 1, &refused), 1);
		expect_text(fd, "hello");
		ck_assert_uint_eq(refused, 0);
		udp_close(lan);
		udp_close(fd);
	}
}
END_TEST

START_TEST(udp_tells_truncated_datagrams_and_counts_lost_ones)
{
	netns_enter();
	int lan = listen_at("127.0.0.1:5683", NULL), fd = client("127.0.0.1:5683"), tiny = 1;
	static uint8_t big[UDP_ROOM + 1];
	unsigned refused = 0;
	ck_assert_int_eq(udp_send(fd, big, UDP_ROOM, &refused), 0);
	ck_assert_int_eq(udp_send(fd, big, UDP_ROOM + 1, &refused), 0);
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 2);
	ck_assert(!udp_batch_slot(batch, 0)->truncated);
	ck_assert_uint_eq(udp_batch_slot(batch, 0)->n, UDP_ROOM);
	ck_assert(udp_batch_slot(batch, 1)->truncated);
	ck_assert_uint_eq(udp_overflowed(batch), 0);
	ck_assert_int_eq(setsockopt(lan, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (int i = 0; i < 50; i++)
		send_text(fd, "x");
	int n = udp_recv_batch(lan, batch, SLOTS);
	ck_assert(n > 0 && n < 50);
	send_text(fd, "y");
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 1);
	ck_assert_uint_eq(udp_overflowed(batch), 50 - (unsigned)n);
}
END_TEST

/* 16 KiB over a cable of 1500 and, behind a router, of 1280 bytes; both families, both ways. */
START_TEST(udp_fragments)
{
	setup_pair();
	int far = netns_create();
	netns_move(there);
	netns_join(far, "eth1");
	netns_run("ip addr add 10.0.1.1/24 dev eth1; ip addr add fd01::1/64 dev eth1 nodad;"
		"ip link set eth1 mtu 1280");
	netns_sysctl("net/ipv4/ip_forward", "1");
	netns_sysctl("net/ipv6/conf/all/forwarding", "1");
	netns_move(far);
	netns_run("ip addr add 10.0.1.2/24 dev eth1; ip addr add fd01::2/64 dev eth1 nodad;"
		"ip link set eth1 mtu 1280;"
		"ip route add default via 10.0.1.1; ip route add default via fd01::1");
	int lan[] = { listen_at("0.0.0.0:5683", NULL), listen_at("[::]:5683", NULL) };
	netns_move(here);
	netns_run("ip route add default via 10.0.0.2; ip route add default via fd00::2");
	static const char *const peer[] = { "10.0.1.2:5683", "[fd01::2]:5683" };
	static uint8_t big[16384], room[16384];
	memset(big, 0x5a, sizeof(big));
	for (int i = 0; i < 2; i++) {
		unsigned refused = 0;
		int fd = client(peer[i]), tries = 0;
		/* A router does not fragment IPv6: the first one is lost and teaches the path's MTU. */
		do {
			ck_assert_int_eq(udp_send(fd, big, sizeof(big), &refused), 0);
			ck_assert_int_lt(tries++, i == 0 ? 1 : 5);
		} while (i == 1 && is_quiet(lan[i]));
		struct udp_slot *slot = bounce(lan[i]);
		ck_assert_uint_eq(slot->n, sizeof(big));
		await(fd);
		ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), (long)sizeof(big));
		ck_assert_mem_eq(room, big, sizeof(big));
		ck_assert_uint_eq(refused, 0);
		udp_close(fd);
	}
}
END_TEST

START_TEST(udp_listens_on_both_families_and_refuses_twice)
{
	netns_enter();
	int a = listen_at("0.0.0.0:5683", NULL), b = listen_at("[::]:5683", NULL);
	ck_assert_int_ge(a, 0);
	ck_assert_int_ge(b, 0);
	ck_assert_int_eq(listen_at("0.0.0.0:5683", NULL), -EADDRINUSE);
	ck_assert_int_eq(listen_at("[::1]:5683", NULL), -EADDRINUSE);
	ck_assert_int_eq(listen_at("192.0.2.77:5683", NULL), -EADDRNOTAVAIL);
	ck_assert_int_eq(listen_at("0.0.0.0:5684", "nowhere0"), -ENODEV);
	ck_assert_int_eq(listen_at("0.0.0.0:5684", "a-name-that-is-too-long"), -ENODEV);
	ck_assert_int_ne(fcntl(a, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(a, F_GETFL) & O_NONBLOCK, 0);
	int buffer = 0;
	socklen_t n = sizeof(buffer);
	ck_assert_int_eq(getsockopt(a, SOL_SOCKET, SO_RCVBUF, &buffer, &n), 0);
	ck_assert_int_ge(buffer, getuid() == 0 ? 2 * LAN_SOCKET_BUFFER : 1);
}
END_TEST

START_TEST(udp_listens_on_one_interface)
{
	setup_pair();
	int lan = listen_at("0.0.0.0:5683", "eth0");
	ck_assert_int_ge(lan, 0);
	netns_join(there, "eth1");
	netns_run("ip addr add 10.5.0.1/24 dev eth1");
	netns_move(there);
	netns_run("ip addr add 10.5.0.2/24 dev eth1");
	int fd = client("10.5.0.1:5683");
	send_text(fd, "by the other one");
	call_and_hear(lan, "10.0.0.1:5683", "10.0.0.1");
	netns_move(here);
	netns_run("ip addr add fe80::7/64 dev eth0 nodad");
	int lan6 = listen_at("[fe80::7%eth0]:5683", NULL);
	ck_assert_int_ge(lan6, 0);
	ck_assert_int_ge(listen_at("[fe80::7]:5684", "eth0"), 0);
	netns_move(there);
	call_and_hear(lan6, "[fe80::7%eth0]:5683", "fe80::7%eth0");
}
END_TEST

START_TEST(udp_knows_which_interfaces_there_are)
{
	setup_pair();
	uint32_t ifindex = udp_ifindex("eth0");
	ck_assert_uint_ne(ifindex, 0);
	ck_assert(udp_is_link(ifindex));
	ck_assert_uint_eq(udp_ifindex("missing"), 0);
	netns_run("ip link del eth0");
	ck_assert(!udp_is_link(ifindex));
	ck_assert_uint_eq(udp_ifindex("eth0"), 0);
}
END_TEST

Suite *udp_suite(void)
{
	Suite *s = suite_create("udp");
	talk_test(s, udp_answers_from_what_was_called_over_lo);
	talk_test(s, udp_answers_local_callers_from_loopback);
	talk_test(s, udp_answers_from_what_was_called_over_a_cable);
	talk_test(s, udp_answers_through_the_interface_of_the_request);
	talk_test(s, udp_routes_what_names_no_interface);
	talk_test(s, udp_tells_what_was_called_at_a_broadcast_address);
	talk_test(s, udp_tells_an_ipv4_address_that_came_over_ipv6);
	talk_test(s, udp_reads_and_sends_in_batches);
	talk_test(s, udp_skips_what_the_kernel_refuses);
	talk_test(s, udp_counts_what_would_block);
	talk_test(s, udp_lan_is_not_disturbed_by_icmp);
	talk_test(s, udp_tells_truncated_datagrams_and_counts_lost_ones);
	talk_test(s, udp_fragments);
	talk_test(s, udp_listens_on_both_families_and_refuses_twice);
	talk_test(s, udp_listens_on_one_interface);
	talk_test(s, udp_knows_which_interfaces_there_are);
	return s;
}
