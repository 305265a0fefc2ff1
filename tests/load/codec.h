/* CoAP for the load tools (RFC 7252): reads and writes one message. Independent of the relay's own
 * peek, so that both do not share a mistake. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"

enum codec_type { CODEC_CON, CODEC_NON, CODEC_ACK, CODEC_RST };

/* Codes that the tools use: class in the upper three bits. */
#define CODEC_EMPTY              0x00
#define CODEC_GET                0x01
#define CODEC_POST               0x02
#define CODEC_PUT                0x03
#define CODEC_DELETE             0x04
#define CODEC_CREATED            0x41
#define CODEC_DELETED            0x42
#define CODEC_CHANGED            0x44
#define CODEC_CONTENT            0x45
#define CODEC_CONTINUE           0x5f

#define CODEC_OPT_OBSERVE        6
#define CODEC_OPT_LOCATION_PATH  8
#define CODEC_OPT_URI_PATH       11
#define CODEC_OPT_CONTENT_FORMAT 12
#define CODEC_OPT_URI_QUERY      15
#define CODEC_OPT_BLOCK2         23
#define CODEC_OPT_BLOCK1         27
#define CODEC_OPT_PROXY_URI      35

/* Path segments that are kept; further ones are counted only. */
#define CODEC_SEGMENTS 2
/* Queries that are kept. */
#define CODEC_QUERIES 4
/* An option of a number that is not there. */
#define CODEC_NONE UINT32_MAX

/* One message; its slices point into the datagram. */
struct codec_message {
	enum codec_type type;
	uint8_t code;
	uint16_t mid;
	struct slice token;
	struct slice path[CODEC_SEGMENTS]; /* Uri-Path */
	size_t path_count;                 /* segments in the message */
	struct slice query[CODEC_QUERIES]; /* Uri-Query */
	size_t query_count;                /* of those that are kept */
	uint32_t observe;                  /* these three: the option's number, or CODEC_NONE */
	uint32_t block1;
	uint32_t block2;
	struct slice payload;
};

/* Reads a datagram; false when it is no CoAP message. */
bool codec_read(struct codec_message *m, const uint8_t *bytes, size_t n) MUST_CHECK;
/* Writes header and token (0 to 8 bytes). */
void codec_put_header(
	struct writer *w, enum codec_type type, uint8_t code, uint16_t mid, struct slice token);
/* Writes an option of less than 269 bytes; *last is the number of the one before, 0 at first. */
void codec_put_option(struct writer *w, unsigned *last, unsigned number, struct slice value);
/* The same for an option that is a number of at most three bytes. */
void codec_put_number(struct writer *w, unsigned *last, unsigned number, uint32_t value);
/* The query that begins with the name (such as "ep="), without it; empty when there is none. */
struct slice codec_query(const struct codec_message *m, const char *name) MUST_CHECK;
/* Whether it asks: a code of class 0 other than empty, in a CON or NON. */
bool codec_is_request(const struct codec_message *m) MUST_CHECK;

/* Block1 and Block2 (RFC 7959 2.2). The exponent is that of the size less 4: 2 is 64 bytes. */
struct codec_block {
	uint32_t number;
	bool more;
	unsigned exponent;
};
/* Blocks as the number of their option, and back. */
uint32_t codec_block_value(struct codec_block b);
struct codec_block codec_block_of(uint32_t value);

/* Writes marker and payload; nothing for an empty one. */
void codec_put_payload(struct writer *w, struct slice payload);
