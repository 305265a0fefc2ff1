/* A raw device of the tests over DTLS, on the room dtls itself, by PSK, certificate or raw key: the only
 * device here that has a connection id, so that it can move without a word, and the room's own end
 * towards foreign servers. Lines of hex are records. README.md lists the lines. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/addr.h"
#include "base/hex.h"
#include "dtls/dtls.h"
#include "lines.h"

#define DEADLINE_MS 60000

static void on_line(char *line);
static void on_socket(void);
static struct lines lines = {
	.name = "rawdevice", .on_line = on_line, .on_socket = on_socket, .wait_ms = 100
};
static struct addr local, gateway;
static struct dtls_profile *profile;
static struct dtls_session *session; /* NULL while there is none */
/* The last datagram that left, and one that is kept back. */
static struct datagram {
	uint8_t bytes[2048];
	size_t n;
} last, held;
static bool holds; /* the next one is kept back */
/* What both specs say of our credential. */
static struct dtls_profile_spec shared;
static struct dtls_session_spec own = { .deadline_ms = DEADLINE_MS };

static struct mono now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct mono){ t.tv_sec * 1000LL + t.tv_nsec / 1000000 };
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	struct datagram *d = holds ? &held : &last;
	(void)who;
	d->n = n < sizeof(d->bytes) ? n : sizeof(d->bytes);
	memcpy(d->bytes, datagram, d->n);
	if (holds)
		holds = false;
	else if (send(lines.fd, datagram, n, 0) < 0)
		say("unsent");
}

/* ---- the socket and the session ---- */

/* A new socket in place of the old one, at the local address. */
static void open_socket(void)
{
	struct sockaddr_storage at, to;
	socklen_t at_len = addr_to_sockaddr(&local, &at), to_len = addr_to_sockaddr(&gateway, &to);
	int on = 1;
	if (lines.fd > 0)
		close(lines.fd);
	lines.fd = socket(at.ss_family, SOCK_DGRAM, 0);
	if (lines.fd < 0 || setsockopt(lines.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(lines.fd, (struct sockaddr *)&at, at_len) != 0 ||
		connect(lines.fd, (struct sockaddr *)&to, to_len) != 0)
		lines_die(&lines, "socket");
}

static void shake_hands(void)
{
	dtls_forget(&session);
	if (dtls_connect(&session, profile, &own, now()) != 0)
		say("no session");
}

/* ---- events ---- */

static void act(enum dtls_event event, const uint8_t *room, size_t n)
{
	switch (event) {
	case DTLS_NOTHING:
		return;
	case DTLS_ESTABLISHED:
		printf("handshake %s cid %d\n", dtls_suite(session), dtls_peer_cid(session));
		break;
	case DTLS_DATA:
		lines_bytes("record", room, n);
		return;
	case DTLS_CLOSED:
		puts("closed");
		break;
	case DTLS_ALERTED:
		printf("alert %d why %d\n", dtls_alert(session), (int)dtls_why(session));
		break;
	case DTLS_TIMED_OUT:
		puts("timed out");
		break;
	}
	fflush(stdout);
	if (event != DTLS_ESTABLISHED)
		dtls_forget(&session);
}

static void take(size_t got)
{
	static uint8_t room[DTLS_RECORD_MAX];
	enum dtls_event event;
	size_t n;
	dtls_feed(session, lines.bytes, got, now());
	while (session != NULL &&
		(event = dtls_read(session, room, sizeof(room), &n, now())) != DTLS_NOTHING)
		act(event, room, n);
}

/* Something came, or time went by. */
static void on_socket(void)
{
	ssize_t got = recv(lines.fd, lines.bytes, sizeof(lines.bytes), MSG_DONTWAIT);
	if (got >= 0 && session != NULL)
		take((size_t)got);
	if (session != NULL)
		act(dtls_tick(session, now()), NULL, 0);
}

/* ---- lines ---- */

static void send_again(const struct datagram *d)
{
	if (send(lines.fd, d->bytes, d->n, 0) < 0)
		say("unsent");
}

/* True when the line says what happens to datagrams. */
static bool handles_datagrams(const char *line)
{
	if (!strcmp(line, "hold"))
		holds = true;
	else if (!strcmp(line, "again"))
		send_again(&last);
	else if (!strcmp(line, "held"))
		send_again(&held);
	else
		return false;
	return true;
}

static void on_line(char *line)
{
	if (handles_datagrams(line))
		return;
	if (!strncmp(line, "port ", 5)) {
		local.port = (uint16_t)atoi(line + 5);
		open_socket();
		return;
	}
	if (!strcmp(line, "handshake")) {
		shake_hands();
		return;
	}
	if (!strcmp(line, "close")) {
		dtls_close(&session);
		return;
	}
	long n = hex_decode(line, strlen(line), lines.bytes, sizeof(lines.bytes));
	if (n <= 0 || session == NULL || dtls_write(session, lines.bytes, (size_t)n) != 0)
		say("unsent");
}

/* ---- credentials ---- */

static int64_t wall_s(void)
{
	return time(NULL);
}

static struct slice file_read(const char *path)
{
	static uint8_t room[4][8192];
	static size_t used;
	FILE *f = used < 4 ? fopen(path, "r") : NULL;
	size_t n = f != NULL ? fread(room[used], 1, sizeof(room[used]), f) : 0;
	if (n == 0)
		lines_die(&lines, path);
	fclose(f);
	return (struct slice){ room[used++], n };
}

static bool take_psk(char **argv)
{
	static uint8_t key[64];
	long n = hex_decode(argv[1], strlen(argv[1]), key, sizeof(key));
	own.psk = (struct dtls_psk){ slice_str(argv[0]), { key, n > 0 ? (size_t)n : 0 } };
	return n > 0;
}

/* CERT KEY CA NAME, or KEY and the server's public key. */
static bool take_pair(char **argv, bool has_cert)
{
	shared.security = has_cert ? DTLS_X509 : DTLS_RPK;
	if (has_cert)
		own.pair.cert = file_read(*argv++);
	own.pair.private_key = file_read(*argv++);
	shared.trust = file_read(*argv++);
	if (has_cert)
		shared.expected_name = *argv;
	shared.wall_s = wall_s;
	return true;
}

static bool take_credential(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[0], "psk"))
		return take_psk(argv + 1);
	if (argc == 5 && !strcmp(argv[0], "x509"))
		return take_pair(argv + 1, true);
	return argc == 3 && !strcmp(argv[0], "rpk") && take_pair(argv + 1, false);
}

int main(int argc, char **argv)
{
	static const struct dtls_calls calls = { emit };
	if (argc > 2 && !strcmp(argv[1], "--dtls")) {
		shared.version = !strcmp(argv[2], "1.3") ? DTLS_1_3 : DTLS_1_2;
		argc -= 2;
		argv += 2;
	}
	if (argc < 6 || addr_parse(&local, argv[1]) != 0 || addr_parse(&gateway, argv[2]) != 0 ||
		!take_credential(argc - 3, argv + 3)) {
		fprintf(stderr, "usage: rawdevice [--dtls 1.3] ADDRESS:PORT GATEWAY:PORT psk IDENTITY HEXKEY\n"
				"   | x509 CERT KEY CA NAME | rpk KEY PUBLIC\n");
		return 2;
	}
	shared.cid = true;
	shared.calls = &calls;
	if (dtls_profile_create(&profile, &shared) != 0)
		lines_die(&lines, "profile");
	open_socket();
	shake_hands();
	lines_run(&lines);
}
