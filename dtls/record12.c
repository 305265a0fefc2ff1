/* Numbers, nonces and headers of records of DTLS 1.2 with an AEAD cipher.
 *
 * A nonce must never be used twice with a key (RFC 5116 3.1), and wolfSSL has used the key before us. Its explicit
 * nonces count up by one with each record, from 0 or from a random start, as its record numbers do: the
 * difference of both never changes. We hold each of its records to that (record12_watch), and carry on with
 * the same difference. So a nonce is used twice if and only if a number is, and numbers only rise. */
#include "dtls/record12_int.h"

#define VERSION 0xfefd
#define EPOCH   1
#define WINDOW  64 /* numbers that are told apart, the highest among them */
#define CID_AT  11 /* where a connection id stands in a record */
#define AAD_MAX (10 + CID_AT + RECORD12_CID + 2)
/* RFC 5246 6.2.1; what a body may have that is padded besides. */
#define SEALED_MAX (DTLS_RECORD_MAX + DTLS_OVERHEAD_MAX)

_Static_assert(offsetof(struct record12, next) == 64, "reading and writing share no line");

static uint64_t load64(const uint8_t *p)
{
	uint64_t v = 0;
	for (size_t i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static void store64(uint8_t *p, uint64_t v)
{
	for (size_t i = 8; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

/* ---- numbers ---- */

static void watch_one(struct record12 *r, uint64_t number, struct slice body)
{
	if (body.n < RECORD12_EXPLICIT) {
		r->is_odd = true;
		return;
	}
	uint64_t base = load64(body.p) - number;
	if (!r->has_spoken)
		r->nonce_base = base;
	else if (base != r->nonce_base || number < r->next)
		r->is_odd = true;
	r->has_spoken = true;
	r->next = number + 1;
}

void record12_watch(struct record12 *r, const uint8_t *datagram, size_t n, size_t cid)
{
	const uint64_t number_mask = RECORD12_NUMBERS - 1;
	struct cursor c = cur_of(datagram, n);
	while (cur_left(&c) > 0) {
		uint8_t type = cur_u8(&c);
		(void)cur_u16(&c); /* version */
		struct slice at = cur_take(&c, 8);
		if (type == HEADER_CID)
			(void)cur_take(&c, cid);
		struct slice body = cur_take(&c, cur_u16(&c));
		if (c.broken) {
			r->is_odd = true;
			return;
		}
		uint64_t both = load64(at.p);
		if (both >> 48 == EPOCH)
			watch_one(r, both & number_mask, body);
	}
}

bool record12_is_ready(const struct record12 *r)
{
	return r->is_known && r->has_spoken && !r->is_odd;
}

bool record12_is_worn(const struct record12 *r)
{
	return r->next >= RECORD12_NUMBERS - RECORD12_SPARE;
}

/* RFC 6347 4.1.2.6. */
static bool came_before(const struct record12 *r, uint64_t number)
{
	if (r->seen == 0 || number > r->top)
		return false;
	uint64_t behind = r->top - number;
	return behind >= WINDOW || (r->seen >> behind & 1) != 0;
}

bool record12_pass(struct record12 *r, uint64_t number)
{
	bool newest = r->seen == 0 || number > r->top;
	if (newest) {
		uint64_t ahead = number - r->top;
		r->seen = (ahead < WINDOW ? r->seen << ahead : 0) | 1;
		r->top = number;
	} else if (r->top - number < WINDOW) {
		r->seen |= 1ull << (r->top - number);
	}
	return newest;
}

/* ---- what is proven beside the plaintext ---- */

/* RFC 5246 6.2.3.3, RFC 9146 5.3: header is the record's, up to its length; n the bytes of plaintext. */
static size_t put_aad(uint8_t aad[AAD_MAX], const uint8_t *header, size_t cid, size_t n)
{
	struct writer w = put_into(aad, AAD_MAX);
	if (*header == HEADER_CID) {
		static const uint8_t placeholder[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
		put_bytes(&w, placeholder, sizeof(placeholder));
		put_u8(&w, HEADER_CID);
		put_u8(&w, (uint8_t)cid);
		put_bytes(&w, header, CID_AT + cid);
	} else {
		put_bytes(&w, header + 3, 8); /* epoch and number */
		put_bytes(&w, header, 3);     /* type and version */
	}
	put_u16(&w, (uint16_t)n);
	return put_len(&w);
}

static void put_nonce(uint8_t nonce[AEAD_NONCE], const uint8_t *salt, const uint8_t *explicit)
{
	memcpy(nonce, salt, RECORD12_SALT);
	memcpy(nonce + RECORD12_SALT, explicit, RECORD12_EXPLICIT);
}

/* ---- records of the peer ---- */

static bool is_for_us(const struct record12 *r, const struct header *h)
{
	if (h->has_cid != (r->own_cid_n > 0))
		return false;
	return !h->has_cid || memcmp(h->record.p + CID_AT, r->own_cid, r->own_cid_n) == 0;
}

/* One way of a session. */
struct way {
	enum aead cipher;
	const uint8_t *key, *salt;
	size_t cid;
};

static bool open_into(
	const struct way *way, const uint8_t *header, struct slice body, uint8_t *out, size_t n)
{
	uint8_t nonce[AEAD_NONCE], aad[AAD_MAX];
	put_nonce(nonce, way->salt, body.p);
	struct aead_use use = { way->cipher, way->key, nonce,
		{ aad, put_aad(aad, header, way->cid, n) } };
	return aead_open(&use,
		(struct slice){ body.p + RECORD12_EXPLICIT, body.n - RECORD12_EXPLICIT }, out);
}

/* RFC 9146 4: the true type stands behind the content, and zeros may stand behind that. */
static bool unwrap(const uint8_t *inner, size_t n, struct record12_plain *plain)
{
	while (n > 0 && inner[n - 1] == 0)
		n--;
	if (n == 0)
		return false;
	plain->type = inner[n - 1];
	plain->n = n - 1;
	return true;
}

static bool open_there(struct record12 *r, const struct header *h, uint8_t *out, size_t n,
	struct record12_plain *plain)
{
	struct way way = { r->cipher, r->read_key, r->read_salt, r->own_cid_n };
	if (!open_into(&way, h->record.p, h->body, out, n))
		return false;
	plain->newest = record12_pass(r, h->number);
	plain->type = h->type;
	plain->n = n;
	return (!h->has_cid || unwrap(out, n, plain)) && plain->n <= DTLS_RECORD_MAX;
}

/* The room is smaller than what is protected, which may be padding. */
static bool open_elsewhere(struct record12 *r, const struct header *h, struct slice room, size_t n,
	struct record12_plain *plain)
{
	uint8_t scratch[SEALED_MAX];
	bool fits =
		n <= sizeof(scratch) && open_there(r, h, scratch, n, plain) && plain->n <= room.n;
	if (fits && plain->n > 0)
		memcpy((uint8_t *)(uintptr_t)room.p, scratch, plain->n);
	explicit_bzero(scratch, n <= sizeof(scratch) ? n : sizeof(scratch));
	return fits;
}

bool record12_open(struct record12 *r, const struct header *h, uint8_t *room, size_t size,
	struct record12_plain *plain)
{
	size_t extra = RECORD12_EXPLICIT + aead_tag(r->cipher);
	if (h->body.n < extra || !is_for_us(r, h) || came_before(r, h->number))
		return false;
	size_t n = h->body.n - extra;
	if (n > size)
		return open_elsewhere(r, h, (struct slice){ room, size }, n, plain);
	return open_there(r, h, room, n, plain);
}

/* ---- records of ours ---- */

bool record12_open_own(
	const struct record12 *r, struct slice record, uint8_t *room, size_t size, size_t *n)
{
	struct way way = { r->cipher, r->write_key, r->write_salt, r->peer_cid_n };
	struct cursor c = cur_of(record.p, record.n);
	struct record12_plain plain = { .n = 0 };
	size_t extra = RECORD12_EXPLICIT + aead_tag(r->cipher);
	(void)cur_take(&c, CID_AT + r->peer_cid_n);
	struct slice body = cur_take(&c, cur_u16(&c));
	if (c.broken || cur_left(&c) > 0 || body.n < extra || body.n - extra > size)
		return false;
	plain.n = body.n - extra;
	bool opened = open_into(&way, record.p, body, room, plain.n) &&
		      (r->peer_cid_n == 0 || unwrap(room, plain.n, &plain));
	*n = plain.n;
	return opened;
}

size_t record12_seal(
	struct record12 *r, uint8_t type, struct slice plain, uint8_t out[RECORD12_MAX])
{
	bool cid = r->peer_cid_n > 0;
	size_t inner = plain.n + (cid ? 1 : 0), tag = aead_tag(r->cipher);
	uint8_t head[8], nonce[AEAD_NONCE], aad[AAD_MAX];
	if (r->next >= RECORD12_NUMBERS)
		return 0;
	uint64_t number = r->next++; /* gone, whatever comes */
	struct writer w = put_into(out, RECORD12_MAX);
	put_u8(&w, cid ? HEADER_CID : type);
	put_u16(&w, VERSION);
	store64(head, (uint64_t)EPOCH << 48 | number);
	put_bytes(&w, head, sizeof(head));
	put_bytes(&w, r->peer_cid, r->peer_cid_n);
	put_u16(&w, (uint16_t)(RECORD12_EXPLICIT + inner + tag));
	uint8_t *explicit = out + put_len(&w), *sealed = explicit + RECORD12_EXPLICIT;
	store64(explicit, number + r->nonce_base);
	if (cid) {
		memcpy(sealed, plain.p, plain.n);
		sealed[plain.n] = type;
		plain = (struct slice){ sealed, inner };
	}
	put_nonce(nonce, r->write_salt, explicit);
	struct aead_use use = { r->cipher, r->write_key, nonce,
		{ aad, put_aad(aad, out, r->peer_cid_n, inner) } };
	return aead_seal(&use, plain, sealed) ? (size_t)(sealed - out) + inner + tag : 0;
}

void record12_wipe(struct record12 *r)
{
	explicit_bzero(r, sizeof(*r));
}
