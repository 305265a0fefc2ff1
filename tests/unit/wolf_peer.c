/* A DTLS server, or client, for tests, on the library that the room uses too. */
#include "wolf_peer.h"
#include <stdlib.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include "base/bug.h"

struct wolf_peer {
	WOLFSSL_CTX *ctx;
	WOLFSSL *ssl;
	struct wolf_peer_spec spec;
	struct slice in;
	bool up, closed, dead;
	size_t given;
	char sni[128];
	uint8_t secret[32]; /* what it writes with in DTLS 1.3, before any key update */
};

static int on_recv(WOLFSSL *ssl, char *room, int size, void *who)
{
	struct wolf_peer *p = who;
	(void)ssl;
	size_t n = p->in.n;
	if (n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	if (n > (size_t)size) /* what a socket does with the rest of a datagram */
		n = (size_t)size;
	memcpy(room, p->in.p, n);
	p->in.n = 0;
	return (int)n;
}

static int on_send(WOLFSSL *ssl, char *bytes, int n, void *who)
{
	struct wolf_peer *p = who;
	(void)ssl;
	p->spec.send(p->spec.who, (const uint8_t *)bytes, (size_t)n);
	return n;
}

static unsigned on_psk(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned key_max)
{
	struct wolf_peer *p = wolfSSL_get_psk_callback_ctx(ssl);
	if (!slice_is(p->spec.identity, identity) || p->spec.key.n > key_max)
		return 0;
	memcpy(key, p->spec.key.p, p->spec.key.n);
	return (unsigned)p->spec.key.n;
}

static unsigned on_psk_client(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max,
	unsigned char *key, unsigned key_max)
{
	struct wolf_peer *p = wolfSSL_get_psk_callback_ctx(ssl);
	(void)hint;
	BUG_UNLESS(p->spec.identity.n < identity_max && p->spec.key.n <= key_max);
	memcpy(identity, p->spec.identity.p, p->spec.identity.n);
	identity[p->spec.identity.n] = '\0';
	memcpy(key, p->spec.key.p, p->spec.key.n);
	return (unsigned)p->spec.key.n;
}

static int on_sni(WOLFSSL *ssl, int *alert, void *who)
{
	struct wolf_peer *p = who;
	void *name = NULL;
	(void)alert;
	size_t n = wolfSSL_SNI_GetRequest(ssl, WOLFSSL_SNI_HOST_NAME, &name);
	if (name != NULL && n < sizeof(p->sni))
		memcpy(p->sni, name, n);
	return 0;
}

/* Takes whatever it is: who is trusted is not this end's matter. */
static int on_verify(int good, WOLFSSL_X509_STORE_CTX *store)
{
	struct wolf_peer *p = store->userCtx;
	(void)good;
	p->given = store->certs[0].length;
	return 1;
}

static void setup_certs(struct wolf_peer *p)
{
	static const char raw[] = { WOLFSSL_CERT_TYPE_RPK };
	const struct wolf_peer_spec *s = &p->spec;
	int mode = s->is_client || s->asks ? WOLFSSL_VERIFY_PEER : WOLFSSL_VERIFY_NONE;
	wolfSSL_CTX_set_verify(p->ctx, mode, on_verify);
	if (s->is_raw) {
		BUG_UNLESS(wolfSSL_CTX_set_client_cert_type(p->ctx, raw, 1) == WOLFSSL_SUCCESS);
		BUG_UNLESS(wolfSSL_CTX_set_server_cert_type(p->ctx, raw, 1) == WOLFSSL_SUCCESS);
	}
	if (s->cert.n == 0)
		return;
	BUG_UNLESS(
		wolfSSL_CTX_use_certificate_chain_buffer_format(p->ctx, s->cert.p, (long)s->cert.n,
			s->is_raw ? WOLFSSL_FILETYPE_ASN1 : WOLFSSL_FILETYPE_PEM) ==
		WOLFSSL_SUCCESS);
	BUG_UNLESS(wolfSSL_CTX_use_PrivateKey_buffer(p->ctx, s->private_key.p,
			   (long)s->private_key.n, WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS);
}

#ifdef WOLFSSL_DTLS13

/* DTLS 1.3 names a suite with each key: the first of ours, since tests offer one. */
static unsigned on_psk13(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned key_max,
	const char **suite)
{
	struct wolf_peer *p = wolfSSL_get_psk_callback_ctx(ssl);
	*suite = p->spec.suites;
	return on_psk(ssl, identity, key, key_max);
}

static unsigned on_psk_client13(WOLFSSL *ssl, const char *hint, char *identity,
	unsigned identity_max, unsigned char *key, unsigned key_max, const char *suite)
{
	(void)suite;
	return on_psk_client(ssl, hint, identity, identity_max, key, key_max);
}

static WOLFSSL_METHOD *method13(bool is_client)
{
	return is_client ? wolfDTLSv1_3_client_method() : wolfDTLSv1_3_server_method();
}

static void setup13_ctx(struct wolf_peer *p)
{
	int groups[] = { WOLFSSL_ECC_SECP256R1 };
	wolfSSL_CTX_set_psk_server_tls13_callback(p->ctx, on_psk13);
	wolfSSL_CTX_set_psk_client_cs_callback(p->ctx, on_psk_client13);
	BUG_UNLESS(wolfSSL_CTX_set_groups(p->ctx, groups, 1) == WOLFSSL_SUCCESS);
	BUG_UNLESS(!p->spec.no_dhe || wolfSSL_CTX_no_dhe_psk(p->ctx) == 0);
}

static int on_secret(WOLFSSL *ssl, int id, const unsigned char *secret, int n, void *who)
{
	struct wolf_peer *p = who;
	(void)ssl;
	BUG_UNLESS(n == sizeof(p->secret));
	if (id == (p->spec.is_client ? CLIENT_TRAFFIC_SECRET : SERVER_TRAFFIC_SECRET))
		memcpy(p->secret, secret, sizeof(p->secret));
	return 0;
}

static void setup13(struct wolf_peer *p)
{
	BUG_UNLESS(wolfSSL_set_tls13_secret_cb(p->ssl, on_secret, p) == WOLFSSL_SUCCESS);
	wolfSSL_dtls13_set_send_more_acks(p->ssl, 1); /* or it wants two timers */
	if (!p->spec.is_client)
		BUG_UNLESS(wolfSSL_send_hrr_cookie(p->ssl, NULL, 0) == WOLFSSL_SUCCESS);
}

bool wolf_peer_has_13(void)
{
	return true;
}

void wolf_peer_update(struct wolf_peer *p)
{
	BUG_UNLESS(wolfSSL_update_keys(p->ssl) == WOLFSSL_SUCCESS);
}

#else /* a library without it: tests of DTLS 1.3 are not run */

static WOLFSSL_METHOD *method13(bool is_client)
{
	(void)is_client;
	BUG("wolfSSL is built without DTLS 1.3");
}

static void setup13_ctx(struct wolf_peer *p)
{
	(void)p;
}

static void setup13(struct wolf_peer *p)
{
	(void)p;
}

bool wolf_peer_has_13(void)
{
	return false;
}

void wolf_peer_update(struct wolf_peer *p)
{
	(void)p;
	BUG("wolfSSL is built without DTLS 1.3");
}

#endif

static WOLFSSL_METHOD *method(const struct wolf_peer_spec *spec)
{
	if (spec->v13)
		return method13(spec->is_client);
	return spec->is_client ? wolfDTLSv1_2_client_method() : wolfDTLSv1_2_server_method();
}

static void setup(struct wolf_peer *p)
{
	p->ctx = wolfSSL_CTX_new(method(&p->spec));
	BUG_UNLESS(p->ctx != NULL);
	if (p->spec.v13)
		setup13_ctx(p);
	BUG_UNLESS(wolfSSL_CTX_set_cipher_list(p->ctx, p->spec.suites) == WOLFSSL_SUCCESS);
	setup_certs(p);
	wolfSSL_CTX_set_psk_server_callback(p->ctx, on_psk);
	wolfSSL_CTX_set_psk_client_callback(p->ctx, on_psk_client);
	wolfSSL_CTX_set_servername_callback(p->ctx, on_sni);
	wolfSSL_CTX_set_servername_arg(p->ctx, p);
	wolfSSL_CTX_SetIORecv(p->ctx, on_recv);
	wolfSSL_CTX_SetIOSend(p->ctx, on_send);
	p->ssl = wolfSSL_new(p->ctx);
	BUG_UNLESS(p->ssl != NULL);
	wolfSSL_SetCertCbCtx(p->ssl, p);
	if (p->spec.mtu != 0)
		BUG_UNLESS(wolfSSL_dtls_set_mtu(p->ssl, p->spec.mtu) == WOLFSSL_SUCCESS);
	wolfSSL_dtls_set_using_nonblock(p->ssl, 1);
	wolfSSL_SetIOReadCtx(p->ssl, p);
	wolfSSL_SetIOWriteCtx(p->ssl, p);
	BUG_UNLESS(wolfSSL_set_psk_callback_ctx(p->ssl, p) == WOLFSSL_SUCCESS);
	if (p->spec.v13)
		setup13(p);
	if (!p->spec.cid)
		return;
	BUG_UNLESS(wolfSSL_dtls_cid_use(p->ssl) == WOLFSSL_SUCCESS);
	BUG_UNLESS(wolfSSL_dtls_cid_set(p->ssl, (unsigned char *)p->spec.own_cid.p,
			   (unsigned)p->spec.own_cid.n) == WOLFSSL_SUCCESS);
}

struct wolf_peer *wolf_peer_create(const struct wolf_peer_spec *spec)
{
	struct wolf_peer *p = calloc(1, sizeof(*p));
	BUG_UNLESS(p != NULL && wolfSSL_Init() == WOLFSSL_SUCCESS);
	p->spec = *spec;
	setup(p);
	return p;
}

void wolf_peer_free(struct wolf_peer *p)
{
	wolfSSL_free(p->ssl);
	wolfSSL_CTX_free(p->ctx);
	wolfSSL_Cleanup();
	free(p);
}

static bool is_waiting(struct wolf_peer *p, int rc)
{
	return wolfSSL_get_error(p->ssl, rc) == WOLFSSL_ERROR_WANT_READ;
}

/* Fatal, unknown_psk_identity (RFC 4279 2). */
static const uint8_t refusal[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 115 };

static void shake(struct wolf_peer *p)
{
	int rc = p->spec.is_client ? wolfSSL_connect(p->ssl) : wolfSSL_accept(p->ssl);
	p->up = rc == WOLFSSL_SUCCESS;
	p->dead = !p->up && !is_waiting(p, rc);
	if (p->dead && !p->spec.is_client && !p->spec.v13) /* wolfSSL would say nothing; other servers do */
		p->spec.send(p->spec.who, refusal, sizeof(refusal));
	/* Now that the handshake is done: records of any size. */
	if (p->up)
		BUG_UNLESS(wolfSSL_dtls_set_mtu(p->ssl, 16384) == WOLFSSL_SUCCESS);
}

void wolf_peer_begin(struct wolf_peer *p)
{
	shake(p);
}

void wolf_peer_repeat(struct wolf_peer *p)
{
	if (wolf_peer_is_shaking(p))
		wolfSSL_dtls_retransmit(p->ssl);
}

static void take(struct wolf_peer *p)
{
	uint8_t room[16384];
	int rc;
	while ((rc = wolfSSL_read(p->ssl, room, sizeof(room))) > 0)
		p->spec.on_data(p->spec.who, room, (size_t)rc);
	if (is_waiting(p, rc))
		return;
	p->closed = wolfSSL_get_error(p->ssl, rc) == WOLFSSL_ERROR_ZERO_RETURN;
	p->dead = true;
}

/* A ClientHello that comes late would kill the library's session. */
static bool is_hello(const uint8_t *d, size_t n)
{
	return n > 13 && d[0] == 22 && d[3] == 0 && d[4] == 0 && d[13] == 1;
}

void wolf_peer_tick(struct wolf_peer *p)
{
	if (!p->spec.v13 || p->up || p->dead)
		return;
	BUG_UNLESS(wolfSSL_dtls_set_timeout_init(p->ssl, 1) == WOLFSSL_SUCCESS);
	BUG_UNLESS(wolfSSL_dtls_got_timeout(p->ssl) == WOLFSSL_SUCCESS);
}

static void feed_one(struct wolf_peer *p, const uint8_t *datagram, size_t n)
{
	if (p->dead || (p->up && is_hello(datagram, n)))
		return;
	p->in = (struct slice){ datagram, n };
	if (!p->up)
		shake(p);
	if (p->up)
		take(p);
	p->in.n = 0;
}

/* With a small MTU the library has a small room too: it gets one record at a time. */
void wolf_peer_feed(struct wolf_peer *p, const uint8_t *datagram, size_t n)
{
	size_t at = 0;
	while (p->spec.mtu != 0 && n - at > 13) {
		size_t record = 13 + (size_t)datagram[at + 11] * 256 + datagram[at + 12];
		if (record >= n - at)
			break;
		feed_one(p, datagram + at, record);
		at += record;
	}
	feed_one(p, datagram + at, n - at);
}

void wolf_peer_write(struct wolf_peer *p, const uint8_t *bytes, size_t n)
{
	BUG_UNLESS(wolfSSL_write(p->ssl, bytes, (int)n) == (int)n);
}

void wolf_peer_close(struct wolf_peer *p)
{
	wolfSSL_shutdown(p->ssl);
}

bool wolf_peer_is_up(const struct wolf_peer *p)
{
	return p->up && !p->dead;
}

bool wolf_peer_is_shaking(const struct wolf_peer *p)
{
	return !p->up && !p->dead;
}

bool wolf_peer_is_dead(const struct wolf_peer *p)
{
	return p->dead;
}

bool wolf_peer_is_closed(const struct wolf_peer *p)
{
	return p->closed;
}

const uint8_t *wolf_peer_secret(const struct wolf_peer *p)
{
	return p->secret;
}

size_t wolf_peer_given(const struct wolf_peer *p)
{
	return p->given;
}

const char *wolf_peer_sni(const struct wolf_peer *p)
{
	return p->sni;
}
