/* One run of the load generator: see phases.h. */
#include "phases.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include "control.h"
#include "net.h"
#include "pace.h"

#define EVENTS 128
#define SECOND 1000000000LL
/* How long notifications that nobody answers may be under way, ns. */
#define UNDER_WAY (SECOND / 10)
/* A notification that has not come by then is lost, ns. */
#define LOST_AFTER SECOND
/* What is asked before it is looked what came. */
#define BURST 256

struct load {
	const struct options *o;
	int epoll;
	struct fleet *fleet;
	struct book *book;
	struct tally *tally;
	struct pace pace;
	int64_t watched, watched_cpu; /* since SIGUSR1 */
	uint64_t notified, heeded; /* by the server and by devices when the measured time began */
	struct result result;
};

/* SIGTERM came: the measured time is over. */
static volatile sig_atomic_t is_enough;
/* SIGUSR1 came. */
static volatile sig_atomic_t is_marked;

static void on_term(int signal)
{
	(void)signal;
	is_enough = 1;
}

static void on_mark(int signal)
{
	(void)signal;
	is_marked = 1;
}

static int64_t cpu(const struct load *l)
{
	if (l->o->cpu_of == 0)
		return 0;
	return l->o->children ? net_cpu_of_family(l->o->cpu_of) : net_cpu_of(l->o->cpu_of);
}

static bool has_control(const struct load *l)
{
	return l->o->control.port != 0;
}

static const char *stats(const struct load *l)
{
	return control_ask(&l->o->control, "stats");
}

static uint64_t seen(const char *line, const char *key)
{
	return (uint64_t)control_number(line, key, 0);
}

/* ---- turns ---------------------------------------------------------------------------------- */

/* Sends what may leave now. True when it may be more. */
static bool fill(struct load *l, uint64_t limit)
{
	int64_t meant;
	for (unsigned i = 0; i < BURST && l->tally->sent < limit; i++) {
		if (!pace_may(&l->pace, book_outstanding(l->book), net_now(), &meant) ||
			!fleet_send(l->fleet, meant))
			return false;
		pace_left(&l->pace);
	}
	return l->tally->sent < limit;
}

/* Waits for messages until the given time, and takes them. */
static void take(struct load *l, int64_t until)
{
	struct epoll_event e[EVENTS];
	int64_t left = until - net_now();
	left = left < 0 ? 0 : left;
	struct timespec t = { left / SECOND, left % SECOND };
	int n = epoll_pwait2(l->epoll, e, EVENTS, &t, NULL);
	for (int i = 0; i < n; i++)
		fleet_take(l->fleet, e[i].data.u64);
}

