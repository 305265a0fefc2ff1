/* Sockets that talk to each other in a test. */
#include "talk.h"
#include <poll.h>
#include <string.h>
#include "netns.h"

struct udp_batch *batch;
int here, there;

struct addr at(const char *text)
{
	struct addr a;
	ck_assert_msg(addr_parse(&a, text) == 0, "no address: %s", text);
	return a;
}

void is_addr(const struct addr *a, const char *text)
{
	char printed[ADDR_TEXT];
	ck_assert_str_eq(addr_print(a, printed), text);
}

void await(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ck_assert_msg(poll(&p, 1, 5000) == 1, "nothing came");
}

bool is_quiet(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, 200) == 0;
}

int listen_at(const char *address, const char *interface)
{
	struct udp_listen_spec spec = { .address = at(address), .interface = interface };
	return udp_listen(&spec);
}

int connect_at(const char *peer, uint16_t *port, bool *connected)
{
	struct udp_connect_spec spec = { at(peer), *port, NULL };
	return udp_connect(&spec, port, connected);
}

int client(const char *peer)
{
	uint16_t port = 0;
	bool connected = false;
	int fd = connect_at(peer, &port, &connected);
	ck_assert_int_ge(fd, 0);
	ck_assert(connected);
	return fd;
}

void send_text(int fd, const char *text)
{
	unsigned refused = 0;
	ck_assert_int_eq(udp_send(fd, (const uint8_t *)text, strlen(text), &refused), 0);
}

void expect_text(int fd, const char *text)
{
	uint8_t room[256];
	await(fd);
	ck_assert_int_eq(udp_recv(fd, room, sizeof(room)), (long)strlen(text));
	ck_assert_mem_eq(room, text, strlen(text));
}

void setup_pair(void)
{
	netns_enter();
	here = netns_here();
	there = netns_create();
	netns_join(there, "eth0");
	netns_run("ip addr add 10.0.0.1/24 dev eth0; ip addr add fd00::1/64 dev eth0 nodad");
	netns_move(there);
	netns_run("ip addr add 10.0.0.2/24 dev eth0; ip addr add fd00::2/64 dev eth0 nodad");
	netns_move(here);
}

struct udp_slot *bounce(int lan)
{
	unsigned refused = 0;
	await(lan);
	ck_assert_int_eq(udp_recv_batch(lan, batch, SLOTS), 1);
	ck_assert_uint_eq(udp_send_batch(lan, batch, 0, 1, &refused), 1);
	ck_assert_uint_eq(refused, 0);
	return udp_batch_slot(batch, 0);
}

void call_and_hear(int lan, const char *called, const char *ip)
{
	int fd = client(called);
	send_text(fd, "hello");
	struct udp_slot *slot = bounce(lan);
	is_addr(&slot->called, ip);
	ck_assert(!slot->is_broadcast);
	expect_text(fd, "hello");
	udp_close(fd);
}

static void setup(void)
{
	ck_assert_int_eq(udp_batch_create(&batch, SLOTS), 0);
}

static void teardown(void)
{
	udp_batch_free(batch);
}

void talk_test(Suite *suite, const TTest *test)
{
	TCase *one = tcase_create(test->name);
	tcase_set_timeout(one, 60);
	tcase_add_checked_fixture(one, setup, teardown);
	tcase_add_test(one, test);
	suite_add_tcase(suite, one);
}
