/* The network in memory: its life, its clock, and every function of loop.h. */
#include "fake_net_int.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Wake-ups at one point in time after which something must be wrong. */
#define WAKES_MAX 100000

struct loop {
	struct fake_net *net;
	struct timers timers;
	struct list flushes;
	bool stopped;
};

static struct fake_net *current;

struct fake_net *fake_net_get(void)
{
	if (current == NULL)
		BUG("no fake_net_create before this");
	return current;
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct addr parsed(const char *text)
{
	struct addr a;
	if (addr_parse(&a, text) < 0)
		BUG("no address");
	return a;
}

struct fake_net *fake_net_create(void)
{
	BUG_UNLESS(current == NULL);
	struct fake_net *net = calloc(1, sizeof(*net));
	BUG_UNLESS(net != NULL);
	net->sockets = calloc(FAKE_SOCKETS, sizeof(*net->sockets));
	BUG_UNLESS(net->sockets != NULL);
	net->now.ms = FAKE_NET_START_MS;
	fake_net_set_wall(net, FAKE_NET_WALL_S);
	net->source[true] = parsed("192.0.2.1");
	net->source[false] = parsed("2001:db8::1");
	net->has_source[0] = net->has_source[1] = true;
	net->first_port = 40000;
	net->last_port = 49999;
	list_init(&net->foreign);
	list_init(&net->lan_sent);
	list_init(&net->wan_sent);
	list_init(&net->names);
	return current = net;
}

static void parcels_free(struct list *parcels)
{
	struct fake_parcel *p;
	while ((p = fake_parcel_first(parcels)) != NULL)
		free(p);
}

void fake_net_free(struct fake_net *net)
{
	if (net == NULL)
		return;
	for (int i = 0; i < net->highest; i++)
		if (net->sockets[i].open)
			fake_socket_close(net, FAKE_FIRST_FD + i);
	list_each(node, &net->foreign)
		free(container_of(node, struct fake_foreign, node));
	parcels_free(&net->lan_sent);
	parcels_free(&net->wan_sent);
	free(net->lan_taken);
	free(net->wan_taken);
	fake_names_free(net);
	if (net->loop != NULL)
		net->loop->net = NULL;
	free(net->sockets);
	free(net);
	current = NULL;
}

unsigned fake_net_open(const struct fake_net *net)
{
	return net->open;
}

unsigned fake_net_watched(const struct fake_net *net)
{
	unsigned n = 0;
	for (int i = 0; i < net->highest; i++)
		n += net->sockets[i].watch != NULL;
	list_each(node, &net->foreign)
		n++;
	return n;
}

/* ---- wake-ups -------------------------------------------------------------------------------- */

struct mono fake_net_now(const struct fake_net *net)
{
	return net->now;
}

void fake_net_set_wall(struct fake_net *net, int64_t seconds)
{
	net->wall_ms = seconds * 1000 - net->now.ms;
}

/* Tells the owner of a socket what it would learn from epoll. */
static void tell(struct fake_net *net, struct fake_socket *s)
{
	unsigned happened = (s->wanted & LOOP_READ) != 0 && !list_is_empty(&s->waiting) ?
		LOOP_READ : 0u;
	if (s->error != 0)
		happened |= LOOP_ERROR;
	if (s->watch != NULL && happened != 0)
		s->watch->ready(s->watch, happened, net->now);
}

static void flush(struct fake_net *net)
{
	if (net->loop == NULL)
		return;
	list_each(node, &net->loop->flushes) {
		struct flush *f = container_of(node, struct flush, node);
		f->run(f, net->now);
	}
}

/* One at a time, since it may unwatch others. */
static bool tell_foreign(struct fake_net *net)
{
	list_each(node, &net->foreign) {
		struct watch *watch = container_of(node, struct fake_foreign, node)->watch;
		struct pollfd p = { .fd = watch->fd, .events = POLLIN };
		if (poll(&p, 1, 0) != 1)
			continue;
		net->progress++;
		watch->ready(watch, LOOP_READ, net->now);
		return true;
	}
	return false;
}

/* One wake-up, as loop.c does it. True when something was fired or read. */
static bool wake(struct fake_net *net)
{
	uint64_t before = net->progress;
	if (net->loop != NULL) {
		if (mono_reached(timers_next(&net->loop->timers), net->now))
			net->progress++;
		timers_run(&net->loop->timers, net->now, LOOP_TIMERS);
	}
	for (int i = 0; i < net->highest; i++)
		if (net->sockets[i].watch != NULL)
			tell(net, &net->sockets[i]);
	while (net->polls && tell_foreign(net))
		;
	flush(net);
	return net->progress != before;
}

void fake_net_poll(struct fake_net *net)
{
	net->polls = true;
}

void fake_net_wake(struct fake_net *net)
{
	for (int i = 0; wake(net); i++)
		if (i == WAKES_MAX)
			BUG("the loop does not come to rest at this point in time");
}

void fake_net_until(struct fake_net *net, struct mono at)
{
	fake_net_wake(net);
	while (net->loop != NULL && mono_reached(timers_next(&net->loop->timers), at)) {
		net->now = timers_next(&net->loop->timers);
		fake_net_wake(net);
	}
	if (net->now.ms < at.ms)
		net->now = at;
}

void fake_net_advance(struct fake_net *net, int64_t ms)
{
	fake_net_until(net, mono_add(net->now, ms));
}

void fake_net_work(struct fake_net *net, int64_t ms)
{
	net->now = mono_add(net->now, ms);
}

void fake_net_ready(struct fake_net *net, int fd, unsigned happened)
{
	struct watch *watch = NULL;
	list_each(node, &net->foreign) {
		struct fake_foreign *f = container_of(node, struct fake_foreign, node);
		if (f->watch->fd == fd)
			watch = f->watch;
	}
	if (watch == NULL)
		BUG("nobody watches this descriptor");
	watch->ready(watch, happened, net->now);
	flush(net);
}

/* ---- loop.h ---------------------------------------------------------------------------------- */

int loop_create(struct loop **loop)
{
	struct fake_net *net = fake_net_get();
	BUG_UNLESS(net->loop == NULL);
	struct loop *l = calloc(1, sizeof(*l));
	BUG_UNLESS(l != NULL);
	l->net = net;
	list_init(&l->flushes);
	*loop = net->loop = l;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->net != NULL)
		loop->net->loop = NULL;
	timers_fini(&loop->timers);
	free(loop);
}

