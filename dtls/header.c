/* Judges records by their headers, before any library sees them (RFC 6347 4.1, 4.2.2). */
#include "dtls/header_int.h"

/* Most bytes of a record's body: the plaintext and what protection adds to it. */
#define BODY_MAX (DTLS_RECORD_MAX + DTLS_OVERHEAD_MAX)
/* Most bytes of a handshake message, and of one that carries certificates, or names of CAs. */
#define MESSAGE_MAX      2048
#define CERTIFICATES_MAX 16384

#define VERSION_DTLS12   0xfefd
#define VERSION_DTLS10   0xfeff
#define ALERT_WARNING    1
#define ALERT_FATAL      2

/* RFC 5246 7.4, RFC 6347 4.3.2: messages that a server may send in plaintext, and those that
 * only clients send. A HelloRequest in plaintext is none: our handshake runs already, and wolfSSL
 * would answer each with a flight. */
enum message {
	MESSAGE_CLIENT_HELLO = 1,
	MESSAGE_SERVER_HELLO = 2,
	MESSAGE_HELLO_VERIFY = 3,
	MESSAGE_CERTIFICATE = 11, /* of either side */
	MESSAGE_SERVER_KEY_EXCHANGE = 12,
	MESSAGE_CERTIFICATE_REQUEST = 13,
	MESSAGE_SERVER_HELLO_DONE = 14,
	MESSAGE_CERTIFICATE_VERIFY = 15,
	MESSAGE_CLIENT_KEY_EXCHANGE = 16
};

/* RFC 7250 4. */
enum extension { CLIENT_CERTIFICATE_TYPE = 19, SERVER_CERTIFICATE_TYPE = 20 };

static uint32_t cur_u24(struct cursor *c)
{
	uint32_t high = cur_u8(c);
	return high << 16 | cur_u16(c);
}

/* A server's session takes no ClientHello, not even a repeat of its own: it repeats its flight when
 * that is due, and a new hello is the listener's. */
static bool is_expected(const struct header_rules *rules, uint8_t type)
{
	if (rules->v13) /* the rest is protected */
		return !rules->server && (type == MESSAGE_SERVER_HELLO || type == MESSAGE_HELLO_VERIFY);
	if (rules->certs && type == MESSAGE_CERTIFICATE)
		return true;
	if (rules->server)
		return type == MESSAGE_CLIENT_KEY_EXCHANGE ||
		       (rules->certs && type == MESSAGE_CERTIFICATE_VERIFY);
	if (rules->certs && type == MESSAGE_CERTIFICATE_REQUEST)
		return true;
	return type == MESSAGE_SERVER_HELLO || type == MESSAGE_HELLO_VERIFY ||
	       type == MESSAGE_SERVER_KEY_EXCHANGE || type == MESSAGE_SERVER_HELLO_DONE;
}

static uint32_t longest(uint8_t type)
{
	bool large = type == MESSAGE_CERTIFICATE || type == MESSAGE_CERTIFICATE_REQUEST;
	return large ? CERTIFICATES_MAX : MESSAGE_MAX;
}

/* One message, or a fragment of one (RFC 6347 4.2.2). */
static enum dtls_header check_fragment(const struct header_rules *rules, struct cursor *c)
{
	uint8_t type = cur_u8(c);
	uint32_t length = cur_u24(c);
	(void)cur_u16(c); /* message number */
	uint32_t offset = cur_u24(c);
	uint32_t part = cur_u24(c);
	(void)cur_take(c, part);
	if (type == MESSAGE_CLIENT_HELLO)
		return DTLS_HEADER_CLIENT_HELLO;
	if (c->broken || !is_expected(rules, type) || length > longest(type) ||
		offset + part > length)
		return DTLS_HEADER_BAD;
	return part == 0 && length != 0 ? DTLS_HEADER_BAD : DTLS_HEADER_OK;
}

static enum dtls_header check_handshake(const struct header_rules *rules, struct slice body)
{
	struct cursor c = cur_of(body.p, body.n);
	enum dtls_header verdict;
	do {
		verdict = check_fragment(rules, &c);
	} while (verdict == DTLS_HEADER_OK && cur_left(&c) > 0);
	return verdict;
}

static bool is_alert(struct slice body)
{
	return body.n == 2 && (body.p[0] == ALERT_WARNING || body.p[0] == ALERT_FATAL);
}

