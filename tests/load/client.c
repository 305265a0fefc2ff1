/* The DTLS side of a device, on wolfSSL: see client.h. */
#include "client.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#define SUITE "PSK-AES128-CCM-8"

struct client_profile {
	WOLFSSL_CTX *ctx;
};

struct client {
	WOLFSSL *ssl;
	int fd;            /* borrowed */
	bool begun;        /* the first flight has left */
	bool up;           /* the handshake is done */
	const uint8_t *in; /* the datagram at hand; NULL once it was taken */
	size_t in_n;
	size_t key_n;
	uint8_t key[CLIENT_KEY_MAX];
	char identity[CLIENT_IDENTITY_MAX + 1];
};

static int on_receive(WOLFSSL *ssl, char *room, int size, void *ctx)
{
	struct client *c = ctx;
	(void)ssl;
	if (c->in == NULL)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	int n = (int)c->in_n < size ? (int)c->in_n : size;
	memcpy(room, c->in, (size_t)n);
	c->in = NULL;
	return n;
}

/* What could not be sent is lost, as any datagram may be. */
static int on_send(WOLFSSL *ssl, char *bytes, int n, void *ctx)
{
	const struct client *c = ctx;
	(void)ssl;
	if (send(c->fd, bytes, (size_t)n, 0) < 0 && errno == ECONNREFUSED)
		send(c->fd, bytes, (size_t)n, 0);
	return n;
}

static unsigned on_psk(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_room,
	unsigned char *key, unsigned key_room)
{
	const struct client *c = wolfSSL_GetIOReadCtx(ssl);
	(void)hint;
	if (strlen(c->identity) >= identity_room || c->key_n > key_room)
		return 0;
	memcpy(identity, c->identity, strlen(c->identity) + 1);
	memcpy(key, c->key, c->key_n);
	return (unsigned)c->key_n;
}

int client_profile_create(struct client_profile **profile)
{
	struct client_profile *p = calloc(1, sizeof(*p));
	*profile = NULL;
	if (p == NULL)
		return -ENOMEM;
	wolfSSL_Init();
	p->ctx = wolfSSL_CTX_new(wolfDTLSv1_2_client_method());
	int rc = p->ctx == NULL ? -ENOMEM : 0;
	if (rc == 0 && wolfSSL_CTX_set_cipher_list(p->ctx, SUITE) != WOLFSSL_SUCCESS)
		rc = -ENOTSUP;
	if (rc != 0) {
		client_profile_free(p);
		return rc;
	}
	wolfSSL_CTX_set_psk_client_callback(p->ctx, on_psk);
	wolfSSL_CTX_set_group_messages(p->ctx);
	wolfSSL_CTX_SetIORecv(p->ctx, on_receive);
	wolfSSL_CTX_SetIOSend(p->ctx, on_send);
	*profile = p;
	return 0;
}

void client_profile_free(struct client_profile *profile)
{
	if (profile == NULL)
		return;
	wolfSSL_CTX_free(profile->ctx);
	free(profile);
}

static WOLFSSL *session_new(struct client *c, WOLFSSL_CTX *ctx)
{
	WOLFSSL *ssl = wolfSSL_new(ctx);
	if (ssl == NULL)
		return NULL;
	wolfSSL_dtls_set_using_nonblock(ssl, 1);
	wolfSSL_SetIOReadCtx(ssl, c);
	wolfSSL_SetIOWriteCtx(ssl, c);
	return ssl;
}

int client_create(struct client **client, struct client_profile *profile, int fd,
	const char *identity, struct slice key)
{
	struct client *c = calloc(1, sizeof(*c));
	*client = NULL;
	if (c == NULL)
		return -ENOMEM;
	BUG_UNLESS(strlen(identity) <= CLIENT_IDENTITY_MAX && key.n <= CLIENT_KEY_MAX);
	c->fd = fd;
	memcpy(c->identity, identity, strlen(identity) + 1);
	memcpy(c->key, key.p, key.n);
	c->key_n = key.n;
	c->ssl = session_new(c, profile->ctx);
	if (c->ssl == NULL) {
		free(c);
		return -ENOMEM;
	}
	*client = c;
	return 0;
}

int client_renew(struct client *c)
{
	WOLFSSL *ssl = session_new(c, wolfSSL_get_SSL_CTX(c->ssl));
	if (ssl == NULL)
		return -ENOMEM;
	wolfSSL_free(c->ssl);
	c->ssl = ssl;
	c->begun = c->up = false;
	return 0;
}

bool client_is_up(const struct client *c)
{
	return c->up;
}

void client_free(struct client *c)
{
	if (c == NULL)
		return;
	if (c->up)
		wolfSSL_shutdown(c->ssl);
	wolfSSL_free(c->ssl);
	free(c);
}

void client_shake(struct client *c)
{
	if (c->begun)
		wolfSSL_dtls_got_timeout(c->ssl);
	c->begun = true;
	wolfSSL_connect(c->ssl);
}

void client_feed(struct client *c, const uint8_t *datagram, size_t n)
{
	c->in = datagram;
	c->in_n = n;
}

static enum client_event shake_read(struct client *c)
{
	if (wolfSSL_connect(c->ssl) == WOLFSSL_SUCCESS) {
		c->up = true;
		return CLIENT_UP;
	}
	bool waits = wolfSSL_get_error(c->ssl, 0) == WOLFSSL_ERROR_WANT_READ;
	return waits ? CLIENT_NOTHING : CLIENT_DEAD;
}

enum client_event client_read(struct client *c, uint8_t *room, size_t size, size_t *n)
{
	if (!c->up)
		return shake_read(c);
	int got = wolfSSL_read(c->ssl, room, (int)size);
	if (got > 0) {
		*n = (size_t)got;
		return CLIENT_DATA;
	}
	bool waits = wolfSSL_get_error(c->ssl, 0) == WOLFSSL_ERROR_WANT_READ;
	return waits ? CLIENT_NOTHING : CLIENT_DEAD;
}

int client_write(struct client *c, const uint8_t *bytes, size_t n)
{
	return wolfSSL_write(c->ssl, bytes, (int)n) == (int)n ? 0 : -EPROTO;
}
