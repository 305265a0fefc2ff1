/* Any bytes as datagrams from the server: the header filter, then a session at one of the stages of
 * its handshake, or one that has had data, which wolfSSL does not carry any more. At the last two stages the bytes are
 * types and plaintexts that a server seals which knows the keys. Input: the stage, with 128 in DTLS 1.3, then
 * datagrams behind their lengths. Randomness is fixed, so the server's own flights are among what can be said. */
#include <string.h>
#include "base/rand.h"
#include "dtls/session_int.h"
#include "tests/unit/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Six ways over the wire; after the last the session is up. */
enum { UP = 6, WITH_DATA, AUTHENTIC, AUTHENTIC_CID, STAGES };

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
	wire_run(w, mono_add(w->now, (stage < UP ? stage : UP) * WIRE_MS));
	BUG_UNLESS((dtls_state(w->client) == DTLS_UP) == (stage >= UP));
	if (stage >= WITH_DATA) {
		struct wire_packet *p = wire_capture(w, (const uint8_t *)"hi", 2);
		BUG_UNLESS(wire_feed(w, p->bytes, p->n) == DTLS_DATA);
		BUG_UNLESS((w->client->aid == NULL) == (version == DTLS_1_2));
	}
	return w;
}

/* The other end of the session: what it reads with, that writes. */
static struct record12 twin_of(struct dtls_session *s, bool cid)
{
	if (cid) {
		s->rules.cid = s->record.own_cid_n = 3;
		s->rules.cid_only = true;
	}
	struct record12 twin = { .cipher = s->record.cipher, .next = s->record.top + 1 };
	memcpy(twin.write_key, s->record.read_key, AEAD_KEY);
	memcpy(twin.write_salt, s->record.read_salt, RECORD12_SALT);
	twin.peer_cid_n = s->record.own_cid_n;
	return twin;
}

/* Alerts end it, and nothing else does. */
static void feed_authentic(struct wire *w, struct cursor c, bool cid)
{
	static uint8_t record[RECORD12_MAX];
	struct record12 twin = twin_of(w->client, cid);
	while (cur_left(&c) > 0 && !c.broken && dtls_state(w->client) == DTLS_UP) {
		size_t n = cur_u16(&c) % DTLS_WRITE_MAX;
		uint8_t type = cur_u8(&c);
		struct slice plain = cur_take(&c, n < cur_left(&c) ? n : cur_left(&c));
		if (plain.p == NULL)
			return;
		unsigned got = w->client_got;
		n = record12_seal(&twin, type, plain, record);
		BUG_UNLESS(n > 0);
		wire_feed(w, record, n);
		BUG_UNLESS(
			w->client_got == got || type == HEADER_APPLICATION || (cid && type == 0));
		BUG_UNLESS(dtls_state(w->client) == DTLS_UP || type == HEADER_ALERT ||
			   (cid && type == 0));
	}
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
	enum dtls_version version = first & 128 ? DTLS_1_3 : DTLS_1_2;
	unsigned stage = (first & 127) % STAGES;
	struct wire *w = wire_at(version, stage);
	bool was_up = dtls_state(w->client) == DTLS_UP;
	bool authentic = stage >= AUTHENTIC && version == DTLS_1_2;
	(void)dtls_header_check(bytes, n, was_up);
	if (authentic)
		feed_authentic(w, c, stage == AUTHENTIC_CID);
	else
		feed_all(w, c);
	if (was_up && !authentic) /* nobody who has no key may end it */
		BUG_UNLESS(dtls_state(w->client) == DTLS_UP);
	wire_shake(w);
	BUG_UNLESS(wire_endings(w) == (dtls_state(w->client) == DTLS_DEAD));
	wire_end(w);
	return 0;
}
