/* Floods and junk towards a DTLS listener, or towards a DTLS client: hellos of clients that do not
 * exist, handshakes that stop half-way, records of every kind. Bounded in count, rate and time. Prints
 * one line, in which an answer that is longer than its question shows. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "flood_net.h"
#include "flood_say.h"
#include "net.h"

#define SECOND 1000000000LL
/* After the last word, for answers. */
#define LINGER (SECOND / 2)
/* Datagrams that leave before answers are looked for. */
#define BURST 32

enum mode { HELLO, COOKIE, HALF, JUNK, AGAIN, MODES };
static const char *const mode_name[MODES] = { "hello", "cookie", "half", "junk", "again" };

struct flood {
	enum mode mode;
	struct flood_net_spec net_spec;
	struct flood_net *net;
	const char *capture;             /* interface, or NULL */
	uint64_t count;                  /* first words */
	double rate;                     /* of them, a second; 0: as fast as they go */
	int64_t most;                    /* ns; then it ends, whatever is left */
	bool cid;                        /* hellos offer a connection id */
	struct slice private_key, trust; /* hellos are of a client with raw keys; or empty */
	uint16_t *asked;                 /* bytes of the last question of each client */
	/* what happened */
	uint64_t sent, unsent, bytes_out;
	uint64_t answered, bytes_in;
	uint64_t cookies, believed;
	uint64_t larger; /* answers that were longer than the question */
};

/* ---- speaking ------------------------------------------------------------------------------- */

static void say(struct flood *f, uint64_t client, const uint8_t *bytes, size_t n)
{
	if (!flood_net_send(f->net, client, bytes, n)) {
		f->unsent++;
		return;
	}
	f->sent++;
	f->bytes_out += n;
	f->asked[client] = (uint16_t)n;
}

static void first_word(struct flood *f, uint64_t i)
{
	uint8_t room[SAY_MAX], wrong[32];
	uint64_t client = i % flood_net_clients(f->net);
	size_t n = 0;
	switch (f->mode) {
	case HELLO:
	case HALF:
		n = say_hello(room, client, (struct slice){ NULL, 0 });
		break;
	case COOKIE:
		for (unsigned k = 0; k < sizeof(wrong); k++)
			wrong[k] = (uint8_t)say_draw();
		n = say_hello(room, client, (struct slice){ wrong, sizeof(wrong) });
		break;
	case JUNK:
		n = say_junk(room);
		break;
	case AGAIN:
		n = say_again(room);
		break;
	case MODES:
		BUG("no mode");
	}
	say(f, client, room, n);
}

/* ---- hearing -------------------------------------------------------------------------------- */

static void answer(struct flood *f, uint64_t client, const uint8_t *bytes, size_t n)
{
	uint8_t room[SAY_MAX];
	struct slice cookie = say_cookie_of(bytes, n);
	bool believed = f->mode == HALF && say_is_server_hello(bytes, n);
	f->answered++;
	f->bytes_in += n;
	f->cookies += cookie.n > 0;
	f->believed += believed;
	f->larger += !believed && n > f->asked[client];
	if (f->mode == HALF && cookie.n > 0)
		say(f, client, room, say_hello(room, client, cookie));
}

static void hear(struct flood *f)
{
	uint8_t room[NET_ROOM];
	uint64_t client;
	size_t n;
	for (int i = 0; i < 4 * BURST && flood_net_take(f->net, &client, room, sizeof(room), &n);
		i++)
		answer(f, client, room, n);
}

static void wait_until(struct flood *f, int64_t until)
{
	while (net_now() < until) {
		struct timespec little = { 0, 200000 };
		hear(f);
		nanosleep(&little, NULL);
	}
	hear(f);
}

static void run(struct flood *f)
{
	int64_t began = net_now(), end = began + f->most;
	for (uint64_t i = 0; i < f->count && net_now() < end; i++) {
		if (f->rate > 0)
			wait_until(f, began + (int64_t)((double)i * 1e9 / f->rate));
		first_word(f, i);
		if (f->rate > 0 || i % BURST == BURST - 1)
			hear(f);
	}
	double took = (double)(net_now() - began) / 1e9;
	wait_until(f, net_now() + LINGER);
	printf("mode=%s sent=%" PRIu64 " unsent=%" PRIu64 " answered=%" PRIu64 " cookies=%" PRIu64
	       " believed=%" PRIu64 " bytes_out=%" PRIu64 " bytes_in=%" PRIu64 " larger=%" PRIu64
	       " heard=%u seconds=%.3f\n",
		mode_name[f->mode], f->sent, f->unsent, f->answered, f->cookies, f->believed,
		f->bytes_out, f->bytes_in, f->larger, say_heard(), took);
}

/* ---- command line --------------------------------------------------------------------------- */

