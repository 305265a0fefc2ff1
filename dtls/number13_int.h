/* Which record of DTLS 1.3 is the newest: its number is hidden, and wolfSSL keeps it to itself. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "dtls/header_int.h"
#include "dtls/wolf_int.h"

/* How far the peer has come with the records that it sent. */
struct number13 {
	uint64_t epoch; /* the newest that is known, see NUMBER13_EPOCH */
	uint64_t next;  /* one more than the highest record number there; 0: none yet */
};

/* RFC 9147 6.1: the first application traffic. */
#define NUMBER13_EPOCH 3

/* Rebuilds a record number from its last bits, 8 or 16, as the nearest to next (RFC 9147 4.2.2). */
uint64_t number13_rebuild(uint64_t next, uint16_t low, unsigned bits);
/* Takes note of a record that wolfSSL has read. True when it is newer than all before it; false too
 * where nobody knows. */
bool number13_is_newest(struct number13 *seen, struct wolf *w, const struct header *h) MUST_CHECK;
/* Takes note of a record that brought no data: it may be the first of an epoch. */
void number13_pass(struct number13 *seen, struct wolf *w, const struct header *h);
