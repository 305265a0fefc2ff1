/* The load generator's command line: see options.h. */
#include "options.h"
#include <getopt.h>
#include <string.h>
#include "base/hex.h"
#include "net.h"

#define SECOND 1000000000LL

static const char *const kinds[] = { [FLEET_POST] = "post",
	[FLEET_GET] = "get",
	[FLEET_NOTIFY] = "notify",
	[FLEET_BLOCK] = "block",
	[FLEET_MIXED] = "mixed",
	[FLEET_LISTEN] = "down",
	[FLEET_HEED] = "push" };

const char *options_kind(enum fleet_kind kind)
{
	return kinds[kind];
}

static void usage(void)
{
	net_die("usage: coapload --target IP:PORT [options]\n"
		"  --devices N            devices, each with its own socket (100)\n"
		"  --name TEXT            endpoint names are TEXT0000, TEXT0001, ... (dev)\n"
		"  --from IP:PORT         where the first device lives, others behind it (any "
		"port)\n"
		"  --kind KIND            what is measured (post):\n"
		"       post   each device sends CON POSTs, and is answered the same payload\n"
		"       get    the same with GET\n"
		"       notify NON notifications of what the server observes\n"
		"       block  transfers of blocks of --payload bytes, up and down by turns\n"
		"       down   the server asks, devices answer\n"
		"       push   the server notifies of what devices observe, as notify does\n"
		"       mixed  all of them but push\n"
		"  --control IP:PORT      coapecho's; notify, down, push and mixed need it\n"
		"  --transfer BYTES       of a transfer of blocks (8192)\n"
		"  --confirm N            every N-th notification is a CON (8), none with 0\n"
		"  --proxy-uri URI        for a forward proxy, instead of the path\n"
		"  --payload BYTES        of each message, %d to %d (64)\n"
		"  --window N             most outstanding of one device, 1 to %d (1)\n"
		"  --inflight N           most outstanding of all (64)\n"
		"  --register-inflight N  the same while devices register (16)\n"
		"  --rate N               requests a second instead of as fast as answers come\n"
		"  --count N              stop after N requests, else\n"
		"  --seconds N            stop after N seconds (2), or at SIGTERM\n"
		"  --warmup N             seconds before that, not measured (0.3)\n"
		"  --idle N               seconds to wait after registering (0)\n"
		"  --turns                every device once before any is drawn again\n"
		"  --greedy N             device 0 asks N times as often as another\n"
		"  --timeout N            seconds until a request is lost or repeated (2)\n"
		"  --retries N            repetitions of a request (0)\n"
		"  --anew N               the N-th repetition begins the session anew (0: none)\n"
		"  --key HEX              DTLS, the endpoint name is the identity\n"
		"  --derive               the key's last four bytes are the device's number\n"
		"  --no-register          begin at once\n"
		"  --cpu-of PID           CPU time of this process per exchange\n"
		"  --children             and of its children\n"
		"  --seed N               order of devices (random, printed)\n"
		"  --wait                 say ready with open sockets, go on at SIGUSR1\n"
		"  --stay                 keep all at the end until SIGTERM\n"
		"  --percentiles FILE     of the latency: share and us\n"
		"  --drop, --twice, --misdeliver, --wrong N\n"
		"                         what goes wrong on purpose with every N-th message\n"
		"  --skip N               every N-th block is left out\n"
		"SIGUSR1 while it measures: from then it is noted when all have been answered",
		MARK_PAYLOAD_MIN, MARK_PAYLOAD_MAX, MARK_WINDOW_MAX);
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
	FROM,
	KIND,
	CONTROL,
	TRANSFER,
	CONFIRM,
	PROXY_URI,
	TURNS,
	GREEDY,
	WAIT,
	STAY,
	PERCENTILES,
	CHILDREN,
	SPREAD,
	SKIP,
	ANEW,
	FAULTS
};

static const struct option known[] = { { "target", 1, NULL, TARGET },
	{ "devices", 1, NULL, DEVICES }, { "name", 1, NULL, NAME }, { "payload", 1, NULL, PAYLOAD },
	{ "window", 1, NULL, WINDOW }, { "inflight", 1, NULL, INFLIGHT },
	{ "register-inflight", 1, NULL, REGISTER_INFLIGHT }, { "rate", 1, NULL, RATE },
	{ "count", 1, NULL, COUNT }, { "seconds", 1, NULL, SECONDS }, { "warmup", 1, NULL, WARMUP },
	{ "idle", 1, NULL, IDLE }, { "timeout", 1, NULL, TIMEOUT }, { "retries", 1, NULL, RETRIES },
	{ "key", 1, NULL, KEY }, { "derive", 0, NULL, DERIVE },
	{ "no-register", 0, NULL, NO_REGISTER }, { "cpu-of", 1, NULL, CPU_OF },
	{ "seed", 1, NULL, SEED }, { "from", 1, NULL, FROM }, { "kind", 1, NULL, KIND },
	{ "control", 1, NULL, CONTROL }, { "transfer", 1, NULL, TRANSFER },
	{ "confirm", 1, NULL, CONFIRM }, { "proxy-uri", 1, NULL, PROXY_URI },
	{ "turns", 0, NULL, TURNS }, { "greedy", 1, NULL, GREEDY }, { "wait", 0, NULL, WAIT },
	{ "stay", 0, NULL, STAY }, { "percentiles", 1, NULL, PERCENTILES },
	{ "children", 0, NULL, CHILDREN }, { "spread", 0, NULL, SPREAD }, { "skip", 1, NULL, SKIP },
	{ "anew", 1, NULL, ANEW }, FAULT_OPTIONS(FAULTS), { 0 } };

