/* The server's tables of PSK identities and of raw public keys, and the endpoints they belong to. */
#pragma once
#include "tests/peers/peer.h"

/* Reads lines "IDENTITY HEXKEY [ENDPOINT]" in place of what was read before; a # begins a comment.
 * Ends the program when a line is wrong. */
void credentials_read(const char *path);
/* Reads lines "ENDPOINT PEM", the public keys of clients; a # begins a comment. Ends the program when
 * a line is wrong. */
void credentials_read_keys(const char *path);
/* The endpoint that a public key in DER belongs to, or NULL. */
const char *credentials_owner(const uint8_t *der, size_t n);
/* The key of an identity, or NULL. */
const coap_bin_const_t *credentials_key(const char *identity);
/* True when the identity may register the endpoint: one that the table gives to an identity belongs
 * to it alone, and an identity that has an endpoint has no other. It is empty in NoSec. */
bool credentials_allow(const char *identity, const char *ep);
/* Forgets all. */
void credentials_clear(void);
