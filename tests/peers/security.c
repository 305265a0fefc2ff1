/* Credentials of a peer, as libcoap wants them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/hex.h"
#include "tests/peers/security.h"

bool security_option(struct security *s, int c)
{
	const char **const to[] = { &s->cert, &s->private_key, &s->ca, &s->rpk, &s->peer_name,
		&s->peer_key };

	if (c < 0x100 || (size_t)(c - 0x100) >= sizeof to / sizeof *to)
		return false;
	*to[c - 0x100] = optarg;
	return true;
}

void security_psk(struct security *s, const char *text)
{
	char *copy = strdup(text); /* the command line is needed again for a reboot */
	char *colon = copy ? strrchr(copy, ':') : NULL;
	long n = colon ? hex_decode(colon + 1, strlen(colon + 1), s->key, sizeof s->key) : 0;

	if (n <= 0)
		die("--psk wants IDENTITY:HEXKEY");
	*colon = 0;
	s->identity = copy;
	s->key_len = (size_t)n;
}

bool security_has_keys(const struct security *s)
{
	return s->cert || s->rpk;
}

/* ---- files ---- */

static void file_read(const char *path, struct body *b)
{
	uint8_t bytes[4096];
	FILE *f = fopen(path, "r");

	if (!f)
		die("%s: can not be read", path);
	for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;)
		body_add(b, bytes, n);
	fclose(f);
	body_add(b, (const uint8_t *)"", 1); /* libcoap wants the end of the text too */
}

static int base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

void public_key_read(const char *path, struct body *der)
{
	static const char begin[] = "-----BEGIN PUBLIC KEY-----";
	struct body pem = { 0 };
	uint32_t bits = 0;
	unsigned n = 0;

	file_read(path, &pem);
	const char *at = strstr((const char *)pem.bytes, begin);
	if (!at)
		die("%s: holds no PUBLIC KEY", path);
	for (at += sizeof begin - 1; *at && *at != '-' && *at != '='; at++) {
		if (base64_value(*at) < 0)
			continue;
		bits = bits << 6 | (uint32_t)base64_value(*at);
		n += 6;
		if (n >= 8) {
			n -= 8;
			body_add(der, &(uint8_t){ (uint8_t)(bits >> n) }, 1);
		}
	}
	body_clear(&pem);
}

/* ---- names of a certificate ---- */

/* The bytes behind the last place where a pattern stands, with their number; NULL for nowhere. */
static const uint8_t *behind_last(
	const uint8_t *der, size_t *n, const uint8_t *pattern, size_t pattern_len)
{
	for (size_t at = *n; at >= pattern_len; at--)
		if (!memcmp(der + at - pattern_len, pattern, pattern_len)) {
			*n -= at;
			return der + at;
		}
	return NULL;
}

/* Copies an element of less than 128 bytes, if it is one. */
static void copy_short(const uint8_t *element, size_t n, char text[EP_MAX])
{
	if (n < 2 || element[1] > 127 || element[1] > n - 2)
		return;
	memcpy(text, element + 2, element[1]);
	text[element[1]] = 0;
}

/* Looks for the bytes of the object identifiers: the subject's name stands behind the issuer's, and
 * the alternative names behind both. Good for the certificates of these tests. */
void names_get(const uint8_t *der, size_t n, struct names *names)
{
	static const uint8_t cn[] = { 6, 3, 0x55, 4, 3 }, san[] = { 6, 3, 0x55, 0x1d, 0x11 };
	size_t left = n;
	const uint8_t *at = behind_last(der, &left, cn, sizeof cn);

	*names = (struct names){ 0 };
	if (at)
		copy_short(at, left, names->cn);
	left = n;
	at = behind_last(der, &left, san, sizeof san);
	/* An octet string that holds a sequence; then names, a URI has the tag 0x86. */
	for (size_t i = 4; at && i + 2 <= left && at[i] >= 0x81 && at[i] <= 0x88;
		i += 2 + (size_t)at[i + 1])
		if (at[i] == 0x86 && !*names->san)
			copy_short(at + i, left - i, names->san);
}

