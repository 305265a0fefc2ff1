/* Many devices that ask one server: see fleet.h.
 *
 * A slot is one place for an exchange: window slots for each device. Free slots lie in one array
 * from which the next one is drawn by chance; waiting ones form a queue by the time of their last
 * sending, so that the oldest is always the first to run out. */
#include "fleet.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/list.h"
#include "client.h"
#include "codec.h"
#include "net.h"

#define REGISTER_RETRIES 8
#define TOKEN            8

/* Requests of a device whose outcome is remembered, to tell a late answer from a double one. */
#define REMEMBERED 64

struct slot {
	struct list queue; /* among the waiting ones */
	int64_t meant;     /* when the request should have left, ns */
	int64_t sent;      /* when it left last, ns */
	uint32_t device;
	uint32_t number; /* of the device's request */
	uint16_t mid;
	uint8_t index;  /* among the slots of its device */
	bool waits;     /* for its answer */
	unsigned tries; /* repetitions left */
};

struct device {
	int fd;
	struct client *secure; /* its session, NULL without DTLS */
	uint32_t number;       /* of its last request */
	uint16_t mid;          /* of its last request */
	uint64_t answered;     /* bit i: its request number - i was answered */
};

struct fleet {
	struct fleet_spec spec;
	enum fleet_kind kind;
	struct device *device;
	struct slot *slot;
	uint32_t *ready; /* free slots */
	size_t ready_count;
	struct list waiting;
	size_t waiting_count;
	struct client_profile *profile; /* NULL without DTLS */
	unsigned connected;
	unsigned registered;
	uint64_t chance;
	struct fleet_stats stats;
};

/* xorshift64*: the order of devices need not be secret, only repeatable. */
static uint64_t draw(struct fleet *f)
{
	f->chance ^= f->chance >> 12;
	f->chance ^= f->chance << 25;
	f->chance ^= f->chance >> 27;
	return f->chance * 0x2545f4914f6cdd1dULL;
}

/* ---- messages ------------------------------------------------------------------------------- */

static void put_u32_hex(uint8_t *text, uint32_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 4)
		text[i] = (uint8_t) "0123456789abcdef"[v & 15];
}

/* The payload of a request: device and number in hex, then a filler that differs by device. */
static void payload_make(const struct fleet *f, const struct slot *s, uint8_t *payload)
{
	put_u32_hex(payload, s->device);
	put_u32_hex(payload + 8, s->number);
	memset(payload + 16, 'A' + (int)(s->device % 26), f->spec.payload - 16);
}

static void token_make(const struct slot *s, uint8_t token[TOKEN])
{
	struct writer w = put_into(token, TOKEN);
	put_u16(&w, (uint16_t)s->device);
	put_u8(&w, 0);
	put_u8(&w, s->index);
	put_u16(&w, (uint16_t)(s->number >> 16));
	put_u16(&w, (uint16_t)s->number);
}

static void put_register(const struct fleet *f, const struct slot *s, struct writer *w)
{
	char ep[64];
	unsigned last = 0;
	snprintf(ep, sizeof(ep), "ep=%s%04u", f->spec.name, s->device);
	codec_put_option(w, &last, CODEC_OPT_URI_PATH, slice_str("rd"));
	codec_put_option(
		w, &last, CODEC_OPT_CONTENT_FORMAT, (struct slice){ (const uint8_t *)"\x28", 1 });
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str(ep));
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str("lt=86400"));
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str("lwm2m=1.1"));
	codec_put_option(w, &last, CODEC_OPT_URI_QUERY, slice_str("b=U"));
	codec_put_payload(w, slice_str("</1/0>,</3/0>"));
}

static void put_post(const struct fleet *f, const struct slot *s, struct writer *w)
{
	uint8_t payload[FLEET_PAYLOAD_MAX];
	unsigned last = 0;
	payload_make(f, s, payload);
	codec_put_option(w, &last, CODEC_OPT_URI_PATH, slice_str("dp"));
	codec_put_payload(w, (struct slice){ payload, f->spec.payload });
}

