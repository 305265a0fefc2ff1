/* A server as the configuration names it: its addresses, looked up and kept fresh without blocking,
 * and what all associations towards it share. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/list.h"
#include "base/cursor.h"
#include "dtls/dtls.h"
#include "env.h"
#include "limits.h"

struct conf_server;

/* Somebody who wants to know when addresses were found. Embedded in an association. */
struct server_user {
	struct list node; /* in the ring of users */
	void (*found)(struct server_user *user, struct mono now); /* addresses came or changed */
};

/* An address that the server had. */
struct server_former {
	struct addr address; /* without port */
	struct mono until; /* it is the server's no longer */
};

struct server {
	struct list node;             /* in the list of its keeper */
	uint32_t number;              /* names the section in flow keys; never used again for another one */
	struct env *env;              /* borrowed */
	char *name;                   /* section name */
	char *host;                   /* name or address */
	char *interface;              /* or NULL */
	char *uri;                    /* for people */
	uint16_t port;                /* host order */
	bool is_secure;               /* coaps; else plain UDP */
	enum dtls_version version;    /* that is spoken, where is_secure */
	enum dtls_security security;  /* how both prove who they are, where is_secure */
	char *expected_name;          /* that its certificate must be for, or NULL */
	const char *sni;              /* server name to ask for: one of the texts here, or NULL */
	struct slice trust;           /* owned: CAs, or its raw key; or empty */
	bool cid; /* offer a connection id */
	bool assist_update;           /* an Update of ours after a change of our address (rule 20) */
	unsigned handshake_ms;        /* how long a handshake may take before waiting requests get 5.04 */
	struct dtls_profile *profile; /* NULL when plain */
	struct addr address[SERVER_ADDRESSES]; /* with the port */
	size_t addresses; /* how many */
	bool is_news;                 /* they were found by this worker, and others have not learned them */
	struct server_former former[SERVER_FORMER]; /* that it had before; devices may still call them */
	size_t formers; /* how many */
	size_t user_count;            /* users in the ring */
	struct list users;            /* ring of struct server_user */
	struct resolve question; /* the look-up under way */
	struct mono asked;            /* when the last look-up began */
	struct timer again;           /* the next look-up; unarmed while one is on its way */
	int64_t retry_ms;             /* pause before it, while the name is not found */
};

/* Makes a server of this number and asks for its addresses. The calls are for its sessions, borrowed. 0 or
 * -errno. */
int server_create(struct server **server, struct env *env, const struct conf_server *conf,
	uint32_t number, const struct dtls_calls *calls) MUST_CHECK;
/* Ends it; its users must be gone. NULL is allowed. */
void server_free(struct server *server);
/* Takes the options of a server that still matches, and that no association depends on. */
void server_adopt(struct server *server, const struct conf_server *conf);
/* True when the configuration still means this server, so that associations can stay. */
bool server_matches(const struct server *server, const struct conf_server *conf);
/* It has these addresses, 1 to SERVER_ADDRESSES: somebody else has looked them up. */
void server_learn(struct server *server, const struct addr *list, size_t count, struct mono now);
/* The server could not be reached: its name may mean another address by now, and is looked up again
 * soon, whoever says so how often. */
void server_doubt(struct server *server, struct mono now);
/* True when the address, whatever its port, is the server's now. */
bool server_is_at(const struct server *server, const struct addr *address);
/* The same, or it was lately. */
bool server_has(const struct server *server, const struct addr *address, struct mono now);
/* The address is the server's, as far as a device knows: it is kept for SERVER_FORMER_MS. */
void server_remember(struct server *server, const struct addr *address, struct mono now);
/* A device of the server still calls this former address: it stays the server's for SERVER_FORMER_MS more.
 * Any other address is left alone. */
void server_touch(struct server *server, const struct addr *address, struct mono now);
/* Takes over what devices may call, where the other is the same host by name. */
void server_inherit(struct server *server, const struct server *before);
/* Joins; found is called when addresses come or change, never from within. */
void server_join(struct server *server, struct server_user *user);
/* Leaves; the user must have joined. */
void server_leave(struct server *server, struct server_user *user);
