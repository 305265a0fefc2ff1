/* Where sessions of the server role begin: a ClientHello from anybody costs an answer that is no longer
 * than itself, and nothing that stays; only one with a cookie of ours, from the address that the cookie
 * was sent to, becomes a session.
 *
 * The cookie is wolfSSL's (RFC 6347 4.2.1), made by an object that waits for hellos and becomes the
 * session when a good one comes. There is one for each secret: the present one, and the one before. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "dtls/header_int.h"
#include "dtls/session_int.h"

#define SECRET_LEN 32
/* Longest answer to a stranger: a HelloVerifyRequest has 60 bytes, an alert 15. */
#define ANSWER_MAX        128
#define HANDSHAKE_FAILURE 40 /* RFC 5246 7.2.2 */

enum age { PRESENT, BEFORE, AGES };

/* What waits for hellos under one secret. */
struct waiting {
	struct wolf *wolf; /* made when needed, and anew after each error */
	uint8_t cid[DTLS_CID_MAX];
	size_t cid_n;
	enum wolf_offer offer;
};

struct dtls_listener {
	struct wolf_profile *wolf;
	const struct dtls_calls *calls;
	bool cid;
	uint8_t secret[AGES][SECRET_LEN];
	bool rotated; /* there is a secret before the present one */
	struct waiting waiting[AGES];
	uint8_t answer[ANSWER_MAX]; /* what wolfSSL said to the hello at hand */
	size_t answer_n;            /* 0: nothing; more than ANSWER_MAX: too much */
	uint64_t count[DTLS_HELLOS];
};

int dtls_listener_create(struct dtls_listener **listener, const struct dtls_listener_spec *spec)
{
	*listener = NULL;
	struct dtls_listener *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	int rc = wolf_server_create(&l->wolf, spec);
	if (rc != 0) {
		free(l);
		return rc;
	}
	l->calls = spec->calls;
	l->cid = spec->cid;
	rand_bytes(l->secret, sizeof(l->secret));
	*listener = l;
	return 0;
}

static void drop_waiting(struct dtls_listener *l, enum age age)
{
	wolf_free(l->waiting[age].wolf);
	l->waiting[age].wolf = NULL;
}

void dtls_listener_free(struct dtls_listener *listener)
{
	if (listener == NULL)
		return;
	drop_waiting(listener, PRESENT);
	drop_waiting(listener, BEFORE);
	wolf_profile_free(listener->wolf);
	explicit_bzero(listener->secret, sizeof(listener->secret));
	free(listener);
}

void dtls_listener_rotate(struct dtls_listener *l)
{
	drop_waiting(l, BEFORE);
	l->waiting[BEFORE] = l->waiting[PRESENT];
	l->waiting[PRESENT].wolf = NULL;
	memcpy(l->secret[BEFORE], l->secret[PRESENT], SECRET_LEN);
	rand_bytes(l->secret[PRESENT], SECRET_LEN);
	l->rotated = true;
}

/* Keeps what wolfSSL says: whether it leaves is decided when all is known. */
static void hold_answer(void *who, const uint8_t *datagram, size_t n)
{
	struct dtls_listener *l = who;
	if (l->answer_n == 0 && n <= ANSWER_MAX)
		memcpy(l->answer, datagram, n);
	l->answer_n = l->answer_n == 0 && n <= ANSWER_MAX ? n : ANSWER_MAX + 1;
}

/* Only a hello with a cookie can become a session, so only then it matters what that is made with. */
static struct wolf *get_waiting(
	struct dtls_listener *l, enum age age, struct slice cid, const struct header_hello *hello)
{
	struct waiting *w = &l->waiting[age];
	struct wolf_spec spec = { .send = hold_answer, .who = l };
	struct wolf_waiting with = { { l->secret[age], SECRET_LEN }, cid,
		wolf_offer_for(l->wolf, hello->server_types, hello->client_types) };
	if (hello->has_cookie &&
		(with.offer != w->offer || !slice_eq(cid, (struct slice){ w->cid, w->cid_n })))
		drop_waiting(l, age);
	if (w->wolf != NULL)
		return w->wolf;
	if (wolf_listen(&w->wolf, l->wolf, &with, &spec) != 0)
		return NULL;
	w->offer = with.offer;
	w->cid_n = cid.n;
	if (cid.n > 0)
		memcpy(w->cid, cid.p, cid.n);
	return w->wolf;
}

