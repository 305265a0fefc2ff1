/* What every station of the trunk may use, made once by the datapath. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "limits.h"
#include "loop.h"
#include "resolve.h"
#include "stat.h"
#include "timer.h"

/* Bytes of room for one datagram from a server, record overhead included. */
#define ENV_SCRATCH (17 * 1024)

struct directory;

struct env {
	struct loop *loop;         /* borrowed */
	struct timers *timers;     /* of the loop */
	struct resolver *resolver; /* borrowed */
	bool is_copy;              /* of another worker: what all see and do alike is that one's to tell */
	unsigned workers;          /* that share what limits.h gives to the relay */
	const struct directory *directory; /* of all workers, borrowed; NULL where there is one */
	struct counters stat;      /* all counters */
	bool servers_changed;      /* some server has other addresses; whoever acts on it clears it */
	uint8_t scratch[ENV_SCRATCH]; /* for one datagram on its way into dtls/; used within one call */
	uint8_t plain[UDP_ROOM];      /* for one message between two sessions; used within one call */
};
