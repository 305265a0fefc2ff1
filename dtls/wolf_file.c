/* Keys and certificates as they stand in files: PEM (RFC 7468) or DER. All keys are of P-256. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dtls/wolf_cert_int.h"
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/ecc.h>

/* A certificate longer than that would not fit a handshake message. */
#define CERT_MAX 16384
/* Private keys come with parameters and a public half. */
#define KEY_MAX 512

/* SubjectPublicKeyInfo of P-256 up to the point, which is not compressed (RFC 5480 2). */
static const uint8_t p256_head[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
	0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42,
	0x00, 0x04 };
#define P256_SPKI (sizeof(p256_head) + 64)

/* ---- PEM ---- */

static bool is_pem(struct slice file)
{
	static const char begin[] = "-----BEGIN ";
	return file.n > 0 && memmem(file.p, file.n, begin, sizeof(begin) - 1) != NULL;
}

/* Takes everything up to a text and behind it; gives what stood in front. */
static bool take_until(struct slice *file, const char *text, struct slice *before)
{
	size_t n = strlen(text);
	const uint8_t *found = file->n > 0 ? memmem(file->p, file->n, text, n) : NULL;
	if (found == NULL)
		return false;
	*before = (struct slice){ file->p, (size_t)(found - file->p) };
	*file = (struct slice){ found + n, file->n - before->n - n };
	return true;
}

/* Decodes the next block with that label. Returns its length, 0 when there is none, or -EBADMSG. */
static int next_block(struct slice *file, const char *label, uint8_t *out, size_t size)
{
	char line[64];
	struct slice body;
	snprintf(line, sizeof(line), "-----BEGIN %s-----", label);
	if (!take_until(file, line, &body))
		return 0;
	snprintf(line, sizeof(line), "-----END %s-----", label);
	word32 n = (word32)size;
	/* wolfSSL's decoder for secrets; a header line, as of an encrypted key, is no base64. */
	if (!take_until(file, line, &body) || body.n > 2 * size ||
		Base64_Decode(body.p, (word32)body.n, out, &n) != 0 || n == 0)
		return -EBADMSG;
	return (int)n;
}

/* The one block with that label, or the file itself when it is DER. Same results. */
static int only_block(struct slice file, const char *label, uint8_t *out, size_t size)
{
	if (is_pem(file))
		return next_block(&file, label, out, size);
	if (file.n == 0 || file.n > size)
		return -EBADMSG;
	memcpy(out, file.p, file.n);
	return (int)file.n;
}

static int each_block(
	struct slice file, uint8_t *room, int (*take)(void *who, struct slice der), void *who)
{
	bool pem = is_pem(file);
	for (unsigned k = 0;; k++) {
		int n = pem ? next_block(&file, "CERTIFICATE", room, CERT_MAX)
			    : only_block(file, "", room, CERT_MAX);
		if (n <= 0)
			return n == 0 && k > 0 ? 0 : -EBADMSG;
		int rc = take(who, (struct slice){ room, (size_t)n });
		if (rc != 0 || !pem)
			return rc;
	}
}

int wolf_each_cert(struct slice file, int (*take)(void *who, struct slice der), void *who)
{
	uint8_t *room = malloc(CERT_MAX);
	if (room == NULL)
		return -ENOMEM;
	int rc = each_block(file, room, take, who);
	free(room);
	return rc;
}

/* ---- keys ---- */

static bool is_p256(const uint8_t *spki, size_t n)
{
	return n == P256_SPKI && memcmp(spki, p256_head, sizeof(p256_head)) == 0;
}

/* Fills in both forms of a decoded key. */
static int encode(struct wolf_key *key, ecc_key *ecc)
{
	if (wc_ecc_get_curve_id(ecc->idx) != ECC_SECP256R1)
		return -ENOTSUP;
	/* RFC 5915 lets a file leave the public half out. */
	if (ecc->type == ECC_PRIVATEKEY_ONLY && wc_ecc_make_pub(ecc, NULL) != 0)
		return -ENOKEY;
	int n = wc_EccPublicKeyToDer(ecc, key->spki, sizeof(key->spki), 1);
	if (n <= 0 || !is_p256(key->spki, (size_t)n))
		return -ENOKEY;
	key->spki_n = (size_t)n;
	n = wc_EccKeyToDer(ecc, key->der, sizeof(key->der));
	if (n <= 0)
		return -ENOKEY;
	key->der_n = (size_t)n;
	return 0;
}

/* A public half that does not belong to the private one would sign what nobody can verify. */
static int decode(struct wolf_key *key, const uint8_t *der, size_t n)
{
	ecc_key ecc;
	word32 at = 0;
	if (wc_ecc_init(&ecc) != 0)
		return -ENOMEM;
	int rc = -ENOKEY;
	int read = wc_EccPrivateKeyDecode(der, &at, &ecc, (word32)n);
	if (read == 0)
		rc = encode(key, &ecc);
	else if (read == WC_NO_ERR_TRACE(ECC_CURVE_OID_E) || read == WC_NO_ERR_TRACE(ECC_BAD_ARG_E))
		rc = -ENOTSUP;
	if (rc == 0 && wc_ecc_check_key(&ecc) != 0)
		rc = -ENOKEY;
	wc_ecc_free(&ecc);
	return rc;
}

