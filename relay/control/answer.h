/* Answers to requests of the control socket, made piece by piece so that a large table never holds
 * up the loop. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/mono.h"
#include "control/control.h"
#include "control/tally.h"
#include "control/text.h"

/* Flows or routes that one piece tells of. */
#define ANSWER_ROWS 64
/* The same, where they are only counted. */
#define ANSWER_COUNTED 2048

/* An answer in the making. Zeroed is none. */
struct answer {
	const struct control_spec *spec; /* of the socket; borrowed */
	/* Adds a piece; false when it was the last. NULL: nothing is left to add. */
	bool (*more)(struct answer *a, struct text *out, struct mono now);
	unsigned worker;     /* whose flows are walked */
	size_t at;           /* how far the walk has come */
	unsigned phase;      /* which walk */
	bool has_one;        /* the array has its first element */
	struct tally *tally; /* what was counted on the way, or NULL */
};

/* Begins the answer to a request line of n bytes; what is wrong with it is an answer too. */
void answer_begin(struct answer *a, const struct control_spec *spec, const char *line, size_t n,
	struct text *out, struct mono now);
/* Adds a piece; false when the answer is whole. */
bool answer_more(struct answer *a, struct text *out, struct mono now);
/* Ends it at any point. */
void answer_fini(struct answer *a);
/* A whole answer that says what is wrong. */
void answer_error(struct text *out, const char *what);

/* Pieces, as answer.more wants them: the relay as a whole. */
bool show_status(struct answer *a, struct text *out, struct mono now);
/* Pieces: the routing table at work. */
bool show_routes(struct answer *a, struct text *out, struct mono now);
/* Pieces: what is configured. */
bool show_endpoints(struct answer *a, struct text *out, struct mono now);
/* Pieces: all numbers. */
bool show_metrics(struct answer *a, struct text *out, struct mono now);
