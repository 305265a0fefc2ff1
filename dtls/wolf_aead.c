/* The cipher of a record, by wolfCrypt. The key is expanded for each use: 16 bytes of a session that idles are
 * one line of the cache, its schedules would be eleven. */
#include "dtls/aead_int.h"
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>

static bool begin(Aes *aes, const struct aead_use *use)
{
	if (wc_AesInit(aes, NULL, INVALID_DEVID) != 0)
		return false;
	int rc = use->cipher == AEAD_GCM ? wc_AesGcmSetKey(aes, use->key, AEAD_KEY)
					 : wc_AesCcmSetKey(aes, use->key, AEAD_KEY);
	return rc == 0;
}

static void end(Aes *aes)
{
	wc_AesFree(aes);
	explicit_bzero(aes, sizeof(*aes));
}

bool aead_seal(const struct aead_use *use, struct slice plain, uint8_t *out)
{
	Aes aes;
	word32 n = (word32)plain.n, tag = (word32)aead_tag(use->cipher);
	word32 aad = (word32)use->aad.n;
	int rc = -1;
	if (!begin(&aes, use))
		rc = -1;
	else if (use->cipher == AEAD_GCM)
		rc = wc_AesGcmEncrypt(&aes, out, plain.p, n, use->nonce, AEAD_NONCE, out + n, tag,
			use->aad.p, aad);
	else
		rc = wc_AesCcmEncrypt(&aes, out, plain.p, n, use->nonce, AEAD_NONCE, out + n, tag,
			use->aad.p, aad);
	end(&aes);
	return rc == 0;
}

bool aead_open(const struct aead_use *use, struct slice sealed, uint8_t *out)
{
	Aes aes;
	word32 tag = (word32)aead_tag(use->cipher), aad = (word32)use->aad.n;
	if (sealed.n < tag)
		return false;
	word32 n = (word32)sealed.n - tag;
	int rc = -1;
	if (!begin(&aes, use))
		rc = -1;
	else if (use->cipher == AEAD_GCM)
		rc = wc_AesGcmDecrypt(&aes, out, sealed.p, n, use->nonce, AEAD_NONCE, sealed.p + n,
			tag, use->aad.p, aad);
	else
		rc = wc_AesCcmDecrypt(&aes, out, sealed.p, n, use->nonce, AEAD_NONCE, sealed.p + n,
			tag, use->aad.p, aad);
	end(&aes);
	if (rc != 0 && n > 0)
		explicit_bzero(out, n);
	return rc == 0;
}
