/* Any bytes, and any of a handshake's own datagrams with bytes turned, at a listener and at a server's
 * session at one of the stages of its handshake; from the device's address or a stranger's.
 * Input: flags and stage, with 128 in DTLS 1.3, then steps: 0 LENGTH BYTES are sent as they are; 1 PACKET PLACE VALUE is a
 * datagram that was sent before, with one byte turned; 2 rotates the secret; 3 lets 100 ms pass. A step
 * plus 4 comes from a stranger. Randomness is fixed, so cookies and keys are the same each time. */
#include <string.h>
#include "base/rand.h"
#include "dtls/dtls.h"
#include "tests/unit/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define STAGES    7 /* six ways over the wire; after the last both are up */
#define STEPS     8
#define FROM_AFAR 4

static uint32_t drawn;
static size_t given; /* bytes that the stranger sent last */

/* In place of base's. */
void rand_bytes(void *bytes, size_t n)
{
	uint8_t *p = bytes;
	for (size_t i = 0; i < n; i++) {
		drawn = drawn * 1664525 + 1013904223;
		p[i] = (uint8_t)(drawn >> 24);
	}
}

static void hear(void *who, const uint8_t *datagram, size_t n)
{
	(void)who;
	(void)datagram;
	BUG_UNLESS(n <= given);
}

static const struct lan_peer stranger = { { (const uint8_t *)"nobody", 6 }, hear, NULL };

static void send_from(struct wire *w, bool afar, const uint8_t *bytes, size_t n)
{
	given = n;
	if (n > 0)
		lan_feed(w->lan, afar ? &stranger : &w->address, bytes, n, w->now);
}

static void step(struct wire *w, struct cursor *c)
{
	static uint8_t copy[WIRE_PACKET_MAX];
	uint8_t op = cur_u8(c);
	bool afar = op & FROM_AFAR;
	if (op % 4 == 0) {
		size_t n = cur_u16(c);
		struct slice datagram = cur_take(c, n < cur_left(c) ? n : cur_left(c));
		send_from(w, afar, datagram.p, datagram.n);
	} else if (op % 4 == 1) {
		const struct wire_packet *p = &w->packet[cur_u8(c) % w->sent];
		memcpy(copy, p->bytes, p->n);
		size_t place = cur_u16(c);
		copy[place % p->n] ^= cur_u8(c);
		send_from(w, afar, copy, p->n);
	} else if (op % 4 == 2) {
		dtls_listener_rotate(w->lan->listener);
	} else {
		wire_run(w, mono_add(w->now, 100));
	}
}

/* The next device is served as if nothing had been. */
static void assert_serves(struct lan *l)
{
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
	wire_run(w, mono_add(w->now, 6 * WIRE_MS));
	BUG_UNLESS(dtls_state(w->client) == DTLS_UP);
	lan_end(l);
	wire_end(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	drawn = 1;
	struct cursor c = cur_of(bytes, n);
	uint8_t first = cur_u8(&c);
	wire_version = lan_version = first & 128 ? DTLS_1_3 : DTLS_1_2;
	struct lan *l = lan_begin(first & 1);
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = first & 2, .lan = l });
	wire_run(w, mono_add(w->now, (first >> 2 & 31) % STAGES * WIRE_MS));
	bool was_up = l->born > 0 && dtls_state(l->session[0].s) == DTLS_UP;
	for (unsigned i = 0; i < STEPS && cur_left(&c) > 0; i++)
		step(w, &c);
	if (was_up) /* nobody who has no key may end it */
		BUG_UNLESS(l->session[0].s != NULL && dtls_state(l->session[0].s) == DTLS_UP);
	/* Addresses that were no lie may have any number of handshakes; none is for ever. */
	wire_run(w, mono_add(w->now, 70000));
	for (unsigned i = 0; i < l->born; i++)
		BUG_UNLESS(l->session[i].s == NULL || dtls_state(l->session[i].s) == DTLS_UP);
	assert_serves(l);
	wire_end(w);
	return 0;
}
