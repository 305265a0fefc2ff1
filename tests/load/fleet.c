/* Many devices that talk to one server: see fleet.h. */
#include "fleet.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "client.h"
#include "codec.h"
#include "net.h"

#define REGISTER_RETRIES 8

struct device {
	int fd;
	struct client *secure; /* its session, NULL without DTLS */
	bool renews;           /* its handshake is not the first */
	struct observation observation;
	uint32_t heeded; /* number of the server's newest notification */
};

struct fleet {
	struct fleet_spec spec;
	enum fleet_kind kind;
	struct device *device;
	struct book *book;
	struct tally *tally;            /* the book's */
	struct client_profile *profile; /* NULL without DTLS */
	unsigned connected;
	unsigned registered;
	uint64_t notified;
	uint64_t asked;
	uint64_t heeded, old; /* the server's notifications */
	uint64_t turn;        /* of notifications and transfers */
	uint64_t blocks;      /* sent, also again */
};

/* Whether every device speaks once. */
static bool is_once(const struct fleet *f)
{
	return f->kind == FLEET_CONNECT || f->kind == FLEET_REGISTER || f->kind == FLEET_OBSERVE;
}

/* ---- messages ------------------------------------------------------------------------------- */

/* Sends bytes of a device. An ICMP error of an earlier datagram is none of this one: once more. */
static void device_send(struct fleet *f, const struct device *d, const uint8_t *bytes, size_t n)
{
	if (d->secure != NULL) {
		f->tally->errors += client_write(d->secure, bytes, n) != 0;
		return;
	}
	ssize_t sent = send(d->fd, bytes, n, 0);
	if (sent < 0 && errno == ECONNREFUSED)
		sent = send(d->fd, bytes, n, 0);
	if (sent < 0)
		f->tally->errors++;
}

/* Sends a message of a device, or lets it go wrong. */
static void device_say(struct fleet *f, uint32_t device, uint8_t *bytes, size_t n)
{
	const struct device *d = &f->device[device];
	switch (is_once(f) ? FAULT_NONE : fault_next(&f->spec.faults)) {
	case FAULT_DROP:
	case FAULT_LATE: /* the server's program has that one */
		return;
	case FAULT_TWICE:
		device_send(f, d, bytes, n);
		break;
	case FAULT_MISDELIVER:
		d = &f->device[(device + 1) % f->spec.devices];
		break;
	case FAULT_WRONG:
		bytes[n - 1] ^= 1;
		break;
	case FAULT_NONE:
		break;
	}
	device_send(f, d, bytes, n);
}

static struct utterance utterance_of(const struct fleet *f, const struct exchange *x)
{
	return (struct utterance){ .kind = (enum speak_kind)x->kind,
		.mark = book_mark(f->book, x),
		.mid = x->mid,
		.step = x->step,
		.observe = &f->device[x->device].observation };
}

/* Whether this block is to be left out. */
static bool skips(struct fleet *f, const struct exchange *x)
{
	bool is_block = x->kind == SPEAK_BLOCK1 || x->kind == SPEAK_BLOCK2;
	return is_block && f->spec.skip != 0 && ++f->blocks % f->spec.skip == 0;
}

/* A request that stays unanswered may begin a session anew, as where the server forgot it. True when the request
 * has to wait for one. */
static bool waits_for_session(struct fleet *f, const struct exchange *x)
{
	struct device *d = &f->device[x->device];
	if (d->secure == NULL || f->spec.anew == 0 || is_once(f))
		return false;
	unsigned again = f->spec.retries - x->tries;
	if (client_is_up(d->secure)) {
		if (again != f->spec.anew || client_renew(d->secure) != 0)
			return false;
		d->renews = true;
	}
	if (again > 0)
		client_shake(d->secure);
	return true;
}

static void say(struct fleet *f, const struct exchange *x)
{
	uint8_t room[NET_ROOM];
	struct writer w = put_into(room, sizeof(room));
	struct utterance u = utterance_of(f, x);
	u.step += skips(f, x);
	speak_put(&w, &f->spec.speech, &u);
	BUG_UNLESS(!w.broken);
	device_say(f, x->device, room, put_len(&w));
}

static void emit(void *owner, struct exchange *x)
{
	struct fleet *f = owner;
	if (x->kind == SPEAK_CONNECT)
		client_shake(f->device[x->device].secure);
	else if (!waits_for_session(f, x))
		say(f, x);
}

/* ---- what is said --------------------------------------------------------------------------- */

static enum speak_kind next_notification(struct fleet *f)
{
	f->notified++;
	bool confirms = f->spec.confirm != 0 && f->notified % f->spec.confirm == 0;
	return confirms ? SPEAK_CONFIRM : SPEAK_NOTIFY;
}

static enum speak_kind next_transfer(struct fleet *f)
{
	return ++f->turn % 2 != 0 ? SPEAK_BLOCK1 : SPEAK_BLOCK2;
}

