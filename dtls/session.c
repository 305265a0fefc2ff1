/* The life of a session: what passes, what is due when, what it came to. Both roles share it; a server's
 * begins in listener.c.
 *
 * state      record              tick                write   close
 * ---------  ------------------  ------------------  ------  ---------------------
 * HANDSHAKE  last flight: UP     deadline: DEAD      no      DEAD, in silence
 *            fatal: DEAD         noted alert: DEAD
 *            alert: noted        else the flight
 *                                is sent again
 * UP         data: told          DTLS 1.3: a key     record  DEAD, with close_notify
 *            fatal alert: DEAD   update is repeated
 *            close_notify: DEAD
 * DEAD       nothing             nothing is due      no      -
 *
 * No other way leads from one state to another. */
#include "dtls/dtls.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dtls/header_int.h"
#include "dtls/number13_int.h"
#include "dtls/session_int.h"

/* RFC 6347 4.2.4.1. */
#define FLIGHT_FIRST_MS 1000
#define FLIGHT_LAST_MS  60000

#define IDENTITY_MAX    128
#define KEY_MAX         64

#define HANDSHAKE_FAILURE 40 /* RFC 8446 6.2 */
#define PROTOCOL_VERSION  70
/* Protected datagrams that leave before a timer asks for them: what is acknowledged makes the peer
 * speak, and the other way round. */
#define LOOSE_MAX 16
/* Repeats of a key update; then it rests until the peer is heard again. */
#define UPDATE_REPEATS 7

/* Bytes of a ClientHello's random that are kept; behind the first four, which may be a time. */
#define RANDOM_AT   4
#define RANDOM_KEPT 16

struct dtls_profile {
	struct wolf_profile *wolf;
	enum dtls_security security;
	const struct dtls_calls *calls;
};

struct dtls_session {
	struct wolf *wolf;
	const struct dtls_calls *calls;
	void *who;
	enum dtls_state state;
	struct cursor datagram; /* what dtls_read has not looked at, borrowed from the caller */
	struct mono give_up;    /* end of the handshake */
	struct mono flight_due; /* when our flight is sent again */
	unsigned flight_ms;     /* how long the peer has for its answer */
	unsigned emitted;       /* datagrams that left */
	int64_t flight;         /* where the newest part of our last flight begins, or -1 */
	bool repeating;         /* it is time to send that again */
	bool waiting;           /* up, and a key update of ours is not acknowledged */
	unsigned loose;         /* see LOOSE_MAX */
	bool muted;             /* what leaves now is a repeat, and it is not time */
	unsigned unanswered;
	int noted; /* alert in plaintext that still stands, or -1 */
	int alert; /* the one that ended the session, or -1 */
	struct header_rules rules;
	bool newest;                 /* the last data came in the highest record so far */
	uint64_t top;                /* number of that, epoch 1 */
	struct number13 seen;        /* the same in DTLS 1.3 */
	uint64_t next_number;        /* of a plaintext record of ours */
	uint8_t random[RANDOM_KEPT]; /* a server's: of the ClientHello that began it */
	uint64_t dropped[DTLS_DROPS];
};

int dtls_profile_create(struct dtls_profile **profile, const struct dtls_profile_spec *spec)
{
	*profile = NULL;
	struct dtls_profile *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	int rc = wolf_profile_create(&p->wolf, spec);
	if (rc != 0) {
		free(p);
		return rc;
	}
	p->security = spec->security;
	p->calls = spec->calls;
	*profile = p;
	return 0;
}

void dtls_profile_free(struct dtls_profile *profile)
{
	if (profile == NULL)
		return;
	wolf_profile_free(profile->wolf);
	free(profile);
}

/* wolfSSL repeats our flight whenever the peer repeats its own. Two such ends that do not agree
 * (a wrong key) would never rest, so a repeat leaves only when it is due. A flight with a certificate
 * is several datagrams, and a client's last may be protected throughout: it shares the fate of the
 * first. A server that begins so is at its end. */
