/* What DTLS 1.3 asks of wolfSSL beside what 1.2 does. A library without it is served too. */
#include "dtls/wolf_door_int.h"
#include <errno.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#ifdef WOLFSSL_DTLS13

#if !defined(DTLS13_MIN_RTX_INTERVAL) || DTLS13_MIN_RTX_INTERVAL != 0
#error "wolfSSL holds repeats back by a clock of its own (-DDTLS13_MIN_RTX_INTERVAL=0)"
#endif

/* Not the order of 1.2: RFC 9147 4.5.3 forbids CCM_8 where forgeries are not held off by something
 * else, and wolfSSL ends a session at the 65th. It stays for those that know nothing else. */
static const struct {
	int number;
	const char *name; /* wolfSSL's */
	const char *iana;
} suites[] = {
	{ 0x1301, "TLS13-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256" },
	{ 0x1304, "TLS13-AES128-CCM-SHA256", "TLS_AES_128_CCM_SHA256" },
	{ 0x1305, "TLS13-AES128-CCM-8-SHA256", "TLS_AES_128_CCM_8_SHA256" },
};
#define SUITES (sizeof(suites) / sizeof(suites[0]))
static const char suite_list[] = "TLS13-AES128-GCM-SHA256:TLS13-AES128-CCM-SHA256:"
				 "TLS13-AES128-CCM-8-SHA256";

/* The key is the same whatever the suite; all of ours have the same hash. */
static unsigned on_psk(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max,
	unsigned char *key, unsigned key_max, const char *suite)
{
	(void)hint;
	(void)suite;
	return wolf_tell_psk(
		wolfSSL_get_psk_callback_ctx(ssl), identity, identity_max, key, key_max);
}

/* A hello without a cookie of ours is answered alike, whoever it names: nothing is looked up, so
 * nobody learns who is known here, or makes us search. wolfSSL needs a key only to go on. */
static unsigned on_psk_server(WOLFSSL *ssl, const char *identity, unsigned char *key,
	unsigned key_max, const char **suite)
{
	struct wolf *w = wolfSSL_get_psk_callback_ctx(ssl);
	*suite = w->suite;
	if (w->proven)
		return wolf_look_up(w, identity, key, key_max);
	memset(key, 0, 1);
	return 1;
}

/* wolfSSL calls it between the cookie, if that is good, and the rest of the hello. */
static int on_good_cookie(WOLFSSL *ssl, void *who)
{
	struct wolf *w = who;
	(void)ssl;
	w->proven = true;
	return 0;
}

bool wolf13_is_there(void)
{
	return true;
}

WOLFSSL_METHOD *(*wolf13_method(bool is_server))(void)
{
	return is_server ? wolfDTLSv1_3_server_method : wolfDTLSv1_3_client_method;
}

/* Nobody is trusted but for his key. */
static int on_verify(int good, WOLFSSL_X509_STORE_CTX *store)
{
	(void)good;
	(void)store;
	return 0;
}

int wolf13_profile_setup(WOLFSSL_CTX *ctx, bool is_server, bool no_dhe)
{
	int groups[] = { WOLFSSL_ECC_SECP256R1 };
	if (wolfSSL_CTX_set_cipher_list(ctx, suite_list) != WOLFSSL_SUCCESS ||
		wolfSSL_CTX_set_groups(ctx, groups, 1) != WOLFSSL_SUCCESS ||
		(no_dhe && wolfSSL_CTX_no_dhe_psk(ctx) != 0))
		return -ENOTSUP;
	if (!is_server)
		wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, on_verify);
	wolfSSL_CTX_set_psk_client_cs_callback(ctx, on_psk);
	wolfSSL_CTX_set_psk_server_tls13_callback(ctx, on_psk_server);
	return 0;
}

/* Acknowledgements leave when something is missing; without it wolfSSL would want a second timer. */
bool wolf13_session_setup(struct wolf *w)
{
	wolfSSL_dtls13_set_send_more_acks(w->ssl, 1);
	return wolf_numbers_setup(w);
}

bool wolf13_wait(struct wolf *w, struct slice secret)
{
	return wolfSSL_send_hrr_cookie(w->ssl, secret.p, (unsigned)secret.n) == WOLFSSL_SUCCESS &&
	       wolfDTLS_SetChGoodCb(w->ssl, on_good_cookie, w) == WOLFSSL_SUCCESS;
}

bool wolf13_choose(struct wolf *w, struct slice offered)
{
	for (size_t i = 0; i < SUITES; i++)
		for (size_t k = 0; k + 1 < offered.n; k += 2)
			if ((offered.p[k] << 8 | offered.p[k + 1]) == suites[i].number) {
				w->suite = suites[i].name;
				return true;
			}
	return false;
}

/* wolfSSL's own timeout, as long as that did not grow to its end. */
bool wolf13_repeat(struct wolf *w)
{
	return wolfSSL_dtls_set_timeout_init(w->ssl, 1) == WOLFSSL_SUCCESS &&
	       wolfSSL_dtls_got_timeout(w->ssl) == WOLFSSL_SUCCESS;
}

/* A client of ours refuses all certificates, so there is nothing else; nor is there for a server. */
bool wolf13_is_psk(const struct wolf *w)
{
	return !w->is_server || (w->is_named && !w->stranger);
}

bool wolf13_is_waiting(const struct wolf *w)
{
	return wolfSSL_dtls13_has_pending_msg(w->ssl) != 0;
}

const char *wolf13_suite(int number)
{
	for (size_t i = 0; i < SUITES; i++)
		if (suites[i].number == number)
			return suites[i].iana;
	return NULL;
}

bool wolf13_is_early(int error)
{
	return error == APP_DATA_READY;
}

#else /* no DTLS 1.3: profiles are refused, so nothing else is ever called */

bool wolf13_is_there(void)
{
	return false;
}

WOLFSSL_METHOD *(*wolf13_method(bool is_server))(void)
{
	(void)is_server;
	return NULL;
}

int wolf13_profile_setup(struct WOLFSSL_CTX *ctx, bool is_server, bool no_dhe)
{
	(void)ctx;
	(void)is_server;
	(void)no_dhe;
	return -ENOTSUP;
}

bool wolf13_session_setup(struct wolf *w)
{
	(void)w;
	return false;
}

bool wolf13_wait(struct wolf *w, struct slice secret)
{
	(void)w;
	(void)secret;
	return false;
}

bool wolf13_choose(struct wolf *w, struct slice suites)
{
	(void)w;
	(void)suites;
	return false;
}

bool wolf13_repeat(struct wolf *w)
{
	(void)w;
	return false;
}

bool wolf13_is_psk(const struct wolf *w)
{
	(void)w;
	return false;
}

bool wolf13_is_waiting(const struct wolf *w)
{
	(void)w;
	return false;
}

const char *wolf13_suite(int number)
{
	(void)number;
	return NULL;
}

bool wolf13_is_early(int error)
{
	(void)error;
	return false;
}

#endif
