/* Which endpoint goes to which server. */
#include "route.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/secret.h"
#include "conf/conf.h"

struct routes {
	struct hash_key secret;
	struct route *list;          /* all of them */
	size_t count;
	struct route **by_name;      /* chains; as many as mask + 1 */
	struct route **by_address;
	size_t mask;
	struct route *by_listen;     /* those with a listener of their own: few */
	size_t opaques;              /* how many are opaque */
};

bool route_is_name(struct slice name)
{
	if (name.n == 0 || name.n > ENDPOINT_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	return true;
}

static size_t name_bucket(const struct routes *t, struct slice name)
{
	return (size_t)hash_bytes(&t->secret, name.p, name.n) & t->mask;
}

static size_t address_bucket(const struct routes *t, const struct addr *a, uint16_t port)
{
	uint8_t key[sizeof(a->ip) + sizeof(port)];
	memcpy(key, a->ip, sizeof(a->ip));
	memcpy(key + sizeof(a->ip), &port, sizeof(port));
	return (size_t)hash_bytes(&t->secret, key, sizeof(key)) & t->mask;
}

static void route_fini(struct route *r)
{
	free(r->endpoint);
	free(r->listen);
	secret_wipe(&r->identity);
	secret_wipe(&r->key);
	secret_wipe(&r->private_key);
	slice_free(&r->cert);
}

static int route_init(struct route *r, const struct conf_endpoint *e, struct server *server,
	bool is_bootstrap)
{
	r->server = server;
	r->is_bootstrap = is_bootstrap;
	r->is_opaque = e->mode == CONF_OPAQUE;
	r->is_lan_secured = r->is_opaque || e->lan_identity != NULL ||
		e->lan_public_key_file != NULL;
	r->has_address = e->has_address && !is_bootstrap;
	r->address = e->address;
	r->endpoint = strdup(e->name);
	if (r->is_opaque && e->listen != NULL) {
		r->listen = strdup(e->listen->name);
		if (r->listen == NULL)
			return -ENOMEM;
	}
	if (r->endpoint == NULL || !slice_copy(&r->cert, e->cert.bytes, e->cert.n))
		return -ENOMEM; /* a certificate is no secret, and may be long */
	int rc = secret_copy(&r->key, e->key.bytes, e->key.n);
	if (rc == 0)
		rc = secret_copy(&r->private_key, e->private_key.bytes, e->private_key.n);
	if (rc == 0 && e->identity != NULL)
		rc = secret_copy(&r->identity, e->identity, strlen(e->identity));
	return rc;
}

/* Puts a route at the end of its chains, so that the file's order counts. */
static void link_route(struct routes *t, struct route *r)
{
	struct route **at = &t->by_name[name_bucket(t, slice_str(r->endpoint))];
	while (*at != NULL)
		at = &(*at)->next_name;
	*at = r;
	if (!r->has_address)
		return;
	at = &t->by_address[address_bucket(t, &r->address, r->address.port)];
	while (*at != NULL)
		at = &(*at)->next_address;
	*at = r;
}

static int add(struct routes *t, const struct conf_endpoint *e, const struct conf_server *to,
	bool is_bootstrap, struct server *server)
{
	if (to == NULL || server == NULL)
		return 0;
	struct route *r = &t->list[t->count++];
	int rc = route_init(r, e, server, is_bootstrap);
	if (rc == 0)
		link_route(t, r);
	t->opaques += r->is_opaque;
	if (rc == 0 && r->listen != NULL) {
		r->next_listen = t->by_listen;
		t->by_listen = r;
	}
	return rc;
}

/* An endpoint without a server of its own goes to the first listener's that has one. */
static const struct conf_server *server_of(const struct conf *conf, const struct conf_endpoint *e)
{
	if (e->server != NULL || e->bootstrap_server != NULL)
		return e->server;
	for (size_t i = 0; i < conf->listen_count; i++)
		if (conf->listen[i].server != NULL)
			return conf->listen[i].server;
	return NULL;
}

static int fill(struct routes *t, const struct conf *conf, route_server find, void *who)
{
	for (size_t i = 0; i < conf->endpoint_count; i++) {
		const struct conf_endpoint *e = &conf->endpoint[i];
		const struct conf_server *to = server_of(conf, e);
		const struct conf_server *bs = e->bootstrap_server;
		int rc = add(t, e, to, false, to != NULL ? find(who, to->name) : NULL);
		if (rc == 0)
			rc = add(t, e, bs, true, bs != NULL ? find(who, bs->name) : NULL);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int routes_create(struct routes **routes, const struct conf *conf, route_server find, void *who)
{
	struct routes *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	/* Endpoints that no section names come here too, as many as there may be flows. */
	size_t most = conf->endpoint_count * 2 > conf->gateway.max_endpoints ?
		conf->endpoint_count * 2 : conf->gateway.max_endpoints;
	size_t size = 16;
	while (size < most)
		size *= 2;
	hash_key_init(&t->secret);
	t->mask = size - 1;
	t->list = calloc(conf->endpoint_count * 2 + 1, sizeof(*t->list));
	t->by_name = calloc(size, sizeof(struct route *));
	t->by_address = calloc(size, sizeof(struct route *));
	int rc = -ENOMEM;
	if (t->list != NULL && t->by_name != NULL && t->by_address != NULL)
		rc = fill(t, conf, find, who);
	if (rc != 0) {
		routes_free(t);
		return rc;
	}
	*routes = t;
	return 0;
}

void routes_free(struct routes *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; t->list != NULL && i < t->count; i++)
		route_fini(&t->list[i]);
	free(t->list);
	free(t->by_name);
	free(t->by_address);
	free(t);
}

/* 0: it leads where nobody asked to go; the more the better. */
static int fitness(const struct route *r, const struct route_way *way)
{
	if (way == NULL)
		return 1;
	if (way->called != NULL && !server_has(r->server, way->called, way->now))
		return 0;
	/* A section may mean another server of the same host; whom none names means what it called. */
	if (way->preferred != NULL && r->is_dynamic && r->server != way->preferred)
		return 0;
	if (way->port != 0 && r->server->port != way->port)
		return 0;
	return r->server == way->preferred ? 2 : 1;
}

static bool is_better(const struct route *r, const struct route *than, const struct route_way *way)
{
	return fitness(r, way) > (than != NULL ? fitness(than, way) : 0);
}

struct route *route_find(const struct routes *t, struct slice endpoint, bool is_bootstrap,
	const struct route_way *way)
{
	struct route *best = NULL;
	for (struct route *r = t->by_name[name_bucket(t, endpoint)]; r != NULL; r = r->next_name)
		if (r->is_bootstrap == is_bootstrap && slice_is(endpoint, r->endpoint) &&
			is_better(r, best, way))
			best = r;
	return best;
}

bool route_is_configured(const struct routes *t, struct slice endpoint)
{
	for (struct route *r = t->by_name[name_bucket(t, endpoint)]; r != NULL; r = r->next_name)
		if (!r->is_dynamic && slice_is(endpoint, r->endpoint))
			return true;
	return false;
}

struct route *route_find_exact(const struct routes *t, const char *endpoint, const char *server,
	bool is_bootstrap)
{
	struct slice name = slice_str(endpoint);
	for (struct route *r = t->by_name[name_bucket(t, name)]; r != NULL; r = r->next_name)
		if (r->is_bootstrap == is_bootstrap && strcmp(r->endpoint, endpoint) == 0 &&
			strcmp(r->server->name, server) == 0)
			return r;
	return NULL;
}

struct route *route_of(const struct routes *t, const char *endpoint, const struct route *after)
{
	struct route *r = after != NULL ? after->next_name :
					  t->by_name[name_bucket(t, slice_str(endpoint))];
	while (r != NULL && strcmp(r->endpoint, endpoint) != 0)
		r = r->next_name;
	return r;
}

/* The best of those that were given this host and this port, 0 for any. */
static struct route *by_host_port(const struct routes *t, const struct addr *host, uint16_t port,
	bool is_opaque, const struct route_way *way)
{
	struct route *best = NULL;
	struct route *r = t->by_address[address_bucket(t, host, port)];
	for (; r != NULL; r = r->next_address)
		if (r->is_opaque == is_opaque && r->listen == NULL && r->address.port == port &&
			addr_same_host(&r->address, host) && is_better(r, best, way))
			best = r;
	return best;
}

static struct route *by_address(const struct routes *t, const struct addr *device, bool is_opaque,
	const struct route_way *way)
{
	struct route *r = by_host_port(t, device, device->port, is_opaque, way);
	return r != NULL ? r : by_host_port(t, device, 0, is_opaque, way);
}

struct route *route_by_address(const struct routes *t, const struct addr *device,
	const struct route_way *way)
{
	return by_address(t, device, false, way);
}

bool routes_have_opaque(const struct routes *t)
{
	return t->opaques > 0;
}

struct route *route_opaque(const struct routes *t, const char *listener, const struct addr *device,
	const struct route_way *way)
{
	struct route *best = NULL;
	for (struct route *r = t->by_listen; r != NULL; r = r->next_listen)
		if (strcmp(r->listen, listener) == 0 && is_better(r, best, way))
			best = r;
	return best != NULL ? best : by_address(t, device, true, way);
}

struct route *route_next(const struct routes *t, size_t *at)
{
	return *at < t->count ? &t->list[(*at)++] : NULL;
}

struct route *route_dynamic(struct routes *t, struct slice endpoint, struct server *server)
{
	struct route *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->server = server;
	r->is_dynamic = true;
	r->endpoint = strndup((const char *)endpoint.p, endpoint.n);
	if (r->endpoint == NULL) {
		free(r);
		return NULL;
	}
	link_route(t, r);
	return r;
}

static void unlink_route(struct routes *t, struct route *r)
{
	struct route **at = &t->by_name[name_bucket(t, slice_str(r->endpoint))];
	while (*at != r)
		at = &(*at)->next_name;
	*at = r->next_name;
	r->next_name = NULL;
}

void route_adopt(struct routes *to, struct routes *from, struct route *r, struct server *server)
{
	unlink_route(from, r);
	r->server = server;
	link_route(to, r);
}

void route_free(struct routes *t, struct route *r)
{
	BUG_UNLESS(r->is_dynamic);
	unlink_route(t, r);
	route_fini(r);
	free(r);
}

bool route_same_way(const struct route *a, const struct route *b)
{
	return a->server == b->server && slice_eq(a->identity, b->identity) &&
		slice_eq(a->key, b->key) && slice_eq(a->cert, b->cert) &&
		slice_eq(a->private_key, b->private_key);
}

static void swap(struct slice *a, struct slice *b)
{
	struct slice kept = *a;
	*a = *b;
	*b = kept;
}

void route_swap_texts(struct route *a, struct route *b)
{
	char *endpoint = a->endpoint;
	a->endpoint = b->endpoint;
	b->endpoint = endpoint;
	swap(&a->identity, &b->identity);
	swap(&a->key, &b->key);
	swap(&a->cert, &b->cert);
	swap(&a->private_key, &b->private_key);
}
