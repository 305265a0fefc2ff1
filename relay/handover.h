/* What came to one worker and is another's: datagrams, a device's session, a flow. Each function is asked where
 * a worker has found nobody, and does nothing for a relay with one worker. What a ring has no room for is lost,
 * by name. */
#pragma once
#include <stdbool.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "base/mono.h"

struct datapath;
struct flow;
struct lan_session;
struct parcel;

/* Passes a datagram to the worker that serves the address which it comes from; false where that is nobody, or
 * this one. True: it is taken. */
bool handover_to_place(struct datapath *dp, const struct parcel *p);
/* The same, to the worker that has the endpoint. */
bool handover_to_owner(struct datapath *dp, struct slice endpoint, const struct parcel *p);
/* The same, to the worker that has the flow of this Location. */
bool handover_to_location(struct datapath *dp, const char *location, const struct parcel *p);
/* The same, to the worker of a connection id of ours. */
bool handover_to_cid(struct datapath *dp, const struct parcel *p, struct slice cid);
/* The same, to the first worker, which has all opaque endpoints. */
bool handover_to_first(struct datapath *dp, const struct parcel *p);
/* The device of a flow came to an address that another worker serves for somebody else: all flows of the
 * endpoint end here, and go on there as after a restart, and the datagram goes along. False where the address
 * is free, or this worker's. Where there is no room the datagram is lost, and the flow stays. */
bool handover_flow(struct datapath *dp, struct flow *flow, const struct parcel *p);
/* A session was proven to be of an endpoint that another worker has: the session goes there, as it is, and
 * what follows by its address or connection id, too. True: its dtls is NULL from now on. */
bool handover_session(struct datapath *dp, struct lan_session *s, const char *endpoint);

/* Takes a message of a ring. */
void handover_read(struct datapath *dp, struct slice message, struct mono now);
/* Frees what one holds that nobody will read. */
void handover_forget(struct slice message);
