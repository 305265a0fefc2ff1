/* One association towards a server.
 *
 *   state      means                                  left when
 *   CLOSED     no association                         wan_open
 *   WAITING    for the server's address, or its turn  both are there -> HANDSHAKE, or UP without DTLS
 *   HANDSHAKE  no proven session, one being made      proven -> UP; candidates or time used up -> BACKOFF
 *   UP         messages pass; beside the proven       closed or alert -> WAITING (jitter);
 *              session a new one may be tried          a proven newer one takes the place
 *   BACKOFF    a pause after a failed round           its end, or a nudge by a device -> HANDSHAKE
 */
#include "wan.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/rand.h"
#include "directory.h"
#include "reason.h"
#include "udp.h"
#include "wan_int.h"


const char *wan_state_print(enum wan_state state)
{
	switch (state) {
	case WAN_CLOSED:
		return "closed";
	case WAN_WAITING:
		return "waiting";
	case WAN_HANDSHAKE:
		return "handshake";
	case WAN_UP:
		return "up";
	case WAN_BACKOFF:
		return "back-off";
	}
	BUG("unknown association state");
}

/* ---- time ---- */

static void rearm(struct wan *w)
{
	struct mono at = wan_suspicion_at(w);
	if (w->state == WAN_WAITING || w->state == WAN_BACKOFF)
		at = mono_min(at, w->next_try);
	if (w->state != WAN_UP && !w->is_late_told)
		at = mono_min(at, mono_add(w->down_since, w->server->handshake_ms));
	if (w->attempt != NULL)
		at = mono_min(at, dtls_deadline(w->attempt));
	if (w->session != NULL)
		at = mono_min(at, dtls_deadline(w->session));
	timer_arm(w->env->timers, &w->timer, at);
}

/* Something authentic came: the server is there. Only a session that has to go in any case, because
 * the server does not know our new address, is renewed all the same. */
static void heard(struct wan *w)
{
	w->is_asked = false;
	w->failures = 0;
	w->is_refused = false;
	if (!w->must_renew)
		w->next_try = MONO_NEVER;
}

/* ---- the socket ---- */

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	struct wan *w = who;
	unsigned refused = 0;
	w->emit_error = udp_send(w->fd, datagram, n, &refused);
	w->env->stat.count[COUNT_ICMP_ERRORS] += refused;
}

const struct dtls_calls wan_dtls_calls = { .emit = emit };

/* ---- what sessions tell ---- */

static void established(struct wan *w, struct mono now)
{
	bool is_first = w->session == NULL;
	dtls_forget(&w->session);
	w->session = w->attempt;
	w->attempt = NULL;
	w->env->stat.count[COUNT_HANDSHAKES_DONE]++;
	log_info("wan: %s: %s session with %s, %s, source port %u", w->label,
		is_first ? "secure" : "new secure", w->server->name, dtls_suite(w->session), w->port);
	wan_came_up(w, now);
}

static void session_lost(struct wan *w, const char *why, struct mono now)
{
	dtls_forget(&w->session);
	w->env->stat.count[COUNT_SERVER_CLOSED]++;
	log_info("wan: %s: %s %s the session", w->label, w->server->name, why);
	w->down_since = now;
	if (w->attempt != NULL) {
		w->state = WAN_HANDSHAKE;
		return;
	}
	w->state = WAN_WAITING;
	w->last_try = now;
	/* at once the first time; a server that ends every session is asked ever more slowly */
	w->next_try = mono_add(now, w->failures++ == 0 ? rand_below(RECONNECT_JITTER_MS) :
							 wan_backoff_ms(w));
}

#define WHY_MAX 120

/* Ends the sentence "the server ... the session". */
static const char *why_lost(const struct dtls_session *s, enum dtls_event event, char why[WHY_MAX])
{
	snprintf(why, WHY_MAX, event == DTLS_CLOSED ? "closed" : "ended by alert %d",
		event == DTLS_CLOSED ? 0 : dtls_alert(s));
	return why;
}

/* Why a handshake came to nothing: its credential, ours, or something else. */
static const char *why_refused(const struct dtls_session *s, enum dtls_event event, char why[WHY_MAX])
{
	const char *fault = reason_of_fault(dtls_why(s));
	if (event == DTLS_TIMED_OUT)
		return "no answer in time, or another key";
	if (fault != NULL)
		snprintf(why, WHY_MAX, "the server was refused: %s", fault);
	else if (event == DTLS_CLOSED)
		snprintf(why, WHY_MAX, "the server closed");
	else
		snprintf(why, WHY_MAX, "the server refused, alert %d", dtls_alert(s));
	return why;
}

