/* A book of exchanges: who asked what, and waits for which answer. Devices keep one, and the server
 * keeps one of what it asks of devices; so a party is a device in both. It knows no socket: messages
 * are written and sent by its owner. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/list.h"
#include "codec.h"
#include "hist.h"
#include "mark.h"

/* One exchange: a request, and the answer it waits for. */
struct exchange {
	struct list queue; /* among those that wait */
	int64_t meant;     /* when the request should have left, ns */
	int64_t sent;      /* when it left last, ns */
	uint32_t device;   /* whose it is */
	uint32_t number;   /* of the device's request */
	uint32_t place;    /* among the free ones */
	uint32_t turn;     /* in which it was asked */
	uint32_t step;     /* the owner's: which block of a transfer */
	uint16_t mid;      /* message id */
	uint8_t index;     /* among the exchanges of its device */
	uint8_t kind;      /* the owner's: what is asked */
	bool waits;        /* for its answer */
	unsigned tries;    /* repetitions left */
};

/* What became of the exchanges. */
struct tally {
	uint64_t sent;       /* requests, without repetitions */
	uint64_t resent;     /* repetitions */
	uint64_t ok;         /* answered as it must be */
	uint64_t lost;       /* given up */
	uint64_t late;       /* other answers to what is over */
	uint64_t dup;        /* answers to what had been answered, of a device's last 64 requests */
	uint64_t foreign;    /* messages that belong to another device */
	uint64_t bad;        /* messages that are wrong: code, payload, no CoAP, RST */
	uint64_t errors;     /* system calls that failed */
	struct hist latency; /* of what is ok */
};

struct book_spec {
	unsigned devices;
	unsigned window;     /* exchanges that one device may have outstanding */
	enum mark_side side; /* who asks */
	int64_t timeout;     /* an unanswered request is repeated or lost after this, ns */
	uint64_t seed;       /* of the order of devices, never 0 */
	bool turns;          /* every device once, in random order, before any is drawn again */
	unsigned greedy; /* device 0 asks this many times as often as another; 0: as any other */
	/* Writes the request and sends it, also when it is repeated. */
	void (*emit)(void *owner, struct exchange *x);
	void *owner;
};

struct book;

/* NULL when there is no memory. */
struct book *book_create(const struct book_spec *spec) MUST_CHECK;
void book_free(struct book *b);
/* What became of the exchanges; the caller may reset it. */
struct tally *book_tally(struct book *b);

/* Nobody may ask, and nothing is outstanding: what was is forgotten. */
void book_clear(struct book *b);
/* This device may ask, with one exchange at a time or with its whole window. */
void book_admit(struct book *b, uint32_t device, bool whole);
/* Whether a device has a free exchange. */
bool book_can_ask(const struct book *b) MUST_CHECK;
/* Begins and emits one exchange of a device drawn by chance. NULL when all windows are full. */
struct exchange *book_ask(struct book *b, uint8_t kind, int64_t meant, unsigned tries);
/* The same exchange goes on with a further request, as a transfer of blocks does. */
void book_ask_on(struct book *b, struct exchange *x, unsigned tries);
/* It was answered as it must be. */
void book_succeed(struct book *b, struct exchange *x);
/* It is over; with again its device may use it for another one. */
void book_end(struct book *b, struct exchange *x, bool again);
/* Repeats what is older than the timeout, or gives it up (to be asked again unless once). Returns when
 * it must be called again, ns; INT64_MAX when nothing is outstanding. */
int64_t book_expire(struct book *b, int64_t now, bool once);

/* The exchange that this response of or to a device answers. NULL when there is none; it was counted
 * then as bad, foreign, late or dup. */
struct exchange *book_match(
	struct book *b, uint32_t device, const struct codec_message *m) MUST_CHECK;
/* The exchange that waits with this message id, NULL when there is none. */
struct exchange *book_by_mid(struct book *b, uint32_t device, uint16_t mid) MUST_CHECK;
/* The first exchange of a device, whether it waits or not. */
struct exchange *book_first(struct book *b, uint32_t device) MUST_CHECK;
/* What the token and payload of an exchange say. */
struct mark book_mark(const struct book *b, const struct exchange *x);
/* Exchanges that wait for an answer. */
size_t book_outstanding(const struct book *b);
/* Gives device and number and message id for a message that waits for no answer. */
uint32_t book_number(struct book *b, uint32_t device, uint16_t *mid);
/* A number from 0 to below n, by chance. */
uint32_t book_draw(struct book *b, uint32_t n);

/* From now on it is noted which devices have been answered. */
void book_watch(struct book *b, int64_t now);
/* When every device had been answered since, ns; 0 when not yet. */
int64_t book_all_answered(const struct book *b);
/* Exchanges of a device that were answered, in time or late, since book_reset_answers. */
uint32_t book_answers(const struct book *b, uint32_t device);
void book_reset_answers(struct book *b);
