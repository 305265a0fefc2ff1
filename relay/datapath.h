/* The trunk as one thing: tables, sockets and servers of a running relay, and the two columns of
 * DESIGN.md 5, datapath_up and datapath_down. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/bucket.h"
#include "base/bug.h"
#include "base/list.h"
#include "called.h"
#include "env.h"
#include "flow.h"
#include "held.h"
#include "lan.h"
#include "limit.h"
#include "move.h"
#include "msg.h"
#include "notice.h"
#include "overload.h"
#include "route.h"
#include "server.h"

struct cids;
struct crew;
struct conf;
struct identities;
struct lan_sessions;

/* How a datagram came from another worker (handover.h). Zeroed: it did not. */
struct handed {
	uint8_t hops;    /* how often */
	bool to_owner;   /* it came to who has the endpoint or the Location, wherever the address belongs */
	bool is_final;   /* it stays here in any case */
};

/* What a station says of a datagram. */
enum verdict {
	PASS,  /* go on to the next station */
	TAKEN, /* it is in good hands: sent, waiting, or answered */
	GONE   /* it is lost, and counted */
};

/* One datagram of a device on its way up. */
struct parcel {
	struct lan_port *port;  /* socket that it came in by */
	struct addr called;     /* our address that the device called */
	const uint8_t *bytes;   /* the message, borrowed */
	size_t n;               /* bytes */
	struct lan_key key;     /* who sent it */
	struct msg msg;         /* the peek */
	struct reg_info reg;    /* what it says to the registration interface, REG_OTHER if nothing */
	struct lan_session *session; /* that it came in, or NULL without DTLS */
	struct mono now; /* when the datagram was read */
	struct handed handed; /* by another worker */
};

struct datapath {
	struct crew *crew;            /* the other workers, or NULL where there are none */
	unsigned number;              /* of this worker; 0 is the first */
	struct env env;               /* loop, timers, names, counters */
	struct flows *flows; /* the routing table at work */
	struct routes *routes; /* the configuration as a table */
	struct identities *identities; /* who may come with DTLS */
	struct lan_sessions *sessions; /* of devices */
	struct cids *cids;            /* that servers gave to opaque devices */
	uint8_t next_cid[DTLS_CID_MAX]; /* connection id of the next session of a device */
	struct sources *sources;      /* unproven entries by host */
	_Atomic size_t unproven;      /* unproven flows of endpoints that no section names; others read it */
	struct held_budget held; /* what all waiting messages take */
	struct overload overload; /* more comes from devices than can be carried */
	struct notices notices; /* budgets of log lines */
	struct moves moves;           /* Registers that wait for an old address to stay silent */
	struct list listeners;        /* ring of struct listener_entry, see wanted.c */
	struct list servers;          /* ring of struct server */
	struct udp_batch *in;         /* for all LAN sockets */
	uint32_t listener_numbers;    /* given out so far */
	uint32_t server_numbers;      /* the same */
	uint32_t port_numbers;        /* the same, of LAN sockets */
	uint32_t mark, mark_mask;     /* of captured packets */
	bool ports_changed;           /* a LAN socket was opened; whoever acts on it clears it */
	struct called_memo called[CALLED_MEMOS]; /* whom the last ones called */
	struct bucket asks;           /* for asking the kernel whose a called address is */
	size_t moving_at;             /* how far sockets were looked at after an address change */
	struct timer moving;          /* goes on with it */
	struct mono move_by;          /* it begins no later; MONO_NEVER: no event waits for it */
	bool is_moving;               /* it has begun */
	bool move_again;              /* an event came meanwhile: it will begin once more */
	size_t reserved;              /* room for timers that was asked of the loop */
	char fault[1024];             /* why the last wanted_apply failed, for people; or "" */
	void (*changed)(void *who);   /* something that a restart should know is different now */
	void *who; /* handed to changed */
};

/* Makes an empty relay on a loop; wanted_apply fills it. The pointer of changed may be NULL. Returns 0
 * or -ENOMEM. */
int datapath_create(struct datapath **dp, struct loop *loop, struct resolver *resolver,
	void (*changed)(void *who), void *who) MUST_CHECK;
/* Ends all flows (each with a close_notify), sockets and servers. NULL is allowed. */
void datapath_free(struct datapath *dp);

/* Device to server: a datagram that came in by a LAN socket, of this worker or of another one. */
void datapath_take(struct datapath *dp, struct parcel *p);
/* Device to server: a message that came in by a LAN socket, or out of a record. */
void datapath_up(struct datapath *dp, struct parcel *p);
/* The same of somebody who is no endpoint of ours, though his session is sound: 4.03 (rule 2). */
void datapath_refuse(struct datapath *dp, struct parcel *p);
/* Server to device: a message of a flow's association. bytes is the room that was given for it: of the
 * flow's LAN socket, or with DTLS one to be encrypted from. */
void datapath_down(struct datapath *dp, struct flow *flow, uint8_t *bytes, size_t n,
	struct mono now);
/* Addresses or routes of the machine changed: sockets are looked at soon, in steps (rule 20). */
void datapath_addresses_changed(struct datapath *dp, struct mono now);

/* The calls that LAN sockets and associations are given. */
extern const struct lan_calls datapath_lan_calls;
extern const struct wan_calls datapath_wan_calls;
