/* Judges records of DTLS 1.3 by their headers, before any library sees them (RFC 9147 4, 4.1). */
#include "dtls/header_int.h"

/* RFC 9147 4: the first byte is 001CSLEE. */
#define FIXED_BITS 0xe0
#define FIXED      0x20
#define BIT_CID    0x10
#define BIT_NUMBER 0x08 /* the record number has 16 bits, not 8 */
#define BIT_LENGTH 0x04
#define BITS_EPOCH 0x03

/* RFC 9147 4.2.3: the record number is hidden with 16 bytes of what is protected. */
#define BODY_MIN 16
/* wolfSSL ends a session at a longer one, whoever sent it: plaintext, its type, and the tag of CCM_8.
 * Behind a tag of 16 bytes 16376 bytes of data can be read. */
#define BODY_MAX (DTLS_RECORD_MAX + 1 + 8)

/* RFC 9147 6.1: what is protected in the handshake, and the first traffic after it. */
#define EPOCH_HANDSHAKE 2
#define EPOCH_DATA      3

bool header13_is(uint8_t first)
{
	return (first & FIXED_BITS) == FIXED;
}

/* Up to the body; without a length the record is all that is left. */
static void take_unified(struct cursor *c, uint8_t cid, struct header *h)
{
	const uint8_t *start = c->p;
	uint8_t first = cur_u8(c);
	*h = (struct header){ .type = HEADER_UNIFIED }; /* nobody knows its number yet */
	h->epoch = first & BITS_EPOCH;
	h->has_cid = first & BIT_CID;
	if (h->has_cid)
		(void)cur_take(c, cid);
	(void)cur_take(c, first & BIT_NUMBER ? 2 : 1);
	size_t n = first & BIT_LENGTH ? cur_u16(c) : cur_left(c);
	h->body = cur_take(c, n);
	if (!c->broken)
		h->record = (struct slice){ start, (size_t)(c->p - start) };
}

/* A server speaks in the first traffic before it has acknowledged our Finished; what a client says
 * there before its own Finished came would be dropped, so it is left outside. */
static bool is_epoch(const struct header_rules *rules, uint16_t epoch)
{
	if (rules->established) /* key updates pass through all four */
		return true;
	return epoch == EPOCH_HANDSHAKE || (epoch == EPOCH_DATA && !rules->server);
}

enum dtls_header header13_next(
	struct cursor *datagram, const struct header_rules *rules, struct header *h)
{
	take_unified(datagram, rules->cid, h);
	if (datagram->broken) {
		*datagram = cur_of(NULL, 0);
		return DTLS_HEADER_BAD;
	}
	bool fits = h->body.n >= BODY_MIN && h->body.n <= BODY_MAX;
	bool has_id = h->has_cid ? rules->cid > 0 : !rules->cid_only;
	return fits && has_id && is_epoch(rules, h->epoch) ? DTLS_HEADER_OK : DTLS_HEADER_BAD;
}

bool header13_cid(const uint8_t *datagram, size_t n, size_t length, struct slice *cid)
{
	struct cursor c = cur_of(datagram, n);
	struct header h;
	if (length == 0 || length > UINT8_MAX || n == 0)
		return false;
	take_unified(&c, (uint8_t)length, &h);
	if (c.broken || !h.has_cid || h.body.n < BODY_MIN)
		return false;
	*cid = (struct slice){ datagram + 1, length };
	return true;
}

/* ---- what a ClientHello says of versions, suites and cookies (RFC 8446 4.2) ---- */

enum extension { EXTENSION_VERSIONS = 43, EXTENSION_COOKIE = 44 };

static void take_versions(struct cursor c, struct header_hello *hello)
{
	struct cursor list = cur_of(NULL, 0);
	struct slice all = cur_take(&c, cur_u8(&c));
	list = cur_of(all.p, all.n);
	hello->says_versions = true;
	while (cur_left(&list) >= 2) {
		uint16_t version = cur_u16(&list);
		hello->wants12 = hello->wants12 || version == 0xfefd;
		hello->wants13 = hello->wants13 || version == 0xfefc;
	}
}

bool header13_extensions(struct slice extensions, struct header_hello *hello)
{
	struct cursor c = cur_of(extensions.p, extensions.n);
	while (cur_left(&c) > 0 && !c.broken) {
		uint16_t type = cur_u16(&c);
		struct slice body = cur_take(&c, cur_u16(&c));
		if (c.broken)
			return false;
		if (type == EXTENSION_VERSIONS)
			take_versions(cur_of(body.p, body.n), hello);
		else if (type == EXTENSION_COOKIE)
			hello->has_cookie = true;
	}
	return !c.broken;
}
