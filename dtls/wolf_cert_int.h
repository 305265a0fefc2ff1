/* Behind the door to wolfSSL: files of keys and certificates, and who is trusted. Only dtls/wolf*.c
 * may include this: it shows types of the library. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "dtls/dtls.h"
#include "dtls/wolf_int.h"

/* ---- wolf_file.c: what stands in files ---- */

/* A private key of P-256, decoded; wipe it. */
struct wolf_key {
	uint8_t der[160]; /* SEC 1 */
	size_t der_n;
	uint8_t spki[DTLS_SPKI_MAX]; /* its public half */
	size_t spki_n;
};

/* Reads a private key, PEM or DER. Returns 0, -ENOKEY, -ENOTSUP, or -ENOMEM. */
int wolf_key_read(struct wolf_key *key, struct slice file) MUST_CHECK;
void wolf_key_wipe(struct wolf_key *key);
/* Shows each certificate of a file, PEM or DER, to a function, until that returns an error. Returns
 * what it returned, 0, -EBADMSG when there is none or one is no base64, or -ENOMEM. */
int wolf_each_cert(
	struct slice file, int (*take)(void *who, struct slice der), void *who) MUST_CHECK;

/* ---- wolf_cert.c: what a profile wants of certificates and keys ---- */

/* The part of a profile that has to do with them; NULL where only PSK is spoken. */
struct wolf_trust;

/* Sets a context up. Returns 0 and a trust, which may be NULL, or an error of dtls.h. */
int wolf_trust_client(struct wolf_trust **trust, WOLFSSL_CTX *ctx,
	const struct dtls_profile_spec *spec) MUST_CHECK;
/* The same for the contexts of a server. */
struct wolf_ctx {
	WOLFSSL_CTX *main; /* shows our certificate, if there is one */
	WOLFSSL_CTX *raw;  /* shows our raw public key */
};
int wolf_trust_server(struct wolf_trust **trust, const struct wolf_ctx *ctx,
	const struct dtls_listener_spec *spec) MUST_CHECK;
void wolf_trust_free(struct wolf_trust *trust);
/* What a server shows to a client with those extensions (struct header_hello); trust may be NULL. */
enum wolf_offer wolf_trust_offer(const struct wolf_trust *trust, struct slice server_types,
	struct slice client_types) MUST_CHECK;

/* What is known of the peer of one session. */
struct wolf_proof {
	const struct wolf_trust *trust; /* borrowed, or NULL */
	enum dtls_security security;    /* X509 or RPK, where spki is there */
	enum dtls_fault fault;
	bool proven;       /* what it gave was found good */
	struct slice spki; /* owned */
	uint8_t *names;    /* owned: each with its length, 2 bytes, in front */
	size_t names_n;    /* bytes of all of them */
};

/* Lets a session be judged into a proof, which must stay where it is as long as ssl lives. */
void wolf_proof_init(struct wolf_proof *proof, const struct wolf_trust *trust, WOLFSSL *ssl);
void wolf_proof_fini(struct wolf_proof *proof);
/* Gives a client's session its pair. Returns 0, an error of dtls_pair_check, or -EPROTO. */
int wolf_proof_own(
	const struct wolf_trust *trust, WOLFSSL *ssl, const struct dtls_pair *pair) MUST_CHECK;
/* Around each step of a handshake: before it, and after it with the library's error, or 0. */
void wolf_proof_before(const struct wolf_proof *proof);
void wolf_proof_after(struct wolf_proof *proof, int error);
/* Drops what only the handshake needed; ours is among it. */
void wolf_proof_up(WOLFSSL *ssl);

/* ---- wolf_name.c ---- */

struct DecodedCert;
/* True when a certificate is for that DNS name or literal address; see struct dtls_profile_spec. */
bool wolf_cert_is_for(const struct DecodedCert *cert, const char *name) MUST_CHECK;
/* Keeps the names of a certificate. False when memory is short. */
bool wolf_proof_names(struct wolf_proof *proof, const struct DecodedCert *cert) MUST_CHECK;
/* The name with that number; see dtls_peer_name. */
bool wolf_proof_name(const struct wolf_proof *proof, size_t i, struct slice *name);