/* Sends bytes of a device. An ICMP error of an earlier datagram is none of this one: once more. */
static void device_send(struct fleet *f, const struct device *d, const uint8_t *bytes, size_t n)
{
	if (d->secure != NULL) {
		f->stats.errors += client_write(d->secure, bytes, n) != 0;
		return;
	}
	ssize_t sent = send(d->fd, bytes, n, 0);
	if (sent < 0 && errno == ECONNREFUSED)
		sent = send(d->fd, bytes, n, 0);
	if (sent < 0)
		f->stats.errors++;
}

static void slot_emit(struct fleet *f, const struct slot *s)
{
	uint8_t room[NET_ROOM];
	uint8_t token[TOKEN];
	struct writer w = put_into(room, sizeof(room));
	if (f->kind == FLEET_CONNECT) {
		client_shake(f->device[s->device].secure);
		return;
	}
	token_make(s, token);
	codec_put_header(&w, CODEC_CON, CODEC_POST, s->mid, (struct slice){ token, TOKEN });
	if (f->kind == FLEET_REGISTER)
		put_register(f, s, &w);
	else
		put_post(f, s, &w);
	BUG_UNLESS(!w.broken);
	device_send(f, &f->device[s->device], room, put_len(&w));
}

/* ---- exchanges ------------------------------------------------------------------------------ */

static void slot_queue(struct fleet *f, struct slot *s, int64_t now)
{
	s->sent = now;
	list_append(&f->waiting, &s->queue);
}

bool fleet_send(struct fleet *f, int64_t meant)
{
	if (f->ready_count == 0)
		return false;
	size_t i = (size_t)((draw(f) >> 32) * f->ready_count >> 32);
	struct slot *s = &f->slot[f->ready[i]];
	f->ready[i] = f->ready[--f->ready_count];
	struct device *d = &f->device[s->device];
	s->number = ++d->number;
	s->mid = ++d->mid;
	s->waits = true;
	d->answered <<= 1;
	s->tries = f->kind == FLEET_POST ? f->spec.retries : REGISTER_RETRIES;
	s->meant = meant;
	f->waiting_count++;
	f->stats.sent++;
	slot_queue(f, s, net_now());
	slot_emit(f, s);
	return true;
}

/* An exchange is over; its slot is free, but a device connects and registers once only. */
static void slot_end(struct fleet *f, struct slot *s)
{
	list_remove(&s->queue);
	f->waiting_count--;
	s->waits = false;
	if (f->kind == FLEET_POST)
		f->ready[f->ready_count++] = (uint32_t)(s - f->slot);
}

static void slot_succeed(struct fleet *f, struct slot *s)
{
	f->stats.ok++;
	hist_add(&f->stats.latency, net_now() - s->meant);
	struct device *d = &f->device[s->device];
	uint32_t age = d->number - s->number;
	if (age < REMEMBERED)
		d->answered |= 1ull << age;
	slot_end(f, s);
}

int64_t fleet_expire(struct fleet *f, int64_t now)
{
	while (!list_is_empty(&f->waiting)) {
		struct slot *s = container_of(f->waiting.next, struct slot, queue);
		if (now - s->sent < f->spec.timeout)
			return s->sent + f->spec.timeout;
		if (s->tries == 0) {
			f->stats.lost++;
			slot_end(f, s);
			continue;
		}
		s->tries--;
		f->stats.resent++;
		list_remove(&s->queue);
		slot_queue(f, s, now);
		slot_emit(f, s);
	}
	return INT64_MAX;
}

/* True when the answer is what this exchange must bring. */
static bool answer_fits(const struct fleet *f, const struct slot *s, const struct codec_message *m)
{
	uint8_t payload[FLEET_PAYLOAD_MAX];
	if (m->type == CODEC_ACK && m->mid != s->mid)
		return false;
	if (f->kind == FLEET_REGISTER)
		return m->code == CODEC_CREATED;
	payload_make(f, s, payload);
	return m->code == CODEC_CHANGED &&
	       slice_eq(m->payload, (struct slice){ payload, f->spec.payload });
}

