/* Sockets towards devices: batches in, batches out. */
#include "lan.h"
#include <errno.h>
#include <string.h>
#include "rig.h"
#include "suite.h"
#include "trunk.h"

/* A LAN socket that echoes. */
struct echo {
	struct fake_net *net;
	struct env env;
	struct listener listener;
	struct udp_batch *in;
	struct lan_port *port;
	unsigned answers;  /* to each datagram */
	unsigned refused;
	unsigned got;
	unsigned announced;
	unsigned last; /* byte of the batch that was announced */
	unsigned pressed;
};

static void datagram(void *who, struct lan_port *port, struct udp_slot *slot, struct mono now)
{
	struct echo *e = who;
	(void)now;
	e->got++;
	for (unsigned i = 0; i < e->answers; i++) {
		struct udp_slot *out = lan_slot(port);
		memcpy(out->bytes, slot->bytes, slot->n);
		out->n = slot->n;
		out->peer = slot->peer;
		out->called = slot->called;
		out->ifindex = slot->ifindex;
		lan_commit(port);
	}
}

static void refused(void *who, unsigned count)
{
	((struct echo *)who)->refused += count;
}

static void soon(void *who, const struct lan_port *port, struct udp_batch *batch, unsigned n)
{
	struct echo *e = who;
	ck_assert_ptr_eq(port, e->port);
	e->announced += n;
	e->last = udp_batch_slot(batch, n - 1)->bytes[1];
}

static void pressed(void *who, struct mono now)
{
	(void)now;
	((struct echo *)who)->pressed++;
}

static const struct lan_calls calls = { .datagram = datagram, .refused = refused, .soon = soon,
	.pressed = pressed };

static int echo_open(struct echo *e)
{
	struct lan_spec spec = { .listener = &e->listener, .in = e->in, .calls = &calls, .who = e,
		.at = { .address = addr_any(true, 5683) } };
	return lan_open(&e->port, &e->env, &spec);
}

static struct echo *echo_up(void)
{
	static struct echo e;
	memset(&e, 0, sizeof(e));
	e.net = fake_net_create();
	ck_assert_int_eq(loop_create(&e.env.loop), 0);
	ck_assert_int_eq(udp_batch_create(&e.in, LAN_BATCH), 0);
	list_init(&e.listener.ports);
	e.answers = 1;
	return &e;
}

static void echo_down(struct echo *e)
{
	ck_assert(list_is_empty(&e->listener.ports));
	ck_assert_uint_eq(fake_net_open(e->net), 0);
	ck_assert_uint_eq(fake_net_watched(e->net), 0);
	udp_batch_free(e->in);
	loop_free(e->env.loop);
	fake_net_free(e->net);
}

static void send_in(struct echo *e, unsigned count)
{
	struct addr from = at(A), called = at("192.168.1.1:5683");
	for (unsigned i = 0; i < count; i++) {
		uint8_t byte[2] = { (uint8_t)(i >> 8), (uint8_t)i };
		ck_assert(fake_lan_queue(e->net, &from, &called, 2, byte, 2));
	}
}

START_TEST(more_than_a_batch_is_answered_in_order)
{
	struct echo *e = echo_up();
	ck_assert_int_eq(echo_open(e), 0);
	e->answers = 3;
	send_in(e, 5 * LAN_BATCH / 2);
	fake_net_wake(e->net);
	for (unsigned i = 0; i < 5 * LAN_BATCH / 2 * 3; i++) {
		const struct fake_datagram *d = fake_lan_take(e->net);
		ck_assert_ptr_nonnull(d);
		ck_assert_uint_eq(d->bytes[0] << 8 | d->bytes[1], i / 3);
	}
	ck_assert_ptr_null(fake_lan_take(e->net));
	lan_close(e->port);
	echo_down(e);
}
END_TEST

START_TEST(one_wake_up_reads_one_batch)
{
	struct echo *e = echo_up();
	ck_assert_int_eq(echo_open(e), 0);
	send_in(e, LAN_BATCH + 1);
	ck_assert_int_eq(loop_once(e->env.loop, 0), 0);
	ck_assert_uint_eq(e->got, LAN_BATCH);
	ck_assert_uint_eq(fake_lan_sent(e->net), LAN_BATCH);
	lan_close(e->port);
	echo_down(e);
}
END_TEST

