/* What workers must agree on. */
#include "directory.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "limits.h"

/* First size of a table, a power of two. */
#define CHAINS 256

/* What stands in a table, at the front of its owner. */
struct node {
	struct node *next; /* of the same chain */
	uint64_t hash;
};

struct table {
	struct node **chain;
	size_t mask;
	size_t count;
};

/* A remembered source port. */
struct port {
	struct port *next;
	uint16_t port;
	bool is_bootstrap;
	char server[];
};

/* An endpoint. */
struct owner {
	struct node node;
	unsigned worker;
	unsigned users;     /* its flows and sessions; 0: it is remembered for its ports */
	struct port *ports;
	char name[];
};

/* A worker at a place. Who entered last serves it; where he leaves, the one before him does. */
struct spot {
	struct node node;
	struct place place;
	unsigned worker;
	unsigned users;  /* not 0 */
	uint64_t turn;   /* when it entered, by directory.turns */
};

/* A flow's registration. Several flows may have the same. */
struct located {
	struct node node;
	struct origin origin;
	uint32_t server;
	unsigned worker;
	struct mono registered;
	char location[];
};

struct directory {
	pthread_mutex_t lock;
	struct hash_key secret;
	struct table owners;
	struct table spots;
	struct table located;
	uint64_t turns;      /* places entered so far */
	_Atomic size_t flows;
};

/* ---- places ---- */

enum kind { PLACE_PLAIN, PLACE_SECURE, PLACE_CID, PLACE_HOST };

struct place place_of(const struct addr *device, uint32_t listener, bool is_secure)
{
	struct place p = { { 0 } };
	memcpy(p.bytes, device->ip, 16);
	memcpy(p.bytes + 16, &device->port, 2);
	p.bytes[18] = is_secure ? PLACE_SECURE : PLACE_PLAIN;
	memcpy(p.bytes + 20, &listener, 4);
	return p;
}

struct place place_of_host(const struct addr *device, uint32_t listener)
{
	struct place p = { { 0 } };
	memcpy(p.bytes, device->ip, 16);
	p.bytes[18] = PLACE_HOST;
	memcpy(p.bytes + 20, &listener, 4);
	return p;
}

struct place place_of_cid(const uint8_t *cid)
{
	struct place p = { { 0 } };
	memcpy(p.bytes, cid, 8);
	p.bytes[18] = PLACE_CID;
	return p;
}

struct origin origin_of(const struct addr *device, uint32_t ifindex, uint32_t listener, uint32_t called)
{
	struct origin o;
	memcpy(o.bytes, device->ip, 16);
	memcpy(o.bytes + 16, &device->scope, 4);
	memcpy(o.bytes + 20, &ifindex, 4);
	memcpy(o.bytes + 24, &listener, 4);
	memcpy(o.bytes + 28, &called, 4);
	return o;
}

/* ---- a table ---- */

static int table_init(struct table *t, size_t size)
{
	*t = (struct table){ calloc(size, sizeof(struct node *)), size - 1, 0 };
	return t->chain != NULL ? 0 : -ENOMEM;
}

static void table_fini(struct table *t, void (*end)(struct node *node))
{
	for (size_t i = 0; t->chain != NULL && i <= t->mask; i++)
		for (struct node *next, *n = t->chain[i]; n != NULL; n = next) {
			next = n->next;
			end(n);
		}
	free(t->chain);
}

static void put(struct table *t, struct node *node)
{
	struct node **chain = &t->chain[node->hash & t->mask];
	node->next = *chain;
	*chain = node;
	t->count++;
}

/* Chains stay short; without memory they grow longer. */
static void table_grow(struct table *t)
{
	struct table larger;
	if (t->count <= t->mask || table_init(&larger, (t->mask + 1) * 2) != 0)
		return;
	for (size_t i = 0; i <= t->mask; i++)
		for (struct node *next, *n = t->chain[i]; n != NULL; n = next) {
			next = n->next;
			put(&larger, n);
		}
	free(t->chain);
	*t = larger;
}

