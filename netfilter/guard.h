/* The guard of lwgate-net: starts the worker once there is something to do, and another one when it dies.
 * It is what keeps the right for that; lwgated has given its own up by then. */
#pragma once
#include "base/bug.h"

/* Sleeps until something comes by the seqpacket socket `fd`, then starts workers on it until one leaves in order, the peer is gone, or SIGTERM
 * comes. Returns the program's exit status. */
int guard(int fd) MUST_CHECK;
