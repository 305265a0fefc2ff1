/* The servers of the rig: plain ones keep what comes as letters, secure ones end DTLS before. */
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "rig_int.h"

#define SUITES "PSK-AES128-CCM-8:PSK-AES128-GCM-SHA256"

static void keep(struct rig *r, const struct addr *from, const struct addr *to, const void *bytes,
	size_t n)
{
	struct rig_letter *l = malloc(sizeof(*l) + n);
	ck_assert_ptr_nonnull(l);
	l->from = *from;
	l->to = *to;
	l->n = n;
	memcpy(l->bytes, bytes, n);
	list_append(&r->letters, &l->node);
}

/* ---- sessions ---- */

static void to_relay(void *who, const uint8_t *datagram, size_t n)
{
	struct rig_peer *p = who;
	if (p->rig->tap && 2 * n < sizeof(p->rig->tapped))
		hex_encode(datagram, n, p->rig->tapped);
	if (!p->rig->server_mute)
		(void)fake_wan_queue(p->rig->net, p->client.port, &p->server, datagram, n);
}

static void on_data(void *who, const uint8_t *bytes, size_t n)
{
	struct rig_peer *p = who;
	keep(p->rig, &p->client, &p->server, bytes, n);
}

static struct rig_peer *peer_make(struct rig *r, const struct addr *client, const struct addr *server)
{
	static const uint8_t cid[] = { 0xc1, 0xd2, 0xe3, 0xf4 };
	struct rig_peer *p = calloc(1, sizeof(*p));
	ck_assert_ptr_nonnull(p);
	p->rig = r;
	p->client = *client;
	p->server = *server;
	struct wolf_peer_spec spec = { .suites = SUITES, .identity = slice_str(r->identity),
		.key = r->key, .cid = r->cid, .own_cid = { cid, sizeof(cid) }, .send = to_relay,
		.on_data = on_data, .who = p };
	if (r->v13) {
		spec.v13 = true;
		spec.suites = RIG_SUITES_13;
	}
	if (r->far_cert.n > 0) {
		spec.suites = "ECDHE-ECDSA-AES128-CCM-8";
		spec.cert = r->far_cert;
		spec.private_key = r->far_key;
		spec.is_raw = r->far_raw;
		spec.asks = true;
	}
	p->wolf = wolf_peer_create(&spec);
	list_append(&r->peers, &p->node);
	return p;
}

void rig_peer_free(struct rig_peer *p)
{
	list_remove(&p->node);
	wolf_peer_free(p->wolf);
	free(p);
}

static bool is_hello(const struct fake_datagram *d)
{
	return d->n > 13 && d->bytes[0] == 22 && d->bytes[3] == 0 && d->bytes[4] == 0 &&
		d->bytes[13] == 1;
}

/* The session of a client: the newest, or the one that was there before it. */
static struct rig_peer *peer_of(const struct rig *r, const struct addr *client, bool old)
{
	struct rig_peer *found = NULL;
	list_each(node, &r->peers) {
		struct rig_peer *p = container_of(node, struct rig_peer, node);
		if (addr_eq(&p->client, client) && p->is_old == old)
			found = p;
	}
	return found;
}

/* A record with a connection id says whose it is wherever it comes from (RFC 9146). */
static struct rig_peer *peer_by_cid(struct rig *r, const struct fake_datagram *d)
{
	list_each(node, &r->peers) {
		struct rig_peer *p = container_of(node, struct rig_peer, node);
		if (d->bytes[0] == 25 && p->client.port == d->from.port) {
			p->client = d->from;
			return p;
		}
	}
	return NULL;
}

static void feed(struct rig *r, struct rig_peer *p, const struct fake_datagram *d)
{
	bool was_closed = wolf_peer_is_closed(p->wolf);
	wolf_peer_feed(p->wolf, d->bytes, d->n);
	r->goodbyes += !was_closed && wolf_peer_is_closed(p->wolf);
}

