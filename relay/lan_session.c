/* DTLS sessions of devices. */
#include "lan_session.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/bucket.h"
#include "base/hash.h"
#include "limit.h"

struct lan_sessions {
	struct hash_key secret;
	struct lan_session **by_address; /* chains; as many as mask + 1 */
	struct lan_session **by_cid;
	size_t mask;
	unsigned workers;         /* that share the limits */
	struct sources *sources;  /* half-open ones by host */
	struct bucket begun[HANDSHAKE_BUDGETS]; /* handshakes, by a hash of the host */
	struct list ring[LAN_RINGS]; /* the oldest first */
	size_t count[LAN_RINGS];
};

static struct lan_session **address_chain(const struct lan_sessions *t, const struct lan_key *key)
{
	uint8_t bytes[24];
	uint32_t port = key->device.port;
	memcpy(bytes, key->device.ip, 16);
	memcpy(bytes + 16, &port, 4);
	memcpy(bytes + 20, &key->listener, 4);
	return &t->by_address[hash_bytes(&t->secret, bytes, sizeof(bytes)) & t->mask];
}

static struct lan_session **cid_chain(const struct lan_sessions *t, const uint8_t *cid)
{
	return &t->by_cid[hash_bytes(&t->secret, cid, LAN_CID_BYTES) & t->mask];
}

/* At the end: a half-open one must not stand before a proven one of the same address. */
static void link_address(struct lan_sessions *t, struct lan_session *s)
{
	struct lan_session **at = address_chain(t, &s->key);
	while (*at != NULL)
		at = &(*at)->next_address;
	s->next_address = NULL;
	*at = s;
}

static void unlink_address(struct lan_sessions *t, struct lan_session *s)
{
	struct lan_session **at = address_chain(t, &s->key);
	while (*at != s)
		at = &(*at)->next_address;
	*at = s->next_address;
}

static void link_cid(struct lan_sessions *t, struct lan_session *s)
{
	struct lan_session **at = cid_chain(t, s->cid);
	s->next_cid = *at;
	*at = s;
}

static void unlink_cid(struct lan_sessions *t, struct lan_session *s)
{
	struct lan_session **at = cid_chain(t, s->cid);
	while (*at != s)
		at = &(*at)->next_cid;
	*at = s->next_cid;
}

static struct lan_session *of_order(struct list *node)
{
	return container_of(node, struct lan_session, order);
}

/* ---- the table ---- */

static int chains_make(struct lan_sessions *t, size_t most)
{
	size_t size = 16;
	while (size < most)
		size *= 2;
	if (size - 1 <= t->mask && t->by_address != NULL)
		return 0;
	struct lan_session **by_address = calloc(size, sizeof(struct lan_session *));
	struct lan_session **by_cid = calloc(size, sizeof(struct lan_session *));
	if (by_address == NULL || by_cid == NULL) {
		free(by_address);
		free(by_cid);
		return -ENOMEM;
	}
	free(t->by_address);
	free(t->by_cid);
	t->by_address = by_address;
	t->by_cid = by_cid;
	t->mask = size - 1;
	return 0;
}

int lan_sessions_create(struct lan_sessions **sessions)
{
	struct lan_sessions *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	hash_key_init(&t->secret);
	t->workers = 1;
	for (int i = 0; i < LAN_RINGS; i++)
		list_init(&t->ring[i]);
	int rc = chains_make(t, 1);
	if (rc == 0)
		rc = sources_create(&t->sources);
	if (rc != 0) {
		lan_sessions_free(t);
		return rc;
	}
	*sessions = t;
	return 0;
}

void lan_sessions_free(struct lan_sessions *t)
{
	if (t == NULL)
		return;
	for (int i = 0; i < LAN_RINGS; i++)
		BUG_UNLESS(t->count[i] == 0);
	sources_free(t->sources);
	free(t->by_address);
	free(t->by_cid);
	free(t);
}

static void link_again(struct lan_sessions *t, struct list *ring)
{
	list_each(node, ring) {
		link_address(t, of_order(node));
		if (of_order(node)->has_cid)
			link_cid(t, of_order(node));
	}
}

int lan_sessions_set_most(struct lan_sessions *t, size_t most)
{
	const struct lan_session *const *before = (const struct lan_session *const *)t->by_address;
	int rc = chains_make(t, most + 2 * HALF_OPEN_MAX);
	if (rc != 0 || (const struct lan_session *const *)t->by_address == before)
		return rc;
	link_again(t, &t->ring[LAN_PROVEN]);
	link_again(t, &t->ring[LAN_KNOWN]);
	link_again(t, &t->ring[LAN_STRANGERS]);
	return 0;
}

/* ---- one session ---- */

static enum lan_ring ring_of(const struct lan_session *s)
{
	if (s->ticket == 0)
		return LAN_PROVEN;
	return s->is_known ? LAN_KNOWN : LAN_STRANGERS;
}

static struct lan_session *oldest_of(const struct lan_sessions *t, enum lan_ring ring,
	const struct addr *host)
{
	list_each(node, (struct list *)(uintptr_t)&t->ring[ring])
		if (addr_same_host(&of_order(node)->key.device, host))
			return of_order(node);
	return NULL;
}

