/* An endpoint that comes back from a new address without DTLS: it gets its flow only when the old
 * address stays silent to a CoAP ping (DESIGN.md 6, rule 3). */
#pragma once
#include <stdbool.h>
#include "base/list.h"
#include "base/mono.h"

struct datapath;
struct flow;
struct lan_key;
struct parcel;

/* Registers that wait. Set up by moves_init. */
struct moves {
	struct list waiting; /* ring of struct move */
	_Atomic unsigned count; /* how many; other workers read it */
};

/* Makes an empty set. */
void moves_init(struct moves *moves);
/* A Register of the flow's endpoint came from another address: pings the old one and waits, or
 * refuses with 4.03 where moving is not allowed. */
void move_begin(struct datapath *dp, struct flow *flow, struct parcel *p);
/* The device was heard, or found by other means: the waiting Register, if there is one, is contested and
 * refused; one from the very address `from` is only forgotten, for its next copy finds the flow there. */
void move_refuse(struct datapath *dp, struct flow *flow, const struct lan_key *from, struct mono now);
/* The flow's own address was heard: a waiting move is contested and refused. Returns true when the
 * message was the answer to our ping and goes nowhere. */
bool move_heard(struct datapath *dp, struct flow *flow, const struct parcel *p);
/* The flow of a node in the ring of waiting moves. */
struct flow *move_flow(struct list *node);
/* Gives up a waiting move without a word. Safe when there is none. */
void move_cancel(struct datapath *dp, struct flow *flow);
