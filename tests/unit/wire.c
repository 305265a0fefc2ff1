/* A wire and a clock for two ends that have neither. */
#include "wire.h"
#include <stdlib.h>
#include <string.h>

enum dtls_version wire_version = DTLS_1_2;

void wire_speak_13(void)
{
	wire_version = lan_version = DTLS_1_3;
}

static const struct slice usual_identity = { (const uint8_t *)"meter17", 7 };
static const struct slice usual_key = { (const uint8_t *)"0123456789abcdef", 16 };

static void put_on(struct wire *w, enum wire_way way, const uint8_t *bytes, size_t n)
{
	enum wire_fate fate = w->sent < WIRE_FATES ? w->fate[w->sent] : WIRE_PASS;
	BUG_UNLESS(w->sent < WIRE_PACKETS && n <= WIRE_PACKET_MAX);
	struct wire_packet *p = &w->packet[w->sent++];
	w->sent_way[way]++;
	p->way = way;
	p->n = n;
	memcpy(p->bytes, bytes, n);
	p->due = mono_add(w->now, WIRE_MS + (fate == WIRE_LATE ? WIRE_LATE_MS : 0));
	if (fate == WIRE_LOSE)
		p->due = MONO_NEVER;
	else if (fate == WIRE_SWAP)
		p->due = mono_add(w->now, WIRE_MS + WIRE_SWAP_MS);
}

static void emit_up(void *who, const uint8_t *bytes, size_t n)
{
	put_on(who, WIRE_UP, bytes, n);
}

static void send_down(void *who, const uint8_t *bytes, size_t n)
{
	put_on(who, WIRE_DOWN, bytes, n);
}

static void on_data(void *who, const uint8_t *bytes, size_t n)
{
	struct wire *w = who;
	w->server_got++;
	w->server_last_n = n;
	memcpy(w->server_last, bytes, n);
}

static const struct dtls_calls calls = { emit_up };

static struct slice either(struct slice a, struct slice b)
{
	return a.n != 0 ? a : b;
}

static struct wolf_peer *make_server(
	struct wire *w, const struct wire_spec *spec, const struct dtls_psk *psk)
{
	bool v13 = wire_version == DTLS_1_3 && !spec->old_server;
	const char *usual = v13 ? "TLS13-AES128-GCM-SHA256" : "PSK-AES128-CCM-8";
	return wolf_peer_create(&(struct wolf_peer_spec){
		.v13 = v13,
		.cert = spec->far.cert,
		.private_key = spec->far.private_key,
		.is_raw = spec->far.is_raw,
		.asks = spec->far.asks,
		.mtu = spec->far.mtu,
		.suites = spec->suites != NULL ? spec->suites : usual,
		.identity = either(spec->server_identity, psk->identity),
		.key = either(spec->server_key, psk->key),
		.cid = spec->server_cid,
		.own_cid = spec->own_cid,
		.send = send_down,
		.on_data = on_data,
		.who = w,
	});
}

struct wire *wire_begin(const struct wire_spec *spec)
{
	struct wire *w = calloc(1, sizeof(*w));
	BUG_UNLESS(w != NULL);
	w->now.ms = 1000000;
	w->established = MONO_NEVER;
	memcpy(w->fate, spec->fate, sizeof(w->fate));
	struct dtls_psk psk = { either(spec->identity, usual_identity),
		either(spec->key, usual_key) };
	w->lan = spec->lan;
	w->address =
		(struct lan_peer){ either(spec->address, slice_str("somewhere")), send_down, w };
	if (!spec->no_server && spec->lan == NULL)
		w->server = make_server(w, spec, &psk);
	struct dtls_profile_spec shared = spec->profile;
	shared.cid = spec->cid;
	shared.calls = &calls;
	shared.version = spec->old_client ? DTLS_1_2 : wire_version;
	shared.no_dhe = spec->no_dhe;
	BUG_UNLESS(dtls_profile_create(&w->profile, &shared) == 0);
	struct dtls_session_spec own = { .psk = psk,
		.server_name = spec->server_name,
		.deadline_ms = spec->deadline_ms != 0 ? spec->deadline_ms : 60000,
		.who = w,
		.pair = spec->pair };
	BUG_UNLESS(dtls_connect(&w->client, w->profile, &own, w->now) == 0);
	return w;
}

