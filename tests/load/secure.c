/* The DTLS side of the echo server, on wolfSSL: see secure.h. DTLS 1.2, PSK with AES-128-CCM-8.
 * Clients retransmit, and a repeated flight makes wolfSSL repeat its answer: no timer is needed. */
#include "secure.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include "base/rand.h"
#include "net.h"
#include "places.h"

#define SUITE         "PSK-AES128-CCM-8"
#define COOKIE_SECRET 32

/* A session, or the listener that becomes the next one. */
struct peer {
	WOLFSSL *ssl;
	struct secure *server;
	struct sockaddr_storage address;
	bool up; /* the handshake is done */
};

struct secure {
	struct secure_spec spec;
	WOLFSSL_CTX *ctx;
	struct peer *listener;
	struct places *peers; /* struct peer by address */
	uint8_t cookie_secret[COOKIE_SECRET];
	struct secure_stats stats;
	const uint8_t *in; /* the datagram at hand; NULL once it was taken */
	size_t in_n;
	uint8_t text[NET_ROOM];
};

/* ---- wolfSSL's calls ------------------------------------------------------------------------ */

static int on_receive(WOLFSSL *ssl, char *room, int size, void *ctx)
{
	struct secure *s = ((struct peer *)ctx)->server;
	(void)ssl;
	if (s->in == NULL)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	int n = (int)s->in_n < size ? (int)s->in_n : size;
	memcpy(room, s->in, (size_t)n);
	s->in = NULL;
	return n;
}

static int on_send(WOLFSSL *ssl, char *bytes, int n, void *ctx)
{
	struct peer *p = ctx;
	(void)ssl;
	p->server->spec.emit(&p->address, (const uint8_t *)bytes, (size_t)n);
	return n;
}

/* The number at the end of an identity: dev0042 is 42. */
static uint32_t number_of(const char *identity)
{
	return (uint32_t)strtoul(identity + strcspn(identity, "0123456789"), NULL, 10);
}

