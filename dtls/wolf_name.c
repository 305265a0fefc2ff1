/* Names in certificates: whether one is for a server, and what a peer may be called. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "dtls/wolf_cert_int.h"
#include <wolfssl/wolfcrypt/asn.h>

/* Most names of a SAN that are kept of a certificate, and most bytes of all. */
#define NAMES     32
#define NAMES_MAX 1024

static bool same_letters(struct slice a, struct slice b)
{
	return a.n == b.n &&
	       (a.n == 0 || strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0);
}

/* RFC 6125 6.4: without regard to case; "*" stands for the whole first label, and two follow it. */
static bool matches(struct slice pattern, struct slice name)
{
	if (pattern.n < 2 || pattern.p[0] != '*' || pattern.p[1] != '.')
		return pattern.n > 0 && same_letters(pattern, name);
	const uint8_t *dot = memchr(name.p, '.', name.n);
	if (dot == NULL || dot == name.p || memchr(pattern.p + 2, '.', pattern.n - 2) == NULL)
		return false;
	size_t label = (size_t)(dot - name.p);
	return same_letters((struct slice){ pattern.p + 1, pattern.n - 1 },
		(struct slice){ dot, name.n - label });
}

bool wolf_cert_is_for(const DecodedCert *cert, const char *name)
{
	uint8_t ip[16];
	size_t ip_n = inet_pton(AF_INET6, name, ip) == 1 ? 16 : 0;
	if (ip_n == 0 && inet_pton(AF_INET, name, ip) == 1)
		ip_n = 4;
	for (const DNS_entry *e = cert->altNames; e != NULL; e = e->next) {
		struct slice entry = { (const uint8_t *)e->name, (size_t)e->len };
		if (ip_n > 0 && e->type == ASN_IP_TYPE &&
			slice_eq(entry, (struct slice){ ip, ip_n }))
			return true;
		if (ip_n == 0 && e->type == ASN_DNS_TYPE && matches(entry, slice_str(name)))
			return true;
	}
	/* RFC 6125 6.4.4: a SAN takes the CN's place. */
	struct slice cn = { (const uint8_t *)cert->subjectCN, (size_t)cert->subjectCNLen };
	if (cert->altNames != NULL || cert->subjectCN == NULL)
		return false;
	return ip_n > 0 ? same_letters(cn, slice_str(name)) : matches(cn, slice_str(name));
}

static void add_name(struct wolf_proof *proof, const char *bytes, size_t n)
{
	if (bytes == NULL || n == 0 || n > NAMES_MAX - 2 - proof->names_n ||
		memchr(bytes, 0, n) != NULL)
		return;
	struct writer w = put_into(proof->names + proof->names_n, NAMES_MAX - proof->names_n);
	put_u16(&w, (uint16_t)n);
	put_bytes(&w, bytes, n);
	proof->names_n += 2 + n;
}

/* wolfSSL's list runs backwards. */
static void add_alternatives(struct wolf_proof *proof, const DecodedCert *cert)
{
	const DNS_entry *first[NAMES];
	size_t n = 0;
	for (const DNS_entry *e = cert->altNames; e != NULL; e = e->next)
		if (e->type == ASN_DNS_TYPE || e->type == ASN_URI_TYPE)
			first[n++ % NAMES] = e;
	for (size_t k = 0; k < n && k < NAMES; k++) {
		const DNS_entry *e = first[(n - 1 - k) % NAMES];
		add_name(proof, e->name, (size_t)e->len);
	}
}

bool wolf_proof_names(struct wolf_proof *proof, const DecodedCert *cert)
{
	proof->names_n = 0;
	free(proof->names);
	proof->names = malloc(NAMES_MAX);
	if (proof->names == NULL)
		return false;
	add_name(proof, cert->subjectCN, (size_t)cert->subjectCNLen);
	add_alternatives(proof, cert);
	/* The rest goes back; were it refused, the larger piece is as good. */
	uint8_t *less = realloc(proof->names, proof->names_n + 1);
	proof->names = less != NULL ? less : proof->names;
	return true;
}

bool wolf_proof_name(const struct wolf_proof *proof, size_t i, struct slice *name)
{
	struct cursor c = cur_of(proof->names, proof->names_n);
	for (size_t k = 0; cur_left(&c) > 0; k++) {
		*name = cur_take(&c, cur_u16(&c));
		if (k == i)
			return !c.broken;
	}
	return false;
}