/* Acts on one event of a session; true when there may be more to read. */
static bool act(struct wan *w, struct dtls_session *s, enum dtls_event event, uint8_t *room,
	size_t n, struct mono now)
{
	char why[WHY_MAX];
	switch (event) {
	case DTLS_NOTHING:
		return false;
	case DTLS_ESTABLISHED:
		if (s == w->attempt)
			established(w, now);
		return s == w->session; /* what waited may have broken it already */
	case DTLS_DATA:
		heard(w);
		if (s == w->session && !w->must_renew)
			dtls_forget(&w->attempt);
		w->calls->message(w, room, n, now);
		return w->state != WAN_CLOSED && s == w->session;
	case DTLS_CLOSED:
	case DTLS_ALERTED:
		if (s == w->session)
			session_lost(w, why_lost(s, event, why), now);
		else
			wan_attempt_lost(w, why_refused(s, event, why), now);
		return false;
	case DTLS_TIMED_OUT:
		wan_attempt_lost(w, why_refused(s, event, why), now);
		return false;
	}
	BUG("unknown session event");
}

/* Hands over what the session dropped since it was last asked. */
static void count_drops(struct wan *w, const struct dtls_session *s, const uint64_t before[])
{
	static const enum drop why[DTLS_DROPS] = { [DTLS_DROP_HEADER] = DROP_WAN_HEADER,
		[DTLS_DROP_CLIENT_HELLO] = DROP_WAN_CLIENT_HELLO,
		[DTLS_DROP_RECORD] = DROP_WAN_RECORD };
	for (int i = 0; i < DTLS_DROPS; i++)
		for (uint64_t n = before[i]; n < dtls_dropped(s, (enum dtls_drop)i); n++)
			w->calls->lost(w, why[i]);
}

/* Gives a datagram to one session and acts on all that it brings. Returns true when something came
 * of it, so that no other session need be asked. */
static bool feed(struct wan *w, struct dtls_session *s, const uint8_t *datagram, size_t n,
	bool is_last, struct mono now)
{
	uint64_t before[DTLS_DROPS];
	for (int i = 0; i < DTLS_DROPS; i++)
		before[i] = dtls_dropped(s, (enum dtls_drop)i);
	dtls_feed(s, datagram, n, now);
	bool took = false;
	for (;;) {
		uint8_t *room = w->calls->room(w, now);
		size_t got = 0;
		enum dtls_event event = dtls_read(s, room, UDP_ROOM, &got, now);
		took |= event != DTLS_NOTHING;
		if (event == DTLS_NOTHING && is_last)
			count_drops(w, s, before);
		if (!act(w, s, event, room, got, now))
			return took;
	}
}

/* ---- datagrams ---- */

/* The kernel says that nobody listens at the server's port. */
static void refused(struct wan *w, struct mono now)
{
	w->env->stat.count[COUNT_ICMP_ERRORS]++;
	w->is_refused = true;
	if (!w->is_secure)
		return;
	if (w->attempt != NULL)
		wan_attempt_lost(w, "connection refused", now);
	else if (w->state == WAN_UP && w->next_try.ms == MONO_NEVER.ms)
		w->next_try = mono_add(now, BACKOFF_FIRST_MS / 2 + rand_below(BACKOFF_FIRST_MS / 2));
}

/* Reads one datagram; false when there was none. */
static bool read_secure(struct wan *w, struct mono now)
{
	uint8_t *datagram = w->env->scratch;
	long n = udp_recv(w->fd, datagram, ENV_SCRATCH);
	if (n == -ECONNREFUSED)
		refused(w, now);
	else if (n > ENV_SCRATCH)
		w->calls->lost(w, DROP_WAN_CUT);
	if (n < 0 || n > ENV_SCRATCH)
		return n >= 0;
	bool both = w->session != NULL && w->attempt != NULL;
	if (w->session != NULL && feed(w, w->session, datagram, (size_t)n, !both, now))
		return true;
	if (w->state != WAN_CLOSED && w->attempt != NULL)
		feed(w, w->attempt, datagram, (size_t)n, true, now);
	else if (w->state != WAN_CLOSED && w->session == NULL)
		w->calls->lost(w, DROP_WAN_RECORD);
	return true;
}

static bool read_plain(struct wan *w, struct mono now)
{
	uint8_t *room = w->calls->room(w, now);
	long n = udp_recv(w->fd, room, UDP_ROOM);
	if (n == -ECONNREFUSED)
		refused(w, now);
	if (n < 0)
		return false;
	heard(w);
	if (n > UDP_ROOM)
		w->calls->lost(w, DROP_WAN_CUT);
	else
		w->calls->message(w, room, (size_t)n, now);
	return true;
}

/* Goes on while answers are owed, so that a device whose messages come by the batch gets its answers as fast,
 * and what the server did for it is not lost in the kernel. A server that floods, unasked, is read once. */
