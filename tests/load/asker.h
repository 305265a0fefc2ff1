/* What the server asks of the devices, over the path by which each registered: requests in a closed or
 * an open loop, whose answers are checked as those to a device are. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "book.h"
#include "codec.h"
#include "paths.h"

enum asker_kind {
	ASKER_WRITE,   /* PUT /dp, to be answered 2.04 with the same payload */
	ASKER_OBSERVE, /* GET /dp with Observe, once for each device, to be answered 2.05 with it */
	ASKER_NOTIFY,  /* NON 2.05 of what the device observes, not to be answered; */
	ASKER_CONFIRM  /* of these some, as CON, to be acknowledged. It is no order of its own */
};

/* What is wanted. */
struct asker_order {
	enum asker_kind kind;
	unsigned devices;
	unsigned window;  /* exchanges that one device may have outstanding */
	size_t inflight;  /* in all */
	unsigned payload; /* bytes */
	unsigned confirm; /* every so many-th notification is a CON; 0: none */
	double rate;      /* a second, 0: as fast as answers come */
	int64_t timeout;  /* until a request is lost, ns */
	uint64_t seed;    /* of the order of devices, never 0 */
};

struct asker;

/* send takes one message to a device. NULL when there is no memory. */
struct asker *asker_create(struct paths *paths,
	void (*send)(const struct path *to, uint8_t *message, size_t n)) MUST_CHECK;
/* Begins to ask the devices whose path is known. 0, or -EBUSY while answers of before are waited for,
 * or -ENOMEM. */
int asker_begin(struct asker *a, const struct asker_order *order) MUST_CHECK;
/* Asks no more; what is outstanding is waited for. */
void asker_stop(struct asker *a);
/* Asks what may be asked now. Returns when it must be called again, ns; INT64_MAX: not until something
 * came. */
int64_t asker_turn(struct asker *a);
/* A response that came by this path. */
void asker_take(struct asker *a, const struct path *from, const struct codec_message *m);
/* An empty ACK that came by this path. */
void asker_acknowledged(struct asker *a, const struct path *from, uint16_t mid);
/* Notifications that were sent since asker_begin. */
uint64_t asker_notified(const struct asker *a);
/* What became of the requests since asker_begin or a reset; NULL before the first. */
struct tally *asker_tally(struct asker *a);
/* Exchanges that wait for an answer. */
size_t asker_outstanding(const struct asker *a);
