/* Timers: order, moving, disarming inside callbacks, bounds, and a heap against a plain list. */
#include "suite.h"
#include "io.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include "timer.h"

static struct timers timers;
static char fired[64];
static size_t fired_count;

/* A timer with a letter, which may do something to another when it fires. */
struct lettered {
	struct timer timer;
	char letter;
	struct timer *disarms;
	int again; /* how often it arms itself for now, or the past */
	int64_t back;
};

static void note(struct timer *timer, struct mono now)
{
	struct lettered *l = container_of(timer, struct lettered, timer);
	ck_assert_uint_eq(timer->place, 0);
	fired[fired_count++] = l->letter;
	fired[fired_count] = '\0';
	if (l->disarms != NULL)
		timer_disarm(&timers, l->disarms);
	if (l->again-- > 0)
		timer_arm(&timers, timer, mono_add(now, -l->back));
}

static struct lettered lettered(char letter)
{
	return (struct lettered){ .timer.fire = note, .letter = letter };
}

static void setup(void)
{
	timers = (struct timers){ 0 };
	fired_count = 0;
	fired[0] = '\0';
	ck_assert_int_eq(timers_reserve(&timers, 8), 0);
}

static void arm(struct lettered *l, int64_t ms)
{
	timer_arm(&timers, &l->timer, (struct mono){ ms });
}

static void run(int64_t ms, size_t most)
{
	timers_run(&timers, (struct mono){ ms }, most);
}

START_TEST(timers_fire_once_in_order_of_deadline_then_of_arming)
{
	setup();
	struct lettered a = lettered('a'), b = lettered('b'), c = lettered('c'), d = lettered('d');
	arm(&c, 30);
	arm(&a, 10);
	arm(&b, 20);
	arm(&d, 20);
	ck_assert_int_eq(timers_next(&timers).ms, 10);
	run(9, 8);
	ck_assert_str_eq(fired, "");
	run(20, 8);
	ck_assert_str_eq(fired, "abd");
	ck_assert_int_eq(timers_next(&timers).ms, 30);
	run(1000, 8);
	run(1000, 8);
	ck_assert_str_eq(fired, "abdc");
	ck_assert_int_eq(timers_next(&timers).ms, MONO_NEVER.ms);
	timers_fini(&timers);
}
END_TEST

START_TEST(timers_move_and_disarm)
{
	setup();
	struct lettered a = lettered('a'), b = lettered('b');
	arm(&a, 10);
	arm(&a, 50);
	ck_assert_uint_eq(timers.count, 1);
	timer_arm_by(&timers, &a.timer, (struct mono){ 60 });
	ck_assert_int_eq(a.timer.at.ms, 50);
	timer_arm_by(&timers, &a.timer, (struct mono){ 40 });
	ck_assert_int_eq(a.timer.at.ms, 40);
	timer_arm_by(&timers, &a.timer, MONO_NEVER);
	ck_assert_int_eq(a.timer.at.ms, 40);
	timer_arm_by(&timers, &b.timer, (struct mono){ 41 });
	arm(&a, MONO_NEVER.ms);
	ck_assert_uint_eq(a.timer.place, 0);
	timer_disarm(&timers, &a.timer);
	timer_disarm(&timers, &b.timer);
	run(1000, 8);
	ck_assert_str_eq(fired, "");
	timers_fini(&timers);
}
END_TEST

START_TEST(timers_may_be_disarmed_by_one_that_fires)
{
	setup();
	struct lettered a = lettered('a'), b = lettered('b'), c = lettered('c');
	a.disarms = &b.timer;
	arm(&a, 1);
	arm(&b, 1);
	arm(&c, 1);
	run(1, 8);
	ck_assert_str_eq(fired, "ac");
	timers_fini(&timers);
}
END_TEST

