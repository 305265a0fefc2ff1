/* Faults on purpose: see fault.h. */
#include "fault.h"
#include "net.h"

enum fault fault_next(struct faults *f)
{
	uint64_t n = f->count++;
	for (unsigned kind = 0; kind < FAULT_NONE; kind++)
		/* The first is spared: there is no other device yet. */
		if (n > 0 && f->every[kind] != 0 && n % f->every[kind] == 0)
			return (enum fault)kind;
	return FAULT_NONE;
}

void fault_read(struct faults *f, enum fault kind, const char *value)
{
	f->every[kind] = (unsigned)net_number("a fault", value, 0, 1e9);
}
