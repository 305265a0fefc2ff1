/* Sockets that get what was called at somebody else's address, and may answer from it. */
#pragma once
#include "base/bug.h"

/* Makes somebody's UDP socket transparent, and its buffers CAPTURE_BUFFER large at least; bound or not, with traffic on it or not: the option belongs to
 * what all copies of the descriptor share. Needs CAP_NET_ADMIN; whoever uses the socket does not. fd stays
 * the caller's. Returns 0, -EINVAL when it is no UDP socket of IPv4 or IPv6, or -errno. */
int transparent_make(int fd) MUST_CHECK;
