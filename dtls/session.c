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
 * No other way leads from one state to another. Records of a session that is UP are wolfSSL's as long as it has an aid,
 * and carry.c's without. */
#include "dtls/session_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Where those bytes of a ClientHello's random stand that are kept: behind what may be a time. */
#define RANDOM_AT 4

struct dtls_profile {
	struct wolf_profile *wolf;
	enum dtls_security security;
	const struct dtls_calls *calls;
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
		s->aid->muted = flight <= s->aid->flight && !s->aid->repeating;
	if (flight > s->aid->flight)
		s->aid->flight = flight;
	return s->aid->muted && (flight >= 0 || (!s->rules.server && !s->rules.v13));
}

/* DTLS 1.3: protected flights and acknowledgements look alike, so they are counted together. One in
 * plaintext is wolfSSL's answer to each record that it can not read yet: anybody could ask for it,
 * and another wolfSSL would answer with a flight, so it leaves when a timer asks for it. */
static bool is_too_much(struct dtls_session *s, const uint8_t *datagram)
{
	if (*datagram == HEADER_ACK)
		return !s->aid->repeating;
	bool counts = s->state == DTLS_HANDSHAKE && !s->aid->repeating && header13_is(*datagram);
	return counts && ++s->aid->loose > LOOSE_MAX;
}

/* What must be known of wolfSSL's records when we carry on behind them. */
static void watch(struct dtls_session *s, const uint8_t *datagram, size_t n)
{
	struct aid *aid = s->aid;
	int cid = wolf_peer_cid(aid->wolf);
	record12_watch(&s->record, datagram, n, cid > 0 ? (size_t)cid : 0);
	if (s->rules.server && datagram[0] == HEADER_CHANGE_CIPHER) {
		slice_free(&aid->last);
		(void)slice_copy(&aid->last, datagram, n); /* without it the session does not leave */
	}
}

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	struct dtls_session *s = who;
	if (!s->rules.v13 && s->state == DTLS_HANDSHAKE)
		watch(s, datagram, n);
	if (is_untimely(s, datagram, n) || is_too_much(s, datagram))
		return;
	int64_t last = s->rules.server ? header_last_number(datagram, n) : -1;
	if (last >= 0)
		s->aid->next_number = (uint64_t)last + 1;
	s->aid->emitted++;
	s->calls->emit(s->who, datagram, n);
}

enum dtls_event session_die(struct dtls_session *s, enum dtls_event event, int alert)
{
	s->state = DTLS_DEAD;
	s->alert = (int16_t)alert;
	record12_wipe(&s->record);
	s->datagram = cur_of(NULL, 0);
	return event;
}

/* A flight of ours is on its way: its time begins. */
static void arm(struct dtls_session *s, unsigned ms, struct mono now)
{
	s->aid->unanswered++;
	s->aid->flight_ms = ms;
	s->aid->flight_due = mono_add(now, ms);
}

/* Where wolfSSL keeps silent, a device that is not told tries again and again. */
static enum dtls_event fail(struct dtls_session *s)
{
	uint8_t alert[HEADER_ALERT_LEN];
	int unsaid = wolf_unsaid(s->aid->wolf);
	if (unsaid < 0)
		return session_die(s, DTLS_ALERTED, wolf_alert(s->aid->wolf));
	header_fatal(alert, s->aid->next_number, (uint8_t)unsaid);
	if (!s->rules.v13) /* there wolfSSL speaks, and says the same to all */
		emit(s, alert, sizeof(alert));
	return session_die(s, DTLS_ALERTED, unsaid);
}

static enum dtls_event come_up(struct dtls_session *s)
{
	s->state = DTLS_UP;
	s->aid->unanswered = 0;
	s->rules.established = true;
	s->rules.last_flight = s->rules.server;
	s->rules.cid_only = s->rules.cid > 0 && wolf_has_own_cid(s->aid->wolf);
	if (!s->rules.cid_only)
		s->rules.cid = 0;
	return DTLS_ESTABLISHED;
}

