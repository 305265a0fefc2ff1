/* Interfaces come and go, and come back under another number: sockets and flows that hold the old number
 * are mended (DESIGN.md 6, rule 20). */
#pragma once
#include <stdint.h>

struct datapath;
struct flow;
struct parcel;

/* Opens sockets anew whose interface was made anew, and those that were lost; of all workers, which are held. Where
 * one of them needs it all do: they are numbered in the order in which they are opened, from the first on, and the
 * first can not come to a port where others are. `dp` is the first worker's. */
void reopen_ports(struct datapath *dp);
/* Forgets the interface of a flow, or of its session, when no interface has that number any more: what goes down is routed,
 * and reopen_follow gives it the one that the device speaks by next. `known` is a number that is there,
 * kept from call to call to ask the kernel rarely; 0 at first. */
void reopen_flow(struct datapath *dp, struct flow *flow, uint32_t *known);
/* The first flow of the parcel's address whose interface is not known, now with the parcel's; NULL when
 * there is none. No ping is needed: the interface that it was known by is gone. */
struct flow *reopen_follow(struct datapath *dp, const struct parcel *p);
