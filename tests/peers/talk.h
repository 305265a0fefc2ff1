/* Sessions of the server: who is at the other end, by PSK, certificate or raw key. */
#pragma once
#include "base/list.h"
#include "tests/peers/security.h"

/* What the server knows of a session. */
struct talk {
	struct list node;      /* in talks; the first member, so that the node is the talk */
	char identity[EP_MAX]; /* PSK identity, name in the certificate, name of the raw key; or empty */
	char other[EP_MAX];    /* another name in the certificate, or empty */
	bool certified;        /* by a certificate or a raw key, whose names are all it may register */
	unsigned long reg_id;  /* registration made or updated last through it; 0: none */
	bool greeted;          /* the handshake was said */
	struct body body;      /* blocks of a request so far */
};

/* What is known of a session, made when there is nothing yet; libcoap has it as the session's data. */
struct talk *talk_of(coap_session_t *session);
/* Forgets a session that ended. */
void talk_free(struct talk *t);
/* Forgets all. */
void talks_clear(void);
/* True when who is at the other end may register the endpoint. */
bool talk_may_register(const struct talk *t, const char *ep);
/* Serves the identities of a file; ends the program when that can not be. */
void talks_serve_psk(coap_context_t *ctx, const char *file);
/* Serves with a certificate or a raw key; keys names the file of the clients' raw keys, or is NULL.
 * security is kept as it is. */
void talks_serve_keys(coap_context_t *ctx, struct security *security, const char *keys);
