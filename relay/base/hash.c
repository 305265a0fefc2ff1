/* SipHash-1-3 (Aumasson, Bernstein). */
#include "base/hash.h"
#include <string.h>
#include "base/rand.h"

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

#define SIPROUND(v)                                                                                \
	do {                                                                                       \
		v[0] += v[1], v[1] = rotl(v[1], 13), v[1] ^= v[0], v[0] = rotl(v[0], 32);          \
		v[2] += v[3], v[3] = rotl(v[3], 16), v[3] ^= v[2];                                 \
		v[0] += v[3], v[3] = rotl(v[3], 21), v[3] ^= v[0];                                 \
		v[2] += v[1], v[1] = rotl(v[1], 17), v[1] ^= v[2], v[2] = rotl(v[2], 32);          \
	} while (0)

/* Eight bytes in little-endian order: written out, so that it is one load where the machine's order
 * is the same. */
static inline uint64_t eight(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
		(uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

/* Fewer than eight, in the same order. */
static inline uint64_t rest(const uint8_t *p, size_t n)
{
	uint64_t m = 0;
	for (size_t i = 0; i < n; i++)
		m |= (uint64_t)p[i] << (8 * i);
	return m;
}

void hash_key_init(struct hash_key *key)
{
	rand_bytes(key, sizeof(*key));
}

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t n)
{
	uint64_t v[4] = { key->k0 ^ 0x736f6d6570736575ULL, key->k1 ^ 0x646f72616e646f6dULL,
		key->k0 ^ 0x6c7967656e657261ULL, key->k1 ^ 0x7465646279746573ULL };
	const uint8_t *p = bytes;
	size_t left = n;
	for (; left >= 8; p += 8, left -= 8) {
		uint64_t m = eight(p);
		v[3] ^= m;
		SIPROUND(v);
		v[0] ^= m;
	}
	uint64_t last = (uint64_t)(n & 0xff) << 56 | rest(p, left);
	v[3] ^= last;
	SIPROUND(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		SIPROUND(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
