/* Refuses a wolfSSL that the relay can not use: by its macros, and by a handshake in memory. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/random.h>
#include <stdio.h>
#include <string.h>

/* What the compiler can see, so that a cross build is held to it too. */
#if LIBWOLFSSL_VERSION_HEX < 0x05009002
#error "wolfSSL is older than 5.9.2"
#endif
#ifndef WOLFSSL_DTLS
#error "wolfSSL lacks DTLS (--enable-dtls)"
#endif
#ifndef WOLFSSL_DTLS_CID
#error "wolfSSL lacks connection ids, RFC 9146 (--enable-dtlscid)"
#endif
#ifndef ATOMIC_USER
#error "wolfSSL keeps the keys of a session to itself (--enable-atomicuser)"
#endif
#if !defined(WOLFSSL_STATIC_PSK) || defined(NO_PSK)
#error "wolfSSL lacks static PSK suites (--enable-psk, -DWOLFSSL_STATIC_PSK)"
#endif
#ifndef HAVE_AESCCM
#error "wolfSSL lacks AES-CCM (--enable-aesccm)"
#endif
#ifndef CUSTOM_RAND_GENERATE_BLOCK
#error "wolfSSL does not take our randomness (-DCUSTOM_RAND_GENERATE_BLOCK=lwg_rand_block)"
#endif
#ifndef WOLFSSL_ALWAYS_VERIFY_CB
#error "wolfSSL would take any raw public key unseen (-DWOLFSSL_ALWAYS_VERIFY_CB)"
#endif
#if !defined(DTLS_CID_MAX_SIZE) || DTLS_CID_MAX_SIZE < 32
#error "wolfSSL refuses connection ids of 32 bytes (-DDTLS_CID_MAX_SIZE=32)"
#endif
#if !defined(MAX_PSK_ID_LEN) || MAX_PSK_ID_LEN < 128
#error "wolfSSL refuses identities of 128 bytes (-DMAX_PSK_ID_LEN=128)"
#endif
#if defined(WOLFSSL_DTLS13) && \
	(!defined(DTLS13_MIN_RTX_INTERVAL) || DTLS13_MIN_RTX_INTERVAL != 0)
#error "wolfSSL repeats DTLS 1.3 by a clock of its own (-DDTLS13_MIN_RTX_INTERVAL=0)"
#endif
#if defined(WOLFSSL_DTLS13) && !defined(HAVE_SECRET_CALLBACK)
#error "wolfSSL hides the record numbers of DTLS 1.3 (-DHAVE_SECRET_CALLBACK)"
#endif
#if defined(SHOW_SECRETS) || defined(WOLFSSL_SSLKEYLOGFILE) || defined(WOLFSSL_SNIFFER_KEYLOGFILE)
#error "wolfSSL writes keys into a log (SHOW_SECRETS, WOLFSSL_SSLKEYLOGFILE)"
#endif
#ifdef OPENSSL_EXTRA
#error "wolfSSL carries the OpenSSL layer, three times the memory for each session"
#endif

#define SUITE "PSK-AES128-CCM-8"

static unsigned drawn; /* how often the library asked us for randomness */
static unsigned seed = 1;

/* The name that the library must have been built with; this is no randomness, and need not be. */
int lwg_rand_block(unsigned char *out, unsigned int n);
int lwg_rand_block(unsigned char *out, unsigned int n)
{
	drawn++;
	for (unsigned int i = 0; i < n; i++) {
		seed = seed * 1103515245U + 12345U;
		out[i] = (unsigned char)(seed >> 16);
	}
	return 0;
}

/* A pipe that keeps datagrams apart. */
struct pipe {
	char bytes[16][2048];
	int length[16];
	int first, last;
};

/* One end: it reads from one pipe and writes into the other. */
struct end {
	struct pipe *in, *out;
};

static int take(WOLFSSL *ssl, char *room, int size, void *ctx)
{
	struct pipe *p = ((struct end *)ctx)->in;
	(void)ssl;
	if (p->first == p->last || p->length[p->first % 16] > size)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	int n = p->length[p->first % 16];
	memcpy(room, p->bytes[p->first++ % 16], (size_t)n);
	return n;
}

static int give(WOLFSSL *ssl, char *bytes, int n, void *ctx)
{
	struct pipe *p = ((struct end *)ctx)->out;
	(void)ssl;
	if (p->last - p->first >= 16 || n > 2048)
		return WOLFSSL_CBIO_ERR_GENERAL;
	p->length[p->last % 16] = n;
	memcpy(p->bytes[p->last++ % 16], bytes, (size_t)n);
	return n;
}

static unsigned key_of(unsigned char *key)
{
	memset(key, 0x5a, 16);
	return 16;
}

