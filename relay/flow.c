/* The routing table at work. */
#include "flow.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "route.h"

/* What each message looks at is at most so much of a flow, bytes. */
#define NEAR (6 * FETCH_LINE)
_Static_assert(offsetof(struct flow, wan.has_socket) <= NEAR, "what each message looks at is near");

/* Flows are kept in chunks that never move, so pointers to them stay good. */
#define CHUNK 64

/* An entry of the index: part of the hash first, so that strangers rarely cost a look at a flow. */
struct entry {
	uint32_t hash;
	uint32_t slot; /* + 1; 0 is free */
};

struct flows {
	struct hash_key secret;
	struct entry *index;   /* open addressing, linear; a power of two */
	size_t mask;           /* its size - 1 */
	struct list *host;     /* rings of flows by host; as many as the index has entries */
	struct flow **chunk;
	size_t chunks;         /* chunks that are there */
	size_t most;
	size_t count;
	uint32_t free;         /* first free slot + 1; 0: make a chunk */
};

static uint32_t key_hash(const struct flows *t, const struct lan_key *key)
{
	uint8_t bytes[32];
	memcpy(bytes, key->device.ip, 16);
	memcpy(bytes + 16, &key->device.scope, 4);
	memcpy(bytes + 20, &key->ifindex, 4);
	uint32_t called = key->listener ^ key->server << 16;
	memcpy(bytes + 24, &called, 4);
	uint32_t port = key->device.port ^ key->identity << 16;
	memcpy(bytes + 28, &port, 4);
	return (uint32_t)hash_bytes(&t->secret, bytes, sizeof(bytes));
}

static uint32_t host_hash(const struct flows *t, const struct addr *host)
{
	return (uint32_t)hash_bytes(&t->secret, host->ip, sizeof(host->ip));
}

static bool key_eq(const struct lan_key *a, const struct lan_key *b)
{
	return addr_eq(&a->device, &b->device) && a->ifindex == b->ifindex &&
		a->listener == b->listener && a->identity == b->identity && a->server == b->server;
}

static struct flow *flow_at(const struct flows *t, uint32_t slot)
{
	return &t->chunk[(slot - 1) / CHUNK][(slot - 1) % CHUNK];
}

/* ---- the index ---- */

/* The entry of this key, or the free one where it would stand. */
static struct entry *index_find(const struct flows *t, const struct lan_key *key, uint32_t hash)
{
	for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
		struct entry *e = &t->index[i];
		if (e->slot == 0)
			return e;
		if (e->hash == hash && key_eq(&flow_at(t, e->slot)->key, key))
			return e;
	}
}

/* Closes the gap behind a removed entry, so that linear search finds the others. */
static void index_close_gap(struct flows *t, size_t gap)
{
	for (size_t i = (gap + 1) & t->mask; t->index[i].slot != 0; i = (i + 1) & t->mask) {
		size_t home = t->index[i].hash & t->mask;
		if (((i - home) & t->mask) < ((i - gap) & t->mask))
			continue;
		t->index[gap] = t->index[i];
		gap = i;
	}
	t->index[gap].slot = 0;
}

static void index_insert(struct flows *t, struct flow *flow)
{
	uint32_t hash = key_hash(t, &flow->key);
	struct entry *e = index_find(t, &flow->key, hash);
	flow->sibling = e->slot != 0 ? flow_at(t, e->slot) : NULL;
	if (flow->sibling != NULL)
		flow->is_shared = flow->sibling->is_shared = true;
	*e = (struct entry){ hash, flow->id.slot };
	list_append(&t->host[host_hash(t, &flow->key.device) & t->mask], &flow->by_host);
}

static void index_remove(struct flows *t, struct flow *flow)
{
	struct entry *e = index_find(t, &flow->key, key_hash(t, &flow->key));
	BUG_UNLESS(e->slot != 0);
	struct flow *first = flow_at(t, e->slot);
	list_remove(&flow->by_host);
	if (first != flow) {
		while (first->sibling != flow)
			first = first->sibling;
		first->sibling = flow->sibling;
	} else if (flow->sibling != NULL) {
		e->slot = flow->sibling->id.slot;
	} else {
		index_close_gap(t, (size_t)(e - t->index));
	}
	flow->sibling = NULL;
}

