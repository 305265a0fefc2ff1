/* Handshakes between a session of ours and a listener of ours, by kind of credential: how many a second of
 * CPU for both ends together, and what the server's end holds in memory. */
#include "dtls-kinds.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "dtls/dtls.h"

#define HANDSHAKES 400
#define SESSIONS   200
#define QUEUE      16

static const struct mono now = { 1 };
static const struct dtls_psk psk = { { (const uint8_t *)"meter17", 7 },
	{ (const uint8_t *)"0123456789abcdef", 16 } };
static const char *folder;

static struct {
	bool up;
	size_t n;
	uint8_t bytes[4096];
} queue[QUEUE];
static unsigned put, got, bytes_up, bytes_down;

static void keep(bool up, const uint8_t *datagram, size_t n)
{
	BUG_UNLESS(n <= sizeof(queue[0].bytes));
	*(up ? &bytes_up : &bytes_down) += (unsigned)n;
	queue[put % QUEUE].up = up;
	queue[put % QUEUE].n = n;
	memcpy(queue[put++ % QUEUE].bytes, datagram, n);
}

static void emit_up(void *who, const uint8_t *datagram, size_t n)
{
	(void)who;
	keep(true, datagram, n);
}

static void emit_down(void *who, const uint8_t *datagram, size_t n)
{
	(void)who;
	keep(false, datagram, n);
}

static const struct dtls_calls upward = { emit_up }, downward = { emit_down };

static const struct dtls_psk *find_psk(void *who, struct slice identity)
{
	(void)who, (void)identity;
	return &psk;
}

static bool find_key(void *who, struct slice spki)
{
	(void)who;
	return spki.n == 91;
}

static int64_t wall_s(void)
{
	return 1893456000; /* 2030, when the certificates are valid */
}

static struct slice file(const char *name)
{
	char path[4096];
	uint8_t *bytes = malloc(8192);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	BUG_UNLESS(bytes != NULL && f != NULL);
	size_t n = fread(bytes, 1, 8192, f);
	fclose(f);
	return (struct slice){ bytes, n };
}

static void read_all(struct dtls_session *s, const uint8_t *datagram, size_t n)
{
	uint8_t room[2048];
	size_t length;
	dtls_feed(s, datagram, n, now);
	while (dtls_read(s, room, sizeof(room), &length, now) != DTLS_NOTHING)
		continue;
}

/* A handshake; with half, it ends when our flight has left. */
static struct dtls_session *shake(struct dtls_listener *l, struct dtls_profile *profile,
	const struct dtls_session_spec *spec, struct dtls_session **client, bool half)
{
	static unsigned peer;
	struct dtls_session *server = NULL;
	struct dtls_accept_spec with = { .peer = { (const uint8_t *)&peer, sizeof(peer) },
		.deadline_ms = 1000 };
	peer++;
	put = got = bytes_up = bytes_down = 0;
	BUG_UNLESS(dtls_connect(client, profile, spec, now) == 0);
	for (; got < put && !(half && server != NULL); got++) {
		const uint8_t *bytes = queue[got % QUEUE].bytes;
		size_t n = queue[got % QUEUE].n;
		if (!queue[got % QUEUE].up)
			read_all(*client, bytes, n);
		else if (server != NULL)
			read_all(server, bytes, n);
		else
			server = dtls_accept(l, &with, bytes, n, now);
	}
	BUG_UNLESS(server != NULL && (half || dtls_state(*client) == DTLS_UP));
	return server;
}

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Bytes of heap for a server's session: half open, and idle after data. */
static size_t weigh(struct dtls_listener *l, struct dtls_profile *profile,
	const struct dtls_session_spec *spec, bool half)
{
	static struct dtls_session *all[SESSIONS];
	size_t before = mallinfo2().uordblks;
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct dtls_session *client;
		all[i] = shake(l, profile, spec, &client, half);
		if (!half) {
			BUG_UNLESS(dtls_write(client, (const uint8_t *)"hello", 5) == 0);
			read_all(
				all[i], queue[(put - 1) % QUEUE].bytes, queue[(put - 1) % QUEUE].n);
		}
		dtls_forget(&client);
	}
	size_t bytes = (mallinfo2().uordblks - before) / SESSIONS;
	for (unsigned i = 0; i < SESSIONS; i++)
		dtls_forget(&all[i]);
	return bytes;
}

static void time_kind(const char *what, struct dtls_listener *l,
	const struct dtls_profile_spec *shared, const struct dtls_session_spec *spec)
{
	struct dtls_profile *profile;
	struct dtls_session *client, *server;
	BUG_UNLESS(dtls_profile_create(&profile, shared) == 0);
	double start = cpu_s();
	for (unsigned i = 0; i < HANDSHAKES; i++) {
		server = shake(l, profile, spec, &client, false);
		dtls_forget(&client);
		dtls_forget(&server);
	}
	double took = cpu_s() - start;
	printf("%s: %.0f handshakes/s, %.0f us for both ends, %u bytes up, %u down\n", what,
		HANDSHAKES / took, took / HANDSHAKES * 1e6, bytes_up, bytes_down);
	printf("%s: a server's session of %zu bytes half open, %zu idle\n", what,
		weigh(l, profile, spec, true), weigh(l, profile, spec, false));
	dtls_profile_free(profile);
}

int time_kinds(const char *path)
{
	struct dtls_listener *l;
	folder = path;
	struct dtls_listener_spec spec = { .find_psk = find_psk,
		.calls = &downward,
		.pair = { file("server.pem"), file("server.key") },
		.ca = file("ca.pem"),
		.find_key = find_key,
		.wall_s = wall_s };
	BUG_UNLESS(dtls_listener_create(&l, &spec) == 0);
	struct dtls_profile_spec shared = { .calls = &upward, .wall_s = wall_s };
	struct dtls_session_spec own = { .psk = psk, .deadline_ms = 1000 };
	time_kind("PSK", l, &shared, &own);
	own.pair.private_key = file("device.key");
	shared.security = DTLS_RPK;
	shared.trust = file("server.pub");
	time_kind("raw keys", l, &shared, &own);
	own.pair.cert = file("device.pem");
	shared.security = DTLS_X509;
	shared.trust = file("ca.pem");
	shared.expected_name = "lwm2m.example.org";
	time_kind("X.509, mutual", l, &shared, &own);
	own.pair.cert = file("device-inter.pem");
	time_kind("X.509, mutual, one CA between", l, &shared, &own);
	dtls_listener_free(l);
	return EXIT_SUCCESS;
}