static void table_put(struct table *t, struct node *node)
{
	table_grow(t);
	put(t, node);
}

static void table_remove(struct table *t, struct node *node)
{
	struct node **at = &t->chain[node->hash & t->mask];
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	t->count--;
}

/* ---- life ---- */

static void owner_free(struct node *node)
{
	struct owner *o = container_of(node, struct owner, node);
	for (struct port *next, *p = o->ports; p != NULL; p = next) {
		next = p->next;
		free(p);
	}
	free(o);
}

static void spot_free(struct node *node)
{
	free(container_of(node, struct spot, node));
}

static void located_free(struct node *node)
{
	free(container_of(node, struct located, node));
}

int directory_create(struct directory **directory)
{
	struct directory *d = calloc(1, sizeof(*d));
	*directory = NULL;
	if (d == NULL)
		return -ENOMEM;
	hash_key_init(&d->secret);
	int rc = pthread_mutex_init(&d->lock, NULL) == 0 ? 0 : -ENOMEM;
	if (rc != 0) {
		free(d);
		return rc;
	}
	rc = table_init(&d->owners, CHAINS);
	if (rc == 0)
		rc = table_init(&d->spots, CHAINS);
	if (rc == 0)
		rc = table_init(&d->located, CHAINS);
	if (rc != 0) {
		directory_free(d);
		return rc;
	}
	*directory = d;
	return 0;
}

void directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	table_fini(&d->owners, owner_free);
	table_fini(&d->spots, spot_free);
	table_fini(&d->located, located_free);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* ---- owners ---- */

static struct owner *owner_find(const struct directory *d, struct slice name)
{
	uint64_t hash = hash_bytes(&d->secret, name.p, name.n);
	for (struct node *n = d->owners.chain[hash & d->owners.mask]; n != NULL; n = n->next) {
		struct owner *o = container_of(n, struct owner, node);
		if (n->hash == hash && slice_is(name, o->name))
			return o;
	}
	return NULL;
}

static struct owner *owner_create(struct directory *d, const char *name)
{
	size_t n = strlen(name);
	struct owner *o = calloc(1, sizeof(*o) + n + 1);
	if (o == NULL)
		return NULL;
	memcpy(o->name, name, n);
	o->node.hash = hash_bytes(&d->secret, name, n);
	table_put(&d->owners, &o->node);
	return o;
}

/* Without users and ports nothing is to be remembered. */
static void owner_settle(struct directory *d, struct owner *o)
{
	if (o->users > 0 || o->ports != NULL)
		return;
	table_remove(&d->owners, &o->node);
	owner_free(&o->node);
}

unsigned directory_owner(struct directory *d, struct slice endpoint)
{
	pthread_mutex_lock(&d->lock);
	const struct owner *o = owner_find(d, endpoint);
	unsigned worker = o != NULL && o->users > 0 ? o->worker : DIRECTORY_NOBODY;
	pthread_mutex_unlock(&d->lock);
	return worker;
}

bool directory_enter(struct directory *d, const char *endpoint, unsigned worker)
{
	pthread_mutex_lock(&d->lock);
	struct owner *o = owner_find(d, slice_str(endpoint));
	if (o == NULL)
		o = owner_create(d, endpoint);
	bool may = o != NULL && (o->users == 0 || o->worker == worker);
	if (may) {
		o->worker = worker;
		o->users++;
	}
	pthread_mutex_unlock(&d->lock);
	return may;
}

void directory_leave(struct directory *d, const char *endpoint, unsigned worker)
{
	pthread_mutex_lock(&d->lock);
	struct owner *o = owner_find(d, slice_str(endpoint));
	BUG_UNLESS(o != NULL && o->users > 0 && o->worker == worker);
	o->users--;
	owner_settle(d, o);
	pthread_mutex_unlock(&d->lock);
}

/* ---- places ---- */