static bool is_untimely(struct dtls_session *s, const uint8_t *datagram, size_t n)
{
	if (s->state != DTLS_HANDSHAKE || datagram[0] == HEADER_ALERT)
		return false;
	int64_t flight = header_flight(datagram, n);
	if (flight >= 0)
		s->muted = flight <= s->flight && !s->repeating;
	if (flight > s->flight)
		s->flight = flight;
	return s->muted && (flight >= 0 || (!s->rules.server && !s->rules.v13));
}

/* DTLS 1.3: protected flights and acknowledgements look alike, so they are counted together. One in
 * plaintext is wolfSSL's answer to each record that it can not read yet: anybody could ask for it,
 * and another wolfSSL would answer with a flight, so it leaves when a timer asks for it. */
static bool is_too_much(struct dtls_session *s, const uint8_t *datagram)
{
	if (*datagram == HEADER_ACK)
		return !s->repeating;
	bool counts = s->state == DTLS_HANDSHAKE && !s->repeating && header13_is(*datagram);
	return counts && ++s->loose > LOOSE_MAX;
}

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	struct dtls_session *s = who;
	if (is_untimely(s, datagram, n) || is_too_much(s, datagram))
		return;
	int64_t last = s->rules.server ? header_last_number(datagram, n) : -1;
	if (last >= 0)
		s->next_number = (uint64_t)last + 1;
	s->emitted++;
	s->calls->emit(s->who, datagram, n);
}

static enum dtls_event die(struct dtls_session *s, enum dtls_event event, int alert)
{
	s->state = DTLS_DEAD;
	s->alert = alert;
	s->datagram = cur_of(NULL, 0);
	return event;
}

/* A flight of ours is on its way: its time begins. */
static void arm(struct dtls_session *s, unsigned ms, struct mono now)
{
	s->unanswered++;
	s->flight_ms = ms;
	s->flight_due = mono_add(now, ms);
}

/* Where wolfSSL keeps silent, a device that is not told tries again and again. */
static enum dtls_event fail(struct dtls_session *s)
{
	uint8_t alert[HEADER_ALERT_LEN];
	int unsaid = wolf_unsaid(s->wolf);
	if (unsaid < 0)
		return die(s, DTLS_ALERTED, wolf_alert(s->wolf));
	header_fatal(alert, s->next_number, (uint8_t)unsaid);
	if (!s->rules.v13) /* there wolfSSL speaks, and says the same to all */
		emit(s, alert, sizeof(alert));
	return die(s, DTLS_ALERTED, unsaid);
}

static enum dtls_event come_up(struct dtls_session *s)
{
	s->state = DTLS_UP;
	s->unanswered = 0;
	s->rules.established = true;
	s->rules.last_flight = s->rules.server;
	s->rules.cid_only = s->rules.cid > 0 && wolf_has_own_cid(s->wolf);
	if (!s->rules.cid_only)
		s->rules.cid = 0;
	return DTLS_ESTABLISHED;
}

static enum dtls_event handshake(struct dtls_session *s, struct slice record, struct mono now)
{
	unsigned before = s->emitted;
	enum wolf_result result = wolf_handshake(s->wolf, record);
	if (s->emitted != before)
		arm(s, FLIGHT_FIRST_MS, now);
	switch (result) {
	case WOLF_UP:
		return come_up(s);
	case WOLF_DROPPED:
		s->dropped[DTLS_DROP_RECORD]++;
		return DTLS_NOTHING;
	case WOLF_NOTHING:
	case WOLF_BYTES:
		return DTLS_NOTHING;
	case WOLF_CLOSED:
	case WOLF_FAILED:
		return fail(s);
	}
	BUG("no such result");
}

static bool is_psk(const struct dtls_psk *psk)
{
	return psk->identity.n >= 1 && psk->identity.n <= IDENTITY_MAX && psk->key.n >= 1 &&
	       psk->key.n <= KEY_MAX && memchr(psk->identity.p, 0, psk->identity.n) == NULL;
}