static void take_secure(struct rig *r, const struct fake_datagram *d)
{
	struct rig_peer *p = peer_of(r, &d->from, false), *old = peer_of(r, &d->from, true);
	bool hello = is_hello(d);
	r->hellos += hello;
	if (p == NULL && !hello)
		p = peer_by_cid(r, d);
	if (p != NULL && hello && r->takes_new && old == NULL && wolf_peer_is_up(p->wolf)) {
		p->is_old = true;
		old = p;
		p = NULL;
	}
	if (p != NULL && hello && wolf_peer_is_closed(p->wolf)) {
		rig_peer_free(p);
		p = NULL;
	}
	if (p == NULL && hello)
		p = peer_make(r, &d->from, &d->to);
	if (p == NULL)
		return;
	if (old != NULL && !hello && !wolf_peer_is_up(p->wolf) && d->bytes[4] == 1)
		feed(r, old, d); /* the old session may be meant: wrong records are dropped there */
	feed(r, p, d);
	if (old != NULL && wolf_peer_is_up(p->wolf))
		rig_peer_free(old);
}

static void take(struct rig *r, const struct fake_datagram *d)
{
	bool lost = r->server_deaf || (r->deaf_to_port != 0 && r->deaf_to_port == d->from.port) ||
		addr_same_host(&r->deaf_at, &d->to);
	if (lost)
		r->hellos += d->to.port == SECURE_PORT && is_hello(d);
	else if (d->to.port == SECURE_PORT)
		take_secure(r, d);
	else
		keep(r, &d->from, &d->to, d->bytes, d->n);
}

void rig_pump(struct rig *r)
{
	const struct fake_datagram *d;
	while ((d = fake_wan_take(r->net)) != NULL) {
		take(r, d);
		if (fake_wan_sent(r->net) == 0)
			fake_net_wake(r->net);
	}
}

/* ---- verbs ---- */

static size_t decode(const char *hex, uint8_t *bytes, size_t room)
{
	long n = hex_decode(hex, strlen(hex), bytes, room);
	ck_assert_msg(n >= 0, "no hex: %s", hex);
	return (size_t)n;
}

void rig_server_raw(struct rig *r, uint16_t port, const char *hex)
{
	uint8_t bytes[UDP_ROOM];
	size_t n = decode(hex, bytes, sizeof(bytes));
	fake_wan_arrive(r->net, port, NULL, bytes, n);
	rig_pump(r);
}

/* The session with this source port; of several, by addresses that were ours, that of the last letter. */
static struct rig_peer *session_of(struct rig *r, uint16_t port)
{
	struct rig_peer *found = NULL;
	list_each(node, &r->peers) {
		struct rig_peer *p = container_of(node, struct rig_peer, node);
		if (p->client.port != port || !wolf_peer_is_up(p->wolf))
			continue;
		if (found == NULL || addr_eq(&p->client, &r->from))
			found = p;
	}
	return found;
}

void rig_server(struct rig *r, uint16_t port, const char *hex)
{
	uint8_t bytes[UDP_ROOM];
	size_t n = decode(hex, bytes, sizeof(bytes));
	struct rig_peer *p = session_of(r, port);
	if (p == NULL) {
		fake_wan_arrive(r->net, port, NULL, bytes, n);
		rig_pump(r);
		return;
	}
	wolf_peer_write(p->wolf, bytes, n);
	rig_settle(r);
}

const char *rig_server_got(struct rig *r)
{
	static char text[2][2 * UDP_ROOM + 1];
	static unsigned next;
	rig_settle(r);
	if (list_is_empty(&r->letters))
		return "";
	struct rig_letter *l = container_of(r->letters.next, struct rig_letter, node);
	char *to = text[next++ % 2];
	hex_encode(l->bytes, l->n, to);
	r->from = l->from;
	r->to = l->to;
	r->port = l->from.port;
	list_remove(&l->node);
	free(l);
	return to;
}

void rig_forget(struct rig *r)
{
	list_each(node, &r->peers)
		rig_peer_free(container_of(node, struct rig_peer, node));
}

void rig_close_sessions(struct rig *r)
{
	list_each(node, &r->peers) {
		struct rig_peer *p = container_of(node, struct rig_peer, node);
		wolf_peer_close(p->wolf);
		rig_peer_free(p);
	}
	rig_settle(r);
}

bool rig_has_session(const struct rig *r, uint16_t port)
{
	list_each(node, &((struct rig *)(uintptr_t)r)->peers) {
		struct rig_peer *p = container_of(node, struct rig_peer, node);
		if (p->client.port == port && wolf_peer_is_up(p->wolf))
			return true;
	}
	return false;
}
