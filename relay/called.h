/* Whom a device means by the address that it calls (DESIGN.md 6, rules 16 and 17): us, a configured server,
 * or somebody else. Asked only where a listener intercepts. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/mono.h"
#include "flow.h"
#include "route.h"

struct datapath;
struct lan_port;
struct listener;
struct parcel;

/* In a flow key, where the number of a server stands: somebody whom we do not know, and whom the listener's
 * server speaks for (foreign 'relay'). */
#define CALLED_FOREIGN UINT32_MAX

/* What was found for an address and a port number. Several are kept (CALLED_MEMOS), for a while. */
struct called_memo {
	struct addr address; /* with the port of the socket */
	uint32_t server;     /* for flow keys */
	bool is_ours;        /* it is an address of this machine */
	struct mono until;   /* it counts no longer; 0: nothing is kept here */
};

/* Writes into p->key who is called. False when that is a stranger, for whom the listener does not speak; it
 * is counted. */
bool called_read(struct datapath *dp, struct parcel *p);
/* A server accepted a flow's device: what that calls goes on to be the server's. */
void called_used(struct datapath *dp, const struct flow *flow, struct mono now);
/* Addresses of servers or of this machine changed: nothing that was found counts any more. */
void called_forget(struct datapath *dp);
/* The server of this number in a flow key, or NULL: 0, CALLED_FOREIGN, or gone. */
struct server *called_server(const struct datapath *dp, uint32_t number);
/* Which servers are meant by somebody with this key who calls this address by this listener. */
struct route_way called_way(const struct datapath *dp, const struct lan_key *key,
	const struct addr *called, const struct listener *listener);
/* The server of an endpoint with this key that no section names; NULL: none. One that wants a credential is
 * of no use to it. */
struct server *called_by_unknown(const struct datapath *dp, const struct lan_key *key,
	const struct listener *listener);
/* True when whoever has this key may go on to call by this listener, as it is configured now. */
bool called_stays(const struct datapath *dp, const struct lan_key *key, const struct listener *listener);
/* True when the device calls another address than before where the flow's server is not: another server of
 * the host, for whom it came, has gone there. */
bool called_strays(const struct flow *flow, const struct parcel *p);
