/* What a bystander sees of DTLS records. */
#include "record.h"
#include <string.h>
#include "limits.h"

#define VERSION_DTLS12 0xfefd
#define VERSION_DTLS10 0xfeff

/* RFC 5246 6.2.3, RFC 9147 4.2: most bytes of a protected record's body. */
#define BODY_MAX (16384 + 2048)
/* RFC 9147 4.2.3: a shorter one can not have its number encrypted. */
#define UNIFIED_BODY_MIN 16
/* RFC 9146 3. */
#define CID_MAX 255

/* Content types (RFC 5246 6.2.1, RFC 6520, RFC 9146, RFC 9147). */
enum { CHANGE_CIPHER = 20, ALERT, HANDSHAKE, APPLICATION, HEARTBEAT, WITH_CID, ACK };

/* A first byte 001CSLEE (RFC 9147 4). */
enum { UNIFIED_CID = 0x10, UNIFIED_LONG_NUMBER = 0x08, UNIFIED_LENGTH = 0x04 };

enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };
enum { EXTENSION_CID = 54 };

static uint32_t cur_u24(struct cursor *c)
{
	uint32_t high = cur_u8(c);
	return high << 16 | cur_u16(c);
}

static bool is_unified(uint8_t first)
{
	return first >> 5 == 1;
}

/* ---- handshake messages in plaintext ---- */

/* RFC 8446 4.1.3: the random of a ServerHello that takes nobody yet. */
static bool is_retry(struct slice random)
{
	static const uint8_t retry[32] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d,
		0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
		0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };
	return random.n == sizeof(retry) && memcmp(random.p, retry, sizeof(retry)) == 0;
}

/* RFC 5246 7.4.1.3, RFC 9146 3. One that is broken gives no id; the device will refuse it. */
static void take_server_hello(struct record_view *view, struct slice body)
{
	struct cursor c = cur_of(body.p, body.n);
	(void)cur_u16(&c); /* version */
	struct slice random = cur_take(&c, 32);
	(void)cur_take(&c, cur_u8(&c)); /* session */
	(void)cur_take(&c, 3);          /* suite, compression */
	view->has_server_hello = !c.broken && !is_retry(random);
	view->gives_cid = (struct slice){ NULL, 0 };
	(void)cur_u16(&c); /* length of the extensions */
	while (view->has_server_hello && !c.broken && cur_left(&c) > 0) {
		uint16_t type = cur_u16(&c);
		struct slice data = cur_take(&c, cur_u16(&c));
		if (type == EXTENSION_CID && data.n > 1 && data.p[0] == data.n - 1)
			view->gives_cid = (struct slice){ data.p + 1, data.n - 1 };
	}
}

/* One message or a fragment of one (RFC 6347 4.2.2). */
static bool take_fragment(struct record_view *view, struct cursor *c)
{
	uint8_t type = cur_u8(c);
	uint32_t length = cur_u24(c);
	(void)cur_u16(c); /* message number */
	uint32_t offset = cur_u24(c);
	struct slice part = cur_take(c, cur_u24(c));
	if (c->broken || offset + part.n > length || (part.n == 0 && length != 0))
		return false;
	view->has_client_hello |= type == CLIENT_HELLO;
	view->begins_hello |= type == CLIENT_HELLO && offset == 0;
	if (type == SERVER_HELLO && part.n == length)
		take_server_hello(view, part);
	return true;
}

static bool take_handshake(struct record_view *view, struct slice body)
{
	struct cursor c = cur_of(body.p, body.n);
	while (cur_left(&c) > 0)
		if (!take_fragment(view, &c))
			return false;
	return true;
}

/* ---- records ---- */

/* Epoch 0: what may be said without a key. */
static bool take_plaintext(struct record_view *view, uint8_t type, struct slice body)
{
	if (type == HANDSHAKE)
		return take_handshake(view, body);
	if (type == CHANGE_CIPHER)
		return body.n == 1 && body.p[0] == 1;
	if (type == ALERT)
		return body.n == 2 && (body.p[0] == 1 || body.p[0] == 2);
	return type == ACK && body.n >= 2;
}

static void note_number(struct record_view *view, uint64_t number)
{
	view->has_protected = view->has_number = true;
	if (number > view->number)
		view->number = number;
}

