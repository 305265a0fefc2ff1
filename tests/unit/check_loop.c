/* The loop: who is told, in which order, and that nobody is told for another's descriptor. */
#include "suite.h"
#include "io.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "loop.h"
#include "limits.h"

static struct loop *loop;

/* One end of a socket pair in the loop, the other in the test's hand. */
struct end {
	struct watch watch;
	int far;
	unsigned told;
	unsigned announced;
	unsigned happened;
	bool silent; /* does not read */
};

static struct end ends[4];
static struct end *fresh;

static void end_open(struct end *e, void (*ready)(struct watch *, unsigned, struct mono))
{
	int fds[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	*e = (struct end){ .watch = { .fd = fds[0], .ready = ready }, .far = fds[1] };
	ck_assert_int_eq(loop_watch(loop, &e->watch, LOOP_READ), 0);
}

static void end_close(struct end *e)
{
	loop_unwatch(loop, &e->watch);
	close(e->watch.fd);
	close(e->far);
}

static void shout(struct end *e)
{
	ck_assert_int_eq(write(e->far, "x", 1), 1);
}

static void setup(void)
{
	ck_assert_int_eq(loop_create(&loop), 0);
}

static void read_one(struct watch *watch, unsigned happened, struct mono now)
{
	struct end *e = container_of(watch, struct end, watch);
	char byte;
	ck_assert_int_eq(now.ms, loop_now(loop).ms);
	e->told++;
	e->happened = happened;
	if (!e->silent && (happened & LOOP_READ) != 0)
		ck_assert_int_eq(read(watch->fd, &byte, 1), 1);
}

START_TEST(loop_is_level_triggered)
{
	setup();
	struct end e;
	end_open(&e, read_one);
	shout(&e);
	shout(&e);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(e.told, 1);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(e.told, 2);
	e.silent = true;
	ck_assert_int_eq(loop_rewatch(loop, &e.watch, LOOP_READ | LOOP_WRITE), 0);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(e.happened, LOOP_WRITE);
	ck_assert_int_eq(loop_rewatch(loop, &e.watch, 0), 0);
	shout(&e);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(e.told, 3);
	end_close(&e);
	loop_free(loop);
}
END_TEST

/* Closes the other one, and lets a newcomer have its number. */
static void replace(struct watch *watch, unsigned happened, struct mono now)
{
	struct end *e = container_of(watch, struct end, watch);
	struct end *victim = e == &ends[0] ? &ends[1] : &ends[0];
	read_one(watch, happened, now);
	if (fresh != NULL)
		return;
	int number = victim->watch.fd;
	loop_unwatch(loop, &victim->watch);
	close(number);
	fresh = &ends[2];
	end_open(fresh, read_one);
	ck_assert_int_eq(fresh->watch.fd, number);
}

START_TEST(loop_tells_no_event_of_a_closed_descriptor)
{
	setup();
	fresh = NULL;
	end_open(&ends[0], replace);
	end_open(&ends[1], replace);
	shout(&ends[0]);
	shout(&ends[1]);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(ends[0].told + ends[1].told, 1);
	ck_assert_uint_eq(fresh->told, 0);
	shout(fresh);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(fresh->told, 1);
	end_close(fresh);
	end_close(ends[0].watch.slot != 0 ? &ends[0] : &ends[1]);
	loop_free(loop);
}
END_TEST

/* In the order in which they are told. */
static struct end many[20];
#define LAST (sizeof(many) / sizeof(many[0]) - 1)

static void announced(const struct watch *watch)
{
	struct end *e = container_of(watch, struct end, watch);
	ck_assert_uint_eq(e->told, 0);
	e->announced++;
}

/* The first one takes the last one away, which has not had its turn. */
static void expect_announced(struct watch *watch, unsigned happened, struct mono now)
{
	struct end *e = container_of(watch, struct end, watch);
	ck_assert_uint_eq(e->announced, e == &many[0] ? 0 : 1);
	if (e == &many[0])
		loop_unwatch(loop, &many[LAST].watch);
	read_one(watch, happened, now);
}

START_TEST(loop_announces_who_comes_later_and_nobody_who_is_gone)
{
	setup();
	for (size_t i = 0; i <= LAST; i++) {
		end_open(&many[i], expect_announced);
		many[i].watch.soon = i == LAST / 2 ? NULL : announced;
		many[i].announced = i == LAST / 2 ? 1 : 0;
		shout(&many[i]);
	}
	ck_assert_int_eq(loop_once(loop, 0), 0);
	for (size_t i = 0; i < LAST; i++)
		ck_assert_uint_eq(many[i].told, 1);
	ck_assert_uint_eq(many[LAST].told, 0);
	ck_assert_uint_eq(many[LAST].announced, 0);
	for (size_t i = 0; i <= LAST; i++)
		end_close(&many[i]);
	loop_free(loop);
}
END_TEST

static void unwatch_self(struct watch *watch, unsigned happened, struct mono now)
{
	read_one(watch, happened, now);
	loop_unwatch(loop, watch);
}

static struct urge urge;
static unsigned urged, told_before; /* how often it was run, and who had been told by then */

static void run_urge(struct urge *u)
{
	ck_assert_ptr_eq(u, &urge);
	told_before = ends[0].told + ends[1].told + ends[2].told;
	urge.is_wanted = false;
	urged++;
}

static void read_and_urge(struct watch *watch, unsigned happened, struct mono now)
{
	read_one(watch, happened, now);
	urge.is_wanted = ends[0].told + ends[1].told + ends[2].told == 2;
}

START_TEST(loop_heeds_an_urge_between_two_descriptors)
{
	setup();
	urge = (struct urge){ .run = run_urge };
	loop_on_urge(loop, &urge);
	for (int i = 0; i < 3; i++) {
		end_open(&ends[i], read_and_urge);
		shout(&ends[i]);
	}
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(urged, 1);
	ck_assert_uint_eq(told_before, 2);
	ck_assert_uint_eq(ends[0].told + ends[1].told + ends[2].told, 3);
	for (int i = 0; i < 3; i++)
		end_close(&ends[i]);
	loop_free(loop);
}
END_TEST

START_TEST(loop_unwatches_inside_and_twice)
{
	setup();
	struct end e;
	end_open(&e, unwatch_self);
	shout(&e);
	shout(&e);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(e.told, 1);
	loop_unwatch(loop, &e.watch);
	struct watch never = { 0 };
	loop_unwatch(loop, &never);
	end_close(&e);
	struct watch bad = { .fd = 1 << 20, .ready = read_one };
	ck_assert_int_eq(loop_watch(loop, &bad, LOOP_READ), -EBADF);
	ck_assert_uint_eq(bad.slot, 0);
	loop_free(loop);
}
END_TEST

START_TEST(loop_tells_errors)
{
	setup();
	int fds[2];
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	struct end writer = { .watch = { .fd = fds[1], .ready = read_one }, .silent = true };
	ck_assert_int_eq(loop_watch(loop, &writer.watch, 0), 0);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(writer.told, 0);
	close(fds[0]);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_uint_eq(writer.happened, LOOP_ERROR);
	loop_unwatch(loop, &writer.watch);
	close(fds[1]);
	loop_free(loop);
}
END_TEST

static char order[16];

static void order_timer(struct timer *timer, struct mono now)
{
	(void)timer;
	(void)now;
	strcat(order, "t");
}

static void order_ready(struct watch *watch, unsigned happened, struct mono now)
{
	strcat(order, "d");
	read_one(watch, happened, now);
}

static void order_flush(struct flush *flush, struct mono now)
{
	(void)now;
	strcat(order, "f");
	list_remove(&flush->node);
}

START_TEST(loop_runs_timers_then_descriptors_then_flushes)
{
	setup();
	order[0] = '\0';
	struct end e;
	end_open(&e, order_ready);
	shout(&e);
	struct timer timer = { .fire = order_timer };
	ck_assert_int_eq(timers_reserve(loop_timers(loop), 1), 0);
	timer_arm(loop_timers(loop), &timer, loop_now(loop));
	struct flush first = { .run = order_flush }, second = first;
	loop_on_flush(loop, &first);
	loop_on_flush(loop, &second);
	ck_assert_int_eq(loop_once(loop, -1), 0);
	ck_assert_str_eq(order, "tdff");
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_str_eq(order, "tdff");
	end_close(&e);
	loop_free(loop);
}
END_TEST

/* A timer that stops the loop, and says when. */
struct stopper {
	struct timer timer;
	struct mono at;
	int again; /* re-arms for now, so often */
};

static void stopper_fire(struct timer *timer, struct mono now)
{
	struct stopper *s = container_of(timer, struct stopper, timer);
	s->at = now;
	if (s->again-- > 0)
		timer_arm(loop_timers(loop), timer, now);
	else
		loop_stop(loop);
}

START_TEST(loop_sleeps_until_the_deadline_and_not_less)
{
	setup();
	struct stopper s = { .timer.fire = stopper_fire };
	ck_assert_int_eq(timers_reserve(loop_timers(loop), 1), 0);
	for (int ms = 0; ms < 20; ms += 7) {
		struct mono at = mono_add(loop_now(loop), ms);
		timer_arm(loop_timers(loop), &s.timer, at);
		ck_assert_int_eq(loop_run(loop), 0);
		ck_assert_int_ge(s.at.ms, at.ms);
	}
	loop_stop(loop);
	ck_assert_int_eq(loop_run(loop), 0);
	loop_free(loop);
}
END_TEST

START_TEST(loop_serves_descriptors_beside_a_busy_timer)
{
	setup();
	struct stopper s = { .timer.fire = stopper_fire, .again = 3 * LOOP_TIMERS };
	ck_assert_int_eq(timers_reserve(loop_timers(loop), 1), 0);
	struct end e;
	end_open(&e, read_one);
	shout(&e);
	timer_arm(loop_timers(loop), &s.timer, loop_now(loop));
	ck_assert_int_eq(loop_once(loop, -1), 0);
	ck_assert_uint_eq(e.told, 1);
	ck_assert_int_gt(s.again, 0);
	ck_assert_int_eq(loop_run(loop), 0);
	end_close(&e);
	loop_free(loop);
}
END_TEST

static void on_alarm(int number)
{
	(void)number;
}

START_TEST(loop_outlives_signals)
{
	setup();
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { .tv_usec = 2000 }, { .tv_usec = 2000 } };
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	ck_assert_int_eq(loop_once(loop, -1), 0);
	often.it_value.tv_usec = 0;
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	loop_free(loop);
}
END_TEST