static void usage(void)
{
	net_die("usage: flood MODE --to IP:PORT [options]\n"
		"  hello   first hellos, without a cookie      cookie  hellos with a wrong one\n"
		"  half    up to the server's first flight     junk    records of every kind, also "
		"heard ones\n"
		"  again   what was heard, as it was\n"
		"  --from IP       first source address; it and those behind it are routed to "
		"here\n"
		"  --sources N     so many addresses (1)       --ports N    so many ports of each "
		"(1)\n"
		"  --lie IP:PORT   raw datagrams that say they come from there; answers are not "
		"heard\n"
		"  --capture IF    with --lie: hear for a second what passes there between both\n"
		"  --count N       first words (1000)          --rate R     of them a second (no "
		"limit)\n"
		"  --seconds S     end after that (60)         --seed N     of what is by chance "
		"(1)\n"
		"  --cid           hellos offer a connection id\n"
		"  --raw-key FILE --trust FILE   hellos are of a client with raw keys: its own "
		"private\n"
		"                  one and the server's public one, PEM");
}

enum {
	TO = 1000,
	FROM,
	SOURCES,
	PORTS,
	LIE,
	CAPTURE,
	COUNT,
	RATE,
	SECONDS,
	SEED,
	CID,
	RAW_KEY,
	TRUST
};
static const struct option known[] = { { "to", 1, NULL, TO }, { "from", 1, NULL, FROM },
	{ "sources", 1, NULL, SOURCES }, { "ports", 1, NULL, PORTS }, { "lie", 1, NULL, LIE },
	{ "capture", 1, NULL, CAPTURE }, { "count", 1, NULL, COUNT }, { "rate", 1, NULL, RATE },
	{ "seconds", 1, NULL, SECONDS }, { "seed", 1, NULL, SEED }, { "cid", 0, NULL, CID },
	{ "raw-key", 1, NULL, RAW_KEY }, { "trust", 1, NULL, TRUST }, { 0 } };

static void read_number(struct flood *f, int which)
{
	switch (which) {
	case SOURCES:
		f->net_spec.sources = (uint32_t)net_number("--sources", optarg, 1, 65536);
		break;
	case PORTS:
		f->net_spec.ports = (unsigned)net_number("--ports", optarg, 1, FLOOD_PORTS);
		break;
	case COUNT:
		f->count = (uint64_t)net_number("--count", optarg, 1, 1e8);
		break;
	case RATE:
		f->rate = net_number("--rate", optarg, 1, 1e7);
		break;
	case SECONDS:
		f->most = (int64_t)(net_number("--seconds", optarg, 0.1, 3600) * 1e9);
		break;
	case SEED:
		say_seed((uint64_t)net_number("--seed", optarg, 1, 1e15));
		break;
	default:
		usage();
	}
}

/* All of a small file; never freed. */
static struct slice read_file(const char *path)
{
	static uint8_t room[2][4096];
	static unsigned used;
	FILE *f = used < 2 ? fopen(path, "rb") : NULL;
	if (f == NULL)
		net_die("flood: can not read %s", path);
	struct slice all = { room[used], fread(room[used], 1, sizeof(room[used]), f) };
	used++;
	fclose(f);
	return all;
}

static void read_option(struct flood *f, int which)
{
	switch (which) {
	case TO:
		f->net_spec.to = net_address(optarg);
		break;
	case FROM:
		if (addr_parse(&f->net_spec.from, optarg) != 0)
			net_die("flood: %s is no address", optarg);
		break;
	case LIE:
		f->net_spec.lie = net_address(optarg);
		break;
	case CAPTURE:
		f->capture = optarg;
		break;
	case CID:
		f->cid = true;
		break;
	case RAW_KEY:
		f->private_key = read_file(optarg);
		break;
	case TRUST:
		f->trust = read_file(optarg);
		break;
	default:
		read_number(f, which);
	}
}

static enum mode mode_of(const char *text)
{
	enum mode m = HELLO;
	while (m < MODES && (text == NULL || strcmp(text, mode_name[m]) != 0))
		m++;
	if (m == MODES)
		usage();
	return m;
}

int main(int argc, char **argv)
{
	struct flood f = { .mode = mode_of(argc > 1 ? argv[1] : NULL),
		.count = 1000,
		.most = 60 * SECOND,
		.net_spec = { .sources = 1, .ports = 1 } };
	for (int c; (c = getopt_long(argc - 1, argv + 1, "", known, NULL)) != -1;)
		read_option(&f, c);
	if (f.net_spec.to.port == 0 || optind != argc - 1)
		usage();
	if (say_learn(f.cid, f.private_key, f.trust) != 0)
		net_die("flood: the library gives no hello");
	f.net = flood_net_open(&f.net_spec);
	f.asked = calloc(flood_net_clients(f.net), sizeof(*f.asked));
	BUG_UNLESS(f.asked != NULL);
	if (f.capture != NULL)
		flood_net_listen(f.net, f.capture, SECOND, say_hear);
	run(&f);
	flood_net_close(f.net);
	free(f.asked);
	return EXIT_SUCCESS;
}
