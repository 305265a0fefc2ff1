/* What the echo server says: see answer.h. */
#include "answer.h"
#include <stdio.h>
#include <stdlib.h>
#include "mark.h"

/* The code that a request to the registration interface or to anything else earns. */
static uint8_t code_for(struct answer_stats *stats, const struct codec_message *m)
{
	bool rd = m->path_count >= 1 && slice_is(m->path[0], "rd");
	if (rd && m->path_count == 1 && m->code == CODEC_POST) {
		stats->registers++;
		return CODEC_CREATED;
	}
	if (rd)
		stats->updates++;
	else
		stats->requests++;
	if (m->code == CODEC_GET)
		return CODEC_CONTENT;
	if (m->block1 != CODEC_NONE && codec_block_of(m->block1).more)
		return CODEC_CONTINUE;
	return m->code == CODEC_DELETE ? CODEC_DELETED : CODEC_CHANGED;
}

static void put_location(struct writer *w, uint64_t number)
{
	char text[24];
	unsigned last = 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	codec_put_option(w, &last, CODEC_OPT_LOCATION_PATH, slice_str("rd"));
	codec_put_option(w, &last, CODEC_OPT_LOCATION_PATH, slice_str(text));
}

/* Bytes that n= of a query wants. */
static size_t wanted(const struct codec_message *m)
{
	struct slice n = codec_query(m, "n=");
	size_t v = 0;
	for (size_t i = 0; i < n.n && i < 7 && n.p[i] >= '0' && n.p[i] <= '9'; i++)
		v = v * 10 + (size_t)(n.p[i] - '0');
	return v;
}

/* What a GET names; of a representation in blocks this one, each of which begins alike. */
static void put_content(struct writer *w, const struct codec_message *m)
{
	uint8_t room[MARK_PAYLOAD_MAX];
	struct mark mark;
	unsigned last = 0;
	size_t all = wanted(m), n = all;
	if (m->block2 != CODEC_NONE) {
		struct codec_block b = codec_block_of(m->block2);
		size_t size = (size_t)16 << b.exponent, before = b.number * size;
		n = all > before ? all - before : 0;
		b.more = n > size;
		n = b.more ? size : n;
		codec_put_number(w, &last, CODEC_OPT_BLOCK2, codec_block_value(b));
	}
	if (!mark_payload_read(&mark, codec_query(m, "p=")) || n < MARK_PAYLOAD_MIN ||
		n > sizeof(room))
		return;
	mark_payload(&mark, room, n);
	codec_put_payload(w, (struct slice){ room, n });
}

static void put_echo(struct writer *w, const struct codec_message *m)
{
	struct slice payload = m->payload;
	unsigned last = 0;
	if (m->block1 != CODEC_NONE) {
		codec_put_number(w, &last, CODEC_OPT_BLOCK1, m->block1 & 0xffffff);
		payload.n = payload.n > MARK_PAYLOAD_MIN ? MARK_PAYLOAD_MIN : payload.n;
	}
	codec_put_payload(w, payload);
}

size_t answer_make(
	struct answer_stats *stats, const struct codec_message *m, uint8_t *room, size_t size)
{
	struct writer w = put_into(room, size);
	unsigned last = 0;
	if (m->type == CODEC_CON && m->code == CODEC_EMPTY) {
		stats->pings++;
		codec_put_header(&w, CODEC_RST, CODEC_EMPTY, m->mid, m->token);
		return put_len(&w);
	}
	if (!codec_is_request(m)) {
		stats->ignored++;
		return 0;
	}
	uint8_t code = code_for(stats, m);
	codec_put_header(&w, m->type == CODEC_CON ? CODEC_ACK : CODEC_NON, code, m->mid, m->token);
	if (code == CODEC_CREATED)
		put_location(&w, stats->registers);
	else if (m->code == CODEC_GET && m->observe == 0)
		codec_put_number(&w, &last, CODEC_OPT_OBSERVE, 0);
	else if (m->code == CODEC_GET && m->query_count > 0)
		put_content(&w, m);
	else
		put_echo(&w, m);
	return w.broken ? 0 : put_len(&w);
}
