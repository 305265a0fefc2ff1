/* The codec of the seam:
 *   u8 version, u8 type, u16 length of the whole, then what the type has.
 * Texts and lists carry their count before them; addresses are 16 bytes, IPv4 mapped. */
#include "wire.h"
#include <errno.h>
#include <string.h>
#include "base/cursor.h"

#define HEAD 4

static void put_u32(struct writer *w, uint32_t v)
{
	put_u16(w, (uint16_t)(v >> 16));
	put_u16(w, (uint16_t)v);
}

static uint32_t cur_u32(struct cursor *c)
{
	uint32_t high = cur_u16(c);
	return high << 16 | cur_u16(c);
}

/* A count that has room here; more breaks the cursor. */
static size_t cur_count(struct cursor *c, size_t most)
{
	size_t n = cur_u16(c);
	if (n > most)
		c->broken = true;
	return c->broken ? 0 : n;
}

static bool cur_bool(struct cursor *c)
{
	uint8_t v = cur_u8(c);
	if (v > 1)
		c->broken = true;
	return v == 1;
}

static void put_text(struct writer *w, const char *text, size_t size)
{
	size_t n = strnlen(text, size - 1);
	put_u16(w, (uint16_t)n);
	put_bytes(w, text, n);
}

/* A text without a zero inside; the end is added. */
static void cur_text(struct cursor *c, char *text, size_t size)
{
	struct slice s = cur_take(c, cur_count(c, size - 1));
	if (s.n > 0 && memchr(s.p, '\0', s.n) != NULL)
		c->broken = true;
	if (s.n > 0)
		memcpy(text, s.p, s.n);
	text[s.n] = '\0';
}

/* ---- the wanted state -------------------------------------------------------------------------- */

static void put_listen(struct writer *w, const struct capture_listen *l)
{
	put_u16(w, (uint16_t)l->interface_count);
	for (size_t i = 0; i < l->interface_count; i++)
		put_text(w, l->interface[i], IF_NAMESIZE);
	put_u16(w, (uint16_t)l->port_count);
	for (size_t i = 0; i < l->port_count; i++)
		put_u16(w, l->port[i]);
	put_u16(w, (uint16_t)l->server_count);
	for (size_t i = 0; i < l->server_count; i++)
		put_bytes(w, l->server[i].ip, sizeof(l->server[i].ip));
	put_u8(w, l->is_narrow);
	put_u8(w, l->is_closed);
}

static void cur_listen(struct cursor *c, struct capture_listen *l)
{
	l->interface_count = cur_count(c, CAPTURE_INTERFACES);
	for (size_t i = 0; i < l->interface_count; i++)
		cur_text(c, l->interface[i], IF_NAMESIZE);
	l->port_count = cur_count(c, CAPTURE_PORTS);
	for (size_t i = 0; i < l->port_count; i++)
		l->port[i] = cur_u16(c);
	l->server_count = cur_count(c, CAPTURE_SERVERS);
	for (size_t i = 0; i < l->server_count; i++) {
		struct slice s = cur_take(c, sizeof(l->server[i].ip));
		if (s.n > 0)
			memcpy(l->server[i].ip, s.p, s.n);
	}
	l->is_narrow = cur_bool(c);
	l->is_closed = cur_bool(c);
}

static void put_set(struct writer *w, const struct capture *s)
{
	put_u32(w, s->generation);
	put_u32(w, s->mark);
	put_u32(w, s->mask);
	put_u16(w, (uint16_t)s->listen_count);
	for (size_t i = 0; i < s->listen_count; i++)
		put_listen(w, &s->listen[i]);
}

static void cur_set(struct cursor *c, struct capture *s)
{
	s->generation = cur_u32(c);
	s->mark = cur_u32(c);
	s->mask = cur_u32(c);
	s->listen_count = cur_count(c, CAPTURE_LISTENS);
	for (size_t i = 0; i < s->listen_count; i++)
		cur_listen(c, &s->listen[i]);
}

