/* What a peek costs: nanoseconds for a 54-byte Update with 5 options, best and median of 21 runs.
 *   make all && cc -std=c11 -D_GNU_SOURCE -O2 -I. -Irelay tests/load/peek.c build/lib/trunk.a \
 *       build/lib/lwm2m.a build/lib/base.a -o build/peek && taskset -c 1 build/peek
 * Instructions for each peek are the total of
 *   valgrind --tool=callgrind --toggle-collect=msg_peek --callgrind-out-file=/dev/null \
 *       build/peek 10000
 * divided by 21 * 10000. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "msg.h"

#define RUNS 21

/* Header, token; Uri-Path twice, Content-Format; Uri-Query twice; payload. */
static const uint8_t update[] = "\x48\x02\x12\x34tokentok"
				"\xb2rd\x0aQx7Zk2PfW0\x11\x28"
				"\x36lt=300\x03\x62=U"
				"\xff</3/0>,</10/0>";
_Static_assert(sizeof(update) - 1 == 54, "the message of the design");

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 2000000;
	double ns[RUNS];
	for (int run = 0; run < RUNS; run++) {
		int64_t start = now_ns();
		for (long i = 0; i < count; i++) {
			struct msg m;
			if (msg_peek(&m, update, sizeof(update) - 1) != MSG_OK)
				return EXIT_FAILURE;
		}
		ns[run] = (double)(now_ns() - start) / (double)count;
	}
	qsort(ns, RUNS, sizeof(ns[0]), by_value);
	printf("peek: best %.1f ns, median %.1f ns\n", ns[0], ns[RUNS / 2]);
	return EXIT_SUCCESS;
}
