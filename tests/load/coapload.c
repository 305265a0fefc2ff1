/* A CoAP load generator: many devices register, then exchange messages with one server, as fast as they
 * are answered (closed loop) or at a given rate (open loop), and every message is checked. Prints one
 * line. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "fleet.h"
#include "net.h"
#include "options.h"
#include "phases.h"

static double secs(int64_t ns)
{
	return (double)ns / 1e9;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* How evenly devices were answered; the greedy one is told by itself. */
static void report_devices(const struct options *o, const struct book *b)
{
	unsigned first = o->fleet.greedy != 0 ? 1 : 0, n = o->fleet.devices - first;
	uint32_t *answers = calloc(o->fleet.devices, sizeof(*answers));
	if (answers == NULL || n == 0) {
		free(answers);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		answers[i] = book_answers(b, first + i);
	qsort(answers, n, sizeof(*answers), by_value);
	printf(" dev_min=%u dev_median=%u dev_max=%u", answers[0], answers[n / 2], answers[n - 1]);
	if (first == 1)
		printf(" greedy=%u", book_answers(b, 0));
	free(answers);
}

static void report(const struct options *o, const struct result *r, struct fleet *f)
{
	const struct tally *t = book_tally(fleet_book(f));
	printf("kind=%s devices=%u unregistered=%u payload=%u sent=%" PRIu64 " resent=%" PRIu64
	       " ok=%" PRIu64 " lost=%" PRIu64 " late=%" PRIu64 " dup=%" PRIu64 " foreign=%" PRIu64
	       " bad=%" PRIu64 " errors=%" PRIu64 " asked=%" PRIu64 " notified=%" PRIu64
	       " secs=%.3f rate=%.0f p50_us=%.1f p90_us=%.1f p99_us=%.1f max_us=%.1f",
		options_kind(o->kind), o->fleet.devices, r->unregistered, o->fleet.speech.payload,
		t->sent, t->resent, r->ok, r->lost, r->late, r->dup, r->foreign, r->bad, t->errors,
		fleet_asked(f), r->notified, secs(r->secs), (double)r->ok / secs(r->secs), r->p50,
		r->p90, r->p99, r->max);
	if (o->cpu_of != 0 && r->secs_cpu > 0 && r->ok > 0)
		printf(" cpu_us=%.3f busy=%.3f", (double)r->secs_cpu / 1e3 / (double)r->ok,
			(double)r->secs_cpu / (double)r->secs);
	printf(" foreign_by_server=%" PRIu64 " disorder=%" PRIu64, r->by_server, r->disorder);
	printf(" up_s=%.3f up_cpu_s=%.3f again_s=%.3f again_cpu_s=%.3f", secs(r->up),
		secs(r->up_cpu), secs(r->again), secs(r->again_cpu));
	report_devices(o, fleet_book(f));
	printf("\n");
	fflush(stdout);
}

static void write_percentiles(const char *path, const struct hist *h)
{
	FILE *file = fopen(path, "w");
	if (file == NULL)
		net_die("%s: %s", path, strerror(errno));
	for (unsigned i = 1; i < 1000; i++)
		fprintf(file, "%.1f %.1f\n", i / 10.0, (double)hist_at(h, i / 1000.0) / 1e3);
	fprintf(file, "99.99 %.1f\n", (double)hist_at(h, 0.9999) / 1e3);
	fclose(file);
}

static void stay(void)
{
	sigset_t set;
	int got;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigwait(&set, &got);
}

int main(int argc, char **argv)
{
	struct options o = options_read(argc, argv);
	net_need_descriptors(o.fleet.devices + 16u);
	/* An open loop needs its own time, not that of the next tick. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct fleet *f = epoll < 0 ? NULL : fleet_create(&o.fleet, epoll);
	if (f == NULL)
		net_die("no devices: %s", strerror(errno));
	fprintf(stderr, "seed %" PRIu64 "\n", o.fleet.seed);
	struct result r = phases_run(&o, f, epoll);
	report(&o, &r, f);
	if (o.percentiles != NULL)
		write_percentiles(o.percentiles, &book_tally(fleet_book(f))->latency);
	if (o.stay)
		stay();
	bool good = r.foreign == 0 && r.bad == 0 && r.ok > 0 && r.unregistered == 0 &&
		    (o.fleet.key.n == 0 || fleet_connected(f) == o.fleet.devices);
	fleet_free(f);
	return good ? 0 : 1;
}
