/* Birth, proof and end of flows (DESIGN.md 6, rule 7), and what a restart keeps of them (rule 19).
 *
 * An address has one owner. A flow that comes to the address of another endpoint is a guest there: both
 * are served, until a server answers the guest with success. Then the address is the guest's and the
 * owner's flow ends. Anybody can send one Register from anybody's address without DTLS; that alone must
 * not end a session. There is one guest; the next one ends it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "flow.h"

struct datapath;
struct lan_port;
struct listener;
struct parcel;

struct life_spec {
	struct lan_key key; /* the LAN association */
	struct lan_port *port; /* socket towards the device */
	struct addr called;      /* without port */
	struct route *route; /* the rule that makes it */
	struct lan_session *session; /* of the device, or NULL */
	unsigned source_ticket;  /* of limit.h, or 0 */
	bool is_proven;          /* restored as live */
	int64_t delay_ms;        /* before the first handshake */
};

/* Makes a flow and opens its association; NULL when the table is full or there is no memory. */
struct flow *life_begin(struct datapath *dp, const struct life_spec *spec, struct mono now);
/* Opens the association that the flow's route asks for, its first try after delay_ms. */
void life_open_wan(struct datapath *dp, struct flow *flow, int64_t delay_ms, struct mono now);
/* A server answered with success: the entry counts as live, and a guest gets its address. */
void life_prove(struct datapath *dp, struct flow *flow, struct mono now);
/* Computes the flow's end anew and arms its timer. */
void life_rearm(struct datapath *dp, struct flow *flow, struct mono now);
/* Ends a flow; why is for the log. */
void life_end(struct datapath *dp, struct flow *flow, const char *why);
/* The flow's Location is this from now on, with the time in `registered`, or none (NULL). */
void life_locate(struct datapath *dp, struct flow *flow, const char *location);
/* Gives the flow another key. */
void life_rekey(struct datapath *dp, struct flow *flow, const struct lan_key *key);
/* Moves a flow to where the parcel came from (rule 3), as a guest where that is another endpoint's. A
 * Register that waits for the old address to stay silent is refused. */
void life_move(struct datapath *dp, struct flow *flow, const struct parcel *p);
/* Opens flows for static devices that have none yet: requests may reach them before they speak. */
void life_open_static(struct datapath *dp, struct mono now);

/* The server is there: a static device behind a listener that intercepts, and that has not spoken, hears it
 * by the server's own address. Its first message tells whether that was right. */
void life_call_as_server(struct datapath *dp, struct flow *flow);

/* True unless the route is that of a static device with another address. */
bool life_fits(const struct route *route, const struct addr *device);

/* True unless the route has another listener of its own. */
bool life_listens(const struct route *route, const struct listener *listener);

/* A device calls an address that is neither ours nor a server's; no section has this name. */
#define LIFE_CALLS_FOREIGN "*"

/* A row of the routing table as a restart finds it again. Texts are borrowed. */
struct life_saved {
	const char *endpoint; /* endpoint name */
	const char *server;       /* section name */
	bool is_bootstrap; /* towards a bootstrap server */
	const char *listener;     /* section name */
	struct addr device;       /* with port */
	uint32_t ifindex; /* interface that the device is behind */
	struct addr called;       /* without port */
	uint16_t called_port;     /* host order; 0: that of the listener */
	const char *calls;        /* section of the server whose address that is, LIFE_CALLS_FOREIGN, or
				   * NULL: it is ours */
	bool is_assisted;         /* the server of the row is told of our address: rule 20 */
	struct addr known;        /* by which it knows us, without port; any: unknown; where is_assisted */
	bool is_secured;          /* the device came with DTLS */
	uint16_t port;            /* our source port, host order */
	const char *location;     /* or NULL */
	struct mono registered;   /* when a server gave it; 0 by another process */
	struct slice cid;         /* that an opaque device's records carry, or empty; borrowed */
	uint32_t lifetime_s;      /* of the registration; 0 is without end */
	int64_t expires_in_ms;    /* until its end and grace; -1: none */
	bool is_live; /* a server had accepted it */
	bool is_guest;            /* its address may be another endpoint's: it comes from another worker */
	uint64_t up_messages, up_bytes, down_messages, down_bytes; /* what was relayed */
};

/* Tells how the flow would be saved now. */
void life_save(const struct flow *flow, struct life_saved *saved, struct mono now);
/* Makes a flow of a saved row, its handshake delayed by delay_ms. Returns 0, -ENOENT when the
 * configuration does not want it any more, -EEXIST when the address or the endpoint has a flow, -ENOSPC
 * when the table is full. The source port is remembered in any case but the first. */
int life_restore(struct datapath *dp, const struct life_saved *saved, int64_t delay_ms,
	struct mono now) MUST_CHECK;
