/* What the echo server says to one CoAP request, whatever brought it. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "codec.h"

/* What was asked for, since the start. */
struct answer_stats {
	uint64_t registers; /* POST /rd */
	uint64_t updates;   /* POST /rd/... and DELETE /rd/... */
	uint64_t requests;  /* any other request */
	uint64_t pings;     /* empty CON, answered with RST */
	uint64_t ignored;   /* no CoAP, or nothing that wants an answer */
};

/* Most bytes of an answer beyond those of its request, where the request does not name them. */
#define ANSWER_EXTRA 32

/* Writes the answer to the message into room, and gives its length; 0 when there is none. POST /rd is
 * answered 2.01 with a Location, GET with Observe 2.05 with it, any other with its own payload; a block with its first 16 bytes; GET
 * with n= bytes that begin with p= of the query (see mark.h). */
size_t answer_make(struct answer_stats *stats, const struct codec_message *m, uint8_t *room,
	size_t size) MUST_CHECK;
