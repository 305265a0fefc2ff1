/* WAN sockets against the kernel: ports, moves, errors, and strangers. */
#include "suite.h"
#include "io.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "netns.h"
#include "talk.h"

START_TEST(udp_connects_from_a_number)
{
	netns_enter();
	uint16_t port = 0, same;
	bool connected = false;
	struct addr local;
	int fd = connect_at("127.0.0.1:5684", &port, &connected);
	ck_assert_int_ge(fd, 0);
	ck_assert(connected);
	ck_assert_int_eq(udp_local(fd, &local), 0);
	ck_assert_uint_eq(local.port, port);
	ck_assert(port >= 32768 && port <= 60999);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	same = port;
	ck_assert_int_eq(connect_at("127.0.0.2:5684", &same, &connected), -EADDRINUSE);
	int six = connect_at("[::1]:5684", &same, &connected);
	ck_assert_int_ge(six, 0);
	ck_assert_uint_eq(same, port);
	udp_close(fd);
	udp_close(six);
	fd = connect_at("127.0.0.1:5684", &same, &connected);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(same, port);
	struct udp_connect_spec spec = { at("127.0.0.1:1"), 0, "nowhere0" };
	ck_assert_int_eq(udp_connect(&spec, &same, &connected), -ENODEV);
}
END_TEST

START_TEST(udp_uses_the_whole_range_and_says_when_it_is_used_up)
{
	netns_enter();
	netns_sysctl("net/ipv4/ip_local_port_range", "40000 40099");
	netns_sysctl("net/ipv4/ip_local_reserved_ports", "40010-40019");
	bool seen[100] = { false }, connected;
	uint16_t port;
	for (int i = 0; i < 90; i++) {
		port = 0;
		ck_assert_int_ge(connect_at("127.0.0.1:5684", &port, &connected), 0);
		ck_assert(port >= 40000 && port <= 40099 && !seen[port - 40000]);
		seen[port - 40000] = true;
	}
	ck_assert(!seen[10] && !seen[19]);
	port = 0;
	ck_assert_int_eq(connect_at("127.0.0.1:5684", &port, &connected), -EADDRNOTAVAIL);
	struct addr local, peer = at("127.0.0.1:5684");
	ck_assert_int_eq(udp_source_for(&peer, NULL, &local), 0);
	is_addr(&local, "127.0.0.1");
}
END_TEST

START_TEST(udp_draws_ports_at_random)
{
	netns_enter();
	uint16_t ports[8] = { 0 };
	bool connected;
	for (int i = 0; i < 8; i++)
		ck_assert_int_ge(connect_at("127.0.0.1:5684", &ports[i], &connected), 0);
	int neighbours = 0;
	for (int i = 1; i < 8; i++)
		neighbours += ports[i] - ports[i - 1] == 1 || ports[i] - ports[i - 1] == 2;
	ck_assert_int_lt(neighbours, 7);
}
END_TEST

START_TEST(udp_moves_and_keeps_its_port)
{
	setup_pair();
	static const char *const peer[] = { "10.0.0.2:5684", "[fd00::2]:5684" };
	static const char *const from[] = { "10.0.0.1", "fd00::1" };
	static const char *const to[] = { "10.0.0.5", "fd00::5" };
	for (int i = 0; i < 2; i++) {
		uint16_t port = 0;
		bool connected;
		unsigned refused = 0;
		struct addr local, server = at(peer[i]);
		netns_move(there);
		int lan = listen_at(i == 0 ? "0.0.0.0:5684" : "[::]:5684", NULL);
		netns_move(here);
		struct udp_connect_spec spec = { server, 0, i == 0 ? "eth0" : NULL };
		int fd = udp_connect(&spec, &port, &connected);
		ck_assert(fd >= 0 && connected);
		ck_assert_int_eq(udp_local(fd, &local), 0);
		local.port = 0;
		is_addr(&local, from[i]);
		if (i == 0)
			netns_run("ip addr del 10.0.0.1/24 dev eth0; ip addr add 10.0.0.5/24 dev eth0");
		else
			netns_run("ip addr del fd00::1/64 dev eth0;"
				"ip addr add fd00::5/64 dev eth0 nodad");
		int rc = udp_send(fd, (const uint8_t *)"x", 1, &refused);
		/* IPv6 goes on to send from the address that is gone, without an error. */
		ck_assert_int_eq(rc, i == 0 ? -ENETUNREACH : 0);
		ck_assert_int_eq(udp_source_for(&server, NULL, &local), 0);
		is_addr(&local, to[i]);
		ck_assert_int_eq(udp_reconnect(fd, &server), 0);
		ck_assert_int_eq(udp_local(fd, &local), 0);
		ck_assert_uint_eq(local.port, port);
		local.port = 0;
		is_addr(&local, to[i]);
		if (rc == 0) {
			await(lan);
			(void)!udp_recv_batch(lan, batch, SLOTS);
		}
		send_text(fd, "moved");
		is_addr(&bounce(lan)->called, peer[i][0] == '1' ? "10.0.0.2" : "fd00::2");
		expect_text(fd, "moved");
		char name[32] = "";
		socklen_t n = sizeof(name);
		ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &n), 0);
		ck_assert_str_eq(name, i == 0 ? "eth0" : "");
		udp_close(fd);
		udp_close(lan);
	}
}
END_TEST

