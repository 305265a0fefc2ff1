/* Many devices that ask one server: each has its own socket, endpoint name, message ids and tokens.
 * An exchange is one CON and its answer. The fleet sends when it is told to, checks every answer,
 * and knows what is outstanding; how fast and how much is its caller's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/cursor.h"
#include "hist.h"

/* Most exchanges that one device may have outstanding: the token has a byte for it. */
#define FLEET_WINDOW_MAX 256
/* Devices that the token can name, and more than an address has ports. */
#define FLEET_DEVICES_MAX 60000
/* Bytes of payload: below, device and number find no room. */
#define FLEET_PAYLOAD_MIN 16
#define FLEET_PAYLOAD_MAX 1280

struct fleet_spec {
	struct addr target; /* the server, or what stands before it */
	struct addr local;  /* the first device's; others have the ports behind it. Port 0: any */
	const char *name;   /* endpoint names are this and a number of four digits or more */
	unsigned devices;
	unsigned window;  /* exchanges that one device may have outstanding */
	unsigned payload; /* bytes */
	int64_t timeout;  /* an unanswered request is repeated or lost after this, ns */
	unsigned retries; /* repetitions of a POST; those of a Register are fixed */
	uint64_t seed;    /* of the order of devices, never 0 */
	struct slice key; /* 4 to 64 bytes; none: no DTLS. The endpoint name is the identity */
	bool derive;      /* the key's last four bytes are the device's number, big-endian */
};

/* What became of the exchanges. */
struct fleet_stats {
	uint64_t sent;       /* requests, without repetitions */
	uint64_t resent;     /* repetitions */
	uint64_t ok;         /* answered as it must be */
	uint64_t lost;       /* given up */
	uint64_t late;       /* other answers to what is over */
	uint64_t dup;        /* answers to what had been answered, of a device's last 64 requests */
	uint64_t foreign;    /* answers that belong to another device */
	uint64_t bad;        /* answers that are wrong: code, payload, no CoAP, RST */
	uint64_t errors;     /* system calls that failed */
	struct hist latency; /* of what is ok */
};

/* What is asked. */
enum fleet_kind {
	FLEET_CONNECT,  /* a DTLS handshake, once for each device; with a key only, and first */
	FLEET_REGISTER, /* POST /rd, to be answered 2.01; once for each device */
	FLEET_POST      /* POST /dp, to be answered 2.04 with the same payload */
};

struct fleet;

/* Opens all sockets, and watches them in the epoll descriptor: data.u64 is the device. NULL, with a
 * message on stderr, on failure. */
struct fleet *fleet_create(const struct fleet_spec *spec, int epoll) MUST_CHECK;
/* Closes and frees all. NULL is allowed. */
void fleet_free(struct fleet *f);
/* Begins a phase: every device may send what is named. Nothing may be outstanding. */
void fleet_begin(struct fleet *f, enum fleet_kind kind);
/* Sends one request of a device drawn by chance. meant is when it should have left: latency counts
 * from there. False when every device has its window full. */
bool fleet_send(struct fleet *f, int64_t meant);
/* Reads one datagram of a device, and checks it. */
void fleet_take(struct fleet *f, uint64_t device);
/* Repeats or gives up what is older than the timeout. Returns when it must be called again, in ns
 * of the clock; INT64_MAX when nothing is outstanding. */
int64_t fleet_expire(struct fleet *f, int64_t now);
/* Exchanges that wait for an answer. */
size_t fleet_outstanding(const struct fleet *f);
/* Devices whose DTLS session is up. */
unsigned fleet_connected(const struct fleet *f);
/* Devices that were answered 2.01. */
unsigned fleet_registered(const struct fleet *f);
/* What became of the exchanges; the caller may reset it. */
struct fleet_stats *fleet_stats(struct fleet *f);
