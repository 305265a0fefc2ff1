/* An error of ours, never of a peer: says where and aborts. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#define BUG(what)                                                                                  \
	do {                                                                                       \
		fprintf(stderr, "BUG %s:%d: %s\n", __FILE__, __LINE__, what);                      \
		abort();                                                                           \
	} while (0)

/* Aborts unless an invariant of ours holds. Never guards input. */
#define BUG_UNLESS(holds)                                                                          \
	do {                                                                                       \
		if (!(holds))                                                                      \
			BUG("not so: " #holds);                                                    \
	} while (0)

/* The result of the function must be looked at. */
#define MUST_CHECK __attribute__((warn_unused_result))
/* The function formats like printf: place of the format, place of the first argument. */
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* The struct that embeds the member that ptr points to. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
