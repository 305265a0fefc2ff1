/* What the echo server says to one CoAP message, whatever brought it. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"

/* What was asked for, since the start. */
struct answer_stats {
	uint64_t registers; /* POST /rd */
	uint64_t updates;   /* POST /rd/... and DELETE /rd/... */
	uint64_t requests;  /* any other request */
	uint64_t pings;     /* empty CON, answered with RST */
	uint64_t ignored;   /* no CoAP, or nothing that wants an answer */
};

/* Most bytes that an answer has beyond those of its request. */
#define ANSWER_EXTRA 32

/* Writes the answer to the n bytes of request into room, which holds n + ANSWER_EXTRA bytes, and
 * gives its length; 0 when there is none. */
size_t answer_make(
	struct answer_stats *stats, const uint8_t *request, size_t n, uint8_t *room) MUST_CHECK;
