/* Sockets towards devices: datagrams are read in batches and handed up one by one; answers gather in
 * a batch of each socket and leave together at the end of the wake-up. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/hash.h"
#include "base/list.h"
#include "env.h"
#include "limit.h"
#include "udp.h"

struct dtls_listener;
struct lan_port;
struct server;

/* A `config listen` section: what its sockets share. Owned by who opens the ports. */
struct listener {
	uint32_t number;          /* names it in flow keys; never used again for another section */
	char *name;               /* section name */
	struct server *server;    /* of endpoints that no section names, or NULL; borrowed */
	bool accepts_unknown;     /* unknown_endpoints accept */
	bool may_move;            /* rule 3 */
	bool intercepts;          /* what calls a server by these interfaces comes here (rule 16) */
	bool relays_foreign;      /* and what calls others: foreign 'relay' */
	bool is_narrow;           /* only what calls a server comes: foreign 'pass' */
	bool is_closed;           /* without_relay 'closed' */
	struct bucket not_found;  /* 4.04 to strangers (rule 1) */
	struct bucket refusals;   /* other answers to strangers */
	struct list ports;        /* ring of struct lan_port */
	struct dtls_listener *dtls; /* serves its ports with DTLS; NULL where it has none */
	bool cid;                 /* that uses connection ids */
	struct hash_key secret;   /* for the fingerprint */
	uint64_t fingerprint;     /* of the settings behind dtls */
	struct timers *timers;    /* borrowed; for rotate */
	struct timer rotate;      /* draws new cookie secrets */
};

/* Calls to the owner. */
struct lan_calls {
	/* A datagram came; the slot is valid during the call. */
	void (*datagram)(void *who, struct lan_port *port, struct udp_slot *slot, struct mono now);
	/* The kernel refused so many answers for good. */
	void (*refused)(void *who, unsigned count);
	/* Another LAN_PRESSED reads in a row did not empty a socket. */
	void (*pressed)(void *who, struct mono now);
	/* Several came at once; these n of the batch are told next, one by one: a chance to ask for memory
	 * (base/fetch.h). May be NULL. */
	void (*soon)(void *who, const struct lan_port *port, struct udp_batch *batch, unsigned n);
};

/* One socket. */
struct lan_port {
	struct list node;          /* in its listener */
	struct listener *listener; /* borrowed */
	struct addr bound;         /* where it listens, with port */
	char *interface;           /* or NULL */
	const struct steer *steer; /* how workers share it, or NULL: it is ours alone; borrowed */
	unsigned worker;           /* which of them we are */
	uint32_t number;           /* names the socket; another one when it is opened again */
	bool is_secure;            /* DTLS comes here, else plain CoAP */
	bool is_leaving;           /* private to one apply: nobody wants it any more */
	bool is_transparent;       /* what others are called at may come here too */
	bool is_asked;             /* to become that: the answer is on its way */
	uint32_t ifindex;          /* of the interface when the socket was opened; 0 without one */
	int fd; /* the socket; -1 while it is shut */
	struct watch watch; /* for reading */
	struct flush flush; /* sends the answers of a wake-up */
	struct udp_batch *out;     /* answers of this wake-up */
	unsigned gathered;         /* how many */
	struct udp_batch *in;      /* borrowed: shared by all ports */
	struct env *env;           /* borrowed */
	const struct lan_calls *calls; /* borrowed */
	void *who;                 /* handed to the calls */
	uint32_t overflowed;       /* as the kernel told last */
	uint32_t full;             /* reads in a row that did not empty it */
};

struct lan_spec {
	struct listener *listener; /* whose section it is; borrowed */
	struct udp_listen_spec at; /* where to listen */
	bool is_secure; /* for DTLS */
	uint32_t number; /* for the port; its low byte is 0 */
	bool may_wait; /* its interface may be missing as yet */
	struct udp_batch *in; /* for reading; borrowed */
	const struct lan_calls *calls; /* borrowed */
	void *who; /* handed to the calls */
};

/* Opens a socket and joins its listener; where an interface that it may wait for is missing, the port is shut. Returns 0
 * or -errno. */
int lan_open(struct lan_port **port, struct env *env, const struct lan_spec *spec) MUST_CHECK;
/* Sends what gathered and closes. */
void lan_close(struct lan_port *port);
/* Sends what gathered and closes the socket only: the port stays, deaf and mute, for its flows. */
void lan_shut(struct lan_port *port);
/* Opens the socket of a shut port where it was. Returns 0, or -errno and leaves it shut. */
int lan_reopen(struct lan_port *port) MUST_CHECK;
/* The next free slot for an answer: fill bytes, n, peer, called and ifindex, then lan_commit. */
struct udp_slot *lan_slot(struct lan_port *port);
/* The slot that was given last will be sent. */
void lan_commit(struct lan_port *port);
/* Gathers a copy of n bytes for a device, from the address that it called; by this interface, 0: routed. */
void lan_send(struct lan_port *port, const struct addr *device, const struct addr *called,
	uint32_t ifindex, const uint8_t *bytes, size_t n);
/* Sends what gathered, now. */
void lan_flush(struct lan_port *port);
