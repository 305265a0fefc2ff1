/* Workers as threads.
 *
 *   a thread   means                                   left when
 *   held       it stands still; the first may look     workers_release
 *   at work    only it touches what it has             `urge` tells of a hold, between two descriptors, or
 *                                                      `pause`, which wakes it -> held; its loop was stopped
 *                                                      while it was held, or broke -> gone
 *   gone       there is no thread (any more)           workers_start
 */
#include "workers.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/log.h"
#include "crew.h"
#include "datapath.h"
#include "reopen.h"

/* Bytes of stack that a worker has at least. A C library may give less unasked (musl: 128 KiB), as may a limit. */
#define STACK_LEAST (1024 * 1024)

struct workers;

/* A worker besides the first. */
struct worker {
	struct workers *workers;
	unsigned number;
	struct loop *loop;
	struct resolver *resolver;
	struct datapath *dp;
	struct flush flush;   /* looks whether servers or sockets are others now */
	struct watch pause;   /* of an eventfd: it shall stand still */
	struct urge urge;     /* the same, for one that has much to do; wanted: it has not stood still yet */
	pthread_t thread;
	bool has_thread;      /* the first's: it is to be joined */
	bool is_held;         /* under the lock */
	bool is_gone;         /* under the lock */
};

/* What was noticed, for the first. */
enum news { NEWS_CHANGED = 1, NEWS_LOOK = 2, NEWS_BROKEN = 4 };

struct workers {
	struct workers_spec spec;
	struct loop *loop;      /* of the first */
	struct crew *crew;
	struct worker *other;   /* all but the first */
	unsigned others;
	pthread_mutex_t lock;
	pthread_cond_t stands;  /* somebody is held or gone */
	pthread_cond_t goes_on; /* nobody is to be held any more */
	unsigned holds;         /* under the lock, changed by the first alone */
	_Atomic unsigned news;  /* enum news, since the first looked */
	struct watch told;      /* of an eventfd, in the loop of the first */
	struct timer reopen;    /* sockets are opened again */
	bool has_timer;
};

