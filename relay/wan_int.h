/* Private to wan.c, wan_round.c and wan_socket.c: the parts of one association. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/mono.h"

struct wan;

/* A device that asks may cut a pause short, but not below this since the last try, ms. */
#define WAN_NUDGE_MS 5000

/* Has a socket that stands towards the peer: from this port, or, when 0, as it is or from any. Returns
 * 0 or -errno; a route that is missing right now is no error. */
int wan_socket_towards(struct wan *wan, const struct addr *peer, uint16_t port) MUST_CHECK;
/* True when the interface that it is bound to is another one by now, of the same name. */
bool wan_socket_is_stale(const struct wan *wan);
/* Closes it; safe when there is none. */
void wan_socket_close(struct wan *wan);

/* Begins a round with the first candidate, or waits for an address. */
void wan_round_begin(struct wan *wan, struct mono now);
/* Goes to the next candidate; behind the last one, or when its time is over, the round has failed. */
void wan_candidate_next(struct wan *wan, const char *why, struct mono now);
/* How many candidates a round has. */
unsigned wan_candidates(const struct wan *wan);
/* What was tried came to nothing; why is for the log. */
void wan_attempt_lost(struct wan *wan, const char *why, struct mono now);
/* Tries a new session beside the present one, or a plain server's next address (rule 10). */
void wan_suspect(struct wan *wan, struct mono now);
/* When wan_suspect is due; MONO_NEVER while all is well. */
struct mono wan_suspicion_at(const struct wan *wan);
/* True when silence can be mended: by a new session, or by another address. */
bool wan_can_mend_silence(const struct wan *wan);
/* A pause with jitter that doubles with each failure, ms. */
int64_t wan_backoff_ms(const struct wan *wan);
/* Messages pass from now on. */
void wan_came_up(struct wan *wan, struct mono now);
/* The socket's port is the one to remember. */
void wan_keep_port(struct wan *wan);
