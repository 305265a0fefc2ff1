/* The door to wolfSSL: sessions. Keys and certificates are wolf_cert.c's and wolf_file.c's. */
#include "dtls/wolf_door_int.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include "base/rand.h"

#if !defined(WOLFSSL_DTLS) || !defined(WOLFSSL_STATIC_PSK) || !defined(HAVE_AESCCM)
#error "wolfSSL is built without DTLS, static PSK or AES-CCM"
#endif
#if !defined(WOLFSSL_DTLS_CID) || !defined(WOLFSSL_DTLS_MTU) || !defined(WOLFSSL_DTLS_DROP_STATS)
#error "wolfSSL is built without connection ids, MTU or drop counters"
#endif
#if !defined(MAX_PSK_ID_LEN) || MAX_PSK_ID_LEN < 128
#error "wolfSSL is built for PSK identities under 128 bytes (RFC 4279 5.3)"
#endif

/* A datagram of a handshake flight: fits every path that IPv6 allows, with room for tunnels. */
#define FLIGHT_MTU 1200
/* What wolfSSL takes as MTU at most; DTLS_WRITE_MAX follows from it. */
#define RECORD_MTU 16384
/* While reading, the MTU is the size of the input buffer less this. */
#define READ_SPARE 500
/* Enough for an alert that is sent while reading. */
#define LEAST_MTU 256

/* In the order of the LwM2M transport specification (OMA-TS-LightweightM2M_Transport 5.2.8), then
 * the same key exchange with other ciphers. */
#define SUITES_PSK                                                                                 \
	"PSK-AES128-CCM-8:PSK-AES128-CBC-SHA256:PSK-AES128-CCM:"                                   \
	"PSK-AES128-GCM-SHA256"
#define SUITES_ECC                                                                                 \
	"ECDHE-ECDSA-AES128-CCM-8:ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-CCM:"               \
	"ECDHE-ECDSA-AES128-GCM-SHA256"