/* The next spot of a place, after one or from the first on. */
static struct spot *spot_next(const struct directory *d, const struct place *place, const struct spot *after)
{
	uint64_t hash = hash_bytes(&d->secret, place->bytes, PLACE_BYTES);
	struct node *n = after != NULL ? after->node.next : d->spots.chain[hash & d->spots.mask];
	for (; n != NULL; n = n->next) {
		struct spot *s = container_of(n, struct spot, node);
		if (n->hash == hash && memcmp(s->place.bytes, place->bytes, PLACE_BYTES) == 0)
			return s;
	}
	return NULL;
}

/* That of who serves the place. */
static struct spot *spot_find(const struct directory *d, const struct place *place)
{
	struct spot *found = NULL;
	for (struct spot *s = NULL; (s = spot_next(d, place, s)) != NULL;)
		found = found == NULL || s->turn > found->turn ? s : found;
	return found;
}

/* That of one worker. */
static struct spot *spot_of(const struct directory *d, const struct place *place, unsigned worker)
{
	struct spot *s = NULL;
	while ((s = spot_next(d, place, s)) != NULL && s->worker != worker)
		;
	return s;
}

static struct spot *spot_create(struct directory *d, const struct place *place, unsigned worker)
{
	struct spot *s = malloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	*s = (struct spot){ .place = *place, .worker = worker };
	s->node.hash = hash_bytes(&d->secret, place->bytes, PLACE_BYTES);
	table_put(&d->spots, &s->node);
	return s;
}

unsigned directory_place(struct directory *d, const struct place *place)
{
	pthread_mutex_lock(&d->lock);
	const struct spot *s = spot_find(d, place);
	unsigned worker = s != NULL ? s->worker : DIRECTORY_NOBODY;
	pthread_mutex_unlock(&d->lock);
	return worker;
}

bool directory_place_enter(struct directory *d, const struct place *place, unsigned worker, bool takes)
{
	pthread_mutex_lock(&d->lock);
	const struct spot *serves = spot_find(d, place);
	struct spot *s = NULL;
	if (serves == NULL || serves->worker == worker || takes) {
		s = spot_of(d, place, worker);
		s = s != NULL ? s : spot_create(d, place, worker);
	}
	if (s != NULL) {
		s->users++;
		s->turn = ++d->turns;
	}
	pthread_mutex_unlock(&d->lock);
	return s != NULL;
}

