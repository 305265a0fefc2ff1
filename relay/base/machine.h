/* What this machine allows a process: descriptors and local ports, against what is asked for. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"

/* Most workers that are made unasked. */
#define MACHINE_WORKERS 8

/* What the machine allows. */
struct machine {
	uint64_t descriptors; /* hard limit of open descriptors; UINT64_MAX: none */
	uint16_t port_first;  /* local port range, both ends included, host order; 0 when unknown */
	uint16_t port_last;   /* its other end */
};

/* Reads both; what can not be read is as if it had no limit. */
void machine_read(struct machine *machine);
/* Says in one sentence, as snprintf does, what the machine lacks for so many endpoints, each with a
 * socket and a source port of its own, and so many workers, each with its own sockets for listeners. Returns false, and "", when nothing is missing. */
bool machine_lacks(const struct machine *machine, unsigned endpoints, unsigned workers, char *text,
	size_t size);
/* How many workers an option asks for: so many, or for 0 (auto) as many as there are processors for us, at most
 * MACHINE_WORKERS. */
unsigned machine_workers(unsigned option);
/* Raises the soft limit of descriptors to the hard one. Returns 0 or -errno. */
int machine_raise_descriptors(void) MUST_CHECK;
/* Bytes of memory that this process holds; 0 when that can not be read. */
uint64_t machine_resident(void);
