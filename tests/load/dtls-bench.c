/* What the room dtls costs: ns for a record written and for one read, against memory; bytes of heap
 * for a session that idles. usage: dtls-bench [ROUNDS [BYTES]]
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

static const struct dtls_psk psk = { { (const uint8_t *)"meter17", 7 },
	{ (const uint8_t *)"0123456789abcdef", 16 } };
static const struct mono now = { 1 };

/* Both ends, and what lies between them. */
struct pair {
	struct dtls_session *client;
	struct wolf_peer *server;
	uint8_t up[4][RECORD_MAX], down[BATCH][RECORD_MAX];
	size_t up_n[4], down_n[BATCH];
	unsigned ups, downs;
};

static struct pair pair;
static uint8_t payload[RECORD_MAX];

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

static void read_one(const uint8_t *datagram, size_t n)
{
	uint8_t room[RECORD_MAX];
	size_t got;
	dtls_feed(pair.client, datagram, n, now);
	while (dtls_read(pair.client, room, sizeof(room), &got, now) != DTLS_NOTHING)
		continue;
}

static void shake(struct dtls_profile *profile)
{
	struct dtls_session_spec spec = { .psk = psk, .deadline_ms = 1000, .who = &pair };
	pair.ups = pair.downs = 0;
	pair.server = wolf_peer_create(&(struct wolf_peer_spec){ .suites = "PSK-AES128-CCM-8",
		.identity = psk.identity,
		.key = psk.key,
		.send = send_down,
		.on_data = on_data,
		.who = &pair });
	BUG_UNLESS(dtls_connect(&pair.client, profile, &spec, now) == 0);
	for (unsigned up = 0, down = 0; up < pair.ups || down < pair.downs;) {
		for (; up < pair.ups; up++)
			wolf_peer_feed(pair.server, pair.up[up % 4], pair.up_n[up % 4]);
		for (; down < pair.downs; down++)
			read_one(pair.down[down], pair.down_n[down]);
	}
	BUG_UNLESS(dtls_state(pair.client) == DTLS_UP);
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

static void say(const char *what, double *ns, unsigned rounds)
{
	qsort(ns, rounds, sizeof(*ns), by_size);
	printf("%s: min %.0f median %.0f max %.0f ns\n", what, ns[0] / BATCH,
		ns[rounds / 2] / BATCH, ns[rounds - 1] / BATCH);
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
	say("write", w, rounds);
	say("read", r, rounds);
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
		pair.downs = 0;
		wolf_peer_write(pair.server, payload, 64);
		if (with_data)
			read_one(pair.down[0], pair.down_n[0]);
		wolf_peer_free(pair.server);
		all[i] = pair.client;
	}
	printf("idle session %s: %zu bytes of heap\n", with_data ? "after data" : "before data",
		(mallinfo2().uordblks - before) / SESSIONS);
	for (unsigned i = 0; i < SESSIONS; i++)
		dtls_forget(&all[i]);
}

int main(int argc, char **argv)
{
	static const struct dtls_calls calls = { emit };
	if (argc > 1 && strchr(argv[1], '/') != NULL)
		return time_kinds(argv[1]);
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 101;
	size_t n = argc > 2 ? (size_t)atoi(argv[2]) : 64;
	struct dtls_profile *profile;
	if (dtls_profile_create(
		    &profile, &(struct dtls_profile_spec){ .cid = true, .calls = &calls }) != 0)
		return EXIT_FAILURE;
	shake(profile);
	time_records(rounds > 0 ? rounds : 1, n < 1024 ? n : 1024);
	dtls_forget(&pair.client);
	wolf_peer_free(pair.server);
	if (rounds > 1) {
		weigh(profile, false);
		weigh(profile, true);
	}
	dtls_profile_free(profile);
	return EXIT_SUCCESS;
}