int loop_watch(struct loop *loop, struct watch *watch, unsigned wanted)
{
	struct fake_net *net = loop->net;
	BUG_UNLESS(watch->slot == 0 && watch->ready != NULL);
	if (net->fail_watches > 0) {
		net->fail_watches--;
		return -net->watch_error;
	}
	struct fake_socket *s = fake_socket_find(net, watch->fd);
	if (s != NULL) {
		BUG_UNLESS(s->watch == NULL);
		s->watch = watch;
		s->wanted = wanted;
	} else {
		if (watch->fd < 0 || watch->fd >= FAKE_FIRST_FD)
			return -EBADF;
		struct fake_foreign *f = calloc(1, sizeof(*f));
		BUG_UNLESS(f != NULL);
		f->watch = watch;
		list_append(&net->foreign, &f->node);
	}
	watch->slot = 1;
	return 0;
}

int loop_rewatch(struct loop *loop, struct watch *watch, unsigned wanted)
{
	BUG_UNLESS(watch->slot != 0);
	struct fake_socket *s = fake_socket_find(loop->net, watch->fd);
	if (s != NULL)
		s->wanted = wanted;
	return 0;
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
	if (watch->slot == 0)
		return;
	watch->slot = 0;
	struct fake_socket *s = fake_socket_find(loop->net, watch->fd);
	if (s != NULL) {
		s->watch = NULL;
		return;
	}
	list_each(node, &loop->net->foreign) {
		struct fake_foreign *f = container_of(node, struct fake_foreign, node);
		if (f->watch != watch)
			continue;
		list_remove(node);
		free(f);
	}
}

void loop_on_flush(struct loop *loop, struct flush *f)
{
	list_append(&loop->flushes, &f->node);
}

struct timers *loop_timers(struct loop *loop)
{
	return &loop->timers;
}

struct mono loop_now(const struct loop *loop)
{
	return loop->net->now;
}

/* There are no other threads. */
void loop_on_urge(struct loop *loop, struct urge *urge)
{
	(void)loop;
	BUG_UNLESS(!urge->is_wanted);
}

/* Waiting is jumping to the next deadline, when nothing is ready before. */
int loop_once(struct loop *loop, int wait_ms)
{
	struct fake_net *net = loop->net;
	if (wake(net) || wait_ms == 0)
		return 0;
	struct mono next = timers_next(&loop->timers);
	if (wait_ms > 0)
		next = mono_min(next, mono_add(net->now, wait_ms));
	if (next.ms == MONO_NEVER.ms)
		BUG("the loop would wait for ever");
	if (net->now.ms < next.ms)
		net->now = next;
	(void)wake(net);
	return 0;
}

int loop_run(struct loop *loop)
{
	while (!loop->stopped)
		if (loop_once(loop, -1) < 0)
			BUG("loop_once can not fail");
	loop->stopped = false;
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

int64_t loop_wall(void)
{
	const struct fake_net *net = fake_net_get();
	return (net->wall_ms + net->now.ms) / 1000;
}
