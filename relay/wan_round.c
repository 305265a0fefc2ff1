/* Which address and source port an association tries, and when it tries again (DESIGN.md 6, rules 4
 * and 10). A round tries every candidate once, each for its share of the handshake timeout. */
#include <errno.h>
#include <string.h>
#include "base/log.h"
#include "base/rand.h"
#include "wan.h"
#include "wan_int.h"

/* ---- time ---- */

/* A pause with jitter that doubles with each failure (rule 10). */
int64_t wan_backoff_ms(const struct wan *w)
{
	int64_t ms = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < w->failures && ms < BACKOFF_LAST_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_LAST_MS)
		ms = BACKOFF_LAST_MS;
	return ms / 2 + (int64_t)rand_below((uint32_t)(ms / 2) + 1);
}

/* True when the server may be found at another address than the one in use. */
static bool has_other_address(const struct wan *w)
{
	const struct server *s = w->server;
	return s->addresses > 1 || (s->addresses == 1 && !addr_eq(&w->peer, &s->address[0]));
}

/* True when silence can be mended: by a new session, or by another address. */
bool wan_can_mend_silence(const struct wan *w)
{
	return w->is_secure || has_other_address(w);
}

/* When a new session is to be tried beside the present one. */
struct mono wan_suspicion_at(const struct wan *w)
{
	if (w->state != WAN_UP || w->attempt != NULL || !wan_can_mend_silence(w))
		return MONO_NEVER;
	if (!w->is_asked || w->next_try.ms != MONO_NEVER.ms)
		return w->next_try;
	struct mono pause = mono_add(w->suspected, WAN_NUDGE_MS);
	struct mono at = w->asked_copies >= SILENCE_COPIES ? w->asked_at :
							     mono_add(w->asked_at, SILENCE_MS);
	return pause.ms > at.ms ? pause : at;
}

/* ---- up ---- */

/* The socket's port is the one to remember. */
void wan_keep_port(struct wan *w)
{
	w->port_was_used = true;
	if (w->kept_port == w->port)
		return;
	if (w->kept_port != 0) {
		w->env->stat.count[COUNT_PORTS_GIVEN_UP]++;
		log_info("wan: %s: source port %u given up for %u", w->label, w->kept_port, w->port);
	}
	w->kept_port = w->port;
	w->calls->port_is(w, w->port);
}

void wan_came_up(struct wan *w, struct mono now)
{
	w->state = WAN_UP;
	w->down_since = MONO_NEVER;
	w->is_late_told = false;
	w->is_asked = false;
	w->must_renew = false;
	w->next_try = MONO_NEVER;
	wan_keep_port(w);
	w->calls->is_up(w, now);
}

/* ---- a round: every candidate once, within the handshake timeout ---- */

/* How many candidates a round has: each address from the present port, then, when a server may still
 * hold a session with that port, each address from a new one (rule 4). */
unsigned wan_candidates(const struct wan *w)
{
	unsigned n = (unsigned)w->server->addresses;
	return w->port_was_used && w->is_secure ? 2 * n : n;
}

/* A candidate has an equal share of what is left of the round, so that one whose server answers but
 * never agrees does not starve the others. */
static unsigned share_ms(const struct wan *w, struct mono now)
{
	int64_t left = mono_since(now, w->round_ends);
	int64_t others = w->session == NULL ? (int64_t)wan_candidates(w) - w->step : 1;
	return left > others ? (unsigned)(left / (others > 0 ? others : 1)) : 1;
}

static int attempt_begin(struct wan *w, struct mono now)
{
	struct dtls_session_spec spec = { .psk = w->psk, .pair = w->pair, .who = w,
		.server_name = w->server->sni };
	spec.deadline_ms = share_ms(w, now);
	w->env->stat.count[COUNT_HANDSHAKES]++;
	return dtls_connect(&w->attempt, w->server->profile, &spec, now);
}

/* Tries the candidate that step names. */
static int candidate_try(struct wan *w, struct mono now)
{
	unsigned n = (unsigned)w->server->addresses;
	const struct addr *peer = &w->server->address[w->step % n];
	uint16_t port = w->kept_port;
	if (w->step == n)
		wan_socket_close(w); /* from here on another port */
	if (w->step >= n)
		port = 0;
	int rc = wan_socket_towards(w, peer, port);
	if (rc == 0 && w->is_secure)
		rc = attempt_begin(w, now);
	else if (rc == 0)
		wan_came_up(w, now); /* nothing to be proven */
	return rc;
}

