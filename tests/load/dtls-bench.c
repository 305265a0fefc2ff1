/* What the room dtls costs, in each version of DTLS: ns for a record written and for one read, for a handshake, and
 * for a stranger's hello; bytes of heap for a session that idles.
 * usage: dtls-bench [ROUNDS [BYTES [1.2|1.2-gcm|1.3|1.3-psk]]]     1.2: CCM-8; 1.3-psk: without Diffie-Hellman
 *   dtls-bench many: 100, 1,000 and 10,000 sessions in random order
 *   dtls-bench PKI: handshakes a second with certificates and raw keys of that folder (tests/lib/pki),
 *   both ends ours, and bytes of heap for what is half open and what idles
 * Instructions: valgrind --tool=callgrind --toggle-collect=write_all (or read_all) dtls-bench 1 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "dtls/dtls.h"
#include "dtls-kinds.h"
#include "tests/unit/wolf_peer.h"

#define BATCH      1000
#define RECORD_MAX 2048
#define SESSIONS   1000
#define SHAKES     100 /* a round */

static const struct dtls_psk psk = { { (const uint8_t *)"meter17", 7 },
	{ (const uint8_t *)"0123456789abcdef", 16 } };
static const struct mono now = { 1 };

/* Both ends, and what lies between them. */
struct pair {
	struct dtls_session *client;
	struct wolf_peer *server;
	struct dtls_session *device; /* of our own listener, in place of the server */
	uint8_t up[4][RECORD_MAX], down[BATCH][RECORD_MAX];
	size_t up_n[4], down_n[BATCH];
	unsigned ups, downs;
};

static struct pair pair;
static uint8_t payload[RECORD_MAX];
static struct dtls_profile_spec how; /* the version */
static const char *suites = "PSK-AES128-CCM-8";

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	struct pair *p = who;
	unsigned i = p->ups++ % 4;
	memcpy(p->up[i], datagram, n);
	p->up_n[i] = n;
}

static void send_down(void *who, const uint8_t *datagram, size_t n)
{
	struct pair *p = who;
	unsigned i = p->downs++ % BATCH;
	memcpy(p->down[i], datagram, n);
	p->down_n[i] = n;
}

static void on_data(void *who, const uint8_t *bytes, size_t n)
{
	(void)who, (void)bytes, (void)n;
}

static void read_with(struct dtls_session *s, const uint8_t *datagram, size_t n)
{
	uint8_t room[RECORD_MAX];
	size_t got;
	dtls_feed(s, datagram, n, now);
	while (dtls_read(s, room, sizeof(room), &got, now) != DTLS_NOTHING)
		continue;
}

static void read_one(const uint8_t *datagram, size_t n)
{
	read_with(pair.client, datagram, n);
}

static void connect_client(struct dtls_profile *profile)
{
	struct dtls_session_spec spec = { .psk = psk, .deadline_ms = 1000, .who = &pair };
	pair.ups = pair.downs = 0;
	BUG_UNLESS(dtls_connect(&pair.client, profile, &spec, now) == 0);
}

static void shake(struct dtls_profile *profile)
{
	bool v13 = how.version == DTLS_1_3;
	pair.server = wolf_peer_create(&(struct wolf_peer_spec){
		.suites = suites,
		.v13 = v13,
		.identity = psk.identity,
		.key = psk.key,
		.send = send_down,
		.on_data = on_data,
		.who = &pair });
	connect_client(profile);
	for (unsigned up = 0, down = 0; up < pair.ups || down < pair.downs;) {
		for (; up < pair.ups; up++)
			wolf_peer_feed(pair.server, pair.up[up % 4], pair.up_n[up % 4]);
		for (; down < pair.downs; down++)
			read_one(pair.down[down], pair.down_n[down]);
	}
	BUG_UNLESS(dtls_state(pair.client) == DTLS_UP);
}

/* Brings a session that is up its first data. */
static void speak(void)
{
	pair.downs = 0;
	wolf_peer_write(pair.server, payload, 64);
	read_one(pair.down[0], pair.down_n[0]);
}

static __attribute__((noinline)) void write_all(size_t n)
{
	for (unsigned i = 0; i < BATCH; i++)
		BUG_UNLESS(dtls_write(pair.client, payload, n) == 0);
}

static __attribute__((noinline)) void read_all(void)
{
	for (unsigned i = 0; i < BATCH; i++)
		read_one(pair.down[i], pair.down_n[i]);
}

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void say(const char *what, double *ns, unsigned rounds, unsigned times)
{
	qsort(ns, rounds, sizeof(*ns), by_size);
	printf("%s: min %.0f median %.0f max %.0f ns\n", what, ns[0] / times,
		ns[rounds / 2] / times, ns[rounds - 1] / times);
}

static void time_records(unsigned rounds, size_t n)
{
	double *w = calloc(rounds, sizeof(*w)), *r = calloc(rounds, sizeof(*r));
	for (unsigned k = 0; k < rounds; k++) {
		double start = cpu_ns();
		write_all(n);
		w[k] = cpu_ns() - start;
		pair.downs = 0;
		for (unsigned i = 0; i < BATCH; i++)
			wolf_peer_write(pair.server, payload, n);
		start = cpu_ns();
		read_all();
		r[k] = cpu_ns() - start;
	}
	say("write", w, rounds, BATCH);
	say("read", r, rounds, BATCH);
	free(w);
	free(r);
}

