/* More comes from devices than can be carried. Then each may send its share, and what goes beyond that is
 * dropped before it costs anything: the kernel's queue is emptied faster than it fills, and whoever sends
 * little loses nothing. The share is found by trial: while a queue stays full it is made smaller, while all
 * are nearly empty larger. Without overload nothing is counted. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mono.h"
#include "timer.h"

struct datapath;
struct flow;
struct lan_session;
struct parcel;

/* What a device's messages are; each kind has the same share, so that one does not push the other out. */
enum overload_kind {
	OVERLOAD_OTHER,     /* requests, and records whose content is not known yet */
	OVERLOAD_PREFERRED, /* the registration interface; answers to the server; handshakes and alerts */
	OVERLOAD_KINDS
};

/* What one device sent in the present window. Zeroed is ready. */
struct portion {
	uint32_t window;               /* that sent[] is of */
	uint32_t sent[OVERLOAD_KINDS]; /* messages, dropped ones too */
};

/* The state of it. Zeroed, and with tick.fire set, is ready. */
struct overload {
	bool is_on;            /* messages are counted */
	bool is_told;          /* the log knows */
	uint32_t window;       /* number of the present one */
	uint32_t share;        /* messages of one kind that a device may send in it; UINT32_MAX: all */
	struct mono began;     /* the window */
	uint32_t messages;     /* that came in it */
	uint32_t dropped;      /* of these */
	uint32_t devices;      /* that they came from */
	uint32_t most;         /* of one device and kind */
	uint32_t most_slot;    /* who that is, as in struct flow_id */
	uint32_t most_generation; /* the same */
	uint64_t carried_most; /* a second, in the best window of this overload */
	unsigned filled;       /* fullest queue at the end of the last window, percent */
	uint64_t told_messages; /* since the log knows; messages, and dropped ones */
	uint64_t told_dropped; /* the same */
	struct mono since;     /* of both */
	struct mono lowered;   /* when the share was made smaller last */
	struct mono dropping;  /* when something was dropped last */
	struct timer tick;     /* end of the window */
};

/* Makes it ready. */
void overload_init(struct overload *overload);
/* A LAN socket was not emptied by many reads in a row: is its queue full? */
void overload_pressed(struct datapath *dp, struct mono now);
/* While there is overload: counts a message of a flow. False when it is beyond the share of its device, and so lost, and
 * counted as that. */
bool overload_admits_message(struct datapath *dp, struct flow *flow, const struct parcel *p);
/* The same for a datagram of a session, not opened; a half-open one has budgets of its own. */
bool overload_admits_record(struct datapath *dp, struct lan_session *s, const uint8_t *datagram, size_t n);
/* The same for one that passes unended. */
bool overload_admits_opaque(struct datapath *dp, struct flow *flow, const uint8_t *datagram, size_t n);