/* No route: bound, deaf to strangers; then one comes and nothing of a stranger is in the queue. */
START_TEST(udp_waits_bound_and_deaf_for_a_route)
{
	setup_pair();
	uint16_t port = 0;
	bool connected = true;
	struct addr server = at("203.0.113.1:5684"), local;
	ck_assert_int_eq(udp_source_for(&server, NULL, &local), -ENETUNREACH);
	int fd = connect_at("203.0.113.1:5684", &port, &connected);
	ck_assert_int_ge(fd, 0);
	ck_assert(!connected);
	ck_assert_int_eq(udp_reconnect(fd, &server), -ENETUNREACH);
	char stranger[32];
	snprintf(stranger, sizeof(stranger), "127.0.0.1:%u", port);
	int other = client(stranger);
	send_text(other, "evil");
	netns_run("ip route add default via 10.0.0.2");
	ck_assert_int_eq(udp_reconnect(fd, &server), 0);
	uint8_t room[8];
	ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), -EAGAIN);
	ck_assert_int_eq(udp_local(fd, &local), 0);
	ck_assert_uint_eq(local.port, port);
	netns_move(there);
	netns_run("ip addr add 203.0.113.1/32 dev lo");
	int lan = listen_at("0.0.0.0:5684", NULL);
	send_text(fd, "hears");
	bounce(lan);
	expect_text(fd, "hears");
	netns_move(here);
	netns_run("ip route del default");
	ck_assert_int_eq(udp_reconnect(fd, &server), -ENETUNREACH);
	send_text(other, "evil");
	ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), -EAGAIN);
	static const char *const kinds[] = { "blackhole", "prohibit", "unreachable" };
	for (int i = 0; i < 3; i++) {
		netns_run("ip route add %s 203.0.113.1", kinds[i]);
		port = 0;
		fd = connect_at("203.0.113.1:5684", &port, &connected);
		ck_assert_int_ge(fd, 0);
		ck_assert(!connected);
		udp_close(fd);
		netns_run("ip route del %s 203.0.113.1", kinds[i]);
	}
}
END_TEST

START_TEST(udp_gets_over_icmp_errors)
{
	netns_enter();
	static const char *const peer[] = { "127.0.0.1:9", "[::1]:9" };
	for (int i = 0; i < 2; i++) {
		int fd = client(peer[i]);
		unsigned refused = 0;
		uint8_t room[8];
		/* On lo the ICMP message is there when the send returns. */
		for (unsigned k = 0; k < 3; k++) {
			ck_assert_int_eq(udp_send(fd, (const uint8_t *)"x", 1, &refused), 0);
			ck_assert_uint_eq(refused, k);
		}
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ck_assert_int_eq(poll(&p, 1, 0), 1);
		ck_assert_int_ne(p.revents & POLLERR, 0);
		ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), -ECONNREFUSED);
		ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), -EAGAIN);
		udp_close(fd);
	}
}
END_TEST

/* The datagram that met the error arrives once somebody listens. */
START_TEST(udp_sends_again_what_met_an_error)
{
	netns_enter();
	int fd = client("127.0.0.1:9");
	unsigned refused = 0;
	send_text(fd, "lost");
	int lan = listen_at("127.0.0.1:9", NULL);
	ck_assert_int_eq(udp_send(fd, (const uint8_t *)"kept", 4, &refused), 0);
	ck_assert_uint_eq(refused, 1);
	await(lan);
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 1);
	ck_assert_mem_eq(udp_batch_slot(batch, 0)->bytes, "kept", 4);
}
END_TEST