/* A device that shares no suite with us would try for ever: wolfSSL tells only us. */
static void tell_failure(struct dtls_listener *l, const struct header_hello *hello)
{
	if (l->answer_n > 0 || !hello->has_cookie)
		return;
	header_fatal(l->answer, hello->number, HANDSHAKE_FAILURE);
	l->answer_n = HEADER_ALERT_LEN;
}

/* Shows the hello to the object of one secret; true when that is a session now. wolfSSL's errors
 * stay, and an alert that it sent would mute the next, so after either the object is thrown away. */
static bool is_good(struct dtls_listener *l, enum age age, const struct header_hello *hello,
	const struct dtls_accept_spec *spec)
{
	struct wolf *w = get_waiting(l, age, spec->cid, hello);
	l->answer_n = 0;
	if (w == NULL)
		return false;
	enum wolf_result result = wolf_hello(w, hello->record, spec->peer);
	bool alerted = l->answer_n > 0 && l->answer[0] == HEADER_ALERT;
	if (result == WOLF_UP)
		return true;
	if (result == WOLF_FAILED)
		tell_failure(l, hello);
	if (result == WOLF_FAILED || alerted) {
		l->count[DTLS_HELLO_REPLACED]++;
		drop_waiting(l, age);
	}
	return false;
}

static struct dtls_session *begin(struct dtls_listener *l, enum age age,
	const struct header_hello *hello, const struct dtls_accept_spec *spec, struct mono now)
{
	struct session_birth birth = { l->calls, hello->random, (uint8_t)spec->cid.n,
		wolf_has_certs(l->wolf), spec->deadline_ms, spec->who };
	struct wolf *w = l->waiting[age].wolf;
	l->waiting[age].wolf = NULL;
	struct dtls_session *s = session_born(w, &birth, now);
	l->count[s != NULL ? DTLS_HELLO_ACCEPTED : DTLS_HELLO_REFUSED]++;
	return s;
}

/* An answer to an address that may be a lie is never longer than what came. */
static void answer(struct dtls_listener *l, const uint8_t *bytes, size_t n, size_t asked, void *who)
{
	bool fits = n > 0 && n <= ANSWER_MAX && n <= asked;
	l->count[fits ? DTLS_HELLO_ANSWERED : DTLS_HELLO_REFUSED]++;
	if (fits)
		l->calls->emit(who, bytes, n);
}

struct dtls_session *dtls_accept(struct dtls_listener *l, const struct dtls_accept_spec *spec,
	const uint8_t *datagram, size_t n, struct mono now)
{
	struct header_hello hello;
	uint8_t kept[ANSWER_MAX];
	BUG_UNLESS(spec->peer.n >= 1 && spec->peer.n <= DTLS_PEER_MAX);
	BUG_UNLESS(spec->cid.n <= DTLS_CID_MAX && (l->cid || spec->cid.n == 0));
	if (!header_hello(datagram, n, &hello)) {
		l->count[DTLS_HELLO_REFUSED]++;
		return NULL;
	}
	if (is_good(l, PRESENT, &hello, spec))
		return begin(l, PRESENT, &hello, spec, now);
	size_t kept_n = l->answer_n;
	memcpy(kept, l->answer, sizeof(kept));
	if (hello.has_cookie && l->rotated && is_good(l, BEFORE, &hello, spec))
		return begin(l, BEFORE, &hello, spec, now);
	answer(l, kept, kept_n, hello.record.n, spec->who);
	return NULL;
}

uint64_t dtls_listener_count(const struct dtls_listener *l, enum dtls_hello what)
{
	return l->count[what];
}