static unsigned on_psk(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned room)
{
	const struct peer *p = wolfSSL_GetIOReadCtx(ssl);
	const struct secure_spec *spec = &p->server->spec;
	if (spec->key_n > room)
		return 0;
	memcpy(key, spec->key, spec->key_n);
	uint32_t number = spec->derive ? htonl(number_of(identity)) : 0;
	if (spec->derive)
		memcpy(key + spec->key_n - sizeof(number), &number, sizeof(number));
	return (unsigned)spec->key_n;
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void peer_free(struct peer *p)
{
	if (p == NULL)
		return;
	wolfSSL_free(p->ssl);
	free(p);
}

static int offer_cid(struct secure *s, WOLFSSL *ssl)
{
	uint8_t cid[DTLS_CID_MAX_SIZE];
	if (s->spec.cid == 0)
		return WOLFSSL_SUCCESS;
	rand_bytes(cid, s->spec.cid);
	int rc = wolfSSL_dtls_cid_use(ssl);
	return rc == WOLFSSL_SUCCESS ? wolfSSL_dtls_cid_set(ssl, cid, s->spec.cid) : rc;
}

static struct peer *peer_create(struct secure *s)
{
	struct peer *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->server = s;
	p->ssl = wolfSSL_new(s->ctx);
	if (p->ssl == NULL || offer_cid(s, p->ssl) != WOLFSSL_SUCCESS ||
		wolfSSL_DTLS_SetCookieSecret(p->ssl, s->cookie_secret, COOKIE_SECRET) != 0) {
		peer_free(p);
		return NULL;
	}
	wolfSSL_SetIOReadCtx(p->ssl, p);
	wolfSSL_SetIOWriteCtx(p->ssl, p);
	return p;
}

static void session_end(struct secure *s, struct peer *p)
{
	places_remove(s->peers, &p->address);
	peer_free(p);
	s->stats.sessions--;
}

/* Delivers everything that the datagram at hand held. False when the session is over. */
static bool session_read(struct secure *s, struct peer *p)
{
	for (;;) {
		int n = wolfSSL_read(p->ssl, s->text, sizeof(s->text));
		if (n <= 0)
			break;
		s->spec.deliver(&p->address, s->text, (size_t)n);
	}
	int why = wolfSSL_get_error(p->ssl, 0);
	if (why == WOLFSSL_ERROR_ZERO_RETURN)
		wolfSSL_shutdown(p->ssl);
	return why == WOLFSSL_ERROR_WANT_READ;
}

/* Feeds the datagram at hand to a session. False when the session is over. */
static bool session_feed(struct secure *s, struct peer *p)
{
	if (p->up)
		return session_read(s, p);
	if (wolfSSL_accept(p->ssl) != WOLFSSL_SUCCESS)
		return wolfSSL_get_error(p->ssl, 0) == WOLFSSL_ERROR_WANT_READ;
	p->up = true;
	s->stats.handshakes++;
	return session_read(s, p);
}

/* The listener has proven its client: it becomes the session of that address. */
static void session_begin(struct secure *s)
{
	struct peer *p = s->listener;
	s->listener = NULL;
	struct peer *before = places_find(s->peers, &p->address);
	if (before != NULL)
		session_end(s, before);
	if (s->stats.sessions == s->spec.sessions) {
		s->stats.refused++;
		peer_free(p);
		return;
	}
	places_put(s->peers, &p->address, p);
	s->stats.sessions++;
	if (!session_feed(s, p)) {
		s->stats.refused++;
		session_end(s, p);
	}
}

static void listen_take(struct secure *s, const struct sockaddr_storage *from)
{
	if (s->listener == NULL)
		s->listener = peer_create(s);
	if (s->listener == NULL)
		return;
	struct peer *p = s->listener;
	p->address = *from;
	/* The cookie is made of this address. */
	wolfSSL_dtls_set_peer(p->ssl, &p->address, sizeof(p->address));
	int rc = wolfDTLS_accept_stateless(p->ssl);
	if (rc == WOLFSSL_SUCCESS) {
		session_begin(s);
	} else if (rc != 0) {
		peer_free(p);
		s->listener = NULL;
	}
}

/* Says whether a datagram begins with a ClientHello, and which of a handshake: the first has number
 * 0 and bears no cookie (RFC 6347 4.2.1, 4.2.2). */
static int hello_number(const uint8_t *d, size_t n)
{
	bool hello = n >= 25 && d[0] == 22 && d[3] == 0 && d[4] == 0 && d[13] == 1;
	return hello ? d[17] << 8 | d[18] : -1;
}

void secure_take(
	struct secure *s, const struct sockaddr_storage *from, const uint8_t *datagram, size_t n)
{
	struct peer *p = places_find(s->peers, from);
	int hello = hello_number(datagram, n);
	s->in = datagram;
	s->in_n = n;
	/* Somebody else has the port now; a session that is up goes when the new one has proven itself. */
	if (hello == 0 && p != NULL && !p->up) {
		session_end(s, p);
		p = NULL;
	}
	if (hello == 0 || (hello > 0 && (p == NULL || p->up))) {
		listen_take(s, from);
	} else if (p == NULL) {
		s->stats.strangers++;
	} else if (!session_feed(s, p)) {
		s->stats.refused += !p->up;
		session_end(s, p);
	}
	s->in = NULL;
}

void secure_send(
	struct secure *s, const struct sockaddr_storage *to, const uint8_t *message, size_t n)
{
	struct peer *p = places_find(s->peers, to);
	if (p != NULL && p->up)
		wolfSSL_write(p->ssl, message, (int)n);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int context_create(struct secure *s)
{
	s->ctx = wolfSSL_CTX_new(wolfDTLSv1_2_server_method());
	if (s->ctx == NULL)
		return -ENOMEM;
	/* A list that is refused leaves the default one in place: look at the result. */
	if (wolfSSL_CTX_set_cipher_list(s->ctx, SUITE) != WOLFSSL_SUCCESS)
		return -ENOTSUP;
	wolfSSL_CTX_set_psk_server_callback(s->ctx, on_psk);
	wolfSSL_CTX_set_group_messages(s->ctx);
	wolfSSL_CTX_SetIORecv(s->ctx, on_receive);
	wolfSSL_CTX_SetIOSend(s->ctx, on_send);
	return 0;
}

int secure_create(struct secure **secure, const struct secure_spec *spec)
{
	struct secure *s = calloc(1, sizeof(*s));
	*secure = NULL;
	if (s == NULL)
		return -ENOMEM;
	s->spec = *spec;
	s->peers = places_create(spec->sessions);
	rand_bytes(s->cookie_secret, sizeof(s->cookie_secret));
	wolfSSL_Init();
	int rc = s->peers == NULL ? -ENOMEM : context_create(s);
	if (rc == 0) {
		*secure = s;
		return 0;
	}
	wolfSSL_CTX_free(s->ctx);
	places_free(s->peers);
	free(s);
	return rc;
}

struct secure_stats secure_stats(const struct secure *s)
{
	return s->stats;
}
