/* The network in memory keeps the promises of its header, and stands in for the real files. */
#include "suite.h"
#include <errno.h>
#include "fake_net.h"

static struct fake_net *net;
static struct loop *loop;

static struct addr at(const char *text)
{
	struct addr a;
	ck_assert_int_eq(addr_parse(&a, text), 0);
	return a;
}

static void setup(void)
{
	net = fake_net_create();
	ck_assert_int_eq(loop_create(&loop), 0);
}

static void teardown(void)
{
	ck_assert_uint_eq(fake_net_open(net), 0);
	ck_assert_uint_eq(fake_net_watched(net), 0);
	loop_free(loop);
	fake_net_free(net);
}

/* Reads all that comes and sends it back. */
struct echo {
	struct watch watch;
	struct udp_batch *batch;
	unsigned told;
	unsigned errors;
	struct flush flush;
	unsigned flushed;
	int got;
};

static void echo_lan(struct watch *watch, unsigned happened, struct mono now)
{
	struct echo *e = container_of(watch, struct echo, watch);
	ck_assert_int_eq(now.ms, fake_net_now(net).ms);
	ck_assert_uint_eq(happened, LOOP_READ);
	e->told++;
	e->got = udp_recv_batch(watch->fd, e->batch, 2);
}

static void echo_flush(struct flush *flush, struct mono now)
{
	struct echo *e = container_of(flush, struct echo, flush);
	unsigned refused = 0;
	(void)now;
	e->flushed++;
	if (e->got > 0)
		ck_assert_uint_eq(udp_send_batch(e->watch.fd, e->batch, 0, (unsigned)e->got, &refused),
			(unsigned)e->got - refused);
	e->got = 0;
}

static void echo_open(struct echo *e, const char *listen)
{
	struct udp_listen_spec spec = { .address = at(listen) };
	*e = (struct echo){ .watch = { .ready = echo_lan }, .flush = { .run = echo_flush } };
	e->watch.fd = udp_listen(&spec);
	ck_assert_int_ge(e->watch.fd, 0);
	ck_assert_int_eq(udp_batch_create(&e->batch, 2), 0);
	ck_assert_int_eq(loop_watch(loop, &e->watch, LOOP_READ), 0);
	loop_on_flush(loop, &e->flush);
}

static void echo_close(struct echo *e)
{
	loop_unwatch(loop, &e->watch);
	udp_close(e->watch.fd);
	udp_batch_free(e->batch);
	list_remove(&e->flush.node);
}

START_TEST(lan_datagrams_come_in_batches_and_leave_as_called)
{
	setup();
	struct echo e;
	echo_open(&e, "0.0.0.0:5683");
	struct addr device = at("10.0.0.9:1234"), called = at("10.0.0.1:5683");
	struct addr nobody = at("10.0.0.1:5684"), six = at("[fd00::1]:5683");
	ck_assert(!fake_lan_queue(net, &device, &nobody, 2, "x", 1));
	ck_assert(!fake_lan_queue(net, &device, &six, 2, "x", 1));
	for (int i = 0; i < 3; i++)
		ck_assert(fake_lan_queue(net, &device, &called, 7, "abc", (size_t)i + 1));
	fake_net_wake(net);
	ck_assert_uint_eq(e.told, 2);
	ck_assert_uint_ge(e.flushed, 2);
	ck_assert_uint_eq(fake_lan_sent(net), 3);
	for (size_t i = 0; i < 3; i++) {
		const struct fake_datagram *d = fake_lan_take(net);
		ck_assert_ptr_nonnull(d);
		ck_assert(addr_eq(&d->from, &called) && addr_eq(&d->to, &device));
		ck_assert_uint_eq(d->ifindex, 7);
		ck_assert_uint_eq(d->n, i + 1);
		ck_assert_mem_eq(d->bytes, "abc", d->n);
	}
	ck_assert_ptr_null(fake_lan_take(net));
	echo_close(&e);
	teardown();
}
END_TEST

