/* The load generator's command line. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "fleet.h"

struct options {
	struct fleet_spec fleet;
	enum fleet_kind kind;     /* what is measured */
	struct addr control;      /* the server's control port; port 0: none */
	size_t inflight;          /* exchanges outstanding in all */
	size_t register_inflight; /* the same while devices register */
	double rate;              /* requests a second, 0: closed loop */
	uint64_t count;           /* requests to send, 0: until the time is over */
	int64_t warmup;           /* ns, not measured */
	int64_t duration;         /* ns, measured */
	int64_t idle;             /* after registering, ns */
	pid_t cpu_of;             /* whose CPU time is read, 0: nobody's */
	bool children;            /* and that of its children */
	bool no_register;
	bool wait;               /* with open sockets, until SIGUSR1 */
	bool stay;               /* at the end, until SIGTERM */
	const char *percentiles; /* a file for them, NULL: none */
};

/* Reads the command line, or leaves with a message. */
struct options options_read(int argc, char **argv);
/* The name of what is measured. */
const char *options_kind(enum fleet_kind kind);