/* An index of at least twice the limit is never more than half full. */
static int index_make(struct flows *t, size_t most)
{
	size_t size = 64;
	while (size < most * 2)
		size *= 2;
	struct entry *index = calloc(size, sizeof(*index));
	struct list *host = malloc(size * sizeof(*host));
	if (index == NULL || host == NULL) {
		free(index);
		free(host);
		return -ENOMEM;
	}
	for (size_t i = 0; i < size; i++)
		list_init(&host[i]);
	free(t->index);
	free(t->host);
	t->index = index;
	t->host = host;
	t->mask = size - 1;
	return 0;
}

/* ---- the table ---- */

int flows_create(struct flows **flows, size_t most)
{
	struct flows *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	hash_key_init(&t->secret);
	if (index_make(t, most) != 0) {
		free(t);
		return -ENOMEM;
	}
	t->most = most;
	*flows = t;
	return 0;
}

void flows_free(struct flows *t)
{
	if (t == NULL)
		return;
	BUG_UNLESS(t->count == 0);
	for (size_t i = 0; i < t->chunks; i++)
		free(t->chunk[i]);
	free(t->chunk);
	free(t->index);
	free(t->host);
	free(t);
}

int flows_set_most(struct flows *t, size_t most)
{
	size_t at = 0;
	size_t need = most > t->count ? most : t->count;
	if (need * 2 > t->mask + 1) {
		/* The flows are put into the new index; siblings find each other there again. */
		for (struct flow *f; (f = flow_next(t, &at)) != NULL;) {
			list_init(&f->by_host);
			f->sibling = NULL;
		}
		int rc = index_make(t, need);
		at = 0;
		if (rc != 0) {
			memset(t->index, 0, (t->mask + 1) * sizeof(*t->index));
			for (size_t i = 0; i <= t->mask; i++)
				list_init(&t->host[i]);
		}
		for (struct flow *f; (f = flow_next(t, &at)) != NULL;)
			index_insert(t, f);
		if (rc != 0)
			return rc;
	}
	t->most = most;
	return 0;
}

size_t flows_count(const struct flows *t)
{
	return t->count;
}

size_t flows_most(const struct flows *t)
{
	return t->most;
}

static int chunk_add(struct flows *t)
{
	struct flow **list = realloc(t->chunk, (t->chunks + 1) * sizeof(struct flow *));
	if (list == NULL)
		return -ENOMEM;
	t->chunk = list;
	struct flow *chunk = aligned_alloc(FETCH_LINE, CHUNK * sizeof(*chunk));
	if (chunk == NULL)
		return -ENOMEM;
	memset(chunk, 0, CHUNK * sizeof(*chunk));
	list[t->chunks++] = chunk;
	uint32_t first = (uint32_t)((t->chunks - 1) * CHUNK);
	for (uint32_t i = CHUNK; i > 0; i--) {
		chunk[i - 1].next_free = t->free;
		t->free = first + i;
	}
	return 0;
}

struct flow *flow_add(struct flows *t, const struct lan_key *key)
{
	if (t->count >= t->most || (t->free == 0 && chunk_add(t) != 0))
		return NULL;
	uint32_t slot = t->free;
	struct flow *flow = flow_at(t, slot);
	uint32_t generation = flow->id.generation + 1;
	t->free = flow->next_free;
	memset(flow, 0, sizeof(*flow));
	flow->id = (struct flow_id){ slot, generation };
	flow->key = *key;
	flow->is_used = true;
	list_init(&flow->by_host);
	index_insert(t, flow);
	t->count++;
	return flow;
}

