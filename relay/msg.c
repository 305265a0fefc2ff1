/* The peek into a CoAP message, and the few messages that the relay writes itself.
 *
 * A message is accepted when all of this holds; libcoap's parser asks the same:
 *   at least four bytes, version 1 (RFC 7252 3; libcoap drops another version without an answer)
 *   a token length of 0 to 8, and as many bytes (3)
 *   code 0.00 has token length 0 and nothing behind the header (4.1); any other code is taken, also
 *     of the reserved classes 1, 6 and 7, and of any type: what it means is for its receiver to say
 *   no option nibble is 15, except in the payload marker 0xff (3.1)
 *   header and value of each option end inside the message (3.1), no number is above 65535
 *   an option of the table below has a length of the table (5.4.3, 5.10); in class 7 the numbers
 *     mean something else and RFC 8323 5 has the lengths
 *   something follows a payload marker (3)
 * Two differences are wanted, since the relay must not lose what is legal nor pass what is read
 * differently by two readers: an empty Uri-Query is legal (5.10) but refused by libcoap 4.3.1; an
 * extended delta above 65266, whose sum is over 65535, wraps round there and is refused here. */
#include "msg.h"
#include <stdio.h>

/* Signalling codes begin here (RFC 8323 5). */
#define CLASS_7        MSG_CODE(7, 0)
#define PAYLOAD_MARKER 0xff

/* Lengths that an option may have, by number. */
static const struct length {
	bool known;
	uint8_t least;
	uint16_t most;
} lengths[] = {
	[1] = { true, 0, 8 },     /* If-Match */
	[3] = { true, 1, 255 },   /* Uri-Host */
	[4] = { true, 1, 8 },     /* ETag */
	[5] = { true, 0, 0 },     /* If-None-Match */
	[6] = { true, 0, 3 },     /* Observe, RFC 7641 */
	[7] = { true, 0, 2 },     /* Uri-Port */
	[8] = { true, 0, 255 },   /* Location-Path */
	[9] = { true, 0, 255 },   /* OSCORE, RFC 8613 */
	[11] = { true, 0, 255 },  /* Uri-Path */
	[12] = { true, 0, 2 },    /* Content-Format */
	[14] = { true, 0, 4 },    /* Max-Age */
	[15] = { true, 0, 255 },  /* Uri-Query */
	[16] = { true, 1, 1 },    /* Hop-Limit, RFC 8768 */
	[17] = { true, 0, 2 },    /* Accept */
	[20] = { true, 0, 255 },  /* Location-Query */
	[23] = { true, 0, 3 },    /* Block2, RFC 7959 */
	[27] = { true, 0, 3 },    /* Block1 */
	[28] = { true, 0, 4 },    /* Size2 */
	[35] = { true, 1, 1034 }, /* Proxy-Uri */
	[39] = { true, 1, 255 },  /* Proxy-Scheme */
	[60] = { true, 0, 4 },    /* Size1 */
	[252] = { true, 0, 40 },  /* Echo, RFC 9175 */
	[258] = { true, 0, 1 },   /* No-Response, RFC 7967 */
	[292] = { true, 0, 8 },   /* Request-Tag, RFC 9175 */
};

static bool length_fits(uint32_t number, size_t n)
{
	if (number >= sizeof(lengths) / sizeof(lengths[0]) || !lengths[number].known)
		return true;
	return n >= lengths[number].least && n <= lengths[number].most;
}

/* The same for a signal, where a number means something else under each code (RFC 8323 5.3-5.6). */
static bool signal_length_fits(uint8_t code, uint32_t number, size_t n)
{
	switch ((uint32_t)code << 16 | number) {
	case MSG_CODE(7, 1) << 16 | 2: /* CSM: Max-Message-Size */
		return n <= 4;
	case MSG_CODE(7, 1) << 16 | 4: /* CSM: Block-Wise-Transfer */
	case MSG_CODE(7, 2) << 16 | 2: /* Ping: Custody */
	case MSG_CODE(7, 3) << 16 | 2: /* Pong: Custody */
		return n == 0;
	case MSG_CODE(7, 4) << 16 | 2: /* Release: Alternative-Address */
		return n >= 1 && n <= 255;
	case MSG_CODE(7, 4) << 16 | 4: /* Release: Hold-Off */
		return n <= 3;
	case MSG_CODE(7, 5) << 16 | 2: /* Abort: Bad-CSM-Option */
		return n <= 2;
	}
	return true;
}

/* A delta or length from its nibble and the bytes that extend it (RFC 7252 3.1). */
static inline uint32_t read_extended(struct cursor *c, uint8_t nibble)
{
	if (nibble < 13)
		return nibble;
	if (nibble == 13)
		return 13u + cur_u8(c);
	if (nibble == 14)
		return 269u + cur_u16(c);
	c->broken = true;
	return 0;
}

/* Reads the option behind its first byte; adds its delta to *number. The cursor breaks when the
 * option is malformed. */
static inline struct slice read_option(struct cursor *c, uint8_t first, uint32_t *number)
{
	*number += read_extended(c, first >> 4);
	uint32_t length = read_extended(c, first & 15);
	if (*number > UINT16_MAX)
		c->broken = true;
	return cur_take(c, length);
}

