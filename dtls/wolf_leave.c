/* What is left when a session leaves wolfSSL: keys and connection ids, by its public interface, and what is known of
 * the peer. */
#include "dtls/wolf_door_int.h"
#include <stdlib.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include "dtls/record12_int.h"

#ifndef ATOMIC_USER
#error "wolfSSL does not tell the keys of a session (--enable-atomicuser)"
#endif

/* RFC 5487, RFC 6655, RFC 7251, RFC 5289; not CBC. */
static bool find_cipher(WOLFSSL *ssl, uint8_t *cipher)
{
	const struct wolf_suite12 *suite = wolf_suite12(ssl);
	if (suite == NULL || !suite->is_aead)
		return false;
	*cipher = (uint8_t)suite->cipher;
	return wolfSSL_GetKeySize(ssl) == AEAD_KEY && wolfSSL_GetIVSize(ssl) == RECORD12_SALT &&
	       wolfSSL_GetAeadMacSize(ssl) == (int)aead_tag(suite->cipher);
}

static bool take_cid(WOLFSSL *ssl, int (*size)(WOLFSSL *, unsigned *),
	int (*get)(WOLFSSL *, unsigned char *, unsigned), uint8_t *cid, size_t room, uint8_t *cid_n)
{
	unsigned n = 0;
	*cid_n = 0;
	if (!wolfSSL_dtls_cid_is_enabled(ssl) || size(ssl, &n) != WOLFSSL_SUCCESS || n == 0)
		return true;
	*cid_n = (uint8_t)n;
	return n <= room && get(ssl, cid, n) == WOLFSSL_SUCCESS;
}

bool wolf_keys(const struct wolf *w, struct record12 *r)
{
	WOLFSSL *ssl = w->ssl;
	if (w->profile->version != DTLS_1_2 || !find_cipher(ssl, &r->cipher) ||
		!take_cid(ssl, wolfSSL_dtls_cid_get_rx_size, wolfSSL_dtls_cid_get_rx, r->own_cid,
			sizeof(r->own_cid), &r->own_cid_n) ||
		!take_cid(ssl, wolfSSL_dtls_cid_get_tx_size, wolfSSL_dtls_cid_get_tx, r->peer_cid,
			sizeof(r->peer_cid), &r->peer_cid_n))
		return false;
	bool server = w->is_server;
	memcpy(server ? r->read_key : r->write_key, wolfSSL_GetClientWriteKey(ssl), AEAD_KEY);
	memcpy(server ? r->write_key : r->read_key, wolfSSL_GetServerWriteKey(ssl), AEAD_KEY);
	memcpy(server ? r->read_salt : r->write_salt, wolfSSL_GetClientWriteIV(ssl), RECORD12_SALT);
	memcpy(server ? r->write_salt : r->read_salt, wolfSSL_GetServerWriteIV(ssl), RECORD12_SALT);
	return true;
}

void wolf_known_free(struct wolf_known *known)
{
	if (known == NULL)
		return;
	wolf_proof_fini(&known->proof);
	slice_free(&known->identity);
	free(known);
}

struct wolf_known *wolf_known(const struct wolf *w)
{
	return w->known;
}

/* A client with a pre-shared key knows nothing of its server that the key does not say. */
struct wolf_known *wolf_leave(struct wolf *w)
{
	struct wolf_known *known = w->known;
	bool empty = known->identity.n == 0 && known->proof.spki.n == 0;
	if (!empty)
		w->known = NULL;
	wolf_free(w);
	return empty ? NULL : known;
}

struct slice wolf_identity(const struct wolf_known *known)
{
	return known != NULL ? known->identity : (struct slice){ NULL, 0 };
}

enum dtls_security wolf_security(const struct wolf_known *known)
{
	if (known == NULL)
		return DTLS_PSK;
	return known->proof.spki.n > 0 ? known->proof.security : known->security;
}

struct slice wolf_public_key(const struct wolf_known *known)
{
	return known != NULL ? known->proof.spki : (struct slice){ NULL, 0 };
}

bool wolf_peer_name(const struct wolf_known *known, size_t i, struct slice *name)
{
	return known != NULL && wolf_proof_name(&known->proof, i, name);
}

enum dtls_fault wolf_why(const struct wolf_known *known)
{
	return known != NULL ? known->proof.fault : DTLS_FAULT_NONE;
}
