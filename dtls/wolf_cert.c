/* Who is trusted: what a profile wants of the peer's certificate or raw key, and what came of it. wolfSSL
 * builds and verifies the chain; the rest is judged here, and nothing that it refused is let in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "dtls/wolf_cert_int.h"
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#if !defined(WOLFSSL_ALWAYS_VERIFY_CB) || !defined(HAVE_RPK)
#error "wolfSSL is built without raw public keys, or would take any of them unseen"
#endif

/* RFC 7925 9: nothing weaker. */
#define RSA_BITS 2048
#define ECC_BITS 256
/* Longest SubjectPublicKeyInfo that a server may have: RSA of 8192 bits. */
#define SPKI_MAX 1100

/* A CA of ours: wolfSSL keeps its name and key, but not its dates. */
struct anchor {
	uint8_t subject[KEYID_SIZE]; /* hash */
	int64_t from, to;            /* seconds since 1970 */
};

struct wolf_trust {
	WOLFSSL_CERT_MANAGER *manager[2]; /* of each context, or NULL */
	enum dtls_security security;      /* a client's */
	bool is_server;
	bool has_cert;          /* a server's: ours is a certificate */
	struct slice peer;      /* a client's: the server's raw key, owned */
	char *name;             /* a client's: of the server, owned */
	struct anchor *anchors; /* owned */
	size_t anchors_n;
	int64_t (*wall_s)(void);
	bool (*find_key)(void *who, struct slice spki);
	void *who;
};

/* wolfSSL knows one clock for the process. Set by the thread before each step of a handshake; without one
 * it is 1970, when no certificate is valid. */
static _Thread_local int64_t (*clock_of_step)(void);

static time_t on_time(time_t *out)
{
	time_t t = clock_of_step != NULL ? (time_t)clock_of_step() : 0;
	if (out != NULL)
		*out = t;
	return t;
}

/* ---- dates ---- */

static enum dtls_fault judge_dates(int64_t now, int64_t from, int64_t to)
{
	if (now < from)
		return DTLS_FAULT_NOT_YET_VALID;
	return now > to ? DTLS_FAULT_EXPIRED : DTLS_FAULT_NONE;
}

static bool read_date(const uint8_t *date, int n, int64_t *out)
{
	const byte *text;
	byte format;
	int length;
	struct tm tm = { .tm_year = 0 };
	if (wc_GetDateInfo(date, n, &text, &format, &length) != 0 ||
		wc_GetDateAsCalendarTime(text, length, format, &tm) != 0)
		return false;
	*out = timegm(&tm);
	return true;
}

struct dates {
	int64_t now;
	enum dtls_fault fault;
};

static int look_at_dates(void *who, struct slice der)
{
	struct dates *d = who;
	int64_t from = 0, to = 0;
	DecodedCert cert;
	wc_InitDecodedCert(&cert, der.p, (word32)der.n, NULL);
	bool read = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 &&
		    read_date(cert.beforeDate, cert.beforeDateLen, &from) &&
		    read_date(cert.afterDate, cert.afterDateLen, &to);
	wc_FreeDecodedCert(&cert);
	if (read && d->fault == DTLS_FAULT_NONE)
		d->fault = judge_dates(d->now, from, to);
	return read ? 0 : -EBADMSG;
}

enum dtls_fault dtls_cert_dates(struct slice cert, int64_t wall_s)
{
	struct dates d = { wall_s, DTLS_FAULT_NONE };
	return wolf_each_cert(cert, look_at_dates, &d) == 0 ? d.fault : DTLS_FAULT_BAD;
}

/* ---- CAs ---- */