START_TEST(a_batch_is_announced_and_a_single_datagram_is_not)
{
	struct echo *e = echo_up();
	ck_assert_int_eq(echo_open(e), 0);
	send_in(e, LAN_BATCH + 1);
	ck_assert_int_eq(loop_once(e->env.loop, 0), 0);
	ck_assert_uint_eq(e->announced, LAN_BATCH);
	ck_assert_uint_eq(e->last, LAN_BATCH - 1);
	ck_assert_int_eq(loop_once(e->env.loop, 0), 0);
	ck_assert_uint_eq(e->got, LAN_BATCH + 1);
	ck_assert_uint_eq(e->announced, LAN_BATCH);
	lan_close(e->port);
	echo_down(e);
}
END_TEST

START_TEST(what_gathered_is_sent_when_the_socket_closes)
{
	struct echo *e = echo_up();
	ck_assert_int_eq(echo_open(e), 0);
	struct udp_slot *slot = lan_slot(e->port);
	*slot = (struct udp_slot){ .bytes = slot->bytes, .n = 1, .peer = at(A),
		.called = addr_any(true, 0) };
	slot->bytes[0] = 'x';
	lan_commit(e->port);
	ck_assert_uint_eq(fake_lan_sent(e->net), 0);
	lan_close(e->port);
	ck_assert_uint_eq(fake_lan_sent(e->net), 1);
	echo_down(e);
}
END_TEST

START_TEST(refused_answers_are_told_and_overflows_counted)
{
	struct echo *e = echo_up();
	struct addr device = at(A);
	ck_assert_int_eq(echo_open(e), 0);
	fake_lan_refuse(e->net, &device, true);
	fake_lan_overflow(e->net, 7);
	send_in(e, 2);
	fake_net_wake(e->net);
	ck_assert_uint_eq(e->refused, 2);
	ck_assert_uint_eq(e->env.stat.count[COUNT_LAN_OVERFLOWS], 7);
	fake_lan_overflow(e->net, 9);
	send_in(e, 1);
	fake_net_wake(e->net);
	ck_assert_uint_eq(e->env.stat.count[COUNT_LAN_OVERFLOWS], 9);
	lan_close(e->port);
	echo_down(e);
}
END_TEST

static void wake(struct echo *e, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		ck_assert_int_eq(loop_once(e->env.loop, 0), 0);
}

/* Only reads that find the queue full again and again tell of it. */
START_TEST(a_socket_that_is_not_emptied_presses)
{
	struct echo *e = echo_up();
	ck_assert_int_eq(echo_open(e), 0);
	send_in(e, 2 * LAN_PRESSED * LAN_BATCH);
	wake(e, LAN_PRESSED - 1);
	ck_assert_uint_eq(e->pressed, 0);
	wake(e, 1);
	ck_assert_uint_eq(e->pressed, 1);
	wake(e, LAN_PRESSED);
	ck_assert_uint_eq(e->pressed, 2);
	for (unsigned i = 0; i < 3; i++) {
		send_in(e, (LAN_PRESSED - 1) * LAN_BATCH + 1);
		wake(e, LAN_PRESSED);
	}
	ck_assert_uint_eq(e->pressed, 2);
	lan_close(e->port);
	echo_down(e);
}
END_TEST

START_TEST(port_that_can_not_open_leaves_nothing)
{
	struct echo *e = echo_up();
	fake_net_fail_opens(e->net, EADDRINUSE, 1);
	ck_assert_int_eq(echo_open(e), -EADDRINUSE);
	fake_net_fail_watches(e->net, ENOSPC, 1);
	ck_assert_int_eq(echo_open(e), -ENOSPC);
	echo_down(e);
}
END_TEST

Suite *lan_suite(void)
{
	Suite *s = suite_create("lan");
	SUITE_TEST(s, more_than_a_batch_is_answered_in_order);
	SUITE_TEST(s, one_wake_up_reads_one_batch);
	SUITE_TEST(s, a_batch_is_announced_and_a_single_datagram_is_not);
	SUITE_TEST(s, what_gathered_is_sent_when_the_socket_closes);
	SUITE_TEST(s, refused_answers_are_told_and_overflows_counted);
	SUITE_TEST(s, a_socket_that_is_not_emptied_presses);
	SUITE_TEST(s, port_that_can_not_open_leaves_nothing);
	return s;
}
