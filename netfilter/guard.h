/* The guard of lwgate-net: starts the worker, and another one when it dies. It is what keeps the right
 * for that; lwgated has given its own up by then. */
#pragma once
#include "base/bug.h"

/* Starts workers on the seqpacket socket `fd` until one leaves in order, the peer is gone, or SIGTERM
 * comes. Returns the program's exit status. */
int guard(int fd) MUST_CHECK;
