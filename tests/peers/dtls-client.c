/* The room dtls over a real socket, against any server: handshake, one CoAP GET of /.well-known/core, close.
 * usage: dtls-client HOST PORT IDENTITY HEXKEY [TEXT, not the GET]
 *        dtls-client --rpk KEY SERVER-KEY HOST PORT [TEXT]
 *        dtls-client --x509 CERT KEY CA SERVER-NAME HOST PORT [TEXT]
 * Before them --dtls 1.3 is the version. With the text "-" it stays, and does what the lines of its input say; README.md lists them. */
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
#include "files.h"

static const uint8_t get[] = "\x41\x01\x12\x34t\xbb.well-known\x04"
			     "core";

static struct mono now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct mono){ t.tv_sec * 1000LL + t.tv_nsec / 1000000 };
}

static const char *host, *port;
static int fd = -1, third = -1;       /* third: a socket beside, to speak from another port */
static bool stays;                    /* does what its input says */
static uint8_t last[DTLS_RECORD_MAX]; /* the last datagram that left */
static size_t last_n;

static int connected(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found;
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return -1;
	int new = socket(found->ai_family, SOCK_DGRAM, 0);
	if (new >= 0 && connect(new, found->ai_addr, found->ai_addrlen) != 0)
		new = -1;
	freeaddrinfo(found);
	return new;
}

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	(void)who;
	printf("> %zu bytes\n", n);
	last_n = n < sizeof(last) ? n : sizeof(last);
	memcpy(last, datagram, last_n);
	if (send(fd, datagram, n, 0) < 0)
		perror("send");
}

static void up(struct dtls_session *s, const char *text)
{
	printf("established: %s, cid %d\n", dtls_suite(s), dtls_peer_cid(s));
	if (stays)
		return;
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
		return !stays;
	case DTLS_CLOSED:
		puts("closed by the server");
		return true;
	case DTLS_ALERTED:
		printf("alert %d, fault %d\n", dtls_alert(s), dtls_why(s));
		return true;
	case DTLS_TIMED_OUT:
		puts("timed out");
		return true;
	}
	BUG("unknown event");
}

static bool take(struct dtls_session *s, const char *text)
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

/* The old port stays until the new one is there, so that it is another one. */
static void rebind(void)
{
	int old = fd;
	fd = connected();
	close(old);
	puts("rebound");
}

static void replay(void)
{
	if (third < 0)
		third = connected();
	if (send(third, last, last_n, 0) < 0)
		perror("send");
}

/* Does what one line says; true when all is over. */
static bool obey(struct dtls_session *s)
{
	char line[1024];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line));
	if (n <= 0)
		return true;
	line[n - 1] = '\0';
	if (strcmp(line, "rebind") == 0)
		rebind();
	else if (strcmp(line, "replay") == 0)
		replay();
	else if (strncmp(line, "send ", 5) != 0 ||
		 dtls_write(s, (const uint8_t *)line + 5, strlen(line + 5)) != 0)
		puts("write refused");
	return strcmp(line, "close") == 0;
}

/* The third port only hears what it should not. */
static void listen_beside(void)
{
	uint8_t byte;
	if (third >= 0 && recv(third, &byte, 1, MSG_DONTWAIT) >= 0)
		puts("the third port was answered");
}

static void run(struct dtls_session *s, const char *text)
{
	struct pollfd p[] = { { .events = POLLIN },
		{ .fd = stays ? STDIN_FILENO : -1, .events = POLLIN } };
	struct mono end = stays ? MONO_NEVER : mono_add(now(), 20000);
	for (bool over = false; !over && !mono_reached(end, now());) {
		struct mono next = mono_min(mono_add(now(), 200), dtls_deadline(s));
		int64_t ms = mono_since(now(), mono_min(end, next));
		p[0].fd = fd;
		poll(p, 2, ms > 0 ? (int)ms : 0);
		listen_beside();
		if (p[0].revents != 0)
			over = take(s, text);
		if (p[1].revents != 0)
			over |= obey(s);
		over |= act(s, dtls_tick(s, now()), NULL, 0, text);
	}
}

/* Reads the words before HOST PORT, and the key behind them; gives the words that are left. */
static char **take_words(
	char **word, struct dtls_profile_spec *shared, struct dtls_session_spec *own)
{
	static uint8_t key[64];
	if (strcmp(word[0], "--dtls") == 0) {
		shared->version = strcmp(word[1], "1.3") == 0 ? DTLS_1_3 : DTLS_1_2;
		word += 2;
	}
	if (word[0] != NULL && strcmp(word[0], "--rpk") == 0) {
		shared->security = DTLS_RPK;
		own->pair.private_key = read_file(word[1]);
		shared->trust = read_file(word[2]);
		word += 3;
	} else if (word[0] != NULL && strcmp(word[0], "--x509") == 0) {
		shared->security = DTLS_X509;
		own->pair = (struct dtls_pair){ read_file(word[1]), read_file(word[2]) };
		shared->trust = read_file(word[3]);
		shared->expected_name = own->server_name = word[4];
		word += 5;
	}
	host = word[0];
	port = word[1];
	fd = connected();
	word += 2;
	if (shared->security != DTLS_PSK)
		return word;
	long n = hex_decode(word[1], strlen(word[1]), key, sizeof(key));
	own->psk = (struct dtls_psk){ slice_str(word[0]), { key, n > 0 ? (size_t)n : 0 } };
	return word + 2;
}

int main(int argc, char **argv)
{
	static const struct dtls_calls calls = { emit };
	struct dtls_profile_spec shared = { .cid = true, .calls = &calls, .wall_s = wall_s };
	struct dtls_profile *profile;
	struct dtls_session *s;
	struct dtls_session_spec own = { .deadline_ms = 15000 };
	if (argc < 5)
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	char **word = take_words(argv + 1, &shared, &own);
	stays = word[0] != NULL && strcmp(word[0], "-") == 0;
	int rc = fd >= 0 ? dtls_profile_create(&profile, &shared) : -1;
	if (rc == 0)
		rc = dtls_connect(&s, profile, &own, now());
	if (rc != 0) {
		printf("refused: %d\n", rc);
		return EXIT_FAILURE;
	}
	run(s, word[0]);
	for (int i = 0; i < DTLS_DROPS; i++)
		printf("dropped %d: %llu\n", i,
			(unsigned long long)dtls_dropped(s, (enum dtls_drop)i));
	dtls_close(&s);
	dtls_profile_free(profile);
	close(fd);
	return EXIT_SUCCESS;
}
