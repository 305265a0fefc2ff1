/* The DTLS side of the echo server: many PSK sessions on one port. Datagrams go in and come out; it
 * opens no socket. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/bug.h"

struct secure;

struct secure_spec {
	const uint8_t *key; /* pre-shared key of every identity, or the seed of derived ones */
	size_t key_n;       /* bytes, 4 to 64 */
	bool derive;        /* the last four bytes are the identity's number, big-endian */
	unsigned cid;       /* bytes of connection id that a client which offers one must use */
	size_t sessions;    /* most at the same time */
	/* Takes one message of a peer; the bytes are valid during the call. */
	void (*deliver)(const struct sockaddr_storage *from, const uint8_t *message, size_t n);
	/* Sends one datagram; the bytes are valid during the call. */
	void (*emit)(const struct sockaddr_storage *to, const uint8_t *datagram, size_t n);
};

/* What happened, since the start. */
struct secure_stats {
	uint64_t sessions;   /* live now */
	uint64_t handshakes; /* brought to an end */
	uint64_t refused;    /* the table was full, or a session died */
	uint64_t strangers;  /* records from an address without a session */
};

/* Makes the server side. Returns 0 or -errno: -ENOTSUP when the library lacks PSK-AES128-CCM-8. */
int secure_create(struct secure **secure, const struct secure_spec *spec) MUST_CHECK;
/* Takes one datagram, and delivers what it brought. */
void secure_take(
	struct secure *s, const struct sockaddr_storage *from, const uint8_t *datagram, size_t n);
/* Sends one message to a peer; nothing without a session. */
void secure_send(
	struct secure *s, const struct sockaddr_storage *to, const uint8_t *message, size_t n);
/* What happened so far. */
struct secure_stats secure_stats(const struct secure *s);
