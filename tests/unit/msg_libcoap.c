/* The peek against libcoap's parser. Both must give the same verdict and read the same, except for
 *
 * MSG_EXCEPTION_EMPTY_QUERY: libcoap 4.3.1 refuses an empty Uri-Query, though RFC 7252 5.10 allows
 * 0 to 255 bytes. A relay must not lose a legal message between two peers that understand it.
 *
 * MSG_EXCEPTION_DELTA_WRAP: libcoap 4.3.1 adds an extended delta in 16 bits, so that 65267..65279
 * stand for option deltas 0 to 12 instead of a number above 65535, which RFC 7252 3.1 does not
 * know. What two readers read differently must not pass a relay that decides by what it reads.
 *
 * Each is granted only where it, and nothing else, explains the difference. */
#include "msg_libcoap.h"
#include <coap3/coap.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "msg.h"

/* libcoap's view; NULL when it refuses. */
static coap_pdu_t *parse(const uint8_t *bytes, size_t n)
{
	coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, 0, 0, n + 1);
	BUG_UNLESS(pdu != NULL);
	if (coap_pdu_parse(COAP_PROTO_UDP, bytes, n, pdu))
		return pdu;
	coap_delete_pdu(pdu);
	return NULL;
}

static const char *compare_options(const struct msg *m, const coap_pdu_t *pdu)
{
	struct msg_options walk = msg_options(m);
	struct msg_option ours;
	coap_opt_iterator_t iterator;
	coap_option_iterator_init(pdu, &iterator, COAP_OPT_ALL);
	for (;;) {
		coap_opt_t *theirs = coap_option_next(&iterator);
		bool more = msg_next(&walk, &ours);
		if (more != (theirs != NULL))
			return "number of options";
		if (!more)
			return NULL;
		struct slice value = { coap_opt_value(theirs), coap_opt_length(theirs) };
		if (iterator.number != ours.number)
			return "option number";
		if (!slice_eq(value, ours.value))
			return "option value";
	}
}

static const char *compare_read(const struct msg *m, const coap_pdu_t *pdu)
{
	coap_bin_const_t token = coap_pdu_get_token(pdu);
	struct slice payload = { NULL, 0 };
	if ((int)coap_pdu_get_type(pdu) != (int)m->type)
		return "type";
	if ((int)coap_pdu_get_code(pdu) != m->code)
		return "code";
	if (coap_pdu_get_mid(pdu) != m->mid)
		return "message id";
	if (!slice_eq((struct slice){ token.s, token.length }, m->token))
		return "token";
	if (coap_get_data(pdu, &payload.n, &payload.p) != (m->payload.n != 0))
		return "is there a payload";
	if (!slice_eq(payload, m->payload))
		return "payload";
	return compare_options(m, pdu);
}

/* True when libcoap accepts the message once each empty Uri-Query has been given one byte. */
static bool explained_by_empty_query(const struct msg *m, const uint8_t *bytes, size_t n)
{
	uint8_t *filled = malloc(2 * n + 1);
	struct msg_options walk = msg_options(m);
	struct msg_option o;
	const uint8_t *done = bytes, *option = m->options.p;
	size_t to = 0;
	bool empty = false;
	for (; msg_next(&walk, &o); option = walk.at.p) {
		if (o.number != MSG_OPT_URI_QUERY || o.value.n != 0)
			continue;
		size_t head = (size_t)(walk.at.p - done);
		memcpy(filled + to, done, head);
		filled[to + (size_t)(option - done)] |= 1; /* the length nibble */
		filled[to + head] = 'x';
		to += head + 1;
		done = walk.at.p;
		empty = true;
	}
	memcpy(filled + to, done, (size_t)(bytes + n - done));
	coap_pdu_t *pdu = empty ? parse(filled, to + (size_t)(bytes + n - done)) : NULL;
	free(filled);
	coap_delete_pdu(pdu);
	return pdu != NULL;
}

/* True when an option that begins within what libcoap read has a delta that wraps round. */
static bool explained_by_delta_wrap(const coap_pdu_t *pdu)
{
	coap_opt_iterator_t iterator;
	coap_opt_t *option;
	coap_option_iterator_init(pdu, &iterator, COAP_OPT_ALL);
	while ((option = coap_option_next(&iterator)) != NULL)
		if (option[0] >> 4 == 14 && (option[1] << 8 | option[2]) + 269 > UINT16_MAX)
			return true;
	return false;
}

struct msg_verdict msg_libcoap_compare(const uint8_t *bytes, size_t n)
{
	struct msg m;
	struct msg_verdict v = { NULL, MSG_EXCEPTION_NONE, 0 };
	enum msg_fault fault = msg_peek(&m, bytes, n);
	coap_pdu_t *pdu = parse(bytes, n);
	v.accepted = fault == MSG_OK;
	if (v.accepted && pdu != NULL)
		v.disagreement = compare_read(&m, pdu);
	else if (v.accepted && explained_by_empty_query(&m, bytes, n))
		v.exception = MSG_EXCEPTION_EMPTY_QUERY;
	else if (v.accepted)
		v.disagreement = "we accept, libcoap refuses";
	else if (pdu != NULL && fault == MSG_OPTION && explained_by_delta_wrap(pdu))
		v.exception = MSG_EXCEPTION_DELTA_WRAP;
	else if (pdu != NULL)
		v.disagreement = "we refuse, libcoap accepts";
	coap_delete_pdu(pdu);
	return v;
}

void msg_libcoap_init(void)
{
	coap_startup();
	coap_set_log_level(LOG_EMERG);
}
