/* The server role of the room dtls over a real socket, with any client: it echoes what it is told, lets a
 * device move by its connection id, and says what happens. A line of its input is said to the device that
 * spoke last. usage: dtls-server [--dtls 1.3] [--pair CERT|- KEY] [--ca FILE] [--device KEY] PORT IDENTITY HEXKEY [cid]
 * --pair is ours, - for a raw key alone; --device is a raw public key that may come in. */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/hex.h"
#include "base/rand.h"
#include "dtls/dtls.h"
#include "files.h"

#define PEERS 16
#define CID   8

struct peer {
	struct sockaddr_in6 at;
	struct dtls_session *s; /* NULL: free */
	uint8_t cid[CID];
};

static struct peer peers[PEERS], *last; /* the last is who spoke last */
static bool use_cid;
static struct dtls_psk psk;
static uint8_t device[DTLS_SPKI_MAX];
static size_t device_n;
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

static bool find_key(void *who, struct slice spki)
{
	(void)who;
	return slice_eq(spki, (struct slice){ device, device_n });
}

static void tell_proof(const struct peer *p)
{
	struct slice name;
	printf("security %d, key of %zu bytes\n", dtls_security_of(p->s), dtls_public_key(p->s).n);
	for (size_t i = 0; dtls_peer_name(p->s, i, &name); i++)
		printf("name %zu: %.*s\n", i, (int)name.n, (const char *)name.p);
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
		printf("event %d, alert %d, fault %d, %.*s\n", event, dtls_alert(p->s),
			dtls_why(p->s), (int)name.n, (const char *)name.p);
	if (event == DTLS_ESTABLISHED)
		tell_proof(p);
}

/* RFC 9146 6: only a record newer than all before it may move its device. */
static void move(struct peer *p, const struct sockaddr_in6 *from)
{
	if (!dtls_was_newest(p->s) || memcmp(&p->at, from, sizeof(*from)) == 0)
		return;
	p->at = *from;
	printf("moved to port %u\n", ntohs(from->sin6_port));
}

/* A device that has come again ends its sessions before, at the same address. */
static void outlive(const struct peer *p)
{
	for (struct peer *other = peers; other < peers + PEERS; other++) {
		if (other == p || other->s == NULL ||
			memcmp(&other->at, &p->at, sizeof(p->at)) != 0)
			continue;
		puts("comes again");
		dtls_forget(&other->s);
	}
}

static void act(struct peer *p, const struct sockaddr_in6 *from, enum dtls_event event,
	const uint8_t *bytes, size_t n)
{
	tell(p, event, bytes, n);
	if (event == DTLS_ESTABLISHED)
		outlive(p);
	if (event != DTLS_DATA)
		return;
	move(p, from);
	last = p;
	if (n > 0 && dtls_write(p->s, bytes, n) != 0)
		puts("echo refused");
}

static void feed(struct peer *p, const struct sockaddr_in6 *from, const uint8_t *datagram, size_t n)
{
	static uint8_t room[DTLS_RECORD_MAX];
	enum dtls_event event;
	size_t got;
	dtls_feed(p->s, datagram, n, now());
	while ((event = dtls_read(p->s, room, sizeof(room), &got, now())) != DTLS_NOTHING)
		act(p, from, event, room, got);
	if (dtls_state(p->s) == DTLS_DEAD)
		dtls_forget(&p->s);
}

/* Feeds the session of that connection id, else all of that address; false when there is none. */
static bool route(const struct sockaddr_in6 *from, const uint8_t *datagram, size_t n)
{
	struct slice cid;
	bool has_cid = dtls_cid_of(datagram, n, use_cid ? CID : 0, &cid), found = false;
	bool is_hello = dtls_is_hello(datagram, n);
	for (struct peer *p = peers; p < peers + PEERS; p++) {
		if (p->s == NULL || (is_hello && !dtls_owns_hello(p->s, datagram, n)))
			continue;
		if (has_cid ? memcmp(cid.p, p->cid, CID) != 0
			    : memcmp(&p->at, from, sizeof(*from)) != 0)
			continue;
		feed(p, from, datagram, n);
		found = true;
	}
	return found;
}

static void take(struct dtls_listener *l)
{
	static uint8_t datagram[65536];
	struct sockaddr_in6 at;
	struct peer *p = peers;
	socklen_t at_n = sizeof(at);
	ssize_t n = recvfrom(fd, datagram, sizeof(datagram), 0, (void *)&at, &at_n);
	if (n <= 0)
		return;
	printf("< %zd bytes\n", n);
	if (route(&at, datagram, (size_t)n))
		return;
	if (!dtls_is_hello(datagram, (size_t)n)) {
		printf("no session for port %u\n", ntohs(at.sin6_port));
		return;
	}
	while (p < peers + PEERS - 1 && p->s != NULL)
		p++;
	dtls_forget(&p->s);
	p->at = at;
	rand_bytes(p->cid, CID);
	struct dtls_accept_spec spec = { { (const uint8_t *)&at, sizeof(at) },
		{ p->cid, use_cid ? CID : 0 }, 60000, p, NULL };
	p->s = dtls_accept(l, &spec, datagram, (size_t)n, now());
}

/* False when the input has ended. */
static bool say(void)
{
	static uint8_t line[1024];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line));
	if (n > 1 &&
		(last == NULL || last->s == NULL || dtls_write(last->s, line, (size_t)n - 1) != 0))
		puts("unsent");
	return n > 0;
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

/* Reads the options; gives the words that are left. */
static char **take_options(char **word, struct dtls_listener_spec *spec)
{
	for (; word[0] != NULL && strncmp(word[0], "--", 2) == 0; word += 2)
		if (strcmp(word[0], "--pair") == 0) {
			spec->pair = (struct dtls_pair){ read_file(word[1]), read_file(word[2]) };
			word++;
		} else if (strcmp(word[0], "--dtls") == 0) {
			spec->version = strcmp(word[1], "1.3") == 0 ? DTLS_1_3 : DTLS_1_2;
		} else if (strcmp(word[0], "--ca") == 0) {
			spec->ca = read_file(word[1]);
		} else if (dtls_public_key_read(read_file(word[1]), device, &device_n) == 0) {
			spec->find_key = find_key;
		}
	return word;
}

int main(int argc, char **argv)
{
	static uint8_t key[64];
	static const struct dtls_calls calls = { emit };
	struct dtls_listener *l;
	if (argc < 4)
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct dtls_listener_spec spec = {
		.find_psk = find_psk, .calls = &calls, .wall_s = wall_s
	};
	char **word = take_options(argv + 1, &spec);
	spec.cid = use_cid = word[3] != NULL;
	long n = hex_decode(word[2], strlen(word[2]), key, sizeof(key));
	psk = (struct dtls_psk){ slice_str(word[1]), { key, n > 0 ? (size_t)n : 0 } };
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)strtoul(word[0], NULL, 10)) };
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	int rc = bind(fd, (void *)&at, sizeof(at)) == 0 ? dtls_listener_create(&l, &spec) : -1;
	if (rc != 0) {
		printf("refused: %d\n", rc);
		return EXIT_FAILURE;
	}
	puts("ready");
	struct pollfd ready[] = { { .fd = fd, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN } };
	for (;;) {
		poll(ready, 2, 200);
		if (ready[0].revents != 0)
			take(l);
		if (ready[1].revents != 0 && !say())
			ready[1].fd = -1;
		tick();
	}
}
