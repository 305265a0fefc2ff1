/* The worker of lwgate-net: applies what lwgated wants and mends it until lwgated goes. */
#pragma once
#include "base/bug.h"

/* How a worker ended; its exit status. */
enum serve_end {
	SERVE_LEFT = 0,    /* its peer went or said so; everything is taken away */
	SERVE_BROKEN = 1,  /* the kernel's sockets failed, or it got a signal; another worker may do better */
	SERVE_REFUSED = 2, /* it can not work, and has told why; another one could not either */
};

/* Serves the seqpacket socket `fd` until its peer goes or SIGTERM comes, which the caller has blocked.
 * Restricts its own system calls for good. */
enum serve_end serve(int fd) MUST_CHECK;
