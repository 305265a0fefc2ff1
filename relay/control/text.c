/* Text that grows. */
#include "control/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Has room for n more bytes and the end; false when memory ran out, now or before. */
static bool text_reserve(struct text *t, size_t n)
{
	if (t->broken || n < t->room - t->n)
		return !t->broken;
	size_t room = t->room == 0 ? 256 : t->room;
	while (room - t->n <= n)
		room *= 2;
	char *p = realloc(t->p, room);
	if (p == NULL) {
		t->broken = true;
		return false;
	}
	t->p = p;
	t->room = room;
	return true;
}

void text_bytes(struct text *t, const void *bytes, size_t n)
{
	if (!text_reserve(t, n))
		return;
	if (n != 0)
		memcpy(t->p + t->n, bytes, n);
	t->n += n;
	t->p[t->n] = '\0';
}

void text_add(struct text *t, const char *s)
{
	text_bytes(t, s, strlen(s));
}

void text_addf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !text_reserve(t, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(t->p + t->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->n += (size_t)n;
}

void text_eat(struct text *t, size_t n)
{
	BUG_UNLESS(n <= t->n);
	if (n == 0)
		return;
	memmove(t->p, t->p + n, t->n - n + 1);
	t->n -= n;
}

const char *text_str(const struct text *t)
{
	return t->p != NULL ? t->p : "";
}

void text_fini(struct text *t)
{
	free(t->p);
	*t = (struct text){ 0 };
}