void flow_remove(struct flows *t, struct flow *flow)
{
	BUG_UNLESS(flow->is_used);
	index_remove(t, flow);
	free(flow->drops);
	free(flow->location);
	free(flow->recent);
	flow->is_used = false;
	flow->next_free = t->free;
	t->free = flow->id.slot;
	t->count--;
}

struct flow *flow_find(const struct flows *t, const struct lan_key *key)
{
	const struct entry *e = index_find(t, key, key_hash(t, key));
	return e->slot != 0 ? flow_at(t, e->slot) : NULL;
}

uint32_t flow_fetch_place(const struct flows *t, const struct lan_key *key)
{
	uint32_t hash = key_hash(t, key);
	fetch(&t->index[hash & t->mask], sizeof(*t->index));
	return hash;
}

const struct flow *flow_fetch_at(const struct flows *t, uint32_t place)
{
	const struct entry *e = &t->index[place & t->mask];
	if (e->slot == 0)
		return NULL;
	const struct flow *flow = flow_at(t, e->slot);
	flow_fetch(flow);
	return flow;
}

const struct flow *flow_fetch_id(const struct flows *t, struct flow_id id)
{
	if (id.slot == 0 || id.slot > t->chunks * CHUNK)
		return NULL;
	const struct flow *flow = flow_at(t, id.slot);
	flow_fetch(flow);
	return flow;
}

void flow_fetch(const struct flow *flow)
{
	fetch(flow, NEAR);
}

struct flow *flow_by_id(const struct flows *t, struct flow_id id)
{
	if (id.slot == 0 || id.slot > t->chunks * CHUNK)
		return NULL;
	struct flow *flow = flow_at(t, id.slot);
	return flow->is_used && flow->id.generation == id.generation ? flow : NULL;
}

void flow_rekey(struct flows *t, struct flow *flow, const struct lan_key *key)
{
	index_remove(t, flow);
	flow->key = *key;
	index_insert(t, flow);
}

static bool is_at_location(const struct flow *f, const struct lan_key *key, const char *location)
{
	return f->location != NULL && strcmp(f->location, location) == 0 &&
		addr_same_host(&f->key.device, &key->device) && f->key.ifindex == key->ifindex &&
		f->key.listener == key->listener && f->key.identity == key->identity &&
		f->key.server == key->server;
}

struct flow *flow_by_location(const struct flows *t, const struct lan_key *key,
	const char *location)
{
	struct flow *found = NULL;
	bool is_clear = true;
	struct list *ring = &t->host[host_hash(t, &key->device) & t->mask];
	list_each(node, ring) {
		struct flow *f = container_of(node, struct flow, by_host);
		if (!is_at_location(f, key, location))
			continue;
		if (found != NULL && f->route->server != found->route->server)
			return NULL;
		if (found != NULL && f->registered.ms == found->registered.ms)
			is_clear = false;
		if (found != NULL && f->registered.ms <= found->registered.ms)
			continue;
		found = f;
		is_clear = true;
	}
	return is_clear ? found : NULL;
}

bool flow_is_host(const struct flows *t, const struct lan_key *key)
{
	struct list *ring = &t->host[host_hash(t, &key->device) & t->mask];
	list_each(node, ring) {
		const struct flow *f = container_of(node, struct flow, by_host);
		if (addr_same_host(&f->key.device, &key->device) &&
			f->key.ifindex == key->ifindex && f->key.listener == key->listener)
			return true;
	}
	return false;
}

struct flow *flow_next(const struct flows *t, size_t *at)
{
	while (*at < t->chunks * CHUNK) {
		struct flow *flow = flow_at(t, (uint32_t)++*at);
		if (flow->is_used)
			return flow;
	}
	return NULL;
}

void flow_drop(struct flow *flow, struct counters *stat, enum drop why)
{
	stat->drop[why]++;
	if (flow == NULL)
		return;
	if (flow->drops == NULL)
		flow->drops = calloc(DROP_COUNT, sizeof(*flow->drops));
	if (flow->drops != NULL)
		flow->drops[why]++;
}