static void write_event(int fd)
{
	const uint64_t one = 1;
	if (write(fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		BUG("an eventfd can not be written to");
}

static bool read_event(int fd)
{
	uint64_t count;
	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

/* ---- what the first is told ---- */

static void tell(struct workers *ws, enum news what)
{
	if ((atomic_fetch_or(&ws->news, what) & what) == 0)
		write_event(ws->told.fd);
}

static void somebody_told(struct watch *watch, unsigned happened, struct mono now)
{
	struct workers *ws = container_of(watch, struct workers, told);
	(void)happened;
	(void)now;
	if (!read_event(watch->fd))
		return;
	unsigned news = atomic_exchange(&ws->news, 0);
	if ((news & NEWS_CHANGED) != 0)
		ws->spec.changed(ws->spec.who);
	if ((news & NEWS_LOOK) != 0) {
		workers_hold(ws);
		ws->spec.looked(ws->spec.who);
		workers_release(ws);
	}
	if ((news & NEWS_BROKEN) != 0)
		ws->spec.broken(ws->spec.who);
}

/* ---- in the thread of a worker ---- */

static void changed(void *who)
{
	tell(((struct worker *)who)->workers, NEWS_CHANGED);
}

/* The first clears what is noticed here when it looks; until then it is told once. */
static void look(struct flush *flush, struct mono now)
{
	struct worker *w = container_of(flush, struct worker, flush);
	(void)now;
	if (w->dp->env.servers_changed || w->dp->ports_changed)
		tell(w->workers, NEWS_LOOK);
}

static void stand_still(struct worker *w)
{
	struct workers *ws = w->workers;
	pthread_mutex_lock(&ws->lock);
	w->is_held = true;
	pthread_cond_signal(&ws->stands);
	while (ws->holds > 0)
		pthread_cond_wait(&ws->goes_on, &ws->lock);
	atomic_store_explicit(&w->urge.is_wanted, false, memory_order_relaxed);
	w->is_held = false;
	pthread_mutex_unlock(&ws->lock);
}

static void pause_asked(struct watch *watch, unsigned happened, struct mono now)
{
	(void)happened;
	(void)now;
	if (read_event(watch->fd))
		stand_still(container_of(watch, struct worker, pause));
}

static void pause_urged(struct urge *urge)
{
	struct worker *w = container_of(urge, struct worker, urge);
	if (read_event(w->pause.fd))
		stand_still(w);
}

static void *work(void *who)
{
	struct worker *w = who;
	char name[16];
	snprintf(name, sizeof(name), "worker %u", w->number);
	(void)pthread_setname_np(pthread_self(), name);
	stand_still(w); /* it is born held */
	int rc = loop_run(w->loop);
	if (rc != 0) {
		log_err("gateway: the loop of worker %u broke: %s", w->number, strerror(-rc));
		tell(w->workers, NEWS_BROKEN);
	}
	pthread_mutex_lock(&w->workers->lock);
	w->is_gone = true;
	pthread_cond_signal(&w->workers->stands);
	pthread_mutex_unlock(&w->workers->lock);
	return NULL;
}

/* ---- held, and let go ---- */

static bool all_stand(const struct workers *ws)
{
	for (unsigned i = 0; i < ws->others; i++)
		if (!ws->other[i].is_held && !ws->other[i].is_gone)
			return false;
	return true;
}

static void await_all(struct workers *ws)
{
	while (!all_stand(ws))
		pthread_cond_wait(&ws->stands, &ws->lock);
}

static void ask_to_stand(struct worker *w)
{
	write_event(w->pause.fd);
	atomic_store_explicit(&w->urge.is_wanted, true, memory_order_relaxed);
}

void workers_hold(struct workers *ws)
{
	if (ws == NULL)
		return;
	pthread_mutex_lock(&ws->lock);
	bool is_first = ws->holds++ == 0;
	for (unsigned i = 0; is_first && i < ws->others; i++)
		if (!ws->other[i].is_gone)
			ask_to_stand(&ws->other[i]);
	await_all(ws);
	pthread_mutex_unlock(&ws->lock);
}

void workers_release(struct workers *ws)
{
	if (ws == NULL)
		return;
	pthread_mutex_lock(&ws->lock);
	BUG_UNLESS(ws->holds > 0);
	if (--ws->holds == 0)
		pthread_cond_broadcast(&ws->goes_on);
	pthread_mutex_unlock(&ws->lock);
}

static int make_thread(struct worker *w)
{
	size_t size;
	pthread_attr_t attr;
	int rc = -pthread_attr_init(&attr);
	if (rc != 0)
		return rc;
	if (pthread_attr_getstacksize(&attr, &size) == 0 && size < STACK_LEAST)
		rc = -pthread_attr_setstacksize(&attr, STACK_LEAST);
	if (rc == 0)
		rc = -pthread_create(&w->thread, &attr, work, w);
	pthread_attr_destroy(&attr);
	return rc;
}

int workers_start(struct workers *ws)
{
	int rc = 0;
	if (ws == NULL)
		return 0;
	pthread_mutex_lock(&ws->lock);
	ws->holds++;
	for (unsigned i = 0; rc == 0 && i < ws->others; i++) {
		struct worker *w = &ws->other[i];
		rc = make_thread(w);
		w->has_thread = rc == 0;
		w->is_gone = rc != 0;
	}
	await_all(ws);
	pthread_mutex_unlock(&ws->lock);
	if (rc != 0)
		workers_stop(ws);
	return rc;
}

void workers_stop(struct workers *ws)
{
	if (ws == NULL)
		return;
	workers_hold(ws);
	for (unsigned i = 0; i < ws->others; i++)
		loop_stop(ws->other[i].loop);
	while (ws->holds > 0)
		workers_release(ws);
	for (unsigned i = 0; i < ws->others; i++) {
		if (ws->other[i].has_thread)
			pthread_join(ws->other[i].thread, NULL);
		ws->other[i].has_thread = false;
	}
	crew_settle(ws->spec.first, loop_now(ws->loop)); /* a flow under way belongs into the state file */
}

/* ---- the machine's addresses changed ---- */

static void reopen(struct timer *timer, struct mono now)
{
	struct workers *ws = container_of(timer, struct workers, reopen);
	(void)now;
	workers_hold(ws);
	reopen_ports(ws->spec.first);
	workers_release(ws);
}

void workers_addresses_changed(struct workers *ws, struct mono now)
{
	workers_hold(ws);
	for (unsigned i = 0; i < ws->crew->count; i++)
		datapath_addresses_changed(ws->crew->member[i].dp, now);
	workers_release(ws);
	timer_arm_by(loop_timers(ws->loop), &ws->reopen, mono_add(now, MOVE_SOCKETS_AFTER_MS));
}

/* ---- life ---- */

static int worker_init(struct workers *ws, unsigned number)
{
	struct worker *w = &ws->other[number - 1];
	*w = (struct worker){ .workers = ws, .number = number, .is_gone = true };
	w->pause.ready = pause_asked;
	w->urge.run = pause_urged;
	w->flush.run = look;
	w->pause.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	list_init(&w->flush.node);
	int rc = w->pause.fd < 0 ? -errno : loop_create(&w->loop);
	if (rc == 0)
		rc = loop_watch(w->loop, &w->pause, LOOP_READ);
	if (rc == 0)
		rc = resolver_create(&w->resolver, w->loop);
	if (rc == 0)
		rc = datapath_create(&w->dp, w->loop, w->resolver, changed, w);
	if (rc == 0)
		rc = crew_join(ws->crew, w->dp, number);
	if (rc == 0) {
		loop_on_flush(w->loop, &w->flush);
		loop_on_urge(w->loop, &w->urge);
	}
	return rc;
}

static void worker_fini(struct worker *w)
{
	datapath_free(w->dp);
	resolver_free(w->resolver);
	if (w->loop != NULL) {
		loop_unwatch(w->loop, &w->pause);
		list_remove(&w->flush.node);
	}
	loop_free(w->loop);
	if (w->pause.fd >= 0)
		close(w->pause.fd);
}

static int hear(struct workers *ws)
{
	ws->told.ready = somebody_told;
	ws->told.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ws->reopen.fire = reopen;
	int rc = ws->told.fd < 0 ? -errno : loop_watch(ws->loop, &ws->told, LOOP_READ);
	if (rc == 0)
		rc = timers_hold(loop_timers(ws->loop), 1);
	ws->has_timer = rc == 0;
	return rc;
}

int workers_create(struct workers **workers, const struct workers_spec *spec)
{
	struct workers *ws = calloc(1, sizeof(*ws));
	*workers = NULL;
	if (ws == NULL)
		return -ENOMEM;
	ws->spec = *spec;
	ws->loop = spec->first->env.loop;
	pthread_mutex_init(&ws->lock, NULL);
	pthread_cond_init(&ws->stands, NULL);
	pthread_cond_init(&ws->goes_on, NULL);
	ws->other = calloc(spec->count - 1, sizeof(*ws->other));
	int rc = hear(ws);
	if (rc == 0)
		rc = ws->other != NULL ? crew_create(&ws->crew, spec->count) : -ENOMEM;
	if (rc == 0)
		rc = crew_join(ws->crew, spec->first, 0);
	for (unsigned i = 1; rc == 0 && i < spec->count; i++) {
		ws->others = i;
		rc = worker_init(ws, i);
	}
	if (rc != 0) {
		workers_free(ws);
		return rc;
	}
	*workers = ws;
	return 0;
}

void workers_free(struct workers *ws)
{
	if (ws == NULL)
		return;
	if (ws->crew != NULL)
		crew_end(ws->crew);
	for (unsigned i = 0; i < ws->others; i++)
		worker_fini(&ws->other[i]);
	crew_leave(ws->spec.first);
	crew_free(ws->crew);
	timer_disarm(loop_timers(ws->loop), &ws->reopen);
	if (ws->has_timer)
		timers_release(loop_timers(ws->loop), 1);
	if (ws->told.fd >= 0) {
		loop_unwatch(ws->loop, &ws->told);
		close(ws->told.fd);
	}
	pthread_cond_destroy(&ws->goes_on);
	pthread_cond_destroy(&ws->stands);
	pthread_mutex_destroy(&ws->lock);
	free(ws->other);
	free(ws);
}
