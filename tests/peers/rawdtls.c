/* A raw end of the tests over DTLS 1.2, on OpenSSL: a server with one pre-shared key and one session
 * at a time, records as lines of hex. It prints what the session carries; README.md lists the lines. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/addr.h"
#include "base/hex.h"
#include "lines.h"

static void on_line(char *line);
static void on_socket(void);
static struct lines lines = { .name = "rawdtls", .on_line = on_line, .on_socket = on_socket };
static struct sockaddr_storage local;
static socklen_t local_len;
static uint8_t key[64];
static long key_len;
static const char *identity;
static SSL_CTX *ctx;
static SSL *ssl;
static BIO_ADDR *peer;
/* Steps of the one session: it listens, shakes hands, carries records. */
static enum { LISTENS, SHAKES, IS_UP } step;

static unsigned int on_psk(SSL *s, const char *id, unsigned char *psk, unsigned int max)
{
	(void)s;
	if (strcmp(id, identity) != 0 || (unsigned)key_len > max) {
		printf("unknown-identity %s\n", id);
		return 0;
	}
	memcpy(psk, key, (size_t)key_len);
	return (unsigned)key_len;
}

/* The cookie proves nothing here: there is one peer, in a namespace of the test. */
static int make_cookie(SSL *s, unsigned char *cookie, unsigned int *n)
{
	(void)s;
	*n = 8;
	memset(cookie, 'c', *n);
	return 1;
}

static int take_cookie(SSL *s, const unsigned char *cookie, unsigned int n)
{
	(void)s;
	return n == 8 && cookie[0] == 'c';
}

/* A socket and a session that wait for somebody. */
static void listen_again(void)
{
	int on = 1;
	if (ssl != NULL)
		SSL_free(ssl);
	if (lines.fd > 0)
		close(lines.fd);
	step = LISTENS;
	lines.fd = socket(local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (lines.fd < 0 ||
		setsockopt(lines.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(lines.fd, (struct sockaddr *)&local, local_len) != 0)
		lines_die(&lines, "socket");
	ssl = SSL_new(ctx);
	BIO *bio = BIO_new_dgram(lines.fd, BIO_NOCLOSE);
	if (ssl == NULL || bio == NULL)
		lines_die(&lines, "session");
	SSL_set_bio(ssl, bio, bio);
	SSL_set_options(ssl, SSL_OP_COOKIE_EXCHANGE);
	SSL_set_accept_state(ssl);
}

/* The socket is the peer's own from now on; its ClientHello still waits in the session. */
static void take_peer(void)
{
	if (!BIO_connect(lines.fd, peer, BIO_SOCK_NONBLOCK) ||
		BIO_ctrl(SSL_get_rbio(ssl), BIO_CTRL_DGRAM_SET_CONNECTED, 0, peer) <= 0)
		lines_die(&lines, "connect");
	step = SHAKES;
}

static void shake(void)
{
	char *host, *port;
	int rc = SSL_do_handshake(ssl);
	if (rc == 1) {
		step = IS_UP;
		host = BIO_ADDR_hostname_string(peer, 1);
		port = BIO_ADDR_service_string(peer, 1);
		printf("handshake %s from %s %s\n", SSL_get_cipher_name(ssl), host, port);
		OPENSSL_free(host);
		OPENSSL_free(port);
	} else if (SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ) {
		puts("handshake failed");
		listen_again();
	}
	fflush(stdout);
}

static void read_records(void)
{
	int n;
	while ((n = SSL_read(ssl, lines.bytes, sizeof(lines.bytes))) > 0)
		lines_bytes("record", lines.bytes, (size_t)n);
	if (SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ)
		return;
	puts("closed");
	fflush(stdout);
	listen_again();
}

static void on_socket(void)
{
	ERR_clear_error();
	if (step == IS_UP) {
		read_records();
		return;
	}
	if (step == LISTENS) {
		if (DTLSv1_listen(ssl, peer) <= 0)
			return;
		take_peer();
	}
	shake();
}

static void on_line(char *line)
{
	long n = hex_decode(line, strlen(line), lines.bytes, sizeof(lines.bytes));
	if (n <= 0 || step != IS_UP || SSL_write(ssl, lines.bytes, (int)n) <= 0) {
		puts("unsent");
		fflush(stdout);
	}
}

static void prepare(const char *ciphers)
{
	ctx = SSL_CTX_new(DTLS_server_method());
	peer = BIO_ADDR_new();
	if (ctx == NULL || peer == NULL || SSL_CTX_set_cipher_list(ctx, ciphers) != 1 ||
		SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION) != 1)
		lines_die(&lines, "OpenSSL");
	SSL_CTX_set_psk_server_callback(ctx, on_psk);
	SSL_CTX_set_cookie_generate_cb(ctx, make_cookie);
	SSL_CTX_set_cookie_verify_cb(ctx, take_cookie);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

int main(int argc, char **argv)
{
	struct addr at;
	if (argc < 4 || argc > 5 || addr_parse(&at, argv[1]) != 0 ||
		(key_len = hex_decode(argv[3], strlen(argv[3]), key, sizeof(key))) <= 0) {
		fprintf(stderr, "usage: rawdtls ADDRESS:PORT IDENTITY HEXKEY [CIPHERS]\n");
		return 2;
	}
	identity = argv[2];
	local_len = addr_to_sockaddr(&at, &local);
	prepare(argc == 5 ? argv[4] : "PSK-AES128-CCM8");
	listen_again();
	lines_run(&lines);
}
