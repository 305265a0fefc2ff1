/* Whole handshakes in which datagrams are altered as they leave, to their end on virtual time. Beside
 * them lives a proven conversation between the same addresses; after them a genuine client comes.
 * Input: role (192 to 223: in DTLS 1.3, by PSK), flags (1: connection ids; 2: the proven one has data;
 * above: PSK, raw keys or certificates, or 4: in DTLS 1.3 the key alone), then alterations: STEP, which of
 * the handshake's datagrams, OP, and what OP wants. OP plus 16 says the genuine one too, before the
 * altered one, plus 32 behind it. Randomness is fixed, so keys and cookies are the same each time. */
#include <stdlib.h>
#include <string.h>
#include "exchange.h"
#include "tests/unit/fake_rand.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define ALTERATIONS 6
#define BEFORE      16
#define BEHIND      32
/* Longer than any deadline. */
#define LONG_MS 130000

enum op {
	OVERWRITE, /* PLACE(2) LENGTH BYTES */
	TURN,      /* PLACE(2) VALUE */
	CUT,       /* LENGTH(2) */
	EXTEND,    /* LENGTH BYTES */
	REPLACE,   /* PACKET: by any that left before */
	APPEND,    /* PACKET: a datagram of both */
	SPLIT,     /* PLACE(2): one handshake message in two fragments */
	LOSE,      /* what leaves next is the same step */
	TWICE,
	LATE,   /* TENS of ms */
	ROTATE, /* the listener's secret */
	FORGE,  /* DESCRIPTION: a fatal alert in plaintext before it */
	OPS
};

struct alteration {
	bool done;
	uint8_t step, op;
	uint16_t place;
	uint8_t value;
	struct slice bytes;
};

struct run {
	struct exchange *x;
	unsigned first; /* datagrams that had left before the handshake */
	unsigned count;
	unsigned lost, rotated, late, forged;
	bool harmed; /* somebody said what neither end would */
	struct alteration alteration[ALTERATIONS];
};

static struct slice take_bytes(struct cursor *c)
{
	size_t n = cur_u8(c);
	return cur_take(c, n < cur_left(c) ? n : cur_left(c));
}

static struct alteration read_alteration(struct cursor *c)
{
	struct alteration a = { .step = cur_u8(c), .op = cur_u8(c) };
	switch ((enum op)(a.op % BEFORE % OPS)) {
	case OVERWRITE:
		a.place = cur_u16(c);
		a.bytes = take_bytes(c);
		break;
	case TURN:
		a.place = cur_u16(c);
		a.value = cur_u8(c);
		break;
	case CUT:
	case SPLIT:
		a.place = cur_u16(c);
		break;
	case EXTEND:
		a.bytes = take_bytes(c);
		break;
	case REPLACE:
	case APPEND:
	case LATE:
	case FORGE:
		a.value = cur_u8(c);
		break;
	case LOSE:
	case TWICE:
	case ROTATE:
	case OPS:
		break;
	}
	return a;
}

/* ---- datagrams altered ---------------------------------------------------------------------- */

struct datagram {
	uint8_t bytes[EXCHANGE_MAX];
	size_t n;
};

static void lay(struct datagram *d, size_t place, const uint8_t *bytes, size_t n)
{
	if (place > EXCHANGE_MAX || n > EXCHANGE_MAX - place)
		n = place > EXCHANGE_MAX ? 0 : EXCHANGE_MAX - place;
	if (n == 0)
		return;
	memcpy(d->bytes + place, bytes, n);
	if (place + n > d->n)
		d->n = place + n;
}

#define RECORD    13
#define MESSAGE   12
#define NUMBER_AT 10

static void put_u24(uint8_t *to, size_t v)
{
	to[0] = (uint8_t)(v >> 16);
	to[1] = (uint8_t)(v >> 8);
	to[2] = (uint8_t)v;
}

/* The first record, one unfragmented message in plaintext, becomes two, whose second has a number far
 * ahead so that the rest of the flight keeps its own. RFC 6347 4.2.3. */
