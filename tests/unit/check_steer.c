/* Which worker a datagram belongs to: what we compute is what the kernel does. */
#include "suite.h"
#include "io.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include "netns.h"
#include "steer.h"
#include "talk.h"

#define WORKERS 3
#define SOURCES 200

static int open_one(const struct steer *s, unsigned worker, const char *address, bool is_secure)
{
	struct udp_listen_spec spec = { .address = at(address), .steer = s, .worker = worker,
		.is_secure = is_secure };
	return udp_listen(&spec);
}

static void open_all(const struct steer *s, const char *address, bool is_secure, int fd[WORKERS])
{
	for (unsigned i = 0; i < s->count; i++) {
		fd[i] = open_one(s, i, address, is_secure);
		ck_assert_int_ge(fd[i], 0);
	}
}

/* The socket that has something, which is taken. */
static unsigned who_got(const int fd[WORKERS])
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (udp_recv_batch(fd[i], batch, SLOTS) == 1)
			return i;
	ck_abort_msg("nobody got the datagram");
}

/* Sends from there, as is; the port of the source is the kernel's choice, and told. */
static void say(struct addr *from, const char *to, const void *bytes, size_t n)
{
	struct sockaddr_storage ss;
	struct addr called = at(to);
	bool v4 = addr_is_v4(from);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = addr_to_sockaddr(from, &ss);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, size), 0);
	ck_assert_int_eq(udp_local(fd, from), 0);
	size = addr_to_sockaddr(&called, &ss);
	ck_assert_int_eq(sendto(fd, bytes, n, 0, (struct sockaddr *)&ss, size), (ssize_t)n);
	close(fd);
}

/* The kernel does what we compute, and everybody gets a fair part. */
static void compare(const char *address, const char *to, const char *from_like, bool is_secure,
	uint8_t *bytes, size_t n, size_t varies)
{
	struct steer s;
	int fd[WORKERS];
	unsigned got[WORKERS] = { 0 };
	netns_enter();
	steer_init(&s, WORKERS);
	open_all(&s, address, is_secure, fd);
	for (unsigned i = 0; i < SOURCES; i++) {
		char text[64];
		snprintf(text, sizeof(text), from_like, i % 250 + 1);
		struct addr from = at(text);
		if (varies > 0)
			bytes[varies] = (uint8_t)i;
		if (!addr_is_v4(&from))
			netns_run("ip -6 addr add %s dev lo nodad 2>/dev/null || true", text);
		say(&from, to, bytes, n);
		unsigned who = who_got(fd);
		ck_assert_uint_eq(who, steer_datagram(&s, &from, bytes, n, is_secure));
		got[who]++;
	}
	for (unsigned i = 0; i < WORKERS; i++)
		ck_assert_uint_gt(got[i], SOURCES / WORKERS / 2);
}

START_TEST(kernel_steers_ipv4_by_source)
{
	uint8_t bytes[] = "x";
	compare("0.0.0.0:5683", "127.0.0.1:5683", "127.0.7.%u", false, bytes, sizeof(bytes), 0);
}
END_TEST

/* Of one host too, whose ports alone differ: many devices behind one router. */
START_TEST(kernel_steers_ipv4_by_port)
{
	uint8_t bytes[] = "x";
	compare("0.0.0.0:5683", "127.0.0.1:5683", "127.0.0.1", false, bytes, sizeof(bytes), 0);
}
END_TEST

START_TEST(kernel_steers_ipv6_by_port)
{
	uint8_t bytes[] = "x";
	compare("[::]:5683", "[::1]:5683", "::1", false, bytes, sizeof(bytes), 0);
}
END_TEST

START_TEST(kernel_steers_records_without_id_by_source)
{
	uint8_t bytes[30] = { 23 };
	compare("0.0.0.0:5684", "127.0.0.1:5684", "127.0.7.%u", true, bytes, sizeof(bytes), 0);
}
END_TEST

/* RFC 9146: wherever the device is, its id leads to its worker. */
START_TEST(kernel_steers_by_connection_id)
{
	uint8_t bytes[30] = { 25 };
	compare("0.0.0.0:5684", "127.0.0.1:5684", "127.0.7.%u", true, bytes, sizeof(bytes), 11);
}
END_TEST

START_TEST(kernel_steers_by_connection_id_of_13)
{
	uint8_t bytes[30] = { 0x3e };
	compare("[::]:5684", "[::1]:5684", "::1", true, bytes, sizeof(bytes), 1);
}
END_TEST

