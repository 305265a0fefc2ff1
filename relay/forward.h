/* The last station: a message is sent, waits for the association, or is answered in its stead
 * (DESIGN.md 6, rules 8 to 11). */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/mono.h"

struct datapath;
struct flow;
struct parcel;

/* Sends a device's message to the flow's server, or lets it wait, or answers 5.04. */
void forward_up(struct datapath *dp, struct flow *flow, const struct parcel *p);
/* The association came up: what waits goes out, oldest first. */
void forward_held(struct datapath *dp, struct flow *flow, struct mono now);
/* No association came up in time: waiting requests outside the registration interface get 5.04. */
void forward_late(struct datapath *dp, struct flow *flow);
/* Ends what waited too long. */
void forward_expire(struct datapath *dp, struct flow *flow, struct mono now);
/* The flow ends: what waits is lost, and counted. */
void forward_forget(struct datapath *dp, struct flow *flow);
/* Sends bytes of our own to the flow's device. */
void forward_to_device(struct flow *flow, const uint8_t *bytes, size_t n);
