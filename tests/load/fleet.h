/* Many devices that talk to one server: each has its own socket, endpoint name, message ids and tokens.
 * The fleet sends when it is told to, checks every answer, answers what the server asks, and knows what
 * is outstanding; how fast and how much is its caller's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"
#include "base/cursor.h"
#include "book.h"
#include "fault.h"
#include "speak.h"

struct fleet_spec {
	struct addr target; /* the server, or what stands before it */
	struct addr local;  /* the first device's; others have the ports behind it. Port 0: any */
	bool spread;        /* each device also has an address of its own, one behind the other */
	struct speech speech;
	unsigned devices;
	unsigned window;      /* exchanges that one device may have outstanding */
	unsigned confirm;     /* every so many-th notification is a CON; 0: none */
	int64_t timeout;      /* an unanswered request is repeated or lost after this, ns */
	unsigned retries;     /* repetitions of a request; those of a Register are fixed */
	uint64_t seed;        /* of the order of devices, never 0 */
	bool turns;           /* see book.h */
	unsigned greedy;      /* see book.h */
	struct slice key;     /* 4 to 64 bytes; none: no DTLS. The endpoint name is the identity */
	bool derive;          /* the key's last four bytes are the device's number, big-endian */
	struct faults faults; /* of all that is said after the registration */
	unsigned
		anew; /* the so many-th repetition of a request begins a session anew; 0: none does */
	unsigned skip; /* every so many-th block is the one behind it, 0: none */
};

/* What devices do in a phase. */
enum fleet_kind {
	FLEET_CONNECT,  /* a DTLS handshake, once for each device; with a key only, and first */
	FLEET_REGISTER, /* once for each device */
	FLEET_OBSERVE,  /* the server, once for each device */
	FLEET_POST,     /* these are the kinds of speak.h */
	FLEET_GET,
	FLEET_NOTIFY,
	FLEET_BLOCK,  /* transfers of blocks, up and down by turns */
	FLEET_MIXED,  /* of a hundred 45 POST, 20 GET, 34 notifications, 1 transfer */
	FLEET_LISTEN, /* nothing of their own: the server asks */
	FLEET_HEED    /* the same: the server notifies of what they observe */
};

struct fleet;

/* Opens all sockets, and watches them in the epoll descriptor: data.u64 is the device. NULL, with a
 * message on stderr, on failure. */
struct fleet *fleet_create(const struct fleet_spec *spec, int epoll) MUST_CHECK;
/* Closes and frees all. NULL is allowed. */
void fleet_free(struct fleet *f);
/* Begins a phase: every device may do what is named. Nothing may be outstanding. */
void fleet_begin(struct fleet *f, enum fleet_kind kind);
/* Lets a device drawn by chance say one thing. meant is when it should have left: latency counts
 * from there. False when every device has its window full. */
bool fleet_send(struct fleet *f, int64_t meant);
/* Reads one datagram of a device, and checks it. */
void fleet_take(struct fleet *f, uint64_t device);
/* Repeats or gives up what is older than the timeout. Returns when it must be called again, in ns
 * of the clock; INT64_MAX when nothing is outstanding. */
int64_t fleet_expire(struct fleet *f, int64_t now);
/* Devices whose DTLS session is up. */
unsigned fleet_connected(const struct fleet *f);
/* Devices that were answered 2.01. */
unsigned fleet_registered(const struct fleet *f);
/* Notifications that were sent. */
uint64_t fleet_notified(const struct fleet *f);
/* Notifications of the server's that came, each newer than those before; and all that came. */
uint64_t fleet_heeded(const struct fleet *f);
uint64_t fleet_pushed(const struct fleet *f);
/* Requests of the server that were answered. */
uint64_t fleet_asked(const struct fleet *f);
/* All that was asked, and what became of it. */
struct book *fleet_book(struct fleet *f);