static unsigned client_psk(WOLFSSL *ssl, const char *hint, char *identity, unsigned size,
	unsigned char *key, unsigned key_size)
{
	(void)ssl;
	(void)hint;
	(void)key_size;
	snprintf(identity, size, "probe");
	return key_of(key);
}

static unsigned server_psk(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned size)
{
	(void)ssl;
	(void)size;
	return strcmp(identity, "probe") == 0 ? key_of(key) : 0;
}

static int fail(const char *what)
{
	fprintf(stderr, "wolfSSL %s: %s\n", wolfSSL_lib_version(), what);
	return 1;
}

/* One end of the handshake, with a connection id of its own; NULL when the library refuses. */
static WOLFSSL *open_end(WOLFSSL_CTX *ctx, struct end *end, unsigned char id)
{
	wolfSSL_CTX_SetIORecv(ctx, take);
	wolfSSL_CTX_SetIOSend(ctx, give);
	if (wolfSSL_CTX_set_cipher_list(ctx, SUITE) != WOLFSSL_SUCCESS)
		return NULL;
	WOLFSSL *ssl = wolfSSL_new(ctx);
	if (ssl == NULL)
		return NULL;
	wolfSSL_SetIOReadCtx(ssl, end);
	wolfSSL_SetIOWriteCtx(ssl, end);
	wolfSSL_dtls_set_using_nonblock(ssl, 1);
	unsigned char cid[8];
	memset(cid, id, sizeof(cid));
	if (wolfSSL_dtls_cid_use(ssl) != WOLFSSL_SUCCESS ||
		wolfSSL_dtls_cid_set(ssl, cid, sizeof(cid)) != WOLFSSL_SUCCESS) {
		wolfSSL_free(ssl);
		return NULL;
	}
	return ssl;
}

static int judge(WOLFSSL *client, WOLFSSL *server)
{
	int up = 0;
	for (int i = 0; i < 20 && !up; i++) {
		int c = wolfSSL_connect(client);
		int s = wolfSSL_accept(server);
		up = c == WOLFSSL_SUCCESS && s == WOLFSSL_SUCCESS;
	}
	if (!up)
		return fail("no DTLS 1.2 handshake with TLS_PSK_WITH_AES_128_CCM_8");
	/* TLS_PSK_WITH_AES_128_CCM_8 is c0 a8; an ignored list would have chosen another. */
	WOLFSSL_CIPHER *suite = wolfSSL_get_current_cipher(client);
	if ((wolfSSL_CIPHER_get_id(suite) & 0xffff) != 0xc0a8)
		return fail("lacks static TLS_PSK_WITH_AES_128_CCM_8");
	unsigned char cid[32];
	unsigned n = 0;
	if (wolfSSL_dtls_cid_get_tx_size(client, &n) != WOLFSSL_SUCCESS || n != 8 ||
		wolfSSL_dtls_cid_get_tx(client, cid, sizeof(cid)) != WOLFSSL_SUCCESS)
		return fail("takes connection ids, but does not send them in DTLS 1.2");
	char text[8] = "";
	if (wolfSSL_write(client, "hello", 5) != 5 || wolfSSL_read(server, text, 8) != 5)
		return fail("a record with a connection id does not pass");
	return 0;
}

static int handshake(void)
{
	static struct pipe up, down;
	struct end near = { &down, &up }, far = { &up, &down };
	WOLFSSL_CTX *cctx = wolfSSL_CTX_new(wolfDTLSv1_2_client_method());
	WOLFSSL_CTX *sctx = wolfSSL_CTX_new(wolfDTLSv1_2_server_method());
	if (cctx == NULL || sctx == NULL)
		return fail("no DTLS 1.2");
	wolfSSL_CTX_set_psk_client_callback(cctx, client_psk);
	wolfSSL_CTX_set_psk_server_callback(sctx, server_psk);
	WOLFSSL *client = open_end(cctx, &near, 1);
	WOLFSSL *server = open_end(sctx, &far, 2);
	int rc = client != NULL && server != NULL ?
		judge(client, server) :
		fail("lacks static TLS_PSK_WITH_AES_128_CCM_8, or connection ids (RFC 9146)");
	wolfSSL_free(client);
	wolfSSL_free(server);
	wolfSSL_CTX_free(cctx);
	wolfSSL_CTX_free(sctx);
	return rc;
}

int main(void)
{
	if (wolfSSL_lib_version_hex() != LIBWOLFSSL_VERSION_HEX)
		return fail("the library is not of the version of its headers");
	if (wolfSSL_Init() != WOLFSSL_SUCCESS)
		return fail("does not start");
	WC_RNG rng;
	unsigned char byte;
	if (wc_InitRng(&rng) != 0 || wc_RNG_GenerateBlock(&rng, &byte, 1) != 0 || drawn == 0)
		return fail("does not take our randomness (lwg_rand_block)");
	wc_FreeRng(&rng);
	int rc = handshake();
	wolfSSL_Cleanup();
	return rc;
}
