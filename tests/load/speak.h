/* What devices say: their requests, notifications and answers as CoAP, and whether the server's answer
 * is right. It knows no socket. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "codec.h"
#include "mark.h"

/* What a device says unasked. */
enum speak_kind {
	SPEAK_CONNECT,  /* a DTLS handshake; nothing of CoAP */
	SPEAK_REGISTER, /* POST /rd, to be answered 2.01 */
	SPEAK_OBSERVE,  /* GET /dp with Observe, to be answered 2.05 with it */
	SPEAK_POST,     /* POST /dp, to be answered 2.04 with the same payload */
	SPEAK_GET,      /* GET /dp, to be answered 2.05 with a payload that the query names */
	SPEAK_NOTIFY,   /* NON 2.05 with Observe, not to be answered */
	SPEAK_CONFIRM,  /* the same as CON, to be acknowledged */
	SPEAK_BLOCK1,   /* POST /dp block by block: 2.31 for each, 2.04 for the last */
	SPEAK_BLOCK2    /* GET /dp block by block: 2.05 for each */
};

/* What is the same for all devices. */
struct speech {
	const char *name;      /* endpoint names are this and a number of four digits or more */
	const char *proxy_uri; /* for a forward proxy, instead of the path; NULL: none */
	unsigned payload;      /* bytes of a message; with blocks 16, 32, ... or 1024 */
	unsigned transfer;     /* bytes of a transfer of blocks */
};

/* An observation of the server's. */
struct observation {
	bool known;
	uint8_t token[MARK_TOKEN];
};

/* One message of a device. */
struct utterance {
	enum speak_kind kind;
	struct mark mark;
	uint16_t mid;
	uint32_t step;                     /* which block */
	const struct observation *observe; /* of notifications */
};

enum speak_verdict {
	SPEAK_GOOD,
	SPEAK_MORE, /* good, and the transfer goes on */
	SPEAK_BAD
};

void speak_put(struct writer *w, const struct speech *s, const struct utterance *u);
/* Whether a response with the right token is what the message must bring. */
enum speak_verdict speak_judge(const struct speech *s, const struct utterance *u,
	const struct codec_message *m) MUST_CHECK;
/* Writes a device's answer to a request of the server; an observation begins with it. */
void speak_answer(struct writer *w, const struct speech *s, struct observation *observe,
	const struct mark *asked, const struct codec_message *m);
