/* Conversations that pass unended: the device keeps its own keys with the server, and the relay carries DTLS
 * records as they are (DESIGN.md 7, rule 13).
 *
 * Nobody here can tell whether a record is authentic; only the server can, and it answers those alone. So
 * a device that speaks from another address is on trial there: its records go up, answers go to both
 * addresses, and the device is there once the server has answered it by a record that needs a key
 * and the old address has stayed silent. Should somebody have feigned all this, the device's next word puts
 * its own address on trial in turn. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "base/mono.h"

struct datapath;
struct flow;
struct opaque;
struct parcel;

/* In flow keys, in place of who proved itself: nobody did, and no other flow has this number. */
#define OPAQUE_IDENTITY UINT32_MAX

/* All opaque endpoints are the first worker's: nobody can tell whose a connection id of a server is. Passes what
 * may be of one there; false for all else, and at the first worker. */
bool opaque_is_elsewhere(struct datapath *dp, struct parcel *p);
/* Takes a datagram that came to a port for DTLS, when it is of an opaque device; false when it is not. */
bool opaque_up(struct datapath *dp, struct parcel *p);
/* Server to device: a datagram of an opaque flow's association. */
void opaque_down(struct datapath *dp, struct flow *flow, const uint8_t *bytes, size_t n,
	struct mono now);

/* Makes what an opaque flow has beside the others. Returns 0 or -ENOMEM. */
int opaque_create(struct opaque **opaque) MUST_CHECK;
/* Ends it with its flow. Does nothing to a flow that has none. */
void opaque_end(struct datapath *dp, struct flow *flow);
/* When the trial of another address is over; MONO_NEVER while there is none. */
struct mono opaque_trial_ends(const struct flow *flow);
/* Time passed: the device has moved, or has not. */
void opaque_tick(struct datapath *dp, struct flow *flow, struct mono now);
/* Ends a trial without a word: sockets change. */
void opaque_settle(struct flow *flow);
/* The connection id by which the device's records name their session; empty when none is known. */
struct slice opaque_cid(const struct flow *flow);
/* Sets it, after a restart. */
void opaque_set_cid(struct datapath *dp, struct flow *flow, struct slice cid);
