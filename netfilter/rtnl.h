/* Listening to the kernel's address, route, rule and link events, which needs no right: a door to
 * libnl. */
#pragma once
#include "base/bug.h"

struct rtnl;

/* Opens a listener for IPv4 and IPv6 addresses, routes and rules, and for links. Returns 0 or
 * -errno. */
int rtnl_open(struct rtnl **rtnl) MUST_CHECK;
/* The descriptor to wait on for reading. */
int rtnl_fd(const struct rtnl *rtnl);
/* Reads what has come, within bounds; call it again when the descriptor is ready again. Returns 1
 * when something changed that may change a source address (also when events were lost), 0 when
 * not, -errno when the socket is of no more use. */
int rtnl_read(struct rtnl *rtnl) MUST_CHECK;
/* Closes the listener. NULL is allowed. */
void rtnl_close(struct rtnl *rtnl);