/* A session that has said nothing yet. */
static struct dtls_session *make(
	const struct dtls_calls *calls, void *who, unsigned deadline_ms, struct mono now)
{
	struct dtls_session *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->calls = calls;
	s->who = who;
	s->state = DTLS_HANDSHAKE;
	s->give_up = mono_add(now, deadline_ms);
	s->flight = s->noted = s->alert = -1;
	s->flight_ms = FLIGHT_FIRST_MS;
	s->seen.epoch = NUMBER13_EPOCH;
	return s;
}

int dtls_connect(struct dtls_session **session, struct dtls_profile *profile,
	const struct dtls_session_spec *spec, struct mono now)
{
	*session = NULL;
	if (profile->security == DTLS_PSK && !is_psk(&spec->psk))
		return -EINVAL;
	struct dtls_session *s = make(profile->calls, spec->who, spec->deadline_ms, now);
	if (s == NULL)
		return -ENOMEM;
	s->rules.certs = profile->security != DTLS_PSK;
	int rc = wolf_create(&s->wolf, profile->wolf,
		&(struct wolf_spec){ spec->psk, spec->pair, spec->server_name, emit, s });
	s->rules.v13 = rc == 0 && wolf_version(s->wolf) == DTLS_1_3;
	if (rc == 0 && handshake(s, (struct slice){ NULL, 0 }, now) != DTLS_NOTHING)
		rc = -EPROTO;
	if (rc != 0) {
		dtls_forget(&s);
		return rc;
	}
	*session = s;
	return 0;
}

struct dtls_session *session_born(
	struct wolf *w, const struct session_birth *birth, struct mono now)
{
	struct dtls_session *s = make(birth->calls, birth->who, birth->deadline_ms, now);
	if (s == NULL) {
		wolf_free(w);
		return NULL;
	}
	s->wolf = w;
	s->rules.v13 = wolf_version(w) == DTLS_1_3;
	s->rules.server = true;
	s->rules.certs = birth->certs;
	s->rules.cid = birth->cid;
	BUG_UNLESS(birth->random.n >= RANDOM_AT + RANDOM_KEPT);
	memcpy(s->random, birth->random.p + RANDOM_AT, RANDOM_KEPT);
	wolf_redirect(w, emit, s);
	if (birth->refused) {
		int alert = wolf_unsaid(w) >= 0 ? wolf_unsaid(w) : wolf_alert(w);
		s->noted = alert >= 0 ? alert : HANDSHAKE_FAILURE;
		s->flight_due = now;
	} else if (handshake(s, (struct slice){ NULL, 0 }, now) != DTLS_NOTHING)
		dtls_forget(&s);
	return s;
}

void dtls_set_who(struct dtls_session *s, void *who)
{
	s->who = who;
}

bool dtls_owns_hello(const struct dtls_session *s, const uint8_t *datagram, size_t n)
{
	struct header_hello hello;
	bool young = s->state == DTLS_HANDSHAKE || (s->state == DTLS_UP && s->rules.last_flight);
	return s->rules.server && young && header_hello(datagram, n, &hello) &&
	       memcmp(hello.random.p + RANDOM_AT, s->random, RANDOM_KEPT) == 0;
}

void dtls_feed(struct dtls_session *s, const uint8_t *datagram, size_t n, struct mono now)
{
	(void)now; /* the time counts when the datagram is read */
	if (s->state != DTLS_DEAD)
		s->datagram = cur_of(datagram, n);
}

/* Anybody may have sent it; it is believed when nothing better comes (dtls_tick). Warnings end no
 * handshake, but for close_notify (RFC 5246 7.2). */
static void note_alert(struct dtls_session *s, struct slice body)
{
	const int fatal = 2, close_notify = 0;
	if (body.p[0] == fatal || body.p[1] == close_notify)
		s->noted = body.p[1];
}