static void split(struct datagram *d, size_t place)
{
	if (d->n < RECORD + MESSAGE + 2 || d->bytes[0] != 22 || d->bytes[4] != 0)
		return;
	size_t length = (size_t)d->bytes[11] << 8 | d->bytes[12];
	if (length < MESSAGE + 2 || RECORD + length > d->n ||
		d->n + RECORD + MESSAGE > EXCHANGE_MAX)
		return;
	size_t body = length - MESSAGE;
	size_t cut = 1 + place % (body - 1);
	uint8_t *p = d->bytes, *second = p + RECORD + MESSAGE + cut;
	memmove(second + RECORD + MESSAGE, second, d->n - (RECORD + MESSAGE + cut));
	memcpy(second, p, RECORD + MESSAGE);
	d->n += RECORD + MESSAGE;
	p[11] = (uint8_t)((MESSAGE + cut) >> 8), p[12] = (uint8_t)(MESSAGE + cut);
	put_u24(p + RECORD + 9, cut);
	second[NUMBER_AT - 1] = 1;
	second[11] = (uint8_t)((MESSAGE + body - cut) >> 8);
	second[12] = (uint8_t)(MESSAGE + body - cut);
	put_u24(second + RECORD + 6, cut);
	put_u24(second + RECORD + 9, body - cut);
}

static const struct exchange_packet *earlier(const struct run *r, uint8_t which)
{
	return &r->x->packet[which % r->x->sent];
}

static void change(struct run *r, const struct alteration *a, struct datagram *d)
{
	const struct exchange_packet *p = earlier(r, a->value);
	switch ((enum op)(a->op % BEFORE % OPS)) {
	case OVERWRITE:
		lay(d, a->place % (d->n + 1), a->bytes.p, a->bytes.n);
		break;
	case TURN:
		d->bytes[a->place % d->n] ^= a->value;
		break;
	case CUT:
		d->n = 1 + a->place % d->n;
		break;
	case EXTEND:
		lay(d, d->n, a->bytes.p, a->bytes.n);
		break;
	case REPLACE:
		d->n = 0;
		lay(d, 0, p->bytes, p->n);
		break;
	case APPEND:
		lay(d, d->n, p->bytes, p->n);
		break;
	case SPLIT:
		split(d, a->place);
		break;
	case LOSE:
	case TWICE:
	case LATE:
	case ROTATE:
	case FORGE:
	case OPS:
		break;
	}
}

/* A datagram of this handshake, on the way that it went, beside the genuine one: what a network may
 * do. What a server said, thrown back at it, is a forgery. */
static bool is_repeat(const struct run *r, const struct alteration *a, enum exchange_way way)
{
	return earlier(r, a->value)->way == way && a->op % BEFORE % OPS == REPLACE && a->op & (BEFORE | BEHIND) &&
	       a->value % r->x->sent >= r->first;
}

/* What becomes of a datagram as such. Returns how often it leaves. */
static int fate(
	struct run *r, const struct alteration *a, enum exchange_way way, int64_t *late)
{
	switch ((enum op)(a->op % BEFORE % OPS)) {
	case LOSE:
		r->lost++;
		return 0;
	case TWICE:
		return 2;
	case LATE:
		r->late++;
		*late = a->value * 10;
		return 1;
	case ROTATE:
		r->rotated++;
		if (r->x->lan != NULL)
			dtls_listener_rotate(r->x->lan->listener);
		return 1;
	case FORGE:
		r->forged++;
		return 1;
	default:
		r->late += is_repeat(r, a, way);
		r->harmed |= !is_repeat(r, a, way);
		return 1;
	}
}

static void alter_one(struct run *r, const struct alteration *a, enum exchange_way way,
	const uint8_t *bytes, size_t n)
{
	struct datagram d = { .n = 0 };
	int64_t late = 0;
	lay(&d, 0, bytes, n);
	change(r, a, &d);
	int times = fate(r, a, way, &late);
	if (a->op % BEFORE % OPS == FORGE) {
		uint8_t alert[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 2, a->value };
		exchange_put(r->x, way, alert, sizeof(alert), 0);
	}
	if (a->op & BEFORE)
		exchange_put(r->x, way, bytes, n, 0);
	for (int i = 0; i < times; i++)
		exchange_put(r->x, way, d.bytes, d.n, late);
	if (a->op & BEHIND)
		exchange_put(r->x, way, bytes, n, 0);
}

static void alter(void *who, enum exchange_way way, const uint8_t *bytes, size_t n)
{
	struct run *r = who;
	unsigned step = r->x->sent - r->first;
	for (unsigned i = 0; i < r->count; i++)
		if (r->alteration[i].step == step && !r->alteration[i].done) {
			r->alteration[i].done = true;
			alter_one(r, &r->alteration[i], way, bytes, n);
			return;
		}
	exchange_put(r->x, way, bytes, n, 0);
}

/* ---- what must hold ------------------------------------------------------------------------- */

