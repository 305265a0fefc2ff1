/* Conntrack: a door to libnl-nf, for lwgate-net. */
#pragma once
#include "netfilter/netfilter.h"
#include "base/bug.h"

/* Deletes the entries of flows that will be captured and began before: those that were forwarded, with
 * or without NAT, called at somebody else's address. What this machine itself sends or is called at
 * stays. Call it when the rules are there. Returns how many, or -errno. */
long ct_forget(const struct capture *capture) MUST_CHECK;
