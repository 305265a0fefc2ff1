/* lwgate-net in memory. There is one at a time. */
#pragma once
#include "netfilter/helper.h"

#define FAKE_HELPER_SOCKETS 1024
#define FAKE_HELPER_FD 900

/* What it was told since it was made. */
struct fake_helper {
	unsigned wakes, sets;
	struct capture set;       /* the last one */
	uint32_t socket[FAKE_HELPER_SOCKETS]; /* their ids */
	unsigned sockets;         /* of socket */
	unsigned sets_before_last; /* sets that came before the last socket */
	int fails;                /* errno of all that is sent from now on; 0: none */
};
extern struct fake_helper fake_helper;

/* What it says. */
void fake_helper_say_ready(void);
void fake_helper_say_done(int code);
void fake_helper_say_done_of(uint32_t generation, int code);
void fake_helper_say_made(uint32_t id, int code);
void fake_helper_say_gone(void);