/* A conversation that nobody alters comes up, and passes data. */
static void converse(struct exchange *x, struct talk *t, bool with_data)
{
	talk_begin(x, t);
	exchange_run(x, 8 * EXCHANGE_MS);
	BUG_UNLESS(talk_client_is_up(t) && talk_server_is_up(x, t));
	BUG_UNLESS(!with_data || talk_passes(x, t));
}

static bool library_died(const struct talk *t)
{
	return (t->wolf_client != NULL && wolf_peer_is_dead(t->wolf_client)) ||
	       (t->wolf_server != NULL && wolf_peer_is_dead(t->wolf_server));
}

/* Nothing waits for ever: each session of ours is up or over. */
static void assert_over(const struct exchange *x, const struct talk *t)
{
	BUG_UNLESS(t->client == NULL || dtls_state(t->client) != DTLS_HANDSHAKE);
	for (unsigned i = 0; x->lan != NULL && i < x->lan->born; i++)
		BUG_UNLESS(x->lan->session[i].s == NULL ||
			   dtls_state(x->lan->session[i].s) == DTLS_UP);
}

/* Only who has the key may end a session that is up. */
static void assert_alive(const struct exchange *x, const struct talk *t)
{
	if (library_died(t))
		return;
	BUG_UNLESS(!t->was_up || !t->is_over);
	if (t->client != NULL && t->is_over)
		return; /* ours: an alert of it, under the new keys, ends the other side's too */
	for (unsigned i = 0; x->lan != NULL && i < x->lan->born; i++) {
		const struct lan_session *e = &x->lan->session[i];
		BUG_UNLESS(e->events[DTLS_ESTABLISHED] == 0 || e->s != NULL);
	}
}

/* A forged alert stands when the genuine answer did not come in time. */
static bool may_be_alerted(const struct run *r)
{
	return r->forged > 0 && (r->lost > 0 || r->late > 0);
}

/* Whatever a network does by itself, and a forged alert that the genuine answer follows, ends no
 * handshake. The library's own ends, without our filter, die of alerts, and of a cookie that is late. */
static bool may_fail(const struct run *r, const struct talk *t)
{
	return r->harmed || r->lost > 3 || r->rotated > 1 || may_be_alerted(r) ||
	       ((r->late > 0 || r->forged > 0) && library_died(t));
}

static void shake(struct run *r, struct talk *t)
{
	struct exchange *x = r->x;
	unsigned before = x->lan != NULL ? x->lan->born : 0;
	r->first = x->sent;
	x->alter = alter;
	x->who = r;
	talk_begin(x, t);
	exchange_run(x, LONG_MS);
	x->alter = NULL;
	assert_over(x, t);
	assert_alive(x, t);
	bool up = talk_client_is_up(t) && talk_server_is_up(x, t);
	BUG_UNLESS(up || may_fail(r, t));
	/* One client, one session: repeats of its hellos make no more, while that lives. */
	if (!r->harmed && r->lost <= 3 && !may_be_alerted(r) && x->lan != NULL)
		BUG_UNLESS(x->lan->born <= before + 1);
	if (up)
		BUG_UNLESS(talk_passes(x, t));
}

static struct exchange_spec take_spec(struct cursor *c)
{
	uint8_t role = cur_u8(c), flags = cur_u8(c);
	struct exchange_spec spec = { .role = role % EXCHANGE_ROLES, .v13 = role >> 5 == 6 };
	spec.cid = flags & 1;
	spec.old_speaks = flags & 2;
	spec.no_dhe = spec.v13 && flags & 4;
	if (!spec.v13)
		spec.kind = flags / 4 % EXCHANGE_KINDS;
	return spec;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	fake_rand_seed(1);
	struct cursor c = cur_of(bytes, n);
	struct exchange_spec spec = take_spec(&c);
	struct run r = { .x = exchange_create(&spec) };
	struct exchange *x = r.x;
	while (r.count < ALTERATIONS && cur_left(&c) > 1)
		r.alteration[r.count++] = read_alteration(&c);
	converse(x, &x->old, spec.old_speaks);
	BUG_UNLESS(x->old.client == NULL ||
		   (int)dtls_security_of(x->old.client) == (int)spec.kind);
	shake(&r, &x->fresh);
	BUG_UNLESS(talk_client_is_up(&x->old) && talk_server_is_up(x, &x->old));
	BUG_UNLESS(talk_passes(x, &x->old));
	talk_end(&x->fresh);
	converse(x, &x->fresh, true);
	talk_end(&x->fresh);
	talk_end(&x->old);
	exchange_free(x);
	return 0;
}
