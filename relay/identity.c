/* Who may come with DTLS. */
#include "identity.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/secret.h"
#include "conf/conf.h"

struct identities {
	struct hash_key secret;
	struct identity *list;      /* all of them */
	size_t count;
	struct identity **by_name;  /* chains; as many as mask + 1 */
	struct identity **by_psk;
	size_t mask;
	uint32_t last;              /* number that was given out last */
};

static size_t bucket(const struct identities *t, struct slice name)
{
	return (size_t)hash_bytes(&t->secret, name.p, name.n) & t->mask;
}

static int copy_secret(struct slice *to, const void *from, size_t n)
{
	uint8_t *copy = secret_alloc(n);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, from, n);
	*to = (struct slice){ copy, n };
	return 0;
}

static int set_psk(struct identities *t, struct identity *id, const struct conf_endpoint *e)
{
	if (e->lan_identity == NULL || e->lan_key.n == 0 || id->psk.identity.n != 0)
		return 0;
	int rc = copy_secret(&id->psk.identity, e->lan_identity, strlen(e->lan_identity));
	if (rc == 0)
		rc = copy_secret(&id->psk.key, e->lan_key.bytes, e->lan_key.n);
	if (rc == 0) {
		struct identity **at = &t->by_psk[bucket(t, id->psk.identity)];
		id->next_psk = *at;
		*at = id;
	}
	return rc;
}

/* The row of the endpoint, new where a first section names it. */
static struct identity *row_of(struct identities *t, const char *endpoint,
	const struct identities *before)
{
	struct slice name = slice_str(endpoint);
	struct identity *id = identity_by_endpoint(t, name);
	if (id != NULL)
		return id;
	const struct identity *old = before != NULL ? identity_by_endpoint(before, name) : NULL;
	id = &t->list[t->count];
	id->endpoint = strdup(endpoint);
	if (id->endpoint == NULL)
		return NULL;
	id->number = old != NULL ? old->number : ++t->last;
	struct identity **at = &t->by_name[bucket(t, name)];
	id->next_name = *at;
	*at = id;
	t->count++;
	return id;
}

static bool has_credential(const struct conf_endpoint *e)
{
	return e->lan_identity != NULL || e->lan_public_key_file != NULL;
}

static int fill(struct identities *t, const struct conf *conf, const struct identities *before)
{
	for (size_t i = 0; i < conf->endpoint_count; i++) {
		const struct conf_endpoint *e = &conf->endpoint[i];
		if (!has_credential(e))
			continue;
		struct identity *id = row_of(t, e->name, before);
		int rc = id != NULL ? set_psk(t, id, e) : -ENOMEM;
		if (rc != 0)
			return rc;
	}
	return 0;
}

int identities_create(struct identities **identities, const struct conf *conf,
	const struct identities *before)
{
	struct identities *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	size_t most = 0, size = 16;
	for (size_t i = 0; i < conf->endpoint_count; i++)
		most += has_credential(&conf->endpoint[i]);
	while (size < most)
		size *= 2;
	hash_key_init(&t->secret);
	t->mask = size - 1;
	t->last = before != NULL ? before->last : 0;
	t->list = calloc(most + 1, sizeof(*t->list));
	t->by_name = calloc(size, sizeof(struct identity *));
	t->by_psk = calloc(size, sizeof(struct identity *));
	int rc = -ENOMEM;
	if (t->list != NULL && t->by_name != NULL && t->by_psk != NULL)
		rc = fill(t, conf, before);
	if (rc != 0) {
		identities_free(t);
		return rc;
	}
	*identities = t;
	return 0;
}

static void wipe(struct slice secret)
{
	secret_free((void *)(uintptr_t)secret.p);
}

void identities_free(struct identities *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; t->list != NULL && i < t->count; i++) {
		free(t->list[i].endpoint);
		wipe(t->list[i].psk.identity);
		wipe(t->list[i].psk.key);
	}
	free(t->list);
	free(t->by_name);
	free(t->by_psk);
	free(t);
}

struct identity *identity_by_psk(const struct identities *t, struct slice psk_identity)
{
	struct identity *id = t->by_psk[bucket(t, psk_identity)];
	while (id != NULL && !slice_eq(id->psk.identity, psk_identity))
		id = id->next_psk;
	return id;
}

struct identity *identity_by_endpoint(const struct identities *t, struct slice endpoint)
{
	struct identity *id = t->by_name[bucket(t, endpoint)];
	while (id != NULL && !slice_is(endpoint, id->endpoint))
		id = id->next_name;
	return id;
}

size_t identities_count(const struct identities *t)
{
	return t->count;
}

bool identity_same(const struct identity *a, const struct identity *b)
{
	return strcmp(a->endpoint, b->endpoint) == 0 &&
		slice_eq(a->psk.identity, b->psk.identity) && slice_eq(a->psk.key, b->psk.key);
}