void wire_end(struct wire *w)
{
	dtls_forget(&w->client);
	dtls_profile_free(w->profile);
	if (w->server != NULL)
		wolf_peer_free(w->server);
	free(w);
}

static void note(struct wire *w, enum dtls_event event, const uint8_t *bytes, size_t n)
{
	w->events[event]++;
	if (event == DTLS_ESTABLISHED)
		w->established = w->now;
	if (event != DTLS_DATA)
		return;
	w->client_got++;
	w->client_last_n = n;
	memcpy(w->client_last, bytes, n);
}

enum dtls_event wire_feed(struct wire *w, const uint8_t *datagram, size_t n)
{
	static uint8_t room[DTLS_RECORD_MAX];
	enum dtls_event event, last = DTLS_NOTHING;
	size_t got;
	/* Exactly as long as it is, so that a byte too far is seen. */
	uint8_t *exact = reallocarray(NULL, n, 1); /* check_scarce.c makes malloc fail */
	memcpy(exact, datagram, n);
	dtls_feed(w->client, exact, n, w->now);
	while ((event = dtls_read(w->client, room, sizeof(room), &got, w->now)) != DTLS_NOTHING) {
		note(w, event, room, got);
		last = event;
	}
	free(exact);
	return last;
}

static void deliver(struct wire *w, struct wire_packet *p, bool twice)
{
	p->due = MONO_NEVER;
	for (int i = 0; i < (twice ? 2 : 1); i++) {
		if (p->way == WIRE_DOWN)
			wire_feed(w, p->bytes, p->n);
		else if (w->server != NULL)
			wolf_peer_feed(w->server, p->bytes, p->n);
		else if (w->lan != NULL)
			lan_feed(w->lan, &w->address, p->bytes, p->n, w->now);
	}
}

static struct wire_packet *first_due(struct wire *w)
{
	struct wire_packet *first = &w->packet[0];
	for (unsigned i = 1; i < w->sent; i++)
		if (w->packet[i].due.ms < first->due.ms)
			first = &w->packet[i];
	return first;
}

static void tick(struct wire *w)
{
	enum dtls_event event = dtls_tick(w->client, w->now);
	if (event != DTLS_NOTHING)
		note(w, event, NULL, 0);
	if (w->server != NULL)
		wolf_peer_tick(w->server);
	if (w->lan != NULL)
		lan_tick(w->lan, w->now);
}

static struct mono deadline(const struct wire *w)
{
	struct mono first = dtls_deadline(w->client);
	return w->lan != NULL ? mono_min(first, lan_deadline(w->lan)) : first;
}

void wire_run(struct wire *w, struct mono until)
{
	for (;;) {
		struct wire_packet *p = first_due(w);
		struct mono due = deadline(w);
		struct mono next = mono_min(p->due, due);
		if (next.ms == INT64_MAX || next.ms > until.ms)
			break;
		if (next.ms > w->now.ms)
			w->now = next;
		if (p->due.ms <= due.ms) {
			size_t k = (size_t)(p - w->packet);
			deliver(w, p, k < WIRE_FATES && w->fate[k] == WIRE_TWICE);
		} else {
			tick(w);
		}
	}
	if (until.ms != INT64_MAX)
		w->now = until;
}

void wire_shake(struct wire *w)
{
	while (dtls_state(w->client) == DTLS_HANDSHAKE)
		wire_run(w, mono_min(first_due(w)->due, deadline(w)));
}

struct wire_packet *wire_capture(struct wire *w, const uint8_t *bytes, size_t n)
{
	wolf_peer_write(w->server, bytes, n);
	struct wire_packet *p = &w->packet[w->sent - 1];
	p->due = MONO_NEVER;
	return p;
}

unsigned wire_endings(const struct wire *w)
{
	return w->events[DTLS_CLOSED] + w->events[DTLS_ALERTED] + w->events[DTLS_TIMED_OUT];
}