/* Room for one more half-open session: the oldest of its kind has to go for it, its own host's where that
 * has too many. Returns a ticket, or 0. */
static unsigned make_room(struct lan_sessions *t, const struct lan_session *s,
	void (*evict)(struct lan_session *s))
{
	const struct addr *host = &s->key.device;
	enum lan_ring ring = s->is_known ? LAN_KNOWN : LAN_STRANGERS;
	unsigned most = LIMIT_SHARE_OF_HOST(HALF_OPEN_PER_SOURCE, t->workers);
	unsigned ticket = sources_add(t->sources, host, most);
	struct lan_session *oldest = ticket == 0 ? oldest_of(t, ring, host) : NULL;
	if (oldest != NULL) {
		evict(oldest);
		ticket = sources_add(t->sources, host, most);
	}
	if (ticket != 0 && t->count[ring] >= LIMIT_SHARE(HALF_OPEN_MAX, t->workers))
		evict(of_order(t->ring[ring].next));
	return ticket;
}

void lan_sessions_share(struct lan_sessions *t, unsigned workers)
{
	t->workers = workers;
}

bool lan_sessions_may_begin(struct lan_sessions *t, const struct addr *host, struct mono now)
{
	uint64_t hash = hash_bytes(&t->secret, host->ip, sizeof(host->ip));
	return bucket_take(&t->begun[hash % HANDSHAKE_BUDGETS],
		LIMIT_SHARE_OF_HOST(HANDSHAKES_BURST, t->workers),
		LIMIT_SHARE_OF_HOST(HANDSHAKES_PER_SECOND, t->workers), now);
}

static void enter(struct lan_sessions *t, struct lan_session *s)
{
	enum lan_ring ring = ring_of(s);
	list_append(&t->ring[ring], &s->order);
	t->count[ring]++;
}

static void leave(struct lan_sessions *t, struct lan_session *s)
{
	list_remove(&s->order);
	t->count[ring_of(s)]--;
}

struct lan_session *lan_session_add(struct lan_sessions *t, const struct lan_session *s,
	void (*evict)(struct lan_session *s))
{
	struct lan_session *new = malloc(sizeof(*new));
	unsigned ticket = new != NULL ? make_room(t, s, evict) : 0;
	if (ticket == 0) {
		free(new);
		return NULL;
	}
	*new = *s;
	new->ticket = ticket;
	list_init(&new->order);
	list_init(&new->same_identity);
	enter(t, new);
	link_address(t, new);
	if (new->has_cid)
		link_cid(t, new);
	return new;
}

void lan_session_proven(struct lan_sessions *t, struct lan_session *s)
{
	BUG_UNLESS(s->ticket != 0);
	leave(t, s);
	sources_remove(t->sources, s->ticket);
	s->ticket = 0;
	enter(t, s);
}

void lan_session_rekey(struct lan_sessions *t, struct lan_session *s, const struct lan_key *key)
{
	unlink_address(t, s);
	s->key = *key;
	link_address(t, s);
}

void lan_session_free(struct lan_sessions *t, struct lan_session *s)
{
	unlink_address(t, s);
	if (s->has_cid)
		unlink_cid(t, s);
	leave(t, s);
	sources_remove(t->sources, s->ticket);
	free(s);
}

/* ---- looking ---- */

struct lan_session *const *lan_session_fetch_chain(const struct lan_sessions *t,
	const struct lan_key *key)
{
	struct lan_session *const *chain = address_chain(t, key);
	fetch(chain, sizeof(*chain));
	return chain;
}

const struct lan_session *lan_session_fetch(struct lan_session *const *chain)
{
	fetch(*chain, sizeof(**chain));
	return *chain;
}

struct lan_session *lan_session_by_cid(const struct lan_sessions *t, struct slice cid)
{
	BUG_UNLESS(cid.n == LAN_CID_BYTES);
	struct lan_session *s = *cid_chain(t, cid.p);
	while (s != NULL && memcmp(s->cid, cid.p, LAN_CID_BYTES) != 0)
		s = s->next_cid;
	return s;
}

struct lan_session *lan_session_at(const struct lan_sessions *t, const struct lan_key *key,
	const struct lan_session *after)
{
	struct lan_session *s = after != NULL ? after->next_address : *address_chain(t, key);
	while (s != NULL &&
		(s->key.device.port != key->device.port || s->key.listener != key->listener ||
			s->key.server != key->server ||
			memcmp(s->key.device.ip, key->device.ip, sizeof(key->device.ip)) != 0))
		s = s->next_address;
	return s;
}

struct lan_session *lan_session_next(const struct lan_sessions *t, enum lan_ring ring,
	const struct lan_session *after)
{
	const struct list *head = &t->ring[ring];
	struct list *next = after != NULL ? after->order.next : head->next;
	return next != head ? of_order(next) : NULL;
}

size_t lan_sessions_count(const struct lan_sessions *t, bool is_proven)
{
	return is_proven ? t->count[LAN_PROVEN] : t->count[LAN_STRANGERS] + t->count[LAN_KNOWN];
}
