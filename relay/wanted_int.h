/* What one apply of the configuration prepares; shared by wanted.c and wanted_listen.c alone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/bug.h"
#include "datapath.h"
#include "udp.h"

struct conf;
struct conf_where;

/* A listener in the datapath's ring. */
struct listener_entry {
	struct list node;
	struct listener listener;
	bool is_wanted; /* private to one apply */
	struct dtls_listener *next_dtls; /* private to one apply: takes the place of the present one */
	uint64_t fingerprint; /* private to one apply: of the DTLS settings */
	bool changes_dtls; /* private to one apply: next_dtls counts, be it NULL */
};

/* A socket that the configuration asks for. */
struct wanted_port {
	size_t listen;             /* which section */
	struct udp_listen_spec at; /* texts borrowed from the configuration */
	bool is_secure;            /* for DTLS */
	struct lan_port *port;     /* the one that is there, or was opened for it */
	bool is_new;
};

/* What one apply prepares, and undoes when something fails. */
struct plan {
	struct datapath *dp;
	bool is_copy;             /* another worker has said already what is to be said */
	uint32_t numbers[3];      /* given out before, of listeners, servers and sockets */
	const struct conf *conf;
	struct server **server;           /* one for each section, kept or new */
	bool *server_is_new;
	struct listener_entry **listener; /* one for each section, kept or new */
	bool *listener_is_new;
	struct wanted_port *port;
	size_t ports;
	struct routes *routes;
	struct identities *identities;
	struct list rest;           /* sockets that nobody wants any more, while it is made */
	struct list servers_before; /* the same of servers */
};

/* Says which section can not be had, in the log and for whoever asked. */
void wanted_fault(struct plan *plan, const struct conf_where *where, const char *format, ...)
	PRINTF_LIKE(3, 4);
/* The server of a section's name, kept or new; who is the plan. */
struct server *wanted_server(void *who, const char *name);

/* The entry of a node in the ring of listeners. */
struct listener_entry *wanted_entry(struct list *node);
/* Ends a listener with its sockets. */
void wanted_listener_free(struct listener_entry *entry);
/* Makes or finds the listeners, and opens their sockets. Returns 0 or -errno. */
int wanted_listen_prepare(struct plan *plan) MUST_CHECK;
/* How many sockets a configuration may ask for. */
size_t wanted_ports_most(const struct conf *conf);
/* Sessions of listeners whose DTLS will be another one end; they may be of another worker's making, so for all
 * workers before the first wanted_dtls_commit. */
void wanted_dtls_end(struct plan *plan);
/* The listeners are what the configuration says; sockets that nobody wants go into rest. */
void wanted_listen_commit(struct plan *plan, struct list *rest);
/* Listeners whose DTLS is another one now end its sessions, and begin anew. */
void wanted_dtls_commit(struct plan *plan, struct mono now);
/* Ends what wanted_listen_prepare made. */
void wanted_listen_undo(struct plan *plan);
