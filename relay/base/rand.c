/* A pool of getrandom(2), one for each thread. */
#include "base/rand.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "base/bug.h"

static _Thread_local struct {
	uint8_t bytes[4096];
	size_t left; /* unused bytes, at the end */
} pool;

static void draw(uint8_t *to, size_t n)
{
	while (n > 0) {
		ssize_t got = getrandom(to, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			BUG("getrandom failed");
		to += got;
		n -= (size_t)got;
	}
}

void rand_bytes(void *bytes, size_t n)
{
	if (n > sizeof(pool.bytes) / 4) {
		draw(bytes, n);
		return;
	}
	if (pool.left < n) {
		draw(pool.bytes, sizeof(pool.bytes));
		pool.left = sizeof(pool.bytes);
	}
	uint8_t *from = pool.bytes + sizeof(pool.bytes) - pool.left;
	memcpy(bytes, from, n);
	memset(from, 0, n);
	pool.left -= n;
}

uint32_t rand_below(uint32_t below)
{
	BUG_UNLESS(below != 0);
	uint32_t v;
	uint32_t skewed = UINT32_MAX - UINT32_MAX % below;
	do {
		rand_bytes(&v, sizeof(v));
	} while (v >= skewed);
	return v % below;
}

void rand_forget(void)
{
	explicit_bzero(&pool, sizeof(pool));
}