void directory_place_leave(struct directory *d, const struct place *place, unsigned worker)
{
	pthread_mutex_lock(&d->lock);
	struct spot *s = spot_of(d, place, worker);
	if (s != NULL && --s->users == 0) {
		table_remove(&d->spots, &s->node);
		free(s);
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- Locations ---- */

static uint64_t location_hash(const struct directory *d, const struct origin *origin, const char *location)
{
	uint8_t bytes[ORIGIN_BYTES + LOCATION_MAX];
	size_t n = strlen(location);
	BUG_UNLESS(n < LOCATION_MAX);
	memcpy(bytes, origin->bytes, ORIGIN_BYTES);
	memcpy(bytes + ORIGIN_BYTES, location, n);
	return hash_bytes(&d->secret, bytes, ORIGIN_BYTES + n);
}

static struct located *located_create(const struct directory *d, const struct registration *r)
{
	size_t n = strlen(r->location) + 1;
	struct located *l = malloc(sizeof(*l) + n);
	if (l == NULL)
		return NULL;
	*l = (struct located){ .origin = r->origin, .server = r->server, .worker = r->worker,
		.registered = r->registered };
	memcpy(l->location, r->location, n);
	l->node.hash = location_hash(d, &r->origin, r->location);
	return l;
}

bool directory_register(struct directory *d, struct located **kept, const struct registration *now)
{
	struct located *old = *kept;
	*kept = now != NULL ? located_create(d, now) : NULL;
	pthread_mutex_lock(&d->lock);
	if (old != NULL)
		table_remove(&d->located, &old->node);
	if (*kept != NULL)
		table_put(&d->located, &(*kept)->node);
	pthread_mutex_unlock(&d->lock);
	free(old);
	return now == NULL || *kept != NULL;
}

/* The next of the same device and Location in a chain. */
static const struct located *located_next(const struct node *n, uint64_t hash, const struct origin *origin,
	const char *location)
{
	for (; n != NULL; n = n->next) {
		const struct located *l = container_of(n, struct located, node);
		if (n->hash == hash && memcmp(l->origin.bytes, origin->bytes, ORIGIN_BYTES) == 0 &&
			strcmp(l->location, location) == 0)
			return l;
	}
	return NULL;
}

/* Of several the newest of one server counts; where several servers gave it, or at the same time, none. */
static const struct located *located_find(const struct directory *d, const struct origin *origin,
	const char *location)
{
	bool is_clear = true;
	const struct located *found = NULL;
	uint64_t hash = location_hash(d, origin, location);
	const struct node *n = d->located.chain[hash & d->located.mask];
	for (const struct located *l; (l = located_next(n, hash, origin, location)) != NULL; n = l->node.next) {
		if (found != NULL && l->server != found->server)
			return NULL;
		if (found == NULL || l->registered.ms > found->registered.ms) {
			found = l;
			is_clear = true;
		} else if (l->registered.ms == found->registered.ms) {
			is_clear = false;
		}
	}
	return is_clear ? found : NULL;
}

unsigned directory_location(struct directory *d, const struct origin *origin, const char *location)
{
	pthread_mutex_lock(&d->lock);
	const struct located *l = located_find(d, origin, location);
	unsigned worker = l != NULL ? l->worker : DIRECTORY_NOBODY;
	pthread_mutex_unlock(&d->lock);
	return worker;
}

/* ---- source ports ---- */

static struct port *port_find(const struct owner *o, const char *server, bool is_bootstrap)
{
	struct port *p = o != NULL ? o->ports : NULL;
	while (p != NULL && (p->is_bootstrap != is_bootstrap || strcmp(p->server, server) != 0))
		p = p->next;
	return p;
}

static struct port *port_create(struct owner *o, const char *server, bool is_bootstrap)
{
	size_t n = strlen(server);
	struct port *p = calloc(1, sizeof(*p) + n + 1);
	if (p == NULL)
		return NULL;
	memcpy(p->server, server, n);
	p->is_bootstrap = is_bootstrap;
	p->next = o->ports;
	o->ports = p;
	return p;
}

static void port_remove(struct owner *o, struct port *port)
{
	struct port **at = &o->ports;
	while (*at != port)
		at = &(*at)->next;
	*at = port->next;
	free(port);
}

uint16_t directory_port(struct directory *d, const char *endpoint, const char *server, bool is_bootstrap)
{
	pthread_mutex_lock(&d->lock);
	const struct port *p = port_find(owner_find(d, slice_str(endpoint)), server, is_bootstrap);
	uint16_t port = p != NULL ? p->port : 0;
	pthread_mutex_unlock(&d->lock);
	return port;
}

void directory_set_port(struct directory *d, const char *endpoint, const char *server,
	bool is_bootstrap, uint16_t port)
{
	pthread_mutex_lock(&d->lock);
	struct owner *o = owner_find(d, slice_str(endpoint));
	if (o == NULL && port != 0)
		o = owner_create(d, endpoint);
	struct port *p = port_find(o, server, is_bootstrap);
	if (p == NULL && o != NULL && port != 0)
		p = port_create(o, server, is_bootstrap);
	if (p != NULL && port == 0)
		port_remove(o, p);
	else if (p != NULL)
		p->port = port;
	if (o != NULL)
		owner_settle(d, o);
	pthread_mutex_unlock(&d->lock);
}

/* ---- how many ---- */

bool directory_add_flow(struct directory *d, size_t most)
{
	size_t now = atomic_load_explicit(&d->flows, memory_order_relaxed);
	while (now < most)
		if (atomic_compare_exchange_weak_explicit(&d->flows, &now, now + 1,
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	return false;
}

void directory_remove_flow(struct directory *d)
{
	BUG_UNLESS(atomic_fetch_sub_explicit(&d->flows, 1, memory_order_relaxed) > 0);
}

size_t directory_flows(const struct directory *d)
{
	return atomic_load_explicit(&d->flows, memory_order_relaxed);
}
