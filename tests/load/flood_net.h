/* How a flood speaks and hears: from any address of a prefix that is routed to this machine, or with
 * a source address that is a lie. IPv4. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"

/* Most sockets, so that one address has as many ports. */
#define FLOOD_PORTS 64

struct flood_net;

struct flood_net_spec {
	struct addr to;   /* whom it speaks to */
	struct addr from; /* first source address, which with those behind it is routed to here */
	struct addr
		lie; /* port not 0: raw datagrams leave as if from there, and nothing is heard */
	uint32_t sources; /* addresses */
	unsigned ports;   /* sockets, each with a port of its own */
};

/* Opens what is needed. Leaves with a message on failure. */
struct flood_net *flood_net_open(const struct flood_net_spec *spec) MUST_CHECK;
void flood_net_close(struct flood_net *net);
/* How many pairs of address and port there are. */
uint64_t flood_net_clients(const struct flood_net *net);
/* Sends from the client of that number. False when the kernel has no room. */
bool flood_net_send(struct flood_net *net, uint64_t client, const uint8_t *bytes, size_t n);
/* Takes one datagram that came; false when none is there. */
bool flood_net_take(
	struct flood_net *net, uint64_t *client, uint8_t *room, size_t size, size_t *n) MUST_CHECK;
/* Hands over the UDP payloads between the spec's to and lie that pass an interface, for so long. */
void flood_net_listen(const struct flood_net *net, const char *interface, int64_t ns,
	void (*hear)(const uint8_t *datagram, size_t n));