static void round_failed(struct wan *w, const char *why, struct mono now)
{
	char peer[ADDR_TEXT];
	w->failures++;
	w->last_try = now;
	w->next_try = mono_add(now, wan_backoff_ms(w));
	server_doubt(w->server, now);
	if (w->is_secure)
		w->env->stat.count[COUNT_HANDSHAKES_FAILED]++;
	/* ever more rarely: at the first, second, fourth, eighth ... in a row */
	if ((w->failures & (w->failures - 1)) == 0)
		log_warn("wan: %s: no association with %s at %s: %s (%u in a row)", w->label,
			w->server->name, addr_print(&w->peer, peer), why, w->failures);
	if (w->session == NULL)
		w->state = WAN_BACKOFF;
}

/* Goes to the next candidate; the last one failed the round. */
void wan_candidate_next(struct wan *w, const char *why, struct mono now)
{
	dtls_forget(&w->attempt);
	while (++w->step < wan_candidates(w) && !mono_reached(w->round_ends, now)) {
		if (candidate_try(w, now) == 0)
			return;
	}
	round_failed(w, why, now);
}

void wan_round_begin(struct wan *w, struct mono now)
{
	w->last_try = now;
	w->next_try = MONO_NEVER;
	if (w->server->addresses == 0) {
		w->state = WAN_WAITING; /* server_user.found goes on */
		return;
	}
	dtls_forget(&w->attempt);
	w->round_ends = mono_add(now, w->server->handshake_ms);
	w->state = WAN_HANDSHAKE;
	w->step = 0;
	int rc = candidate_try(w, now);
	if (rc != 0)
		wan_candidate_next(w, strerror(-rc), now);
}

/* ---- a new session beside the old one (rule 10) ---- */

/* A plain server is looked for at its next address. Without a socket there is no association. */
static void next_address(struct wan *w, uint16_t port, struct mono now)
{
	w->failures++;
	w->step = (uint8_t)((w->step + 1U) % w->server->addresses);
	w->is_asked = false;
	if (wan_socket_towards(w, &w->server->address[w->step], port) == 0) {
		wan_keep_port(w);
		return;
	}
	w->state = WAN_BACKOFF;
	w->down_since = now;
	w->next_try = mono_add(now, wan_backoff_ms(w));
}

void wan_next(struct wan *w, bool is_refused, struct mono now)
{
	bool is_last = w->step + 1U >= w->server->addresses && !is_refused;
	server_doubt(w->server, now);
	if (w->state != WAN_UP || w->server->addresses == 0)
		return;
	w->is_refused = false;
	if (is_last)
		wan_socket_close(w);
	next_address(w, is_last ? 0 : w->kept_port, now);
}

void wan_suspect(struct wan *w, struct mono now)
{
	w->last_try = w->suspected = now;
	w->next_try = MONO_NEVER;
	w->env->stat.count[COUNT_SERVER_SILENT]++;
	if (!w->is_secure) {
		next_address(w, w->kept_port, now);
		return;
	}
	w->round_ends = mono_add(now, w->server->handshake_ms);
	log_debug("wan: %s: trying a new session with %s beside the present one", w->label,
		w->server->name);
	if (wan_socket_towards(w, &w->peer, w->port) != 0 || attempt_begin(w, now) != 0)
		w->next_try = mono_add(now, wan_backoff_ms(w));
}

/* The attempt beside a session came to nothing. Where the server has other addresses the session is
 * given up for them; else it stays, for the silence may be the network's. */
static void suspicion_failed(struct wan *w, const char *why, struct mono now)
{
	dtls_forget(&w->attempt);
	if (has_other_address(w) && w->is_asked) {
		dtls_close(&w->session);
		w->down_since = now;
		wan_round_begin(w, now);
		return;
	}
	round_failed(w, why, now);
}

void wan_attempt_lost(struct wan *w, const char *why, struct mono now)
{
	if (w->session != NULL)
		suspicion_failed(w, why, now);
	else
		wan_candidate_next(w, why, now);
}
