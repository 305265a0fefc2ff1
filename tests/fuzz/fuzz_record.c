/* Any bytes as datagrams from the server: the header filter, then a session at one of the stages of
 * its handshake. Input: the stage, with 128 in DTLS 1.3, then datagrams behind their lengths.
 * Randomness is fixed, so the server's own flights are among what can be said. */
#include <string.h>
#include "base/rand.h"
#include "dtls/dtls.h"
#include "tests/unit/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define STAGES 7 /* six ways over the wire; after the last the session is up */

static uint32_t drawn;

/* In place of base's. */
void rand_bytes(void *bytes, size_t n)
{
	uint8_t *p = bytes;
	for (size_t i = 0; i < n; i++) {
		drawn = drawn * 1664525 + 1013904223;
		p[i] = (uint8_t)(drawn >> 24);
	}
}

static struct wire *wire_at(enum dtls_version version, unsigned stage)
{
	wire_version = version;
	drawn = 1;
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = true });
	wire_run(w, mono_add(w->now, stage * WIRE_MS));
	BUG_UNLESS((dtls_state(w->client) == DTLS_UP) == (stage == STAGES - 1));
	return w;
}

static void feed_all(struct wire *w, struct cursor c)
{
	while (cur_left(&c) > 0 && !c.broken) {
		size_t n = cur_u16(&c);
		struct slice datagram = cur_take(&c, n < cur_left(&c) ? n : cur_left(&c));
		if (datagram.n > 0)
			wire_feed(w, datagram.p, datagram.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_of(bytes, n);
	uint8_t first = cur_u8(&c);
	struct wire *w = wire_at(first & 128 ? DTLS_1_3 : DTLS_1_2, (first & 127) % STAGES);
	bool was_up = dtls_state(w->client) == DTLS_UP;
	(void)dtls_header_check(bytes, n, was_up);
	feed_all(w, c);
	if (was_up) /* nobody who has no key may end it */
		BUG_UNLESS(dtls_state(w->client) == DTLS_UP);
	wire_shake(w);
	BUG_UNLESS(wire_endings(w) == (dtls_state(w->client) == DTLS_DEAD));
	wire_end(w);
	return 0;
}
