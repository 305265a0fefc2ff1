/* The record header filter: what wolfSSL 5.9.2 must not see (README, "traps"). */
#pragma once
#include <stdbool.h>
#include "base/cursor.h"
#include "dtls/dtls.h"

/* RFC 5246 6.2.1, RFC 9146 4: content types of DTLS 1.2. RFC 9147 4: a unified header names none. */
enum header_type {
	HEADER_CHANGE_CIPHER = 20,
	HEADER_ALERT = 21,
	HEADER_HANDSHAKE = 22,
	HEADER_APPLICATION = 23,
	HEADER_CID = 25, /* the true type is inside, protected */
	HEADER_ACK = 26, /* RFC 9147 7 */
	HEADER_UNIFIED = 32
};

/* What a session lets pass. */
struct header_rules {
	uint8_t cid;          /* length of ours, bytes; 0 when there is none */
	bool server : 1;      /* we are the server, the records are a client's */
	bool certs : 1;       /* the peer may prove itself by a certificate or raw key */
	bool v13 : 1;         /* DTLS 1.3 */
	bool established : 1; /* the handshake is done */
	bool last_flight : 1; /* a client that lacks our last flight may still repeat its own */
	bool cid_only : 1;    /* a connection id was agreed: no protected record goes without */
};

/* One record, as its header tells. */
struct header {
	struct slice record; /* header and body, borrowed from the datagram */
	struct slice body;   /* what stands behind the header */
	uint8_t type;        /* see header_type */
	uint16_t epoch;      /* 0 is plaintext, 1 is protected; of a unified header, its last two bits */
	uint64_t number;     /* of the record in its epoch, 48 bits, in clear; 0 of a unified header */
	bool has_cid;        /* of a unified header */
	bool is_verify;      /* HelloVerifyRequest: the peer speaks DTLS 1.2 */
};

/* Takes the next record off the datagram and judges it. A header that does not fit what is left is
 * bad and takes all of the rest with it, since nobody knows where the next record begins. */
enum dtls_header header_next(
	struct cursor *datagram, const struct header_rules *rules, struct header *h);

/* Where a datagram of ours stands among the handshake messages: the number of its first message, times
 * 2^24, and where in that it begins. So a flight is told from its repeat; -1 when the datagram does not
 * begin with one in plaintext. */
int64_t header_flight(const uint8_t *datagram, size_t n);

/* Number of the last record of a datagram of ours that is plaintext throughout; -1 for another. */
int64_t header_last_number(const uint8_t *datagram, size_t n);

/* Length of an alert in plaintext, header and all. */
#define HEADER_ALERT_LEN 15
/* Writes a fatal alert (RFC 5246 7.2) as the plaintext record of that number. */
void header_fatal(uint8_t out[HEADER_ALERT_LEN], uint64_t number, uint8_t description);

/* A ClientHello that stands whole in the first record of a datagram. */
struct header_hello {
	struct slice record; /* header and body, borrowed from the datagram */
	struct slice random; /* 32 bytes, borrowed */
	uint64_t number;     /* of the record */
	struct slice suites; /* two bytes each, borrowed */
	bool has_cookie;     /* of any kind */
	bool says_versions;  /* RFC 8446 4.2.1; else it wants DTLS 1.2 */
	bool wants12, wants13;
	enum dtls_version version; /* that will be spoken: the listener's choice */
	/* Lists of certificate types (RFC 7250 3), borrowed; p is NULL where it names none. */
	struct slice server_types; /* that it takes of us */
	struct slice client_types; /* that it can give */
};
/* Reads one; false when the datagram begins with something else, or with a part of one. */
bool header_hello(const uint8_t *datagram, size_t n, struct header_hello *hello) MUST_CHECK;

/* ---- DTLS 1.3: header13.c ---- */

/* True for the first byte of a unified header. */
bool header13_is(uint8_t first);
/* As header_next, for a datagram that begins with one. */
enum dtls_header header13_next(
	struct cursor *datagram, const struct header_rules *rules, struct header *h);
/* As dtls_cid_of, for a datagram that begins with one. */
bool header13_cid(const uint8_t *datagram, size_t n, size_t length, struct slice *cid);
/* Reads the extensions of a ClientHello; false when they do not fit into each other. */
bool header13_extensions(struct slice extensions, struct header_hello *hello) MUST_CHECK;
