/* A DTLS server on mbedTLS with one session at a time, which echoes, and lets its peer move by connection id;
 * a line of its input is said to the peer. README.md lists the lines that it prints.
 * usage: mbed-server PORT IDENTITY HEXKEY CID|none [SUITE] */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/hex.h"
#include "lines.h"
#include "mbed.h"

#define RECORD_WITH_CID 25 /* content type tls12_cid, RFC 9146 3 */

static void on_line(char *line);
static void on_socket(void);
static struct lines lines = {
	.name = "mbed-server", .on_line = on_line, .on_socket = on_socket, .wait_ms = 100
};
static struct mbed mbed;
static struct sockaddr_in6 peer; /* where the session's peer is; port 0: there is no session */
static struct sockaddr_in6 from; /* where the datagram came from */
static uint8_t datagram[65536];  /* waits to be taken */
static size_t datagram_n;
static bool is_up;

static int give(void *who, const unsigned char *bytes, size_t n)
{
	(void)who;
	if (sendto(lines.fd, bytes, n, 0, (const void *)&peer, sizeof(peer)) < 0)
		perror("sendto");
	return (int)n;
}

static int take(void *who, unsigned char *room, size_t size)
{
	(void)who;
	size_t n = datagram_n < size ? datagram_n : size;
	if (n == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(room, datagram, n);
	datagram_n = 0;
	return (int)n;
}

static void begin_anew(void)
{
	is_up = false;
	memset(&peer, 0, sizeof(peer));
	mbed_again(&mbed);
}

static void shake(void)
{
	mbed_need("address", mbedtls_ssl_set_client_transport_id(
				     &mbed.ssl, (const uint8_t *)&peer, sizeof(peer)));
	int rc = mbedtls_ssl_handshake(&mbed.ssl);
	if (rc == 0) {
		is_up = true;
		mbed_tell(&mbed);
	} else if (rc != MBEDTLS_ERR_SSL_WANT_READ) {
		if (rc != MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED)
			printf("handshake failed -0x%04x\n", -rc);
		begin_anew();
	}
}

/* mbedTLS drops what it has seen before, so what is read here is new. */
static void move(void)
{
	if (memcmp(&peer, &from, sizeof(peer)) == 0)
		return;
	peer = from;
	printf("moved to port %u\n", ntohs(peer.sin6_port));
}

static void read_all(void)
{
	int n;
	while ((n = mbedtls_ssl_read(&mbed.ssl, lines.bytes, sizeof(lines.bytes))) > 0) {
		move();
		mbed_print("data", lines.bytes, (size_t)n);
		mbedtls_ssl_write(&mbed.ssl, lines.bytes, (size_t)n);
	}
	if (n == MBEDTLS_ERR_SSL_WANT_READ)
		return;
	if (n == MBEDTLS_ERR_SSL_CLIENT_RECONNECT) {
		is_up = false;
		puts("comes again");
		shake();
		return;
	}
	puts(n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? "closed" : "failed");
	begin_anew();
}

/* False for a datagram that can not belong to the session. */
static bool receive(void)
{
	socklen_t n = sizeof(from);
	ssize_t got =
		recvfrom(lines.fd, datagram, sizeof(datagram), MSG_DONTWAIT, (void *)&from, &n);
	datagram_n = 0;
	if (got <= 0)
		return peer.sin6_port != 0; /* time has passed */
	if (peer.sin6_port == 0)
		peer = from;
	if (memcmp(&peer, &from, sizeof(peer)) != 0 && datagram[0] != RECORD_WITH_CID) {
		printf("no session for port %u\n", ntohs(from.sin6_port));
		return false;
	}
	datagram_n = (size_t)got;
	return true;
}

static void on_socket(void)
{
	if (receive()) {
		if (is_up)
			read_all();
		else
			shake();
	}
	fflush(stdout);
}

/* Text, or bytes behind "hex ". */
static void on_line(char *line)
{
	const uint8_t *bytes = (const uint8_t *)line;
	long n = (long)strlen(line);
	if (strncmp(line, "hex ", 4) == 0) {
		n = hex_decode(line + 4, (size_t)n - 4, lines.bytes, sizeof(lines.bytes));
		bytes = lines.bytes;
	}
	if (!is_up || n <= 0 || mbedtls_ssl_write(&mbed.ssl, bytes, (size_t)n) <= 0)
		puts("unsent");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc < 5 || argc > 6) {
		fprintf(stderr, "usage: mbed-server PORT IDENTITY HEXKEY CID|none [SUITE]\n");
		return 2;
	}
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)strtoul(argv[1], NULL, 10)) };
	lines.fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (lines.fd < 0 || bind(lines.fd, (void *)&at, sizeof(at)) != 0)
		lines_die(&lines, "socket");
	struct mbed_spec spec = { true, argv[2], argv[3], argv[4], argv[5], give, take };
	mbed_begin(&mbed, &spec);
	lines_run(&lines);
}