/* Options up to the end or the payload marker, and the payload behind it. */
static enum msg_fault peek_body(struct msg *m, struct cursor *c)
{
	struct cursor start = *c;
	size_t room = cur_left(c), marker = 0;
	uint32_t number = 0;
	while (cur_left(c) != 0) {
		uint8_t first = cur_u8(c);
		if (first == PAYLOAD_MARKER) {
			marker = 1;
			break;
		}
		struct slice value = read_option(c, first, &number);
		if (c->broken)
			return MSG_OPTION;
		if (m->code < CLASS_7 ? !length_fits(number, value.n)
				      : !signal_length_fits(m->code, number, value.n))
			return MSG_OPTION;
	}
	size_t left = cur_left(c);
	m->options = cur_take(&start, room - left - marker);
	m->payload = cur_take(c, left);
	return marker != 0 && left == 0 ? MSG_PAYLOAD : MSG_OK;
}

enum msg_fault msg_peek(struct msg *m, const uint8_t *datagram, size_t n)
{
	struct cursor c = cur_of(datagram, n);
	uint8_t first = cur_u8(&c);
	uint8_t code = cur_u8(&c);
	*m = (struct msg){
		.type = (enum msg_type)(first >> 4 & 3), .code = code, .mid = cur_u16(&c)
	};
	if (c.broken)
		return MSG_SHORT;
	if (first >> 6 != 1)
		return MSG_VERSION;
	size_t token = first & 15;
	if (m->code == MSG_EMPTY)
		return n == 4 && token == 0 ? MSG_OK : MSG_NOT_EMPTY;
	if (token > 8)
		return MSG_TOKEN;
	m->token = cur_take(&c, token);
	return c.broken ? MSG_SHORT : peek_body(m, &c);
}

struct msg_options msg_options(const struct msg *m)
{
	return (struct msg_options){ cur_of(m->options.p, m->options.n), 0 };
}

bool msg_next(struct msg_options *o, struct msg_option *option)
{
	if (cur_left(&o->at) == 0)
		return false;
	uint8_t first = cur_u8(&o->at);
	option->value = read_option(&o->at, first, &o->number);
	option->number = (uint16_t)o->number;
	return !o->at.broken;
}

/* Keeps the value while there is room, and counts it. */
static void collect(struct slice *array, size_t room, size_t *count, struct slice value)
{
	if (*count < room)
		array[*count] = value;
	++*count;
}

void msg_request(const struct msg *m, struct reg_request *request)
{
	struct msg_options walk = msg_options(m);
	struct msg_option o;
	request->code = m->code;
	request->segments = request->queries = 0;
	while (msg_next(&walk, &o)) {
		if (o.number == MSG_OPT_URI_PATH)
			collect(request->segment, REG_SEGMENTS, &request->segments, o.value);
		else if (o.number == MSG_OPT_URI_QUERY)
			collect(request->query, REG_QUERIES, &request->queries, o.value);
	}
}

bool msg_location(const struct msg *m, char *text, size_t size)
{
	struct slice segment[REG_SEGMENTS];
	size_t segments = 0;
	struct msg_options walk = msg_options(m);
	struct msg_option o;
	while (msg_next(&walk, &o))
		if (o.number == MSG_OPT_LOCATION_PATH)
			collect(segment, REG_SEGMENTS, &segments, o.value);
	return segments != 0 && reg_path(segment, segments, text, size);
}

static void put_header(
	struct writer *w, enum msg_type type, size_t token, uint8_t code, uint16_t mid)
{
	put_u8(w, (uint8_t)(1u << 6 | (unsigned)type << 4 | token));
	put_u8(w, code);
	put_u16(w, mid);
}

size_t msg_empty(uint8_t bytes[MSG_ANSWER_MAX], enum msg_type type, uint16_t mid)
{
	struct writer w = put_into(bytes, MSG_ANSWER_MAX);
	put_header(&w, type, 0, MSG_EMPTY, mid);
	return put_len(&w);
}

/* Max-Age as the first option, in the fewest bytes (RFC 7252 3.2). */
static void put_max_age(struct writer *w, uint32_t seconds)
{
	unsigned bytes = 0;
	while (bytes < 4 && seconds >> (8 * bytes) != 0)
		bytes++;
	put_u8(w, (uint8_t)(13u << 4 | bytes));
	put_u8(w, MSG_OPT_MAX_AGE - 13);
	while (bytes-- > 0)
		put_u8(w, (uint8_t)(seconds >> (8 * bytes)));
}

size_t msg_answer(uint8_t bytes[MSG_ANSWER_MAX], const struct msg *to, uint8_t code, int max_age_s)
{
	struct writer w = put_into(bytes, MSG_ANSWER_MAX);
	put_header(&w, to->type == MSG_CON ? MSG_ACK : MSG_NON, to->token.n, code, to->mid);
	put_bytes(&w, to->token.p, to->token.n);
	if (max_age_s >= 0)
		put_max_age(&w, (uint32_t)max_age_s);
	BUG_UNLESS(!w.broken);
	return put_len(&w);
}

const char *msg_code_print(uint8_t code, char text[8])
{
	snprintf(text, 8, "%u.%02u", code >> 5, code & 31u);
	return text;
}