static enum dtls_event take_flight(struct dtls_session *s, const struct header *h, struct mono now)
{
	if (h->type == HEADER_ALERT && h->epoch == 0) {
		note_alert(s, h->body);
		return DTLS_NOTHING;
	}
	if (h->is_verify && s->rules.v13) {
		s->noted = PROTOCOL_VERSION; /* as believable as an alert */
		return DTLS_NOTHING;
	}
	if (h->epoch == 0) { /* a session that the peer still has would speak in epoch 1 */
		s->unanswered = 0;
		s->noted = -1;
	}
	return handshake(s, h->record, now);
}

/* A client whose Finished comes again, authentic and with a new number, lacks our last flight. */
static enum dtls_event repeat_last(struct dtls_session *s)
{
	return wolf_repeat_last(s->wolf) ? DTLS_NOTHING : fail(s);
}

/* A key update of ours, which answers the peer's, must be acknowledged (RFC 9147 8). */
static void watch_update(struct dtls_session *s, struct mono now)
{
	bool waiting = wolf_is_waiting(s->wolf);
	if (waiting && !s->waiting)
		arm(s, FLIGHT_FIRST_MS, now);
	if (!waiting)
		s->unanswered = 0;
	s->waiting = waiting;
}

static bool is_newest(struct dtls_session *s, const struct header *h)
{
	if (s->rules.v13)
		return number13_is_newest(&s->seen, s->wolf, h);
	bool newest = h->number > s->top;
	s->top = newest ? h->number : s->top;
	return newest;
}

static enum dtls_event take_record(struct dtls_session *s, const struct header *h, uint8_t *room,
	size_t size, size_t *n, struct mono now)
{
	enum wolf_result result = wolf_read(s->wolf, h->record, room, size, n);
	if (result != WOLF_DROPPED && result != WOLF_FAILED && s->rules.v13)
		watch_update(s, now);
	switch (result) {
	case WOLF_BYTES:
		s->rules.last_flight = false; /* the peer has it, or it would not speak */
		s->newest = is_newest(s, h);
		return DTLS_DATA;
	case WOLF_DROPPED:
		s->dropped[DTLS_DROP_RECORD]++;
		return DTLS_NOTHING;
	case WOLF_NOTHING:
	case WOLF_UP:
		if (s->rules.last_flight && h->type != HEADER_ALERT && !s->rules.v13)
			return repeat_last(s);
		if (s->rules.v13)
			number13_pass(&s->seen, s->wolf, h);
		return DTLS_NOTHING;
	case WOLF_CLOSED:
		wolf_close(s->wolf);
		return die(s, DTLS_CLOSED, -1);
	case WOLF_FAILED:
		return die(s, DTLS_ALERTED, wolf_alert(s->wolf));
	}
	BUG("no such result");
}

/* Judges and takes one record of the datagram. */
static enum dtls_event take_next(
	struct dtls_session *s, uint8_t *room, size_t size, size_t *n, struct mono now)
{
	struct header h;
	switch (header_next(&s->datagram, &s->rules, &h)) {
	case DTLS_HEADER_OK:
		break;
	case DTLS_HEADER_BAD:
		s->dropped[DTLS_DROP_HEADER]++;
		return DTLS_NOTHING;
	case DTLS_HEADER_CLIENT_HELLO:
		s->dropped[DTLS_DROP_CLIENT_HELLO]++;
		return DTLS_NOTHING;
	}
	if (s->state == DTLS_UP)
		return take_record(s, &h, room, size, n, now);
	return take_flight(s, &h, now);
}

enum dtls_event dtls_read(
	struct dtls_session *s, uint8_t *room, size_t size, size_t *n, struct mono now)
{
	enum dtls_event event = DTLS_NOTHING;
	*n = 0;
	s->newest = false;
	while (event == DTLS_NOTHING && cur_left(&s->datagram) > 0)
		event = take_next(s, room, size, n, now);
	return event;
}