/* Epoch 0: only a handshake is spoken in plaintext. */
static enum dtls_header check_plaintext(const struct header_rules *rules, const struct header *h)
{
	enum dtls_header verdict = DTLS_HEADER_BAD;
	if (h->type == HEADER_HANDSHAKE)
		verdict = check_handshake(rules, h->body);
	else if (h->type == HEADER_CHANGE_CIPHER && !rules->v13)
		verdict = h->body.n == 1 && h->body.p[0] == 1 ? DTLS_HEADER_OK : DTLS_HEADER_BAD;
	else if (h->type == HEADER_ALERT)
		verdict = is_alert(h->body) ? DTLS_HEADER_OK : DTLS_HEADER_BAD;
	/* The peer has said all that it says in plaintext, or there would be no session, whether
	 * data has flowed or not. */
	return rules->established && verdict == DTLS_HEADER_OK ? DTLS_HEADER_BAD : verdict;
}

/* Epoch 1: data needs a session. A client's session needs no handshake: a repeated Finished wants no
 * answer, a HelloRequest may be ignored (RFC 5246 7.4.1.1), and wolfSSL would act on either. A
 * server's needs it as long as its own last flight may be lost. */
static enum dtls_header check_protected(const struct header_rules *rules, const struct header *h)
{
	bool good = h->type == HEADER_ALERT;
	if (h->type == HEADER_CID)
		return rules->cid > 0 ? DTLS_HEADER_OK : DTLS_HEADER_BAD;
	if (rules->established && h->type == HEADER_APPLICATION)
		good = true;
	if (h->type == HEADER_HANDSHAKE)
		good = !rules->established || rules->last_flight;
	return good && !rules->cid_only ? DTLS_HEADER_OK : DTLS_HEADER_BAD;
}

static enum dtls_header check_record(
	const struct header_rules *rules, const struct header *h, uint16_t version)
{
	/* HelloVerifyRequests come as DTLS 1.0 (RFC 6347 4.2.1). */
	bool known = version == VERSION_DTLS12 || (version == VERSION_DTLS10 && h->epoch == 0);
	if (!known || h->body.n == 0 || h->body.n > BODY_MAX)
		return DTLS_HEADER_BAD;
	if (h->epoch == 0)
		return check_plaintext(rules, h);
	return h->epoch == 1 && !rules->v13 ? check_protected(rules, h) : DTLS_HEADER_BAD;
}

/* Everything up to the body; gives the version. */
static uint16_t take_header(struct cursor *c, uint8_t cid, struct header *h)
{
	const uint8_t *start = c->p;
	h->type = cur_u8(c);
	uint16_t version = cur_u16(c);
	h->epoch = cur_u16(c);
	h->number = (uint64_t)cur_u16(c) << 32;
	h->number |= (uint64_t)cur_u16(c) << 16;
	h->number |= cur_u16(c);
	h->has_cid = h->type == HEADER_CID;
	if (h->has_cid)
		(void)cur_take(c, cid);
	h->body = cur_take(c, cur_u16(c));
	h->is_verify = h->type == HEADER_HANDSHAKE && h->epoch == 0 && h->body.n > 0 &&
		       h->body.p[0] == MESSAGE_HELLO_VERIFY;
	if (!c->broken)
		h->record = (struct slice){ start, (size_t)(c->p - start) };
	return version;
}

enum dtls_header header_next(
	struct cursor *datagram, const struct header_rules *rules, struct header *h)
{
	if (rules->v13 && cur_left(datagram) > 0 && header13_is(*datagram->p))
		return header13_next(datagram, rules, h);
	uint16_t version = take_header(datagram, rules->cid, h);
	if (datagram->broken) {
		*datagram = cur_of(NULL, 0);
		return DTLS_HEADER_BAD;
	}
	return check_record(rules, h, version);
}

int64_t header_last_number(const uint8_t *datagram, size_t n)
{
	struct cursor c = cur_of(datagram, n);
	struct header h = { .number = 0 };
	while (cur_left(&c) > 0) {
		(void)take_header(&c, 0, &h);
		if (c.broken || h.epoch != 0)
			return -1;
	}
	return n > 0 ? (int64_t)h.number : -1;
}

int64_t header_flight(const uint8_t *datagram, size_t n)
{
	struct cursor c = cur_of(datagram, n);
	uint8_t type = cur_u8(&c);
	(void)cur_u16(&c); /* version */
	uint16_t epoch = cur_u16(&c);
	(void)cur_take(&c, 6 + 2 + 1 + 3); /* sequence number, length; message type, its length */
	uint16_t number = cur_u16(&c);
	uint32_t offset = cur_u24(&c);
	if (c.broken || type != HEADER_HANDSHAKE || epoch != 0)
		return -1;
	return (int64_t)number << 24 | offset;
}

