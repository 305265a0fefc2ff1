/* The ring between two threads. Built with TSan (tests/tests.mk). */
#include "suite.h"
#include "threads.h"
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include "ring.h"

#define SIZE (64 * 1024)

static struct ring *make(void)
{
	struct ring *r;
	ck_assert_int_eq(ring_create(&r, SIZE), 0);
	return r;
}

static bool put(struct ring *r, uint32_t number, size_t n)
{
	uint8_t *room = ring_room(r, n);
	if (room == NULL)
		return false;
	memset(room, (int)(number & 0xff), n);
	memcpy(room, &number, sizeof(number));
	ring_commit(r);
	return true;
}

/* The next one is this, whole. */
static bool take(struct ring *r, uint32_t number, size_t n)
{
	struct slice m = ring_first(r);
	if (m.p == NULL)
		return false;
	uint8_t wanted[RING_MESSAGE_MAX];
	memset(wanted, (int)(number & 0xff), n);
	memcpy(wanted, &number, sizeof(number));
	if (m.n != n || memcmp(m.p, wanted, n) != 0) /* one assertion a message takes a minute */
		ck_abort_msg("message %u is another one", number);
	ring_next(r);
	return true;
}

START_TEST(ring_gives_what_was_put_in_its_order)
{
	struct ring *r = make();
	ck_assert_ptr_null(ring_first(r).p);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert(put(r, i, 4 + i));
	for (uint32_t i = 0; i < 10; i++)
		ck_assert(take(r, i, 4 + i));
	ck_assert_ptr_null(ring_first(r).p);
	ring_free(r);
}
END_TEST

START_TEST(ring_shows_nothing_that_was_not_sent)
{
	struct ring *r = make();
	ck_assert_ptr_nonnull(ring_room(r, 100));
	ck_assert_ptr_null(ring_first(r).p);
	ck_assert(put(r, 7, 50));
	ck_assert(take(r, 7, 50));
	ck_assert_ptr_null(ring_first(r).p);
	ring_free(r);
}
END_TEST

/* Full is said, loses nothing, and ends when the reader goes on. */
START_TEST(ring_that_is_full_says_so)
{
	struct ring *r = make();
	uint32_t in = 0, out = 0;
	while (put(r, in, 1000))
		in++;
	ck_assert_uint_gt(in, 60);
	ck_assert(!put(r, in, 1000));
	ck_assert(take(r, out++, 1000));
	ck_assert(put(r, in++, 1000));
	while (out < in)
		ck_assert(take(r, out++, 1000));
	ring_free(r);
}
END_TEST

/* Every place is the end of the ring once. */
START_TEST(ring_turns_over_at_every_place)
{
	struct ring *r = make();
	uint32_t in = 0, out = 0;
	for (size_t n = 4; n < 9000; n += 7) {
		ck_assert(put(r, in++, n));
		ck_assert(put(r, in++, 4));
		ck_assert(take(r, out++, n));
		ck_assert(take(r, out++, 4));
	}
	ck_assert(put(r, in++, RING_MESSAGE_MAX));
	ck_assert(take(r, out++, RING_MESSAGE_MAX));
	ring_free(r);
}
END_TEST

#define MESSAGES 100000

static size_t length_of(uint32_t number)
{
	return 4 + number * 2654435761U % 300;
}

static void *writer(void *who)
{
	for (uint32_t i = 0; i < MESSAGES;)
		if (put(who, i, length_of(i)))
			i++;
		else
			sched_yield();
	return NULL;
}

START_TEST(ring_between_threads_loses_and_changes_nothing)
{
	struct ring *r = make();
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, writer, r), 0);
	for (uint32_t i = 0; i < MESSAGES;)
		if (take(r, i, length_of(i)))
			i++;
		else
			sched_yield();
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_ptr_null(ring_first(r).p);
	ring_free(r);
}
END_TEST

Suite *ring_suite(void)
{
	Suite *s = suite_create("ring");
	SUITE_TEST(s, ring_gives_what_was_put_in_its_order);
	SUITE_TEST(s, ring_shows_nothing_that_was_not_sent);
	SUITE_TEST(s, ring_that_is_full_says_so);
	SUITE_TEST(s, ring_turns_over_at_every_place);
	SUITE_TEST(s, ring_between_threads_loses_and_changes_nothing);
	return s;
}
