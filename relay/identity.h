/* Who may come with DTLS: the LAN credentials of the configuration as a table, asked by what a
 * handshake shows and by endpoint name (DESIGN.md 6, rules 1 and 2). One row an endpoint. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "base/list.h"
#include "dtls/dtls.h"

struct conf;
struct conf_endpoint;
struct lan_session;

/* One endpoint that may come with DTLS. Its address stays as long as its table, or, for a dynamic one,
 * until no table wants it. */
struct identity {
	uint32_t number;         /* names it in flow keys, never 0; an endpoint keeps it over a reload */
	char *endpoint;          /* endpoint name, owned */
	struct dtls_psk psk;     /* owned, wiped at the end; empty where it has none */
	struct slice public_key; /* owned, DER SubjectPublicKeyInfo; empty where it has none */
	bool is_dynamic;         /* no section names it: its certificate does */
	struct list sessions;    /* ring of proven struct lan_session, by their same_identity */
	struct identity *next_name;  /* next of the same hash of endpoint names */
	struct identity *next_psk;   /* next of the same hash of PSK identities */
	struct identity *next_key;   /* next of the same hash of public keys */
};

struct identities;

/* Makes the table of a configuration; numbers of endpoints that were in the table before (may be
 * NULL) are kept. Returns 0 or -ENOMEM; or what dtls_public_key_read says of the key of *bad, which else
 * is NULL. */
int identities_create(struct identities **identities, const struct conf *conf,
	const struct identities *before, const struct conf_endpoint **bad) MUST_CHECK;
/* Makes a row for an endpoint that no section names, or takes the one that is there. NULL when there is
 * no memory, or the table has as many of them as it may. */
struct identity *identity_dynamic(struct identities *identities, struct slice endpoint);
/* Ends a dynamic row that nobody uses. */
void identity_forget(struct identities *identities, struct identity *identity);
/* A dynamic row moves to another table, with its number. */
void identity_adopt(struct identities *to, struct identities *from, struct identity *identity);
/* Walks the dynamic rows: begin with NULL. */
struct identity *identity_next_dynamic(const struct identities *identities,
	const struct identity *after);
/* Wipes the keys and ends it. NULL is allowed. */
void identities_free(struct identities *identities);
/* The row of a PSK identity, or NULL. What is compared here is no secret. */
struct identity *identity_by_psk(const struct identities *identities, struct slice psk_identity);
/* The row of a raw public key, or NULL. */
struct identity *identity_by_key(const struct identities *identities, struct slice spki);
/* The row of an endpoint name, or NULL. */
struct identity *identity_by_endpoint(const struct identities *identities, struct slice endpoint);
/* How many rows there are or may be. */
size_t identities_most(const struct identities *identities);
/* How many dynamic rows there are. */
size_t identities_dynamic(const struct identities *identities);
/* True when it has a credential of its own, so that it need not come by a certificate. */
bool identity_has_credential(const struct identity *identity);
/* True when somebody is here by that name. */
static inline bool identity_is_here(const struct identity *identity)
{
	return !list_is_empty(&identity->sessions);
}
/* True when both rows are of one endpoint with one credential, so that a session may stay. */
bool identity_same(const struct identity *a, const struct identity *b);
