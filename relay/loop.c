/* The event loop on epoll. An event names a slot and its generation, not a pointer, so one that is
 * told after its owner went, or for a number that has a new owner, finds nobody. */
#include "loop.h"
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "base/fetch.h"
#include "limits.h"

/* Turns between an announcement and the turn itself: memory takes as long as one or two. */
#define AHEAD 4

/* Who is told of an event. */
struct slot {
	struct watch *watch; /* borrowed; NULL when free */
	uint32_t generation; /* grows with each owner */
	uint32_t next_free;  /* place + 1 of the next free slot, while free */
};

struct loop {
	int epoll;
	bool serving; /* inside a wake-up: `now` is its time */
	bool stopped;
	struct mono now;
	struct timers timers;
	struct list flushes;
	struct urge *urge;   /* borrowed, or NULL */
	struct slot *slots;
	uint32_t room;       /* slots that exist */
	uint32_t first_free; /* place + 1; 0 when all are taken */
	struct epoll_event events[LOOP_EVENTS];
};

static struct mono clock_read(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct mono){ (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 };
}

int loop_create(struct loop **loop)
{
	*loop = NULL;
	struct loop *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		int rc = -errno;
		free(l);
		return rc;
	}
	list_init(&l->flushes);
	*loop = l;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	for (uint32_t i = 0; i < loop->room; i++)
		if (loop->slots[i].watch != NULL)
			loop->slots[i].watch->slot = 0;
	timers_fini(&loop->timers);
	close(loop->epoll);
	free(loop->slots);
	free(loop);
}

/* Doubles the slots and chains the new ones. */
static int slots_grow(struct loop *loop)
{
	uint32_t room = loop->room == 0 ? 64 : loop->room * 2;
	struct slot *slots = realloc(loop->slots, room * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	for (uint32_t i = loop->room; i < room; i++)
		slots[i] = (struct slot){ .next_free = i + 1 < room ? i + 2 : 0 };
	loop->first_free = loop->room + 1;
	loop->slots = slots;
	loop->room = room;
	return 0;
}

static void slot_release(struct loop *loop, struct watch *watch)
{
	struct slot *slot = &loop->slots[watch->slot - 1];
	slot->watch = NULL;
	slot->generation++;
	slot->next_free = loop->first_free;
	loop->first_free = watch->slot;
	watch->slot = 0;
}

static int control(struct loop *loop, int op, struct watch *watch, unsigned wanted)
{
	uint32_t i = watch->slot - 1;
	struct epoll_event event = {
		.events = (wanted & LOOP_READ ? EPOLLIN : 0u) | (wanted & LOOP_WRITE ? EPOLLOUT : 0u),
		.data.u64 = (uint64_t)loop->slots[i].generation << 32 | i,
	};
	return epoll_ctl(loop->epoll, op, watch->fd, &event) == 0 ? 0 : -errno;
}

int loop_watch(struct loop *loop, struct watch *watch, unsigned wanted)
{
	int rc = loop->first_free == 0 ? slots_grow(loop) : 0;
	if (rc < 0)
		return rc;
	watch->slot = loop->first_free;
	struct slot *slot = &loop->slots[watch->slot - 1];
	loop->first_free = slot->next_free;
	slot->watch = watch;
	rc = control(loop, EPOLL_CTL_ADD, watch, wanted);
	if (rc < 0)
		slot_release(loop, watch);
	return rc;
}

int loop_rewatch(struct loop *loop, struct watch *watch, unsigned wanted)
{
	BUG_UNLESS(watch->slot != 0);
	return control(loop, EPOLL_CTL_MOD, watch, wanted);
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
	if (watch->slot == 0)
		return;
	/* It fails only for a descriptor that was closed too early; the slot forgets it anyhow. */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	slot_release(loop, watch);
}

void loop_on_flush(struct loop *loop, struct flush *flush)
{
	list_append(&loop->flushes, &flush->node);
}

void loop_on_urge(struct loop *loop, struct urge *urge)
{
	loop->urge = urge;
}

struct timers *loop_timers(struct loop *loop)
{
	return &loop->timers;
}

struct mono loop_now(const struct loop *loop)
{
	return loop->serving ? loop->now : clock_read();
}

/* How long epoll may wait: up to the next deadline, counted from now and not from the last wake-up,
 * whose work took its time. */
static int wait_for(const struct loop *loop, int wait_ms)
{
	struct mono next = timers_next(&loop->timers);
	if (wait_ms == 0 || next.ms == MONO_NEVER.ms)
		return wait_ms;
	int64_t left = mono_since(clock_read(), next);
	if (left <= 0)
		return 0;
	if (wait_ms > 0 && wait_ms < left)
		return wait_ms;
	return left < INT_MAX ? (int)left : INT_MAX;
}

/* Who is to be told of it; NULL when that one is gone. */
static struct watch *owner(const struct loop *loop, const struct epoll_event *event)
{
	const struct slot *slot = &loop->slots[event->data.u64 & UINT32_MAX];
	return slot->generation == (uint32_t)(event->data.u64 >> 32) ? slot->watch : NULL;
}

static void tell(struct loop *loop, const struct epoll_event *event)
{
	struct watch *watch = owner(loop, event);
	if (watch == NULL)
		return;
	unsigned happened = (event->events & EPOLLIN ? LOOP_READ : 0u) |
		(event->events & EPOLLOUT ? LOOP_WRITE : 0u) |
		(event->events & (EPOLLERR | EPOLLHUP) ? LOOP_ERROR : 0u);
	watch->ready(watch, happened, loop->now);
}

/* That this one's turn comes soon. */
static void announce(const struct loop *loop, const struct epoll_event *event)
{
	const struct watch *watch = owner(loop, event);
	if (watch != NULL && watch->soon != NULL)
		watch->soon(watch);
}

static void heed(const struct loop *loop)
{
	struct urge *urge = loop->urge;
	if (urge != NULL && atomic_load_explicit(&urge->is_wanted, memory_order_relaxed))
		urge->run(urge);
}

/* Tells all; each is announced some turns before, and its watch is asked for before that. */
static void tell_all(struct loop *loop, int n)
{
	for (int i = 0; i < n; i++)
		fetch(owner(loop, &loop->events[i]), sizeof(struct watch));
	for (int i = 1; i < AHEAD && i < n; i++)
		announce(loop, &loop->events[i]);
	for (int i = 0; i < n; i++) {
		if (i + AHEAD < n)
			announce(loop, &loop->events[i + AHEAD]);
		tell(loop, &loop->events[i]);
		heed(loop);
	}
}

int loop_once(struct loop *loop, int wait_ms)
{
	int n = epoll_wait(loop->epoll, loop->events, LOOP_EVENTS, wait_for(loop, wait_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	loop->now = clock_read();
	loop->serving = true;
	timers_run(&loop->timers, loop->now, LOOP_TIMERS);
	tell_all(loop, n);
	list_each(node, &loop->flushes) {
		struct flush *flush = container_of(node, struct flush, node);
		flush->run(flush, loop->now);
	}
	loop->serving = false;
	return 0;
}

int loop_run(struct loop *loop)
{
	int rc = 0;
	while (!loop->stopped && rc == 0)
		rc = loop_once(loop, -1);
	loop->stopped = false;
	return rc;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

int64_t loop_wall(void)
{
	return (int64_t)time(NULL);
}
