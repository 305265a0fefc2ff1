/* The record header filter: what wolfSSL 5.9.2 must not see (README, "traps"). */
#pragma once
#include <stdbool.h>
#include "base/cursor.h"
#include "dtls/dtls.h"

/* RFC 5246 6.2.1: content types that a client of DTLS 1.2 may get. */
enum header_type {
	HEADER_CHANGE_CIPHER = 20,
	HEADER_ALERT = 21,
	HEADER_HANDSHAKE = 22,
	HEADER_APPLICATION = 23
};

/* One record, as its header tells. */
struct header {
	struct slice record; /* header and body, borrowed from the datagram */
	struct slice body;   /* what stands behind the header */
	uint8_t type;        /* see header_type */
	uint16_t epoch;      /* 0 is plaintext, 1 is protected */
};

/* Takes the next record off the datagram and judges it. A header that does not fit what is left is
 * bad and takes all of the rest with it, since nobody knows where the next record begins. */
enum dtls_header header_next(struct cursor *datagram, bool established, struct header *h);

/* Number of the first handshake message in a datagram of ours, which tells a flight from its
 * repeat; -1 when it does not begin with one in plaintext. */
int header_flight(const uint8_t *datagram, size_t n);
