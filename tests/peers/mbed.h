/* What the peers on mbedTLS share: one DTLS 1.2 session with a pre-shared key and, on wish, a connection id
 * (RFC 9146) of a chosen length. */
#pragma once
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/timing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is chosen on the command line. */
struct mbed_spec {
	bool is_server;       /* else a client */
	const char *identity; /* of the client */
	const char *key;      /* in hex */
	const char *cid;      /* length of our connection id, 0 to 32, or "none": not negotiated */
	const char *suite;    /* the only one, as mbedTLS names it; NULL: all */
	mbedtls_ssl_send_t *send; /* sends a datagram */
	mbedtls_ssl_recv_t *recv; /* takes one, or says MBEDTLS_ERR_SSL_WANT_READ */
};

/* One session with all that it needs. */
struct mbed {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_timing_delay_context timer;
	mbedtls_ssl_cookie_ctx cookies; /* a server's */
	int cid_n;                      /* bytes of our connection id; -1: none is negotiated */
	int suites[2];                  /* the only one, and the end */
};

/* Prepares a session; ends the program when that fails. */
void mbed_begin(struct mbed *m, const struct mbed_spec *spec);
/* Forgets the session and its keys, without a word to the peer, and prepares the next. */
void mbed_again(struct mbed *m);
/* Prints "established SUITE, cid of theirs N, of ours N"; -1 is none, or an empty one on both sides. */
void mbed_tell(struct mbed *m);
/* Prints a word and bytes, unprintable ones as \xNN. */
void mbed_print(const char *word, const uint8_t *bytes, size_t n);
/* Ends the program with 2 when mbedTLS's result is an error, which it prints. */
void mbed_need(const char *what, int result);
