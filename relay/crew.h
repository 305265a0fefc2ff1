/* The workers of one relay, as far as their datapaths know each other (DESIGN.md 6, rule 21): each has its own
 * sockets, tables and associations. What they share is the directory, and rings for what came to the wrong
 * one. A relay with one worker has no crew: datapath.crew is NULL, and nothing of this is there.
 *
 * All of an endpoint - flows, associations, sessions - is at one worker, which the directory knows. Where its
 * messages come to another one they are handed over, and that worker answers by its own socket of the same
 * port, so no device notices. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "base/mono.h"
#include "datapath.h"
#include "directory.h"
#include "steer.h"

struct ring;

/* Bytes of the ring from one worker to another. */
#define CREW_RING (256 * 1024)
/* Messages of one ring that one wake-up takes. */
#define CREW_MESSAGES 64

/* How a worker is told that something lies in its rings. */
struct bell {
	struct watch watch;   /* of an eventfd, in the worker's loop */
	_Atomic bool is_rung; /* it was told, and has not looked since */
};

/* One of them. */
struct crew_member {
	struct crew *crew;    /* borrowed */
	struct datapath *dp;  /* borrowed; NULL before crew_join */
	struct ring **from;   /* what others send, by their number; NULL at its own */
	struct bell bell;     /* rung by others */
};

struct crew {
	unsigned count;              /* of members */
	struct steer steer;          /* whose a datagram is */
	struct directory *directory; /* whose an endpoint, or an address, is */
	struct notices_shared notices; /* what all may write into the log */
	bool has_notices;            /* that is made */
	struct crew_member *member;  /* by number */
};

/* Makes a crew for so many workers, two or more. Returns 0 or -errno. */
int crew_create(struct crew **crew, unsigned count) MUST_CHECK;
/* The relay stops, or a test: what was not read is forgotten, and all sessions of devices end, each with a
 * close_notify; they may be of another worker's making. Before the first datapath_free. */
void crew_end(struct crew *crew);
/* Ends it, with what was not read; all datapaths must have left, or be at rest. NULL is allowed. */
void crew_free(struct crew *crew);
/* A new datapath becomes the worker of this number. Returns 0 or -errno. */
int crew_join(struct crew *crew, struct datapath *dp, unsigned number) MUST_CHECK;
/* It is not told of anything any more. Does nothing to one that has no crew. */
void crew_leave(struct datapath *dp);
/* Takes what others sent; true when there was something. The bell does it; tests may, too. */
bool crew_read(struct datapath *dp, struct mono now);

/* All that is under way between workers arrives: nothing that is about to end is in a ring then. All must be
 * held, or there are no threads. */
void crew_settle(struct datapath *dp, struct mono now);

/* Tells a member that something lies in its rings. */
void crew_ring(struct crew_member *member);

/* How many workers the relay of this datapath has, and the i-th one's datapath. */
unsigned crew_count(const struct datapath *dp);
/* See crew_count. */
struct datapath *crew_datapath(const struct datapath *dp, unsigned i);
/* How many flows all of them have, and how many of these are unproven, of endpoints that no section names. */
size_t crew_flows(const struct datapath *dp);
/* See crew_flows. */
size_t crew_unproven(const struct datapath *dp);
/* How many Registers wait for a former address, at all of them (MOVES_MAX). */
unsigned crew_moves(const struct datapath *dp);
/* All they have counted, the bytes that wait at all of them, and sessions of devices. */
void crew_counters(const struct datapath *dp, struct counters *sum);
/* See crew_counters. */
size_t crew_held_bytes(const struct datapath *dp);
/* See crew_counters. */
size_t crew_sessions(const struct datapath *dp, bool is_proven);
/* More comes to some worker than it can carry (overload.h). */
bool crew_is_overloaded(const struct datapath *dp);
/* Walks the flows of all workers: begin with *worker and *at 0, go on until NULL; see flow_next. All must be held. */
struct flow *crew_next_flow(const struct datapath *dp, unsigned *worker, size_t *at);
/* The flow of this route, whichever worker has it, or NULL. */
struct flow *crew_flow_of(const struct datapath *dp, const struct route *route);
/* The remembered source port of a route, whichever worker used it. */
uint16_t crew_port_of(const struct datapath *dp, const struct route *route);

/* True when the connection id is of a session of a device that some worker has, as far as that can be told. */
bool crew_knows_cid(const struct datapath *dp, struct slice cid);
/* As flow_is_host, where the flows of all workers count; of another one's the interface does not. */
bool crew_is_host(const struct datapath *dp, const struct lan_key *key);
/* True when the first worker serves the secure place of this key. */
bool crew_is_at_first(const struct datapath *dp, const struct lan_key *key);
/* What one worker has found out of servers' addresses all others learn: a device that calls one may come to
 * any of them. All must be held. */
void crew_share_servers(struct datapath *dp, struct mono now);
/* True when a flow of the endpoint would be this worker's: it has the endpoint, or nobody has and the kernel
 * brings what comes from there here. */
bool crew_is_home(const struct datapath *dp, const char *endpoint, const struct addr *device);
/* Where a saved flow goes on: where its endpoint is already, else where its device will come to. */
struct datapath *crew_home(struct datapath *dp, const char *endpoint, const char *server,
	bool is_bootstrap, const struct addr *device);
/* The connection id of the next session of a device: it leads here. */
void crew_draw_cid(struct datapath *dp);

/* A flow of this route begins at this place; false where another worker has the endpoint or the place, or all
 * together have too many flows. */
bool crew_enter_flow(struct datapath *dp, struct route *route, const struct lan_key *key) MUST_CHECK;
/* It ended. */
void crew_leave_flow(struct datapath *dp, const struct route *route, const struct lan_key *key);
/* It is elsewhere from now on. */
void crew_move_flow(struct datapath *dp, const struct lan_key *from, const struct lan_key *to);
/* It has learnt or lost its Location, or is elsewhere from now on: a Location leads here, or does not. Without
 * memory it is forgotten. Does nothing to one that has no crew. */
void crew_locate_flow(struct datapath *dp, struct flow *flow);
/* The worker that has the flow of this Location, as directory_location. */
unsigned crew_locates(const struct datapath *dp, const struct lan_key *key, const char *location);
/* As flow_by_location, where the flows of all workers count: NULL where it is another one's, or not clear. */
struct flow *crew_flow_by_location(const struct datapath *dp, const struct lan_key *key,
	const char *location);
/* Its source port is another one. */
void crew_port_is(struct datapath *dp, const struct route *route, uint16_t port);
/* A proven session of the endpoint is here; false where another worker has the endpoint. */
bool crew_enter_session(struct datapath *dp, struct lan_session *s) MUST_CHECK;
/* It is elsewhere from now on. */
void crew_move_session(struct datapath *dp, const struct lan_session *s, const struct lan_key *to);
/* It is here no more. */
void crew_leave_session(struct datapath *dp, struct lan_session *s);
