/* Connection ids of opaque devices. */
#include "cid.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

#define CHAINS 1024

struct cids {
	struct hash_key secret;
	uint32_t length[CID_MAX + 1]; /* how many there are of each length */
	struct list chain[CHAINS];
};

int cids_create(struct cids **cids)
{
	struct cids *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	hash_key_init(&t->secret);
	for (size_t i = 0; i < CHAINS; i++)
		list_init(&t->chain[i]);
	*cids = t;
	return 0;
}

void cids_free(struct cids *t)
{
	for (size_t i = 0; t != NULL && i < CHAINS; i++)
		BUG_UNLESS(list_is_empty(&t->chain[i]));
	free(t);
}

static struct list *chain_of(const struct cids *t, const uint8_t *id, size_t n)
{
	uint64_t hash = hash_bytes(&t->secret, id, n);
	return (struct list *)(uintptr_t)&t->chain[hash % CHAINS];
}

void cid_clear(struct cids *t, struct cid *cid)
{
	if (cid->n == 0)
		return;
	list_remove(&cid->node);
	t->length[cid->n]--;
	cid->n = 0;
}

void cid_set(struct cids *t, struct cid *cid, struct flow_id flow, struct slice id)
{
	cid_clear(t, cid);
	if (id.n == 0 || id.n > CID_MAX)
		return;
	cid->flow = flow;
	cid->n = (uint8_t)id.n;
	memcpy(cid->bytes, id.p, id.n);
	list_init(&cid->node);
	list_append(chain_of(t, id.p, id.n), &cid->node);
	t->length[id.n]++;
}

void cids_each(const struct cids *t, struct slice bytes,
	void (*found)(void *who, const struct cid *cid), void *who)
{
	for (size_t n = 1; n <= CID_MAX && n <= bytes.n; n++) {
		if (t->length[n] == 0)
			continue;
		list_each(node, chain_of(t, bytes.p, n)) {
			const struct cid *cid = container_of(node, struct cid, node);
			if (cid->n == n && memcmp(cid->bytes, bytes.p, n) == 0)
				found(who, cid);
		}
	}
}
