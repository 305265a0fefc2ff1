/* A listener with its sessions, and the caller's part of dtls.h. */
#include "lan.h"
#include <stdlib.h>
#include <string.h>

enum dtls_version lan_version = DTLS_1_2;

static void emit(void *who, const uint8_t *datagram, size_t n)
{
	const struct lan_peer *peer = who;
	if (peer->send != NULL)
		peer->send(peer->who, datagram, n);
}

static const struct dtls_calls calls = { emit };

static const struct dtls_psk *find_psk(void *who, struct slice identity)
{
	struct lan *l = who;
	return slice_eq(identity, l->psk.identity) ? &l->psk : NULL;
}

bool lan_knows(void *lan, struct slice spki)
{
	struct lan *l = lan;
	l->asked++;
	return l->known_key.n > 0 && slice_eq(l->known_key, spki);
}

struct lan *lan_begin(bool cid)
{
	return lan_begin_with(&(struct dtls_listener_spec){ .cid = cid });
}

struct lan *lan_begin_with(const struct dtls_listener_spec *certs)
{
	struct lan *l = calloc(1, sizeof(*l));
	BUG_UNLESS(l != NULL);
	l->psk = (struct dtls_psk){ slice_str("meter17"), slice_str("0123456789abcdef") };
	l->cid = certs->cid;
	l->deadline_ms = 60000;
	struct dtls_listener_spec spec = *certs;
	spec.find_psk = find_psk;
	spec.psk_who = l;
	spec.calls = &calls;
	spec.version = lan_version;
	BUG_UNLESS(dtls_listener_create(&l->listener, &spec) == 0);
	return l;
}

void lan_end(struct lan *l)
{
	for (unsigned i = 0; i < l->born; i++)
		dtls_forget(&l->session[i].s);
	dtls_listener_free(l->listener);
	free(l);
}

static void keep_name(struct lan_session *e)
{
	struct slice name = dtls_identity(e->s);
	if (name.n > 0)
		memcpy(e->name, name.p, name.n);
}

static void note(struct lan_session *e, enum dtls_event event, const uint8_t *bytes, size_t n,
	struct mono now)
{
	e->events[event]++;
	if (event == DTLS_ESTABLISHED) {
		e->up = now;
		keep_name(e);
	}
	if (event == DTLS_DATA) {
		e->got++;
		e->last_n = n;
		memcpy(e->last, bytes, n);
	}
}

static void bury(struct lan_session *e, struct mono now)
{
	if (e->s == NULL || dtls_state(e->s) != DTLS_DEAD)
		return;
	keep_name(e);
	e->ended = now;
	e->alert = dtls_alert(e->s);
	e->why = dtls_why(e->s);
	e->header = dtls_dropped(e->s, DTLS_DROP_HEADER);
	e->record = dtls_dropped(e->s, DTLS_DROP_RECORD);
	dtls_forget(&e->s);
}

static void read_all(struct lan_session *e, const struct lan_peer *from, const uint8_t *datagram,
	size_t n, struct mono now)
{
	static uint8_t room[DTLS_RECORD_MAX];
	enum dtls_event event;
	size_t got;
	dtls_feed(e->s, datagram, n, now);
	while ((event = dtls_read(e->s, room, sizeof(room), &got, now)) != DTLS_NOTHING) {
		note(e, event, room, got, now);
		if (event == DTLS_DATA && dtls_was_newest(e->s) && from != e->peer) {
			e->peer = from;
			dtls_set_who(e->s, (void *)from);
		}
	}
	bury(e, now);
}

static void accept_hello(struct lan *l, const struct lan_peer *peer, const uint8_t *datagram,
	size_t n, struct mono now)
{
	struct lan_session *e = &l->session[l->born];
	BUG_UNLESS(l->born < LAN_SESSIONS);
	memset(e->cid, ++l->next_cid, LAN_CID);
	struct dtls_accept_spec spec = { peer->address, { e->cid, l->cid ? LAN_CID : 0 },
		l->deadline_ms, (void *)peer, NULL };
	e->s = dtls_accept(l->listener, &spec, datagram, n, now);
	if (e->s == NULL)
		return;
	e->peer = peer;
	e->up = e->ended = MONO_NEVER;
	l->born++;
}

static void route(struct lan *l, const struct lan_peer *peer, const uint8_t *datagram, size_t n,
	struct mono now)
{
	struct slice cid;
	bool has_cid = dtls_cid_of(datagram, n, l->cid ? LAN_CID : 0, &cid);
	bool is_hello = dtls_is_hello(datagram, n);
	for (unsigned i = 0; i < l->born; i++) {
		struct lan_session *e = &l->session[i];
		if (e->s == NULL)
			continue;
		if (has_cid && memcmp(cid.p, e->cid, LAN_CID) != 0)
			continue;
		if (!has_cid && e->peer != peer)
			continue;
		if (is_hello && !dtls_owns_hello(e->s, datagram, n))
			continue;
		read_all(e, peer, datagram, n, now);
		if (is_hello)
			return;
	}
	if (is_hello)
		accept_hello(l, peer, datagram, n, now);
}

void lan_feed(struct lan *l, const struct lan_peer *peer, const uint8_t *datagram, size_t n,
	struct mono now)
{
	/* Exactly as long as it is, so that a byte too far is seen. */
	uint8_t *exact = malloc(n);
	memcpy(exact, datagram, n);
	route(l, peer, exact, n, now);
	free(exact);
}

struct mono lan_deadline(const struct lan *l)
{
	struct mono first = MONO_NEVER;
	for (unsigned i = 0; i < l->born; i++)
		if (l->session[i].s != NULL)
			first = mono_min(first, dtls_deadline(l->session[i].s));
	return first;
}

void lan_tick(struct lan *l, struct mono now)
{
	for (unsigned i = 0; i < l->born; i++) {
		struct lan_session *e = &l->session[i];
		if (e->s == NULL)
			continue;
		enum dtls_event event = dtls_tick(e->s, now);
		if (event != DTLS_NOTHING)
			note(e, event, NULL, 0, now);
		bury(e, now);
	}
}

unsigned lan_living(const struct lan *l)
{
	unsigned living = 0;
	for (unsigned i = 0; i < l->born; i++)
		living += l->session[i].s != NULL;
	return living;
}
