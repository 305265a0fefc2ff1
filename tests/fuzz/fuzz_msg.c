/* Any bytes as a datagram: the peek, the walk over its options, and all that is read from them. */
#include <stdlib.h>
#include <string.h>
#include "base/bug.h"
#include "limits.h"
#include "msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool is_inside(struct slice s, const uint8_t *bytes, size_t n)
{
	return s.n == 0 || (s.p >= bytes && s.n <= n && (size_t)(s.p - bytes) <= n - s.n);
}

/* Header, token, options, marker and payload make up the datagram, without a gap. */
static void check_slices(const struct msg *m, const uint8_t *bytes, size_t n)
{
	size_t marker = m->payload.n != 0;
	BUG_UNLESS(m->token.n <= 8);
	BUG_UNLESS(is_inside(m->token, bytes, n) && is_inside(m->options, bytes, n));
	BUG_UNLESS(is_inside(m->payload, bytes, n));
	BUG_UNLESS(4 + m->token.n + m->options.n + marker + m->payload.n == n);
	BUG_UNLESS(m->code != MSG_EMPTY || n == 4);
	BUG_UNLESS(!(msg_is_request(m) && msg_is_response(m)));
}

/* Numbers never fall, values lie inside, and the walk ends where the options end. */
static void check_options(const struct msg *m)
{
	struct msg_options walk = msg_options(m);
	struct msg_option o;
	uint16_t last = 0;
	while (msg_next(&walk, &o)) {
		BUG_UNLESS(o.number >= last);
		BUG_UNLESS(is_inside(o.value, m->options.p, m->options.n));
		last = o.number;
	}
	BUG_UNLESS(!walk.at.broken && cur_left(&walk.at) == 0);
}

static void check_path(bool got, const char *text)
{
	if (!got)
		return;
	BUG_UNLESS(text[0] == '/' && strlen(text) < LOCATION_MAX);
	for (; *text != '\0'; text++)
		BUG_UNLESS(*text > ' ' && *text <= '~');
}

static void check_registration(const struct msg *m, const uint8_t *bytes, size_t n)
{
	struct reg_request request;
	char text[LOCATION_MAX];
	msg_request(m, &request);
	struct reg_info info = reg_read(&request);
	BUG_UNLESS(is_inside(info.ep, bytes, n));
	BUG_UNLESS(info.has_ep == (info.ep.n != 0));
	BUG_UNLESS(info.has_lifetime || info.lifetime_s == REG_LIFETIME_DEFAULT);
	BUG_UNLESS(info.kind == REG_OTHER || request.segments != 0);
	check_path(reg_path(request.segment, request.segments, text, sizeof(text)), text);
	check_path(msg_location(m, text, sizeof(text)), text);
}

/* What we write, we accept, and it answers this message. */
static void check_answers(const struct msg *m)
{
	uint8_t bytes[MSG_ANSWER_MAX];
	struct msg answer;
	char text[8];
	size_t n = msg_answer(bytes, m, MSG_CODE(5, 3), m->mid % 2 == 0 ? -1 : m->mid);
	BUG_UNLESS(msg_peek(&answer, bytes, n) == MSG_OK);
	BUG_UNLESS(answer.mid == m->mid && slice_eq(answer.token, m->token));
	n = msg_empty(bytes, MSG_RESET, m->mid);
	BUG_UNLESS(n == 4 && msg_peek(&answer, bytes, n) == MSG_OK);
	BUG_UNLESS(strlen(msg_code_print(m->code, text)) == 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct msg m;
	if (msg_peek(&m, bytes, n) != MSG_OK)
		return 0;
	check_slices(&m, bytes, n);
	check_options(&m);
	check_registration(&m, bytes, n);
	check_answers(&m);
	return 0;
}
