/* Sessions whose records we carry ourselves: DTLS 1.2 with an AEAD suite, once they are up. */
#pragma once
#include "dtls/dtls.h"
#include "dtls/header_int.h"

/* Longest Finished, and record with one. */
#define CARRY_LAST_MAX 128

/* A session that h, the peer's Finished, brought up leaves wolfSSL, if it is one of these: s->aid is NULL then. */
void carry_begin(struct dtls_session *s, const struct header *h);
/* Frees what such a session holds besides itself; another one holds nothing of it. */
void carry_end(struct dtls_session *s);
/* A server's: the client has our last flight. */
void carry_forget_flight(struct dtls_session *s);
/* A server's, as long as it has not: what is kept of its hello. */
const uint8_t *carry_random(const struct dtls_session *s);

/* Takes one record that its header lets pass. Results as dtls_read's. */
enum dtls_event carry_take(struct dtls_session *s, const struct header *h, uint8_t *room,
	size_t size, size_t *n) MUST_CHECK;
/* Sends n bytes as one record. False when there are no numbers left, or the library refuses. */
bool carry_say(struct dtls_session *s, uint8_t type, const uint8_t *bytes, size_t n);
/* Sends close_notify. */
void carry_close(struct dtls_session *s);
