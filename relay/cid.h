/* Connection ids that servers gave to opaque devices, as a table: a record with one may come from anywhere
 * (RFC 9146, RFC 9147 9). Lengths differ, and a header does not tell its own. */
#pragma once
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "base/list.h"
#include "flow.h"

/* Most bytes of one (RFC 9146 3). */
#define CID_MAX 255

/* One connection id. Zeroed is none; embedded in its owner, which must clear it. */
struct cid {
	struct list node;    /* in the table, where n is not 0 */
	struct flow_id flow; /* whose it is */
	uint8_t n;           /* bytes; 0: none */
	uint8_t bytes[CID_MAX]; /* the id */
};

struct cids;

/* Makes an empty table. Returns 0 or -ENOMEM. */
int cids_create(struct cids **cids) MUST_CHECK;
/* Ends it; it must be empty. NULL is allowed. */
void cids_free(struct cids *cids);
/* Makes it the id of a flow, in place of what it was; an empty one, or one that is too long, is none. */
void cid_set(struct cids *cids, struct cid *cid, struct flow_id flow, struct slice id);
/* Makes it none. */
void cid_clear(struct cids *cids, struct cid *cid);
/* Calls found for every id that these bytes begin with. */
void cids_each(const struct cids *cids, struct slice bytes,
	void (*found)(void *who, const struct cid *cid), void *who);
