/* A book of exchanges: see book.h.
 *
 * Each device has window exchanges. Free ones lie in one array from which the next one is drawn by
 * chance; waiting ones form a queue by the time of their last sending, so that the oldest is always the
 * first to run out. With turns, what is over goes to a second array until the first is empty. */
#include "book.h"
#include <stdlib.h>
#include "net.h"

/* Requests of a device whose outcome is remembered, to tell a late answer from a double one. */
#define REMEMBERED 64

struct party {
	uint32_t number;   /* of its last request */
	uint16_t mid;      /* of its last request */
	bool seen;         /* was answered since book_watch */
	uint32_t answers;  /* since book_reset_answers */
	uint64_t answered; /* bit i: its request number - i was answered */
};

struct book {
	struct book_spec spec;
	struct party *party;
	struct exchange *exchange;
	uint32_t *ready; /* free exchanges */
	size_t ready_count;
	uint32_t *later; /* free ones that have had their turn */
	size_t later_count;
	uint32_t turn;  /* how often all had their turn */
	bool is_greedy; /* device 0 is now what spec.greedy says */
	struct list waiting;
	size_t waiting_count;
	uint64_t chance;
	int64_t watched; /* since when, 0: not */
	unsigned unseen; /* devices that were not answered since */
	int64_t all_seen;
	struct tally tally;
};

/* xorshift64*: the order of devices need not be secret, only repeatable. */
uint32_t book_draw(struct book *b, uint32_t n)
{
	b->chance ^= b->chance >> 12;
	b->chance ^= b->chance << 25;
	b->chance ^= b->chance >> 27;
	return (uint32_t)((b->chance * 0x2545f4914f6cdd1dULL >> 32) * n >> 32);
}

struct book *book_create(const struct book_spec *spec)
{
	struct book *b = calloc(1, sizeof(*b));
	size_t n = (size_t)spec->devices * spec->window;
	if (b == NULL)
		return NULL;
	b->spec = *spec;
	b->chance = spec->seed;
	b->party = calloc(spec->devices, sizeof(*b->party));
	b->exchange = calloc(n, sizeof(*b->exchange));
	b->ready = calloc(n, sizeof(*b->ready));
	b->later = calloc(n, sizeof(*b->later));
	list_init(&b->waiting);
	if (b->party == NULL || b->exchange == NULL || b->ready == NULL || b->later == NULL) {
		book_free(b);
		return NULL;
	}
	for (unsigned i = 0; i < spec->devices; i++)
		b->party[i].mid = (uint16_t)book_draw(b, 65536);
	for (size_t i = 0; i < n; i++) {
		b->exchange[i].device = (uint32_t)(i / spec->window);
		b->exchange[i].index = (uint8_t)(i % spec->window);
	}
	return b;
}

void book_free(struct book *b)
{
	if (b == NULL)
		return;
	free(b->party);
	free(b->exchange);
	free(b->ready);
	free(b->later);
	free(b);
}

struct tally *book_tally(struct book *b)
{
	return &b->tally;
}

/* ---- who may ask ---------------------------------------------------------------------------- */

static void ready_put(struct book *b, uint32_t i)
{
	b->exchange[i].place = (uint32_t)b->ready_count;
	b->ready[b->ready_count++] = i;
}

static struct exchange *ready_take(struct book *b, size_t place)
{
	uint32_t i = b->ready[place];
	uint32_t last = b->ready[--b->ready_count];
	b->ready[place] = last;
	b->exchange[last].place = (uint32_t)place;
	return &b->exchange[i];
}

void book_clear(struct book *b)
{
	while (!list_is_empty(&b->waiting)) {
		struct exchange *x = container_of(b->waiting.next, struct exchange, queue);
		list_remove(&x->queue);
		x->waits = false;
	}
	b->waiting_count = b->ready_count = b->later_count = 0;
	b->is_greedy = false;
}

void book_admit(struct book *b, uint32_t device, bool whole)
{
	uint32_t first = device * b->spec.window;
	for (uint32_t i = 0; i < (whole ? b->spec.window : 1); i++)
		ready_put(b, first + i);
	b->is_greedy |= whole && device == 0 && b->spec.greedy != 0;
}

/* All have had their turn. */
static void turn_over(struct book *b)
{
	b->turn++;
	while (b->later_count > 0)
		ready_put(b, b->later[--b->later_count]);
}

/* An exchange of the greedy device, which does not wait: when it has none free, one is given up. */
static struct exchange *draw_greedy(struct book *b)
{
	for (uint32_t i = 0; i < b->spec.window; i++)
		if (!b->exchange[i].waits)
			return ready_take(b, b->exchange[i].place);
	struct exchange *x = &b->exchange[book_draw(b, b->spec.window)];
	b->tally.lost++;
	book_end(b, x, true);
	return ready_take(b, x->place);
}

static struct exchange *draw(struct book *b)
{
	if (b->ready_count == 0 && b->later_count > 0)
		turn_over(b);
	if (b->ready_count == 0)
		return NULL;
	if (b->is_greedy && book_draw(b, b->spec.greedy + b->spec.devices - 1) < b->spec.greedy)
		return draw_greedy(b);
	return ready_take(b, book_draw(b, (uint32_t)b->ready_count));
}

