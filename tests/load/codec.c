/* CoAP for the load tools: see codec.h. */
#include "codec.h"

#define PAYLOAD_MARKER 0xff

/* Option delta or length with its extension (RFC 7252 3.1). 15 is reserved, and an error. */
static unsigned extended(struct cursor *c, unsigned nibble)
{
	if (nibble == 13)
		return 13u + cur_u8(c);
	if (nibble == 14)
		return 269u + cur_u16(c);
	if (nibble == 15)
		c->broken = true;
	return nibble;
}

/* An option that is a number (RFC 7252 3.2). */
static uint32_t number_of(struct slice value)
{
	uint32_t v = 0;
	for (size_t i = 0; i < value.n; i++)
		v = v << 8 | value.p[i];
	return value.n <= 3 ? v : CODEC_NONE;
}

static void keep_option(struct codec_message *m, unsigned number, struct slice value)
{
	switch (number) {
	case CODEC_OPT_URI_PATH:
		if (m->path_count < CODEC_SEGMENTS)
			m->path[m->path_count] = value;
		m->path_count++;
		break;
	case CODEC_OPT_URI_QUERY:
		if (m->query_count < CODEC_QUERIES)
			m->query[m->query_count++] = value;
		break;
	case CODEC_OPT_OBSERVE:
		m->observe = number_of(value);
		break;
	case CODEC_OPT_BLOCK1:
		m->block1 = number_of(value);
		break;
	case CODEC_OPT_BLOCK2:
		m->block2 = number_of(value);
		break;
	default:
		break;
	}
}

static void read_options(struct codec_message *m, struct cursor *c)
{
	unsigned number = 0;
	while (!c->broken && cur_left(c) > 0) {
		uint8_t first = cur_u8(c);
		if (first == PAYLOAD_MARKER) {
			m->payload = cur_take(c, cur_left(c));
			c->broken |= m->payload.n == 0;
			return;
		}
		number += extended(c, first >> 4);
		struct slice value = cur_take(c, extended(c, first & 15));
		if (!c->broken)
			keep_option(m, number, value);
	}
}

bool codec_read(struct codec_message *m, const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_of(bytes, n);
	uint8_t first = cur_u8(&c);
	*m = (struct codec_message){ .type = (enum codec_type)(first >> 4 & 3),
		.observe = CODEC_NONE,
		.block1 = CODEC_NONE,
		.block2 = CODEC_NONE };
	m->code = cur_u8(&c);
	m->mid = cur_u16(&c);
	unsigned token = first & 15;
	if (c.broken || first >> 6 != 1 || token > 8)
		return false;
	m->token = cur_take(&c, token);
	if (m->code == CODEC_EMPTY)
		return !c.broken && token == 0 && cur_left(&c) == 0;
	read_options(m, &c);
	return !c.broken;
}

void codec_put_header(
	struct writer *w, enum codec_type type, uint8_t code, uint16_t mid, struct slice token)
{
	put_u8(w, (uint8_t)(1u << 6 | (unsigned)type << 4 | (unsigned)token.n));
	put_u8(w, code);
	put_u16(w, mid);
	put_bytes(w, token.p, token.n);
}

void codec_put_option(struct writer *w, unsigned *last, unsigned number, struct slice value)
{
	unsigned delta = number - *last;
	BUG_UNLESS(number >= *last && delta < 269 && value.n < 269);
	unsigned d = delta < 13 ? delta : 13;
	unsigned l = value.n < 13 ? (unsigned)value.n : 13;
	put_u8(w, (uint8_t)(d << 4 | l));
	if (d == 13)
		put_u8(w, (uint8_t)(delta - 13));
	if (l == 13)
		put_u8(w, (uint8_t)(value.n - 13));
	put_bytes(w, value.p, value.n);
	*last = number;
}

void codec_put_number(struct writer *w, unsigned *last, unsigned number, uint32_t value)
{
	uint8_t b[3] = { (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value };
	size_t skip = 0;
	BUG_UNLESS(value >> 24 == 0);
	while (skip < sizeof(b) && b[skip] == 0)
		skip++;
	codec_put_option(w, last, number, (struct slice){ b + skip, sizeof(b) - skip });
}

struct slice codec_query(const struct codec_message *m, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < m->query_count; i++)
		if (m->query[i].n >= n && memcmp(m->query[i].p, name, n) == 0)
			return (struct slice){ m->query[i].p + n, m->query[i].n - n };
	return (struct slice){ NULL, 0 };
}

bool codec_is_request(const struct codec_message *m)
{
	return m->type <= CODEC_NON && m->code >= CODEC_GET && m->code < 0x20;
}

uint32_t codec_block_value(struct codec_block b)
{
	return b.number << 4 | (b.more ? 8u : 0u) | b.exponent;
}

struct codec_block codec_block_of(uint32_t value)
{
	return (struct codec_block){ value >> 4, (value & 8) != 0, value & 7 };
}

void codec_put_payload(struct writer *w, struct slice payload)
{
	if (payload.n == 0)
		return;
	put_u8(w, PAYLOAD_MARKER);
	put_bytes(w, payload.p, payload.n);
}
