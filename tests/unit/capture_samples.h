/* Wanted states that several tests of the room netfilter use. */
#pragma once
#include <string.h>
#include "netfilter/netfilter.h"

/* One listener on lan0 and lan1, ports 5683 and 5684, everything captured. */
static inline struct capture sample_wide(void)
{
	struct capture c = { .generation = 7, .mark = 0x8000000, .mask = 0x8000000, .listen_count = 1 };
	struct capture_listen *l = &c.listen[0];
	memcpy(l->interface[0], "lan0", 5);
	memcpy(l->interface[1], "br-lan.7", 9);
	l->interface_count = 2;
	l->port[0] = 5683;
	l->port[1] = 5684;
	l->port_count = 2;
	return c;
}

/* A second listener that captures calls to two servers only, and drops them while nobody serves. */
static inline struct capture sample_narrow(void)
{
	struct capture c = sample_wide();
	struct capture_listen *l = &c.listen[c.listen_count++];
	memcpy(l->interface[0], "lan0", 5);
	l->interface_count = 1;
	l->port[0] = 5783;
	l->port_count = 1;
	l->is_narrow = l->is_closed = true;
	l->server_count = addr_parse(&l->server[0], "198.51.100.10") == 0 &&
		addr_parse(&l->server[1], "2001:db8:2::10") == 0 ? 2 : 0;
	return c;
}
