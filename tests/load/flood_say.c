/* Hellos and junk: see flood_say.h. */
#include "flood_say.h"
#include <errno.h>
#include <string.h>
#include "dtls/dtls.h"

#define RECORD    13
#define MESSAGE   12
#define RANDOM_AT (RECORD + MESSAGE + 2)
#define RANDOM    32
/* Behind the random: length of a session id, which is 0, and of a cookie. */
#define COOKIE_AT (RANDOM_AT + RANDOM + 1)

struct said {
	size_t n;
	uint8_t bytes[SAY_MAX];
};

static struct said hello;
static struct said heard[SAY_HEARD];
static unsigned heard_count, heard_ever;
static uint64_t chance = 1;

/* ---- chance --------------------------------------------------------------------------------- */

void say_seed(uint64_t seed)
{
	chance = seed;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t say_draw(void)
{
	return mix(chance += 0x9e3779b97f4a7c15);
}

static unsigned below(unsigned n)
{
	return (unsigned)((say_draw() >> 32) * n >> 32);
}

static void fill(uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)say_draw();
}

/* ---- hellos --------------------------------------------------------------------------------- */

static void keep_hello(void *who, const uint8_t *datagram, size_t n)
{
	(void)who;
	BUG_UNLESS(n > COOKIE_AT && n <= SAY_MAX);
	memcpy(hello.bytes, datagram, n);
	hello.n = n;
}

int say_learn(bool cid, struct slice private_key, struct slice trust)
{
	static const struct dtls_calls calls = { keep_hello };
	struct dtls_profile_spec shared = { .cid = cid,
		.calls = &calls,
		.trust = trust,
		.security = private_key.n > 0 ? DTLS_RPK : DTLS_PSK };
	struct dtls_session_spec own = {
		.psk = { slice_str("flood"), slice_str("0123456789abcdef") },
		.pair.private_key = private_key,
		.deadline_ms = 1000,
	};
	struct dtls_profile *profile = NULL;
	struct dtls_session *session = NULL;
	int rc = dtls_profile_create(&profile, &shared);
	if (rc == 0)
		rc = dtls_connect(&session, profile, &own, (struct mono){ 0 });
	dtls_forget(&session);
	dtls_profile_free(profile);
	return rc != 0 || hello.n != 0 ? rc : -EPROTO;
}

static void put_size(uint8_t *at, size_t bytes, size_t value)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

size_t say_hello(uint8_t room[SAY_MAX], uint64_t client, struct slice cookie)
{
	size_t n = hello.n + cookie.n;
	if (cookie.n > 255 || n > SAY_MAX)
		return 0;
	memcpy(room, hello.bytes, COOKIE_AT);
	for (size_t i = 0; i < RANDOM; i += 8) {
		uint64_t v = mix(client * 4 + i / 8 + 1);
		memcpy(room + RANDOM_AT + i, &v, 8);
	}
	room[COOKIE_AT] = (uint8_t)cookie.n;
	if (cookie.n > 0)
		memcpy(room + COOKIE_AT + 1, cookie.p, cookie.n);
	memcpy(room + COOKIE_AT + 1 + cookie.n, hello.bytes + COOKIE_AT + 1,
		hello.n - COOKIE_AT - 1);
	/* The second hello of a client: the next record, the next message (RFC 6347 4.2.2). */
	room[RECORD - 3] = room[RECORD + 5] = cookie.n > 0;
	put_size(room + RECORD - 2, 2, n - RECORD);
	put_size(room + RECORD + 1, 3, n - RECORD - MESSAGE);
	put_size(room + RECORD + 9, 3, n - RECORD - MESSAGE);
	return n;
}

static bool is_message(const uint8_t *d, size_t n, uint8_t type)
{
	return n > RECORD + MESSAGE && d[0] == 22 && d[RECORD] == type;
}

struct slice say_cookie_of(const uint8_t *d, size_t n)
{
	struct cursor c = cur_of(d, n);
	(void)cur_take(&c, RECORD + MESSAGE + 2);
	struct slice cookie = cur_take(&c, cur_u8(&c));
	bool is_one = is_message(d, n, 3) && !c.broken;
	return is_one ? cookie : (struct slice){ NULL, 0 };
}

bool say_is_server_hello(const uint8_t *d, size_t n)
{
	return is_message(d, n, 2);
}

/* ---- junk ----------------------------------------------------------------------------------- */

void say_hear(const uint8_t *datagram, size_t n)
{
	struct said *to = &heard[heard_ever++ % SAY_HEARD];
	to->n = n < SAY_MAX ? n : SAY_MAX;
	memcpy(to->bytes, datagram, to->n);
	heard_count += heard_count < SAY_HEARD;
}

