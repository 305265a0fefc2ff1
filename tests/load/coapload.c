/* A CoAP load generator: many devices register, then send CON POSTs, as fast as they are answered
 * (closed loop) or at a given rate (open loop), and every answer is checked. Prints one line. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/hex.h"
#include "fleet.h"
#include "net.h"

#define EVENTS 128
#define SECOND 1000000000LL

struct options {
	struct fleet_spec fleet;
	size_t inflight;          /* exchanges outstanding in all */
	size_t register_inflight; /* the same while devices register */
	double rate;              /* requests a second, 0: closed loop */
	uint64_t count;           /* requests to send, 0: until the time is over */
	int64_t warmup;           /* ns, not measured */
	int64_t duration;         /* ns, measured */
	int64_t idle;             /* after registering, ns */
	pid_t cpu_of;             /* whose CPU time is read, 0: nobody's */
	bool no_register;
};

struct load {
	struct options o;
	int epoll;
	struct fleet *fleet;
	int64_t began;   /* of the requests, ns */
	uint64_t meant;  /* requests that should have left since */
	size_t inflight; /* most that may be outstanding now */
	bool open;       /* requests leave at a rate, whatever comes back */
	/* measured */
	int64_t start, end;
	int64_t cpu_start, cpu_end;
	uint64_t ok; /* at the end, without the rest that was waited for */
	unsigned unregistered;
};

/* SIGTERM came: the measured time is over. */
static volatile sig_atomic_t is_enough;

static void on_term(int signal)
{
	(void)signal;
	is_enough = 1;
}

/* ---- sending -------------------------------------------------------------------------------- */

/* When the next request of an open loop should leave. */
static int64_t meant_at(const struct load *l)
{
	return l->began + (int64_t)((double)l->meant * 1e9 / l->o.rate);
}

/* Sends all that may leave now. */
static void fill(struct load *l, uint64_t limit)
{
	const struct fleet_stats *s = fleet_stats(l->fleet);
	while (s->sent < limit && fleet_outstanding(l->fleet) < l->inflight) {
		int64_t now = net_now();
		int64_t meant = l->open ? meant_at(l) : now;
		if (meant > now || !fleet_send(l->fleet, meant))
			return;
		l->meant++;
	}
}

/* Waits for answers until the given time, and takes them. */
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

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* One turn: send, give up, wait, take. */
static void turn(struct load *l, uint64_t limit, int64_t until)
{
	fill(l, limit);
	until = earlier(until, fleet_expire(l->fleet, net_now()));
	if (fleet_outstanding(l->fleet) == 0 && !l->open)
		return; /* all were given up: nothing to wait for */
	if (l->open && fleet_outstanding(l->fleet) < l->inflight)
		until = earlier(until, meant_at(l));
	take(l, until);
}

/* ---- phases --------------------------------------------------------------------------------- */

static void drain(struct load *l)
{
	for (;;) {
		int64_t until = fleet_expire(l->fleet, net_now());
		if (fleet_outstanding(l->fleet) == 0)
			return;
		take(l, until);
	}
}

/* Every device connects, or registers, once. */
static void once_each(struct load *l, enum fleet_kind kind)
{
	struct fleet_stats *s = fleet_stats(l->fleet);
	*s = (struct fleet_stats){ 0 };
	l->inflight = l->o.register_inflight;
	l->open = false;
	fleet_begin(l->fleet, kind);
	int64_t began = net_now();
	do
		turn(l, l->o.fleet.devices, INT64_MAX);
	while (s->sent < l->o.fleet.devices || fleet_outstanding(l->fleet) > 0);
	fprintf(stderr, "%s: %" PRIu64 " of %u in %.3f s, %" PRIu64 " repeated\n",
		kind == FLEET_CONNECT ? "sessions" : "registered", s->ok, l->o.fleet.devices,
		(double)(net_now() - began) / 1e9, s->resent);
}

static void prepare(struct load *l)
{
	if (l->o.fleet.key.n != 0)
		once_each(l, FLEET_CONNECT);
	if (!l->o.no_register) {
		once_each(l, FLEET_REGISTER);
		l->unregistered = l->o.fleet.devices - fleet_registered(l->fleet);
	}
	for (int64_t until = net_now() + l->o.idle; net_now() < until;)
		take(l, until);
}

/* What was seen so far is forgotten, but for what must never happen. */
static void measure_start(struct load *l)
{
	struct fleet_stats *s = fleet_stats(l->fleet);
	*s = (struct fleet_stats){ .foreign = s->foreign, .bad = s->bad };
	l->cpu_start = l->o.cpu_of != 0 ? net_cpu_of(l->o.cpu_of) : 0;
	l->start = net_now();
}

static void measure_end(struct load *l)
{
	l->end = net_now();
	l->cpu_end = l->o.cpu_of != 0 ? net_cpu_of(l->o.cpu_of) : 0;
	l->ok = fleet_stats(l->fleet)->ok;
}

