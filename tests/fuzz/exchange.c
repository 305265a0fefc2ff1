/* Two ends of a handshake on a virtual wire with a virtual clock. */
#include "exchange.h"
#include <stdlib.h>
#include <string.h>
#include "credentials.h"

#define DEADLINE_MS 60000
#define REPEAT_MS   1000

static const struct dtls_psk credential = {
	{ (const uint8_t *)"meter17", 7 },
	{ (const uint8_t *)"0123456789abcdef", 16 },
};

void exchange_put(
	struct exchange *x, enum exchange_way way, const uint8_t *bytes, size_t n, int64_t late)
{
	BUG_UNLESS(x->sent < EXCHANGE_PACKETS); /* nobody may go on for ever */
	struct exchange_packet *p = &x->packet[x->sent++];
	p->way = way;
	p->n = n < EXCHANGE_MAX ? n : EXCHANGE_MAX;
	memcpy(p->bytes, bytes, p->n);
	p->due = mono_add(x->now, EXCHANGE_MS + late);
}

static void leave(struct exchange *x, enum exchange_way way, const uint8_t *bytes, size_t n)
{
	if (x->alter != NULL)
		x->alter(x->who, way, bytes, n);
	else
		exchange_put(x, way, bytes, n, 0);
}

static void send_up(void *who, const uint8_t *bytes, size_t n)
{
	leave(who, EXCHANGE_UP, bytes, n);
}

static void send_down(void *who, const uint8_t *bytes, size_t n)
{
	struct exchange *x = who;
	x->answer += n;
	leave(x, EXCHANGE_DOWN, bytes, n);
}

static const struct dtls_calls calls = { send_up };

static void on_client_data(void *who, const uint8_t *bytes, size_t n)
{
	struct exchange *x = who;
	(void)bytes;
	(void)n;
	x->speaking->client_got++;
}

static void on_server_data(void *who, const uint8_t *bytes, size_t n)
{
	struct exchange *x = who;
	(void)bytes;
	(void)n;
	x->speaking->server_got++;
}

/* ---- credentials ---------------------------------------------------------------------------- */

static int64_t in_2030(void)
{
	return 1893456000;
}

static struct slice spki(const char *pem, uint8_t room[DTLS_SPKI_MAX])
{
	size_t n;
	BUG_UNLESS(dtls_public_key_read(slice_str(pem), room, &n) == 0);
	return (struct slice){ room, n };
}

static void make_profile(struct exchange *x)
{
	struct dtls_profile_spec spec = { .cid = x->spec.cid,
		.version = x->spec.v13 ? DTLS_1_3 : DTLS_1_2,
		.no_dhe = x->spec.no_dhe,
		.calls = &calls };
	switch (x->spec.kind) {
	case EXCHANGE_RPK:
		spec.security = DTLS_RPK;
		spec.trust = slice_str(pki_server_public);
		break;
	case EXCHANGE_X509:
		spec.security = DTLS_X509;
		spec.trust = slice_str(pki_ca);
		spec.expected_name = "lwm2m.example.org";
		spec.wall_s = in_2030;
		break;
	case EXCHANGE_PSK:
	case EXCHANGE_KINDS:
		break;
	}
	BUG_UNLESS(dtls_profile_create(&x->profile, &spec) == 0);
}

static void make_lan(struct exchange *x)
{
	static uint8_t room[DTLS_SPKI_MAX];
	struct dtls_listener_spec spec = { .cid = x->spec.cid };
	lan_version = x->spec.v13 ? DTLS_1_3 : DTLS_1_2;
	if (x->spec.kind != EXCHANGE_PSK) {
		spec.pair = (struct dtls_pair){ slice_str(pki_server), slice_str(pki_server_key) };
		spec.ca = slice_str(pki_ca);
		spec.find_key = lan_knows;
		spec.wall_s = in_2030;
	}
	x->lan = lan_begin_with(&spec);
	x->lan->known_key = spki(pki_device_public, room);
}

/* The library's end, by the same means. */
static struct wolf_peer *make_wolf(struct exchange *x, bool is_client)
{
	uint8_t room[DTLS_SPKI_MAX];
	struct wolf_peer_spec spec = {
		.suites = x->spec.v13 ? "TLS13-AES128-GCM-SHA256" : "PSK-AES128-CCM-8",
		.v13 = x->spec.v13,
		.no_dhe = x->spec.no_dhe && is_client,
		.is_client = is_client,
		.identity = credential.identity,
		.key = credential.key,
		.cid = x->spec.cid,
		.own_cid = slice_str(is_client ? "dev" : "server"),
		.send = is_client ? send_up : send_down,
		.on_data = is_client ? on_client_data : on_server_data,
		.who = x,
	};
	if (x->spec.kind != EXCHANGE_PSK) {
		spec.suites = "ECDHE-ECDSA-AES128-CCM-8";
		spec.cert = slice_str(is_client ? pki_device : pki_server);
		spec.private_key = slice_str(is_client ? pki_device_key : pki_server_key);
		spec.asks = !is_client;
	}
	if (x->spec.kind == EXCHANGE_RPK) {
		spec.is_raw = true;
		spec.cert = spki(is_client ? pki_device_public : pki_server_public, room);
	}
	return wolf_peer_create(&spec);
}

