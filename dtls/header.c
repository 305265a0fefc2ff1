/* Judges records by their headers, before any library sees them (RFC 6347 4.1, 4.2.2). */
#include "dtls/header_int.h"

/* Most bytes of a record's body: the plaintext and what protection adds to it. */
#define BODY_MAX (DTLS_RECORD_MAX + DTLS_OVERHEAD_MAX)
/* Most bytes of a handshake message. PSK needs few; certificates will ask for more. */
#define MESSAGE_MAX    2048

#define VERSION_DTLS12 0xfefd
#define VERSION_DTLS10 0xfeff
#define ALERT_WARNING  1
#define ALERT_FATAL    2

/* RFC 5246 7.4, RFC 6347 4.3.2: messages that a PSK server may send in plaintext, and the one that
 * only clients send. A HelloRequest in plaintext is none: our handshake runs already, and wolfSSL
 * would answer each with a flight. */
enum message {
	MESSAGE_CLIENT_HELLO = 1,
	MESSAGE_SERVER_HELLO = 2,
	MESSAGE_HELLO_VERIFY = 3,
	MESSAGE_SERVER_KEY_EXCHANGE = 12,
	MESSAGE_SERVER_HELLO_DONE = 14
};

static uint32_t cur_u24(struct cursor *c)
{
	uint32_t high = cur_u8(c);
	return high << 16 | cur_u16(c);
}

static bool is_expected(uint8_t type)
{
	return type == MESSAGE_SERVER_HELLO || type == MESSAGE_HELLO_VERIFY ||
	       type == MESSAGE_SERVER_KEY_EXCHANGE || type == MESSAGE_SERVER_HELLO_DONE;
}

/* One message, or a fragment of one (RFC 6347 4.2.2). */
static enum dtls_header check_fragment(struct cursor *c)
{
	uint8_t type = cur_u8(c);
	uint32_t length = cur_u24(c);
	(void)cur_u16(c); /* message number */
	uint32_t offset = cur_u24(c);
	uint32_t part = cur_u24(c);
	(void)cur_take(c, part);
	if (type == MESSAGE_CLIENT_HELLO)
		return DTLS_HEADER_CLIENT_HELLO;
	if (c->broken || !is_expected(type) || length > MESSAGE_MAX || offset + part > length)
		return DTLS_HEADER_BAD;
	return part == 0 && length != 0 ? DTLS_HEADER_BAD : DTLS_HEADER_OK;
}

static enum dtls_header check_handshake(struct slice body)
{
	struct cursor c = cur_of(body.p, body.n);
	enum dtls_header verdict;
	do {
		verdict = check_fragment(&c);
	} while (verdict == DTLS_HEADER_OK && cur_left(&c) > 0);
	return verdict;
}

static bool is_alert(struct slice body)
{
	return body.n == 2 && (body.p[0] == ALERT_WARNING || body.p[0] == ALERT_FATAL);
}

/* Epoch 0: only a handshake is spoken in plaintext. */
static enum dtls_header check_plaintext(const struct header *h, bool established)
{
	enum dtls_header verdict = DTLS_HEADER_BAD;
	if (h->type == HEADER_HANDSHAKE)
		verdict = check_handshake(h->body);
	else if (h->type == HEADER_CHANGE_CIPHER)
		verdict = h->body.n == 1 && h->body.p[0] == 1 ? DTLS_HEADER_OK : DTLS_HEADER_BAD;
	else if (h->type == HEADER_ALERT)
		verdict = is_alert(h->body) ? DTLS_HEADER_OK : DTLS_HEADER_BAD;
	/* The server has our last flight, or there would be no session: nothing in plaintext is
	 * left to be said, whether data has flowed or not. */
	return established && verdict == DTLS_HEADER_OK ? DTLS_HEADER_BAD : verdict;
}

/* Epoch 1: data needs a session. A session needs no handshake: a repeated Finished wants no answer,
 * a HelloRequest may be ignored (RFC 5246 7.4.1.1), and wolfSSL would act on either. */
static enum dtls_header check_protected(const struct header *h, bool established)
{
	uint8_t wanted = established ? HEADER_APPLICATION : HEADER_HANDSHAKE;
	return h->type == wanted || h->type == HEADER_ALERT ? DTLS_HEADER_OK : DTLS_HEADER_BAD;
}

static enum dtls_header check_record(const struct header *h, uint16_t version, bool established)
{
	/* HelloVerifyRequests come as DTLS 1.0 (RFC 6347 4.2.1). */
	bool known = version == VERSION_DTLS12 || (version == VERSION_DTLS10 && h->epoch == 0);
	if (!known || h->body.n == 0 || h->body.n > BODY_MAX)
		return DTLS_HEADER_BAD;
	if (h->epoch == 0)
		return check_plaintext(h, established);
	return h->epoch == 1 ? check_protected(h, established) : DTLS_HEADER_BAD;
}

enum dtls_header header_next(struct cursor *datagram, bool established, struct header *h)
{
	const uint8_t *start = datagram->p;
	h->type = cur_u8(datagram);
	uint16_t version = cur_u16(datagram);
	h->epoch = cur_u16(datagram);
	(void)cur_take(datagram, 6); /* sequence number */
	h->body = cur_take(datagram, cur_u16(datagram));
	if (datagram->broken) {
		*datagram = cur_of(NULL, 0);
		return DTLS_HEADER_BAD;
	}
	h->record = (struct slice){ start, (size_t)(datagram->p - start) };
	return check_record(h, version, established);
}

int header_flight(const uint8_t *datagram, size_t n)
{
	struct cursor c = cur_of(datagram, n);
	uint8_t type = cur_u8(&c);
	(void)cur_u16(&c); /* version */
	uint16_t epoch = cur_u16(&c);
	(void)cur_take(&c, 6 + 2 + 1 + 3); /* sequence number, length; message type, its length */
	uint16_t number = cur_u16(&c);
	return c.broken || type != HEADER_HANDSHAKE || epoch != 0 ? -1 : number;
}

enum dtls_header dtls_header_check(const uint8_t *datagram, size_t n, bool established)
{
	struct cursor c = cur_of(datagram, n);
	struct header h;
	enum dtls_header verdict;
	do {
		verdict = header_next(&c, established, &h);
	} while (verdict == DTLS_HEADER_OK && cur_left(&c) > 0);
	return verdict;
}
