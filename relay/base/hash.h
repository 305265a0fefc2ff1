/* Keyed hashing (SipHash-1-3): strangers choose the keys of our tables, so they must not be able
 * to choose where in the table they land. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* The secret of one table. */
struct hash_key {
	uint64_t k0; /* random */
	uint64_t k1; /* random */
};

/* Draws a new secret. */
void hash_key_init(struct hash_key *key);
/* Hashes n bytes under the key. */
uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t n);
