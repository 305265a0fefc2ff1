/* The record of RFC 9147 4, and its keys. */
#include "sealer13.h"
#include <string.h>
#include "base/bug.h" /* before wolfSSL, which names its own limits.h */
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/hmac.h>

#ifdef WOLFSSL_DTLS13

/* RFC 8446 7.1: HKDF-Expand-Label with an empty context. */
static void expand(const uint8_t *secret, const char *label, uint8_t *out, size_t n)
{
	uint8_t info[64] = { 0, (uint8_t)n, (uint8_t)(6 + strlen(label)), 'd', 't', 'l', 's', '1',
		'3' };
	memcpy(info + 9, label, strlen(label));
	BUG_UNLESS(wc_HKDF_Expand(WC_SHA256, secret, 32, info, (word32)(9 + strlen(label) + 1),
			   out, (word32)n) == 0);
}

void sealer13_update(struct sealer13 *s)
{
	uint8_t next[32];
	expand(s->secret, "traffic upd", next, sizeof(next));
	memcpy(s->secret, next, sizeof(next));
	s->epoch++;
}

static size_t put_header(const struct sealer13 *s, uint64_t number, size_t body, uint8_t *out)
{
	size_t at = 0;
	out[at++] = (uint8_t)(0x20 | (s->cid.n > 0 ? 0x10 : 0) | (s->is_short ? 0 : 0x0c) |
			      (s->epoch & 3));
	memcpy(out + at, s->cid.p, s->cid.n);
	at += s->cid.n;
	if (!s->is_short)
		out[at++] = (uint8_t)(number >> 8);
	out[at++] = (uint8_t)number;
	if (s->is_short)
		return at;
	out[at++] = (uint8_t)(body >> 8);
	out[at++] = (uint8_t)body;
	return at;
}

static void encrypt(const struct sealer13 *s, uint64_t number, uint8_t *record, size_t header,
	const uint8_t *inner, size_t n)
{
	Aes aes;
	uint8_t key[16], nonce[12], *body = record + header;
	expand(s->secret, "key", key, sizeof(key));
	expand(s->secret, "iv", nonce, sizeof(nonce));
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(number >> 8 * i);
	BUG_UNLESS(wc_AesInit(&aes, NULL, INVALID_DEVID) == 0);
	int rc = s->ccm ? wc_AesCcmSetKey(&aes, key, 16) : wc_AesGcmSetKey(&aes, key, 16);
	BUG_UNLESS(rc == 0);
	rc = s->ccm ? wc_AesCcmEncrypt(&aes, body, inner, (word32)n, nonce, 12, body + n,
			      (word32)s->tag, record, (word32)header) :
		      wc_AesGcmEncrypt(&aes, body, inner, (word32)n, nonce, 12, body + n,
			      (word32)s->tag, record, (word32)header);
	BUG_UNLESS(rc == 0);
	wc_AesFree(&aes);
}

static void hide(const struct sealer13 *s, uint8_t *record, size_t header)
{
	Aes aes;
	uint8_t key[16], mask[16];
	size_t width = s->is_short ? 1 : 2, at = 1 + s->cid.n;
	expand(s->secret, "sn", key, sizeof(key));
	BUG_UNLESS(wc_AesInit(&aes, NULL, INVALID_DEVID) == 0);
	BUG_UNLESS(wc_AesSetKeyDirect(&aes, key, 16, NULL, AES_ENCRYPTION) == 0);
	BUG_UNLESS(wc_AesEncryptDirect(&aes, mask, record + header) == 0);
	for (size_t i = 0; i < width; i++)
		record[at + i] ^= mask[i];
	wc_AesFree(&aes);
}

size_t sealer13_seal(const struct sealer13 *s, uint8_t type, uint64_t number, const void *plain,
	size_t n, uint8_t *out)
{
	uint8_t inner[17000];
	BUG_UNLESS(n < sizeof(inner));
	memcpy(inner, plain, n);
	inner[n] = type;
	size_t header = put_header(s, number, n + 1 + s->tag, out);
	encrypt(s, number, out, header, inner, n + 1);
	hide(s, out, header);
	return header + n + 1 + s->tag;
}

#else /* never called: tests of DTLS 1.3 are not run */

void sealer13_update(struct sealer13 *s)
{
	(void)s;
	BUG("wolfSSL is built without DTLS 1.3");
}

size_t sealer13_seal(const struct sealer13 *s, uint8_t type, uint64_t number, const void *plain,
	size_t n, uint8_t *out)
{
	(void)s;
	(void)type;
	(void)number;
	(void)plain;
	(void)n;
	(void)out;
	BUG("wolfSSL is built without DTLS 1.3");
}

#endif
