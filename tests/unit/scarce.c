/* Memory that runs out when a test says so. */
#include "scarce.h"
#include <stdint.h>
#include <stdlib.h>

#define PLENTY UINT32_MAX

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *old, size_t n);
void *__real_aligned_alloc(size_t line, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *old, size_t n);
void *__wrap_aligned_alloc(size_t line, size_t n);

static unsigned left = PLENTY;
static bool lasts, failed;

static bool fails(void)
{
	if (left == PLENTY)
		return false;
	if (left > 0) {
		left--;
		return false;
	}
	failed = true;
	left = lasts ? 0 : PLENTY;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
	return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *old, size_t n)
{
	return fails() ? NULL : __real_realloc(old, n);
}

void *__wrap_aligned_alloc(size_t line, size_t n)
{
	return fails() ? NULL : __real_aligned_alloc(line, n);
}

void scarce_begin(unsigned nth, bool lasting)
{
	left = nth;
	lasts = lasting;
	failed = false;
}

bool scarce_end(void)
{
	left = PLENTY;
	return failed;
}
