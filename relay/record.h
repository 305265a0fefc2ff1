/* What a bystander sees of DTLS records: headers, and handshake messages in plaintext (RFC 6347 4.1, RFC
 * 9146 4, RFC 9147 4). For conversations that pass unended; nothing here knows a key. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"

/* One datagram, as its headers tell. Slices are borrowed from it. */
struct record_view {
	bool has_client_hello;   /* a ClientHello is in it, or a part of one */
	bool begins_hello;       /* the beginning of one */
	bool has_server_hello;   /* one that takes the client, no HelloRetryRequest */
	bool has_protected;      /* a record that needs a key to be made */
	bool has_number;         /* the number of a protected record is in clear: DTLS 1.2 */
	uint64_t number;         /* the highest one: epoch in the upper 16 bits, then 48 bits */
	bool has_cid;            /* its records carry a connection id */
	struct slice cid;        /* that id; empty where its length is a guess */
	struct slice gives_cid;  /* the id that the ServerHello asks for; empty: it asks for none */
};

/* Judges a datagram: known content types and versions, lengths that fill it exactly, handshake
 * messages in plaintext whole within their record, nothing in plaintext that must be protected. A
 * header does not tell how long its connection id is: cid_n bytes are tried first, then the lengths from
 * 0 up. False when it is junk. */
bool record_look(const uint8_t *datagram, size_t n, size_t cid_n, struct record_view *view) MUST_CHECK;
/* Where the connection id of the first record begins, and all that follows in the datagram; empty when it
 * carries none. */
struct slice record_cid_at(const uint8_t *datagram, size_t n);
