/* Sockets that get what was called at somebody else's address, and may answer from it. */
#pragma once
#include "netfilter/netfilter.h"
#include "base/bug.h"

/* Opens and binds it: wildcard, transparent, with packet information, large receive buffer, not
 * blocking. Needs CAP_NET_ADMIN; whoever uses it later does not. Returns the descriptor or -errno:
 * -EADDRINUSE when another program has the port, -ENODEV when the interface is not there. */
int transparent_open(const struct capture_socket *socket) MUST_CHECK;
