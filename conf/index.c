/* Names to things, by keyed hash, so that sixty thousand rows are checked in one pass. */
#include "conf/conf_int.h"
#include <stdlib.h>
#include <string.h>

void index_init(struct index *index)
{
	*index = (struct index){ .size = 0 };
	hash_key_init(&index->key);
}

void index_fini(struct index *index)
{
	free(index->slot);
	index->slot = NULL;
	index->size = index->count = 0;
}

/* The slot where the bytes stand, or the free one where they would. */
static struct index_slot *probe(const struct index *index, uint64_t hash, struct slice key)
{
	size_t at = (size_t)hash & (index->size - 1);
	for (;; at = (at + 1) & (index->size - 1)) {
		struct index_slot *slot = &index->slot[at];
		if (slot->key.p == NULL || (slot->hash == hash && slice_eq(slot->key, key)))
			return slot;
	}
}

/* Makes room for one more; false when memory ran out. */
static bool grow(struct index *index)
{
	if (index->count + 1 <= index->size / 2)
		return true;
	struct index bigger = *index;
	bigger.size = index->size == 0 ? 64 : index->size * 2;
	bigger.slot = calloc(bigger.size, sizeof(*bigger.slot));
	if (bigger.slot == NULL)
		return false;
	for (size_t i = 0; i < index->size; i++)
		if (index->slot[i].key.p != NULL)
			*probe(&bigger, index->slot[i].hash, index->slot[i].key) = index->slot[i];
	free(index->slot);
	*index = bigger;
	return true;
}

void *index_add(struct index *index, const void *bytes, size_t n, void *thing)
{
	if (!grow(index)) {
		index->failed = true;
		return thing;
	}
	struct slice key = { n != 0 ? bytes : (const void *)"", n };
	uint64_t hash = hash_bytes(&index->key, key.p, n);
	struct index_slot *slot = probe(index, hash, key);
	if (slot->key.p == NULL) {
		*slot = (struct index_slot){ key, hash, thing };
		index->count++;
	}
	return slot->thing;
}

void *index_find(const struct index *index, const void *bytes, size_t n)
{
	if (index->size == 0)
		return NULL;
	struct slice key = { n != 0 ? bytes : (const void *)"", n };
	return probe(index, hash_bytes(&index->key, key.p, n), key)->thing;
}
