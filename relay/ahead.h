/* A known message costs little but waiting for memory, where flows are many: so what a whole batch will look at is
 * asked for before its first datagram has its turn (base/fetch.h). Changes nothing. */
#pragma once
#include "flow.h"
#include "lan.h"

struct datapath;

/* Where the sender of a datagram is, before it is known who that is and whom it calls. */
static inline struct lan_key lan_key_of(const struct lan_port *port, const struct udp_slot *slot)
{
	return (struct lan_key){ slot->peer, slot->ifindex, port->listener->number, 0, 0 };
}


/* The first n datagrams of a batch came to this port. */
void ahead_of_batch(const struct datapath *dp, const struct lan_port *port, struct udp_batch *batch, unsigned n);
