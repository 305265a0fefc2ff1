/* What many sessions cost that speak in random order: a record of a device is opened, and one towards its server is
 * sealed, as a relay does it. The figure to look at is the ratio of many to few: misses of the cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/bug.h"
#include "dtls/dtls.h"
#include "dtls-kinds.h"

#define MOST    10000
#define RECORD  256
#define PAYLOAD 64
#define RECORDS 200000 /* a measurement, in all */
#define ROUNDS  7

static const struct mono now = { 1 };
static const struct dtls_psk psk = { { (const uint8_t *)"meter17", 7 },
	{ (const uint8_t *)"0123456789abcdef", 16 } };

/* A device, the session with it, and one towards a server. */
struct hop {
	struct dtls_session *far, *lan, *wan;
};

static struct hop hops[MOST];
static struct dtls_session *other; /* the server's end, while it is made */
static uint8_t record[MOST][RECORD];
static size_t record_n[MOST];
static uint8_t last[8][RECORD * 4];
static size_t last_n[8];
static unsigned put, order[MOST];

static void keep(void *who, const uint8_t *datagram, size_t n)
{
	(void)who;
	BUG_UNLESS(n <= sizeof(last[0]));
	memcpy(last[put % 8], datagram, n);
	last_n[put++ % 8] = n;
}

static const struct dtls_calls calls = { keep };

static const struct dtls_psk *find_psk(void *who, struct slice identity)
{
	(void)who, (void)identity;
	return &psk;
}

static void read_all(struct dtls_session *s, const uint8_t *datagram, size_t n)
{
	uint8_t room[RECORD];
	size_t got;
	dtls_feed(s, datagram, n, now);
	while (dtls_read(s, room, sizeof(room), &got, now) != DTLS_NOTHING)
		continue;
}

/* A client and its server; both have had data. */
static struct dtls_session *meet(struct dtls_profile *profile, struct dtls_listener *l)
{
	struct dtls_session_spec spec = { .psk = psk, .deadline_ms = 1000 };
	struct dtls_accept_spec from = { { (const uint8_t *)"device", 6 },
		{ (const uint8_t *)"connect!", 8 }, 1000, NULL, NULL };
	struct dtls_session *s;
	unsigned taken = put;
	other = NULL;
	BUG_UNLESS(dtls_connect(&s, profile, &spec, now) == 0);
	for (bool up = true; taken < put; up = !up)
		for (unsigned end = put; taken < end; taken++) {
			uint8_t *p = last[taken % 8];
			size_t n = last_n[taken % 8];
			if (!up)
				read_all(s, p, n);
			else if (other != NULL)
				read_all(other, p, n);
			else
				other = dtls_accept(l, &from, p, n, now);
		}
	BUG_UNLESS(other != NULL && dtls_state(s) == DTLS_UP && dtls_state(other) == DTLS_UP);
	BUG_UNLESS(dtls_write(s, (const uint8_t *)"hi", 2) == 0);
	read_all(other, last[(put - 1) % 8], last_n[(put - 1) % 8]);
	BUG_UNLESS(dtls_write(other, (const uint8_t *)"hi", 2) == 0);
	read_all(s, last[(put - 1) % 8], last_n[(put - 1) % 8]);
	return s;
}

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void shuffle(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		order[i] = i;
	for (unsigned i = n; i > 1; i--) {
		unsigned k = (unsigned)rand() % i, kept = order[i - 1];
		order[i - 1] = order[k];
		order[k] = kept;
	}
}

/* One record of each of n; ns for all. The records lie in the order in which they come. */
static double carry(unsigned n, unsigned ahead)
{
	static const uint8_t payload[PAYLOAD];
	shuffle(n);
	for (unsigned i = 0; i < n; i++) {
		BUG_UNLESS(dtls_write(hops[order[i]].far, payload, PAYLOAD) == 0);
		record_n[i] = last_n[(put - 1) % 8];
		memcpy(record[i], last[(put - 1) % 8], record_n[i]);
	}
	double start = cpu_ns();
	for (unsigned i = 0; i < n; i++) {
		const struct hop *next = &hops[order[i + ahead < n ? i + ahead : i]];
		if (ahead > 0) {
			dtls_prefetch(next->lan);
			dtls_prefetch(next->wan);
		}
		read_all(hops[order[i]].lan, record[i], record_n[i]);
		BUG_UNLESS(dtls_write(hops[order[i]].wan, payload, PAYLOAD) == 0);
	}
	return cpu_ns() - start;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(unsigned n, unsigned ahead)
{
	double ns[ROUNDS];
	for (unsigned k = 0; k < ROUNDS; k++) {
		ns[k] = 0;
		for (unsigned done = 0; done < RECORDS; done += n)
			ns[k] += carry(n, ahead);
		ns[k] /= RECORDS;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), by_size);
	return ns[ROUNDS / 2];
}

int time_many(void)
{
	static const unsigned counts[] = { 100, 1000, MOST };
	struct dtls_profile_spec client = { .cid = true, .calls = &calls };
	struct dtls_listener_spec server = { .cid = true, .find_psk = find_psk, .calls = &calls };
	struct dtls_profile *profile;
	struct dtls_listener *l;
	if (dtls_profile_create(&profile, &client) != 0 || dtls_listener_create(&l, &server) != 0)
		return EXIT_FAILURE;
	for (unsigned i = 0; i < MOST; i++) {
		hops[i].far = meet(profile, l);
		hops[i].lan = other;
		hops[i].wan = meet(profile, l);
		dtls_forget(&other);
	}
	for (unsigned ahead = 0; ahead <= 4; ahead += 4) {
		double few = median(counts[0], ahead);
		for (unsigned i = 0; i < 3; i++) {
			double ns = i == 0 ? few : median(counts[i], ahead);
			printf("%u sessions each way, prefetched %u ahead: %.0f ns, %.2f of that "
			       "at %u\n",
				counts[i], ahead, ns, ns / few, counts[0]);
		}
	}
	for (unsigned i = 0; i < MOST; i++) {
		dtls_forget(&hops[i].far);
		dtls_forget(&hops[i].lan);
		dtls_forget(&hops[i].wan);
	}
	dtls_listener_free(l);
	dtls_profile_free(profile);
	return EXIT_SUCCESS;
}
