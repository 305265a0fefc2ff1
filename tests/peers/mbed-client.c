/* A DTLS client on mbedTLS that moves, replays and comes again, as its input says; README.md lists the lines.
 * usage: mbed-client HOST PORT IDENTITY HEXKEY CID|none [SUITE] */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/hex.h"
#include "lines.h"
#include "mbed.h"

static void on_line(char *line);
static void on_socket(void);
static struct lines lines = {
	.name = "mbed-client", .on_line = on_line, .on_socket = on_socket, .wait_ms = 100
};
static struct mbed mbed;
static struct sockaddr_storage server;
static socklen_t server_n;
static bool is_up, holds;
static uint8_t last[2048], held[2048]; /* records as they were sent, or not yet */
static size_t last_n, held_n;
static int third = -1; /* a socket beside, to speak from another port */

static int connected(void)
{
	struct sockaddr_storage own;
	socklen_t n = sizeof(own);
	char port[8];
	int fd = socket(server.ss_family, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, (const void *)&server, server_n) != 0 ||
		getsockname(fd, (void *)&own, &n) != 0 ||
		getnameinfo((const void *)&own, n, NULL, 0, port, sizeof(port), NI_NUMERICSERV) !=
			0)
		lines_die(&lines, "socket");
	printf("port %s\n", port);
	fflush(stdout);
	return fd;
}

static int give(void *who, const unsigned char *datagram, size_t n)
{
	(void)who;
	if (n > sizeof(last))
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	memcpy(holds ? held : last, datagram, n);
	*(holds ? &held_n : &last_n) = n;
	if (!holds && send(lines.fd, datagram, n, 0) < 0)
		perror("send");
	return (int)n;
}

static int take(void *who, unsigned char *room, size_t size)
{
	(void)who;
	ssize_t n = recv(lines.fd, room, size, MSG_DONTWAIT);
	return n >= 0 ? (int)n : MBEDTLS_ERR_SSL_WANT_READ;
}

static void shake(void)
{
	int rc = mbedtls_ssl_handshake(&mbed.ssl);
	if (rc == 0) {
		is_up = true;
		mbed_tell(&mbed);
	} else if (rc != MBEDTLS_ERR_SSL_WANT_READ) {
		mbed_need("handshake", rc);
	}
}

static void read_all(void)
{
	int n;
	while ((n = mbedtls_ssl_read(&mbed.ssl, lines.bytes, sizeof(lines.bytes))) > 0)
		mbed_print("data", lines.bytes, (size_t)n);
	if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		puts("closed");
	else if (n != MBEDTLS_ERR_SSL_WANT_READ && n != 0)
		printf("error -0x%04x\n", -n);
	fflush(stdout);
}

/* Called when something came, and now and then. */
static void on_socket(void)
{
	uint8_t room[2048];
	ssize_t n = third >= 0 ? recv(third, room, sizeof(room), MSG_DONTWAIT) : -1;
	if (n >= 0)
		printf("the third port got %zd bytes\n", n);
	if (is_up)
		read_all();
	else
		shake();
}

static void write_all(const void *bytes, size_t n)
{
	int rc = mbedtls_ssl_write(&mbed.ssl, bytes, n);
	if (rc != (int)n)
		printf("unsent -0x%04x\n", -rc);
}

static void from_elsewhere(const uint8_t *record, size_t n)
{
	if (third >= 0)
		close(third);
	third = connected();
	if (send(third, record, n, 0) < 0)
		perror("send");
}

static void rebind(void)
{
	/* The old one stays until the new one has its port, so that this is another one. */
	int old = lines.fd;
	lines.fd = connected();
	close(old);
}

/* Does what a line says, but for the sending. */
static void hold(char *line)
{
	holds = true;
	on_line(line);
	holds = false;
}

static void again(void)
{
	is_up = false;
	mbed_again(&mbed);
	shake();
}

static void write_hex(const char *text)
{
	long n = hex_decode(text, strlen(text), lines.bytes, sizeof(lines.bytes));
	if (n > 0)
		write_all(lines.bytes, (size_t)n);
	else
		puts("no hex");
}

static void on_line(char *line)
{
	static const uint8_t ping[] = { 0x40, 0, 0x12, 0x34 };
	static const char get[] = "\x41\x01\x12\x35t\xbb.well-known\x04core";
	if (strncmp(line, "send ", 5) == 0)
		write_all(line + 5, strlen(line + 5));
	else if (strncmp(line, "hex ", 4) == 0)
		write_hex(line + 4);
	else if (strncmp(line, "hold ", 5) == 0)
		hold(line + 5);
	else if (strcmp(line, "ping") == 0)
		write_all(ping, sizeof(ping));
	else if (strcmp(line, "get") == 0)
		write_all(get, sizeof(get) - 1);
	else if (strcmp(line, "rebind") == 0)
		rebind();
	else if (strcmp(line, "replay") == 0)
		from_elsewhere(last, last_n);
	else if (strcmp(line, "release") == 0)
		from_elsewhere(held, held_n);
	else if (strcmp(line, "again") == 0)
		again();
	else if (strcmp(line, "close") == 0)
		mbedtls_ssl_close_notify(&mbed.ssl);
	else
		printf("no command: %s\n", line);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found;
	if (argc < 6 || argc > 7 || getaddrinfo(argv[1], argv[2], &hints, &found) != 0) {
		fprintf(stderr, "usage: mbed-client HOST PORT IDENTITY HEXKEY CID|none [SUITE]\n");
		return 2;
	}
	server_n = found->ai_addrlen;
	memcpy(&server, found->ai_addr, server_n);
	freeaddrinfo(found);
	lines.fd = connected();
	struct mbed_spec spec = { false, argv[3], argv[4], argv[5], argv[6], give, take };
	mbed_begin(&mbed, &spec);
	shake();
	lines_run(&lines);
}