START_TEST(lan_cuts_refuses_and_prefers_the_nearer_socket)
{
	setup();
	static uint8_t big[UDP_ROOM + 1];
	struct echo any, one;
	echo_open(&any, "0.0.0.0:5683");
	struct udp_listen_spec again = { .address = at("0.0.0.0:5683") };
	ck_assert_int_eq(udp_listen(&again), -EADDRINUSE);
	again.interface = "br-lan";
	ck_assert_int_eq(udp_listen(&again), -ENODEV);
	struct addr device = at("10.0.0.9:1234"), called = at("10.0.0.1:5683");
	fake_lan_room(net, 2);
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert(fake_lan_queue(net, &device, &called, 7, "x", 1));
		ck_assert_uint_eq(fake_lan_waiting(net), i < 2 ? i : 2);
	}
	ck_assert_uint_eq(udp_filled(any.watch.fd), 100);
	fake_net_wake(net);
	ck_assert_uint_eq(udp_overflowed(any.batch), 1);
	ck_assert_uint_eq(udp_filled(any.watch.fd), 0);
	while (fake_lan_take(net) != NULL)
		;
	fake_lan_room(net, 0);
	fake_lan_overflow(net, 5);
	fake_lan_refuse(net, &device, true);
	fake_lan_arrive(net, &device, &called, 7, big, sizeof(big));
	ck_assert(udp_batch_slot(any.batch, 0)->truncated);
	ck_assert_uint_eq(udp_batch_slot(any.batch, 0)->n, UDP_ROOM);
	ck_assert_uint_eq(udp_overflowed(any.batch), 5);
	ck_assert_uint_eq(fake_lan_sent(net), 0);
	fake_lan_refuse(net, &device, false);
	echo_open(&one, "[fd00::1]:5683");
	called = at("[fd00::1]:5683");
	device = at("[fd00::9]:1");
	fake_lan_arrive(net, &device, &called, 7, "x", 1);
	ck_assert_uint_eq(one.told, 1);
	ck_assert_uint_eq(fake_lan_sent(net), 1);
	echo_close(&any);
	echo_close(&one);
	teardown();
}
END_TEST

static int wan_open(const char *peer, uint16_t *port, bool *connected)
{
	struct udp_connect_spec spec = { at(peer), *port, NULL };
	return udp_connect(&spec, port, connected);
}

static void on_error(struct watch *watch, unsigned happened, struct mono now)
{
	struct echo *e = container_of(watch, struct echo, watch);
	uint8_t room[8];
	(void)now;
	e->told++;
	e->errors += (happened & LOOP_ERROR) != 0;
	e->got = (int)udp_recv(watch->fd, room, sizeof(room));
}

START_TEST(wan_sockets_carry_both_ways)
{
	setup();
	uint16_t port = 0;
	bool connected;
	struct echo e = { .watch = { .ready = on_error } };
	e.watch.fd = wan_open("203.0.113.5:5684", &port, &connected);
	ck_assert_int_ge(e.watch.fd, 0);
	ck_assert(connected && port >= 40000);
	ck_assert_int_eq(loop_watch(loop, &e.watch, LOOP_READ), 0);
	unsigned refused = 0;
	ck_assert_int_eq(udp_send(e.watch.fd, (const uint8_t *)"hi", 2, &refused), 0);
	ck_assert_ptr_null(fake_wan_take_from(net, (uint16_t)(port + 1)));
	const struct fake_datagram *d = fake_wan_take_from(net, port);
	struct addr from = at("192.0.2.1"), to = at("203.0.113.5:5684"), other = at("203.0.113.6:5684");
	from.port = port;
	ck_assert(addr_eq(&d->from, &from) && addr_eq(&d->to, &to) && d->n == 2);
	ck_assert(!fake_wan_queue(net, port, &other, "x", 1));
	fake_wan_arrive(net, port, &to, "0123456789", 10);
	ck_assert_int_eq(e.got, 10);
	ck_assert(fake_wan_error(net, port, ECONNREFUSED));
	fake_net_wake(net);
	ck_assert_int_eq(e.got, -ECONNREFUSED);
	ck_assert_uint_eq(e.errors, 1);
	ck_assert_uint_eq(e.told, 2);
	ck_assert(fake_wan_error(net, port, ECONNREFUSED));
	ck_assert_int_eq(udp_send(e.watch.fd, (const uint8_t *)"hi", 2, &refused), 0);
	ck_assert_uint_eq(refused, 1);
	ck_assert_uint_eq(fake_wan_sent(net), 1);
	fake_wan_fail_sends(net, port, ENOBUFS);
	ck_assert_int_eq(udp_send(e.watch.fd, (const uint8_t *)"hi", 2, &refused), -ENOBUFS);
	loop_unwatch(loop, &e.watch);
	udp_close(e.watch.fd);
	teardown();
}
END_TEST

