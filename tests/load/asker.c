/* What the server asks: see asker.h. */
#include "asker.h"
#include <errno.h>
#include <stdlib.h>
#include "net.h"
#include "pace.h"

struct asker {
	struct paths *paths;
	void (*send)(const struct path *to, uint8_t *message, size_t n);
	struct asker_order order;
	struct book *book; /* NULL before the first order */
	struct pace pace;
	uint64_t notified; /* since the order */
	bool asks;
};

struct asker *asker_create(
	struct paths *paths, void (*send)(const struct path *to, uint8_t *message, size_t n))
{
	struct asker *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->paths = paths;
	a->send = send;
	return a;
}

/* A notification, or the head of a request. */
static void put_head(
	struct writer *w, const struct path *to, const struct exchange *x, unsigned *last)
{
	uint8_t own[MARK_TOKEN];
	struct mark m = { x->device, x->number, MARK_SERVER, x->index };
	mark_token(&m, own);
	switch ((enum asker_kind)x->kind) {
	case ASKER_NOTIFY:
	case ASKER_CONFIRM:
		codec_put_header(w, x->kind == ASKER_CONFIRM ? CODEC_CON : CODEC_NON, CODEC_CONTENT,
			x->mid, (struct slice){ to->token, MARK_TOKEN });
		codec_put_number(w, last, CODEC_OPT_OBSERVE, x->number & 0xffffff);
		return;
	case ASKER_OBSERVE:
		codec_put_header(
			w, CODEC_CON, CODEC_GET, x->mid, (struct slice){ own, MARK_TOKEN });
		codec_put_number(w, last, CODEC_OPT_OBSERVE, 0);
		break;
	case ASKER_WRITE:
		codec_put_header(
			w, CODEC_CON, CODEC_PUT, x->mid, (struct slice){ own, MARK_TOKEN });
		break;
	}
	codec_put_option(w, last, CODEC_OPT_URI_PATH, slice_str("dp"));
}

static void emit(void *owner, struct exchange *x)
{
	struct asker *a = owner;
	const struct path *to = paths_of(a->paths, x->device);
	uint8_t room[NET_ROOM], payload[MARK_PAYLOAD_MAX];
	struct writer w = put_into(room, sizeof(room));
	struct mark m = book_mark(a->book, x);
	unsigned last = 0;
	if (to == NULL)
		return;
	put_head(&w, to, x, &last);
	if (x->kind != ASKER_OBSERVE) {
		mark_payload(&m, payload, a->order.payload);
		codec_put_payload(&w, (struct slice){ payload, a->order.payload });
	}
	BUG_UNLESS(!w.broken);
	a->send(to, room, put_len(&w));
}

int asker_begin(struct asker *a, const struct asker_order *order)
{
	struct book_spec spec = { .devices = order->devices,
		.window = order->window,
		.side = MARK_SERVER,
		.timeout = order->timeout,
		.seed = order->seed,
		.emit = emit,
		.owner = a };
	if (a->book != NULL && book_outstanding(a->book) > 0)
		return -EBUSY;
	struct book *book = book_create(&spec);
	if (book == NULL)
		return -ENOMEM;
	book_free(a->book);
	a->book = book;
	a->order = *order;
	for (uint32_t i = 0; i < order->devices; i++) {
		const struct path *to = paths_of(a->paths, i);
		if (to != NULL && (order->kind != ASKER_NOTIFY || to->observes))
			book_admit(book, i, order->kind != ASKER_OBSERVE);
	}
	a->notified = 0;
	pace_begin(&a->pace, order->rate, order->inflight, net_now());
	a->asks = true;
	return 0;
}

void asker_stop(struct asker *a)
{
	a->asks = false;
}

/* Says the next thing to a device drawn by chance. False when every window is full. */
static bool ask(struct asker *a, int64_t meant)
{
	enum asker_kind kind = a->order.kind;
	if (!book_can_ask(a->book))
		return false;
	a->notified += kind == ASKER_NOTIFY;
	if (kind == ASKER_NOTIFY && a->order.confirm != 0 && a->notified % a->order.confirm == 0)
		kind = ASKER_CONFIRM;
	struct exchange *x = book_ask(a->book, (uint8_t)kind, meant, 0);
	if (x != NULL && kind == ASKER_NOTIFY)
		book_end(a->book, x, true); /* nothing comes back */
	return x != NULL;
}

int64_t asker_turn(struct asker *a)
{
	int64_t meant;
	if (a->book == NULL)
		return INT64_MAX;
	int64_t until = book_expire(a->book, net_now(), a->order.kind == ASKER_OBSERVE);
	while (a->asks && pace_may(&a->pace, book_outstanding(a->book), net_now(), &meant)) {
		if (!ask(a, meant))
			break;
		pace_left(&a->pace);
	}
	if (until == INT64_MAX && book_outstanding(a->book) > 0)
		until = net_now() + a->order.timeout;
	if (!a->asks || !book_can_ask(a->book))
		return until;
	int64_t next = pace_next(&a->pace, book_outstanding(a->book));
	return next < until ? next : until;
}

static bool is_right(const struct asker *a, const struct exchange *x, const struct codec_message *m)
{
	struct mark mark = book_mark(a->book, x);
	bool observes = a->order.kind == ASKER_OBSERVE;
	if (m->type == CODEC_ACK && m->mid != x->mid)
		return false;
	if (observes)
		return m->code == CODEC_CONTENT && m->observe != CODEC_NONE &&
		       mark_payload_fits(&mark, m->payload);
	return m->code == CODEC_CHANGED && m->payload.n == a->order.payload &&
	       mark_payload_fits(&mark, m->payload);
}

void asker_take(struct asker *a, const struct path *from, const struct codec_message *m)
{
	if (a->book == NULL || from->device >= a->order.devices)
		return;
	struct exchange *x = book_match(a->book, from->device, m);
	if (x == NULL)
		return;
	if (!is_right(a, x, m)) {
		book_tally(a->book)->bad++;
		return;
	}
	book_succeed(a->book, x);
	book_end(a->book, x, a->order.kind == ASKER_WRITE);
}

void asker_acknowledged(struct asker *a, const struct path *from, uint16_t mid)
{
	if (a->book == NULL || from->device >= a->order.devices)
		return;
	struct exchange *x = book_by_mid(a->book, from->device, mid);
	if (x == NULL || x->kind != ASKER_CONFIRM)
		return;
	book_succeed(a->book, x);
	book_end(a->book, x, true);
}

uint64_t asker_notified(const struct asker *a)
{
	return a->notified;
}

struct tally *asker_tally(struct asker *a)
{
	return a->book != NULL ? book_tally(a->book) : NULL;
}

size_t asker_outstanding(const struct asker *a)
{
	return a->book != NULL ? book_outstanding(a->book) : 0;
}
