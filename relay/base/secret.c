/* Memory for keys: areas of whole pages, each cut into slots of one size, or one large piece. */
#include "base/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/cursor.h"
#include "base/list.h"

/* The sanitizer knows the heap by itself, but not these slots. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#elif defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* Bytes of an area of slots; every area begins at a multiple of it, so that a piece finds its own. */
#define AREA ((size_t)64 * 1024)
/* Slots are powers of two from the least to the most; a larger piece has an area for itself. */
#define SLOT_LEAST ((size_t)16)
#define CLASSES    9
#define SLOT_MOST  (SLOT_LEAST << (CLASSES - 1))

/* A slot that is free. */
struct slot {
	struct slot *next;
};

/* Stands in front of what it gives out. */
struct area {
	struct list ring;  /* among those of its class that have room; alone when full or large */
	struct slot *free; /* slots that came back */
	size_t size;       /* bytes mapped */
	size_t slot;       /* bytes of a slot */
	size_t used;       /* slots given out */
	size_t fresh;      /* offset of the first slot that was never given out */
	alignas(max_align_t) uint8_t room[];
};

static struct {
	pthread_mutex_t lock; /* of all that stands here, and in areas */
	struct list with_room[CLASSES];
	size_t held;
	bool ready;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Libraries keep keys in their own heap. The kernel leaves all memory out of a dump then, should there be
 * one after all: a handler that is fed by a pipe is not held by the limit of core files. */
static void empty_dumps(void)
{
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a kernel that writes no cores has no such file */
	ssize_t n = write(fd, "0", 1);
	(void)n;
	close(fd);
}

int secret_guard(void)
{
	const struct rlimit none = { 0, 0 };
	empty_dumps(); /* the file is root's once the process is undumpable */
	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	return 0;
}

/* Maps an area at a multiple of AREA: more than is needed, then the ends go back. */
static void *map_aligned(size_t size)
{
	if (size > SIZE_MAX - AREA)
		return NULL;
	uint8_t *all = mmap(NULL, size + AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		0);
	if (all == MAP_FAILED)
		return NULL;
	size_t before = (AREA - (uintptr_t)all % AREA) % AREA;
	if (before != 0)
		munmap(all, before);
	if (before != AREA)
		munmap(all + before + size, AREA - before);
	return all + before;
}

static struct area *area_create(size_t size, size_t slot)
{
	struct area *area = map_aligned(size);
	if (area == NULL)
		return NULL;
	if (madvise(area, size, MADV_DONTDUMP) != 0) {
		munmap(area, size);
		return NULL;
	}
	/* Best effort: behind RLIMIT_MEMLOCK it fails, and pages may be swapped as any other. */
	(void)mlock(area, size);
	*area = (struct area){ .size = size, .slot = slot, .fresh = offsetof(struct area, room) };
	list_init(&area->ring);
	ASAN_POISON_MEMORY_REGION(area->room, size - offsetof(struct area, room));
	return area;
}

static void area_free(struct area *area)
{
	size_t size = area->size;
	list_remove(&area->ring);
	ASAN_UNPOISON_MEMORY_REGION(area, size);
	munmap(area, size);
}

static bool has_room(const struct area *area)
{
	return area->free != NULL || area->size - area->fresh >= area->slot;
}

static void *take_slot(struct area *area, size_t n)
{
	struct slot *slot = area->free;
	if (slot != NULL) {
		ASAN_UNPOISON_MEMORY_REGION(slot, sizeof(*slot));
		area->free = slot->next;
		slot->next = NULL;
	} else {
		slot = (struct slot *)(void *)((uint8_t *)area + area->fresh);
		area->fresh += area->slot;
	}
	area->used++;
	store.held++;
	ASAN_POISON_MEMORY_REGION(slot, area->slot);
	ASAN_UNPOISON_MEMORY_REGION(slot, n);
	return slot;
}

/* A piece with an area of its own. */
static void *alloc_large(size_t n)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), head = offsetof(struct area, room);
	if (n > SIZE_MAX - head - page)
		return NULL;
	size_t size = (n + head + page - 1) / page * page;
	struct area *area = area_create(size, size - head);
	return area != NULL ? take_slot(area, n) : NULL;
}

static struct list *ring_of(size_t slot)
{
	size_t class = 0;
	for (; !store.ready && class < CLASSES; class++)
		list_init(&store.with_room[class]);
	store.ready = true;
	for (class = 0; SLOT_LEAST << class < slot; class++)
		;
	return &store.with_room[class];
}

static void *alloc(size_t n)
{
	if (n > SLOT_MOST)
		return alloc_large(n);
	struct list *ring = ring_of(n);
	struct area *area = (struct area *)(void *)ring->next;
	if (list_is_empty(ring)) {
		area = area_create(AREA, SLOT_LEAST << (ring - store.with_room));
		if (area == NULL)
			return NULL;
		list_append(ring, &area->ring);
	}
	void *p = take_slot(area, n);
	if (!has_room(area))
		list_remove(&area->ring);
	return p;
}

void *secret_alloc(size_t n)
{
	pthread_mutex_lock(&store.lock);
	void *p = alloc(n);
	pthread_mutex_unlock(&store.lock);
	return p;
}

static void release(void *p)
{
	struct area *area = (struct area *)(void *)((uint8_t *)p - (uintptr_t)p % AREA);
	struct slot *slot = p;
	bool was_full = !has_room(area);
	ASAN_UNPOISON_MEMORY_REGION(slot, area->slot);
	explicit_bzero(slot, area->slot);
	store.held--;
	if (--area->used == 0) {
		area_free(area);
		return;
	}
	slot->next = area->free;
	area->free = slot;
	ASAN_POISON_MEMORY_REGION(slot, area->slot);
	if (was_full)
		list_append(ring_of(area->slot), &area->ring);
}

void secret_free(void *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&store.lock);
	release(p);
	pthread_mutex_unlock(&store.lock);
}

int secret_copy(struct slice *to, const void *from, size_t n)
{
	*to = (struct slice){ NULL, 0 };
	if (n == 0)
		return 0;
	uint8_t *copy = secret_alloc(n);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, from, n);
	*to = (struct slice){ copy, n };
	return 0;
}

void secret_wipe(struct slice *secret)
{
	secret_free((void *)(uintptr_t)secret->p);
	*secret = (struct slice){ NULL, 0 };
}

size_t secret_held(void)
{
	return store.held;
}