START_TEST(wan_ports_and_routes_are_a_world_of_their_own)
{
	setup();
	fake_net_port_range(net, 50000, 50001);
	fake_net_port_taken(net, 50000, true);
	uint16_t port = 0, second = 0;
	bool connected;
	int fd = wan_open("203.0.113.5:1", &port, &connected);
	ck_assert_uint_eq(port, 50001);
	ck_assert_int_eq(wan_open("203.0.113.5:1", &second, &connected), -EADDRNOTAVAIL);
	ck_assert_int_eq(wan_open("203.0.113.5:1", &port, &connected), -EADDRINUSE);
	fake_net_fail_opens(net, EMFILE, 1);
	ck_assert_int_eq(wan_open("203.0.113.5:1", &second, &connected), -EMFILE);
	struct addr peer = at("203.0.113.5:1"), local, moved = at("198.51.100.7");
	unsigned refused = 0;
	fake_net_source(net, true, NULL);
	ck_assert_int_eq(udp_send(fd, NULL, 0, &refused), -ENETUNREACH);
	ck_assert_int_eq(udp_source_for(&peer, NULL, &local), -ENETUNREACH);
	ck_assert_int_eq(udp_reconnect(fd, &peer), -ENETUNREACH);
	fake_net_source(net, true, &moved);
	ck_assert_int_eq(udp_source_for(&peer, NULL, &local), 0);
	ck_assert(addr_eq(&local, &moved));
	ck_assert_int_eq(udp_reconnect(fd, &peer), 0);
	ck_assert_int_eq(udp_send(fd, NULL, 0, &refused), 0);
	ck_assert_int_eq(udp_local(fd, &local), 0);
	moved.port = 50001;
	ck_assert(addr_eq(&local, &moved));
	udp_close(fd);
	teardown();
}
END_TEST

struct beat {
	struct timer timer;
	int64_t told[4];
	int n;
};

static void beat(struct timer *timer, struct mono now)
{
	struct beat *b = container_of(timer, struct beat, timer);
	b->told[b->n++] = now.ms - FAKE_NET_START_MS;
	if (b->n < 4)
		timer_arm(loop_timers(loop), timer, mono_add(now, 10));
}

START_TEST(time_stops_at_each_deadline)
{
	setup();
	struct beat b = { .timer = { .fire = beat } };
	ck_assert_int_eq(timers_reserve(loop_timers(loop), 1), 0);
	timer_arm(loop_timers(loop), &b.timer, mono_add(loop_now(loop), 5));
	fake_net_advance(net, 4);
	ck_assert_int_eq(b.n, 0);
	fake_net_advance(net, 12);
	ck_assert_int_eq(b.n, 2);
	ck_assert_int_eq(b.told[1], 15);
	ck_assert_int_eq(loop_now(loop).ms, FAKE_NET_START_MS + 16);
	fake_net_until(net, (struct mono){ FAKE_NET_START_MS + 100 });
	ck_assert_int_eq(b.n, 4);
	ck_assert_int_eq(b.told[3], 35);
	fake_net_advance(net, 1900);
	ck_assert_int_eq(loop_wall(), FAKE_NET_WALL_S + 2);
	fake_net_set_wall(net, 5);
	fake_net_advance(net, 3000);
	ck_assert_int_eq(loop_wall(), 8);
	teardown();
}
END_TEST