int dtls_write(struct dtls_session *s, const uint8_t *bytes, size_t n)
{
	if (s->state != DTLS_UP)
		return -ENOTCONN;
	if (n == 0)
		return -EINVAL;
	if (n > DTLS_WRITE_MAX)
		return -EMSGSIZE;
	if (wolf_write(s->wolf, bytes, n))
		return 0;
	die(s, DTLS_ALERTED, wolf_alert(s->wolf));
	return -EPROTO;
}

struct mono dtls_deadline(const struct dtls_session *s)
{
	if (s->state == DTLS_UP && s->waiting)
		return s->flight_due;
	return s->state == DTLS_HANDSHAKE ? mono_min(s->give_up, s->flight_due) : MONO_NEVER;
}

static enum dtls_event repeat(struct dtls_session *s, struct mono now)
{
	unsigned ms = s->flight_ms * 2;
	s->loose = 0;
	s->repeating = true;
	bool sent = wolf_repeat(s->wolf);
	s->repeating = false;
	if (!sent)
		return die(s, DTLS_ALERTED, wolf_alert(s->wolf));
	arm(s, ms < FLIGHT_LAST_MS ? ms : FLIGHT_LAST_MS, now);
	return DTLS_NOTHING;
}

static enum dtls_event repeat_update(struct dtls_session *s, struct mono now)
{
	s->waiting = s->unanswered < UPDATE_REPEATS;
	return s->waiting ? repeat(s, now) : DTLS_NOTHING;
}

enum dtls_event dtls_tick(struct dtls_session *s, struct mono now)
{
	if (s->state == DTLS_DEAD || !mono_reached(dtls_deadline(s), now))
		return DTLS_NOTHING;
	if (s->state == DTLS_UP)
		return repeat_update(s, now);
	if (s->noted >= 0)
		return die(s, DTLS_ALERTED, s->noted);
	if (mono_reached(s->give_up, now))
		return die(s, DTLS_TIMED_OUT, -1);
	return repeat(s, now);
}

void dtls_close(struct dtls_session **s)
{
	if (*s != NULL && (*s)->state == DTLS_UP)
		wolf_close((*s)->wolf);
	dtls_forget(s);
}

void dtls_forget(struct dtls_session **s)
{
	if (*s == NULL)
		return;
	wolf_free((*s)->wolf);
	free(*s);
	*s = NULL;
}

enum dtls_state dtls_state(const struct dtls_session *s)
{
	return s->state;
}

unsigned dtls_unanswered(const struct dtls_session *s)
{
	return s->unanswered;
}

enum dtls_version dtls_version_of(const struct dtls_session *s)
{
	return s->rules.v13 ? DTLS_1_3 : DTLS_1_2;
}

const char *dtls_suite(const struct dtls_session *s)
{
	return s->state == DTLS_UP ? wolf_suite(s->wolf) : "";
}

int dtls_peer_cid(const struct dtls_session *s)
{
	return s->state == DTLS_UP ? wolf_peer_cid(s->wolf) : -1;
}

struct slice dtls_identity(const struct dtls_session *s)
{
	return wolf_identity(s->wolf);
}

enum dtls_security dtls_security_of(const struct dtls_session *s)
{
	return wolf_security(s->wolf);
}

struct slice dtls_public_key(const struct dtls_session *s)
{
	return wolf_public_key(s->wolf);
}

bool dtls_peer_name(const struct dtls_session *s, size_t i, struct slice *name)
{
	return wolf_peer_name(s->wolf, i, name);
}

enum dtls_fault dtls_why(const struct dtls_session *s)
{
	return s->state == DTLS_DEAD ? wolf_why(s->wolf) : DTLS_FAULT_NONE;
}

bool dtls_has_own_cid(const struct dtls_session *s)
{
	return s->state == DTLS_UP && s->rules.cid_only;
}

bool dtls_was_newest(const struct dtls_session *s)
{
	return s->newest;
}

uint64_t dtls_dropped(const struct dtls_session *s, enum dtls_drop why)
{
	return s->dropped[why];
}

int dtls_alert(const struct dtls_session *s)
{
	return s->alert;
}