static void take_until(struct load *l, int64_t until)
{
	while (net_now() < until)
		take(l, until);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Notes when all were answered after SIGUSR1. */
static void watch(struct load *l)
{
	struct result *r = &l->result;
	if (is_marked) {
		is_marked = 0;
		l->watched = net_now();
		l->watched_cpu = cpu(l);
		book_watch(l->book, l->watched);
	}
	if (l->watched != 0 && r->again == 0 && book_all_answered(l->book) != 0) {
		r->again = book_all_answered(l->book) - l->watched;
		r->again_cpu = cpu(l) - l->watched_cpu;
		fprintf(stderr, "all were answered again\n");
	}
}

/* One turn: send, give up, wait, take. */
static void turn(struct load *l, uint64_t limit, int64_t until)
{
	if (fill(l, limit))
		until = 0;
	until = earlier(until, fleet_expire(l->fleet, net_now()));
	until = earlier(until, pace_next(&l->pace, book_outstanding(l->book)));
	take(l, until);
	watch(l);
}

/* ---- before --------------------------------------------------------------------------------- */

/* Every device connects, or registers, once. */
static void once_each(struct load *l, enum fleet_kind kind)
{
	unsigned devices = l->o->fleet.devices;
	*l->tally = (struct tally){ 0 };
	int64_t began = net_now();
	pace_begin(&l->pace, 0, l->o->register_inflight, began);
	fleet_begin(l->fleet, kind);
	while (l->tally->sent < devices || book_outstanding(l->book) > 0)
		turn(l, devices, net_now() + SECOND);
	fprintf(stderr, "%s: %" PRIu64 " of %u in %.3f s, %" PRIu64 " repeated\n",
		kind == FLEET_CONNECT    ? "sessions"
		: kind == FLEET_REGISTER ? "registered"
					 : "observe",
		l->tally->ok, devices, (double)(net_now() - began) / 1e9, l->tally->resent);
}

/* The server observes every device. */
static void be_observed(struct load *l)
{
	unsigned devices = l->o->fleet.devices - l->result.unregistered;
	fleet_begin(l->fleet, FLEET_LISTEN);
	control_ask(&l->o->control, "observe devices=%u inflight=%zu timeout=%f",
		l->o->fleet.devices, l->o->register_inflight, (double)l->o->fleet.timeout / 1e9);
	for (uint64_t done = 0; done < devices;) {
		take_until(l, net_now() + SECOND / 100);
		const char *line = stats(l);
		done = seen(line, "ok") + seen(line, "lost");
	}
}

static void prepare(struct load *l)
{
	struct result *r = &l->result;
	int64_t began = net_now(), began_cpu = cpu(l);
	if (has_control(l))
		control_ask(&l->o->control, "forget");
	if (l->o->fleet.key.n != 0)
		once_each(l, FLEET_CONNECT);
	if (!l->o->no_register) {
		once_each(l, FLEET_REGISTER);
		r->unregistered = l->o->fleet.devices - fleet_registered(l->fleet);
	}
	r->up = net_now() - began;
	r->up_cpu = cpu(l) - began_cpu;
	if ((l->o->kind == FLEET_NOTIFY || l->o->kind == FLEET_MIXED) && !l->o->no_register)
		be_observed(l);
	if (l->o->kind == FLEET_HEED)
		once_each(l, FLEET_OBSERVE);
	take_until(l, net_now() + l->o->idle);
}

/* ---- what is measured ----------------------------------------------------------------------- */

/* Tells the server to ask. In a mixed load one exchange of five is its. */
static void let_ask(struct load *l)
{
	const struct options *o = l->o;
	double share = o->kind == FLEET_MIXED ? 0.2 : 1;
	size_t inflight = (size_t)((double)o->inflight * share);
	control_ask(&o->control,
		"%s devices=%u window=%u inflight=%zu payload=%u rate=%f timeout=%f confirm=%u",
		o->kind == FLEET_HEED ? "push" : "write", o->fleet.devices, o->fleet.window,
		inflight > 0 ? inflight : 1, o->fleet.speech.payload, o->rate * share,
		(double)o->fleet.timeout / 1e9, o->fleet.confirm);
}

/* What was seen so far is forgotten, but for what must never happen. */
static void measure_start(struct load *l)
{
	*l->tally = (struct tally){ .foreign = l->tally->foreign, .bad = l->tally->bad };
	book_reset_answers(l->book);
	if (has_control(l))
		l->notified = seen(control_ask(&l->o->control, "reset"), "notified");
	l->heeded = fleet_heeded(l->fleet);
	l->result.secs_cpu = cpu(l);
	l->result.secs = net_now();
}

/* A confirmed notification is one that the server has counted, not an exchange besides. */
static void measure_end(struct load *l)
{
	struct result *r = &l->result;
	r->secs = net_now() - r->secs;
	r->secs_cpu = cpu(l) - r->secs_cpu;
	r->ok = l->o->kind == FLEET_NOTIFY ? 0 : l->tally->ok;
	if (l->o->kind == FLEET_HEED)
		r->ok = fleet_heeded(l->fleet) - l->heeded;
	if (!has_control(l) || l->o->kind == FLEET_HEED)
		return;
	const char *line = stats(l);
	r->notified = seen(line, "notified") - l->notified;
	r->down = seen(line, "ok");
	r->ok += r->notified + r->down;
}

static void drain(struct load *l)
{
	for (;;) {
		int64_t until = fleet_expire(l->fleet, net_now());
		if (book_outstanding(l->book) == 0)
			return;
		take(l, until);
		watch(l);
	}
}

/* What the server notified of and has not come. */
static uint64_t missing(const struct load *l, const char *line)
{
	uint64_t pushed = seen(line, "pushed"), came = fleet_pushed(l->fleet);
	return pushed > came ? pushed - came : 0;
}

/* The same for the server: what it asked, and what nobody answers, which may be on its way for a while. */
static void drain_server(struct load *l)
{
	int64_t until = net_now() + LOST_AFTER;
	const char *line;
	control_ask(&l->o->control, "stop");
	do {
		take_until(l, net_now() + UNDER_WAY);
		line = stats(l);
	} while (seen(line, "waiting") > 0 || (missing(l, line) > 0 && net_now() < until));
}

/* Whether as many exchanges as were wanted are over. */
static bool is_complete(const struct load *l, uint64_t limit)
{
	if (l->o->kind == FLEET_LISTEN || l->o->kind == FLEET_HEED)
		return fleet_asked(l->fleet) + fleet_heeded(l->fleet) >= limit;
	return l->tally->sent >= limit && book_outstanding(l->book) == 0;
}

static void exchange(struct load *l)
{
	const struct options *o = l->o;
	bool listens = o->kind == FLEET_LISTEN || o->kind == FLEET_HEED;
	int64_t began = net_now();
	pace_begin(&l->pace, o->kind == FLEET_MIXED ? o->rate * 0.8 : o->rate,
		listens ? 0 : o->inflight, began);
	fleet_begin(l->fleet, o->kind);
	if (listens || o->kind == FLEET_MIXED)
		let_ask(l);
	while (net_now() < began + o->warmup)
		turn(l, UINT64_MAX, began + o->warmup);
	measure_start(l);
	int64_t start = l->result.secs;
	int64_t until = o->count != 0 ? INT64_MAX : start + o->duration;
	uint64_t limit = o->count != 0 ? o->count : UINT64_MAX;
	while (!is_enough && net_now() < until && !is_complete(l, limit))
		turn(l, limit, earlier(until, net_now() + SECOND));
	measure_end(l);
	drain(l);
	if (has_control(l))
		drain_server(l);
}

/* ---- after ---------------------------------------------------------------------------------- */

static double us(const struct tally *t, double share)
{
	return (double)hist_at(&t->latency, share) / 1e3;
}

/* What devices saw, and what the server saw. */
static void sum_up(struct load *l)
{
	struct result *r = &l->result;
	const struct tally *t = l->tally;
	r->lost = t->lost;
	r->late = t->late;
	r->dup = t->dup;
	r->foreign = t->foreign;
	r->bad = t->bad;
	r->p50 = us(t, 0.5);
	r->p90 = us(t, 0.9);
	r->p99 = us(t, 0.99);
	r->max = (double)t->latency.max / 1e3;
	if (!has_control(l))
		return;
	const char *line = stats(l);
	uint64_t arrived = seen(line, "notified") + seen(line, "old");
	uint64_t sent = fleet_notified(l->fleet);
	r->lost += seen(line, "lost") + (sent > arrived ? sent - arrived : 0);
	r->lost += missing(l, line);
	r->late += seen(line, "late");
	r->dup += seen(line, "dup") + seen(line, "old");
	r->by_server = seen(line, "foreign");
	r->foreign += r->by_server;
	r->disorder = seen(line, "disorder");
	r->bad += seen(line, "bad") + r->disorder;
	if (l->o->kind != FLEET_LISTEN && l->o->kind != FLEET_HEED)
		return;
	r->p50 = control_number(line, "p50", 0);
	r->p90 = control_number(line, "p90", 0);
	r->p99 = control_number(line, "p99", 0);
	r->max = control_number(line, "max", 0);
}

/* SIGUSR1 waits from here on, so that it can not come too early. */
static void await_mark(void)
{
	sigset_t set;
	int got;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fprintf(stderr, "coapload ready\n");
	sigwait(&set, &got);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

struct result phases_run(const struct options *o, struct fleet *f, int epoll)
{
	struct load l = { .o = o, .epoll = epoll, .fleet = f, .book = fleet_book(f) };
	struct sigaction term = { .sa_handler = on_term }, mark = { .sa_handler = on_mark };
	l.tally = book_tally(l.book);
	sigaction(SIGUSR1, &mark, NULL);
	if (o->wait)
		await_mark();
	prepare(&l);
	sigaction(SIGTERM, &term, NULL);
	exchange(&l);
	sum_up(&l);
	return l.result;
}