/* ---- both ends ------------------------------------------------------------------------------ */

struct exchange *exchange_create(const struct exchange_spec *spec)
{
	struct exchange *x = calloc(1, sizeof(*x));
	BUG_UNLESS(x != NULL);
	x->spec = *spec;
	x->now.ms = 1000000;
	x->address = (struct lan_peer){ slice_str("somewhere"), send_down, x };
	if (spec->role != EXCHANGE_CLIENT)
		make_lan(x);
	if (spec->role != EXCHANGE_LISTENER)
		make_profile(x);
	return x;
}

void exchange_free(struct exchange *x)
{
	if (x->lan != NULL)
		lan_end(x->lan);
	dtls_profile_free(x->profile);
	free(x);
}

void talk_begin(struct exchange *x, struct talk *t)
{
	*t = (struct talk){ .repeat = mono_add(x->now, REPEAT_MS), .pause = REPEAT_MS };
	x->speaking = t;
	if (x->lan == NULL)
		t->wolf_server = make_wolf(x, false);
	if (x->profile == NULL) {
		t->wolf_client = make_wolf(x, true);
		wolf_peer_begin(t->wolf_client);
		return;
	}
	struct dtls_session_spec own = { .deadline_ms = DEADLINE_MS, .who = x };
	if (x->spec.kind == EXCHANGE_PSK)
		own.psk = credential;
	else
		own.pair.private_key = slice_str(pki_device_key);
	if (x->spec.kind == EXCHANGE_X509)
		own.pair.cert = slice_str(pki_device);
	BUG_UNLESS(dtls_connect(&t->client, x->profile, &own, x->now) == 0);
}

void talk_end(struct talk *t)
{
	dtls_forget(&t->client);
	if (t->wolf_client != NULL)
		wolf_peer_free(t->wolf_client);
	if (t->wolf_server != NULL)
		wolf_peer_free(t->wolf_server);
	t->wolf_client = t->wolf_server = NULL;
}

static void note(struct talk *t, enum dtls_event event)
{
	t->client_got += event == DTLS_DATA;
	t->was_up |= event == DTLS_ESTABLISHED;
	t->is_over |= event == DTLS_CLOSED || event == DTLS_ALERTED || event == DTLS_TIMED_OUT;
}

static void feed_client(struct exchange *x, struct talk *t, const uint8_t *bytes, size_t n)
{
	static uint8_t room[DTLS_RECORD_MAX];
	enum dtls_event event;
	size_t got;
	if (t->client == NULL)
		return;
	dtls_feed(t->client, bytes, n, x->now);
	while ((event = dtls_read(t->client, room, sizeof(room), &got, x->now)) != DTLS_NOTHING)
		note(t, event);
}

static void take_down(struct exchange *x, const uint8_t *bytes, size_t n)
{
	if (x->speaking->wolf_client != NULL)
		wolf_peer_feed(x->speaking->wolf_client, bytes, n);
	feed_client(x, &x->old, bytes, n);
	feed_client(x, &x->fresh, bytes, n);
}

static bool is_handshaking(const struct lan *l)
{
	for (unsigned i = 0; i < l->born; i++)
		if (l->session[i].s != NULL && dtls_state(l->session[i].s) == DTLS_HANDSHAKE)
			return true;
	return false;
}

/* Who has not proven an address is never answered with more than was asked. */
static void take_up(struct exchange *x, const uint8_t *bytes, size_t n)
{
	if (x->lan == NULL) {
		wolf_peer_feed(x->speaking->wolf_server, bytes, n);
		return;
	}
	bool is_hello = dtls_is_hello(bytes, n) && !is_handshaking(x->lan);
	unsigned born = x->lan->born;
	x->answer = 0;
	lan_feed(x->lan, &x->address, bytes, n, x->now);
	BUG_UNLESS(!is_hello || x->lan->born != born || x->answer <= n);
}

static void deliver(struct exchange *x, struct exchange_packet *p)
{
	p->due = MONO_NEVER;
	/* Exactly as long as it is, so that a byte too far is seen. */
	uint8_t *exact = malloc(p->n > 0 ? p->n : 1);
	BUG_UNLESS(exact != NULL);
	memcpy(exact, p->bytes, p->n);
	if (p->way == EXCHANGE_UP)
		take_up(x, exact, p->n);
	else
		take_down(x, exact, p->n);
	free(exact);
}

