/* Who may come with DTLS: the LAN credentials of the configuration as a table, asked by what a
 * handshake shows and by endpoint name (DESIGN.md 6, rules 1 and 2). One row an endpoint. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "dtls/dtls.h"

struct conf;
struct lan_session;

/* One endpoint that may come with DTLS. Its address stays as long as its table. */
struct identity {
	uint32_t number;         /* names it in flow keys, never 0; an endpoint keeps it over a reload */
	char *endpoint;          /* endpoint name, owned */
	struct dtls_psk psk;     /* owned, wiped at the end; empty where it has none */
	struct lan_session *session; /* proven, or NULL */
	struct identity *next_name;  /* next of the same hash of endpoint names */
	struct identity *next_psk;   /* next of the same hash of PSK identities */
};

struct identities;

/* Makes the table of a configuration; numbers of endpoints that were in the table before (may be
 * NULL) are kept. Returns 0 or -ENOMEM. */
int identities_create(struct identities **identities, const struct conf *conf,
	const struct identities *before) MUST_CHECK;
/* Wipes the keys and ends it. NULL is allowed. */
void identities_free(struct identities *identities);
/* The row of a PSK identity, or NULL. What is compared here is no secret. */
struct identity *identity_by_psk(const struct identities *identities, struct slice psk_identity);
/* The row of an endpoint name, or NULL. */
struct identity *identity_by_endpoint(const struct identities *identities, struct slice endpoint);
/* How many rows there are. */
size_t identities_count(const struct identities *identities);
/* True when both rows are of one endpoint with one credential, so that a session may stay. */
bool identity_same(const struct identity *a, const struct identity *b);
