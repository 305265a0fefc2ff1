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

/* Most path segments and query options that are looked at; more than these are counted, not kept. */
#define REG_SEGMENTS 8
#define REG_QUERIES  16

/* A request in slices, borrowed from the message. */
struct reg_request {
	uint8_t code;                         /* CoAP code, e.g. 2 for POST */
	struct slice segment[REG_SEGMENTS];   /* Uri-Path options in order */
	size_t segments;                      /* how many there were, also beyond the array */
	struct slice query[REG_QUERIES];      /* Uri-Query options in order */
	size_t queries;                       /* how many there were, also beyond the array */
};

/* What the request says. */
struct reg_info {
	enum reg_kind kind;
	bool has_ep;
	struct slice ep;       /* value of ep=, borrowed */
	bool has_lifetime;
	uint32_t lifetime_s;   /* value of lt=, seconds; 0 is without end */
};

/* Registered lifetime when the device names none, in seconds (LwM2M Core 6.2.1). */
#define REG_LIFETIME_DEFAULT 86400

/* Reads a request. Two ep= or an lt= that is no number: the first ep counts, the lt does not. */
struct reg_info reg_read(const struct reg_request *request);
/* Joins segments, all in the array, with '/' and a '/' in front, into text with its end; false when
 * it does not fit. */
bool reg_path(const struct slice *segment, size_t segments, char *text, size_t size);
