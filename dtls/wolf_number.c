/* What hides the record numbers of DTLS 1.3 (RFC 9147 4.2.3), by wolfCrypt: the peer's traffic secret, as
 * wolfSSL tells it, and those that follow from it with each key update. */
#include "dtls/wolf_door_int.h"
#include <stdlib.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/kdf.h>

#ifdef WOLFSSL_DTLS13

#ifndef HAVE_SECRET_CALLBACK
#error "wolfSSL does not tell traffic secrets (-DHAVE_SECRET_CALLBACK)"
#endif
#if defined(SHOW_SECRETS) || defined(WOLFSSL_SSLKEYLOGFILE) || defined(WOLFSSL_SNIFFER_KEYLOGFILE)
#error "wolfSSL is built to write keys into a log"
#endif

/* All suites of ours: AES-128 and SHA-256. */
#define SECRET 32
#define KEY    16
#define NONCE  12
/* A record that shows a new epoch is opened here once more; a longer one shows nothing. */
#define OPEN_MAX   2048
#define HEADER_MAX (1 + UINT8_MAX + 2 + 2)
#define CCM        0x1304
#define CCM_8      0x1305

struct wolf_numbers {
	uint8_t secret[SECRET]; /* the peer's, of the newest epoch that is known */
	Aes mask;               /* what hides the numbers of that epoch */
	int suite;              /* its number */
};

/* RFC 8446 7.1, with the prefix of RFC 9147 5.9 and no context. */
static bool expand(const uint8_t *secret, const char *label, uint8_t *out, size_t n)
{
	static const uint8_t prefix[] = { 'd', 't', 'l', 's', '1', '3' };
	return wc_Tls13_HKDF_Expand_Label(out, (word32)n, secret, SECRET, prefix, sizeof(prefix),
		       (const uint8_t *)label, (word32)strlen(label), prefix, 0,
		       WC_HASH_TYPE_SHA256) == 0;
}

static bool set_mask(Aes *mask, const uint8_t *secret)
{
	uint8_t key[KEY];
	bool done = expand(secret, "sn", key, sizeof(key)) &&
		    wc_AesSetKeyDirect(mask, key, sizeof(key), NULL, AES_ENCRYPTION) == 0;
	explicit_bzero(key, sizeof(key));
	return done;
}

void wolf_numbers_free(struct wolf *w)
{
	if (w->numbers == NULL)
		return;
	wc_AesFree(&w->numbers->mask);
	explicit_bzero(w->numbers, sizeof(*w->numbers));
	free(w->numbers);
	w->numbers = NULL;
}

static bool is_ours(int suite)
{
	return suite == 0x1301 || suite == CCM || suite == CCM_8;
}

/* wolfSSL calls it for each secret of the handshake. A session that lacks what it needs here lives on:
 * then no record is known to be the newest. */
static int on_secret(WOLFSSL *ssl, int id, const unsigned char *secret, int n, void *who)
{
	struct wolf *w = who;
	int suite = wolfSSL_get_current_cipher_suite(ssl);
	if (id != CLIENT_TRAFFIC_SECRET)
		return 0;
	wolf_numbers_free(w);
	if (n != SECRET || !is_ours(suite))
		return 0;
	w->numbers = calloc(1, sizeof(*w->numbers));
	if (w->numbers == NULL)
		return 0;
	w->numbers->suite = suite;
	memcpy(w->numbers->secret, secret, SECRET);
	if (wc_AesInit(&w->numbers->mask, NULL, INVALID_DEVID) != 0 ||
		!set_mask(&w->numbers->mask, secret))
		wolf_numbers_free(w);
	return 0;
}

/* A server's: nobody asks whether it is a server that has moved, so no secret is kept for that. */
bool wolf_numbers_setup(struct wolf *w)
{
	return !w->is_server ||
	       wolfSSL_set_tls13_secret_cb(w->ssl, on_secret, w) == WOLFSSL_SUCCESS;
}

bool wolf_number_mask(struct wolf *w, struct slice body, uint8_t mask[WOLF_MASK])
{
	return w->numbers != NULL && body.n >= WOLF_MASK &&
	       wc_AesEncryptDirect(&w->numbers->mask, mask, body.p) == 0;
}