static void read_some(struct wan *w, struct mono now)
{
	do {
		bool is_one = w->is_secure ? read_secure(w, now) : read_plain(w, now);
		if (!is_one)
			w->owed = 0;
		else if (w->owed > 0)
			w->owed--;
	} while (w->owed > 0 && w->has_socket);
}

/* A session of DTLS 1.3 that is up may have to repeat something: an update of its keys. */
static bool has_own_time(const struct wan *w)
{
	return w->server->version == DTLS_1_3 && w->session != NULL &&
		dtls_deadline(w->session).ms != MONO_NEVER.ms;
}

static void is_ready(struct watch *watch, unsigned happened, struct mono now)
{
	(void)happened;
	struct wan *w = container_of(watch, struct wan, watch);
	read_some(w, now);
	if (w->is_secure && w->state != WAN_CLOSED && (w->state != WAN_UP || w->attempt != NULL ||
		w->next_try.ms != MONO_NEVER.ms || has_own_time(w)))
		rearm(w);
}

static void is_soon(const struct watch *watch)
{
	const struct wan *w = container_of(watch, struct wan, watch);
	wan_fetch(w);
	w->calls->soon(w);
}

/* ---- time passes ---- */

/* Three flights went unanswered and the fourth is due: another candidate may do better (rule 4). */
static bool is_unanswered(const struct wan *w, struct mono now)
{
	return w->session == NULL && dtls_unanswered(w->attempt) >= PORT_FLIGHTS &&
		mono_reached(dtls_deadline(w->attempt), now) && w->step + 1U < wan_candidates(w);
}

static void tick_attempt(struct wan *w, struct mono now)
{
	char why[WHY_MAX];
	if (is_unanswered(w, now)) {
		wan_candidate_next(w, "no answer", now);
		return;
	}
	enum dtls_event event = dtls_tick(w->attempt, now);
	if (event != DTLS_NOTHING)
		wan_attempt_lost(w, why_refused(w->attempt, event, why), now);
}

static void tick_session(struct wan *w, struct mono now)
{
	char why[WHY_MAX];
	enum dtls_event event = dtls_tick(w->session, now);
	if (event != DTLS_NOTHING)
		session_lost(w, why_lost(w->session, event, why), now);
}

static void fire(struct timer *timer, struct mono now)
{
	struct wan *w = container_of(timer, struct wan, timer);
	if (w->session != NULL && has_own_time(w))
		tick_session(w, now);
	if (w->attempt != NULL)
		tick_attempt(w, now);
	else if ((w->state == WAN_WAITING || w->state == WAN_BACKOFF) &&
		mono_reached(w->next_try, now))
		wan_round_begin(w, now);
	else if (mono_reached(wan_suspicion_at(w), now))
		wan_suspect(w, now);
	if (!w->is_late_told && wan_is_late(w, now)) {
		w->is_late_told = true;
		w->calls->is_late(w, now);
	}
	rearm(w);
}

/* Associations with the server besides this one, as if other workers had as many; but no more than there are flows. */
static size_t others_at(const struct wan *w)
{
	size_t all = (w->server->user_count - 1) * w->env->workers;
	size_t flows = w->env->directory != NULL ? directory_flows(w->env->directory) : all;
	return all < flows ? all : flows;
}

static void addresses_found(struct server_user *user, struct mono now)
{
	struct wan *w = container_of(user, struct wan, user);
	bool is_paced = w->next_try.ms != MONO_NEVER.ms && !mono_reached(w->next_try, now);
	if (w->state != WAN_WAITING || is_paced)
		return;
	size_t others = others_at(w);
	uint32_t spread_ms = (uint32_t)(others * 1000 / RESTORE_PER_SECOND);
	w->next_try = others < RESTORE_BURST ? now : mono_add(now, rand_below(spread_ms + 1));
	if (mono_reached(w->next_try, now))
		wan_round_begin(w, now);
	rearm(w);
}

/* ---- for the owner ---- */

void wan_open(struct wan *w, struct env *env, const struct wan_spec *spec, struct mono now)
{
	*w = (struct wan){ .env = env, .calls = spec->calls, .server = spec->server,
		.psk = spec->psk, .pair = spec->pair, .label = spec->label, .kept_port = spec->port,
		.port_was_used = spec->port != 0, .state = WAN_WAITING,
		.is_secure = spec->server->is_secure && !spec->is_opaque };
	w->watch.ready = is_ready;
	w->watch.soon = is_soon;
	w->timer.fire = fire;
	w->user.found = addresses_found;
	w->down_since = now;
	w->next_try = mono_add(now, spec->delay_ms);
	server_join(spec->server, &w->user);
	if (spec->delay_ms == 0)
		wan_round_begin(w, now);
	rearm(w);
}

