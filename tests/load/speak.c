/* What devices say: see speak.h. */
#include "speak.h"
#include <stdio.h>

static struct slice payload_of(const struct mark *m, uint8_t *room, size_t n)
{
	mark_payload(m, room, n);
	return (struct slice){ room, n };
}

static unsigned exponent_of(const struct speech *s)
{
	unsigned e = 0;
	while (16u << e < s->payload)
		e++;
	return e;
}

static bool is_last(const struct speech *s, const struct utterance *u)
{
	return (u->step + 1) * s->payload >= s->transfer;
}

static struct codec_block block_of(const struct speech *s, const struct utterance *u)
{
	return (struct codec_block){ u->step, !is_last(s, u), exponent_of(s) };
}

static void put_path(struct writer *w, const struct speech *s, unsigned *last)
{
	if (s->proxy_uri == NULL)
		codec_put_option(w, last, CODEC_OPT_URI_PATH, slice_str("dp"));
}

/* Behind all other options, since its number is the highest. */
static void put_proxy(struct writer *w, const struct speech *s, unsigned *last)
{
	if (s->proxy_uri != NULL)
		codec_put_option(w, last, CODEC_OPT_PROXY_URI, slice_str(s->proxy_uri));
}

static void put_register(struct writer *w, const struct speech *s, const struct utterance *u)
{
	char ep[64];
	unsigned last = 0;
	snprintf(ep, sizeof(ep), "ep=%s%04u", s->name, u->mark.device);
	codec_put_option(w, &last, CODEC_OPT_URI_PATH, slice_str("rd"));
	codec_put_option(
		w, &last, CODEC_OPT_CONTENT_FORMAT, (struct slice){ (const uint8_t *)"\x28", 1 });
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str(ep));
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str("lt=86400"));
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str("lwm2m=1.1"));
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str("b=U"));
	codec_put_payload(w, slice_str("</1/0>,</3/0>"));
}

static void put_observe(struct writer *w, const struct speech *s)
{
	unsigned last = 0;
	codec_put_number(w, &last, CODEC_OPT_OBSERVE, 0);
	put_path(w, s, &last);
}

static void put_post(struct writer *w, const struct speech *s, const struct utterance *u)
{
	uint8_t room[MARK_PAYLOAD_MAX];
	unsigned last = 0;
	put_path(w, s, &last);
	if (u->kind == SPEAK_BLOCK1)
		codec_put_number(w, &last, CODEC_OPT_BLOCK1, codec_block_value(block_of(s, u)));
	put_proxy(w, s, &last);
	codec_put_payload(w, payload_of(&u->mark, room, s->payload));
}

/* The queries say what the answer must hold: p= its beginning, n= its bytes. */
static void put_get(struct writer *w, const struct speech *s, const struct utterance *u)
{
	char text[2 + MARK_PAYLOAD_MIN + 1] = "p=";
	unsigned last = 0;
	mark_payload(&u->mark, (uint8_t *)text + 2, MARK_PAYLOAD_MIN);
	put_path(w, s, &last);
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str(text));
	snprintf(text, sizeof(text), "n=%u", u->kind == SPEAK_GET ? s->payload : s->transfer);
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str(text));
	if (u->kind == SPEAK_BLOCK2)
		codec_put_number(w, &last, CODEC_OPT_BLOCK2,
			codec_block_value((struct codec_block){ u->step, false, exponent_of(s) }));
	put_proxy(w, s, &last);
}

/* A number of Observe that grows (RFC 7641 3.4). */
static void put_notification(struct writer *w, const struct speech *s, const struct utterance *u)
{
	uint8_t room[MARK_PAYLOAD_MAX];
	unsigned last = 0;
	codec_put_number(w, &last, CODEC_OPT_OBSERVE, u->mark.number & 0xffffff);
	codec_put_payload(w, payload_of(&u->mark, room, s->payload));
}

static void put_header(struct writer *w, const struct utterance *u)
{
	uint8_t token[MARK_TOKEN];
	struct mark m = u->mark;
	bool notifies = u->kind == SPEAK_NOTIFY || u->kind == SPEAK_CONFIRM;
	uint8_t code = CODEC_POST;
	if (notifies) {
		m.side = MARK_OBSERVED;
		code = CODEC_CONTENT;
	} else if (u->kind == SPEAK_GET || u->kind == SPEAK_BLOCK2 || u->kind == SPEAK_OBSERVE) {
		code = CODEC_GET;
	}
	mark_token(&m, token);
	struct slice t = { token, MARK_TOKEN };
	if (notifies && u->observe->known)
		t.p = u->observe->token;
	codec_put_header(w, u->kind == SPEAK_NOTIFY ? CODEC_NON : CODEC_CON, code, u->mid, t);
}