static struct exchange_packet *first_due(struct exchange *x)
{
	struct exchange_packet *first = &x->packet[0];
	for (unsigned i = 1; i < x->sent; i++)
		if (x->packet[i].due.ms < first->due.ms)
			first = &x->packet[i];
	return first;
}

/* Of the library's ends, its clients repeat themselves; in DTLS 1.3 its servers must, too. */
static bool waits(const struct wolf_peer *p)
{
	return p != NULL && wolf_peer_is_shaking(p);
}

static struct mono repeat_due(const struct exchange *x)
{
	const struct talk *t = x->speaking;
	bool one_waits = waits(t->wolf_client) || (x->spec.v13 && waits(t->wolf_server));
	return one_waits && t->pause < DEADLINE_MS ? t->repeat : MONO_NEVER;
}

static struct mono client_due(const struct talk *t)
{
	return t->client != NULL ? dtls_deadline(t->client) : MONO_NEVER;
}

static struct mono timer_due(const struct exchange *x)
{
	struct mono first = mono_min(client_due(&x->old), client_due(&x->fresh));
	first = mono_min(first, repeat_due(x));
	return x->lan != NULL ? mono_min(first, lan_deadline(x->lan)) : first;
}

static void tick_client(struct exchange *x, struct talk *t)
{
	if (t->client != NULL)
		note(t, dtls_tick(t->client, x->now));
}

static void tick(struct exchange *x)
{
	struct talk *t = x->speaking;
	tick_client(x, &x->old);
	tick_client(x, &x->fresh);
	if (x->lan != NULL)
		lan_tick(x->lan, x->now);
	if (repeat_due(x).ms > x->now.ms)
		return;
	t->pause *= 2;
	t->repeat = mono_add(x->now, t->pause);
	if (!x->spec.v13) {
		wolf_peer_repeat(t->wolf_client);
		return;
	}
	if (t->wolf_client != NULL)
		wolf_peer_tick(t->wolf_client);
	if (t->wolf_server != NULL)
		wolf_peer_tick(t->wolf_server);
}

void exchange_run(struct exchange *x, int64_t ms)
{
	struct mono until = mono_add(x->now, ms);
	for (;;) {
		struct exchange_packet *p = first_due(x);
		struct mono due = timer_due(x);
		struct mono next = mono_min(p->due, due);
		if (next.ms > until.ms)
			break;
		if (next.ms > x->now.ms)
			x->now = next;
		if (p->due.ms <= due.ms)
			deliver(x, p);
		else
			tick(x);
	}
	x->now = until;
}

bool talk_client_is_up(const struct talk *t)
{
	return t->client != NULL ? dtls_state(t->client) == DTLS_UP
				 : wolf_peer_is_up(t->wolf_client);
}

/* Of the listener's sessions: the first is the old conversation's, the last that is up the fresh one's. */
static struct lan_session *server_session(const struct exchange *x, const struct talk *t)
{
	struct lan *l = x->lan;
	for (unsigned i = l->born; i-- > 0;) {
		struct lan_session *e = &l->session[i];
		if ((i == 0) == (t == &x->old) && e->s != NULL && dtls_state(e->s) == DTLS_UP)
			return e;
	}
	return NULL;
}

bool talk_server_is_up(const struct exchange *x, const struct talk *t)
{
	return t->wolf_server != NULL ? wolf_peer_is_up(t->wolf_server)
				      : server_session(x, t) != NULL;
}

static void say_up(struct talk *t, struct slice text)
{
	if (t->wolf_client != NULL)
		wolf_peer_write(t->wolf_client, text.p, text.n);
	else
		BUG_UNLESS(dtls_write(t->client, text.p, text.n) == 0);
}

static void say_down(struct talk *t, struct lan_session *session, struct slice text)
{
	if (t->wolf_server != NULL)
		wolf_peer_write(t->wolf_server, text.p, text.n);
	else
		BUG_UNLESS(dtls_write(session->s, text.p, text.n) == 0);
}

bool talk_passes(struct exchange *x, struct talk *t)
{
	x->speaking = t;
	struct lan_session *session = x->lan != NULL ? server_session(x, t) : NULL;
	unsigned server = session != NULL ? session->got : t->server_got;
	unsigned client = t->client_got;
	say_up(t, slice_str("up"));
	exchange_run(x, 2 * EXCHANGE_MS);
	say_down(t, session, slice_str("down"));
	exchange_run(x, 2 * EXCHANGE_MS);
	return (session != NULL ? session->got : t->server_got) == server + 1 &&
	       t->client_got == client + 1;
}
