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
/* Longest answer to a stranger: a HelloRetryRequest has 144 bytes, a HelloVerifyRequest 60, an alert
 * 15. */
#define ANSWER_MAX        192
#define HANDSHAKE_FAILURE 40 /* RFC 5246 7.2.2 */
#define PROTOCOL_VERSION  70

enum age { PRESENT, BEFORE, AGES };
#define VERSIONS (DTLS_1_3 + 1)

/* What waits for hellos of one version under one secret. */
struct waiting {
	struct wolf *wolf; /* made when needed, and anew after each error */
	uint8_t cid[DTLS_CID_MAX];
	size_t cid_n;
	enum wolf_offer offer;
};

struct dtls_listener {
	/* Apart, by what the hello says: wolfSSL's way to serve any version reads behind the end of
	 * some hellos, and changes its mind on the way. */
	struct wolf_profile *wolf[VERSIONS];
	const struct dtls_calls *calls;
	enum dtls_version newest;
	bool cid;
	uint8_t secret[AGES][SECRET_LEN];
	bool rotated; /* there is a secret before the present one */
	struct waiting waiting[VERSIONS][AGES];
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
	l->calls = spec->calls;
	l->newest = spec->version;
	l->cid = spec->cid;
	int rc = 0;
	for (unsigned v = DTLS_1_2; v <= l->newest && rc == 0; v++)
		rc = wolf_server_create(&l->wolf[v], spec, v);
	if (rc != 0) {
		dtls_listener_free(l);
		return rc;
	}
	rand_bytes(l->secret, sizeof(l->secret));
	*listener = l;
	return 0;
}

static void drop_waiting(struct waiting *w)
{
	wolf_free(w->wolf);
	w->wolf = NULL;
}

void dtls_listener_free(struct dtls_listener *listener)
{
	if (listener == NULL)
		return;
	for (unsigned v = 0; v < VERSIONS; v++) {
		drop_waiting(&listener->waiting[v][PRESENT]);
		drop_waiting(&listener->waiting[v][BEFORE]);
		wolf_profile_free(listener->wolf[v]);
	}
	explicit_bzero(listener->secret, sizeof(listener->secret));
	free(listener);
}

void dtls_listener_rotate(struct dtls_listener *l)
{
	for (unsigned v = 0; v < VERSIONS; v++) {
		drop_waiting(&l->waiting[v][BEFORE]);
		l->waiting[v][BEFORE] = l->waiting[v][PRESENT];
		l->waiting[v][PRESENT].wolf = NULL;
	}
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
	struct dtls_listener *l, enum age age, const struct header_hello *hello, struct slice cid)
{
	struct waiting *w = &l->waiting[hello->version][age];
	struct wolf_profile *profile = l->wolf[hello->version];
	struct wolf_spec spec = { .send = hold_answer, .who = l };
	struct wolf_waiting with = { { l->secret[age], SECRET_LEN }, cid,
		wolf_offer_for(profile, hello->server_types, hello->client_types) };
	if (hello->has_cookie &&
		(with.offer != w->offer || !slice_eq(cid, (struct slice){ w->cid, w->cid_n })))
		drop_waiting(w);
	if (w->wolf != NULL)
		return w->wolf;
	if (wolf_listen(&w->wolf, profile, &with, &spec) != 0)
		return NULL;
	w->offer = with.offer;
	w->cid_n = cid.n;
	if (cid.n > 0)
		memcpy(w->cid, cid.p, cid.n);
	return w->wolf;
}

static void hold_alert(struct dtls_listener *l, const struct header_hello *hello, uint8_t why)
{
	header_fatal(l->answer, hello->number, why);
	l->answer_n = HEADER_ALERT_LEN;
}

/* A device that shares no suite with us would try for ever: wolfSSL tells only us. */
static void tell_failure(struct dtls_listener *l, const struct header_hello *hello)
{
	if (l->answer_n == 0 && (hello->has_cookie || hello->version == DTLS_1_3))
		hold_alert(l, hello, HANDSHAKE_FAILURE);
}

/* What an object made of a hello. */
enum look {
	LOOK_NOTHING, /* an answer perhaps */
	LOOK_REFUSED, /* the cookie was good, the key was not: a session that is about to end */
	LOOK_GOOD     /* a session */
};

/* Shows the hello to the object of one secret. wolfSSL's errors stay, and an alert that it sent would
 * mute the next, so after either the object is thrown away. */