static int note_anchor(struct wolf_trust *t, const DecodedCert *cert)
{
	struct anchor *more = realloc(t->anchors, (t->anchors_n + 1) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	t->anchors = more;
	struct anchor *a = &more[t->anchors_n];
	memcpy(a->subject, cert->subjectHash, KEYID_SIZE);
	if (!read_date(cert->beforeDate, cert->beforeDateLen, &a->from) ||
		!read_date(cert->afterDate, cert->afterDateLen, &a->to))
		return -EBADMSG;
	t->anchors_n++;
	return 0;
}

static int take_anchor(void *who, struct slice der)
{
	struct wolf_trust *t = who;
	DecodedCert cert;
	wc_InitDecodedCert(&cert, der.p, (word32)der.n, NULL);
	int rc = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 ? note_anchor(t, &cert)
								      : -EBADMSG;
	wc_FreeDecodedCert(&cert);
	/* A router boots with its clock in 1970; dates count when a peer comes, see check_anchor. */
	for (int i = 0; i < 2 && rc == 0 && t->manager[i] != NULL; i++)
		if (wolfSSL_CertManagerLoadCABuffer_ex(t->manager[i], der.p, (long)der.n,
			    WOLFSSL_FILETYPE_ASN1, 0,
			    WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY) != WOLFSSL_SUCCESS)
			rc = -EBADMSG;
	return rc;
}

static int load_anchors(struct wolf_trust *t, struct slice file)
{
	int rc = dtls_ca_check(file);
	return rc == 0 ? wolf_each_cert(file, take_anchor, t) : rc;
}

/* ---- the verdict ---- */

static enum dtls_fault fault_of(int error)
{
	switch (error) {
	case ASN_BEFORE_DATE_E:
		return DTLS_FAULT_NOT_YET_VALID;
	case ASN_AFTER_DATE_E:
		return DTLS_FAULT_EXPIRED;
	case KEYUSE_SIGNATURE_E:
	case KEYUSE_ENCIPHER_E:
	case EXTKEYUSE_AUTH_E:
		return DTLS_FAULT_WRONG_USE;
	case NO_PEER_CERT:
	case UNSUPPORTED_CERTIFICATE:
		return DTLS_FAULT_NO_CERTIFICATE;
	case ASN_NO_SIGNER_E:
	case ASN_SELF_SIGNED_E:
	case ASN_SIG_CONFIRM_E:
	case ASN_NAME_INVALID_E:
	case ASN_PATHLEN_INV_E:
	case ASN_PATHLEN_SIZE_E:
	case MAX_CHAIN_ERROR:
	case NOT_CA_ERROR:
	case VERIFY_CERT_ERROR:
		return DTLS_FAULT_UNTRUSTED;
	}
	return DTLS_FAULT_BAD;
}

/* Errors that only a peer's certificate brings; the rest may come of any message. */
static bool is_of_certificate(int error)
{
	switch (error) {
	case ECC_KEY_SIZE_E:
	case RSA_KEY_SIZE_E:
	case PEER_KEY_ERROR:
	case ASN_PARSE_E:
	case ASN_VERSION_E:
	case ASN_UNKNOWN_OID_E:
	case ASN_SIG_HASH_E:
	case ASN_SIG_KEY_E:
	case ASN_CRIT_EXT_E:
	case ASN_ALT_NAME_E:
	case ECC_CURVE_OID_E:
		return true;
	}
	return fault_of(error) != DTLS_FAULT_BAD;
}

static enum dtls_fault check_dates(const struct wolf_trust *t, const struct anchor *a)
{
	return judge_dates(t->wall_s != NULL ? t->wall_s() : 0, a->from, a->to);
}

/* Looks for a CA of ours with that name, in its time. Without any: UNTRUSTED. */
static enum dtls_fault find_anchor(const struct wolf_trust *t, const uint8_t *name)
{
	enum dtls_fault fault = DTLS_FAULT_UNTRUSTED;
	for (size_t i = 0; i < t->anchors_n; i++) {
		if (memcmp(t->anchors[i].subject, name, KEYID_SIZE) != 0)
			continue;
		fault = check_dates(t, &t->anchors[i]);
		if (fault == DTLS_FAULT_NONE)
			break;
	}
	return fault;
}

/* Finds who issued: the peer's certificate with that name, and its own issuer's. */
static bool climb(const WOLFSSL_X509_STORE_CTX *store, uint8_t name[KEYID_SIZE])
{
	bool found = false;
	for (int i = 1; i < store->totalCerts && !found; i++) {
		DecodedCert cert;
		wc_InitDecodedCert(&cert, store->certs[i].buffer, store->certs[i].length, NULL);
		found = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 &&
			memcmp(cert.subjectHash, name, KEYID_SIZE) == 0;
		if (found)
			memcpy(name, cert.issuerHash, KEYID_SIZE);
		wc_FreeDecodedCert(&cert);
	}
	return found;
}

/* wolfSSL found the chain good, but never looks at the dates of our CA. */
static enum dtls_fault check_anchor(
	const struct wolf_trust *t, const WOLFSSL_X509_STORE_CTX *store, const DecodedCert *leaf)
{
	uint8_t name[KEYID_SIZE];
	memcpy(name, leaf->issuerHash, KEYID_SIZE);
	for (int i = 0; i < store->totalCerts; i++) {
		enum dtls_fault fault = find_anchor(t, name);
		if (fault != DTLS_FAULT_UNTRUSTED || !climb(store, name))
			return fault;
	}
	return DTLS_FAULT_UNTRUSTED;
}

static bool keep_key(struct wolf_proof *proof, const uint8_t *bytes, size_t n)
{
	struct slice copy;
	if (!slice_copy(&copy, bytes, n))
		return false;
	slice_free(&proof->spki);
	proof->spki = copy;
	return true;
}

static enum dtls_fault judge_cert(
	struct wolf_proof *proof, const WOLFSSL_X509_STORE_CTX *store, const DecodedCert *cert)
{
	const struct wolf_trust *t = proof->trust;
	uint8_t spki[SPKI_MAX];
	word32 n = sizeof(spki);
	if (t->anchors_n == 0)
		return DTLS_FAULT_UNTRUSTED;
	if (wc_GetSubjectPubKeyInfoDerFromCert(
		    store->certs[0].buffer, store->certs[0].length, spki, &n) != 0 ||
		!keep_key(proof, spki, n) || !wolf_proof_names(proof, cert))
		return DTLS_FAULT_BAD;
	proof->security = DTLS_X509;
	enum dtls_fault fault = check_anchor(t, store, cert);
	if (fault == DTLS_FAULT_NONE && !t->is_server && !wolf_cert_is_for(cert, t->name))
		fault = DTLS_FAULT_WRONG_NAME;
	return fault;
}

static enum dtls_fault judge_key(struct wolf_proof *proof, struct slice spki)
{
	const struct wolf_trust *t = proof->trust;
	if (spki.n > DTLS_SPKI_MAX || !keep_key(proof, spki.p, spki.n))
		return DTLS_FAULT_BAD;
	proof->security = DTLS_RPK;
	bool known = t->is_server ? t->find_key != NULL && t->find_key(t->who, spki)
				  : slice_eq(t->peer, spki);
	return known ? DTLS_FAULT_NONE : DTLS_FAULT_UNKNOWN_KEY;
}

/* What wolfSSL found good: for a raw key that means nothing. */
static enum dtls_fault judge(struct wolf_proof *proof, const WOLFSSL_X509_STORE_CTX *store)
{
	enum dtls_fault fault = DTLS_FAULT_BAD;
	DecodedCert cert;
	if (store->totalCerts < 1 || proof->trust == NULL)
		return DTLS_FAULT_NO_CERTIFICATE;
	const WOLFSSL_BUFFER_INFO *first = &store->certs[0];
	wc_InitDecodedCert(&cert, first->buffer, first->length, NULL);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0) {
		bool may_be_key = proof->trust->is_server || proof->trust->security == DTLS_RPK;
		bool may_be_cert = proof->trust->is_server || proof->trust->security == DTLS_X509;
		if (cert.isRPK && may_be_key)
			fault = judge_key(proof, (struct slice){ first->buffer, first->length });
		else if (!cert.isRPK && may_be_cert)
			fault = judge_cert(proof, store, &cert);
		else
			fault = DTLS_FAULT_NO_CERTIFICATE;
	}
	wc_FreeDecodedCert(&cert);
	return fault;
}