/* ---- exchanges ------------------------------------------------------------------------------ */

uint32_t book_number(struct book *b, uint32_t device, uint16_t *mid)
{
	struct party *p = &b->party[device];
	p->answered <<= 1;
	*mid = ++p->mid;
	return ++p->number;
}

static void leave(struct book *b, struct exchange *x, unsigned tries)
{
	x->number = book_number(b, x->device, &x->mid);
	x->tries = tries;
	x->sent = net_now();
	b->tally.sent++;
	list_append(&b->waiting, &x->queue);
	b->spec.emit(b->spec.owner, x);
}

bool book_can_ask(const struct book *b)
{
	return b->ready_count + b->later_count > 0;
}

struct exchange *book_ask(struct book *b, uint8_t kind, int64_t meant, unsigned tries)
{
	struct exchange *x = draw(b);
	if (x == NULL)
		return NULL;
	x->kind = kind;
	x->turn = b->turn;
	x->step = 0;
	x->meant = meant;
	x->waits = true;
	b->waiting_count++;
	leave(b, x, tries);
	return x;
}

void book_ask_on(struct book *b, struct exchange *x, unsigned tries)
{
	list_remove(&x->queue);
	x->meant = net_now();
	leave(b, x, tries);
}

void book_end(struct book *b, struct exchange *x, bool again)
{
	list_remove(&x->queue);
	b->waiting_count--;
	x->waits = false;
	/* One that was still outstanding when a turn began takes part in it. */
	if (again && b->spec.turns && x->turn == b->turn)
		b->later[b->later_count++] = (uint32_t)(x - b->exchange);
	else if (again)
		ready_put(b, (uint32_t)(x - b->exchange));
}

static void see(struct book *b, struct party *p, int64_t now)
{
	if (b->watched == 0 || p->seen)
		return;
	p->seen = true;
	if (--b->unseen == 0)
		b->all_seen = now;
}

void book_succeed(struct book *b, struct exchange *x)
{
	struct party *p = &b->party[x->device];
	int64_t now = net_now();
	uint32_t age = p->number - x->number;
	b->tally.ok++;
	hist_add(&b->tally.latency, now - x->meant);
	p->answers++;
	see(b, p, now);
	if (age < REMEMBERED)
		p->answered |= 1ull << age;
}

int64_t book_expire(struct book *b, int64_t now, bool once)
{
	while (!list_is_empty(&b->waiting)) {
		struct exchange *x = container_of(b->waiting.next, struct exchange, queue);
		if (now - x->sent < b->spec.timeout)
			return x->sent + b->spec.timeout;
		if (x->tries == 0) {
			b->tally.lost++;
			book_end(b, x, !once);
			continue;
		}
		x->tries--;
		b->tally.resent++;
		list_remove(&x->queue);
		x->sent = now;
		list_append(&b->waiting, &x->queue);
		b->spec.emit(b->spec.owner, x);
	}
	return INT64_MAX;
}

/* ---- answers -------------------------------------------------------------------------------- */

static bool was_answered(const struct party *p, uint32_t number)
{
	uint32_t age = p->number - number;
	return age < REMEMBERED && (p->answered >> age & 1) != 0;
}

struct exchange *book_match(struct book *b, uint32_t device, const struct codec_message *m)
{
	struct mark t, p;
	bool readable = mark_token_read(&t, m->token) && t.side == b->spec.side &&
			t.index < b->spec.window && t.device < b->spec.devices;
	if (!readable) {
		b->tally.bad++;
		return NULL;
	}
	bool named = mark_payload_read(&p, m->payload);
	if (t.device != device || (named && p.device != device)) {
		b->tally.foreign++;
		return NULL;
	}
	struct exchange *x = &b->exchange[device * b->spec.window + t.index];
	if (x->waits && x->number == t.number)
		return x;
	bool twice = was_answered(&b->party[device], t.number);
	b->tally.dup += twice;
	b->tally.late += !twice;
	b->party[device].answers += !twice;
	return NULL;
}

struct exchange *book_by_mid(struct book *b, uint32_t device, uint16_t mid)
{
	struct exchange *x = book_first(b, device);
	for (unsigned i = 0; i < b->spec.window; i++)
		if (x[i].waits && x[i].mid == mid)
			return &x[i];
	return NULL;
}

struct exchange *book_first(struct book *b, uint32_t device)
{
	return &b->exchange[device * b->spec.window];
}

struct mark book_mark(const struct book *b, const struct exchange *x)
{
	return (struct mark){ x->device, x->number, (uint8_t)b->spec.side, x->index };
}

size_t book_outstanding(const struct book *b)
{
	return b->waiting_count;
}

/* ---- who was answered ----------------------------------------------------------------------- */

void book_watch(struct book *b, int64_t now)
{
	for (unsigned i = 0; i < b->spec.devices; i++)
		b->party[i].seen = false;
	b->unseen = b->spec.devices;
	b->watched = now;
	b->all_seen = 0;
}

int64_t book_all_answered(const struct book *b)
{
	return b->all_seen;
}

uint32_t book_answers(const struct book *b, uint32_t device)
{
	return b->party[device].answers;
}

void book_reset_answers(struct book *b)
{
	for (unsigned i = 0; i < b->spec.devices; i++)
		b->party[i].answers = 0;
}
