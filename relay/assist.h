/* Assistance after a change of our own address (DESIGN.md 6, rule 20, `option assist_update`): servers call
 * the old address until they see an Update, so the relay sends an empty one to the Location that it saw, and
 * eats its answer. No message of the device changes. What the server may still believe is its own business:
 * an Update restarts the registration's lifetime, whether the device is alive or not. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/mono.h"
#include "flow.h"
#include "msg.h"

struct datapath;
struct parcel;

/* For the inline functions here alone: each as the one without its `_it`, for a flow that is assisted. */
void assist_note_it(struct flow *flow, const struct parcel *p);
/* See assist_note_it. */
bool assist_eats_it(struct datapath *dp, struct flow *flow, const struct msg *m, struct mono now);
/* See assist_note_it. */
void assist_heard_it(struct flow *flow, const struct flow_asked *asked, uint8_t code);
/* See assist_note_it. */
struct mono assist_due(const struct flow *flow);

/* A message of the device goes up: its message id is not ours for a while. */
static inline void assist_note(struct flow *flow, const struct parcel *p)
{
	if (flow->assist != NULL || flow->wan.server->assist_update)
		assist_note_it(flow, p);
}

/* True when a message of the server answers the relay's own Update: it is not for the device. */
static inline bool assist_eats(struct datapath *dp, struct flow *flow, const struct msg *m,
	struct mono now)
{
	return flow->assist != NULL && assist_eats_it(dp, flow, m, now);
}

/* The server has answered this request of the device, with this code: an Update of its own makes ours
 * needless. */
static inline void assist_heard(struct flow *flow, const struct flow_asked *asked, uint8_t code)
{
	if (flow->assist != NULL)
		assist_heard_it(flow, asked, code);
}

/* When there is something to do for the flow; MONO_NEVER: nothing. */
static inline struct mono assist_next(const struct flow *flow)
{
	return flow->assist != NULL ? assist_due(flow) : MONO_NEVER;
}

/* For the state file: our address as the server knows it, without port, any where that is not known. False
 * for a flow that is not assisted. */
bool assist_save(const struct flow *flow, struct addr *known);
/* After a restart: the server knew the flow by this address, as assist_save told it. An Update is due once the
 * association is up, where that is not our address any more. The rest of the flow is restored already. */
void assist_restore(struct flow *flow, const struct addr *known, struct mono now);
/* As wan_move; where the server knows the flow by another source address than that of now, an Update is
 * due within spread_ms. Addresses are compared, not ports. */
void assist_move(struct datapath *dp, struct flow *flow, uint32_t spread_ms, struct mono now);
/* The association came up; what waits for it is due. The caller arms the flow's timer. */
void assist_is_up(struct flow *flow, struct mono now);
/* Does what is due. The caller arms the flow's timer. */
void assist_tick(struct datapath *dp, struct flow *flow, struct mono now);
/* The association is made anew, maybe with another server: what is under way is over. */
void assist_stop(struct flow *flow);
/* Ends it with the flow. */
void assist_end(struct flow *flow);
