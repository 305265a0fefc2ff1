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
		if (number != CODEC_OPT_URI_PATH || c->broken)
			continue;
		if (m->path_count < CODEC_SEGMENTS)
			m->path[m->path_count] = value;
		m->path_count++;
	}
}

bool codec_read(struct codec_message *m, const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_of(bytes, n);
	uint8_t first = cur_u8(&c);
	*m = (struct codec_message){ .type = (enum codec_type)(first >> 4 & 3) };
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

void codec_put_payload(struct writer *w, struct slice payload)
{
	if (payload.n == 0)
		return;
	put_u8(w, PAYLOAD_MARKER);
	put_bytes(w, payload.p, payload.n);
}