/* wolfSSL shows the peer's own certificate, or one above it that it refused. What it refused stays
 * refused. */
static int on_verify(int good, WOLFSSL_X509_STORE_CTX *store)
{
	struct wolf_proof *proof = store->userCtx;
	if (proof == NULL)
		return 0;
	proof->fault = judge(proof, store);
	if (!good)
		proof->fault = fault_of(store->error);
	proof->proven = proof->fault == DTLS_FAULT_NONE;
	return proof->proven;
}

/* ---- profiles ---- */

/* Each device is asked for a certificate, and none comes in without, but for those with PSK. */
#define FROM_DEVICES (WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_EXCEPT_PSK)

static const char key_type[] = { WOLFSSL_CERT_TYPE_RPK };
static const char any_type[] = { WOLFSSL_CERT_TYPE_X509, WOLFSSL_CERT_TYPE_RPK };

static int set_verify(struct wolf_trust *t, WOLFSSL_CTX *ctx, int mode)
{
	t->manager[t->manager[0] != NULL] = wolfSSL_CTX_GetCertManager(ctx);
	wolfSSL_CTX_set_verify(ctx, mode, on_verify);
	/* Of the curves, only the mandatory one: wolfSSL would offer P-224 too. */
	if (wolfSSL_CTX_UseSupportedCurve(ctx, WOLFSSL_ECC_SECP256R1) != WOLFSSL_SUCCESS ||
		wolfSSL_CTX_SetMinEccKey_Sz(ctx, ECC_BITS) != WOLFSSL_SUCCESS ||
		wolfSSL_CTX_SetMinRsaKey_Sz(ctx, RSA_BITS) != WOLFSSL_SUCCESS)
		return -ENOTSUP;
	return 0;
}

