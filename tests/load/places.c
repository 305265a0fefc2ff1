/* Things by address: see places.h. Open addressing, at most half full. */
#include "places.h"
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

/* The bytes of a socket address that tell peers apart. */
struct where {
	uint8_t ip[16];
	uint16_t port;
};

struct room {
	struct where at;
	void *thing; /* NULL: free */
};

struct places {
	struct room *room;
	size_t mask; /* rooms less one */
	struct hash_key hash;
};

struct places *places_create(size_t most)
{
	struct places *p = calloc(1, sizeof(*p));
	size_t rooms = 16;
	if (p == NULL)
		return NULL;
	while (rooms < 2 * most)
		rooms *= 2;
	p->mask = rooms - 1;
	p->room = calloc(rooms, sizeof(*p->room));
	hash_key_init(&p->hash);
	if (p->room != NULL)
		return p;
	free(p);
	return NULL;
}

void places_free(struct places *p)
{
	if (p == NULL)
		return;
	free(p->room);
	free(p);
}

static struct where where_of(const struct sockaddr_storage *ss)
{
	struct where w = { .port = 0 };
	const void *any = ss;
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = any;
		memcpy(w.ip, &in->sin_addr, sizeof(in->sin_addr));
		w.port = in->sin_port;
	} else {
		const struct sockaddr_in6 *in6 = any;
		memcpy(w.ip, &in6->sin6_addr, sizeof(in6->sin6_addr));
		w.port = in6->sin6_port;
	}
	return w;
}

static size_t home_of(const struct places *p, const struct where *w)
{
	return (size_t)hash_bytes(&p->hash, w, sizeof(*w)) & p->mask;
}

/* The room that holds the place, or the free one where it would go. */
static size_t room_of(const struct places *p, const struct sockaddr_storage *at)
{
	struct where wanted = where_of(at);
	size_t i = home_of(p, &wanted);
	for (; p->room[i].thing != NULL; i = (i + 1) & p->mask)
		if (memcmp(&p->room[i].at, &wanted, sizeof(wanted)) == 0)
			break;
	return i;
}

void *places_find(const struct places *p, const struct sockaddr_storage *at)
{
	return p->room[room_of(p, at)].thing;
}

void places_put(struct places *p, const struct sockaddr_storage *at, void *thing)
{
	p->room[room_of(p, at)] = (struct room){ where_of(at), thing };
}

/* Empties a room and moves up what had been pushed on by it. */
void places_remove(struct places *p, const struct sockaddr_storage *at)
{
	size_t hole = room_of(p, at);
	if (p->room[hole].thing == NULL)
		return;
	p->room[hole].thing = NULL;
	for (size_t i = (hole + 1) & p->mask; p->room[i].thing != NULL; i = (i + 1) & p->mask) {
		size_t home = home_of(p, &p->room[i].at);
		if (((i - home) & p->mask) < ((i - hole) & p->mask))
			continue;
		p->room[hole] = p->room[i];
		p->room[i].thing = NULL;
		hole = i;
	}
}

void places_clear(struct places *p)
{
	memset(p->room, 0, (p->mask + 1) * sizeof(*p->room));
}