/* A plain port knows no records. */
START_TEST(kernel_steers_plain_ports_by_source_alone)
{
	uint8_t bytes[30] = { 25 };
	compare("0.0.0.0:5683", "127.0.0.1:5683", "127.0.7.%u", false, bytes, sizeof(bytes), 11);
}
END_TEST

/* What is too short for an id is the first worker's. */
START_TEST(kernel_and_we_agree_on_what_is_too_short)
{
	struct steer s;
	int fd[WORKERS];
	netns_enter();
	steer_init(&s, WORKERS);
	open_all(&s, "0.0.0.0:5684", true, fd);
	static const uint8_t cut[2][11] = { { 25 }, { 0x3e } };
	static const size_t n[] = { 0, 11, 1 };
	for (unsigned i = 0; i < 3; i++) {
		struct addr from = at("127.0.7.9");
		say(&from, "127.0.0.1:5684", cut[i / 2], n[i]);
		unsigned who = who_got(fd);
		ck_assert_uint_eq(who, 0);
		ck_assert_uint_eq(who, steer_datagram(&s, &from, cut[i / 2], n[i], true));
	}
}
END_TEST

/* Another program's port, and another relay's of the same user, is noticed as ever. */
START_TEST(shared_port_is_not_shared_with_strangers)
{
	struct steer s;
	int fd[WORKERS];
	netns_enter();
	steer_init(&s, WORKERS);
	open_all(&s, "0.0.0.0:5683", false, fd);
	ck_assert_int_eq(open_one(&s, 0, "0.0.0.0:5683", false), -EADDRINUSE);
	ck_assert_int_eq(open_one(&s, 0, "127.0.0.1:5683", false), -EADDRINUSE);
	ck_assert_int_eq(listen_at("0.0.0.0:5683", NULL), -EADDRINUSE);
	for (unsigned i = 0; i < WORKERS; i++)
		udp_close(fd[i]);
	int alone = listen_at("0.0.0.0:5683", NULL);
	ck_assert_int_ge(alone, 0);
	ck_assert_int_eq(open_one(&s, 0, "0.0.0.0:5683", false), -EADDRINUSE);
	udp_close(alone);
}
END_TEST

/* Why all workers open a port again where one has to (reopen.c): the kernel numbers sockets as they come, gives the
 * last one the number of one that goes, and the first has to be alone when it comes. */
START_TEST(kernel_numbers_sockets_anew_where_one_is_closed)
{
	struct steer s;
	int fd[WORKERS];
	netns_enter();
	steer_init(&s, WORKERS);
	open_all(&s, "0.0.0.0:5683", false, fd);
	udp_close(fd[0]);
	ck_assert_int_eq(open_one(&s, 0, "0.0.0.0:5683", false), -EADDRINUSE);
	udp_close(fd[1]);
	fd[0] = open_one(&s, 1, "0.0.0.0:5683", false);
	fd[1] = open_one(&s, 2, "0.0.0.0:5683", false);
	static const unsigned number[WORKERS] = { 1, 2, 0 }; /* the one that stayed is the first now */
	for (unsigned i = 0; i < SOURCES; i++) {
		struct addr from = at("127.0.0.1");
		say(&from, "127.0.0.1:5683", "x", 1);
		ck_assert_uint_eq(number[who_got(fd)], steer_by_source(&s, &from));
	}
}
END_TEST

START_TEST(mark_of_an_id_is_its_workers)
{
	for (unsigned count = 2; count <= 64; count++) {
		struct steer s;
		steer_init(&s, count);
		for (unsigned i = 0; i < count; i++) {
			uint8_t cid[8] = { (uint8_t)(i * 7), 1, 2, 3 };
			steer_mark(&s, i, cid);
			ck_assert_uint_eq(steer_by_cid(&s, cid), i);
			ck_assert_uint_eq(cid[1], 1);
		}
	}
}
END_TEST

Suite *steer_suite(void)
{
	Suite *s = suite_create("steer");
	talk_test(s, kernel_steers_ipv4_by_source);
	talk_test(s, kernel_steers_ipv4_by_port);
	talk_test(s, kernel_steers_ipv6_by_port);
	talk_test(s, kernel_steers_records_without_id_by_source);
	talk_test(s, kernel_steers_by_connection_id);
	talk_test(s, kernel_steers_by_connection_id_of_13);
	talk_test(s, kernel_steers_plain_ports_by_source_alone);
	talk_test(s, kernel_and_we_agree_on_what_is_too_short);
	talk_test(s, shared_port_is_not_shared_with_strangers);
	talk_test(s, kernel_numbers_sockets_anew_where_one_is_closed);
	SUITE_TEST(s, mark_of_an_id_is_its_workers);
	return s;
}
