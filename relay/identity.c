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
	struct identity **by_key;
	size_t mask;
	struct identity *dynamic;   /* the newest of them; each by itself */
	size_t dynamic_count, dynamic_most;
	uint32_t last;              /* number that was given out last */
};

static size_t bucket(const struct identities *t, struct slice name)
{
	return (size_t)hash_bytes(&t->secret, name.p, name.n) & t->mask;
}

static int set_psk(struct identities *t, struct identity *id, const struct conf_endpoint *e)
{
	if (e->lan_identity == NULL || e->lan_key.n == 0 || id->psk.identity.n != 0)
		return 0;
	int rc = secret_copy(&id->psk.identity, e->lan_identity, strlen(e->lan_identity));
	if (rc == 0)
		rc = secret_copy(&id->psk.key, e->lan_key.bytes, e->lan_key.n);
	if (rc == 0) {
		struct identity **at = &t->by_psk[bucket(t, id->psk.identity)];
		id->next_psk = *at;
		*at = id;
	}
	return rc;
}

static int set_key(struct identities *t, struct identity *id, const struct conf_endpoint *e)
{
	uint8_t spki[DTLS_SPKI_MAX];
	size_t n = 0;
	if (e->lan_public_key.n == 0 || id->public_key.n != 0)
		return 0;
	struct slice file = { e->lan_public_key.bytes, e->lan_public_key.n };
	int rc = dtls_public_key_read(file, spki, &n);
	if (rc == 0)
		rc = secret_copy(&id->public_key, spki, n);
	if (rc == 0) {
		struct identity **at = &t->by_key[bucket(t, id->public_key)];
		id->next_key = *at;
		*at = id;
	}
	return rc;
}

static void link_name(struct identities *t, struct identity *id)
{
	struct identity **at = &t->by_name[bucket(t, slice_str(id->endpoint))];
	id->next_name = *at;
	*at = id;
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
	list_init(&id->sessions);
	link_name(t, id);
	t->count++;
	return id;
}

/* A device with a certificate may be any endpoint. */
static bool has_ca(const struct conf *conf)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		if (conf->listen[i].coaps != 0 && conf->listen[i].ca.n > 0)
			return true;
	return false;
}

static bool takes_unknown(const struct conf *conf)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		if (conf->listen[i].unknown_endpoints == CONF_UNKNOWN_ACCEPT)
			return has_ca(conf);
	return false;
}

static bool may_come(const struct conf_endpoint *e, bool any)
{
	return e->mode != CONF_OPAQUE &&
		(any || e->lan_identity != NULL || e->lan_public_key_file != NULL);
}

static int fill(struct identities *t, const struct conf *conf, const struct identities *before,
	const struct conf_endpoint **bad)
{
	bool any = has_ca(conf);
	for (size_t i = 0; i < conf->endpoint_count; i++) {
		const struct conf_endpoint *e = &conf->endpoint[i];
		if (!may_come(e, any))
			continue;
		struct identity *id = row_of(t, e->name, before);
		int rc = id != NULL ? set_psk(t, id, e) : -ENOMEM;
		if (rc != 0)
			return rc;
		*bad = e;
		rc = set_key(t, id, e);
		if (rc != 0)
			return rc;
	}
	*bad = NULL;
	return 0;
}

/* Room for so many rows, and as many dynamic ones as there may be flows. */
static int make_room(struct identities *t, const struct conf *conf)
{
	bool any = has_ca(conf);
	size_t most = 0, size = 16;
	for (size_t i = 0; i < conf->endpoint_count; i++)
		most += may_come(&conf->endpoint[i], any);
	t->dynamic_most = takes_unknown(conf) ? conf->gateway.max_endpoints : 0;
	while (size < most + t->dynamic_most)
		size *= 2;
	t->mask = size - 1;
	t->list = calloc(most + 1, sizeof(*t->list));
	t->by_name = calloc(size, sizeof(struct identity *));
	t->by_psk = calloc(size, sizeof(struct identity *));
	t->by_key = calloc(size, sizeof(struct identity *));
	bool all = t->list != NULL && t->by_name != NULL && t->by_psk != NULL && t->by_key != NULL;
	return all ? 0 : -ENOMEM;
}

