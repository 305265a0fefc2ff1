/* Seals records of DTLS 1.3 as a device would, from its traffic secret: any number, any epoch, either
 * form of the header. AES-128 and SHA-256 alone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cursor.h"

/* One epoch of one direction. */
struct sealer13 {
	uint8_t secret[32];
	uint64_t epoch;
	struct slice cid; /* that the records carry, borrowed */
	size_t tag;       /* bytes, 8 or 16 */
	bool ccm;         /* not GCM */
	bool is_short;    /* 8 bits of number and no length, not 16 and a length */
};

/* RFC 9147 4: inner content types. */
enum { SEALER13_HANDSHAKE = 22, SEALER13_DATA = 23 };

/* Goes on to the next epoch (RFC 8446 7.2). */
void sealer13_update(struct sealer13 *s);
/* Writes a record into out, which has 64 bytes more than n; returns its length. */
size_t sealer13_seal(const struct sealer13 *s, uint8_t type, uint64_t number, const void *plain,
	size_t n, uint8_t *out);
