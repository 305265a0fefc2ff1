/* The way to each device: see paths.h. */
#include "paths.h"
#include <stdlib.h>
#include "places.h"

struct paths {
	struct path *path; /* by device */
	unsigned devices;
	uint32_t *block; /* the last of each exchange of a device; only what is used takes memory */
	struct places *plain; /* struct path by address */
	struct places *secure;
};

struct paths *paths_create(unsigned devices)
{
	struct paths *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->devices = devices;
	p->path = calloc(devices, sizeof(*p->path));
	p->block = calloc((size_t)devices * MARK_WINDOW_MAX, sizeof(*p->block));
	p->plain = places_create(devices);
	p->secure = places_create(devices);
	if (p->path != NULL && p->block != NULL && p->plain != NULL && p->secure != NULL)
		return p;
	places_free(p->plain);
	places_free(p->secure);
	free(p->block);
	free(p->path);
	free(p);
	return NULL;
}

void paths_forget(struct paths *p)
{
	places_clear(p->plain);
	places_clear(p->secure);
	memset(p->path, 0, p->devices * sizeof(*p->path));
}

/* The number at the end of a name; false when there is none. */
static bool number_of(struct slice ep, uint32_t *number)
{
	size_t i = ep.n;
	while (i > 0 && ep.p[i - 1] >= '0' && ep.p[i - 1] <= '9')
		i--;
	*number = 0;
	for (size_t j = i; j < ep.n; j++)
		*number = *number * 10 + (uint32_t)(ep.p[j] - '0');
	return i < ep.n && ep.n - i <= 9;
}

static struct places *places_of(struct paths *p, bool secure)
{
	return secure ? p->secure : p->plain;
}

static void leave(struct paths *p, struct path *path)
{
	if (path != NULL && path->known)
		places_remove(places_of(p, path->secure), &path->at);
	if (path != NULL)
		path->known = false;
}

void paths_learn(struct paths *p, struct slice ep, const struct sockaddr_storage *at, bool secure)
{
	uint32_t device;
	if (!number_of(ep, &device) || device >= p->devices)
		return;
	struct path *path = &p->path[device];
	leave(p, path);
	leave(p, paths_from(p, at, secure));
	*path = (struct path){ .at = *at, .secure = secure, .known = true, .device = device };
	places_put(places_of(p, secure), at, path);
}

struct path *paths_of(struct paths *p, uint32_t device)
{
	return device < p->devices && p->path[device].known ? &p->path[device] : NULL;
}

struct path *paths_from(struct paths *p, const struct sockaddr_storage *at, bool secure)
{
	return places_find(places_of(p, secure), at);
}

bool paths_block(struct paths *p, const struct path *path, uint8_t exchange, uint32_t block)
{
	uint32_t *last = &p->block[(size_t)path->device * MARK_WINDOW_MAX + exchange];
	bool follows = block == 0 || block == *last || block == *last + 1;
	*last = block;
	return follows;
}

unsigned paths_devices(const struct paths *p)
{
	return p->devices;
}