/* The servers go at once, so what is left is ours. */
static void weigh(struct dtls_profile *profile, bool with_data)
{
	static struct dtls_session *all[SESSIONS];
	size_t before = mallinfo2().uordblks;
	for (unsigned i = 0; i < SESSIONS; i++) {
		shake(profile);
		if (with_data)
			speak();
		wolf_peer_free(pair.server);
		all[i] = pair.client;
	}
	printf("idle session %s: %zu bytes of heap\n", with_data ? "after data" : "before data",
		(mallinfo2().uordblks - before) / SESSIONS);
	for (unsigned i = 0; i < SESSIONS; i++)
		dtls_forget(&all[i]);
}

/* ---- our client and our listener ---- */

static const struct dtls_psk *find_psk(void *who, struct slice identity)
{
	(void)who, (void)identity;
	return &psk;
}

static const struct dtls_accept_spec from = { { (const uint8_t *)"device", 6 },
	{ (const uint8_t *)"connect!", 8 }, 1000, &pair, NULL };

static void take_up(struct dtls_listener *l, const uint8_t *datagram, size_t n)
{
	if (pair.device != NULL)
		read_with(pair.device, datagram, n);
	else
		pair.device = dtls_accept(l, &from, datagram, n, now);
}

static void shake_listener(struct dtls_profile *profile, struct dtls_listener *l)
{
	pair.device = NULL;
	connect_client(profile);
	for (unsigned up = 0, down = 0; up < pair.ups || down < pair.downs;) {
		for (; up < pair.ups; up++)
			take_up(l, pair.up[up % 4], pair.up_n[up % 4]);
		for (; down < pair.downs; down++)
			read_one(pair.down[down], pair.down_n[down]);
	}
	BUG_UNLESS(dtls_state(pair.client) == DTLS_UP && dtls_state(pair.device) == DTLS_UP);
	dtls_forget(&pair.client);
	dtls_forget(&pair.device);
}

static void time_shakes(struct dtls_profile *profile, struct dtls_listener *l, unsigned rounds)
{
	double *ns = calloc(rounds, sizeof(*ns));
	for (unsigned k = 0; k < rounds; k++) {
		double start = cpu_ns();
		for (unsigned i = 0; i < SHAKES; i++)
			shake_listener(profile, l);
		ns[k] = cpu_ns() - start;
	}
	say("handshake, both ends", ns, rounds, SHAKES);
	free(ns);
}

static void time_hello(struct dtls_listener *l, const char *what, const uint8_t *hello, size_t n,
	unsigned rounds)
{
	double *ns = calloc(rounds, sizeof(*ns));
	for (unsigned k = 0; k < rounds; k++) {
		double start = cpu_ns();
		for (unsigned i = 0; i < BATCH; i++)
			BUG_UNLESS(dtls_accept(l, &from, hello, n, now) == NULL);
		ns[k] = cpu_ns() - start;
	}
	printf("%zu bytes, ", n);
	say(what, ns, rounds, BATCH);
	free(ns);
}

/* The two hellos of a handshake: the second with a cookie that is good, and one that is not. */
static void time_strangers(
	struct dtls_profile *profile, struct dtls_listener *l, unsigned rounds)
{
	uint8_t bad[RECORD_MAX];
	connect_client(profile);
	time_hello(l, "a stranger's hello", pair.up[0], pair.up_n[0], rounds);
	read_one(pair.down[0], pair.down_n[0]);
	memcpy(bad, pair.up[1], pair.up_n[1]);
	bad[13 + 12 + 2]++; /* the cookie does not fit this random */
	dtls_listener_rotate(l);
	dtls_listener_rotate(l);
	time_hello(l, "one with a cookie of nobody", bad, pair.up_n[1], rounds);
	time_hello(l, "a malformed one", bad, pair.up_n[1] - 1, rounds);
	dtls_forget(&pair.client);
}

static void time_listener(struct dtls_profile *profile, unsigned rounds)
{
	static const struct dtls_calls down = { send_down };
	struct dtls_listener_spec spec = { .cid = true,
		.find_psk = find_psk,
		.calls = &down,
		.version = how.version };
	struct dtls_listener *l;
	BUG_UNLESS(dtls_listener_create(&l, &spec) == 0);
	time_shakes(profile, l, rounds);
	time_strangers(profile, l, rounds);
	dtls_listener_free(l);
}

static void choose(const char *version)
{
	how.version = strncmp(version, "1.3", 3) == 0 ? DTLS_1_3 : DTLS_1_2;
	how.no_dhe = strcmp(version, "1.3-psk") == 0;
	if (how.version == DTLS_1_3)
		suites = "TLS13-AES128-GCM-SHA256";
	else if (strcmp(version, "1.2-gcm") == 0)
		suites = "PSK-AES128-GCM-SHA256";
}

int main(int argc, char **argv)
{
	static const struct dtls_calls calls = { emit };
	if (argc > 1 && strcmp(argv[1], "many") == 0)
		return time_many();
	if (argc > 1 && strchr(argv[1], '/') != NULL)
		return time_kinds(argv[1]);
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 101;
	size_t n = argc > 2 ? (size_t)atoi(argv[2]) : 64;
	struct dtls_profile *profile;
	how = (struct dtls_profile_spec){ .cid = true, .calls = &calls };
	choose(argc > 3 ? argv[3] : "1.2");
	if (dtls_profile_create(&profile, &how) != 0)
		return EXIT_FAILURE;
	shake(profile);
	speak();
	time_records(rounds > 0 ? rounds : 1, n < 1024 ? n : 1024);
	dtls_forget(&pair.client);
	wolf_peer_free(pair.server);
	if (rounds > 1) {
		weigh(profile, false);
		weigh(profile, true);
		time_listener(profile, rounds);
	}
	dtls_profile_free(profile);
	return EXIT_SUCCESS;
}