/* True when the payload was made by another device than this one. */
static bool payload_is_foreign(const struct slot *s, const struct codec_message *m)
{
	uint8_t own[8];
	put_u32_hex(own, s->device);
	return m->code == CODEC_CHANGED && m->payload.n >= sizeof(own) &&
	       memcmp(m->payload.p, own, sizeof(own)) != 0;
}

static bool was_answered(const struct device *d, uint32_t number)
{
	uint32_t age = d->number - number;
	return age < REMEMBERED && (d->answered >> age & 1) != 0;
}

static void answer_judge(
	struct fleet *f, struct slot *s, uint32_t number, const struct codec_message *m)
{
	if (payload_is_foreign(s, m)) {
		f->stats.foreign++;
	} else if (number != s->number || !s->waits) {
		bool twice = was_answered(&f->device[s->device], number);
		f->stats.dup += twice;
		f->stats.late += !twice;
	} else if (!answer_fits(f, s, m)) {
		f->stats.bad++;
	} else {
		f->registered += f->kind == FLEET_REGISTER;
		slot_succeed(f, s);
	}
}

/* A response by its token: whose it is, which exchange, which request. */
static void response_take(struct fleet *f, uint32_t device, const struct codec_message *m)
{
	struct cursor c = cur_of(m->token.p, m->token.n);
	uint32_t owner = cur_u16(&c);
	uint32_t index = cur_u16(&c);
	uint32_t number = (uint32_t)cur_u16(&c) << 16;
	number |= cur_u16(&c);
	if (c.broken || cur_left(&c) != 0 || index >= f->spec.window || owner >= f->spec.devices) {
		f->stats.bad++;
		return;
	}
	if (owner != device) {
		f->stats.foreign++;
		return;
	}
	answer_judge(f, &f->slot[device * f->spec.window + index], number, m);
}

static void acknowledge(struct fleet *f, const struct device *d, uint16_t mid)
{
	uint8_t room[4];
	struct writer w = put_into(room, sizeof(room));
	codec_put_header(&w, CODEC_ACK, CODEC_EMPTY, mid, (struct slice){ NULL, 0 });
	device_send(f, d, room, put_len(&w));
}

/* One message of a device's server. */
static void message_take(struct fleet *f, uint32_t device, const uint8_t *bytes, size_t n)
{
	struct codec_message m;
	if (!codec_read(&m, bytes, n) || m.type == CODEC_RST) {
		f->stats.bad++;
		return;
	}
	if (m.code == CODEC_EMPTY)
		return; /* an empty ACK: the response comes on its own (RFC 7252 5.2.2) */
	if (m.type == CODEC_CON)
		acknowledge(f, &f->device[device], m.mid);
	response_take(f, device, &m);
}

/* The handshake of a device is done. */
static void connected(struct fleet *f, uint32_t device)
{
	struct slot *s = &f->slot[device * f->spec.window];
	f->connected++;
	if (f->kind == FLEET_CONNECT && s->waits)
		slot_succeed(f, s);
}

static void secure_take(struct fleet *f, uint32_t device, const uint8_t *datagram, size_t n)
{
	uint8_t room[NET_ROOM];
	struct client *c = f->device[device].secure;
	client_feed(c, datagram, n);
	for (;;) {
		size_t m = 0;
		switch (client_read(c, room, sizeof(room), &m)) {
		case CLIENT_UP:
			connected(f, device);
			break;
		case CLIENT_DATA:
			message_take(f, device, room, m);
			break;
		case CLIENT_DEAD:
			f->stats.errors++;
			return;
		case CLIENT_NOTHING:
			return;
		}
	}
}

void fleet_take(struct fleet *f, uint64_t device)
{
	uint8_t room[NET_ROOM];
	const struct device *d = &f->device[device];
	ssize_t n = recv(d->fd, room, sizeof(room), 0);
	if (n < 0)
		f->stats.errors += errno != EAGAIN;
	else if (d->secure != NULL)
		secure_take(f, (uint32_t)device, room, (size_t)n);
	else
		message_take(f, (uint32_t)device, room, (size_t)n);
}

