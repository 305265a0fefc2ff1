/* What workers must agree on: which of them has an endpoint, which of them serves an address, and the source
 * ports that are remembered. Asked when a flow or session begins or ends, and for whom a worker does not
 * know; never on the way of a message that is known. Any thread may call. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/cursor.h"

/* In place of a worker. */
#define DIRECTORY_NOBODY ((unsigned)-1)
/* Bytes of a place. */
#define PLACE_BYTES 24

struct directory;

/* Where a device is, as far as a worker must be found for it: an address at a listener, with DTLS or
 * without, or a connection id. Interfaces do not count: hosts of one address are one worker's. */
struct place {
	uint8_t bytes[PLACE_BYTES]; /* compared as they are */
};

/* The place of a device's address at a listener of this number. */
struct place place_of(const struct addr *device, uint32_t listener, bool is_secure);
/* The place of a connection id of ours, DTLS_CID_MAX bytes. */
struct place place_of_cid(const uint8_t *cid);

/* Makes an empty one. Returns 0 or -ENOMEM. */
int directory_create(struct directory **directory) MUST_CHECK;
/* Ends it. NULL is allowed. */
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
