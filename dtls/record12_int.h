/* Records of DTLS 1.2 that we protect ourselves (RFC 6347 4.1, RFC 5288, RFC 6655, RFC 9146): their
 * numbers, nonces and what is proven beside the plaintext. Everything that a record needs to know of its
 * session. No state machine, no library. */
#pragma once
#include "dtls/aead_int.h"
#include "dtls/header_int.h"

/* Bytes of an IV that both ends keep to themselves, and of one that stands in the record. */
#define RECORD12_SALT     4
#define RECORD12_EXPLICIT 8
/* Longest connection id of the peer; wolfSSL takes no longer one. */
#define RECORD12_CID 32
/* Records of one key: their numbers never wrap (RFC 6347 4.1). The last ones are kept for an alert. */
#define RECORD12_NUMBERS (1ull << 48)
#define RECORD12_SPARE   16
/* What is larger than the largest record. */
#define RECORD12_MAX 16384

struct record12 {
	/* Read: a line of the cache. */
	uint64_t top;  /* highest authentic number so far; of no use without seen */
	uint64_t seen; /* bit i: number top - i came; 0: nothing yet */
	uint8_t read_key[AEAD_KEY];
	uint8_t read_salt[RECORD12_SALT];
	bool is_known;   /* keys, suite and ids are here */
	bool is_odd;     /* the library's nonces do not follow its numbers */
	bool has_spoken; /* next and nonce_base are known */
	uint8_t cipher;  /* enum aead */
	uint8_t own_cid_n;
	uint8_t own_cid[DTLS_CID_MAX];
	uint8_t fill[15]; /* to the end of the line */
	/* Write: another; an id over 27 bytes runs into a third. */
	uint64_t next;       /* number of our next record of epoch 1 */
	uint64_t nonce_base; /* explicit nonce of a record less its number, modulo 2^64 */
	uint8_t write_key[AEAD_KEY];
	uint8_t write_salt[RECORD12_SALT];
	uint8_t peer_cid_n;
	uint8_t peer_cid[RECORD12_CID];
};

/* Follows the library's own records, in the order in which it makes them: each datagram that it wants to
 * send, with the length of the peer's connection id. */
void record12_watch(struct record12 *r, const uint8_t *datagram, size_t n, size_t cid);
/* True when the keys are known and the library's nonces followed its numbers without exception, so that a number that
 * was not used makes a nonce that was not used either. */
bool record12_is_ready(const struct record12 *r);

/* Notes that an authentic record of epoch 1 with that number came. True when it is the highest. */
bool record12_pass(struct record12 *r, uint64_t number);

/* What a record held. */
struct record12_plain {
	uint8_t type; /* enum header_type: the true one */
	size_t n;     /* bytes of plaintext */
	bool newest;  /* all authentic ones before had lower numbers */
};
/* Opens a record of epoch 1 into room. False for what is not authentic or came before, and then nothing
 * changes; and for what is authentic and does not fit, has no type, or too many bytes. */
bool record12_open(struct record12 *r, const struct header *h, uint8_t *room, size_t size,
	struct record12_plain *plain) MUST_CHECK;
/* Opens a whole record of ours, as the peer would; the type is not told. False for what is not authentic or does not
 * fit. */
bool record12_open_own(const struct record12 *r, struct slice record, uint8_t *room, size_t size,
	size_t *n) MUST_CHECK;
/* Seals 1..DTLS_WRITE_MAX bytes as the next record. Returns its length, or 0 when there are no numbers left, or the
 * library refuses. */
size_t record12_seal(
	struct record12 *r, uint8_t type, struct slice plain, uint8_t out[RECORD12_MAX]) MUST_CHECK;
/* True when data must not be sent any more, while an alert still may. */
bool record12_is_worn(const struct record12 *r);
/* Wipes all. */
void record12_wipe(struct record12 *r);
