/* Private to wan.c and wan_socket.c: the socket of an association. */
#pragma once
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"

struct wan;

/* Has a socket that stands towards the peer: from this port, or, when 0, as it is or from any. Returns
 * 0 or -errno; a route that is missing right now is no error. */
int wan_socket_towards(struct wan *wan, const struct addr *peer, uint16_t port) MUST_CHECK;
/* Closes it; safe when there is none. */
void wan_socket_close(struct wan *wan);
