/* The room dtls over a real socket, to try it by hand against any server: handshake, one CoAP GET
 * of /.well-known/core, close. usage: dtls-client HOST PORT IDENTITY HEXKEY [TEXT, not the GET] */
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/hex.h"
#include "dtls/dtls.h"

static const uint8_t get[] = "\x41\x01\x12\x34t\xbb.well-known\x04"
			     "core";

static struct mono now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct mono){ t.tv_sec * 1000LL + t.tv_nsec / 1000000 };
}

static int connected(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found;
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return -1;
	int fd = socket(found->ai_family, SOCK_DGRAM, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		fd = -1;
	freeaddrinfo(found);
	return fd;
}

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	printf("> %zu bytes\n", n);
	if (send(*(int *)who, datagram, n, 0) < 0)
		perror("send");
}

static void up(struct dtls_session *s, const char *text)
{
	printf("established: %s, cid %d\n", dtls_suite(s), dtls_peer_cid(s));
	const uint8_t *bytes = text != NULL ? (const uint8_t *)text : get;
	if (dtls_write(s, bytes, text != NULL ? strlen(text) : sizeof(get) - 1) != 0)
		puts("write refused");
}

/* Acts on one event; true when all is over. */
static bool act(struct dtls_session *s, enum dtls_event event, const uint8_t *room, size_t n,
	const char *text)
{
	switch (event) {
	case DTLS_NOTHING:
		return false;
	case DTLS_ESTABLISHED:
		up(s, text);
		return false;
	case DTLS_DATA:
		printf("data, %zu bytes: %.*s\n", n, (int)n, (const char *)room);
		return true;
	case DTLS_CLOSED:
		puts("closed by the server");
		return true;
	case DTLS_ALERTED:
		printf("alert %d\n", dtls_alert(s));
		return true;
	case DTLS_TIMED_OUT:
		puts("timed out");
		return true;
	}
	BUG("unknown event");
}

static bool take(struct dtls_session *s, int fd, const char *text)
{
	static uint8_t datagram[65536], room[DTLS_RECORD_MAX];
	enum dtls_event event;
	bool over = false;
	size_t n;
	ssize_t got = recv(fd, datagram, sizeof(datagram), 0);
	if (got < 0)
		return false;
	printf("< %zd bytes\n", got);
	dtls_feed(s, datagram, (size_t)got, now());
	while ((event = dtls_read(s, room, sizeof(room), &n, now())) != DTLS_NOTHING)
		over |= act(s, event, room, n, text);
	return over;
}

static void run(struct dtls_session *s, int fd, const char *text)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct mono end = mono_add(now(), 20000);
	for (bool over = false; !over && !mono_reached(end, now());) {
		int64_t ms = mono_since(now(), mono_min(end, dtls_deadline(s)));
		if (poll(&p, 1, ms > 0 ? (int)ms : 0) > 0)
			over = take(s, fd, text);
		over |= act(s, dtls_tick(s, now()), NULL, 0, text);
	}
}

int main(int argc, char **argv)
{
	static const struct dtls_calls calls = { emit };
	struct dtls_profile *profile;
	struct dtls_session *s;
	uint8_t key[64];
	if (argc < 5)
		return EXIT_FAILURE;
	int fd = connected(argv[1], argv[2]);
	long n = hex_decode(argv[4], strlen(argv[4]), key, sizeof(key));
	struct dtls_psk psk = { slice_str(argv[3]), { key, n > 0 ? (size_t)n : 0 } };
	if (fd < 0 ||
		dtls_profile_create(&profile, &(struct dtls_profile_spec){ .cid = true, .calls = &calls }) != 0)
		return EXIT_FAILURE;
	if (dtls_connect(
		    &s, profile, &(struct dtls_session_spec){ psk, NULL, 15000, &fd }, now()) == 0)
		run(s, fd, argc > 5 ? argv[5] : NULL);
	for (int i = 0; s != NULL && i < DTLS_DROPS; i++)
		printf("dropped %d: %llu\n", i,
			(unsigned long long)dtls_dropped(s, (enum dtls_drop)i));
	dtls_close(&s);
	dtls_profile_free(profile);
	close(fd);
	return EXIT_SUCCESS;
}