static enum speak_kind next_mixed(struct fleet *f)
{
	uint32_t chance = book_draw(f->book, 100);
	if (chance == 99)
		return next_transfer(f);
	if (chance < 65)
		return chance < 45 ? SPEAK_POST : SPEAK_GET;
	f->notified++;
	return SPEAK_NOTIFY;
}

static enum speak_kind next_kind(struct fleet *f)
{
	switch (f->kind) {
	case FLEET_CONNECT:
		return SPEAK_CONNECT;
	case FLEET_REGISTER:
		return SPEAK_REGISTER;
	case FLEET_OBSERVE:
		return SPEAK_OBSERVE;
	case FLEET_GET:
		return SPEAK_GET;
	case FLEET_NOTIFY:
		return next_notification(f);
	case FLEET_BLOCK:
		return next_transfer(f);
	case FLEET_MIXED:
		return next_mixed(f);
	case FLEET_POST:
	case FLEET_LISTEN:
	case FLEET_HEED:
		break;
	}
	return SPEAK_POST;
}

bool fleet_send(struct fleet *f, int64_t meant)
{
	if (!book_can_ask(f->book))
		return false;
	enum speak_kind kind = next_kind(f);
	unsigned tries = is_once(f) ? REGISTER_RETRIES : f->spec.retries;
	struct exchange *x = book_ask(f->book, (uint8_t)kind, meant, tries);
	if (x != NULL && kind == SPEAK_NOTIFY)
		book_end(f->book, x, true); /* nothing comes back */
	return x != NULL;
}

static void succeed(struct fleet *f, struct exchange *x)
{
	book_succeed(f->book, x);
	book_end(f->book, x, !is_once(f));
}

int64_t fleet_expire(struct fleet *f, int64_t now)
{
	return book_expire(f->book, now, is_once(f));
}

/* ---- what comes ----------------------------------------------------------------------------- */

static void response_take(struct fleet *f, uint32_t device, const struct codec_message *m)
{
	struct exchange *x = book_match(f->book, device, m);
	if (x == NULL)
		return;
	struct utterance u = utterance_of(f, x);
	switch (speak_judge(&f->spec.speech, &u, m)) {
	case SPEAK_BAD:
		f->tally->bad++;
		break;
	case SPEAK_MORE:
		book_succeed(f->book, x);
		x->step++;
		book_ask_on(f->book, x, f->spec.retries);
		break;
	case SPEAK_GOOD:
		f->registered += x->kind == SPEAK_REGISTER;
		succeed(f, x);
		break;
	}
}

/* A request of the server: it must be meant for this device, and is answered. */
static void request_take(struct fleet *f, uint32_t device, const struct codec_message *m)
{
	uint8_t room[NET_ROOM];
	struct writer w = put_into(room, sizeof(room));
	struct mark asked, named;
	bool readable = mark_token_read(&asked, m->token) && asked.side == MARK_SERVER;
	bool marked = mark_payload_read(&named, m->payload);
	if (readable && (asked.device != device || (marked && named.device != device))) {
		f->tally->foreign++;
		return;
	}
	if (!readable || (m->payload.n > 0 && !mark_payload_fits(&asked, m->payload))) {
		f->tally->bad++;
		return;
	}
	f->asked++;
	speak_answer(&w, &f->spec.speech, &f->device[device].observation, &asked, m);
	BUG_UNLESS(!w.broken);
	device_say(f, device, room, put_len(&w));
}

/* A notification of the server's: its number may skip, but it grows, and is that of the payload. */
static void notification_take(struct fleet *f, uint32_t device, const struct codec_message *m)
{
	struct device *d = &f->device[device];
	struct mark token, named;
	bool readable =
		mark_token_read(&token, m->token) && mark_payload_read(&named, m->payload) &&
		mark_payload_fits(&named, m->payload) && m->observe == (named.number & 0xffffff);
	if (!readable) {
		f->tally->bad++;
	} else if (token.device != device || named.device != device) {
		f->tally->foreign++;
	} else if (named.number <= d->heeded) {
		f->tally->dup++;
		f->old++;
	} else {
		d->heeded = named.number;
		f->heeded++;
	}
}

static void acknowledge(struct fleet *f, uint32_t device, uint16_t mid)
{
	uint8_t room[4];
	struct writer w = put_into(room, sizeof(room));
	codec_put_header(&w, CODEC_ACK, CODEC_EMPTY, mid, (struct slice){ NULL, 0 });
	device_send(f, &f->device[device], room, put_len(&w));
}

/* An empty ACK: of a notification, or of a request whose response comes on its own
 * (RFC 7252 5.2.2). */
