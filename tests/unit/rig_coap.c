/* Writes the messages of the tests. */
#include <stdio.h>
#include <string.h>
#include "base/hex.h"
#include "rig.h"

#define TEXTS 16
#define TEXT_MAX 4096

/* A message being written. */
struct draft {
	uint8_t bytes[TEXT_MAX / 2 - 1];
	size_t n;
	unsigned last; /* number of the last option */
};

static const char *as_text(const struct draft *d)
{
	static char text[TEXTS][TEXT_MAX];
	static unsigned next;
	char *to = text[next++ % TEXTS];
	hex_encode(d->bytes, d->n, to);
	return to;
}

static void begin(struct draft *d, int type, const char *code, unsigned mid, const char *token)
{
	unsigned class, detail;
	ck_assert_int_eq(sscanf(code, "%u.%u", &class, &detail), 2);
	*d = (struct draft){ .n = 4 };
	long n = hex_decode(token, strlen(token), d->bytes + 4, 8);
	ck_assert_int_ge(n, 0);
	d->bytes[0] = (uint8_t)(0x40 | type << 4 | n);
	d->bytes[1] = (uint8_t)(class << 5 | detail);
	d->bytes[2] = (uint8_t)(mid >> 8);
	d->bytes[3] = (uint8_t)mid;
	d->n += (size_t)n;
}

static uint8_t nibble(unsigned v)
{
	return (uint8_t)(v < 13 ? v : v < 269 ? 13 : 14);
}

static void extend(struct draft *d, unsigned v)
{
	if (v >= 269) {
		d->bytes[d->n++] = (uint8_t)((v - 269) >> 8);
		d->bytes[d->n++] = (uint8_t)(v - 269);
	} else if (v >= 13) {
		d->bytes[d->n++] = (uint8_t)(v - 13);
	}
}

static void option(struct draft *d, unsigned number, const void *value, size_t n)
{
	unsigned delta = number - d->last;
	ck_assert_uint_lt(d->n + n + 5, sizeof(d->bytes));
	d->bytes[d->n++] = (uint8_t)(nibble(delta) << 4 | nibble((unsigned)n));
	extend(d, delta);
	extend(d, (unsigned)n);
	memcpy(d->bytes + d->n, value, n);
	d->n += n;
	d->last = number;
}

/* Options of one number, cut out of the text at the separator, up to the end. */
static void options(struct draft *d, unsigned number, const char *text, const char *end, char separator)
{
	while (text < end) {
		const char *to = memchr(text, separator, (size_t)(end - text));
		to = to == NULL ? end : to;
		option(d, number, text, (size_t)(to - text));
		text = to + 1;
	}
}

const char *coap(int type, const char *code, unsigned mid, const char *token, const char *uri)
{
	struct draft d;
	begin(&d, type, code, mid, token);
	const char *end = uri == NULL ? NULL : uri + strlen(uri);
	const char *query = uri == NULL ? NULL : strchr(uri, '?');
	options(&d, MSG_OPT_URI_PATH, uri, query == NULL ? end : query, '/');
	if (query != NULL)
		options(&d, MSG_OPT_URI_QUERY, query + 1, end, '&');
	return as_text(&d);
}

const char *located(int type, const char *code, unsigned mid, const char *token, const char *location)
{
	struct draft d;
	begin(&d, type, code, mid, token);
	options(&d, MSG_OPT_LOCATION_PATH, location, location + strlen(location), '/');
	return as_text(&d);
}

const char *empty(int type, unsigned mid)
{
	return coap(type, "0.00", mid, "", NULL);
}

const char *refusal(const char *code, unsigned mid, const char *token, int max_age_s)
{
	struct draft d;
	begin(&d, ACK, code, mid, token);
	uint8_t age = (uint8_t)max_age_s;
	if (max_age_s >= 0)
		option(&d, MSG_OPT_MAX_AGE, &age, max_age_s != 0);
	return as_text(&d);
}