static int new_trust(struct wolf_trust **trust, WOLFSSL_CTX *ctx, int mode)
{
	struct wolf_trust *t = calloc(1, sizeof(*t));
	*trust = t;
	if (t == NULL)
		return -ENOMEM;
	return wc_SetTimeCb(on_time) == 0 ? set_verify(t, ctx, mode) : -ENOTSUP;
}

static int trust_key(struct wolf_trust *t, WOLFSSL_CTX *ctx, struct slice file)
{
	uint8_t *spki = malloc(DTLS_SPKI_MAX);
	if (spki == NULL)
		return -ENOMEM;
	t->peer.p = spki;
	int rc = dtls_public_key_read(file, spki, &t->peer.n);
	if (rc == 0 &&
		(wolfSSL_CTX_set_client_cert_type(ctx, key_type, 1) != WOLFSSL_SUCCESS ||
			wolfSSL_CTX_set_server_cert_type(ctx, key_type, 1) != WOLFSSL_SUCCESS))
		rc = -ENOTSUP;
	return rc;
}

static int trust_names(struct wolf_trust *t, const struct dtls_profile_spec *spec)
{
	t->wall_s = spec->wall_s;
	if (spec->wall_s == NULL || spec->expected_name == NULL || spec->expected_name[0] == '\0')
		return -EINVAL;
	t->name = strdup(spec->expected_name);
	return t->name != NULL ? load_anchors(t, spec->trust) : -ENOMEM;
}

int wolf_trust_client(
	struct wolf_trust **trust, WOLFSSL_CTX *ctx, const struct dtls_profile_spec *spec)
{
	*trust = NULL;
	if (spec->security == DTLS_PSK)
		return 0;
	int rc = new_trust(trust, ctx, WOLFSSL_VERIFY_PEER);
	if (rc == 0) {
		(*trust)->security = spec->security;
		rc = spec->security == DTLS_RPK ? trust_key(*trust, ctx, spec->trust)
						: trust_names(*trust, spec);
	}
	if (rc != 0) {
		wolf_trust_free(*trust);
		*trust = NULL;
	}
	return rc;
}