unsigned say_heard(void)
{
	return heard_count;
}

/* A header; all its fields likely ones or any. The length is what is said to follow. */
static void put_header(uint8_t *at, uint8_t type, size_t length)
{
	static const uint8_t versions[][2] = { { 0xfe, 0xfd }, { 0xfe, 0xff }, { 0xfe, 0xfc },
		{ 3, 3 } };
	unsigned odd = below(8);
	fill(at, RECORD);
	at[0] = type;
	memcpy(at + 1, versions[odd == 0 ? below(4) : 0], 2);
	put_size(at + 3, 2, odd == 1 ? below(65536) : below(3));
	if (odd != 2)
		put_size(at + 5, 6, below(64));
	put_size(at + 11, 2, odd == 3 ? below(65536) : length);
}

/* A handshake message of any type, whole or a fragment, honest about its size or not. */
static size_t put_message(uint8_t *at, size_t body)
{
	fill(at, MESSAGE + body);
	at[0] = (uint8_t)below(26);
	put_size(at + 1, 3, below(4) == 0 ? below(1 << 24) : body);
	put_size(at + 4, 2, below(4));
	put_size(at + 6, 3, below(4) == 0 ? below(4096) : 0);
	put_size(at + 9, 3, below(4) == 0 ? below(1 << 24) : body);
	return MESSAGE + body;
}

/* Alert, ChangeCipherSpec and heartbeat as they look, others as any bytes. */
static size_t put_body(uint8_t *at, uint8_t type)
{
	size_t n = below(200);
	if (type == 22)
		return put_message(at, n);
	fill(at, n + 2);
	if (type == 20)
		at[0] = 1;
	if (type == 21)
		at[0] = (uint8_t)(1 + below(2));
	return type == 20 ? 1 : type == 21 ? 2 : n;
}

/* One record: of a known type mostly, now and then a unified header of DTLS 1.3 (001CSLEE), or none. */
static size_t put_record(uint8_t *at)
{
	unsigned kind = below(16);
	uint8_t type = kind == 0   ? (uint8_t)(0x20 + below(32))
		       : kind == 1 ? (uint8_t)below(256)
				   : (uint8_t)(20 + below(7));
	size_t n = put_body(at + RECORD, type);
	put_header(at, type, n);
	if (kind == 0) /* as short as such headers are */
		fill(at + 1, RECORD - 1);
	return RECORD + n;
}

/* Nearly CoAP: requests and answers with a token and a few options. */
static size_t put_coap(uint8_t *at)
{
	static const uint8_t codes[] = { 0, 1, 2, 3, 4, 0x41, 0x44, 0x45, 0x84 };
	size_t token = below(9), n = 4 + token;
	fill(at, n);
	at[0] = (uint8_t)(0x40 | below(4) << 4 | token);
	at[1] = codes[below(sizeof(codes))];
	for (unsigned i = below(4); i > 0; i--) {
		size_t length = below(13);
		at[n] = (uint8_t)(below(13) << 4 | length);
		fill(at + n + 1, length);
		n += 1 + length;
	}
	return n;
}

static size_t put_hello(uint8_t room[SAY_MAX])
{
	uint8_t cookie[40];
	fill(cookie, sizeof(cookie));
	return say_hello(room, say_draw(), (struct slice){ cookie, below(2) * 32 });
}

size_t say_again(uint8_t room[SAY_MAX])
{
	if (heard_count == 0)
		return put_record(room);
	const struct said *s = &heard[below(heard_count)];
	memcpy(room, s->bytes, s->n);
	return s->n;
}

static size_t put_several(uint8_t room[SAY_MAX])
{
	size_t n = 0;
	for (unsigned i = 1 + below(3); i > 0; i--)
		n += put_record(room + n);
	return n;
}

static size_t alter(uint8_t *bytes, size_t n)
{
	if (n == 0)
		return 0;
	switch (below(5)) {
	case 0:
		return below((unsigned)n);
	case 1:
		bytes[0] = (uint8_t)(20 + below(7));
		return n;
	case 2:
		bytes[below((unsigned)n)] ^= (uint8_t)(1 + below(255));
		return n;
	case 3: /* another record behind it */
		return n + RECORD + 230 < SAY_MAX ? n + put_record(bytes + n) : n;
	default:
		return n;
	}
}

size_t say_junk(uint8_t room[SAY_MAX])
{
	size_t n;
	switch (below(9)) {
	case 8:
		return alter(room, put_coap(room));
	case 0:
		n = below(400);
		fill(room, n);
		return n;
	case 1:
		return alter(room, put_hello(room));
	case 2:
	case 3:
	case 4:
		return alter(room, say_again(room));
	default:
		return alter(room, put_several(room));
	}
}