START_TEST(timers_that_want_now_for_ever_starve_nobody)
{
	setup();
	struct lettered a = lettered('a'), b = lettered('b'), c = lettered('c');
	a.again = b.again = 100;
	b.back = 1000; /* for the past */
	arm(&a, 1);
	arm(&b, 1);
	arm(&c, 5);
	run(5, 6);
	ck_assert_str_eq(fired, "abcaba");
	run(5, 2);
	ck_assert_str_eq(fired, "abcababa");
	timers_fini(&timers);
}
END_TEST

START_TEST(timers_make_room_for_all_and_for_each)
{
	struct timers t = { 0 };
	ck_assert_int_eq(timers_reserve(&t, 3), 0);
	ck_assert_int_eq(timers_reserve(&t, 2), 0);
	ck_assert_uint_eq(t.room, 3);
	ck_assert_int_eq(timers_hold(&t, 2), 0);
	ck_assert_int_eq(timers_hold(&t, 2), 0);
	ck_assert_uint_eq(t.room, 7);
	timers_release(&t, 2);
	ck_assert_int_eq(timers_hold(&t, 2), 0);
	ck_assert_uint_eq(t.room, 7);
	ck_assert_int_eq(timers_reserve(&t, 4), 0);
	ck_assert_uint_eq(t.room, 8);
	ck_assert_int_eq(timers_reserve(&t, SIZE_MAX), -ENOMEM);
	ck_assert_int_eq(timers_reserve(&t, SIZE_MAX / sizeof(void *)), -ENOMEM);
	ck_assert_int_eq(timers_hold(&t, SIZE_MAX), -ENOMEM);
	ck_assert_int_eq(timers_hold(&t, SIZE_MAX / sizeof(void *) - 1), -ENOMEM);
	ck_assert_uint_eq(t.reserved + t.held, 8);
	timers_fini(&t);
}
END_TEST

#define MANY 300

static struct lettered many[MANY];
static int64_t last_at;

static void in_order(struct timer *timer, struct mono now)
{
	ck_assert_int_le(timer->at.ms, now.ms);
	ck_assert_int_ge(timer->at.ms, last_at);
	last_at = timer->at.ms;
	fired_count++;
}

/* Every due timer fired, none that was not due, whatever was armed, moved and disarmed before. */
START_TEST(timers_agree_with_a_plain_list)
{
	unsigned seed = (unsigned)time(NULL);
	printf("check_timer: seed %u\n", seed);
	srand(seed);
	struct timers t = { 0 };
	ck_assert_int_eq(timers_reserve(&t, MANY), 0);
	for (int i = 0; i < MANY; i++)
		many[i].timer.fire = in_order;
	for (int64_t now = 0; now < 5000; now += rand() % 20) {
		for (int k = rand() % 50; k > 0; k--) {
			struct timer *one = &many[rand() % MANY].timer;
			if (rand() % 4 == 0)
				timer_disarm(&t, one);
			else
				timer_arm(&t, one, (struct mono){ now + rand() % 200 });
		}
		size_t due = 0, armed = 0;
		for (int i = 0; i < MANY; i++) {
			armed += many[i].timer.place != 0;
			due += many[i].timer.place != 0 && many[i].timer.at.ms <= now;
		}
		ck_assert_uint_eq(t.count, armed);
		fired_count = 0;
		last_at = 0;
		timers_run(&t, (struct mono){ now }, MANY);
		ck_assert_uint_eq(fired_count, due);
		ck_assert_uint_eq(t.count, armed - due);
	}
	timers_fini(&t);
}
END_TEST

Suite *timer_suite(void)
{
	Suite *s = suite_create("timer");
	SUITE_TEST(s, timers_fire_once_in_order_of_deadline_then_of_arming);
	SUITE_TEST(s, timers_move_and_disarm);
	SUITE_TEST(s, timers_may_be_disarmed_by_one_that_fires);
	SUITE_TEST(s, timers_that_want_now_for_ever_starve_nobody);
	SUITE_TEST(s, timers_make_room_for_all_and_for_each);
	SUITE_TEST(s, timers_agree_with_a_plain_list);
	return s;
}
