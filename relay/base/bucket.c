/* A bucket of tokens. */
#include "base/bucket.h"

bool bucket_take(struct bucket *bucket, uint32_t size, uint32_t per_second, struct mono now)
{
	int64_t gained = mono_since(bucket->filled, now) * per_second / 1000;
	if (gained > 0) {
		bucket->used = gained >= (int64_t)bucket->used ? 0 : bucket->used - (uint32_t)gained;
		bucket->filled = now;
	}
	if (bucket->used >= size)
		return false;
	bucket->used++;
	return true;
}
