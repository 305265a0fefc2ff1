/* Whoever speaks without a flow: who is it, which server, may it? (DESIGN.md 6, rules 1 to 3) */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bug.h"
#include "stat.h"

struct datapath;
struct flow;
struct parcel;

/* Serves a message of somebody who has no flow: makes or moves one, answers, or stays silent. */
void newcomer_up(struct datapath *dp, struct parcel *p);
/* A Register or Bootstrap-Request names another endpoint, or another kind of server, than the flows
 * of its LAN association: it is a newcomer too. */
bool newcomer_is_other(const struct flow *first, const struct parcel *p);
/* Answers a CON with this code, within the listener's budget. max_age_s is left out when negative. */
void newcomer_refuse(struct datapath *dp, const struct parcel *p, uint8_t code, int max_age_s);
