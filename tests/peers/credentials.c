/* The server's tables of PSK identities and of raw public keys: lists, since tests read them seldom. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "tests/peers/credentials.h"
#include "tests/peers/security.h"

#define KEY_MAX 64 /* bytes of a PSK */

/* One line of the file. */
struct credential {
	struct credential *next; /* the one read before */
	char identity[EP_MAX];
	char ep[EP_MAX]; /* the only endpoint that may use it; empty: any */
	uint8_t key[KEY_MAX];
	coap_bin_const_t bin; /* the key as libcoap wants it */
};

/* A public key and whose it is. */
struct raw_key {
	struct raw_key *next; /* the one read before */
	struct body der;
	char ep[EP_MAX];
};

static struct credential *credentials;
static struct raw_key *raw_keys;

static const struct credential *credential_find(const char *identity)
{
	const struct credential *c = credentials;

	while (c && strcmp(c->identity, identity))
		c = c->next;
	return c;
}

static void psk_clear(void)
{
	while (credentials) {
		struct credential *next = credentials->next;

		free(credentials);
		credentials = next;
	}
}

void credentials_clear(void)
{
	psk_clear();
	while (raw_keys) {
		struct raw_key *next = raw_keys->next;

		body_clear(&raw_keys->der);
		free(raw_keys);
		raw_keys = next;
	}
}

void credentials_read(const char *path)
{
	char line[LINE_MAX_BYTES];
	FILE *f = fopen(path, "r");

	if (!f)
		die("%s: can not be read", path);
	psk_clear();
	while (fgets(line, sizeof line, f)) {
		struct credential *c = calloc(1, sizeof *c);
		char key[2 * KEY_MAX + 1];

		line[strcspn(line, "#\n")] = 0;
		int n = c ? sscanf(line, "%255s %128s %255s", c->identity, key, c->ep) : 0;
		long len = n > 1 ? hex_decode(key, strlen(key), c->key, sizeof c->key) : 0;
		if (n <= 0) {
			free(c);
			continue;
		}
		if (len <= 0)
			die("%s: '%s' has no key in hex", path, c->identity);
		c->bin = (coap_bin_const_t){ (size_t)len, c->key };
		c->next = credentials;
		credentials = c;
	}
	fclose(f);
}

void credentials_read_keys(const char *path)
{
	char line[LINE_MAX_BYTES];
	char pem[LINE_MAX_BYTES];
	FILE *f = fopen(path, "r");

	if (!f)
		die("%s: can not be read", path);
	while (fgets(line, sizeof line, f)) {
		struct raw_key *k = calloc(1, sizeof *k);

		line[strcspn(line, "#\n")] = 0;
		if (!k || sscanf(line, "%255s %2047s", k->ep, pem) != 2) {
			free(k);
			continue;
		}
		public_key_read(pem, &k->der);
		k->next = raw_keys;
		raw_keys = k;
	}
	fclose(f);
}

const char *credentials_owner(const uint8_t *der, size_t n)
{
	for (const struct raw_key *k = raw_keys; k; k = k->next)
		if (k->der.len == n && !memcmp(k->der.bytes, der, n))
			return k->ep;
	return NULL;
}

const coap_bin_const_t *credentials_key(const char *identity)
{
	const struct credential *c = credential_find(identity);

	return c ? &c->bin : NULL;
}

bool credentials_allow(const char *identity, const char *ep)
{
	const struct credential *own = credential_find(identity);

	if (own && *own->ep)
		return !strcmp(own->ep, ep);
	for (const struct credential *c = credentials; c; c = c->next)
		if (!strcmp(c->ep, ep))
			return false;
	return true;
}
