/* The server's table of PSK identities: a list, since tests read it seldom. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "tests/peers/credentials.h"

#define KEY_MAX 64 /* bytes of a PSK */

/* One line of the file. */
struct credential {
	struct credential *next; /* the one read before */
	char identity[EP_MAX];
	char ep[EP_MAX]; /* the only endpoint that may use it; empty: any */
	uint8_t key[KEY_MAX];
	coap_bin_const_t bin; /* the key as libcoap wants it */
};

static struct credential *credentials;

static const struct credential *credential_find(const char *identity)
{
	const struct credential *c = credentials;

	while (c && strcmp(c->identity, identity))
		c = c->next;
	return c;
}

void credentials_clear(void)
{
	while (credentials) {
		struct credential *next = credentials->next;

		free(credentials);
		credentials = next;
	}
}

void credentials_read(const char *path)
{
	char line[LINE_MAX_BYTES];
	FILE *f = fopen(path, "r");

	if (!f)
		die("%s: can not be read", path);
	credentials_clear();
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