static bool use_pair(WOLFSSL_CTX *ctx, struct slice cert, const struct wolf_key *key)
{
	bool pem = memmem(cert.p, cert.n, "-----BEGIN", 10) != NULL;
	return wolfSSL_CTX_use_certificate_chain_buffer_format(ctx, cert.p, (long)cert.n,
		       pem ? WOLFSSL_FILETYPE_PEM : WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS &&
	       wolfSSL_CTX_use_PrivateKey_buffer(
		       ctx, key->der, (long)key->der_n, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
}

/* All sessions of a context share its copy of the key. The second context is for clients that want our
 * raw key: wolfSSL would send the rest of a chain behind it. */
static int load_pair(struct wolf_trust *t, const struct wolf_ctx *ctx, const struct dtls_pair *pair)
{
	struct wolf_key key;
	int rc = dtls_pair_check(pair);
	if (rc == 0)
		rc = wolf_key_read(&key, pair->private_key);
	if (rc != 0)
		return rc;
	t->has_cert = pair->cert.n > 0;
	struct slice spki = { key.spki, key.spki_n };
	if ((t->has_cert && !use_pair(ctx->main, pair->cert, &key)) ||
		!use_pair(ctx->raw, spki, &key))
		rc = -EBADMSG;
	wolf_key_wipe(&key);
	return rc;
}

static bool set_types(WOLFSSL_CTX *ctx, const struct dtls_listener_spec *spec)
{
	bool both = spec->ca.n > 0 && spec->find_key != NULL;
	return wolfSSL_CTX_set_server_cert_type(ctx, any_type, 2) == WOLFSSL_SUCCESS &&
	       wolfSSL_CTX_set_client_cert_type(
		       ctx, spec->ca.n > 0 ? any_type : key_type, both ? 2 : 1) == WOLFSSL_SUCCESS;
}

static int setup_server(
	struct wolf_trust *t, const struct wolf_ctx *ctx, const struct dtls_listener_spec *spec)
{
	t->is_server = true;
	t->find_key = spec->find_key;
	t->who = spec->psk_who;
	t->wall_s = spec->wall_s;
	if (!set_types(ctx->main, spec) || !set_types(ctx->raw, spec) ||
		wolfSSL_CTX_set_server_cert_type(ctx->raw, key_type, 1) != WOLFSSL_SUCCESS)
		return -ENOTSUP;
	int rc = set_verify(t, ctx->raw, FROM_DEVICES);
	if (rc == 0)
		rc = load_pair(t, ctx, &spec->pair);
	return rc == 0 && spec->ca.n > 0 ? load_anchors(t, spec->ca) : rc;
}

int wolf_trust_server(struct wolf_trust **trust, const struct wolf_ctx *ctx,
	const struct dtls_listener_spec *spec)
{
	bool has_pair = spec->pair.private_key.n > 0, has_ca = spec->ca.n > 0;
	*trust = NULL;
	if (has_pair != (has_ca || spec->find_key != NULL) || (has_ca && spec->wall_s == NULL) ||
		(spec->pair.cert.n > 0 && !has_pair) || (!has_pair && spec->find_psk == NULL))
		return -EINVAL;
	if (!has_pair)
		return 0;
	int rc = new_trust(trust, ctx->main, FROM_DEVICES);
	if (rc == 0)
		rc = setup_server(*trust, ctx, spec);
	if (rc != 0) {
		wolf_trust_free(*trust);
		*trust = NULL;
	}
	return rc;
}

void wolf_trust_free(struct wolf_trust *t)
{
	if (t == NULL)
		return;
	free((void *)t->peer.p);
	free(t->name);
	free(t->anchors);
	free(t);
}

static bool has_type(struct slice types, uint8_t type)
{
	return types.n > 0 && memchr(types.p, type, types.n) != NULL;
}

/* RFC 7250 4.2: nobody who does not say otherwise gives and takes anything but certificates. */
enum wolf_offer wolf_trust_offer(
	const struct wolf_trust *t, struct slice server_types, struct slice client_types)
{
	bool takes_key = has_type(server_types, WOLFSSL_CERT_TYPE_RPK);
	bool takes_cert = server_types.p == NULL || has_type(server_types, WOLFSSL_CERT_TYPE_X509);
	bool gives_key = has_type(client_types, WOLFSSL_CERT_TYPE_RPK);
	bool gives_cert = client_types.p == NULL || has_type(client_types, WOLFSSL_CERT_TYPE_X509);
	if (t == NULL || !((gives_key && t->find_key != NULL) || (gives_cert && t->anchors_n > 0)))
		return WOLF_OFFER_NOTHING;
	/* Who has nothing but a raw key most likely has no CA either, whatever it says. */
	if (t->has_cert && takes_cert && !(takes_key && gives_key && !gives_cert))
		return WOLF_OFFER_CERT;
	return takes_key ? WOLF_OFFER_KEY : WOLF_OFFER_NOTHING;
}

/* ---- sessions ---- */

void wolf_proof_init(struct wolf_proof *proof, const struct wolf_trust *trust, WOLFSSL *ssl)
{
	proof->trust = trust;
	wolfSSL_SetCertCbCtx(ssl, proof);
}

void wolf_proof_fini(struct wolf_proof *proof)
{
	slice_free(&proof->spki);
	free(proof->names);
}

static bool use_key(WOLFSSL *ssl, const struct wolf_key *key)
{
	return wolfSSL_use_certificate_buffer(
		       ssl, key->spki, (long)key->spki_n, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
}

static bool use_cert(WOLFSSL *ssl, struct slice cert)
{
	bool pem = memmem(cert.p, cert.n, "-----BEGIN", 10) != NULL;
	return wolfSSL_use_certificate_chain_buffer_format(ssl, cert.p, (long)cert.n,
		       pem ? WOLFSSL_FILETYPE_PEM : WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
}

int wolf_proof_own(const struct wolf_trust *t, WOLFSSL *ssl, const struct dtls_pair *pair)
{
	struct wolf_key key;
	int rc = dtls_pair_check(pair);
	if (rc == 0 && (pair->cert.n > 0) != (t->security == DTLS_X509))
		rc = -EINVAL;
	if (rc == 0)
		rc = wolf_key_read(&key, pair->private_key);
	if (rc != 0)
		return rc;
	if (!(t->security == DTLS_RPK ? use_key(ssl, &key) : use_cert(ssl, pair->cert)) ||
		wolfSSL_use_PrivateKey_buffer(
			ssl, key.der, (long)key.der_n, WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS)
		rc = -EPROTO;
	wolf_key_wipe(&key);
	return rc;
}

void wolf_proof_before(const struct wolf_proof *proof)
{
	clock_of_step = proof->trust != NULL ? proof->trust->wall_s : NULL;
}

/* wolfSSL adds the CAs of a peer's chain to those of the context: later they would vouch for others,
 * beyond their own time. */
void wolf_proof_after(struct wolf_proof *proof, int error)
{
	if (proof->trust == NULL)
		return;
	for (int i = 0; i < 2 && proof->trust->manager[i] != NULL; i++)
		(void)wolfSSL_CertManagerUnloadIntermediateCerts(proof->trust->manager[i]);
	if (error != 0 && proof->fault == DTLS_FAULT_NONE && is_of_certificate(error))
		proof->fault = fault_of(error);
}

void wolf_proof_up(WOLFSSL *ssl)
{
	(void)wolfSSL_UnloadCertsKeys(ssl);
}
