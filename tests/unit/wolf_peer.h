/* A DTLS server, or client, of either version, on wolfSSL, without I/O: the far end of a virtual wire. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cursor.h"

struct wolf_peer;

struct wolf_peer_spec {
	const char *suites;       /* wolfSSL's names */
	bool v13;                 /* DTLS 1.3, and nothing else */
	bool no_dhe;              /* then: the key alone */
	bool is_client;           /* the other role: it speaks first, see wolf_peer_begin */
	struct slice identity;    /* the one that is known, or a client's own; borrowed */
	struct slice key;         /* borrowed */
	bool cid;                 /* accept a connection id */
	struct slice own_cid;     /* ours, with cid */
	struct slice cert;        /* PEM, or DER with is_raw; borrowed for the call */
	struct slice private_key; /* PEM; borrowed for the call */
	bool is_raw;              /* cert is a public key (RFC 7250), and the peer's is wanted so */
	bool asks;                /* a server that wants a certificate or raw key, whichever */
	uint16_t mtu;             /* of handshake datagrams; 0: wolfSSL's own */
	void (*send)(void *who, const uint8_t *datagram, size_t n);
	void (*on_data)(void *who, const uint8_t *bytes, size_t n);
	void *who;
};

/* True when the library speaks DTLS 1.3. */
bool wolf_peer_has_13(void);
struct wolf_peer *wolf_peer_create(const struct wolf_peer_spec *spec);
void wolf_peer_free(struct wolf_peer *p);
/* Lets a client say its first word. */
void wolf_peer_begin(struct wolf_peer *p);
/* Says its last flight once more, in its handshake: the timer is the test's. */
void wolf_peer_repeat(struct wolf_peer *p);
/* Takes a datagram and does all that follows from it. */
void wolf_peer_feed(struct wolf_peer *p, const uint8_t *datagram, size_t n);
/* The time of its flight is over. In DTLS 1.2 it has no timer, and repeats its flight when the other end
 * does; in 1.3 it can not, since it drops what comes in plaintext. */
void wolf_peer_tick(struct wolf_peer *p);
/* Sends n bytes as one record; aborts when the library refuses. */
void wolf_peer_write(struct wolf_peer *p, const uint8_t *bytes, size_t n);
/* Asks for new keys, of which the other end learns (DTLS 1.3). */
void wolf_peer_update(struct wolf_peer *p);
/* Sends close_notify. */
void wolf_peer_close(struct wolf_peer *p);
bool wolf_peer_is_up(const struct wolf_peer *p);
/* The handshake goes on. */
bool wolf_peer_is_shaking(const struct wolf_peer *p);
/* An error, an alert or close_notify ended it. */
bool wolf_peer_is_dead(const struct wolf_peer *p);
/* The client's close_notify came. */
bool wolf_peer_is_closed(const struct wolf_peer *p);
/* The traffic secret that it writes with first in DTLS 1.3, 32 bytes. */
const uint8_t *wolf_peer_secret(const struct wolf_peer *p);
/* Bytes of the certificate or raw key that the peer gave; 0 for none. */
size_t wolf_peer_given(const struct wolf_peer *p);
/* Server name that the client asked for, or "". */
const char *wolf_peer_sni(const struct wolf_peer *p);