static void exchange(struct load *l)
{
	const struct fleet_stats *s = fleet_stats(l->fleet);
	l->inflight = l->o.inflight;
	l->open = l->o.rate > 0;
	l->meant = 0;
	l->began = net_now();
	fleet_begin(l->fleet, FLEET_POST);
	while (net_now() < l->began + l->o.warmup)
		turn(l, UINT64_MAX, l->began + l->o.warmup);
	measure_start(l);
	int64_t until = l->o.count != 0 ? INT64_MAX : l->start + l->o.duration;
	uint64_t limit = l->o.count != 0 ? l->o.count : UINT64_MAX;
	while (!is_enough && net_now() < until &&
		(s->sent < limit || fleet_outstanding(l->fleet) > 0))
		turn(l, limit, until);
	measure_end(l);
	drain(l);
}

/* ---- what is said at the end ---------------------------------------------------------------- */

static double us(const struct hist *h, double share)
{
	return (double)hist_at(h, share) / 1e3;
}

static void report(const struct load *l)
{
	const struct fleet_stats *s = fleet_stats(l->fleet);
	double secs = (double)(l->end - l->start) / 1e9;
	printf("devices=%u unregistered=%u payload=%u sent=%" PRIu64 " resent=%" PRIu64
	       " ok=%" PRIu64 " lost=%" PRIu64 " late=%" PRIu64 " dup=%" PRIu64 " foreign=%" PRIu64
	       " bad=%" PRIu64 " errors=%" PRIu64
	       " secs=%.3f rate=%.0f p50_us=%.1f p90_us=%.1f p99_us=%.1f max_us=%.1f",
		l->o.fleet.devices, l->unregistered, l->o.fleet.payload, s->sent, s->resent, s->ok,
		s->lost, s->late, s->dup, s->foreign, s->bad, s->errors, secs, (double)l->ok / secs,
		us(&s->latency, 0.5), us(&s->latency, 0.9), us(&s->latency, 0.99),
		(double)s->latency.max / 1e3);
	if (l->o.cpu_of != 0 && l->cpu_start >= 0 && l->cpu_end >= 0 && l->ok > 0)
		printf(" cpu_us=%.3f busy=%.3f",
			(double)(l->cpu_end - l->cpu_start) / 1e3 / (double)l->ok,
			(double)(l->cpu_end - l->cpu_start) / 1e9 / secs);
	printf("\n");
}

/* ---- the command line ----------------------------------------------------------------------- */

static void usage(void)
{
	net_die("usage: coapload --target IP:PORT [options]\n"
		"  --devices N            devices, each with its own socket (100)\n"
		"  --name TEXT            endpoint names are TEXT0000, TEXT0001, ... (dev)\n"
		"  --from IP:PORT         where the first device lives, others behind it (any port)\n"
		"  --payload BYTES        of each POST, %d to %d (64)\n"
		"  --window N             most outstanding of one device, 1 to %d (1)\n"
		"  --inflight N           most outstanding of all (64)\n"
		"  --register-inflight N  the same while devices register (16)\n"
		"  --rate N               requests a second instead of as fast as answers come\n"
		"  --count N              stop after N requests, else\n"
		"  --seconds N            stop after N seconds (2), or at SIGTERM\n"
		"  --warmup N             seconds before that, not measured (0.3)\n"
		"  --idle N               seconds to wait after registering (0)\n"
		"  --timeout N            seconds until a request is lost or repeated (2)\n"
		"  --retries N            repetitions of a POST (0)\n"
		"  --key HEX              DTLS, the endpoint name is the identity\n"
		"  --derive               the key's last four bytes are the device's number\n"
		"  --no-register          send POSTs at once\n"
		"  --cpu-of PID           CPU time of this process per exchange\n"
		"  --seed N               order of devices (random, printed)",
		FLEET_PAYLOAD_MIN, FLEET_PAYLOAD_MAX, FLEET_WINDOW_MAX);
}

enum {
	TARGET = 1,
	DEVICES,
	NAME,
	PAYLOAD,
	WINDOW,
	INFLIGHT,
	REGISTER_INFLIGHT,
	RATE,
	COUNT,
	SECONDS,
	WARMUP,
	IDLE,
	TIMEOUT,
	RETRIES,
	KEY,
	DERIVE,
	NO_REGISTER,
	CPU_OF,
	SEED,
	FROM
};

static const struct option known[] = { { "target", 1, NULL, TARGET },
	{ "devices", 1, NULL, DEVICES }, { "name", 1, NULL, NAME }, { "payload", 1, NULL, PAYLOAD },
	{ "window", 1, NULL, WINDOW }, { "inflight", 1, NULL, INFLIGHT },
	{ "register-inflight", 1, NULL, REGISTER_INFLIGHT }, { "rate", 1, NULL, RATE },
	{ "count", 1, NULL, COUNT }, { "seconds", 1, NULL, SECONDS }, { "warmup", 1, NULL, WARMUP },
	{ "idle", 1, NULL, IDLE }, { "timeout", 1, NULL, TIMEOUT }, { "retries", 1, NULL, RETRIES },
	{ "key", 1, NULL, KEY }, { "derive", 0, NULL, DERIVE },
	{ "no-register", 0, NULL, NO_REGISTER }, { "cpu-of", 1, NULL, CPU_OF },
	{ "seed", 1, NULL, SEED }, { "from", 1, NULL, FROM }, { 0 } };

