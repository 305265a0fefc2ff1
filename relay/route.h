/* Which endpoint goes to which server, with which credential: the configuration as a table that is
 * asked by endpoint name, or by a static device address (DESIGN.md 6, rules 1, 2, 6). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/cursor.h"
#include "flow.h"
#include "server.h"

struct conf;
struct conf_endpoint;

/* One rule. Its address stays as long as its table, or, for a dynamic one, as long as its flow. */
struct route {
	char *endpoint;          /* endpoint name */
	struct server *server;   /* borrowed */
	bool is_bootstrap;       /* for /bs and /bspack */
	bool is_lan_secured;     /* has LAN credentials: never served without DTLS (rule 2) */
	bool is_opaque;          /* records pass unended; is_lan_secured too */
	char *listen;            /* the listener whose DTLS port is its alone; opaque, or NULL */
	bool is_dynamic;         /* made for an endpoint that no section names; owned by its flow */
	bool has_address; /* of a static device */
	struct addr address;     /* of a static device; port 0 fits any */
	struct slice identity;   /* owned, wiped at the end; towards the server */
	struct slice key;        /* owned, wiped at the end */
	struct slice cert;       /* owned; a certificate towards the server, or empty */
	struct slice private_key; /* owned, wiped at the end; of that, or a raw one, or empty */
	uint16_t port;           /* remembered source port, host order; 0: none (rule 4) */
	struct flow_id flow;     /* its flow, where it has one */
	struct route *next_name; /* next of the same hash of names */
	struct route *next_listen;  /* next that has a listener of its own */
	struct route *next_address; /* next of the same hash of addresses */
};

struct routes;

/* Which servers are meant where an endpoint has several. NULL in its place: any. */
struct route_way {
	const struct server *preferred; /* this one rather than others; may be NULL */
	const struct addr *called; /* only those at this address, which the device calls; or NULL */
	struct mono now; /* with called */
	uint16_t port; /* only those of this port; or 0 */
};

/* How to find the server that a section names. */
typedef struct server *(*route_server)(void *who, const char *name);

/* True for what may be an endpoint's name: not empty, not longer than we keep, without control bytes. */
bool route_is_name(struct slice name);

/* Makes the table of a configuration. Returns 0 or -ENOMEM. */
int routes_create(struct routes **routes, const struct conf *conf, route_server find, void *who)
	MUST_CHECK;
/* Wipes the keys and ends it. NULL is allowed. */
void routes_free(struct routes *routes);
/* The route of an endpoint: to its bootstrap server, or to a server; where it has several servers,
 * the one preferred, else the first that is meant. NULL when no section names it. */
struct route *route_find(const struct routes *routes, struct slice endpoint, bool is_bootstrap,
	const struct route_way *way);
/* True when a section names the endpoint, with a server or a bootstrap server. */
bool route_is_configured(const struct routes *routes, struct slice endpoint);
/* The route of the endpoint to exactly this server, by name, or NULL. */
struct route *route_find_exact(const struct routes *routes, const char *endpoint,
	const char *server, bool is_bootstrap);
/* The next route of an endpoint: begin with NULL. */
struct route *route_of(const struct routes *routes, const char *endpoint,
	const struct route *after);
/* The route of the static device at this address, or NULL; opaque ones have route_opaque. */
struct route *route_by_address(const struct routes *routes, const struct addr *device,
	const struct route_way *way);
/* The opaque route whose listener this is, or whose device is at this address; or NULL. */
struct route *route_opaque(const struct routes *routes, const char *listener,
	const struct addr *device, const struct route_way *way);
/* True when there is an opaque route at all. */
bool routes_have_opaque(const struct routes *routes);
/* Walks all routes of the table: begin with at 0, go on until NULL. */
struct route *route_next(const struct routes *routes, size_t *at);
/* Makes a route of its own for an unknown endpoint, found by name like the others. Returns NULL when
 * there is no memory. */
struct route *route_dynamic(struct routes *routes, struct slice endpoint, struct server *server);
/* Takes a dynamic route over from another table, now towards this server. */
void route_adopt(struct routes *to, struct routes *from, struct route *route,
	struct server *server);
/* Ends a dynamic one. */
void route_free(struct routes *routes, struct route *route);
/* True when both lead to the same server with the same credential. */
bool route_same_way(const struct route *a, const struct route *b);
/* Swaps what borrowers of a route point to, equal in both: name and credential. */
void route_swap_texts(struct route *a, struct route *b);
