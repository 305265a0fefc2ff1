/* Seals records as either end of a CCM-8 session would, from what stood on the wire and the key:
 * so tests can send what no honest library sends. */
#pragma once
#include "wire.h"

struct sealer {
	uint8_t key[2][16]; /* by enum wire_way */
	uint8_t salt[2][4];
};

/* Learns the keys of a session whose handshake lost nothing. */
void sealer_learn(struct sealer *s, const struct wire *w, struct slice psk);
/* Writes a record of epoch 1 into out; returns its length, 29 more than n. */
size_t sealer_seal(const struct sealer *s, enum wire_way way, uint8_t type, uint64_t number,
	const void *plain, size_t n, uint8_t *out);
/* The same as a record with that connection id (RFC 9146): inner is the content, its type and zeros, or whatever. */
size_t sealer_seal_cid(const struct sealer *s, enum wire_way way, struct slice cid, uint64_t number,
	const void *inner, size_t n, uint8_t *out);
