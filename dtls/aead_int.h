/* The cipher of a record (RFC 5288, RFC 6655, RFC 7251): behind the door to wolfSSL, without its types. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"

/* All of them: AES with keys of 128 bits, the nonce of 12 bytes. */
#define AEAD_KEY     16
#define AEAD_NONCE   12
#define AEAD_TAG_MAX 16

enum aead { AEAD_CCM_8, AEAD_CCM, AEAD_GCM };

/* One use of a key; all is borrowed for the call. */
struct aead_use {
	enum aead cipher;
	const uint8_t *key;   /* AEAD_KEY bytes */
	const uint8_t *nonce; /* AEAD_NONCE bytes */
	struct slice aad;     /* what is proven besides */
};

/* Bytes of its tag. */
static inline size_t aead_tag(enum aead cipher)
{
	return cipher == AEAD_CCM_8 ? 8 : 16;
}

/* Writes plain.n bytes and the tag to out, which may be where plain is. False when the library refuses. */
bool aead_seal(const struct aead_use *use, struct slice plain, uint8_t *out) MUST_CHECK;
/* Opens what ends with a tag: writes sealed.n bytes less the tag to out, which lies elsewhere. False, and nothing is
 * left in out, when it is not authentic. */
bool aead_open(const struct aead_use *use, struct slice sealed, uint8_t *out) MUST_CHECK;