/* A server on the net may have a certificate of that kind; we and devices have not. */
#define SUITES_RSA "ECDHE-RSA-AES128-GCM-SHA256"
static const struct wolf_suite12 suites[] = {
	{ 0xc0a8, "TLS_PSK_WITH_AES_128_CCM_8", true, true, AEAD_CCM_8 },
	{ 0x00ae, "TLS_PSK_WITH_AES_128_CBC_SHA256", true, false, 0 },
	{ 0xc0a4, "TLS_PSK_WITH_AES_128_CCM", true, true, AEAD_CCM },
	{ 0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256", true, true, AEAD_GCM },
	{ 0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", false, true, AEAD_CCM_8 },
	{ 0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", false, false, 0 },
	{ 0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", false, true, AEAD_CCM },
	{ 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false, true, AEAD_GCM },
	{ 0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", false, true, AEAD_GCM },
};

const struct wolf_suite12 *wolf_suite12(WOLFSSL *ssl)
{
	int number = wolfSSL_get_current_cipher_suite(ssl);
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (suites[i].number == number)
			return &suites[i];
	return NULL;
}

/* wolfSSL is built to call this instead of a generator of its own, which would cost a hash and a
 * getpid a record. It stands in this file so that no linker can leave it out. */
int lwg_rand_block(unsigned char *out, unsigned int n)
{
	rand_bytes(out, n);
	return 0;
}

/* Hands over the one record; a call without one ends wolfSSL's reading. */
static int on_recv(WOLFSSL *ssl, char *room, int size, void *who)
{
	struct wolf *w = who;
	(void)ssl;
	size_t n = w->in.n;
	if (n == 0 || n > (size_t)size)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(room, w->in.p, n);
	w->in = (struct slice){ NULL, 0 };
	return (int)n;
}

static int on_send(WOLFSSL *ssl, char *bytes, int n, void *who)
{
	struct wolf *w = who;
	(void)ssl;
	w->spec.send(w->spec.who, (const uint8_t *)bytes, (size_t)n);
	return n;
}

/* wolfSSL ends the identity behind MAX_PSK_ID_LEN bytes by itself. */
unsigned wolf_tell_psk(const struct dtls_psk *psk, char *identity, unsigned identity_max,
	unsigned char *key, unsigned key_max)
{
	if (psk->identity.n > identity_max || psk->key.n > key_max)
		return 0;
	memcpy(identity, psk->identity.p, psk->identity.n);
	if (psk->identity.n < identity_max)
		identity[psk->identity.n] = '\0';
	memcpy(key, psk->key.p, psk->key.n);
	return (unsigned)psk->key.n;
}

static unsigned on_psk(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max,
	unsigned char *key, unsigned key_max)
{
	(void)hint;
	return wolf_tell_psk(
		wolfSSL_get_psk_callback_ctx(ssl), identity, identity_max, key, key_max);
}

/* wolfSSL ends an identity at its first zero byte, so a longer one is known as that. */
unsigned wolf_look_up(struct wolf *w, const char *identity, unsigned char *key, unsigned key_max)
{
	struct slice name = slice_str(identity);
	slice_free(&w->known->identity);
	w->is_named = true;
	if (!slice_copy(&w->known->identity, name.p, name.n))
		return 0;
	const struct dtls_psk *psk =
		w->profile->find_psk != NULL ? w->profile->find_psk(w->profile->who, name) : NULL;
	w->stranger = psk == NULL || psk->key.n == 0 || psk->key.n > key_max;
	if (w->stranger)
		return 0;
	memcpy(key, psk->key.p, psk->key.n);
	return (unsigned)psk->key.n;
}

static unsigned on_psk_server(
	WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned key_max)
{
	return wolf_look_up(wolfSSL_get_psk_callback_ctx(ssl), identity, key, key_max);
}

static int setup_ctx(WOLFSSL_CTX *ctx, const char *suite_list)
{
	/* The result matters: on a name that it does not know wolfSSL keeps its default list. */
	if ((suite_list != NULL &&
		    wolfSSL_CTX_set_cipher_list(ctx, suite_list) != WOLFSSL_SUCCESS) ||
		wolfSSL_CTX_set_group_messages(ctx) != WOLFSSL_SUCCESS ||
		wolfSSL_CTX_dtls_set_mtu(ctx, FLIGHT_MTU) != WOLFSSL_SUCCESS)
		return -ENOTSUP;
	wolfSSL_CTX_set_psk_client_callback(ctx, on_psk);
	wolfSSL_CTX_set_psk_server_callback(ctx, on_psk_server);
	wolfSSL_CTX_SetIORecv(ctx, on_recv);
	wolfSSL_CTX_SetIOSend(ctx, on_send);
	return 0;
}

static int or_free(struct wolf_profile **profile, int rc)
{
	if (rc != 0) {
		wolf_profile_free(*profile);
		*profile = NULL;
	}
	return rc;
}

static int new_ctx(WOLFSSL_CTX **ctx, WOLFSSL_METHOD *(*method)(void), const char *suite_list)
{
	*ctx = method != NULL ? wolfSSL_CTX_new(method()) : NULL;
	return *ctx != NULL ? setup_ctx(*ctx, suite_list) : -ENOMEM;
}

static int profile_create(
	struct wolf_profile **profile, WOLFSSL_METHOD *(*method)(void), const char *suite_list)
{
	*profile = NULL;
	struct wolf_profile *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	if (wolfSSL_Init() != WOLFSSL_SUCCESS) { /* counts its callers */
		free(p);
		return -ENOMEM;
	}
	*profile = p;
	return or_free(profile, new_ctx(&p->ctx, method, suite_list));
}

/* A profile of DTLS 1.3: PSK alone, so far. */
static int profile_create13(struct wolf_profile **profile, bool is_server, bool no_dhe)
{
	*profile = NULL;
	if (!wolf13_is_there())
		return -ENOTSUP;
	int rc = profile_create(profile, wolf13_method(is_server), NULL);
	if (rc != 0)
		return rc;
	(*profile)->version = DTLS_1_3;
	return or_free(profile, wolf13_profile_setup((*profile)->ctx, is_server, no_dhe));
}

static int create_client13(struct wolf_profile **profile, const struct dtls_profile_spec *spec)
{
	*profile = NULL;
	int rc = spec->security == DTLS_PSK ? profile_create13(profile, false, spec->no_dhe)
					    : -ENOTSUP;
	if (rc == 0)
		(*profile)->cid = spec->cid;
	return rc;
}

int wolf_profile_create(struct wolf_profile **profile, const struct dtls_profile_spec *spec)
{
	if (spec->version == DTLS_1_3)
		return create_client13(profile, spec);
	static const char *const lists[] = { [DTLS_PSK] = SUITES_PSK,
		[DTLS_RPK] = SUITES_ECC,
		[DTLS_X509] = SUITES_ECC ":" SUITES_RSA };
	int rc = profile_create(profile, wolfDTLSv1_2_client_method, lists[spec->security]);
	if (rc != 0)
		return rc;
	(*profile)->cid = spec->cid;
	(*profile)->security = spec->security;
	return or_free(profile, wolf_trust_client(&(*profile)->trust, (*profile)->ctx, spec));
}

int wolf_server_create(struct wolf_profile **profile, const struct dtls_listener_spec *spec,
	enum dtls_version version)
{
	bool certs = version == DTLS_1_2 && spec->pair.private_key.n > 0;
	const char *list = certs ? SUITES_PSK ":" SUITES_ECC : SUITES_PSK;
	int rc = version == DTLS_1_3 ?
			 profile_create13(profile, true, false) :
			 profile_create(profile, wolfDTLSv1_2_server_method, list);
	if (rc != 0)
		return rc;
	struct wolf_profile *p = *profile;
	p->cid = spec->cid;
	p->is_server = true;
	p->find_psk = spec->find_psk;
	p->who = spec->psk_who;
	if (certs)
		rc = new_ctx(&p->raw, wolfDTLSv1_2_server_method, list);
	struct wolf_ctx both = { p->ctx, p->raw };
	if (rc == 0 && version == DTLS_1_2)
		rc = wolf_trust_server(&p->trust, &both, spec);
	return or_free(profile, rc);
}

enum wolf_offer wolf_offer_for(
	const struct wolf_profile *profile, struct slice server_types, struct slice client_types)
{
	return wolf_trust_offer(profile->trust, server_types, client_types);
}

bool wolf_has_certs(const struct wolf_profile *profile)
{
	return profile->trust != NULL;
}

void wolf_profile_free(struct wolf_profile *profile)
{
	if (profile == NULL)
		return;
	wolfSSL_CTX_free(profile->ctx);
	wolfSSL_CTX_free(profile->raw);
	wolf_trust_free(profile->trust);
	wolfSSL_Cleanup();
	free(profile);
}

static bool is_13(const struct wolf *w)
{
	return w->profile->version == DTLS_1_3;
}

static bool session_setup(struct wolf *w, struct slice cid)
{
	const char *name = w->spec.server_name;
	void *psk_who = w->is_server ? (void *)w : (void *)&w->spec.psk;
	wolfSSL_dtls_set_using_nonblock(w->ssl, 1);
	w->known->security = w->profile->security;
	wolf_proof_init(&w->known->proof, w->profile->trust, w->ssl);
	wolfSSL_SetIOReadCtx(w->ssl, w);
	wolfSSL_SetIOWriteCtx(w->ssl, w);
	if (wolfSSL_set_psk_callback_ctx(w->ssl, psk_who) != WOLFSSL_SUCCESS ||
		(is_13(w) && !wolf13_session_setup(w)))
		return false;
	if (name != NULL && wolfSSL_UseSNI(w->ssl, WOLFSSL_SNI_HOST_NAME, name,
				    (unsigned short)strlen(name)) != WOLFSSL_SUCCESS)
		return false;
	return !w->profile->cid || (wolfSSL_dtls_cid_use(w->ssl) == WOLFSSL_SUCCESS &&
					   wolfSSL_dtls_cid_set(w->ssl, (unsigned char *)cid.p,
						   (unsigned)cid.n) == WOLFSSL_SUCCESS);
}

static int create(struct wolf **out, struct wolf_profile *profile, WOLFSSL_CTX *ctx,
	struct slice cid, const struct wolf_spec *spec)
{
	*out = NULL;
	struct wolf *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->spec = *spec;
	w->profile = profile;
	w->is_server = profile->is_server;
	w->known = calloc(1, sizeof(*w->known));
	w->ssl = w->known != NULL ? wolfSSL_new(ctx) : NULL;
	if (w->ssl == NULL || !session_setup(w, cid)) {
		wolf_free(w);
		return -ENOMEM;
	}
	w->spec.server_name = NULL; /* copied by now */
	*out = w;
	return 0;
}

int wolf_create(struct wolf **w, struct wolf_profile *profile, const struct wolf_spec *spec)
{
	/* Our id is empty: our socket names the session, only the server has to be told. */
	int rc = create(w, profile, profile->ctx, (struct slice){ NULL, 0 }, spec);
	if (rc == 0 && profile->trust != NULL)
		rc = wolf_proof_own(profile->trust, (*w)->ssl, &spec->pair);
	if (rc != 0) {
		wolf_free(*w);
		*w = NULL;
	}
	return rc;
}

/* Without a certificate of a kind that the client takes, there are only PSK suites to agree on. */
static bool restrict_suites(struct wolf *w, enum wolf_offer offer)
{
	return w->profile->trust == NULL || offer != WOLF_OFFER_NOTHING ||
	       wolfSSL_set_cipher_list(w->ssl, SUITES_PSK) == WOLFSSL_SUCCESS;
}

int wolf_listen(struct wolf **w, struct wolf_profile *profile, const struct wolf_waiting *waiting,
	const struct wolf_spec *spec)
{
	struct slice secret = waiting->secret;
	WOLFSSL_CTX *ctx = waiting->offer == WOLF_OFFER_KEY ? profile->raw : profile->ctx;
	int rc = create(w, profile, ctx, waiting->cid, spec);
	/* wolfSSL wants the secret of 1.2 in any case, or draws one. */
	if (rc == 0 &&
		(!restrict_suites(*w, waiting->offer) ||
			wolfSSL_DTLS_SetCookieSecret((*w)->ssl, secret.p, (word32)secret.n) != 0 ||
			(is_13(*w) && !wolf13_wait(*w, secret)))) {
		wolf_free(*w);
		*w = NULL;
		rc = -ENOMEM;
	}
	return rc;
}

/* The cookie is made from the address, and with own I/O nobody else sets it. */
enum wolf_result wolf_hello(
	struct wolf *w, struct slice record, struct slice offered, struct slice peer)
{
	if (is_13(w) && !wolf13_choose(w, offered))
		return WOLF_FAILED;
	if (wolfSSL_dtls_set_peer(w->ssl, (void *)peer.p, (unsigned)peer.n) != WOLFSSL_SUCCESS)
		return WOLF_FAILED;
	w->in = record;
	int rc = wolfDTLS_accept_stateless(w->ssl);
	w->in = (struct slice){ NULL, 0 };
	if (rc == WOLFSSL_SUCCESS)
		return WOLF_UP;
	return rc == WOLFSSL_FAILURE ? WOLF_NOTHING : WOLF_FAILED;
}

void wolf_redirect(
	struct wolf *w, void (*send)(void *who, const uint8_t *datagram, size_t n), void *who)
{
	w->spec.send = send;
	w->spec.who = who;
}

void wolf_free(struct wolf *w)
{
	if (w == NULL)
		return;
	wolfSSL_free(w->ssl);
	wolf_numbers_free(w);
	wolf_known_free(w->known);
	free(w);
}

/* Bad MACs, repeats and records of another epoch end silently; only this tells. */
static uint64_t drops(const struct wolf *w)
{
	word32 mac = 0, replay = 0;
	(void)wolfSSL_dtls_get_drop_stats(w->ssl, &mac, &replay);
	return (uint64_t)mac << 32 | replay;
}

/* Throws away what did not fit the caller's room. */
static bool was_cut(struct wolf *w)
{
	uint8_t rest[256];
	bool cut = false;
	while (wolfSSL_pending(w->ssl) > 0 && wolfSSL_read(w->ssl, rest, sizeof(rest)) > 0)
		cut = true;
	explicit_bzero(rest, sizeof(rest));
	return cut;
}

/* What a call that brought neither a handshake nor bytes means. */
static enum wolf_result judge(struct wolf *w, int rc, uint64_t drops_before)
{
	int error = wolfSSL_get_error(w->ssl, rc);
	bool fetched = w->in.n == 0;
	w->in = (struct slice){ NULL, 0 };
	if (error == WOLFSSL_ERROR_ZERO_RETURN)
		return WOLF_CLOSED;
	if (is_13(w) && wolf13_is_early(error)) {
		(void)was_cut(w);
		return WOLF_DROPPED;
	}
	if (error != WOLFSSL_ERROR_WANT_READ)
		return WOLF_FAILED;
	return fetched && drops(w) == drops_before ? WOLF_NOTHING : WOLF_DROPPED;
}

static bool is_psk(const struct wolf *w)
{
	if (is_13(w))
		return wolf13_is_psk(w);
	const struct wolf_suite12 *suite = wolf_suite12(w->ssl);
	return suite != NULL && suite->is_psk;
}

/* Nobody comes in who has proven nothing, whatever the library says; and who has a pre-shared key shows no
 * certificate beside it, which nobody would have proven. */
static enum wolf_result come_up(struct wolf *w)
{
	wolf_proof_up(w->ssl);
	bool is_good = is_psk(w) ? w->known->proof.spki.n == 0 : w->known->proof.proven;
	return is_good ? WOLF_UP : WOLF_FAILED;
}

enum wolf_result wolf_handshake(struct wolf *w, struct slice record)
{
	uint64_t before = drops(w);
	w->in = record;
	wolf_proof_before(&w->known->proof);
	int rc = w->is_server ? wolfSSL_accept(w->ssl) : wolfSSL_connect(w->ssl);
	bool up = rc == WOLFSSL_SUCCESS;
	wolf_proof_after(&w->known->proof, up ? 0 : wolfSSL_get_error(w->ssl, rc));
	return up ? come_up(w) : judge(w, rc, before);
}

bool wolf_repeat(struct wolf *w)
{
	if (is_13(w))
		return wolf13_repeat(w);
	return wolfSSL_dtls_retransmit(w->ssl) == WOLFSSL_SUCCESS;
}

/* wolfSSL_dtls_retransmit does nothing after the handshake; the timeout of wolfSSL's own timer does, as
 * long as that did not grow to its end. */
bool wolf_repeat_last(struct wolf *w)
{
	return wolfSSL_dtls_set_timeout_init(w->ssl, 1) == WOLFSSL_SUCCESS &&
	       wolfSSL_dtls_got_timeout(w->ssl) == WOLFSSL_SUCCESS;
}

/* Large enough for the record, and no larger: the input buffer is taken and wiped a record. */
static bool fit_input(struct wolf *w, size_t n)
{
	size_t mtu = n > READ_SPARE + LEAST_MTU ? n - READ_SPARE : LEAST_MTU;
	return wolfSSL_dtls_set_mtu(w->ssl, (word16)mtu) == WOLFSSL_SUCCESS;
}

/* 1.3 and connection ids hide the type. */
static bool is_data(struct slice record)
{
	return record.p[0] == 23; /* RFC 5246 6.2.1, application_data */
}

enum wolf_result wolf_read(
	struct wolf *w, struct slice record, uint8_t *room, size_t size, size_t *n)
{
	*n = 0;
	if (record.n > RECORD_MTU + READ_SPARE || !fit_input(w, record.n))
		return WOLF_DROPPED;
	uint64_t before = drops(w);
	w->in = record;
	int rc = wolfSSL_read(w->ssl, room, size < INT_MAX ? (int)size : INT_MAX);
	if (rc <= 0) {
		enum wolf_result result = judge(w, rc, before);
		/* An empty record is authentic data too, and wolfSSL keeps it to itself. */
		return result == WOLF_NOTHING && is_data(record) ? WOLF_BYTES : result;
	}
	if (was_cut(w))
		return WOLF_DROPPED;
	*n = (size_t)rc;
	return WOLF_BYTES;
}

bool wolf_write(struct wolf *w, const uint8_t *bytes, size_t n)
{
	if (wolfSSL_dtls_set_mtu(w->ssl, RECORD_MTU) != WOLFSSL_SUCCESS)
		return false;
	return wolfSSL_write(w->ssl, bytes, (int)n) == (int)n;
}

void wolf_close(struct wolf *w)
{
	(void)wolfSSL_shutdown(w->ssl); /* it asks for the peer's answer, which nobody awaits */
}

const char *wolf_suite(const struct wolf *w)
{
	const struct wolf_suite12 *suite = wolf_suite12(w->ssl);
	const char *name = suite != NULL ? suite->name :
					   wolf13_suite(wolfSSL_get_current_cipher_suite(w->ssl));
	return name != NULL ? name : "";
}

int wolf_peer_cid(const struct wolf *w)
{
	unsigned n = 0;
	if (wolfSSL_dtls_cid_get_tx_size(w->ssl, &n) != WOLFSSL_SUCCESS)
		return -1;
	return n > 0 ? (int)n : -1; /* wolfSSL does not tell an empty one from none */
}

bool wolf_has_own_cid(const struct wolf *w)
{
	unsigned n = 0;
	return wolfSSL_dtls_cid_is_enabled(w->ssl) &&
	       wolfSSL_dtls_cid_get_rx_size(w->ssl, &n) == WOLFSSL_SUCCESS && n > 0;
}

enum dtls_version wolf_version(const struct wolf *w)
{
	return w->profile->version;
}

bool wolf_is_proven(const struct wolf *w)
{
	return w->proven;
}

bool wolf_is_waiting(const struct wolf *w)
{
	return is_13(w) && wolf13_is_waiting(w);
}

int wolf_unsaid(const struct wolf *w)
{
	if (w->stranger)
		return unknown_psk_identity;
	bool silent = w->known->proof.fault != DTLS_FAULT_NONE && wolf_alert(w) < 0;
	return silent ? handshake_failure : -1;
}

int wolf_alert(const struct wolf *w)
{
	WOLFSSL_ALERT_HISTORY seen;
	if (wolfSSL_get_alert_history(w->ssl, &seen) != WOLFSSL_SUCCESS)
		return -1;
	if (seen.last_rx.level == alert_fatal)
		return seen.last_rx.code;
	return seen.last_tx.level == alert_fatal ? seen.last_tx.code : -1;
}
