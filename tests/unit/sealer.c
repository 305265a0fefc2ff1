/* The key schedule of RFC 5246 with RFC 7627, and the record of RFC 6655. */
#include "sealer.h"
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/kdf.h>
#include <wolfssl/wolfcrypt/sha256.h>

struct hello {
	uint8_t random[2][32];
	uint8_t messages[4096]; /* all that the master secret depends on */
	size_t n;
};

static void take_message(struct hello *h, enum wire_way way, const uint8_t *m, size_t n)
{
	const int client_hello = 1, hello_verify = 3;
	if (m[0] == client_hello || m[0] == hello_verify)
		h->n = 0;
	if (m[0] == hello_verify)
		return;
	if (m[0] == client_hello || m[0] == 2)
		memcpy(h->random[way], m + 12 + 2, 32);
	memcpy(h->messages + h->n, m, n);
	h->n += n;
}

static void take_packet(struct hello *h, const struct wire_packet *p)
{
	for (size_t at = 0; at < p->n;) {
		const uint8_t *r = p->bytes + at;
		size_t n = (size_t)r[11] << 8 | r[12];
		if (r[0] != 22 || r[4] != 0)
			return; /* a CID record ends the walk as well */
		take_message(h, p->way, r + 13, n);
		at += 13 + n;
	}
}

static void prf(uint8_t *out, size_t n, const uint8_t *secret, size_t secret_n, const char *label,
	const uint8_t *seed, size_t seed_n)
{
	int rc = wc_PRF_TLS(out, (word32)n, secret, (word32)secret_n, (const byte *)label,
		(word32)strlen(label), seed, (word32)seed_n, 1, sha256_mac, NULL, INVALID_DEVID);
	BUG_UNLESS(rc == 0);
}

void sealer_learn(struct sealer *s, const struct wire *w, struct slice psk)
{
	static struct hello h;
	uint8_t premaster[4 + 2 * 64] = { 0 }, hash[32], master[48], block[40], seed[64];
	h.n = 0;
	for (unsigned i = 0; i < w->sent; i++)
		take_packet(&h, &w->packet[i]);
	BUG_UNLESS(wc_Sha256Hash(h.messages, (word32)h.n, hash) == 0);
	premaster[1] = premaster[2 + psk.n + 1] = (uint8_t)psk.n; /* RFC 4279 2 */
	memcpy(premaster + 4 + psk.n, psk.p, psk.n);
	prf(master, sizeof(master), premaster, 4 + 2 * psk.n, "extended master secret", hash, 32);
	memcpy(seed, h.random[WIRE_DOWN], 32);
	memcpy(seed + 32, h.random[WIRE_UP], 32);
	prf(block, sizeof(block), master, sizeof(master), "key expansion", seed, sizeof(seed));
	memcpy(s->key, block, 32);
	memcpy(s->salt, block + 32, 8);
}

size_t sealer_seal(const struct sealer *s, enum wire_way way, uint8_t type, uint64_t number,
	const void *plain, size_t n, uint8_t *out)
{
	Aes aes;
	uint8_t nonce[12], aad[13];
	struct writer r = put_into(out, 13 + 8);
	put_u8(&r, type);
	put_u16(&r, 0xfefd);
	put_u16(&r, 1);
	put_u16(&r, (uint16_t)(number >> 32));
	put_u16(&r, (uint16_t)(number >> 16));
	put_u16(&r, (uint16_t)number);
	put_u16(&r, (uint16_t)(n + 16));
	memcpy(out + 13, out + 3, 8); /* explicit nonce: epoch and number */
	memcpy(nonce, s->salt[way], 4);
	memcpy(nonce + 4, out + 3, 8);
	memcpy(aad, out + 3, 8);
	memcpy(aad + 8, out, 3);
	aad[11] = (uint8_t)(n >> 8);
	aad[12] = (uint8_t)n;
	BUG_UNLESS(wc_AesInit(&aes, NULL, INVALID_DEVID) == 0);
	BUG_UNLESS(wc_AesCcmSetKey(&aes, s->key[way], 16) == 0);
	BUG_UNLESS(wc_AesCcmEncrypt(&aes, out + 21, plain, (word32)n, nonce, sizeof(nonce),
			   out + 21 + n, 8, aad, sizeof(aad)) == 0);
	wc_AesFree(&aes);
	return 29 + n;
}

size_t sealer_seal_cid(const struct sealer *s, enum wire_way way, struct slice cid, uint64_t number,
	const void *inner, size_t n, uint8_t *out)
{
	Aes aes;
	uint8_t nonce[12], aad[128];
	struct writer r = put_into(out, 13 + cid.n + 8), a = put_into(aad, sizeof(aad));
	put_u8(&r, 25);
	put_u16(&r, 0xfefd);
	put_u16(&r, 1);
	put_u16(&r, (uint16_t)(number >> 32));
	put_u16(&r, (uint16_t)(number >> 16));
	put_u16(&r, (uint16_t)number);
	put_bytes(&r, cid.p, cid.n);
	put_u16(&r, (uint16_t)(n + 16));
	put_bytes(&r, out + 3, 8);
	for (int i = 0; i < 8; i++)
		put_u8(&a, 0xff);
	put_u8(&a, 25);
	put_u8(&a, (uint8_t)cid.n);
	put_bytes(&a, out, 11 + cid.n);
	put_u16(&a, (uint16_t)n);
	memcpy(nonce, s->salt[way], 4);
	memcpy(nonce + 4, out + 3, 8);
	uint8_t *body = out + put_len(&r);
	BUG_UNLESS(wc_AesInit(&aes, NULL, INVALID_DEVID) == 0);
	BUG_UNLESS(wc_AesCcmSetKey(&aes, s->key[way], 16) == 0);
	BUG_UNLESS(wc_AesCcmEncrypt(&aes, body, inner, (word32)n, nonce, sizeof(nonce), body + n, 8,
			   aad, (word32)put_len(&a)) == 0);
	wc_AesFree(&aes);
	return put_len(&r) + n + 8;
}