/* ---- the next epoch ---- */

/* What opens one record. */
struct seal {
	uint8_t key[KEY], nonce[NONCE];
	uint8_t header[HEADER_MAX]; /* with its number in clear (RFC 9147 4) */
	size_t header_n;
	int suite;
};

/* An epoch begins with number 0, so the last bits of the number are all of it. */
static bool prepare(struct seal *seal, const struct wolf_hidden *hidden, Aes *mask)
{
	uint8_t bits[WOLF_MASK];
	seal->header_n = (size_t)(hidden->body.p - hidden->record.p);
	if (seal->header_n > sizeof(seal->header) || hidden->body.n < WOLF_MASK ||
		wc_AesEncryptDirect(mask, bits, hidden->body.p) != 0)
		return false;
	memcpy(seal->header, hidden->record.p, seal->header_n);
	for (size_t i = 0; i < hidden->width; i++) {
		uint8_t *byte = &seal->header[hidden->at + i];
		*byte ^= bits[i];
		seal->nonce[NONCE - hidden->width + i] ^= *byte;
	}
	return true;
}

static bool opens(const struct seal *seal, struct slice body)
{
	uint8_t room[OPEN_MAX];
	size_t tag = seal->suite == CCM_8 ? 8 : 16;
	Aes aes;
	if (body.n < tag || body.n - tag > sizeof(room) ||
		wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
		return false;
	word32 n = (word32)(body.n - tag), header_n = (word32)seal->header_n;
	int rc = seal->suite == CCM || seal->suite == CCM_8 ?
			 wc_AesCcmSetKey(&aes, seal->key, KEY) :
			 wc_AesGcmSetKey(&aes, seal->key, KEY);
	if (rc == 0 && (seal->suite == CCM || seal->suite == CCM_8))
		rc = wc_AesCcmDecrypt(&aes, room, body.p, n, seal->nonce, NONCE, body.p + n,
			(word32)tag, seal->header, header_n);
	else if (rc == 0)
		rc = wc_AesGcmDecrypt(&aes, room, body.p, n, seal->nonce, NONCE, body.p + n,
			(word32)tag, seal->header, header_n);
	wc_AesFree(&aes);
	explicit_bzero(&aes, sizeof(aes));
	explicit_bzero(room, sizeof(room));
	return rc == 0;
}

static bool proves(const struct wolf_hidden *hidden, struct wolf_numbers *next)
{
	struct seal seal = { .suite = next->suite };
	bool proven = expand(next->secret, "key", seal.key, sizeof(seal.key)) &&
		      expand(next->secret, "iv", seal.nonce, sizeof(seal.nonce)) &&
		      prepare(&seal, hidden, &next->mask) && opens(&seal, hidden->body);
	explicit_bzero(&seal, sizeof(seal));
	return proven;
}

bool wolf_next_epoch(struct wolf *w, const struct wolf_hidden *hidden)
{
	struct wolf_numbers *now = w->numbers, next = { 0 };
	if (now == NULL || wc_AesInit(&next.mask, NULL, INVALID_DEVID) != 0)
		return false;
	next.suite = now->suite;
	/* RFC 8446 7.2. */
	bool proven = expand(now->secret, "traffic upd", next.secret, SECRET) &&
		      set_mask(&next.mask, next.secret) && proves(hidden, &next) &&
		      set_mask(&now->mask, next.secret);
	if (proven)
		memcpy(now->secret, next.secret, SECRET);
	wc_AesFree(&next.mask);
	explicit_bzero(&next, sizeof(next));
	return proven;
}

#else /* no DTLS 1.3: nothing of it is ever called but the end */

void wolf_numbers_free(struct wolf *w)
{
	(void)w;
}

bool wolf_number_mask(struct wolf *w, struct slice body, uint8_t mask[WOLF_MASK])
{
	(void)w;
	(void)body;
	(void)mask;
	return false;
}

bool wolf_next_epoch(struct wolf *w, const struct wolf_hidden *hidden)
{
	(void)w;
	(void)hidden;
	return false;
}

#endif