static int64_t seconds(const char *what, const char *text)
{
	return (int64_t)(net_number(what, text, 0, 86400) * 1e9);
}

static struct slice read_key(const char *text)
{
	static uint8_t key[64];
	long n = hex_decode(text, strlen(text), key, sizeof(key));
	if (n < 4)
		net_die("--key: 4 to 64 bytes in hex are wanted");
	return (struct slice){ key, (size_t)n };
}

/* Options of the fleet; false when it is another one. */
static bool read_fleet_option(struct fleet_spec *f, int c)
{
	switch (c) {
	case TARGET:
		f->target = net_address(optarg);
		return true;
	case NAME:
		f->name = optarg;
		return true;
	case DEVICES:
		f->devices = (unsigned)net_number("--devices", optarg, 1, FLEET_DEVICES_MAX);
		return true;
	case PAYLOAD:
		f->payload = (unsigned)net_number(
			"--payload", optarg, FLEET_PAYLOAD_MIN, FLEET_PAYLOAD_MAX);
		return true;
	case WINDOW:
		f->window = (unsigned)net_number("--window", optarg, 1, FLEET_WINDOW_MAX);
		return true;
	case RETRIES:
		f->retries = (unsigned)net_number("--retries", optarg, 0, 100);
		return true;
	case TIMEOUT:
		f->timeout = seconds("--timeout", optarg);
		return true;
	case SEED:
		f->seed = (uint64_t)net_number("--seed", optarg, 1, 1e15);
		return true;
	case FROM:
		f->local = net_address(optarg);
		return true;
	case KEY:
		f->key = read_key(optarg);
		return true;
	case DERIVE:
		f->derive = true;
		return true;
	default:
		return false;
	}
}

static void read_option(struct options *o, int c)
{
	switch (c) {
	case INFLIGHT:
		o->inflight = (size_t)net_number("--inflight", optarg, 1, 1e7);
		break;
	case REGISTER_INFLIGHT:
		o->register_inflight = (size_t)net_number("--register-inflight", optarg, 1, 1e5);
		break;
	case RATE:
		o->rate = net_number("--rate", optarg, 0.001, 1e7);
		break;
	case COUNT:
		o->count = (uint64_t)net_number("--count", optarg, 1, 1e15);
		break;
	case SECONDS:
		o->duration = seconds("--seconds", optarg);
		break;
	case WARMUP:
		o->warmup = seconds("--warmup", optarg);
		break;
	case IDLE:
		o->idle = seconds("--idle", optarg);
		break;
	case CPU_OF:
		o->cpu_of = (pid_t)net_number("--cpu-of", optarg, 1, 1e9);
		break;
	case NO_REGISTER:
		o->no_register = true;
		break;
	default:
		usage();
	}
}

static struct options read_options(int argc, char **argv)
{
	struct options o = { .fleet = { .name = "dev",
				     .devices = 100,
				     .window = 1,
				     .payload = 64,
				     .timeout = 2 * SECOND,
				     .seed = (uint64_t)net_now() },
		.inflight = 64,
		.register_inflight = 16,
		.warmup = SECOND * 3 / 10,
		.duration = 2 * SECOND };
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
		if (!read_fleet_option(&o.fleet, c))
			read_option(&o, c);
	if (optind != argc || o.fleet.target.port == 0 || strlen(o.fleet.name) > 32)
		usage();
	if (o.rate > 0)
		o.inflight = (size_t)o.fleet.devices * o.fleet.window;
	return o;
}

int main(int argc, char **argv)
{
	struct load l = { .o = read_options(argc, argv) };
	net_need_descriptors(l.o.fleet.devices + 16u);
	/* An open loop needs its own time, not that of the next tick. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.fleet = l.epoll < 0 ? NULL : fleet_create(&l.o.fleet, l.epoll);
	if (l.fleet == NULL)
		net_die("no devices: %s", strerror(errno));
	fprintf(stderr, "seed %" PRIu64 "\n", l.o.fleet.seed);
	prepare(&l);
	struct sigaction term = { .sa_handler = on_term };
	sigaction(SIGTERM, &term, NULL);
	exchange(&l);
	report(&l);
	const struct fleet_stats *s = fleet_stats(l.fleet);
	bool good = s->foreign == 0 && s->bad == 0 && s->ok > 0 && l.unregistered == 0 &&
		    (l.o.fleet.key.n == 0 || fleet_connected(l.fleet) == l.o.fleet.devices);
	fleet_free(l.fleet);
	return good ? 0 : 1;
}
