/* What a load program does wrong on purpose, so that the other end can be seen to notice. */
#pragma once
#include <stdint.h>
#include "base/bug.h"

/* What befalls a message. */
enum fault {
	FAULT_DROP,       /* is not sent */
	FAULT_TWICE,      /* is sent twice */
	FAULT_MISDELIVER, /* goes to, or comes from, another device */
	FAULT_WRONG,      /* its last byte is another */
	FAULT_LATE,       /* is sent FAULT_DELAY later */
	FAULT_NONE
};

/* How late is late, ns. */
#define FAULT_DELAY 100000000LL

/* Each kind befalls every so many-th message; 0 is never. */
struct faults {
	unsigned every[FAULT_NONE];
	uint64_t count; /* messages so far */
};

/* What befalls the next message. */
enum fault fault_next(struct faults *f) MUST_CHECK;
/* Reads the value of an option of a command line that is named as the kind. */
void fault_read(struct faults *f, enum fault kind, const char *value);

/* Long options of the kinds, to stand in a struct option array: their values begin at first. */
#define FAULT_OPTIONS(first)                                                                       \
	{ "drop", 1, NULL, (first) + FAULT_DROP }, { "twice", 1, NULL, (first) + FAULT_TWICE },    \
		{ "misdeliver", 1, NULL, (first) + FAULT_MISDELIVER },                             \
		{ "wrong", 1, NULL, (first) + FAULT_WRONG },                                       \
	{                                                                                          \
		"late", 1, NULL, (first) + FAULT_LATE                                              \
	}
