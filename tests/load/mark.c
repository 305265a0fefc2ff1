/* Device and number in tokens and payloads: see mark.h. */
#include "mark.h"

static void put_hex(uint8_t *text, uint32_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 4)
		text[i] = (uint8_t) "0123456789abcdef"[v & 15];
}

/* Value of a hex digit in small letters; 16 for anything else. */
static unsigned digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - (unsigned)'0';
	return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
}

void mark_payload(const struct mark *m, uint8_t *payload, size_t n)
{
	BUG_UNLESS(n >= MARK_PAYLOAD_MIN);
	put_hex(payload, m->device);
	put_hex(payload + 8, m->number);
	memset(payload + MARK_PAYLOAD_MIN, 'A' + (int)(m->device % 26), n - MARK_PAYLOAD_MIN);
}

bool mark_payload_fits(const struct mark *m, struct slice payload)
{
	uint8_t wanted[MARK_PAYLOAD_MAX];
	if (payload.n < MARK_PAYLOAD_MIN || payload.n > sizeof(wanted))
		return false;
	mark_payload(m, wanted, payload.n);
	return memcmp(wanted, payload.p, payload.n) == 0;
}

static bool read_hex(const uint8_t *text, uint32_t *v)
{
	*v = 0;
	for (size_t i = 0; i < 8; i++) {
		unsigned d = digit(text[i]);
		if (d > 15)
			return false;
		*v = *v << 4 | d;
	}
	return true;
}

bool mark_payload_read(struct mark *m, struct slice payload)
{
	*m = (struct mark){ 0 };
	return payload.n >= MARK_PAYLOAD_MIN && read_hex(payload.p, &m->device) &&
	       read_hex(payload.p + 8, &m->number);
}

void mark_token(const struct mark *m, uint8_t token[MARK_TOKEN])
{
	struct writer w = put_into(token, MARK_TOKEN);
	put_u16(&w, (uint16_t)m->device);
	put_u8(&w, m->side);
	put_u8(&w, m->index);
	put_u16(&w, (uint16_t)(m->number >> 16));
	put_u16(&w, (uint16_t)m->number);
}

bool mark_token_read(struct mark *m, struct slice token)
{
	struct cursor c = cur_of(token.p, token.n);
	m->device = cur_u16(&c);
	m->side = cur_u8(&c);
	m->index = cur_u8(&c);
	m->number = (uint32_t)cur_u16(&c) << 16;
	m->number |= cur_u16(&c);
	return !c.broken && cur_left(&c) == 0 && m->side <= MARK_OBSERVED;
}