START_TEST(loop_tells_all_of_more_than_it_asks_for_at_once)
{
	enum { MANY = LOOP_EVENTS + 50 };
	static struct end crowd[MANY];
	setup();
	for (int i = 0; i < MANY; i++) {
		end_open(&crowd[i], read_one);
		shout(&crowd[i]);
		crowd[i].silent = true;
	}
	ck_assert_int_eq(loop_once(loop, 0), 0);
	ck_assert_int_eq(loop_once(loop, 0), 0);
	for (int i = 0; i < MANY; i++)
		ck_assert_uint_ge(crowd[i].told, 1);
	for (int i = 0; i < MANY; i++)
		end_close(&crowd[i]);
	loop_free(loop);
}
END_TEST

Suite *loop_suite(void)
{
	Suite *s = suite_create("loop");
	SUITE_TEST(s, loop_is_level_triggered);
	SUITE_TEST(s, loop_tells_no_event_of_a_closed_descriptor);
	SUITE_TEST(s, loop_announces_who_comes_later_and_nobody_who_is_gone);
	SUITE_TEST(s, loop_heeds_an_urge_between_two_descriptors);
	SUITE_TEST(s, loop_unwatches_inside_and_twice);
	SUITE_TEST(s, loop_tells_errors);
	SUITE_TEST(s, loop_runs_timers_then_descriptors_then_flushes);
	SUITE_TEST(s, loop_sleeps_until_the_deadline_and_not_less);
	SUITE_TEST(s, loop_serves_descriptors_beside_a_busy_timer);
	SUITE_TEST(s, loop_outlives_signals);
	SUITE_TEST(s, loop_tells_all_of_more_than_it_asks_for_at_once);
	return s;
}
