/* Devices of the rig that speak DTLS. */
#include "crew.h"
#include "rig_lan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "lan_session.h"
#include "pki.h"
#include "wolf_peer.h"

static const uint8_t right[16] = "the key of all ";
static const uint8_t wrong[16] = "another's key  ";

struct message {
	struct list node;
	size_t n;
	uint8_t bytes[];
};

struct rig_dtls {
	struct list node;
	struct rig *rig;
	struct wolf_peer *wolf;
	struct addr at;
	bool is_lost;        /* what it says does not arrive */
	size_t last_n;
	uint8_t last[UDP_ROOM];
	struct list messages;
	char identity[100];
};

/* One rig at a time. */
static struct list devices = { &devices, &devices };
static bool wrong_key;
static uint16_t called_port = DEVICE_PORT;

void rig_dtls_use_port(uint16_t port)
{
	called_port = port;
}

static void arrive(struct rig *r, const struct addr *from, const uint8_t *bytes, size_t n)
{
	struct addr called = r->called[addr_is_v4(from)];
	called.port = called_port;
	bool is_heard = fake_lan_queue(r->net, from, &called, r->ifindex, bytes, n);
	ck_assert(is_heard || r->takes_strays);
}

static void send_up(void *who, const uint8_t *bytes, size_t n)
{
	struct rig_dtls *d = who;
	memcpy(d->last, bytes, n);
	d->last_n = n;
	if (!d->is_lost)
		arrive(d->rig, &d->at, bytes, n);
}

static void on_data(void *who, const uint8_t *bytes, size_t n)
{
	struct rig_dtls *d = who;
	struct message *m = malloc(sizeof(*m) + n);
	ck_assert_ptr_nonnull(m);
	m->n = n;
	memcpy(m->bytes, bytes, n);
	list_append(&d->messages, &m->node);
}

void rig_lan_secure(struct rig *r, const char *name)
{
	static char names[RIG_ENDPOINTS][40];
	r->listens[0].coaps = DEVICE_PORT;
	r->listens[0].cid = true;
	for (size_t i = 0; i < r->conf.endpoint_count; i++) {
		struct conf_endpoint *e = &r->endpoints[i];
		if (strcmp(e->name, name) != 0)
			continue;
		snprintf(names[i], sizeof(names[i]), "%s-lan", name);
		e->lan_identity = names[i];
		e->lan_key = (struct conf_key){ (uint8_t *)(uintptr_t)right, sizeof(right) };
	}
}

void rig_lan_wrong_key(struct rig *r, bool is_wrong)
{
	(void)r;
	wrong_key = is_wrong;
}

static struct rig_dtls *begin(struct rig *r, const char *from, struct rig_dtls *d,
	struct wolf_peer_spec *spec)
{
	d->rig = r;
	d->at = at(from);
	list_init(&d->messages);
	spec->is_client = true;
	spec->send = send_up;
	spec->on_data = on_data;
	spec->who = d;
	d->wolf = wolf_peer_create(spec);
	/* The newest first: who began anew gets what comes to the address. */
	list_append(devices.next, &d->node);
	wolf_peer_begin(d->wolf);
	rig_settle(r);
	return d;
}

static struct rig_dtls *device_make(void)
{
	struct rig_dtls *d = calloc(1, sizeof(*d));
	ck_assert_ptr_nonnull(d);
	return d;
}

struct rig_dtls *rig_dtls_begin(struct rig *r, const char *from, const char *identity, bool cid)
{
	struct rig_dtls *d = device_make();
	snprintf(d->identity, sizeof(d->identity), "%s", identity);
	struct wolf_peer_spec spec = { .suites = "PSK-AES128-CCM-8",
		.identity = slice_str(d->identity), .cid = cid,
		.key = { wrong_key ? wrong : right, sizeof(right) } };
	if (r->v13) {
		spec.v13 = true;
		spec.suites = RIG_SUITES_13;
	}
	return begin(r, from, d, &spec);
}

void rig_lan_pki(struct rig *r)
{
	struct conf_listen *l = &r->listens[0];
	struct slice cert = pki("server.pem"), key = pki("server.key"), ca = pki("ca.pem");
	l->coaps = DEVICE_PORT;
	l->cid = true;
	l->cert = (struct conf_blob){ (uint8_t *)(uintptr_t)cert.p, cert.n };
	l->private_key = (struct conf_blob){ (uint8_t *)(uintptr_t)key.p, key.n };
	l->ca = (struct conf_blob){ (uint8_t *)(uintptr_t)ca.p, ca.n };
}

static struct rig_dtls *with_files(struct rig *r, const char *from, struct slice cert,
	const char *key, bool is_raw)
{
	struct wolf_peer_spec spec = { .suites = "ECDHE-ECDSA-AES128-CCM-8", .cert = cert,
		.private_key = pki(key), .is_raw = is_raw, .cid = !is_raw };
	struct rig_dtls *d = begin(r, from, device_make(), &spec);
	rig_lan_pump(r);
	return d;
}

struct rig_dtls *rig_dtls_cert(struct rig *r, const char *from, const char *cert, const char *key)
{
	return with_files(r, from, pki(cert), key, false);
}

struct rig_dtls *rig_dtls_raw(struct rig *r, const char *from, const char *name)
{
	char pub[80], key[80];
	snprintf(pub, sizeof(pub), "%s.pub", name);
	snprintf(key, sizeof(key), "%s.key", name);
	return with_files(r, from, pki_spki(pub), key, true);
}

