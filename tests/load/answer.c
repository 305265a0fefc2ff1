/* What the echo server says: see answer.h. */
#include "answer.h"
#include <stdio.h>
#include "codec.h"

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

size_t answer_make(struct answer_stats *stats, const uint8_t *request, size_t n, uint8_t *room)
{
	struct codec_message m;
	struct writer w = put_into(room, n + ANSWER_EXTRA);
	bool readable = codec_read(&m, request, n);
	if (readable && m.type == CODEC_CON && m.code == CODEC_EMPTY) {
		stats->pings++;
		codec_put_header(&w, CODEC_RST, CODEC_EMPTY, m.mid, m.token);
		return put_len(&w);
	}
	bool asks =
		readable && m.type <= CODEC_NON && m.code >= CODEC_GET && m.code <= CODEC_DELETE;
	if (!asks) {
		stats->ignored++;
		return 0;
	}
	uint8_t code = code_for(stats, &m);
	codec_put_header(&w, m.type == CODEC_CON ? CODEC_ACK : CODEC_NON, code, m.mid, m.token);
	if (code == CODEC_CREATED)
		put_location(&w, stats->registers);
	else
		codec_put_payload(&w, m.payload);
	return w.broken ? 0 : put_len(&w);
}
