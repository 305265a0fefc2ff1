/* One run of the load generator: devices connect and register, then do what is measured, then what is
 * outstanding is waited for. */
#pragma once
#include <stdint.h>
#include "base/bug.h"
#include "options.h"

/* What was seen. Times in ns; CPU times are those of options.cpu_of. */
struct result {
	unsigned unregistered;     /* devices that were not answered 2.01 */
	int64_t up, up_cpu;        /* until all were connected and registered */
	int64_t secs, secs_cpu;    /* measured */
	uint64_t ok;               /* exchanges and notifications that were complete in that time */
	uint64_t notified;         /* of them, notifications that the server counted */
	uint64_t down;             /* of them, requests of the server that were answered */
	uint64_t lost;             /* of all kinds, given up */
	uint64_t late, dup;        /* of all kinds */
	uint64_t foreign, bad;     /* seen by devices and by the server */
	uint64_t by_server;        /* the foreign ones that the server saw */
	uint64_t disorder;         /* of the bad ones, blocks out of their order */
	double p50, p90, p99, max; /* us */
	int64_t again, again_cpu;  /* from SIGUSR1 until all had been answered, 0: not */
};

/* Runs it. Leaves with a message where it can not. */
struct result phases_run(const struct options *o, struct fleet *f, int epoll);
