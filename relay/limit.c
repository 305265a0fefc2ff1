/* Budgets for strangers. */
#include "limit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "limits.h"

/* One source. */
struct source {
	uint8_t ip[16];
	uint32_t scope;
	uint32_t unproven; /* 0: the place is free */
};

struct sources {
	struct hash_key key;
	struct source table[SOURCES_MAX + 1]; /* the last is shared by hosts that found no place */
};

#define SHARED SOURCES_MAX

/* Places that are tried for one host: it is found in one of these or shares the common count. */
#define TRIES 8

int sources_create(struct sources **sources)
{
	*sources = calloc(1, sizeof(**sources));
	if (*sources == NULL)
		return -ENOMEM;
	hash_key_init(&(*sources)->key);
	return 0;
}

void sources_free(struct sources *sources)
{
	free(sources);
}

/* The place of the host's own count, or a free one, or that of all who found none. */
static unsigned source_find(const struct sources *s, const struct addr *host)
{
	uint8_t bytes[20];
	memcpy(bytes, host->ip, 16);
	memcpy(bytes + 16, &host->scope, 4);
	uint64_t hash = hash_bytes(&s->key, bytes, sizeof(bytes));
	unsigned spare = SHARED;
	for (unsigned i = 0; i < TRIES; i++) {
		unsigned at = (unsigned)((hash + i) % SOURCES_MAX);
		const struct source *source = &s->table[at];
		if (source->unproven == 0)
			spare = spare == SHARED ? at : spare;
		else if (memcmp(source->ip, host->ip, 16) == 0 && source->scope == host->scope)
			return at;
	}
	return spare;
}

unsigned sources_add(struct sources *s, const struct addr *host, unsigned most)
{
	unsigned at = source_find(s, host);
	struct source *source = &s->table[at];
	if (source->unproven >= most)
		return 0;
	if (source->unproven++ == 0 && at != SHARED) {
		memcpy(source->ip, host->ip, 16);
		source->scope = host->scope;
	}
	return at + 1;
}

void sources_remove(struct sources *s, unsigned ticket)
{
	if (ticket == 0)
		return;
	BUG_UNLESS(ticket <= SHARED + 1 && s->table[ticket - 1].unproven > 0);
	s->table[ticket - 1].unproven--;
}