struct rig_dtls *rig_dtls(struct rig *r, const char *from, const char *identity)
{
	struct rig_dtls *d = rig_dtls_begin(r, from, identity, true);
	rig_lan_pump(r);
	return d;
}

struct rig_dtls *rig_dtls_register(struct rig *r, const char *from, const char *name)
{
	static unsigned mid = 0x6000;
	char identity[100], uri[100];
	snprintf(identity, sizeof(identity), "%s-lan", name);
	snprintf(uri, sizeof(uri), "rd?ep=%s&lt=60", name);
	struct rig_dtls *d = rig_dtls(r, from, identity);
	ck_assert(rig_dtls_is_up(d));
	const char *request = coap(CON, "0.02", ++mid, "aa55", uri);
	const char *answer = located(ACK, "2.01", mid, "aa55", "rd/0");
	rig_dtls_send(d, request);
	rig_expect_server(r, request);
	rig_server(r, r->port, answer);
	rig_expect_dtls(d, answer);
	return d;
}

void rig_dtls_free(struct rig_dtls *d)
{
	list_each(node, &d->messages)
		free(container_of(node, struct message, node));
	list_remove(&d->node);
	wolf_peer_free(d->wolf);
	free(d);
}

/* All sessions at the address are given it; those that it is not for drop it. */
static bool deliver(const struct fake_datagram *sent)
{
	bool found = false;
	list_each(node, &devices) {
		struct rig_dtls *d = container_of(node, struct rig_dtls, node);
		if (!addr_eq(&d->at, &sent->to))
			continue;
		d->rig->sent_from = sent->from;
		d->rig->sent_ifindex = sent->ifindex;
		wolf_peer_feed(d->wolf, sent->bytes, sent->n);
		found = true;
	}
	return found;
}

unsigned rig_lan_step(struct rig *r)
{
	unsigned count = 0, most = fake_lan_sent(r->net);
	for (; count < most; count++) {
		const struct fake_datagram *sent = fake_lan_take(r->net);
		char to[ADDR_TEXT];
		bool is_stray = !deliver(sent);
		r->strays += is_stray;
		ck_assert_msg(!is_stray || r->takes_strays, "nobody is at %s",
			addr_print(&sent->to, to));
	}
	rig_settle(r);
	return count;
}

void rig_lan_pump_stopped(struct rig *r)
{
	const struct fake_datagram *sent;
	list_each(node, &devices)
		container_of(node, struct rig_dtls, node)->is_lost = true;
	while ((sent = fake_lan_take(r->net)) != NULL)
		deliver(sent);
}

size_t rig_dtls_last(const struct rig_dtls *d, uint8_t *bytes)
{
	memcpy(bytes, d->last, d->last_n);
	return d->last_n;
}

void rig_lan_pump(struct rig *r)
{
	rig_settle(r);
	while (fake_lan_sent(r->net) > 0)
		rig_lan_step(r);
}

bool rig_dtls_is_up(const struct rig_dtls *d)
{
	return wolf_peer_is_up(d->wolf);
}

bool rig_dtls_is_closed(const struct rig_dtls *d)
{
	return wolf_peer_is_closed(d->wolf);
}

static void write_hex(struct rig_dtls *d, const char *hex)
{
	static uint8_t bytes[UDP_ROOM];
	long n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	ck_assert_msg(n > 0, "no hex: %s", hex);
	wolf_peer_write(d->wolf, bytes, (size_t)n);
}

void rig_dtls_send(struct rig_dtls *d, const char *hex)
{
	write_hex(d, hex);
	rig_settle(d->rig);
}

void rig_dtls_lose(struct rig_dtls *d, const char *hex)
{
	d->is_lost = true;
	write_hex(d, hex);
	d->is_lost = false;
}

void rig_dtls_replay(struct rig_dtls *d, const char *from)
{
	struct addr a = at(from);
	arrive(d->rig, &a, d->last, d->last_n);
	rig_settle(d->rig);
}

void rig_dtls_move(struct rig_dtls *d, const char *from)
{
	d->at = at(from);
}

size_t rig_half_open(const struct rig *r)
{
	size_t n = 0;
	for (unsigned w = 0; w < crew_count(r->dp); w++)
		n += lan_sessions_count(rig_worker(r, w)->sessions, false);
	return n;
}

size_t rig_proven(const struct rig *r)
{
	size_t n = 0;
	for (unsigned w = 0; w < crew_count(r->dp); w++)
		n += lan_sessions_count(rig_worker(r, w)->sessions, true);
	return n;
}

void rig_dtls_serve(struct rig *r, struct rig_dtls *d)
{
	rig_dtls_send(d, RIG_SEND);
	rig_expect_server(r, RIG_SEND);
	rig_server(r, r->port, coap(ACK, "2.04", 10, "b2", NULL));
	rig_expect_dtls(d, coap(ACK, "2.04", 10, "b2", NULL));
}

void rig_dtls_close(struct rig_dtls *d)
{
	wolf_peer_close(d->wolf);
	rig_settle(d->rig);
}

const char *rig_dtls_got(struct rig_dtls *d)
{
	static char text[2 * UDP_ROOM + 1];
	rig_lan_pump(d->rig);
	if (list_is_empty(&d->messages))
		return "";
	struct message *m = container_of(d->messages.next, struct message, node);
	hex_encode(m->bytes, m->n, text);
	list_remove(&m->node);
	free(m);
	return text;
}