/* ---- what libcoap is told ---- */

static bool is_peer_key(const struct security *s, const uint8_t *der, size_t n)
{
	struct body wanted = { 0 };

	public_key_read(s->peer_key, &wanted);
	bool same = wanted.len == n && !memcmp(wanted.bytes, der, n);
	body_clear(&wanted);
	return same;
}

/* The other end's certificate was verified, or its raw key proven; is it who was to be called? */
static int is_wanted(const char *cn, const uint8_t *der, size_t n, coap_session_t *session,
	unsigned depth, int validated, void *arg)
{
	const struct security *s = arg;

	(void)session;
	if (depth > 0)
		return validated;
	if (s->rpk ? s->peer_key && !is_peer_key(s, der, n)
		   : s->peer_name && strcasecmp(cn ? cn : "", s->peer_name)) {
		say("refused server %s", s->rpk ? "with another key" : cn);
		return 0;
	}
	return validated;
}

/* Certificates are files, a raw key is text that libcoap takes both halves from. */
static coap_dtls_key_t pki_key(const struct security *s)
{
	static struct body raw;

	if (!s->rpk)
		return (coap_dtls_key_t){ .key_type = COAP_PKI_KEY_PEM,
			.key.pem = { .public_cert = s->cert, .private_key = s->private_key } };
	if (!raw.len)
		file_read(s->rpk, &raw);
	if (!strstr((const char *)raw.bytes, "-----BEGIN EC PRIVATE KEY-----"))
		die("%s: holds no EC PRIVATE KEY", s->rpk);
	return (coap_dtls_key_t){ .key_type = COAP_PKI_KEY_PEM_BUF,
		.key.pem_buf = { .public_cert = raw.bytes,
			.public_cert_len = raw.len,
			.private_key = raw.bytes,
			.private_key_len = raw.len } };
}

/* Tells libcoap whom to trust; certificates are all that it asks for. */
static coap_dtls_pki_t pki_setup(const struct security *s, coap_context_t *ctx)
{
	if (s->rpk && coap_get_tls_library_version()->type != COAP_TLS_LIBRARY_GNUTLS)
		die("raw public keys need libcoap's GnuTLS build");
	if (!coap_dtls_is_supported())
		die("this libcoap has no DTLS");
	if (!s->rpk && !s->private_key)
		die("--cert wants --key");
	if (s->ca && !coap_context_set_pki_root_cas(ctx, s->ca, NULL))
		die("%s: holds no certificate", s->ca);
	return (coap_dtls_pki_t){
		.version = COAP_DTLS_PKI_SETUP_VERSION,
		.verify_peer_cert = 1,
		.cert_chain_validation = 1,
		.cert_chain_verify_depth = 3,
		.is_rpk_not_cert = s->rpk != NULL,
		.validate_cn_call_back = s->on_peer ? s->on_peer : is_wanted,
		/* libcoap hands it back as it is. */
		.cn_call_back_arg = (void *)(uintptr_t)s,
		.pki_key = pki_key(s),
	};
}

void security_serve(const struct security *s, coap_context_t *ctx)
{
	coap_dtls_pki_t setup = pki_setup(s, ctx);

	if (!coap_context_set_pki(ctx, &setup))
		die("libcoap does not serve with %s", s->rpk ? s->rpk : s->cert);
}

coap_session_t *security_connect(const struct security *s, coap_context_t *ctx,
	const coap_address_t *local, const coap_address_t *server)
{
	coap_dtls_cpsk_t psk = {
		.version = COAP_DTLS_CPSK_SETUP_VERSION,
		.psk_info = { .key = { s->key_len, s->key } },
	};

	if (security_has_keys(s)) {
		coap_dtls_pki_t pki = pki_setup(s, ctx);

		return coap_new_client_session_pki(ctx, local, server, COAP_PROTO_DTLS, &pki);
	}
	psk.psk_info.identity =
		(coap_bin_const_t){ strlen(s->identity), (const uint8_t *)s->identity };
	return coap_new_client_session_psk2(ctx, local, server, COAP_PROTO_DTLS, &psk);
}