/* ---- the whole ------------------------------------------------------------------------------ */

void fleet_begin(struct fleet *f, enum fleet_kind kind)
{
	BUG_UNLESS(f->waiting_count == 0);
	f->kind = kind;
	f->ready_count = 0;
	for (uint32_t i = 0; i < f->spec.devices * f->spec.window; i++)
		if (kind == FLEET_POST || f->slot[i].index == 0)
			f->ready[f->ready_count++] = i;
}

static int device_secure(struct fleet *f, uint32_t number)
{
	uint8_t key[CLIENT_KEY_MAX];
	char identity[CLIENT_IDENTITY_MAX + 1];
	struct slice k = { key, f->spec.key.n };
	memcpy(key, f->spec.key.p, k.n);
	for (unsigned i = 0; f->spec.derive && i < 4; i++)
		key[k.n - 1 - i] = (uint8_t)(number >> 8 * i);
	snprintf(identity, sizeof(identity), "%s%04u", f->spec.name, number);
	struct device *d = &f->device[number];
	return client_create(&d->secure, f->profile, d->fd, identity, k);
}

static int devices_open(struct fleet *f, int epoll)
{
	for (uint32_t i = 0; i < f->spec.devices; i++) {
		struct device *d = &f->device[i];
		d->mid = (uint16_t)draw(f);
		struct addr local = f->spec.local;
		local.port = (uint16_t)(local.port + i);
		d->fd = net_open(f->spec.local.port != 0 ? &local : NULL, &f->spec.target, 0);
		int rc = d->fd < 0 ? d->fd : net_watch(epoll, d->fd, i);
		if (rc == 0 && f->profile != NULL)
			rc = device_secure(f, i);
		if (rc != 0) {
			fprintf(stderr, "device %u: %s\n", i, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

static void slots_init(struct fleet *f)
{
	list_init(&f->waiting);
	for (uint32_t i = 0; i < f->spec.devices * f->spec.window; i++) {
		list_init(&f->slot[i].queue);
		f->slot[i].device = i / f->spec.window;
		f->slot[i].index = (uint8_t)(i % f->spec.window);
	}
}

struct fleet *fleet_create(const struct fleet_spec *spec, int epoll)
{
	struct fleet *f = calloc(1, sizeof(*f));
	size_t slots = (size_t)spec->devices * spec->window;
	if (f == NULL)
		return NULL;
	f->spec = *spec;
	f->chance = spec->seed;
	f->device = calloc(spec->devices, sizeof(struct device));
	f->slot = calloc(slots, sizeof(struct slot));
	f->ready = calloc(slots, sizeof(uint32_t));
	int rc = spec->key.n != 0 ? client_profile_create(&f->profile) : 0;
	if (rc == 0 && f->device != NULL && f->slot != NULL && f->ready != NULL) {
		for (uint32_t i = 0; i < spec->devices; i++)
			f->device[i].fd = -1;
		slots_init(f);
		if (devices_open(f, epoll) == 0)
			return f;
	}
	fleet_free(f);
	return NULL;
}

void fleet_free(struct fleet *f)
{
	if (f == NULL)
		return;
	for (uint32_t i = 0; f->device != NULL && i < f->spec.devices; i++) {
		client_free(f->device[i].secure);
		if (f->device[i].fd >= 0)
			close(f->device[i].fd);
	}
	client_profile_free(f->profile);
	free(f->device);
	free(f->slot);
	free(f->ready);
	free(f);
}

size_t fleet_outstanding(const struct fleet *f)
{
	return f->waiting_count;
}

unsigned fleet_connected(const struct fleet *f)
{
	return f->connected;
}

unsigned fleet_registered(const struct fleet *f)
{
	return f->registered;
}

struct fleet_stats *fleet_stats(struct fleet *f)
{
	return &f->stats;
}
