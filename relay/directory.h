/* What workers must agree on: which of them has an endpoint, which of them serves an address, which one has the
 * flow of a Location, and the source ports that are remembered. Asked when a flow or session begins or ends, when
 * a Register is answered, and for whom a worker does not know; never on the way of a message that is known. Any
 * thread may call. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/cursor.h"
#include "base/mono.h"

/* In place of a worker. */
#define DIRECTORY_NOBODY ((unsigned)-1)
/* Bytes of a place. */
#define PLACE_BYTES 24
/* Bytes of an origin. */
#define ORIGIN_BYTES 32

struct directory;
struct located;

/* Where a device is, as far as a worker must be found for it: an address at a listener, with DTLS or
 * without, or a connection id; or a host, for whoever asks whether it is known. Interfaces do not count: hosts of
 * one address are one worker's. */
struct place {
	uint8_t bytes[PLACE_BYTES]; /* compared as they are */
};

/* Where a device is, as far as a Location leads to its flow (rule 3): host and interface, at a listener, calling us
 * or a server. */
struct origin {
	uint8_t bytes[ORIGIN_BYTES]; /* compared as they are */
};

/* What a flow is found by, where its device speaks without DTLS. */
struct registration {
	struct origin origin;    /* where its device is */
	const char *location;    /* "/rd/0", shorter than LOCATION_MAX */
	uint32_t server;         /* number of that which gave it */
	struct mono registered;  /* when it did; 0: before a restart */
	unsigned worker;         /* who has the flow */
};

/* The origin of a device; its port does not count. called is the number of the server that it calls, as in a flow
 * key. */
struct origin origin_of(const struct addr *device, uint32_t ifindex, uint32_t listener, uint32_t called);
/* The place of a device's address at a listener of this number. */
struct place place_of(const struct addr *device, uint32_t listener, bool is_secure);
/* The place of all devices of a host at a listener: several workers may be there. */
struct place place_of_host(const struct addr *device, uint32_t listener);
/* The place of a connection id of ours, DTLS_CID_MAX bytes. */
struct place place_of_cid(const uint8_t *cid);

/* Makes an empty one. Returns 0 or -ENOMEM. */
int directory_create(struct directory **directory) MUST_CHECK;
/* Ends it, with all that is left in it. NULL is allowed. */
void directory_free(struct directory *directory);

/* The worker that has flows or sessions of the endpoint, or DIRECTORY_NOBODY. */
unsigned directory_owner(struct directory *directory, struct slice endpoint);
/* A flow or session of the endpoint begins at this worker. False: another one has the endpoint, or there is
 * no memory. */
bool directory_enter(struct directory *directory, const char *endpoint, unsigned worker) MUST_CHECK;
/* It ended. */
void directory_leave(struct directory *directory, const char *endpoint, unsigned worker);

/* The worker that serves the place, or DIRECTORY_NOBODY. */
unsigned directory_place(struct directory *directory, const struct place *place);
/* A flow or session at the place begins at this worker. Where another one serves it, true with takes: the
 * place is this worker's from now on; else false, as without memory. */
bool directory_place_enter(struct directory *directory, const struct place *place, unsigned worker,
	bool takes);
/* It ended, or left. Where that was the worker's last one there, the place is that of who had it before, if he
 * did not leave. */
void directory_place_leave(struct directory *directory, const struct place *place, unsigned worker);

/* A flow has this registration from now on, or none (NULL). *kept is what an earlier call left for the flow, at
 * first NULL; one takes the place of the other in one step. False without memory: then the flow has none. */
bool directory_register(struct directory *directory, struct located **kept,
	const struct registration *now) MUST_CHECK;
/* The worker that has the flow of this Location, by the rule of flow_by_location, where the flows of all workers
 * count. DIRECTORY_NOBODY: none has it, or it is not clear whose it is. */
unsigned directory_location(struct directory *directory, const struct origin *origin, const char *location);

/* The remembered source port of an endpoint towards a server, host order, or 0. */
uint16_t directory_port(struct directory *directory, const char *endpoint, const char *server,
	bool is_bootstrap);
/* Remembers it; without memory it is forgotten. 0 forgets it. */
void directory_set_port(struct directory *directory, const char *endpoint, const char *server,
	bool is_bootstrap, uint16_t port);

/* One flow more, of at most so many; false where there are as many. */
bool directory_add_flow(struct directory *directory, size_t most) MUST_CHECK;
/* One less. */
void directory_remove_flow(struct directory *directory);
/* How many flows all workers have. */
size_t directory_flows(const struct directory *directory);
