/* A DTLS session on mbedTLS, set up as the command line wants it. */
#include "mbed.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"

void mbed_need(const char *what, int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: -0x%04x\n", what, -result);
	exit(2);
}

void mbed_print(const char *word, const uint8_t *bytes, size_t n)
{
	printf("%s ", word);
	for (size_t i = 0; i < n; i++)
		printf(bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\' ? "%c" : "\\x%02x",
			bytes[i]);
	putchar('\n');
	fflush(stdout);
}

/* What mbedTLS forgets with each session. */
static void prepare(struct mbed *m)
{
	uint8_t cid[MBEDTLS_SSL_CID_IN_LEN_MAX];
	if (m->cid_n < 0)
		return;
	mbed_need("random", mbedtls_ctr_drbg_random(&m->random, cid, sizeof(cid)));
	mbed_need("cid",
		mbedtls_ssl_set_cid(&m->ssl, MBEDTLS_SSL_CID_ENABLED, cid, (size_t)m->cid_n));
}

void mbed_again(struct mbed *m)
{
	mbed_need("reset", mbedtls_ssl_session_reset(&m->ssl));
	prepare(m);
}

static void set_psk(struct mbed *m, const struct mbed_spec *spec)
{
	uint8_t key[64];
	long n = hex_decode(spec->key, strlen(spec->key), key, sizeof(key));
	mbed_need("key", n > 0 ? 0 : -1);
	mbed_need("psk", mbedtls_ssl_conf_psk(&m->conf, key, (size_t)n,
				 (const uint8_t *)spec->identity, strlen(spec->identity)));
}

static void set_cid(struct mbed *m, const struct mbed_spec *spec)
{
	m->cid_n = strcmp(spec->cid, "none") == 0 ? -1 : atoi(spec->cid);
	if (m->cid_n >= 0)
		mbed_need("cid", mbedtls_ssl_conf_cid(&m->conf, (size_t)m->cid_n,
					 MBEDTLS_SSL_UNEXPECTED_CID_IGNORE));
}

static void set_suite(struct mbed *m, const struct mbed_spec *spec)
{
	if (spec->suite == NULL)
		return;
	m->suites[0] = mbedtls_ssl_get_ciphersuite_id(spec->suite);
	mbed_need(spec->suite, m->suites[0] != 0 ? 0 : -1);
	mbedtls_ssl_conf_ciphersuites(&m->conf, m->suites);
}

void mbed_begin(struct mbed *m, const struct mbed_spec *spec)
{
	memset(m, 0, sizeof(*m));
	mbedtls_ssl_init(&m->ssl);
	mbedtls_ssl_config_init(&m->conf);
	mbedtls_entropy_init(&m->entropy);
	mbedtls_ctr_drbg_init(&m->random);
	mbedtls_ssl_cookie_init(&m->cookies);
	mbed_need("seed",
		mbedtls_ctr_drbg_seed(&m->random, mbedtls_entropy_func, &m->entropy, NULL, 0));
	mbed_need(
		"defaults", mbedtls_ssl_config_defaults(&m->conf,
				    spec->is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
				    MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT));
	mbedtls_ssl_conf_rng(&m->conf, mbedtls_ctr_drbg_random, &m->random);
	set_psk(m, spec);
	set_cid(m, spec);
	set_suite(m, spec);
	if (spec->is_server) {
		mbed_need("cookies",
			mbedtls_ssl_cookie_setup(&m->cookies, mbedtls_ctr_drbg_random, &m->random));
		mbedtls_ssl_conf_dtls_cookies(
			&m->conf, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &m->cookies);
	}
	mbed_need("session", mbedtls_ssl_setup(&m->ssl, &m->conf));
	mbedtls_ssl_set_bio(&m->ssl, NULL, spec->send, spec->recv, NULL);
	mbedtls_ssl_set_timer_cb(
		&m->ssl, &m->timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
	prepare(m);
}

void mbed_tell(struct mbed *m)
{
	uint8_t cid[MBEDTLS_SSL_CID_OUT_LEN_MAX];
	size_t n = 0;
	int enabled;
	mbed_need("cid", mbedtls_ssl_get_peer_cid(&m->ssl, &enabled, cid, &n));
	printf("established %s, cid of theirs %d, of ours %d\n",
		mbedtls_ssl_get_ciphersuite(&m->ssl),
		enabled == MBEDTLS_SSL_CID_ENABLED ? (int)n : -1,
		enabled == MBEDTLS_SSL_CID_ENABLED ? m->cid_n : -1);
	fflush(stdout);
}