static void empty_take(struct fleet *f, uint32_t device, uint16_t mid)
{
	struct exchange *x = book_by_mid(f->book, device, mid);
	if (x != NULL && x->kind == SPEAK_CONFIRM)
		succeed(f, x);
}

/* One message of a device's server. */
static void message_take(struct fleet *f, uint32_t device, const uint8_t *bytes, size_t n)
{
	struct codec_message m;
	if (!codec_read(&m, bytes, n) || m.type == CODEC_RST) {
		f->tally->bad++;
	} else if (m.code == CODEC_EMPTY) {
		empty_take(f, device, m.mid);
	} else if (codec_is_request(&m)) {
		request_take(f, device, &m);
	} else {
		if (m.type == CODEC_CON)
			acknowledge(f, device, m.mid);
		if (m.observe != CODEC_NONE && m.type != CODEC_ACK)
			notification_take(f, device, &m);
		else
			response_take(f, device, &m);
	}
}

/* The handshake of a device is done. */
static void connected(struct fleet *f, uint32_t device)
{
	struct exchange *x = book_first(f->book, device);
	if (f->device[device].renews) {
		for (unsigned i = 0; i < f->spec.window; i++)
			if (x[i].waits)
				say(f, &x[i]);
		return;
	}
	f->connected++;
	if (x->kind == SPEAK_CONNECT && x->waits)
		succeed(f, x);
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
			f->tally->errors++;
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
		f->tally->errors += errno != EAGAIN;
	else if (d->secure != NULL)
		secure_take(f, (uint32_t)device, room, (size_t)n);
	else
		message_take(f, (uint32_t)device, room, (size_t)n);
}

/* ---- the whole ------------------------------------------------------------------------------ */

void fleet_begin(struct fleet *f, enum fleet_kind kind)
{
	BUG_UNLESS(book_outstanding(f->book) == 0);
	f->kind = kind;
	book_clear(f->book);
	for (uint32_t i = 0; i < f->spec.devices; i++)
		book_admit(f->book, i, !is_once(f));
}

static int device_secure(struct fleet *f, uint32_t number)
{
	uint8_t key[CLIENT_KEY_MAX];
	char identity[CLIENT_IDENTITY_MAX + 1];
	struct slice k = { key, f->spec.key.n };
	memcpy(key, f->spec.key.p, k.n);
	for (unsigned i = 0; f->spec.derive && i < 4; i++)
		key[k.n - 1 - i] = (uint8_t)(number >> 8 * i);
	snprintf(identity, sizeof(identity), "%s%04u", f->spec.speech.name, number);
	struct device *d = &f->device[number];
	return client_create(&d->secure, f->profile, d->fd, identity, k);
}

/* Where a device lives. */
static struct addr home_of(const struct fleet *f, uint32_t number)
{
	struct addr a = f->spec.local;
	uint32_t host = (uint32_t)(a.ip[14] << 8 | a.ip[15]) + number;
	a.port = (uint16_t)(a.port + number);
	if (f->spec.spread) {
		a.ip[14] = (uint8_t)(host >> 8);
		a.ip[15] = (uint8_t)host;
	}
	return a;
}

static int devices_open(struct fleet *f, int epoll)
{
	for (uint32_t i = 0; i < f->spec.devices; i++) {
		struct device *d = &f->device[i];
		struct addr local = home_of(f, i);
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

static struct book *open_book(struct fleet *f)
{
	struct book_spec spec = { .devices = f->spec.devices,
		.window = f->spec.window,
		.side = MARK_DEVICE,
		.timeout = f->spec.timeout,
		.seed = f->spec.seed,
		.turns = f->spec.turns,
		.greedy = f->spec.greedy,
		.emit = emit,
		.owner = f };
	return book_create(&spec);
}

struct fleet *fleet_create(const struct fleet_spec *spec, int epoll)
{
	struct fleet *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->spec = *spec;
	f->book = open_book(f);
	f->device = calloc(spec->devices, sizeof(struct device));
	int rc = spec->key.n != 0 ? client_profile_create(&f->profile) : 0;
	if (rc == 0 && f->device != NULL && f->book != NULL) {
		f->tally = book_tally(f->book);
		for (uint32_t i = 0; i < spec->devices; i++)
			f->device[i].fd = -1;
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
	book_free(f->book);
	free(f->device);
	free(f);
}

unsigned fleet_connected(const struct fleet *f)
{
	return f->connected;
}

unsigned fleet_registered(const struct fleet *f)
{
	return f->registered;
}

uint64_t fleet_notified(const struct fleet *f)
{
	return f->notified;
}

uint64_t fleet_heeded(const struct fleet *f)
{
	return f->heeded;
}

uint64_t fleet_pushed(const struct fleet *f)
{
	return f->heeded + f->old;
}

uint64_t fleet_asked(const struct fleet *f)
{
	return f->asked;
}

struct book *fleet_book(struct fleet *f)
{
	return f->book;
}
