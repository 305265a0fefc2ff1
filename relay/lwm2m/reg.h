/* The registration and bootstrap interfaces, as far as a relay must understand them (LwM2M Core
 * 1.1..1.2.2, 6.1 and 6.2). Works on slices of a message; knows no CoAP library and no wire. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cursor.h"

/* What a request from a device means. */
enum reg_kind {
	REG_OTHER,      /* no business of the registration interface */
	REG_REGISTER,   /* POST /rd */
	REG_UPDATE,     /* POST /rd/... */
	REG_DEREGISTER, /* DELETE /rd/... */
	REG_BOOTSTRAP,  /* POST /bs */
	REG_BSPACK,     /* GET /bspack */
	REG_RD_OTHER    /* anything else under /rd */
};

/* Most path segments and query options that are looked at; more are counted, not kept. */
#define REG_SEGMENTS 8
#define REG_QUERIES  16

/* A request in slices, borrowed from the message. */
struct reg_request {
	uint8_t code;                       /* CoAP code, e.g. 2 for POST */
	struct slice segment[REG_SEGMENTS]; /* Uri-Path options in order */
	size_t segments;                    /* how many there were, also beyond the array */
	struct slice query[REG_QUERIES];    /* Uri-Query options in order */
	size_t queries;                     /* how many there were, also beyond the array */
};

/* What the request says. */
struct reg_info {
	enum reg_kind kind;  /* which operation */
	bool has_ep;         /* the first ep= is there and not empty */
	struct slice ep;     /* value of the first ep=, borrowed */
	bool ep_doubtful;    /* a server may read another name: do not forward, answer 4.00 */
	bool has_lifetime;   /* there is an lt= that is a number */
	uint32_t lifetime_s; /* lt= in seconds, at most UINT32_MAX, 0 is without end; when there is
	                      * none, REG_LIFETIME_DEFAULT */
};

/* Registered lifetime when the device names none, in seconds (LwM2M Core 6.2.1). */
#define REG_LIFETIME_DEFAULT 86400

/* Reads a request. One empty segment at the end of the path ("/rd/") means nothing. Two ep=: the
 * first counts; when a later one differs, or could hide behind the array's end, the name is
 * doubtful. An lt= that is no number does not count. Nothing is percent-decoded. */
struct reg_info reg_read(const struct reg_request *request);
/* Writes a path, "/rd/0", with its end: a '/' in front of each segment, one empty segment at the
 * end left out, "/" when there is none. False when it does not fit, there are more segments than
 * REG_SEGMENTS, or one holds '/' or a byte that is no visible ASCII, so that two paths of one text
 * are one path and the text can stand in a log, a table or a file. */
bool reg_path(const struct slice *segment, size_t segments, char *text, size_t size);
