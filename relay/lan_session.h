/* DTLS sessions of devices as a table: found by address and by connection id, and limited while they
 * are half-open (DESIGN.md 6, rule 12). What happens in them is in secure.c. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/cursor.h"
#include "base/list.h"
#include "dtls/dtls.h"
#include "flow.h"

struct datapath;
struct identity;

/* Length of our connection ids, bytes. */
#define LAN_CID_BYTES DTLS_CID_MAX

/* One session. */
struct lan_session {
	struct dtls_session *dtls;   /* owned */
	struct datapath *dp;         /* borrowed */
	struct lan_key key;          /* where the device is; its identity is 0 until it is proven */
	struct lan_port *port;       /* socket towards the device; borrowed */
	struct addr called;          /* our address that the device calls, without port */
	struct identity *identity;   /* who it is, once proven; borrowed */
	struct list same_identity;   /* in the ring of that */
	struct flow_id flow;         /* one of its flows, where it has any */
	struct portion portion;      /* what came in it lately, while there is overload */
	struct mono heard;           /* when an authentic message came last */
	struct timer timer;          /* next step of the handshake, or a look whether it is idle */
	uint8_t cid[LAN_CID_BYTES];  /* our connection id */
	bool has_cid;                /* it may be called by that */
	bool is_told;                /* its wrong key is in the log */
	bool is_known;               /* its host had a flow when it came: strangers do not push it out */
	bool is_entered;             /* the directory of the workers knows it */
	bool is_adopted;             /* another worker made it: its connection id leads there */
	unsigned ticket;             /* of limit.h, while half-open; else 0 */
	struct list order;           /* ring of half-open sessions, oldest first, of strangers or of
				      * hosts with a flow, or of proven ones */
	struct lan_session *next_address; /* next of the same hash of addresses */
	struct lan_session *next_cid;     /* next of the same hash of connection ids */
};

struct lan_sessions;

/* Makes an empty table. Returns 0 or -ENOMEM. */
int lan_sessions_create(struct lan_sessions **sessions) MUST_CHECK;
/* Ends it; all sessions must be gone. NULL is allowed. */
void lan_sessions_free(struct lan_sessions *sessions);
/* Makes room for so many proven sessions, beside the half-open ones. Returns 0 or -ENOMEM. */
int lan_sessions_set_most(struct lan_sessions *sessions, size_t most) MUST_CHECK;

/* So many tables share the limits of half-open ones. */
void lan_sessions_share(struct lan_sessions *sessions, unsigned workers);
/* Takes one from the budget of handshakes of this host; false when it has begun too many. */
bool lan_sessions_may_begin(struct lan_sessions *sessions, const struct addr *host,
	struct mono now);
/* Takes a copy of *s into the table, as the youngest half-open one; NULL when there is no memory, or its
 * host has too many. Older ones that must go for it were handed to evict. */
struct lan_session *lan_session_add(struct lan_sessions *sessions, const struct lan_session *s,
	void (*evict)(struct lan_session *s));
/* The handshake is done: it does not count among the half-open ones any more. */
void lan_session_proven(struct lan_sessions *sessions, struct lan_session *s);
/* The device is at another address. */
void lan_session_rekey(struct lan_sessions *sessions, struct lan_session *s,
	const struct lan_key *key);
/* Takes a session out and frees it; its dtls must be gone. */
void lan_session_free(struct lan_sessions *sessions, struct lan_session *s);

/* As flow_fetch_place: asks for the chain in which sessions of this address stand. It is good until the table
 * changes. */
struct lan_session *const *lan_session_fetch_chain(const struct lan_sessions *sessions,
	const struct lan_key *key);
/* Then for the first session there, which is returned, or NULL. */
const struct lan_session *lan_session_fetch(struct lan_session *const *chain);
/* The session with this connection id, or NULL. */
struct lan_session *lan_session_by_cid(const struct lan_sessions *sessions, struct slice cid);
/* The next session at this address and listener that calls this server, whatever the interface: begin with
 * NULL. Those that came earlier come first. */
struct lan_session *lan_session_at(const struct lan_sessions *sessions, const struct lan_key *key,
	const struct lan_session *after);
/* What a session can be. */
enum lan_ring { LAN_STRANGERS, LAN_KNOWN, LAN_PROVEN, LAN_RINGS };
/* The next session of that kind: begin with NULL. */
struct lan_session *lan_session_next(const struct lan_sessions *sessions, enum lan_ring ring,
	const struct lan_session *after);
/* How many there are, proven ones or half-open ones of both kinds. */
size_t lan_sessions_count(const struct lan_sessions *sessions, bool is_proven);
