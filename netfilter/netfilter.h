/* The seam to lwgate-net, the hand that touches the kernel: the wanted state as plain data, and what
 * comes back. plan.h computes what the kernel is to hold, wire.h carries it, helper.h is lwgated's end. */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"

/* Listeners that capture; interfaces, ports, and known servers of one of them. */
#define CAPTURE_LISTENS    8
#define CAPTURE_INTERFACES 16
#define CAPTURE_PORTS      32
#define CAPTURE_SERVERS    64
/* Buffers of a captured listener's socket, bytes: beyond the kernel's limit for everybody. */
#define CAPTURE_BUFFER (4 * 1024 * 1024)
/* Room for a sentence for people, with its end. */
#define CAPTURE_TEXT 256

/* What one listener captures: UDP to these ports that comes in by these interfaces and is called at
 * somebody else's unicast address. */
struct capture_listen {
	char interface[CAPTURE_INTERFACES][IF_NAMESIZE]; /* names, ended by 0; need not exist yet */
	size_t interface_count; /* of interface, at least 1 */
	uint16_t port[CAPTURE_PORTS]; /* host order */
	size_t port_count; /* of port, at least 1 */
	bool is_narrow; /* capture only what calls a server; foreign 'pass' */
	struct addr server[CAPTURE_SERVERS]; /* without port; none: a narrow listener captures nothing */
	size_t server_count; /* of server */
	bool is_closed; /* while nobody serves, what would be captured is dropped; else forwarded */
};

/* The wanted state, whole. Zeroed it means: nothing is captured. */
struct capture {
	uint32_t generation; /* comes back with the answer */
	uint32_t mark; /* of captured packets; bits of mask only, not 0 */
	uint32_t mask; /* the bits of the packet mark that are ours */
	struct capture_listen listen[CAPTURE_LISTENS]; /* listeners */
	size_t listen_count; /* of listen */
};

/* What had to be mended or taken away since lwgate-net began. */
struct capture_counts {
	uint32_t rules;  /* policy rules that somebody had removed */
	uint32_t routes; /* local routes that somebody had removed or changed */
	uint32_t tables; /* the fail-closed table, removed or changed */
	uint32_t flows;  /* conntrack entries of older flows that were deleted */
};