void header_fatal(uint8_t out[HEADER_ALERT_LEN], uint64_t number, uint8_t description)
{
	struct writer w = put_into(out, HEADER_ALERT_LEN);
	put_u8(&w, HEADER_ALERT);
	put_u16(&w, VERSION_DTLS12);
	put_u16(&w, 0); /* epoch */
	put_u16(&w, (uint16_t)(number >> 32));
	put_u16(&w, (uint16_t)(number >> 16));
	put_u16(&w, (uint16_t)number);
	put_u16(&w, 2);
	put_u8(&w, ALERT_FATAL);
	put_u8(&w, description);
}

/* The lists of certificate types among the extensions. */
static void take_types(struct slice extensions, struct header_hello *hello)
{
	struct cursor c = cur_of(extensions.p, extensions.n);
	while (cur_left(&c) > 0 && !c.broken) {
		uint16_t number = cur_u16(&c);
		struct slice body = cur_take(&c, cur_u16(&c));
		struct cursor list = cur_of(body.p, body.n);
		struct slice types = cur_take(&list, cur_u8(&list));
		if (number == SERVER_CERTIFICATE_TYPE)
			hello->server_types = types;
		else if (number == CLIENT_CERTIFICATE_TYPE)
			hello->client_types = types;
	}
}

/* RFC 5246 7.4.1.2, RFC 6347 4.2.1. */
static bool take_hello(struct cursor c, struct header_hello *hello)
{
	(void)cur_u16(&c); /* version */
	hello->random = cur_take(&c, 32);
	struct slice session = cur_take(&c, cur_u8(&c));
	hello->has_cookie = cur_take(&c, cur_u8(&c)).n > 0;
	hello->suites = cur_take(&c, cur_u16(&c));
	struct slice compressions = cur_take(&c, cur_u8(&c));
	struct slice extensions = { NULL, 0 };
	if (cur_left(&c) > 0)
		extensions = cur_take(&c, cur_u16(&c));
	take_types(extensions, hello);
	return !c.broken && cur_left(&c) == 0 && session.n <= 32 && hello->suites.n >= 2 &&
	       hello->suites.n % 2 == 0 && compressions.n >= 1 &&
	       header13_extensions(extensions, hello);
}

bool header_hello(const uint8_t *datagram, size_t n, struct header_hello *hello)
{
	struct cursor c = cur_of(datagram, n);
	struct header h;
	uint16_t version = take_header(&c, 0, &h);
	if (c.broken || h.type != HEADER_HANDSHAKE || h.epoch != 0 ||
		(version != VERSION_DTLS12 && version != VERSION_DTLS10))
		return false;
	*hello = (struct header_hello){ .record = h.record };
	hello->number = h.number;
	c = cur_of(h.body.p, h.body.n);
	uint8_t type = cur_u8(&c);
	uint32_t length = cur_u24(&c);
	(void)cur_u16(&c); /* message number */
	uint32_t offset = cur_u24(&c);
	uint32_t part = cur_u24(&c);
	return !c.broken && type == MESSAGE_CLIENT_HELLO && offset == 0 && part == length &&
	       length <= MESSAGE_MAX && cur_left(&c) == length && take_hello(c, hello);
}

bool dtls_is_hello(const uint8_t *datagram, size_t n)
{
	struct cursor c = cur_of(datagram, n);
	uint8_t type = cur_u8(&c);
	(void)cur_u16(&c); /* version */
	uint16_t epoch = cur_u16(&c);
	(void)cur_take(&c, 6 + 2); /* number, length */
	uint8_t message = cur_u8(&c);
	return !c.broken && type == HEADER_HANDSHAKE && epoch == 0 &&
	       message == MESSAGE_CLIENT_HELLO;
}

bool dtls_cid_of(const uint8_t *datagram, size_t n, size_t length, struct slice *cid)
{
	struct cursor c = cur_of(datagram, n);
	if (n > 0 && header13_is(*datagram))
		return header13_cid(datagram, n, length, cid);
	uint8_t type = cur_u8(&c);
	uint16_t version = cur_u16(&c);
	uint16_t epoch = cur_u16(&c);
	(void)cur_take(&c, 6); /* number */
	*cid = cur_take(&c, length);
	(void)cur_take(&c, cur_u16(&c)); /* the body */
	return !c.broken && length > 0 && type == HEADER_CID && version == VERSION_DTLS12 &&
	       epoch == 1;
}

enum dtls_header dtls_header_check(const uint8_t *datagram, size_t n, bool established)
{
	struct cursor c = cur_of(datagram, n);
	struct header_rules rules = { .established = established };
	struct header h;
	enum dtls_header verdict;
	do {
		verdict = header_next(&c, &rules, &h);
	} while (verdict == DTLS_HEADER_OK && cur_left(&c) > 0);
	return verdict;
}