/* A firewall's reject: the error is EHOSTUNREACH or EACCES, and one of a route looks the same. */
START_TEST(udp_tells_a_reject_from_a_missing_route)
{
	setup_pair();
	netns_move(there);
	netns_run("ip route add prohibit 10.0.7.0/24; ip -6 route add prohibit fd07::/64");
	netns_sysctl("net/ipv4/ip_forward", "1");
	netns_sysctl("net/ipv6/conf/all/forwarding", "1");
	netns_move(here);
	netns_run("ip route add 10.0.7.0/24 via 10.0.0.2; ip route add fd07::/64 via fd00::2");
	static const char *const peer[] = { "10.0.7.1:5684", "[fd07::1]:5684" };
	for (int i = 0; i < 2; i++) {
		int fd = client(peer[i]);
		uint8_t room[8];
		unsigned refused = 0;
		send_text(fd, "x");
		await(fd);
		ck_assert_int_eq(udp_send(fd, (const uint8_t *)"x", 1, &refused), 0);
		ck_assert_uint_eq(refused, 1);
		await(fd);
		ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), -ECONNREFUSED);
		udp_close(fd);
	}
}
END_TEST

START_TEST(udp_says_how_long_a_cut_datagram_was)
{
	netns_enter();
	int lan = listen_at("127.0.0.1:5683", NULL), fd = client("127.0.0.1:5683");
	send_text(fd, "0123456789");
	bounce(lan);
	uint8_t room[4];
	await(fd);
	ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), 10);
	static uint8_t huge[70000];
	unsigned refused = 0;
	ck_assert_int_eq(udp_send(fd, huge, sizeof(huge), &refused), -EMSGSIZE);
	ck_assert_uint_eq(refused, 0);
}
END_TEST

/* A connected socket hears its peer alone. */
START_TEST(udp_hears_its_peer_alone)
{
	netns_enter();
	int lan = listen_at("0.0.0.0:5684", NULL), fd = client("127.0.0.1:5684");
	struct addr local;
	char text[ADDR_TEXT];
	uint8_t room[8];
	ck_assert_int_eq(udp_local(fd, &local), 0);
	int stranger = client(addr_print(&local, text));
	send_text(stranger, "evil");
	ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), -EAGAIN);
	send_text(fd, "x");
	bounce(lan);
	expect_text(fd, "x");
}
END_TEST

START_TEST(udp_tells_what_the_kernel_dropped)
{
	netns_enter();
	int lan = listen_at("0.0.0.0:5684", NULL), fd = client("127.0.0.1:5684");
	ck_assert_uint_eq(udp_dropped(fd), 0);
	for (int i = 0; i < 2000; i++) {
		send_text(fd, "x");
		bounce(lan);
	}
	ck_assert_uint_gt(udp_dropped(fd), 0);
	ck_assert_uint_lt(udp_dropped(fd), 2000);
}
END_TEST

START_TEST(udp_tells_how_full_a_queue_is)
{
	netns_enter();
	int lan = listen_at("0.0.0.0:5684", NULL), fd = client("127.0.0.1:5684");
	ck_assert_uint_eq(udp_filled(lan), 0);
	unsigned before = 0;
	for (int i = 0; i < 100000 && udp_dropped(lan) == 0; i++) {
		send_text(fd, "x");
		ck_assert_uint_ge(udp_filled(lan), before);
		before = udp_filled(lan);
	}
	ck_assert_uint_ge(udp_filled(lan), 95);
	ck_assert_uint_le(udp_filled(lan), 101);
	while (udp_recv_batch(lan, batch, SLOTS) > 0)
		;
	ck_assert_uint_eq(udp_filled(lan), 0);
	ck_assert_uint_eq(udp_filled(-1), 0);
}
END_TEST

Suite *udp_wan_suite(void)
{
	Suite *s = suite_create("udp_wan");
	talk_test(s, udp_connects_from_a_number);
	talk_test(s, udp_uses_the_whole_range_and_says_when_it_is_used_up);
	talk_test(s, udp_draws_ports_at_random);
	talk_test(s, udp_moves_and_keeps_its_port);
	talk_test(s, udp_waits_bound_and_deaf_for_a_route);
	talk_test(s, udp_gets_over_icmp_errors);
	talk_test(s, udp_sends_again_what_met_an_error);
	talk_test(s, udp_tells_a_reject_from_a_missing_route);
	talk_test(s, udp_says_how_long_a_cut_datagram_was);
	talk_test(s, udp_hears_its_peer_alone);
	talk_test(s, udp_tells_what_the_kernel_dropped);
	talk_test(s, udp_tells_how_full_a_queue_is);
	return s;
}
