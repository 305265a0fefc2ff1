/* The server's book of registrations, with a journal that outlives the process. */
#pragma once
#include "tests/peers/peer.h"

/* A registered endpoint. */
struct reg {
	struct reg *next_id;     /* the next one in the same bucket by id */
	struct reg *next_ep;     /* the next one in the same bucket by name */
	unsigned long id;        /* the Location is /rd/<id> */
	unsigned long lifetime;  /* seconds; 0 never ends */
	int64_t ends_ms;         /* monotonic time at which it expires */
	coap_session_t *session; /* referenced; NULL after a restart, until it is heard of again */
	char ep[EP_MAX];         /* endpoint name */
	char identity[EP_MAX];   /* PSK identity that registered it; empty in NoSec */
};

/* Reads the journal, when there is one, and keeps it from now on; NULL keeps nothing. */
void book_open(const char *journal);
/* Enters an endpoint under a new Location; the session's reference is taken. */
struct reg *book_add(
	const char *ep, const char *identity, unsigned long lifetime, coap_session_t *session);
/* Moves the registration to the session and starts its lifetime anew. */
void book_renew(struct reg *r, unsigned long lifetime, coap_session_t *session);
/* Moves the registration to the session. */
void book_give_session(struct reg *r, coap_session_t *session);
/* Strikes the registration out and frees it. */
void book_remove(struct reg *r);
/* Gives up a session that has ended; the registration that used it stays, without one. */
void book_drop_session(struct reg *r);
/* The registration with the Location /rd/<id>, or NULL. */
struct reg *book_by_id(unsigned long id);
/* The registration of an endpoint, or NULL. */
struct reg *book_by_ep(const char *ep);
/* Calls each() for every registration; it may remove the one it is given. */
void book_each(void (*each)(struct reg *r, void *arg), void *arg);
/* Removes all without a trace in the journal: the process ends. */
void book_close(void);