static bool take_record(struct record_view *view, struct cursor *c, size_t cid_n)
{
	uint8_t type = cur_u8(c);
	uint16_t version = cur_u16(c);
	uint64_t number = (uint64_t)cur_u16(c) << 48; /* the epoch */
	number |= (uint64_t)cur_u16(c) << 32;
	number |= (uint64_t)cur_u16(c) << 16;
	number |= cur_u16(c);
	struct slice cid = type == WITH_CID ? cur_take(c, cid_n) : (struct slice){ NULL, 0 };
	struct slice body = cur_take(c, cur_u16(c));
	bool has_epoch = number >> 48 != 0;
	bool is_version = version == VERSION_DTLS12 || (version == VERSION_DTLS10 && type != WITH_CID);
	if (c->broken || !is_version || body.n == 0 || body.n > BODY_MAX)
		return false;
	if (!has_epoch)
		return take_plaintext(view, type, body);
	view->has_cid |= type == WITH_CID;
	if (type == WITH_CID)
		view->cid = cid;
	note_number(view, number);
	return type >= CHANGE_CIPHER && type <= ACK && (type != WITH_CID || cid_n > 0);
}

/* RFC 9147 4: its number is encrypted. */
static bool take_unified(struct record_view *view, struct cursor *c, size_t cid_n)
{
	uint8_t first = cur_u8(c);
	bool has_cid = (first & UNIFIED_CID) != 0;
	if (has_cid)
		view->cid = cur_take(c, cid_n);
	view->has_cid |= has_cid;
	(void)cur_take(c, (first & UNIFIED_LONG_NUMBER) != 0 ? 2 : 1);
	size_t length = (first & UNIFIED_LENGTH) != 0 ? cur_u16(c) : cur_left(c);
	struct slice body = cur_take(c, length);
	view->has_protected = true;
	return !c->broken && (!has_cid || cid_n > 0) && body.n >= UNIFIED_BODY_MIN && body.n <= BODY_MAX;
}

/* With connection ids of this length. */
static bool look(const uint8_t *datagram, size_t n, size_t cid_n, struct record_view *view)
{
	struct cursor c = cur_of(datagram, n);
	*view = (struct record_view){ .number = 0 };
	for (unsigned i = 0; i < RECORDS_PER_DATAGRAM; i++) {
		bool is_sound = is_unified(c.p[0]) ? take_unified(view, &c, cid_n) :
						     take_record(view, &c, cid_n);
		if (!is_sound)
			return false;
		if (cur_left(&c) == 0)
			return true;
	}
	return false;
}

/* True when it may be the length alone that does not fit. */
static bool may_have_cid(const uint8_t *datagram, size_t n)
{
	struct cursor c = cur_of(datagram, n);
	while (cur_left(&c) > 0) {
		if (c.p[0] == WITH_CID || (is_unified(c.p[0]) && (c.p[0] & UNIFIED_CID) != 0))
			return true;
		struct record_view view = { .number = 0 };
		bool is_sound = is_unified(c.p[0]) ? take_unified(&view, &c, 0) :
						     take_record(&view, &c, 0);
		if (!is_sound)
			return false;
	}
	return false;
}

bool record_look(const uint8_t *datagram, size_t n, size_t cid_n, struct record_view *view)
{
	if (n == 0)
		return false;
	if (look(datagram, n, cid_n, view))
		return true;
	if (!may_have_cid(datagram, n))
		return false;
	for (size_t length = 1; length <= CID_MAX; length++) {
		if (length == cid_n || !look(datagram, n, length, view))
			continue;
		view->cid = (struct slice){ NULL, 0 }; /* a guess */
		return true;
	}
	return false;
}

struct slice record_cid_at(const uint8_t *datagram, size_t n)
{
	struct cursor c = cur_of(datagram, n);
	uint8_t first = cur_u8(&c);
	if (first == WITH_CID)
		(void)cur_take(&c, 10);
	else if (!is_unified(first) || (first & UNIFIED_CID) == 0)
		c.broken = true;
	return c.broken ? (struct slice){ NULL, 0 } : cur_take(&c, cur_left(&c));
}
