/* The DTLS side of a load generator's device: one PSK session on a socket of its own. With secure.c
 * the only files of the load tools that know wolfSSL. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"

/* What all devices share: DTLS 1.2, TLS_PSK_WITH_AES_128_CCM_8. */
struct client_profile;
/* One session. */
struct client;

/* Most bytes of an identity. */
#define CLIENT_IDENTITY_MAX 63
#define CLIENT_KEY_MAX      64

enum client_event {
	CLIENT_NOTHING, /* all that came is used up */
	CLIENT_UP,      /* the handshake is done */
	CLIENT_DATA,    /* a message was read */
	CLIENT_DEAD     /* alert, close_notify, or an error of the library */
};

/* Returns 0, -ENOMEM, or -ENOTSUP when the library lacks the suite. */
int client_profile_create(struct client_profile **profile) MUST_CHECK;
void client_profile_free(struct client_profile *profile);

/* Makes a session over a connected socket, which stays the caller's. Says nothing yet. */
int client_create(struct client **client, struct client_profile *profile, int fd,
	const char *identity, struct slice key) MUST_CHECK;
/* Forgets the session without a word, so that the next handshake makes another. 0, or -ENOMEM and all is as before. */
int client_renew(struct client *c) MUST_CHECK;
/* Ends it with close_notify where it is up. NULL is allowed. */
void client_free(struct client *c);
/* Forgets the session without a word; the next handshake makes another one. 0 or -ENOMEM, and nothing is
 * changed. */
int client_renew(struct client *c) MUST_CHECK;
/* Whether its handshake is done. */
bool client_is_up(const struct client *c) MUST_CHECK;
/* Whether the handshake is done. */
bool client_is_up(const struct client *c) MUST_CHECK;
/* Begins the handshake, or repeats its last flight. */
void client_shake(struct client *c);
/* Takes one datagram, which the caller keeps until client_read has returned CLIENT_NOTHING. */
void client_feed(struct client *c, const uint8_t *datagram, size_t n);
/* Gives what the datagram brought, one event a call; n bytes in room with CLIENT_DATA. */
enum client_event client_read(struct client *c, uint8_t *room, size_t size, size_t *n) MUST_CHECK;
/* Sends one message. 0, or -EPROTO. */
int client_write(struct client *c, const uint8_t *bytes, size_t n) MUST_CHECK;