static enum fleet_kind read_kind(const char *text)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i] != NULL && strcmp(kinds[i], text) == 0)
			return (enum fleet_kind)i;
	net_die("--kind: '%s' is none of post get notify block down push mixed", text);
}

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

/* What devices say; false when it is another option. */
static bool read_speech_option(struct fleet_spec *f, int c)
{
	switch (c) {
	case NAME:
		f->speech.name = optarg;
		return true;
	case PAYLOAD:
		f->speech.payload = (unsigned)net_number(
			"--payload", optarg, MARK_PAYLOAD_MIN, MARK_PAYLOAD_MAX);
		return true;
	case TRANSFER:
		f->speech.transfer = (unsigned)net_number("--transfer", optarg, 16, 1 << 20);
		return true;
	case CONFIRM:
		f->confirm = (unsigned)net_number("--confirm", optarg, 0, 1e6);
		return true;
	case PROXY_URI:
		f->speech.proxy_uri = optarg;
		return true;
	case SKIP:
		f->skip = (unsigned)net_number("--skip", optarg, 0, 1e6);
		return true;
	default:
		break;
	}
	if (c < FAULTS || c >= FAULTS + FAULT_NONE)
		return false;
	fault_read(&f->faults, (enum fault)(c - FAULTS), optarg);
	return true;
}

/* Options of the fleet; false when it is another one. */
static bool read_fleet_option(struct fleet_spec *f, int c)
{
	switch (c) {
	case TARGET:
		f->target = net_address(optarg);
		return true;
	case DEVICES:
		f->devices = (unsigned)net_number("--devices", optarg, 1, MARK_DEVICES_MAX);
		return true;
	case WINDOW:
		f->window = (unsigned)net_number("--window", optarg, 1, MARK_WINDOW_MAX);
		return true;
	case RETRIES:
		f->retries = (unsigned)net_number("--retries", optarg, 0, 100);
		return true;
	case TIMEOUT:
		f->timeout = seconds("--timeout", optarg);
		return true;
	case ANEW:
		f->anew = (unsigned)net_number("--anew", optarg, 0, 100);
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
	case TURNS:
		f->turns = true;
		return true;
	case SPREAD:
		f->spread = true;
		return true;
	case GREEDY:
		f->greedy = (unsigned)net_number("--greedy", optarg, 1, 1e6);
		return true;
	default:
		return read_speech_option(f, c);
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
	case KIND:
		o->kind = read_kind(optarg);
		break;
	case CONTROL:
		o->control = net_address(optarg);
		break;
	case PERCENTILES:
		o->percentiles = optarg;
		break;
	case CHILDREN:
		o->children = true;
		break;
	case NO_REGISTER:
	case WAIT:
	case STAY:
		*(c == WAIT ? &o->wait : c == STAY ? &o->stay : &o->no_register) = true;
		break;
	default:
		usage();
	}
}

static bool needs_control(enum fleet_kind kind)
{
	return kind == FLEET_NOTIFY || kind == FLEET_LISTEN || kind == FLEET_HEED ||
	       kind == FLEET_MIXED;
}

static bool has_blocks(enum fleet_kind kind)
{
	return kind == FLEET_BLOCK || kind == FLEET_MIXED;
}

static bool is_block_size(unsigned n)
{
	return n <= 1024 && (n & (n - 1)) == 0;
}

/* What does not fit together. */
static void check(const struct options *o)
{
	const struct fleet_spec *f = &o->fleet;
	if (f->target.port == 0 || strlen(f->speech.name) > 32)
		usage();
	if (needs_control(o->kind) && o->control.port == 0)
		net_die("--kind %s needs --control", options_kind(o->kind));
	if (has_blocks(o->kind) &&
		(!is_block_size(f->speech.payload) || f->speech.transfer % 16 != 0))
		net_die("blocks are 16, 32, ... or 1024 bytes, transfers multiples of 16");
	bool notifies = o->kind == FLEET_NOTIFY || o->kind == FLEET_HEED;
	if (notifies && f->confirm == 0 && o->rate == 0)
		net_die("--confirm 0 needs --rate: nothing else slows it down");
	if (f->spread && (!addr_is_v4(&f->local) || f->local.port == 0))
		net_die("--spread needs --from with an IPv4 address");
	if (f->turns && f->greedy != 0)
		net_die("--turns and --greedy contradict each other");
}

struct options options_read(int argc, char **argv)
{
	struct options o = {
		.fleet = { .speech = { .name = "dev", .payload = 64, .transfer = 8192 },
			.devices = 100,
			.window = 1,
			.confirm = 8,
			.timeout = 2 * SECOND,
			.seed = (uint64_t)net_now() },
		.kind = FLEET_POST,
		.inflight = 64,
		.register_inflight = 16,
		.warmup = SECOND * 3 / 10,
		.duration = 2 * SECOND
	};
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
		if (!read_fleet_option(&o.fleet, c))
			read_option(&o, c);
	if (optind != argc)
		usage();
	check(&o);
	if (o.rate > 0)
		o.inflight = (size_t)o.fleet.devices * o.fleet.window;
	return o;
}
