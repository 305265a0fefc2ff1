/* Sessions whose records we carry ourselves. wolfSSL's part ends with the handshake: what is owed of that is the
 * last flight of a server, which a client that lacks it asks for with its own, and which we keep until there is
 * data. */
#include "dtls/carry_int.h"
#include <stdlib.h>
#include <string.h>
#include "dtls/session_int.h"

#define FINISHED 20 /* RFC 5246 7.4 */
/* A ChangeCipherSpec as a record. */
#define CHANGE_LEN 14
#define NUMBER_AT  5
#define LENGTH_LEN 2

_Static_assert(offsetof(struct dtls_session, record) == 64 && sizeof(struct dtls_session) <= 256,
	"a record touches two lines of the cache");

/* What a server's session keeps until the client has spoken. */
struct last_flight {
	uint8_t random[RANDOM_KEPT];      /* of the ClientHello that began it */
	uint8_t change[CHANGE_LEN];       /* the record that left last */
	uint8_t finished[CARRY_LAST_MAX]; /* the message */
	size_t finished_n;                /* bytes of it */
};

/* Reads the flight as it left: a ChangeCipherSpec, and one record with our Finished. That our key opens it shows that
 * it is the one which the peer has. */
static bool read_flight(const struct dtls_session *s, struct last_flight *last)
{
	struct cursor c = cur_of(s->aid->last.p, s->aid->last.n);
	struct slice change = cur_take(&c, CHANGE_LEN), sealed = cur_take(&c, cur_left(&c));
	if (c.broken)
		return false;
	memcpy(last->random, s->aid->random, RANDOM_KEPT);
	memcpy(last->change, change.p, CHANGE_LEN);
	return record12_open_own(&s->record, sealed, last->finished, sizeof(last->finished),
		       &last->finished_n) &&
	       last->finished[0] == FINISHED;
}

static struct last_flight *keep_flight(const struct dtls_session *s)
{
	struct last_flight *last = calloc(1, sizeof(*last));
	if (last != NULL && !read_flight(s, last)) {
		free(last);
		last = NULL;
	}
	return last;
}

/* The peer's Finished: it shows that our key opens what the peer seals. */
static bool opens_finished(struct dtls_session *s, const struct header *h)
{
	uint8_t room[CARRY_LAST_MAX];
	struct record12_plain plain;
	return record12_open(&s->record, h, room, sizeof(room), &plain) &&
	       plain.type == HEADER_HANDSHAKE && plain.n > 0 && room[0] == FINISHED;
}

void carry_begin(struct dtls_session *s, const struct header *h)
{
	if (h->epoch != 1 || !wolf_keys(s->aid->wolf, &s->record))
		return;
	s->record.is_known = true;
	if (!record12_is_ready(&s->record) || !opens_finished(s, h))
		return;
	if (s->rules.server) {
		s->last = keep_flight(s);
		if (s->last == NULL)
			return;
	}
	s->suite = wolf_suite(s->aid->wolf);
	s->known = wolf_leave(s->aid->wolf);
	slice_free(&s->aid->last);
	free(s->aid);
	s->aid = NULL;
}

void carry_end(struct dtls_session *s)
{
	carry_forget_flight(s);
	wolf_known_free(s->known);
	s->known = NULL;
}

void carry_forget_flight(struct dtls_session *s)
{
	s->rules.last_flight = false;
	free(s->last);
	s->last = NULL;
}

const uint8_t *carry_random(const struct dtls_session *s)
{
	return s->last->random;
}

/* ---- ours ---- */

bool carry_say(struct dtls_session *s, uint8_t type, const uint8_t *bytes, size_t n)
{
	uint8_t out[RECORD12_MAX];
	size_t length = record12_seal(&s->record, type, (struct slice){ bytes, n }, out);
	if (length > 0)
		s->calls->emit(s->who, out, length);
	return length > 0;
}

void carry_close(struct dtls_session *s)
{
	static const uint8_t close_notify[] = { 1, 0 }; /* a warning */
	(void)carry_say(s, HEADER_ALERT, close_notify, sizeof(close_notify));
}

/* Each record with a number of its own (RFC 6347 4.2.4). */
static void repeat_flight(struct dtls_session *s)
{
	uint8_t out[CHANGE_LEN + RECORD12_MAX];
	struct last_flight *last = s->last;
	size_t n = record12_seal(&s->record, HEADER_HANDSHAKE,
		(struct slice){ last->finished, last->finished_n }, out + CHANGE_LEN);
	if (n == 0)
		return;
	for (size_t i = CHANGE_LEN - 1 - LENGTH_LEN; i-- > NUMBER_AT;)
		if (++last->change[i] != 0)
			break;
	memcpy(out, last->change, CHANGE_LEN);
	s->calls->emit(s->who, out, CHANGE_LEN + n);
}

/* ---- the peer's ---- */

/* RFC 5246 7.2. Warnings end nothing. */
static enum dtls_event take_alert(struct dtls_session *s, const uint8_t *body)
{
	const int fatal = 2, close_notify = 0;
	if (body[1] == close_notify) {
		carry_close(s);
		return session_die(s, DTLS_CLOSED, -1);
	}
	return body[0] == fatal ? session_die(s, DTLS_ALERTED, body[1]) : DTLS_NOTHING;
}

/* All else of a handshake is let be: there is no other one in this session. */
static void take_message(struct dtls_session *s, const uint8_t *body, size_t n)
{
	if (s->last != NULL && n > 0 && body[0] == FINISHED)
		repeat_flight(s);
}

enum dtls_event carry_take(
	struct dtls_session *s, const struct header *h, uint8_t *room, size_t size, size_t *n)
{
	struct record12_plain plain;
	if (!record12_open(&s->record, h, room, size, &plain)) {
		s->dropped[DTLS_DROP_RECORD]++;
		return DTLS_NOTHING;
	}
	if (plain.type == HEADER_HANDSHAKE)
		take_message(s, room, plain.n);
	if (plain.type == HEADER_ALERT && plain.n == 2)
		return take_alert(s, room);
	if (plain.type != HEADER_APPLICATION)
		return DTLS_NOTHING;
	if (s->last != NULL) /* the peer has it, or it would not speak */
		carry_forget_flight(s);
	*n = plain.n;
	s->newest = plain.newest;
	return DTLS_DATA;
}