struct asker {
	struct resolve question;
	int told;
	size_t count;
	struct addr first;
};

static void asker_done(struct resolve *question, const struct addr *addresses, size_t count,
	const char *why, struct mono now)
{
	struct asker *a = container_of(question, struct asker, question);
	(void)now;
	a->told++;
	a->count = count;
	ck_assert_int_eq(why[0] == '\0', count != 0);
	if (count != 0)
		a->first = addresses[0];
}

START_TEST(names_are_answered_later_or_never)
{
	setup();
	struct resolver *r;
	ck_assert_int_eq(resolver_create(&r, loop), 0);
	struct asker a = { .question.done = asker_done }, b = a, c = a, d = a;
	struct addr two[] = { at("192.0.2.7"), at("2001:db8::7") };
	fake_name_set(net, "known", two, 2);
	ck_assert_int_eq(resolve_ask(r, &a.question, "known"), 0);
	ck_assert_int_eq(resolve_ask(r, &b.question, "late"), 0);
	ck_assert_int_eq(resolve_ask(r, &c.question, "192.0.2.9"), 0);
	ck_assert_int_eq(resolve_ask(r, &d.question, "known"), 0);
	resolve_cancel(&d.question);
	ck_assert_int_eq(a.told, 0);
	fake_net_wake(net);
	ck_assert(a.told == 1 && a.count == 2 && addr_eq(&a.first, &two[0]));
	ck_assert(c.told == 1 && c.count == 1);
	ck_assert(b.told == 0 && d.told == 0);
	ck_assert_uint_eq(fake_name_waiting(net, "late"), 1);
	fake_name_set(net, "late", NULL, 0);
	fake_net_wake(net);
	ck_assert(b.told == 1 && b.count == 0);
	fake_name_forget(net, "late");
	ck_assert_int_eq(resolve_ask(r, &b.question, "late"), 0);
	fake_net_advance(net, 1000);
	ck_assert_int_eq(b.told, 1);
	ck_assert_uint_eq(fake_name_asked(net, "late"), 2);
	resolver_free(r);
	ck_assert_ptr_null(b.question.asked);
	teardown();
}
END_TEST

static void count_ready(struct watch *watch, unsigned happened, struct mono now)
{
	(void)now;
	container_of(watch, struct echo, watch)->told += happened;
}

START_TEST(other_descriptors_are_told_by_hand)
{
	setup();
	struct echo e = { .watch = { .fd = 5, .ready = count_ready } };
	fake_net_fail_watches(net, ENOSPC, 1);
	ck_assert_int_eq(loop_watch(loop, &e.watch, LOOP_READ), -ENOSPC);
	ck_assert_int_eq(loop_watch(loop, &e.watch, LOOP_READ), 0);
	fake_net_ready(net, 5, LOOP_READ);
	ck_assert_uint_eq(e.told, LOOP_READ);
	ck_assert_uint_eq(fake_net_watched(net), 1);
	loop_unwatch(loop, &e.watch);
	loop_unwatch(loop, &e.watch);
	teardown();
}
END_TEST

static Suite *fake_net_suite(void)
{
	Suite *s = suite_create("fake_net");
	SUITE_TEST(s, lan_datagrams_come_in_batches_and_leave_as_called);
	SUITE_TEST(s, lan_cuts_refuses_and_prefers_the_nearer_socket);
	SUITE_TEST(s, wan_sockets_carry_both_ways);
	SUITE_TEST(s, wan_ports_and_routes_are_a_world_of_their_own);
	SUITE_TEST(s, time_stops_at_each_deadline);
	SUITE_TEST(s, names_are_answered_later_or_never);
	SUITE_TEST(s, other_descriptors_are_told_by_hand);
	return s;
}

SUITE_MAIN(fake_net_suite)