int wolf_key_read(struct wolf_key *key, struct slice file)
{
	static const char *const labels[] = { "EC PRIVATE KEY", "PRIVATE KEY" };
	uint8_t der[KEY_MAX];
	int n = 0;
	memset(key, 0, sizeof(*key));
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]) && n == 0; i++)
		n = only_block(file, labels[i], der, sizeof(der));
	int rc = n > 0 ? decode(key, der, (size_t)n) : -ENOKEY;
	explicit_bzero(der, sizeof(der));
	if (rc != 0)
		wolf_key_wipe(key);
	return rc;
}

void wolf_key_wipe(struct wolf_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

/* ---- what the caller asks of its files ---- */

struct spki {
	uint8_t *out;
	size_t n;
};

/* Takes the key of the first certificate; 1 ends the walk. */
static int take_spki(void *who, struct slice der)
{
	struct spki *spki = who;
	uint8_t room[2048];
	word32 n = sizeof(room);
	if (wc_GetSubjectPubKeyInfoDerFromCert(der.p, (word32)der.n, room, &n) != 0)
		return -EBADMSG;
	if (!is_p256(room, n))
		return -ENOTSUP;
	memcpy(spki->out, room, n);
	spki->n = n;
	return 1;
}

static int spki_of_cert(struct slice file, uint8_t out[DTLS_SPKI_MAX], size_t *n)
{
	struct spki spki = { out, 0 };
	int rc = wolf_each_cert(file, take_spki, &spki);
	*n = spki.n;
	return rc == 1 ? 0 : rc;
}

static int spki_of_key(struct slice file, uint8_t out[DTLS_SPKI_MAX], size_t *n)
{
	struct wolf_key key;
	int rc = wolf_key_read(&key, file);
	if (rc == 0) {
		memcpy(out, key.spki, key.spki_n);
		*n = key.spki_n;
	}
	wolf_key_wipe(&key);
	return rc == -ENOKEY ? -EBADMSG : rc;
}

/* The whole of it, and a point that lies on the curve. */
static int check_spki(const uint8_t *spki, size_t n)
{
	ecc_key ecc;
	word32 at = 0;
	if (!is_p256(spki, n))
		return -ENOTSUP;
	if (wc_ecc_init(&ecc) != 0)
		return -ENOMEM;
	bool good = wc_EccPublicKeyDecode(spki, &at, &ecc, (word32)n) == 0 &&
		    wc_ecc_check_key(&ecc) == 0;
	wc_ecc_free(&ecc);
	return good ? 0 : -EBADMSG;
}

/* A public key is told by its second element: SEQUENCE { SEQUENCE { OID ... } BIT STRING }; in a
 * certificate that is a longer SEQUENCE or a version, in a private key an INTEGER. */
static bool looks_public(const uint8_t *der, size_t n)
{
	struct cursor c = cur_of(der, n);
	bool sequence = cur_u8(&c) == 0x30 && cur_u8(&c) < 0x80 && cur_u8(&c) == 0x30;
	return sequence && cur_u8(&c) < 0x80 && cur_u8(&c) == 0x06 && !c.broken;
}

int dtls_public_key_read(struct slice file, uint8_t out[DTLS_SPKI_MAX], size_t *n)
{
	uint8_t der[KEY_MAX];
	*n = 0;
	int got = only_block(file, "PUBLIC KEY", der, sizeof(der));
	if (got > 0 && looks_public(der, (size_t)got)) {
		int rc = check_spki(der, (size_t)got);
		if (rc == 0) {
			memcpy(out, der, (size_t)got);
			*n = (size_t)got;
		}
		return rc;
	}
	explicit_bzero(der, sizeof(der)); /* it may have been a private key */
	if (got < 0 && is_pem(file))
		return -EBADMSG;
	int rc = spki_of_key(file, out, n);
	return rc == -EBADMSG ? spki_of_cert(file, out, n) : rc;
}

int dtls_pair_check(const struct dtls_pair *pair)
{
	struct wolf_key key;
	uint8_t spki[DTLS_SPKI_MAX];
	size_t n;
	int rc = wolf_key_read(&key, pair->private_key);
	if (rc == 0 && pair->cert.n > 0) {
		rc = spki_of_cert(pair->cert, spki, &n);
		if (rc == 0 && (n != key.spki_n || memcmp(spki, key.spki, n) != 0))
			rc = -EKEYREJECTED;
	}
	wolf_key_wipe(&key);
	return rc;
}

static int take_ca(void *who, struct slice der)
{
	DecodedCert cert;
	wc_InitDecodedCert(&cert, der.p, (word32)der.n, NULL);
	int rc = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 && !cert.isRPK ? 0 : -EBADMSG;
	if (rc == 0 && (!cert.isCA || (cert.extKeyUsageSet &&
					      (cert.extKeyUsage & KEYUSE_KEY_CERT_SIGN) == 0)))
		rc = -EINVAL;
	wc_FreeDecodedCert(&cert);
	(void)who;
	return rc;
}

int dtls_ca_check(struct slice file)
{
	return wolf_each_cert(file, take_ca, NULL);
}