static enum dtls_event handshake(struct dtls_session *s, struct slice record, struct mono now)
{
	unsigned before = s->aid->emitted;
	enum wolf_result result = wolf_handshake(s->aid->wolf, record);
	if (s->aid->emitted != before)
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

/* Ends what wolfSSL and the handshake hold. */
static void free_aid(struct dtls_session *s)
{
	wolf_free(s->aid->wolf);
	slice_free(&s->aid->last);
	free(s->aid);
	s->aid = NULL;
	s->known = NULL;
}

/* A session that has said nothing yet. */
static struct dtls_session *make(
	const struct dtls_calls *calls, void *who, unsigned deadline_ms, struct mono now)
{
	struct dtls_session *s = aligned_alloc(alignof(struct dtls_session), sizeof(*s));
	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->aid = calloc(1, sizeof(*s->aid));
	if (s->aid == NULL) {
		free(s);
		return NULL;
	}
	s->calls = calls;
	s->who = who;
	s->state = DTLS_HANDSHAKE;
	s->aid->give_up = mono_add(now, deadline_ms);
	s->aid->flight = s->aid->noted = -1;
	s->alert = -1;
	s->aid->flight_ms = FLIGHT_FIRST_MS;
	s->aid->seen.epoch = NUMBER13_EPOCH;
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
	int rc = wolf_create(&s->aid->wolf, profile->wolf,
		&(struct wolf_spec){ spec->psk, spec->pair, spec->server_name, emit, s });
	if (rc == 0) {
		s->rules.v13 = wolf_version(s->aid->wolf) == DTLS_1_3;
		s->known = wolf_known(s->aid->wolf);
	}
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
	s->aid->wolf = w;
	s->known = wolf_known(w);
	s->rules.v13 = wolf_version(w) == DTLS_1_3;
	s->rules.server = true;
	s->rules.certs = birth->certs;
	s->rules.cid = birth->cid;
	BUG_UNLESS(birth->random.n >= RANDOM_AT + RANDOM_KEPT);
	memcpy(s->aid->random, birth->random.p + RANDOM_AT, RANDOM_KEPT);
	wolf_redirect(w, emit, s);
	if (birth->refused) {
		int alert = wolf_unsaid(w) >= 0 ? wolf_unsaid(w) : wolf_alert(w);
		s->aid->noted = alert >= 0 ? alert : HANDSHAKE_FAILURE;
		s->aid->flight_due = now;
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
	if (!s->rules.server || !young || !header_hello(datagram, n, &hello))
		return false;
	const uint8_t *random = s->aid != NULL ? s->aid->random : carry_random(s);
	return memcmp(hello.random.p + RANDOM_AT, random, RANDOM_KEPT) == 0;
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
		s->aid->noted = body.p[1];
}

static enum dtls_event take_flight(struct dtls_session *s, const struct header *h, struct mono now)
{
	if (h->type == HEADER_ALERT && h->epoch == 0) {
		note_alert(s, h->body);
		return DTLS_NOTHING;
	}
	if (h->is_verify && s->rules.v13) {
		s->aid->noted = PROTOCOL_VERSION; /* as believable as an alert */
		return DTLS_NOTHING;
	}
	if (h->epoch == 0) { /* a session that the peer still has would speak in epoch 1 */
		s->aid->unanswered = 0;
		s->aid->noted = -1;
	}
	enum dtls_event event = handshake(s, h->record, now);
	if (event == DTLS_ESTABLISHED)
		carry_begin(s, h);
	return event;
}

/* A client whose Finished comes again, authentic and with a new number, lacks our last flight. */
static enum dtls_event repeat_last(struct dtls_session *s)
{
	return wolf_repeat_last(s->aid->wolf) ? DTLS_NOTHING : fail(s);
}

/* A key update of ours, which answers the peer's, must be acknowledged (RFC 9147 8). */
static void watch_update(struct dtls_session *s, struct mono now)
{
	bool waiting = wolf_is_waiting(s->aid->wolf);
	if (waiting && !s->aid->waiting)
		arm(s, FLIGHT_FIRST_MS, now);
	if (!waiting)
		s->aid->unanswered = 0;
	s->aid->waiting = waiting;
}

static void say_goodbye(struct dtls_session *s)
{
	if (s->aid != NULL)
		wolf_close(s->aid->wolf);
	else
		carry_close(s);
}

static bool is_newest(struct dtls_session *s, const struct header *h)
{
	if (s->rules.v13)
		return number13_is_newest(&s->aid->seen, s->aid->wolf, h);
	return record12_pass(&s->record, h->number);
}

/* One that wolfSSL carries. */
static enum dtls_event take_record(struct dtls_session *s, const struct header *h, uint8_t *room,
	size_t size, size_t *n, struct mono now)
{
	enum wolf_result result = wolf_read(s->aid->wolf, h->record, room, size, n);
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
			number13_pass(&s->aid->seen, s->aid->wolf, h);
		return DTLS_NOTHING;
	case WOLF_CLOSED:
		wolf_close(s->aid->wolf);
		return session_die(s, DTLS_CLOSED, -1);
	case WOLF_FAILED:
		return session_die(s, DTLS_ALERTED, wolf_alert(s->aid->wolf));
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
	if (s->state != DTLS_UP)
		return take_flight(s, &h, now);
	return s->aid != NULL ? take_record(s, &h, room, size, n, now)
			      : carry_take(s, &h, room, size, n);
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

/* A session whose numbers have come to their end ends in order. */
static int write_own(struct dtls_session *s, const uint8_t *bytes, size_t n)
{
	if (!record12_is_worn(&s->record) && carry_say(s, HEADER_APPLICATION, bytes, n))
		return 0;
	carry_close(s);
	session_die(s, DTLS_CLOSED, -1);
	return -EPROTO;
}

int dtls_write(struct dtls_session *s, const uint8_t *bytes, size_t n)
{
	if (s->state != DTLS_UP)
		return -ENOTCONN;
	if (n == 0)
		return -EINVAL;
	if (n > DTLS_WRITE_MAX)
		return -EMSGSIZE;
	if (s->aid == NULL)
		return write_own(s, bytes, n);
	if (wolf_write(s->aid->wolf, bytes, n))
		return 0;
	session_die(s, DTLS_ALERTED, wolf_alert(s->aid->wolf));
	return -EPROTO;
}

struct mono dtls_deadline(const struct dtls_session *s)
{
	if (s->aid == NULL)
		return MONO_NEVER;
	if (s->state == DTLS_UP && s->aid->waiting)
		return s->aid->flight_due;
	return s->state == DTLS_HANDSHAKE ? mono_min(s->aid->give_up, s->aid->flight_due)
					  : MONO_NEVER;
}

static enum dtls_event repeat(struct dtls_session *s, struct mono now)
{
	unsigned ms = s->aid->flight_ms * 2;
	s->aid->loose = 0;
	s->aid->repeating = true;
	bool sent = wolf_repeat(s->aid->wolf);
	s->aid->repeating = false;
	if (!sent)
		return session_die(s, DTLS_ALERTED, wolf_alert(s->aid->wolf));
	arm(s, ms < FLIGHT_LAST_MS ? ms : FLIGHT_LAST_MS, now);
	return DTLS_NOTHING;
}

static enum dtls_event repeat_update(struct dtls_session *s, struct mono now)
{
	s->aid->waiting = s->aid->unanswered < UPDATE_REPEATS;
	return s->aid->waiting ? repeat(s, now) : DTLS_NOTHING;
}

enum dtls_event dtls_tick(struct dtls_session *s, struct mono now)
{
	if (s->state == DTLS_DEAD || s->aid == NULL || !mono_reached(dtls_deadline(s), now))
		return DTLS_NOTHING;
	if (s->state == DTLS_UP)
		return repeat_update(s, now);
	if (s->aid->noted >= 0)
		return session_die(s, DTLS_ALERTED, s->aid->noted);
	if (mono_reached(s->aid->give_up, now))
		return session_die(s, DTLS_TIMED_OUT, -1);
	return repeat(s, now);
}

void dtls_close(struct dtls_session **s)
{
	if (*s != NULL && (*s)->state == DTLS_UP)
		say_goodbye(*s);
	dtls_forget(s);
}

void dtls_forget(struct dtls_session **session)
{
	struct dtls_session *s = *session;
	if (s == NULL)
		return;
	if (s->aid != NULL)
		free_aid(s);
	carry_end(s);
	record12_wipe(&s->record);
	free(s);
	*session = NULL;
}