int identities_create(struct identities **identities, const struct conf *conf,
	const struct identities *before, const struct conf_endpoint **bad)
{
	*bad = NULL;
	struct identities *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	hash_key_init(&t->secret);
	t->last = before != NULL ? before->last : 0;
	int rc = make_room(t, conf);
	if (rc == 0)
		rc = fill(t, conf, before, bad);
	if (rc != 0) {
		identities_free(t);
		return rc;
	}
	*identities = t;
	return 0;
}

static void row_fini(struct identity *id)
{
	free(id->endpoint);
	secret_wipe(&id->psk.identity);
	secret_wipe(&id->psk.key);
	secret_wipe(&id->public_key);
}

void identities_free(struct identities *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; t->list != NULL && i < t->count; i++)
		row_fini(&t->list[i]);
	while (t->dynamic != NULL) {
		struct identity *id = t->dynamic;
		t->dynamic = id->next_psk;
		row_fini(id);
		free(id);
	}
	free(t->list);
	free(t->by_name);
	free(t->by_psk);
	free(t->by_key);
	free(t);
}

/* ---- dynamic rows: their place in the chains of PSKs is free, so they hang together by that ---- */

static void link_dynamic(struct identities *t, struct identity *id)
{
	link_name(t, id);
	id->next_psk = t->dynamic;
	t->dynamic = id;
	t->dynamic_count++;
}

struct identity *identity_dynamic(struct identities *t, struct slice endpoint)
{
	struct identity *id = identity_by_endpoint(t, endpoint);
	if (id != NULL)
		return id;
	if (t->dynamic_count >= t->dynamic_most)
		return NULL;
	id = calloc(1, sizeof(*id));
	if (id == NULL)
		return NULL;
	id->endpoint = strndup((const char *)endpoint.p, endpoint.n);
	if (id->endpoint == NULL) {
		free(id);
		return NULL;
	}
	id->number = ++t->last;
	list_init(&id->sessions);
	id->is_dynamic = true;
	link_dynamic(t, id);
	return id;
}

static void unlink_dynamic(struct identities *t, struct identity *id)
{
	struct identity **at = &t->by_name[bucket(t, slice_str(id->endpoint))];
	while (*at != id)
		at = &(*at)->next_name;
	*at = id->next_name;
	for (at = &t->dynamic; *at != id;)
		at = &(*at)->next_psk;
	*at = id->next_psk;
	t->dynamic_count--;
}

void identity_adopt(struct identities *to, struct identities *from, struct identity *id)
{
	unlink_dynamic(from, id);
	link_dynamic(to, id);
}

void identity_forget(struct identities *t, struct identity *id)
{
	BUG_UNLESS(id->is_dynamic && !identity_is_here(id));
	unlink_dynamic(t, id);
	row_fini(id);
	free(id);
}

struct identity *identity_next_dynamic(const struct identities *t, const struct identity *after)
{
	return after != NULL ? after->next_psk : t->dynamic;
}

/* ---- looking ---- */

struct identity *identity_by_psk(const struct identities *t, struct slice psk_identity)
{
	struct identity *id = t->by_psk[bucket(t, psk_identity)];
	while (id != NULL && !slice_eq(id->psk.identity, psk_identity))
		id = id->next_psk;
	return id;
}

struct identity *identity_by_key(const struct identities *t, struct slice spki)
{
	struct identity *id = t->by_key[bucket(t, spki)];
	while (id != NULL && !slice_eq(id->public_key, spki))
		id = id->next_key;
	return id;
}

struct identity *identity_by_endpoint(const struct identities *t, struct slice endpoint)
{
	struct identity *id = t->by_name[bucket(t, endpoint)];
	while (id != NULL && !slice_is(endpoint, id->endpoint))
		id = id->next_name;
	return id;
}

size_t identities_most(const struct identities *t)
{
	return t->count +
		(t->dynamic_count > t->dynamic_most ? t->dynamic_count : t->dynamic_most);
}

size_t identities_dynamic(const struct identities *t)
{
	return t->dynamic_count;
}

bool identity_has_credential(const struct identity *id)
{
	return id->psk.identity.n > 0 || id->public_key.n > 0;
}

bool identity_same(const struct identity *a, const struct identity *b)
{
	return strcmp(a->endpoint, b->endpoint) == 0 &&
		slice_eq(a->psk.identity, b->psk.identity) && slice_eq(a->psk.key, b->psk.key) &&
		slice_eq(a->public_key, b->public_key);
}