static enum look look_at(struct dtls_listener *l, enum age age, const struct header_hello *hello,
	const struct dtls_accept_spec *spec)
{
	struct wolf *w = get_waiting(l, age, hello, spec->cid);
	l->answer_n = 0;
	if (w == NULL)
		return LOOK_NOTHING;
	enum wolf_result result = wolf_hello(w, hello->record, hello->suites, spec->peer);
	bool alerted = l->answer_n > 0 && l->answer[0] == HEADER_ALERT;
	if (result == WOLF_UP)
		return LOOK_GOOD;
	if (result == WOLF_FAILED)
		tell_failure(l, hello);
	if (result == WOLF_FAILED && wolf_is_proven(w))
		return LOOK_REFUSED;
	if (result == WOLF_FAILED || alerted) {
		l->count[DTLS_HELLO_REPLACED]++;
		drop_waiting(&l->waiting[hello->version][age]);
	}
	return LOOK_NOTHING;
}

static struct wolf *take_waiting(struct waiting *w)
{
	struct wolf *wolf = w->wolf;
	w->wolf = NULL;
	return wolf;
}

static struct dtls_session *begin(struct dtls_listener *l, struct wolf *wolf,
	const struct session_birth *birth, struct mono now)
{
	struct dtls_session *s = session_born(wolf, birth, now);
	l->count[s != NULL ? DTLS_HELLO_ACCEPTED : DTLS_HELLO_REFUSED]++;
	return s;
}

/* An answer to an address that may be a lie is never longer than what came. */
static bool answer(struct dtls_listener *l, const uint8_t *bytes, size_t n, size_t asked, void *who)
{
	bool fits = n > 0 && n <= ANSWER_MAX && n <= asked;
	if (fits)
		l->calls->emit(who, bytes, n);
	return fits;
}

/* The newest version that both speak; false when there is none, which wolfSSL would not say. */
static bool choose_version(const struct dtls_listener *l, struct header_hello *hello)
{
	hello->version = hello->wants13 && l->newest == DTLS_1_3 ? DTLS_1_3 : DTLS_1_2;
	return hello->version == DTLS_1_3 || !hello->says_versions || hello->wants12;
}

static struct dtls_session *take_hello(struct dtls_listener *l, const struct header_hello *hello,
	const struct dtls_accept_spec *spec, struct mono now)
{
	uint8_t kept[ANSWER_MAX];
	enum age age = PRESENT;
	enum look look = look_at(l, PRESENT, hello, spec);
	size_t kept_n = l->answer_n;
	memcpy(kept, l->answer, sizeof(kept));
	if (look == LOOK_NOTHING && hello->has_cookie && l->rotated) {
		age = BEFORE;
		look = look_at(l, BEFORE, hello, spec);
	}
	if (look == LOOK_NOTHING) {
		bool said = answer(l, kept, kept_n, hello->record.n, spec->who);
		l->count[said ? DTLS_HELLO_ANSWERED : DTLS_HELLO_REFUSED]++;
		return NULL;
	}
	/* Before anything leaves: the caller may rotate us meanwhile. */
	struct wolf *wolf = take_waiting(&l->waiting[hello->version][age]);
	if (look == LOOK_REFUSED)
		(void)answer(l, l->answer, l->answer_n, hello->record.n, spec->who);
	struct session_birth birth = { l->calls, hello->random, (uint8_t)spec->cid.n,
		wolf_has_certs(l->wolf[hello->version]), spec->deadline_ms, spec->who,
		look == LOOK_REFUSED };
	if (spec->admit != NULL && !spec->admit(spec->who)) {
		wolf_free(wolf);
		l->count[DTLS_HELLO_REFUSED]++;
		return NULL;
	}
	return begin(l, wolf, &birth, now);
}

struct dtls_session *dtls_accept(struct dtls_listener *l, const struct dtls_accept_spec *spec,
	const uint8_t *datagram, size_t n, struct mono now)
{
	struct header_hello hello;
	BUG_UNLESS(spec->peer.n >= 1 && spec->peer.n <= DTLS_PEER_MAX);
	BUG_UNLESS(spec->cid.n <= DTLS_CID_MAX && (l->cid || spec->cid.n == 0));
	if (!header_hello(datagram, n, &hello)) {
		l->count[DTLS_HELLO_REFUSED]++;
		return NULL;
	}
	if (choose_version(l, &hello))
		return take_hello(l, &hello, spec, now);
	hold_alert(l, &hello, PROTOCOL_VERSION);
	bool said = answer(l, l->answer, l->answer_n, hello.record.n, spec->who);
	l->count[said ? DTLS_HELLO_ANSWERED : DTLS_HELLO_REFUSED]++;
	return NULL;
}

uint64_t dtls_listener_count(const struct dtls_listener *l, enum dtls_hello what)
{
	return l->count[what];
}
