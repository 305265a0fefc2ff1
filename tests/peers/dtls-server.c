/* The server role of the room dtls over a real socket, to try it by hand with any client: it echoes what
 * it is told, and says what happens. usage: dtls-server PORT IDENTITY HEXKEY [cid] */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "base/hex.h"
#include "base/rand.h"
#include "dtls/dtls.h"

#define PEERS 16
#define CID   8

struct peer {
	struct sockaddr_in6 at;
	struct dtls_session *s; /* NULL: free */
	uint8_t cid[CID];
};

static struct peer peers[PEERS];
static struct dtls_psk psk;
static int fd;

static struct mono now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct mono){ t.tv_sec * 1000LL + t.tv_nsec / 1000000 };
}

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	const struct peer *p = who;
	printf("> %zu bytes\n", n);
	if (sendto(fd, datagram, n, 0, (const void *)&p->at, sizeof(p->at)) < 0)
		perror("sendto");
}

static const struct dtls_psk *find_psk(void *who, struct slice identity)
{
	(void)who;
	return slice_eq(identity, psk.identity) ? &psk : NULL;
}

static void tell(struct peer *p, enum dtls_event event, const uint8_t *bytes, size_t n)
{
	struct slice name = dtls_identity(p->s);
	if (event == DTLS_ESTABLISHED)
		printf("established: %.*s, %s, cid of theirs %d, of ours %d\n", (int)name.n,
			(const char *)name.p, dtls_suite(p->s), dtls_peer_cid(p->s),
			dtls_has_own_cid(p->s));
	else if (event == DTLS_DATA)
		printf("data: %zu bytes, newest %d: %.*s\n", n, dtls_was_newest(p->s), (int)n,
			(const char *)bytes);
	else if (event != DTLS_NOTHING)
		printf("event %d, alert %d, %.*s\n", event, dtls_alert(p->s), (int)name.n,
			(const char *)name.p);
}

static void feed(struct peer *p, const uint8_t *datagram, size_t n)
{
	static uint8_t room[DTLS_RECORD_MAX];
	enum dtls_event event;
	size_t got;
	dtls_feed(p->s, datagram, n, now());
	while ((event = dtls_read(p->s, room, sizeof(room), &got, now())) != DTLS_NOTHING) {
		tell(p, event, room, got);
		if (event == DTLS_DATA && got > 0 && dtls_write(p->s, room, got) != 0)
			puts("echo refused");
	}
	if (dtls_state(p->s) == DTLS_DEAD)
		dtls_forget(&p->s);
}

static struct peer *find(const struct sockaddr_in6 *at, const uint8_t *datagram, size_t n)
{
	struct slice cid;
	bool has_cid = dtls_cid_of(datagram, n, CID, &cid), is_hello = dtls_is_hello(datagram, n);
	for (struct peer *p = peers; p < peers + PEERS; p++) {
		if (p->s == NULL || (is_hello && !dtls_owns_hello(p->s, datagram, n)))
			continue;
		if (has_cid ? memcmp(cid.p, p->cid, CID) == 0
			    : memcmp(&p->at, at, sizeof(*at)) == 0)
			return p;
	}
	return NULL;
}

static void take(struct dtls_listener *l, bool cid)
{
	static uint8_t datagram[65536];
	struct sockaddr_in6 at;
	socklen_t at_n = sizeof(at);
	ssize_t n = recvfrom(fd, datagram, sizeof(datagram), 0, (void *)&at, &at_n);
	if (n <= 0)
		return;
	printf("< %zd bytes\n", n);
	struct peer *p = find(&at, datagram, (size_t)n);
	if (p != NULL) {
		feed(p, datagram, (size_t)n);
		return;
	}
	for (p = peers; p < peers + PEERS - 1 && p->s != NULL;)
		p++;
	dtls_forget(&p->s);
	p->at = at;
	rand_bytes(p->cid, CID);
	struct dtls_accept_spec spec = { { (const uint8_t *)&at, sizeof(at) },
		{ p->cid, cid ? CID : 0 }, 60000, p };
	p->s = dtls_accept(l, &spec, datagram, (size_t)n, now());
}

static void tick(void)
{
	for (struct peer *p = peers; p < peers + PEERS; p++) {
		if (p->s == NULL)
			continue;
		tell(p, dtls_tick(p->s, now()), NULL, 0);
		if (dtls_state(p->s) == DTLS_DEAD)
			dtls_forget(&p->s);
	}
}

int main(int argc, char **argv)
{
	static uint8_t key[64];
	static const struct dtls_calls calls = { emit };
	struct dtls_listener *l;
	if (argc < 4)
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	long n = hex_decode(argv[3], strlen(argv[3]), key, sizeof(key));
	psk = (struct dtls_psk){ slice_str(argv[2]), { key, n > 0 ? (size_t)n : 0 } };
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)strtoul(argv[1], NULL, 10)) };
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct dtls_listener_spec spec = {
		.cid = argc > 4, .find_psk = find_psk, .calls = &calls
	};
	if (bind(fd, (void *)&at, sizeof(at)) != 0 || dtls_listener_create(&l, &spec) != 0)
		return EXIT_FAILURE;
	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		if (poll(&ready, 1, 200) > 0)
			take(l, spec.cid);
		tick();
	}
}