/* A wanted state that plan_check would refuse for its counts can not be written at all. */
static bool has_bounds(const struct capture *s)
{
	bool good = s->listen_count <= CAPTURE_LISTENS;
	for (size_t i = 0; good && i < s->listen_count; i++)
		good = s->listen[i].interface_count <= CAPTURE_INTERFACES &&
			s->listen[i].port_count <= CAPTURE_PORTS &&
			s->listen[i].server_count <= CAPTURE_SERVERS;
	return good;
}

/* ---- all types --------------------------------------------------------------------------------- */

static void put_counts(struct writer *w, const struct capture_counts *c)
{
	put_u32(w, c->rules);
	put_u32(w, c->routes);
	put_u32(w, c->tables);
	put_u32(w, c->flows);
}

static void put_body(struct writer *to, const struct wire *w)
{
	switch (w->type) {
	case WIRE_WAKE:
		return;
	case WIRE_SOCKET:
		put_u32(to, w->id);
		return;
	case WIRE_SET:
		to->broken |= !has_bounds(&w->set);
		if (!to->broken)
			put_set(to, &w->set);
		return;
	case WIRE_LEAVE:
		put_u8(to, w->keep_closed);
		return;
	case WIRE_READY:
	case WIRE_REFUSED:
	case WIRE_DONE:
		put_u32(to, w->answer.generation);
		put_u16(to, w->answer.code);
		put_text(to, w->answer.text, sizeof(w->answer.text));
		return;
	case WIRE_MADE:
		put_u32(to, w->made.id);
		put_u16(to, w->made.code);
		return;
	case WIRE_COUNTS:
		put_counts(to, &w->counts);
		return;
	}
	BUG("a message of no type");
}

long wire_write(const struct wire *w, uint8_t *room, size_t size)
{
	struct writer to = put_into(room, size < WIRE_MAX ? size : WIRE_MAX);
	put_u8(&to, WIRE_VERSION);
	put_u8(&to, (uint8_t)w->type);
	put_u16(&to, 0);
	put_body(&to, w);
	if (to.broken)
		return -EMSGSIZE;
	size_t n = put_len(&to);
	room[2] = (uint8_t)(n >> 8);
	room[3] = (uint8_t)n;
	return (long)n;
}

static void cur_answer(struct cursor *c, struct wire_answer *a)
{
	a->generation = cur_u32(c);
	a->code = cur_u16(c);
	cur_text(c, a->text, sizeof(a->text));
}

static void cur_body(struct cursor *c, struct wire *w, uint8_t type)
{
	switch (type) {
	case WIRE_WAKE:
		break;
	case WIRE_SOCKET:
		w->id = cur_u32(c);
		break;
	case WIRE_SET:
		cur_set(c, &w->set);
		break;
	case WIRE_LEAVE:
		w->keep_closed = cur_bool(c);
		break;
	case WIRE_READY:
	case WIRE_REFUSED:
	case WIRE_DONE:
		cur_answer(c, &w->answer);
		break;
	case WIRE_MADE:
		w->made.id = cur_u32(c);
		w->made.code = cur_u16(c);
		break;
	case WIRE_COUNTS:
		w->counts.rules = cur_u32(c);
		w->counts.routes = cur_u32(c);
		w->counts.tables = cur_u32(c);
		w->counts.flows = cur_u32(c);
		break;
	default:
		c->broken = true;
	}
}

int wire_read(struct wire *w, const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_of(bytes, n);
	memset(w, 0, sizeof(*w));
	if (n < HEAD)
		return -EBADMSG;
	if (cur_u8(&c) != WIRE_VERSION)
		return -EPROTO;
	uint8_t type = cur_u8(&c);
	if (cur_u16(&c) != n)
		return -EBADMSG;
	cur_body(&c, w, type);
	if (c.broken || cur_left(&c) != 0)
		return -EBADMSG;
	w->type = (enum wire_type)type;
	return 0;
}
