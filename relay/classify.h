/* What a datagram is, by its first byte: the ranges of RFC 7252 and RFC 6347/9147 do not overlap. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum kind {
	KIND_COAP,     /* version bits 01 (RFC 7252 3) */
	KIND_DTLS,     /* a record header: content types 20 to 24 (RFC 6347 4.1) */
	KIND_DTLS_CID, /* content type 25 (RFC 9146 4), or a DTLS 1.3 unified header (RFC 9147 4) */
	KIND_JUNK
};

/* Looks at n bytes. */
enum kind classify(const uint8_t *datagram, size_t n);