void wan_close(struct wan *w)
{
	if (w->state == WAN_CLOSED)
		return;
	w->state = WAN_CLOSED;
	timer_disarm(w->env->timers, &w->timer);
	dtls_forget(&w->attempt);
	if (w->session != NULL)
		dtls_close(&w->session);
	wan_socket_close(w);
	server_leave(w->server, &w->user);
}

void wan_fetch(const struct wan *w)
{
	if (w->session != NULL)
		dtls_prefetch(w->session);
}

bool wan_is_late(const struct wan *w, struct mono now)
{
	return w->state != WAN_UP && w->state != WAN_CLOSED &&
		mono_reached(mono_add(w->down_since, w->server->handshake_ms), now);
}

int wan_send(struct wan *w, const uint8_t *bytes, size_t n, struct mono now)
{
	if (w->state != WAN_UP)
		return -ENOTCONN;
	if (w->owed < WAN_READS)
		w->owed++;
	if (w->is_secure) {
		w->emit_error = 0;
		int rc = dtls_write(w->session, bytes, n);
		if (rc == -EPROTO)
			session_lost(w, "broke", now);
		if (rc == -EPROTO || has_own_time(w))
			rearm(w);
		return rc != 0 ? rc : w->emit_error;
	}
	unsigned met = 0;
	int rc = udp_send(w->fd, bytes, n, &met);
	w->env->stat.count[COUNT_ICMP_ERRORS] += met;
	w->is_refused |= met > 0;
	return rc;
}

/* Measures silence from the first CON that nothing authentic followed. */
static void note_asked(struct wan *w, uint16_t mid, struct mono now)
{
	if (!w->is_asked) {
		w->is_asked = true;
		w->asked_mid = mid;
		w->asked_copies = 1;
		w->asked_at = now;
	} else if (w->asked_mid == mid && w->asked_copies < UINT8_MAX) {
		w->asked_copies++;
	}
}

/* A device asks while flights go unanswered, ever more slowly: the round begins again, so that a server
 * that is back is met at once. */
static void nudge_handshake(struct wan *w, struct mono now)
{
	bool is_stuck = w->attempt != NULL && dtls_unanswered(w->attempt) >= PORT_FLIGHTS &&
		w->step + 1U >= wan_candidates(w);
	if (!is_stuck || mono_since(w->last_try, now) < WAN_NUDGE_MS * 2)
		return;
	wan_round_begin(w, now);
	rearm(w);
}

void wan_note_con(struct wan *w, uint16_t mid, struct mono now)
{
	if (w->state == WAN_UP)
		note_asked(w, mid, now);
	if (w->state == WAN_UP && !wan_can_mend_silence(w)) {
		if (mono_since(w->asked_at, now) >= SILENCE_MS)
			server_doubt(w->server, now);
		return;
	}
	if (w->state == WAN_HANDSHAKE)
		nudge_handshake(w, now);
	if (w->state != WAN_UP && w->state != WAN_BACKOFF)
		return;
	if (w->next_try.ms != MONO_NEVER.ms) {
		struct mono soon = mono_add(now, rand_below(RECONNECT_JITTER_MS));
		struct mono pause = mono_add(w->last_try, WAN_NUDGE_MS);
		w->next_try = mono_min(w->next_try, pause.ms > soon.ms ? pause : soon);
	}
	struct mono at = w->state == WAN_UP ? wan_suspicion_at(w) : w->next_try;
	timer_arm_by(w->env->timers, &w->timer, at);
}

bool wan_move(struct wan *w, uint32_t spread_ms, struct mono now)
{
	struct addr have, want;
	if (!w->has_socket)
		return false;
	if (udp_source_for(&w->peer, w->server->interface, &want) != 0)
		return false;
	bool is_same = udp_local(w->fd, &have) == 0 && addr_same_host(&have, &want);
	if (w->is_connected && is_same && !wan_socket_is_stale(w))
		return false;
	w->is_connected = false;
	if (wan_socket_towards(w, &w->peer, w->port) != 0)
		log_warn("wan: %s: no socket towards %s", w->label, w->server->name);
	w->env->stat.count[COUNT_SOCKETS_MOVED]++;
	w->must_renew = w->session != NULL && dtls_peer_cid(w->session) <= 0;
	if (w->must_renew || (w->attempt != NULL && w->session == NULL))
		w->next_try = mono_add(now, rand_below(spread_ms + 1));
	if (w->attempt != NULL && w->session == NULL) {
		dtls_forget(&w->attempt);
		w->state = WAN_WAITING;
	}
	rearm(w);
	return true;
}

const char *wan_suite(const struct wan *w)
{
	return w->session != NULL ? dtls_suite(w->session) : "";
}