void speak_put(struct writer *w, const struct speech *s, const struct utterance *u)
{
	put_header(w, u);
	switch (u->kind) {
	case SPEAK_REGISTER:
		put_register(w, s, u);
		break;
	case SPEAK_OBSERVE:
		put_observe(w, s);
		break;
	case SPEAK_POST:
	case SPEAK_BLOCK1:
		put_post(w, s, u);
		break;
	case SPEAK_GET:
	case SPEAK_BLOCK2:
		put_get(w, s, u);
		break;
	case SPEAK_NOTIFY:
	case SPEAK_CONFIRM:
		put_notification(w, s, u);
		break;
	case SPEAK_CONNECT:
		BUG_UNLESS(false);
	}
}

/* ---- what comes back ------------------------------------------------------------------------ */

/* 2.31 for every block but the last, with the option and the first bytes of the block. */
static bool block1_is_right(
	const struct speech *s, const struct utterance *u, const struct codec_message *m)
{
	return m->code == (is_last(s, u) ? CODEC_CHANGED : CODEC_CONTINUE) &&
	       m->block1 == codec_block_value(block_of(s, u)) && m->payload.n == MARK_PAYLOAD_MIN &&
	       mark_payload_fits(&u->mark, m->payload);
}

static bool block2_is_right(
	const struct speech *s, const struct utterance *u, const struct codec_message *m)
{
	size_t rest = s->transfer - u->step * s->payload;
	return m->code == CODEC_CONTENT && m->block2 == codec_block_value(block_of(s, u)) &&
	       m->payload.n == (rest < s->payload ? rest : s->payload) &&
	       mark_payload_fits(&u->mark, m->payload);
}

static bool is_right(
	const struct speech *s, const struct utterance *u, const struct codec_message *m)
{
	bool same = m->payload.n == s->payload;
	switch (u->kind) {
	case SPEAK_REGISTER:
		return m->code == CODEC_CREATED;
	case SPEAK_OBSERVE:
		return m->code == CODEC_CONTENT && m->observe != CODEC_NONE;
	case SPEAK_POST:
		return m->code == CODEC_CHANGED && same && mark_payload_fits(&u->mark, m->payload);
	case SPEAK_GET:
		return m->code == CODEC_CONTENT && same && mark_payload_fits(&u->mark, m->payload);
	case SPEAK_BLOCK1:
		return block1_is_right(s, u, m);
	case SPEAK_BLOCK2:
		return block2_is_right(s, u, m);
	case SPEAK_CONNECT:
	case SPEAK_NOTIFY:
	case SPEAK_CONFIRM:
		return false;
	}
	return false;
}

enum speak_verdict speak_judge(
	const struct speech *s, const struct utterance *u, const struct codec_message *m)
{
	bool blocks = u->kind == SPEAK_BLOCK1 || u->kind == SPEAK_BLOCK2;
	if ((m->type == CODEC_ACK && m->mid != u->mid) || !is_right(s, u, m))
		return SPEAK_BAD;
	return blocks && !is_last(s, u) ? SPEAK_MORE : SPEAK_GOOD;
}

void speak_answer(struct writer *w, const struct speech *s, struct observation *observe,
	const struct mark *asked, const struct codec_message *m)
{
	uint8_t room[MARK_PAYLOAD_MAX];
	unsigned last = 0;
	bool reads = m->code == CODEC_GET;
	codec_put_header(w, m->type == CODEC_CON ? CODEC_ACK : CODEC_NON,
		reads ? CODEC_CONTENT : CODEC_CHANGED, m->mid, m->token);
	if (reads && m->observe == 0 && m->token.n == MARK_TOKEN) {
		observe->known = true;
		memcpy(observe->token, m->token.p, MARK_TOKEN);
		codec_put_number(w, &last, CODEC_OPT_OBSERVE, 0);
	}
	codec_put_payload(w, reads ? payload_of(asked, room, s->payload) : m->payload);
}
