/* What the server makes of a message: see server.h. */
#include "server.h"
#include "mark.h"

/* Whether the payload, or p= of the query, names another device than that of the path. */
static bool is_foreign(const struct path *path, const struct codec_message *m)
{
	struct mark mark;
	struct slice named = m->code == CODEC_GET ? codec_query(m, "p=") : m->payload;
	return path != NULL && mark_payload_read(&mark, named) && mark.device != path->device;
}

static bool is_out_of_order(
	struct server *s, const struct path *path, const struct codec_message *m)
{
	struct mark mark;
	uint32_t block = m->block1 != CODEC_NONE ? m->block1 : m->block2;
	bool checked = path != NULL && block != CODEC_NONE && mark_token_read(&mark, m->token) &&
		       mark.device == path->device;
	return checked && !paths_block(s->paths, path, mark.index, codec_block_of(block).number);
}

static void learn(struct server *s, const struct sockaddr_storage *from, bool secure,
	const struct codec_message *m)
{
	bool registers = m->code == CODEC_POST && m->path_count == 1 && slice_is(m->path[0], "rd");
	if (s->paths != NULL && registers)
		paths_learn(s->paths, codec_query(m, "ep="), from, secure);
}

/* A device observes from now on. */
static void note_observer(struct path *path, const struct codec_message *m)
{
	bool observes = m->code == CODEC_GET && m->observe == 0 && m->token.n == MARK_TOKEN;
	if (path == NULL || !observes)
		return;
	path->observes = true;
	memcpy(path->token, m->token.p, MARK_TOKEN);
}

/* The number may skip, but it grows, and is that of the payload. */
static void notification_take(struct server *s, struct path *path, const struct codec_message *m)
{
	struct mark mark, token;
	bool readable = mark_payload_read(&mark, m->payload) &&
			mark_payload_fits(&mark, m->payload) && mark_token_read(&token, m->token) &&
			m->observe == (mark.number & 0xffffff);
	if (!readable) {
		s->bad++;
	} else if (token.device != mark.device || (path != NULL && path->device != mark.device)) {
		s->foreign++;
	} else if (path != NULL && mark.number <= path->notified) {
		s->old++;
	} else {
		s->notified++;
		if (path != NULL)
			path->notified = mark.number;
	}
}

static size_t acknowledge(const struct codec_message *m, uint8_t *room, size_t size)
{
	struct writer w = put_into(room, size);
	if (m->type != CODEC_CON)
		return 0;
	codec_put_header(&w, CODEC_ACK, CODEC_EMPTY, m->mid, (struct slice){ NULL, 0 });
	return put_len(&w);
}

static size_t response_take(struct server *s, struct path *path, const struct codec_message *m,
	uint8_t *room, size_t size)
{
	if (m->observe != CODEC_NONE && m->type != CODEC_ACK)
		notification_take(s, path, m);
	else if (path != NULL)
		asker_take(s->asker, path, m);
	else
		s->answers.ignored++;
	return acknowledge(m, room, size);
}

size_t server_take(struct server *s, const struct sockaddr_storage *from, bool secure,
	const uint8_t *message, size_t n, uint8_t *room, size_t size)
{
	struct codec_message m;
	if (!codec_read(&m, message, n)) {
		s->answers.ignored++;
		return 0;
	}
	struct path *path = s->paths != NULL ? paths_from(s->paths, from, secure) : NULL;
	if (m.code >= CODEC_CREATED && m.type != CODEC_RST)
		return response_take(s, path, &m, room, size);
	if (m.type == CODEC_ACK && m.code == CODEC_EMPTY && path != NULL) {
		asker_acknowledged(s->asker, path, m.mid);
		return 0;
	}
	learn(s, from, secure, &m);
	note_observer(path, &m);
	s->bad += m.type == CODEC_RST;
	s->foreign += codec_is_request(&m) && is_foreign(path, &m);
	s->disorder += codec_is_request(&m) && is_out_of_order(s, path, &m);
	return answer_make(&s->answers, &m, room, size);
}

void server_forget(struct server *s)
{
	s->answers = (struct answer_stats){ 0 };
	s->notified = s->old = s->foreign = s->bad = s->disorder = 0;
	if (s->paths == NULL)
		return;
	paths_forget(s->paths);
	struct tally *t = asker_tally(s->asker);
	if (t != NULL)
		*t = (struct tally){ 0 };
}
