/* What the relay learns from messages that pass: registrations, their Location and lifetime, and,
 * where a device talks to two servers from one address, which of them an answer is for. It changes
 * no byte. */
#pragma once
#include <stdbool.h>
#include "base/mono.h"
#include "limits.h"
#include "msg.h"

struct datapath;
struct flow;
struct parcel;

/* Fills p->reg from p->msg. */
void track_read(struct parcel *p);
/* Writes the path of a request as a Location; false when it is none. */
bool track_location(const struct msg *m, char location[LOCATION_MAX]);
/* Notes a request of the registration interface that goes up. */
void track_up(struct flow *flow, const struct parcel *p);
/* Notes what a server answers to it. */
void track_down(struct datapath *dp, struct flow *flow, const struct msg *m, struct mono now);
/* The registration lasts from now on for its lifetime and the grace of rule 7. */
void track_extend(struct flow *flow, struct mono now);
/* Which of several flows of one LAN association a message is for. */
struct flow *track_sibling(struct flow *first, const struct parcel *p);
/* Remembers what went down, so that track_sibling knows; only needed where there are siblings. */
void track_recent(struct flow *flow, const struct msg *m);
