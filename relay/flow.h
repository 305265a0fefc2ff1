/* The routing table at work: which conversation on the LAN side belongs to which towards a server.
 * Found by the device's address (one hash, one comparison), by an id that goes stale by itself, and
 * by host for the rare message that comes from another port. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/fetch.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mono.h"
#include "held.h"
#include "limits.h"
#include "lwm2m/reg.h"
#include "overload.h"
#include "stat.h"
#include "timer.h"
#include "wan.h"

struct lan_port;
struct lan_session;
struct located;
struct route;
struct move;
struct opaque;
struct assist;

/* Names a flow across time; one that ended is not found any more. */
struct flow_id {
	uint32_t slot;       /* place in the table + 1; 0 names none */
	uint32_t generation; /* how often the place was used before */
};

/* What names a LAN association (DESIGN.md 6, rule 1). */
struct lan_key {
	struct addr device; /* where it sends from */
	uint32_t ifindex;   /* interface that it came in by; 0 when that is not known yet */
	uint32_t listener;  /* number of the listener */
	uint32_t identity;  /* number of who proved itself by DTLS; 0: nobody, it speaks plain CoAP */
	uint32_t server;    /* number of the server whose address it calls, or CALLED_FOREIGN; 0: it calls us */
};

/* Up or down, in counters. */
struct flow_traffic {
	uint64_t messages; /* CoAP messages */
	uint64_t bytes; /* their bytes of CoAP */
};

/* The registration request of a device that has no answer yet. */
struct flow_asked {
	enum reg_kind kind; /* REG_OTHER: none */
	uint16_t mid;       /* of the request, host order */
	uint8_t token_n;    /* bytes */
	uint8_t token[8]; /* of the request */
	uint32_t lifetime_s; /* that the request names */
	bool has_lifetime; /* the request named one */
};

/* One flow. What each message looks at comes first, up to the first part of struct wan: of many flows that is
 * all that has to come into the cache. */
struct flow {
	_Alignas(FETCH_LINE) bool is_used; /* private: the place is taken */
	bool is_shared;           /* the LAN association has, or had, several flows */
	bool is_guest;            /* its address is another endpoint's until a server accepts it */
	bool is_live;             /* a server answered with success */
	bool is_ending;           /* to be closed once the answer at hand has passed */
	uint16_t last_down_mid;   /* of the last message from the server, host order */
	struct lan_key key;       /* the LAN association */
	struct flow_id id;        /* names the flow across time */
	struct flow *sibling;     /* next flow of the same LAN association (bootstrap), or NULL */
	struct lan_port *port;    /* socket towards the device */
	struct addr called;       /* our address that the device calls, without port; any: routed */
	struct lan_session *session; /* of the device, where its key has an identity; NULL: none now */
	struct mono last_up, last_down; /* when the last message passed */
	struct mono ping_until;   /* answers to it are eaten until then; 0: there was none */
	struct flow_traffic up, down; /* what was relayed */
	struct opaque *opaque;    /* where records pass unended, or NULL */
	struct assist *assist;    /* after a change of our address, where it is asked for; or NULL */
	struct move *move;        /* a Register from another address waits, or NULL */
	struct flow_asked asked;  /* a registration request under way */
	struct wan wan;           /* association towards the server; the rest comes behind it */

	struct held_queue held;   /* messages that wait for it */
	struct route *route;      /* the rule that made it; never NULL */
	struct portion portion;   /* what its device sent lately, while there is overload */
	struct mono born; /* when the flow was made */
	uint32_t *drops;          /* by enum drop, made at the first loss; or NULL */
	char *location;           /* "/rd/0" of the registration, or NULL */
	struct mono registered;   /* when a server gave the location; 0: before a restart */
	struct located *located;  /* of the directory, that other workers find it; or NULL */
	uint32_t lifetime_s;      /* of the registration; 0 is without end */
	uint32_t next_free;       /* private */
	struct mono expires;      /* end of the registration and its grace; MONO_NEVER: none */
	uint16_t ping_mid;        /* of our own CoAP ping, host order */
	unsigned source_ticket;   /* of limit.h, while unproven; else 0 */
	struct flow_recent *recent; /* what went down lately, where is_shared; or NULL */
	struct timer life;        /* expiry of the flow and of what it holds */

	struct list by_host;      /* ring of flows in the same host bucket */
};

/* The table. */
struct flows;

/* Makes a table for at most `most` flows; memory for flows is taken in steps as they come. Returns 0
 * or -ENOMEM. */
int flows_create(struct flows **flows, size_t most) MUST_CHECK;
/* Ends it; all flows must be gone. NULL is allowed. */
void flows_free(struct flows *flows);
/* Changes the limit; present flows stay even when there are more. Returns 0 or -ENOMEM. */
int flows_set_most(struct flows *flows, size_t most) MUST_CHECK;
/* How many there are, and how many there may be. */
size_t flows_count(const struct flows *flows);
/* See flows_count. */
size_t flows_most(const struct flows *flows);

/* Makes a zeroed flow with this key. A flow with the same key becomes its sibling. NULL when the
 * table is full or there is no memory. */
struct flow *flow_add(struct flows *flows, const struct lan_key *key);
/* Takes a flow out and forgets it; whatever it owns must be gone. */
void flow_remove(struct flows *flows, struct flow *flow);
/* The first flow of the LAN association, or NULL. */
struct flow *flow_find(const struct flows *flows, const struct lan_key *key);
/* For a caller that knows messages ahead, so that none waits for memory: asks for the place in the index where
 * this key is looked up, and returns its name. */
uint32_t flow_fetch_place(const struct flows *flows, const struct lan_key *key);
/* Then, a little later, for what each message looks at in the flow that stands there: most likely the one of the
 * key, which is returned, or NULL. */
const struct flow *flow_fetch_at(const struct flows *flows, uint32_t place);
/* The same by an id, where it may have ended. */
const struct flow *flow_fetch_id(const struct flows *flows, struct flow_id id);
/* The same for a flow that is at hand. */
void flow_fetch(const struct flow *flow);
/* The flow of this id, or NULL when it ended. */
struct flow *flow_by_id(const struct flows *flows, struct flow_id id);
/* Gives the flow another key. */
void flow_rekey(struct flows *flows, struct flow *flow, const struct lan_key *key);
/* The flow of the same host, interface, listener and called server that holds this Location, or NULL. Of several the
 * newest of one server counts, which gave the Location anew; where several servers gave it, none. */
struct flow *flow_by_location(const struct flows *flows, const struct lan_key *key,
	const char *location);
/* True when a flow has the same host, interface and listener. */
bool flow_is_host(const struct flows *flows, const struct lan_key *key);
/* Walks all flows: begin with at 0, go on until NULL. Flows may end and begin on the way. */
struct flow *flow_next(const struct flows *flows, size_t *at);

/* Counts a loss on this flow, where it is not NULL, and in all. */
void flow_drop(struct flow *flow, struct counters *stat, enum drop why);
