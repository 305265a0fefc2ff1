/* What the kernel is to hold, computed from the wanted state; pure. The rules are text for
 * libnftables, policy rules and routes are data. */
#pragma once
#include "netfilter/netfilter.h"
#include "base/bug.h"

/* The table that vanishes with lwgate-net, and the one that stays to drop. */
#define PLAN_TABLE  "lwgate"
#define PLAN_CLOSED "lwgate_closed"
/* Where our policy rules stand, below 1001, where mwan3 begins, and the routing table they name. */
#define PLAN_PRIORITY 568
#define PLAN_ROUTES   5683
/* Makes our table, empty, or empties it; the other table stays as it is. Who can run it owns ours. */
#define PLAN_EMPTY                                                                                 \
	"table inet " PLAN_TABLE " {\n\tflags owner\n}\ndelete table inet " PLAN_TABLE               \
	"\ntable inet " PLAN_TABLE " {\n\tflags owner\n}\n"
/* Removes a table of our name that nobody owns, which would be in the way: the kernel gives none an
 * owner later. */
#define PLAN_REMOVE "delete table inet " PLAN_TABLE "\n"
/* Room for the rules of the largest wanted state. */
#define PLAN_ROOM (256 * 1024)
/* All interfaces of all listeners. */
#define PLAN_INTERFACES (CAPTURE_LISTENS * CAPTURE_INTERFACES)

/* Everything that is to be there. */
struct plan {
	char rules[PLAN_ROOM]; /* one transaction: both tables replaced whole, or removed */
	char interface[PLAN_INTERFACES][IF_NAMESIZE]; /* a policy rule each, IPv4 and IPv6 */
	size_t interface_count; /* of interface; 0: neither rules nor local routes */
	uint32_t mark, mask; /* of those rules */
	bool is_closed; /* the second table is there */
};

/* Says in one sentence what is wrong with a wanted state, into CAPTURE_TEXT bytes. Returns 0 or
 * -EINVAL. */
int plan_check(const struct capture *capture, char why[CAPTURE_TEXT]) MUST_CHECK;
/* Computes the plan. Returns 0, -EINVAL where plan_check does, or -EMSGSIZE. */
int plan_make(struct plan *plan, const struct capture *capture) MUST_CHECK;
/* True when a flow from anybody to this address and port would be captured, wherever it comes in. */
bool plan_captures(const struct capture *capture, const struct addr *called);
