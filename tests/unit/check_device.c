/* Sessions of the server role: handshakes that lose, repeat and disagree, ids, moves, ends. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/rand.h"
#include "dtls_suites.h"
#include "sealer.h"
#include "wire.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

/* Datagrams of a handshake that loses none: two hellos, the cookie, our flight, the client's, our
 * last: each flight is one. */
#define DATAGRAMS 6

static const uint8_t hi[] = { 'h', 'i' };

static int64_t shaken_after(const struct wire *w)
{
	return mono_since((struct mono){ 1000000 }, w->established);
}

/* Both ways carry, and so it stays. */
static void assert_carries(struct wire *w, struct lan_session *e)
{
	unsigned client_got = w->client_got, got = e->got;
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	ck_assert_int_eq(dtls_write(e->s, hi, sizeof(hi)), 0);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->client_got, client_got + 1);
	ck_assert_uint_eq(e->got, got + 1);
}

START_TEST(six_ways_over_the_wire_and_both_are_up)
{
	struct lan *l = lan_begin(false);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = l });
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_eq(shaken_after(w), 6 * WIRE_MS);
	ck_assert_uint_eq(w->sent, DATAGRAMS);
	ck_assert_uint_eq(l->born, 1);
	struct lan_session *e = &l->session[0];
	ck_assert_uint_eq(e->events[DTLS_ESTABLISHED], 1);
	ck_assert_int_eq(dtls_state(e->s), DTLS_UP);
	ck_assert_str_eq(dtls_suite(e->s), "TLS_PSK_WITH_AES_128_CCM_8");
	ck_assert(slice_is(dtls_identity(e->s), "meter17"));
	ck_assert_int_eq(dtls_peer_cid(e->s), -1);
	ck_assert(!dtls_has_own_cid(e->s));
	ck_assert(dtls_deadline(e->s).ms == MONO_NEVER.ms);
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_ANSWERED), 1);
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_ACCEPTED), 1);
	ck_assert_uint_eq(dtls_listener_count(l->listener, DTLS_HELLO_REPLACED), 0);
	assert_carries(w, e);
	lan_end(l);
	wire_end(w);
}
END_TEST

static const struct {
	enum wire_fate fate;
	int late;
} fate_rows[] = { { WIRE_LOSE, 1000 }, { WIRE_TWICE, 0 }, { WIRE_SWAP, WIRE_SWAP_MS },
	{ WIRE_LATE, 1000 } };
#define FATES 4

/* The client's handshake ends late by no more than its own first timer. */
START_TEST(one_datagram_goes_astray)
{
	struct lan *l = lan_begin(true);
	struct wire_spec spec = { .cid = true, .lan = l };
	spec.fate[_i % DATAGRAMS] = fate_rows[_i / DATAGRAMS].fate;
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert_int_le(shaken_after(w), 6 * WIRE_MS + fate_rows[_i / DATAGRAMS].late);
	ck_assert_uint_eq(wire_endings(w), 0);
	ck_assert_uint_eq(l->born, 1); /* no repeat of a hello makes a second */
	ck_assert_uint_eq(l->session[0].events[DTLS_ESTABLISHED], 1);
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* Every pair of fates at every pair of places. */
START_TEST(two_datagrams_go_astray)
{
	for (unsigned k = 0; k < FATES * FATES * 10; k++) {
		struct lan *l = lan_begin(k % 2);
		struct wire_spec spec = { .cid = true, .lan = l };
		spec.fate[_i] = fate_rows[k % FATES].fate;
		spec.fate[(unsigned)_i + 1 + k / (FATES * FATES)] =
			fate_rows[k / FATES % FATES].fate;
		struct wire *w = wire_begin(&spec);
		wire_run(w, MONO_NEVER);
		ck_assert_msg(dtls_state(w->client) == DTLS_UP, "case %u", k);
		ck_assert_msg(shaken_after(w) <= 3000 + 2 * 6 * WIRE_MS, "case %u: %ld ms", k,
			(long)shaken_after(w));
		ck_assert_msg(l->born == 1, "case %u: %u sessions", k, l->born);
		ck_assert_uint_le(w->sent, 24);
		memset(w->fate, 0, sizeof(w->fate)); /* what follows is not the handshake */
		assert_carries(w, &l->session[0]);
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

/* A third of all datagrams meets some fate: both come up, or their time is over, and nothing else. */
START_TEST(random_fates)
{
	unsigned up = 0, seed;
	rand_bytes(&seed, sizeof(seed));
	printf("random_fates of devices: seed %u\n", seed);
	srand(seed);
	for (unsigned round = 0; round < 200; round++) {
		struct lan *l = lan_begin(true);
		struct wire_spec spec = { .cid = true, .lan = l };
		for (unsigned k = 0; k < WIRE_FATES; k++)
			spec.fate[k] = rand() % 3 == 0 ? fate_rows[rand() % FATES].fate : WIRE_PASS;
		struct wire *w = wire_begin(&spec);
		wire_shake(w);
		ck_assert_uint_eq(w->events[DTLS_ALERTED] + w->events[DTLS_CLOSED], 0);
		up += dtls_state(w->client) == DTLS_UP;
		lan_end(l);
		wire_end(w);
	}
	ck_assert_uint_ge(up, 190);
}
END_TEST

/* The room's README: two ends that repeat at each repeat would never rest. */
START_TEST(wrong_key_dies_at_the_deadline_and_rests_meanwhile)
{
	struct lan *l = lan_begin(true);
	l->deadline_ms = 20500;
	l->psk.key = slice_str("another key");
	struct wire *w =
		wire_begin(&(struct wire_spec){ .cid = true, .lan = l, .deadline_ms = 30000 });
	wire_run(w, MONO_NEVER);
	struct lan_session *e = &l->session[0];
	ck_assert_uint_eq(l->born, 1);
	ck_assert_uint_eq(e->events[DTLS_TIMED_OUT], 1);
	ck_assert_uint_eq(e->events[DTLS_ESTABLISHED] + e->events[DTLS_ALERTED], 0);
	ck_assert_int_eq(mono_since((struct mono){ 1000000 }, e->ended), 3 * WIRE_MS + 20500);
	ck_assert_str_eq((const char *)e->name, "meter17");
	ck_assert_uint_gt(e->record + e->header, 0);
	/* The cookie, the flight, and its repeats 1, 3, 7 and 15 s later. */
	ck_assert_uint_eq(w->sent_way[WIRE_DOWN], 6);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(an_unknown_identity_is_told_and_ends_it)
{
	struct lan *l = lan_begin(false);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = l, .identity = SLICE("stranger") });
	wire_run(w, mono_add(w->now, 500));
	struct lan_session *e = &l->session[0];
	ck_assert_uint_eq(e->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(e->alert, 115);
	ck_assert_str_eq((const char *)e->name, "stranger");
	ck_assert_int_eq(mono_since((struct mono){ 1000000 }, e->ended), 5 * WIRE_MS);
	ck_assert_uint_eq(w->sent, DATAGRAMS);
	const struct wire_packet *p = &w->packet[DATAGRAMS - 1];
	ck_assert_uint_eq(p->n, 15);
	/* Behind the numbers of our flight: it is the next record. */
	int64_t number = (int64_t)p->bytes[9] << 8 | p->bytes[10];
	ck_assert_int_ge(number, 2);
	ck_assert_int_le(number, 5);
	wire_run(w, MONO_NEVER);
	ck_assert_uint_eq(w->events[DTLS_ALERTED], 1);
	ck_assert_int_eq(dtls_alert(w->client), 115);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* Our last flight leaves again for a client that lacks it, not for one who has seen its Finished pass. */
START_TEST(a_replay_does_not_bring_our_last_flight)
{
	for (int cid = 0; cid < 2; cid++) {
		struct lan *l = lan_begin(cid);
		struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
		wire_run(w, MONO_NEVER);
		unsigned sent = w->sent;
		for (unsigned i = 0; i < 10 * DATAGRAMS; i++) {
			const struct wire_packet *p = &w->packet[i % DATAGRAMS];
			if (p->way == WIRE_UP)
				lan_feed(l, &w->address, p->bytes, p->n, w->now);
		}
		ck_assert_uint_eq(w->sent, sent);
		ck_assert_uint_eq(l->born, 1);
		assert_carries(w, &l->session[0]);
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

/* The client repeats its flight at 1, 3 and 7 s; each brings one answer. */
START_TEST(a_lost_last_flight_is_repeated_once_a_time)
{
	struct lan *l = lan_begin(_i);
	struct wire_spec spec = { .cid = true, .lan = l };
	for (unsigned k = DATAGRAMS - 1; k < DATAGRAMS + 5; k += 2)
		spec.fate[k] = WIRE_LOSE;
	struct wire *w = wire_begin(&spec);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(shaken_after(w), 6 * WIRE_MS + 7000);
	ck_assert_uint_eq(w->sent, DATAGRAMS + 6);
	ck_assert_uint_eq(l->session[0].events[DTLS_ESTABLISHED], 1);
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(newest_is_what_the_record_numbers_say)
{
	static const struct {
		uint64_t number;
		bool read, newest;
	} rows[] = { { 5, true, true }, { 3, true, false }, { 5, false, false }, { 4, true, false },
		{ 6, true, true }, { 100, true, true }, { 36, false, false }, { 99, true, false },
		{ (1ull << 32) - 1, true, true }, { 101, false, false } };
	uint8_t record[64], room[64];
	size_t n;
	struct sealer sealer;
	struct lan *l = lan_begin(false);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = l });
	wire_run(w, MONO_NEVER);
	sealer_learn(&sealer, w, l->psk.key);
	struct dtls_session *s = l->session[0].s;
	ck_assert(!dtls_was_newest(s));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = sealer_seal(&sealer, WIRE_UP, 23, rows[i].number, "x", 1, record);
		dtls_feed(s, record, n, w->now);
		enum dtls_event event = dtls_read(s, room, sizeof(room), &n, w->now);
		ck_assert_msg((event == DTLS_DATA) == rows[i].read, "row %zu", i);
		ck_assert_msg(dtls_was_newest(s) == rows[i].newest, "row %zu", i);
	}
	lan_end(l);
	wire_end(w);
}
END_TEST

/* A device that knows the key and talks nonsense: it may lose its session, and nobody else's. */
START_TEST(authentic_nonsense_harms_only_who_talks_it)
{
	uint8_t record[128];
	struct lan *l = lan_begin(false);
	struct wire *good = wire_begin(&(struct wire_spec){ .lan = l });
	wire_run(good, MONO_NEVER);
	for (unsigned type = 0; type < 256; type += 5) {
		uint8_t message[25] = { (uint8_t)type };
		struct sealer sealer;
		struct wire *w = wire_begin(&(struct wire_spec){ .lan = l });
		wire_run(w, MONO_NEVER);
		sealer_learn(&sealer, w, l->psk.key);
		for (uint8_t content = 20; content < 25; content++) {
			size_t n = sealer_seal(
				&sealer, WIRE_UP, content, content, message, 12, record);
			lan_feed(l, &w->address, record, n, w->now);
		}
		const unsigned *e = l->session[l->born - 1].events;
		ck_assert_uint_le(e[DTLS_CLOSED] + e[DTLS_ALERTED], 1);
		dtls_forget(&l->session[l->born - 1].s);
		wire_end(w);
	}
	assert_carries(good, &l->session[0]);
	lan_end(l);
	wire_end(good);
}
END_TEST

START_TEST(longest_identity_and_key)
{
	uint8_t identity[128], key[64];
	memset(identity, 'i', sizeof(identity));
	memset(key, 0xff, sizeof(key));
	struct lan *l = lan_begin(false);
	l->psk = (struct dtls_psk){ { identity, sizeof(identity) }, { key, sizeof(key) } };
	struct wire *w = wire_begin(
		&(struct wire_spec){ .lan = l, .identity = l->psk.identity, .key = l->psk.key });
	wire_shake(w);
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
	ck_assert(slice_eq(dtls_identity(l->session[0].s), l->psk.identity));
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* Keys may go as soon as they were looked up: a reload must not wait for sessions. */
START_TEST(the_credential_is_not_borrowed)
{
	struct lan *l = lan_begin(false);
	struct wire *w = wire_begin(&(struct wire_spec){ .lan = l });
	wire_run(w, MONO_NEVER);
	memset(&l->psk, 0, sizeof(l->psk));
	ck_assert(slice_is(dtls_identity(l->session[0].s), "meter17"));
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* offered by the device, taken by us */
START_TEST(connection_id)
{
	bool offered = _i & 1, taken = _i & 2;
	struct lan *l = lan_begin(taken);
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = offered, .lan = l });
	wire_run(w, MONO_NEVER);
	struct lan_session *e = &l->session[0];
	ck_assert_int_eq(dtls_has_own_cid(e->s), offered && taken);
	ck_assert_int_eq(dtls_peer_cid(w->client), offered && taken ? LAN_CID : -1);
	ck_assert_int_eq(dtls_write(w->client, hi, sizeof(hi)), 0);
	const struct wire_packet *p = &w->packet[w->sent - 1];
	struct slice cid;
	wire_run(w, MONO_NEVER);
	ck_assert_int_eq(dtls_cid_of(p->bytes, p->n, LAN_CID, &cid), offered && taken);
	if (offered && taken)
		ck_assert_mem_eq(cid.p, e->cid, LAN_CID);
	assert_carries(w, e);
	ck_assert_uint_eq(e->got, 2);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(a_record_without_the_agreed_id_is_dropped)
{
	struct lan *l = lan_begin(true);
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
	wire_run(w, MONO_NEVER);
	static const uint8_t data[] = { 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 20, 1 };
	uint8_t bytes[33] = { 0 };
	memcpy(bytes, data, sizeof(data));
	for (uint8_t type = 20; type < 25; type++) {
		bytes[0] = type;
		lan_feed(l, &w->address, bytes, sizeof(bytes), w->now);
	}
	ck_assert_uint_eq(dtls_dropped(l->session[0].s, DTLS_DROP_HEADER), 5);
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

/* A copy of the last datagram that left, kept from the wire. */
static struct wire_packet *capture(struct wire *w, const char *text)
{
	ck_assert_int_eq(dtls_write(w->client, (const uint8_t *)text, strlen(text)), 0);
	w->packet[w->sent - 1].due = MONO_NEVER;
	return &w->packet[w->sent - 1];
}

START_TEST(a_session_moves_with_the_newest_record_alone)
{
	struct lan *l = lan_begin(true);
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
	wire_run(w, MONO_NEVER);
	struct lan_session *e = &l->session[0];
	const struct lan_peer there = { SLICE("elsewhere"), NULL, NULL };
	const struct lan_peer yonder = { SLICE("yonder"), NULL, NULL };
	struct wire_packet *p[4];
	for (int i = 0; i < 4; i++)
		p[i] = capture(w, "move");
	/* Forged: nothing is read, nothing moves. */
	p[1]->bytes[p[1]->n - 1] ^= 1;
	lan_feed(l, &there, p[1]->bytes, p[1]->n, w->now);
	p[1]->bytes[p[1]->n - 1] ^= 1;
	ck_assert(e->got == 0 && e->peer == &w->address);
	/* Newest: it moves. */
	lan_feed(l, &there, p[1]->bytes, p[1]->n, w->now);
	ck_assert(e->got == 1 && e->peer == &there);
	/* Older, and authentic: it is read, and moves nothing. */
	lan_feed(l, &yonder, p[0]->bytes, p[0]->n, w->now);
	ck_assert(e->got == 2 && e->peer == &there);
	ck_assert(!dtls_was_newest(e->s));
	/* Replayed: nothing. */
	lan_feed(l, &yonder, p[1]->bytes, p[1]->n, w->now);
	ck_assert(e->got == 2 && e->peer == &there);
	ck_assert(!dtls_was_newest(e->s));
	/* An older one and the newest in one datagram: the last event counts. */
	uint8_t both[512];
	memcpy(both, p[3]->bytes, p[3]->n);
	memcpy(both + p[3]->n, p[2]->bytes, p[2]->n);
	lan_feed(l, &yonder, both, p[3]->n + p[2]->n, w->now);
	ck_assert(e->got == 4 && e->peer == &yonder);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(an_id_of_nobody_reaches_nobody)
{
	struct lan *l = lan_begin(true);
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
	wire_run(w, MONO_NEVER);
	struct wire_packet *p = capture(w, "lost");
	p->bytes[11] ^= 1;
	size_t n;
	uint8_t room[64];
	dtls_feed(l->session[0].s, p->bytes, p->n, w->now); /* though the caller errs */
	ck_assert_int_eq(dtls_read(l->session[0].s, room, sizeof(room), &n, w->now), DTLS_NOTHING);
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(what_is_a_connection_id)
{
	uint8_t r[13 + 8 + 1] = { 25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 'c', 'o', 'n', 'n', 'e',
		'c', 't', '!', 0, 1, 'x' };
	struct slice cid;
	ck_assert(dtls_cid_of(r, sizeof(r), 8, &cid));
	ck_assert(slice_is(cid, "connect!"));
	ck_assert(!dtls_cid_of(r, sizeof(r), 0, &cid));
	ck_assert(!dtls_cid_of(r, sizeof(r), 9, &cid));
	for (size_t n = 0; n < sizeof(r); n++)
		ck_assert(!dtls_cid_of(r, n, 8, &cid));
	static const size_t wrong[] = { 0, 1, 2, 3, 4 }; /* type, version, epoch */
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		r[wrong[i]] ^= 2;
		ck_assert(!dtls_cid_of(r, sizeof(r), 8, &cid));
		r[wrong[i]] ^= 2;
	}
}
END_TEST

START_TEST(close_notify_both_ways)
{
	for (int from_us = 0; from_us < 2; from_us++) {
		struct lan *l = lan_begin(_i);
		struct wire *w = wire_begin(&(struct wire_spec){ .cid = _i, .lan = l });
		wire_run(w, MONO_NEVER);
		if (from_us)
			dtls_close(&l->session[0].s);
		else
			dtls_close(&w->client);
		if (from_us)
			wire_run(w, MONO_NEVER);
		else
			lan_feed(l, &w->address, w->packet[w->sent - 1].bytes,
				w->packet[w->sent - 1].n, w->now);
		if (from_us)
			ck_assert_uint_eq(w->events[DTLS_CLOSED], 1);
		else
			ck_assert_uint_eq(l->session[0].events[DTLS_CLOSED], 1);
		ck_assert_uint_eq(lan_living(l), 0);
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

/* A device boots again on its old port: the old session carries until the new one is up, and after. */
START_TEST(a_rebooted_device_beside_its_old_session)
{
	struct lan *l = lan_begin(_i);
	struct wire *old = wire_begin(&(struct wire_spec){ .cid = _i, .lan = l });
	wire_run(old, MONO_NEVER);
	assert_carries(old, &l->session[0]);
	struct wire *new = wire_begin(&(struct wire_spec){ .cid = _i, .lan = l });
	unsigned sent = old->sent;
	while (dtls_state(new->client) == DTLS_HANDSHAKE) {
		wire_run(new, mono_add(new->now, WIRE_MS / 2));
		ck_assert_int_eq(dtls_state(l->session[0].s), DTLS_UP);
	}
	ck_assert_uint_eq(l->born, 2);
	ck_assert_uint_eq(l->session[1].events[DTLS_ESTABLISHED], 1);
	ck_assert_int_eq(shaken_after(new), 6 * WIRE_MS);
	ck_assert_int_eq(dtls_state(l->session[0].s), DTLS_UP);
	ck_assert_uint_eq(old->sent, sent);
	assert_carries(old, &l->session[0]);
	lan_end(l);
	wire_end(old);
	wire_end(new);
}
END_TEST

/* All that the two ends of one handshake ever said is shown to the other's sessions, at any state. */
START_TEST(sessions_of_one_address_survive_each_other)
{
	for (int at = 0; at < 8 * WIRE_MS; at += WIRE_MS / 2) {
		struct lan *l = lan_begin(_i);
		struct wire *old = wire_begin(&(struct wire_spec){ .cid = _i, .lan = l });
		wire_run(old, MONO_NEVER);
		struct wire_packet *p = capture(old, "late");
		struct wire *new = wire_begin(&(struct wire_spec){ .cid = _i, .lan = l });
		wire_run(new, mono_add(new->now, at));
		size_t n;
		uint8_t room[64];
		for (unsigned i = 0; i < new->sent; i++) {
			dtls_feed(
				l->session[0].s, new->packet[i].bytes, new->packet[i].n, new->now);
			ck_assert_int_eq(
				dtls_read(l->session[0].s, room, sizeof(room), &n, new->now),
				DTLS_NOTHING);
		}
		if (l->born == 2) {
			dtls_feed(l->session[1].s, p->bytes, p->n, new->now);
			ck_assert_int_eq(
				dtls_read(l->session[1].s, room, sizeof(room), &n, new->now),
				DTLS_NOTHING);
		}
		wire_run(new, MONO_NEVER);
		ck_assert_uint_eq(l->born, 2);
		ck_assert_int_eq(shaken_after(new), 6 * WIRE_MS);
		lan_feed(l, &old->address, p->bytes, p->n, old->now);
		ck_assert_uint_eq(l->session[0].got, 1);
		assert_carries(new, &l->session[1]);
		lan_end(l);
		wire_end(old);
		wire_end(new);
	}
}
END_TEST

/* Junk with the device's address: a session that is up survives all of it, before its first data and
 * after; one in its handshake says at most once that it is over. */
static void throw_junk(struct lan *l, const struct wire *w, unsigned rounds)
{
	static uint8_t junk[WIRE_PACKET_MAX];
	for (unsigned i = 0; i < rounds; i++) {
		const struct wire_packet *p = &w->packet[(unsigned)rand() % w->sent];
		size_t n = p->n;
		memcpy(junk, p->bytes, n);
		for (int k = rand() % 4; k >= 0; k--)
			junk[(size_t)rand() % (rand() % 2 ? 26 : n)] = (uint8_t)rand();
		if (rand() % 8 == 0)
			n = (size_t)rand() % n;
		if (!dtls_is_hello(junk, n) && memcmp(junk, p->bytes, n < p->n ? n : p->n) != 0)
			lan_feed(l, &w->address, junk, n, w->now);
	}
}

START_TEST(junk_does_not_end_a_session)
{
	unsigned seed;
	rand_bytes(&seed, sizeof(seed));
	printf("junk against a session of a device: seed %u\n", seed);
	srand(seed);
	struct lan *l = lan_begin(_i % 2);
	struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
	wire_run(w, MONO_NEVER);
	if (_i / 2)
		assert_carries(w, &l->session[0]);
	capture(w, "hi");
	throw_junk(l, w, 10000);
	ck_assert_ptr_nonnull(l->session[0].s);
	assert_carries(w, &l->session[0]);
	lan_end(l);
	wire_end(w);
}
END_TEST

START_TEST(junk_in_a_handshake_ends_it_at_most_once)
{
	unsigned seed;
	rand_bytes(&seed, sizeof(seed));
	printf("junk against a device's handshake: seed %u\n", seed);
	srand(seed);
	for (unsigned i = 0; i < 200; i++) {
		struct lan *l = lan_begin(i % 2);
		struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
		wire_run(w, mono_add(w->now, 3 * WIRE_MS + rand() % (2 * WIRE_MS)));
		throw_junk(l, w, 20);
		wire_run(w, mono_add(w->now, 100000));
		const unsigned *e = l->session[0].events;
		ck_assert_uint_le(e[DTLS_CLOSED] + e[DTLS_ALERTED] + e[DTLS_TIMED_OUT], 1);
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

/* What the spec lists as fatal to the library in a handshake: none of it is. */
START_TEST(a_handshake_survives_what_is_not_its_own)
{
	for (int at = 3 * WIRE_MS; at < 6 * WIRE_MS; at += 5) {
		struct lan *l = lan_begin(true);
		struct wire *w = wire_begin(&(struct wire_spec){ .cid = true, .lan = l });
		wire_run(w, (struct mono){ 1000000 + at });
		for (unsigned type = 0; type < 256; type++) {
			uint8_t junk[25] = { (uint8_t)type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0,
				0 };
			lan_feed(l, &w->address, junk, 13, w->now);
			junk[12] = 1;
			if (type != 20)
				lan_feed(l, &w->address, junk, 14, w->now);
			junk[0] = 22;
			junk[12] = 12;
			junk[13] = (uint8_t)type;
			if (type != 16)
				lan_feed(l, &w->address, junk, 25, w->now);
		}
		static const uint8_t fatal[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2,
			40 };
		lan_feed(l, &w->address, fatal, sizeof(fatal), w->now);
		wire_run(w, MONO_NEVER);
		ck_assert_int_eq(dtls_state(w->client), DTLS_UP);
		ck_assert_int_eq(shaken_after(w), 6 * WIRE_MS);
		assert_carries(w, &l->session[0]);
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

START_TEST(a_thousand_come_and_go)
{
	for (unsigned i = 0; i < 1000; i++) {
		struct lan *l = lan_begin(i % 2);
		l->deadline_ms = 1 + i % 7 * 10;
		struct wire *w = wire_begin(&(struct wire_spec){
			.cid = i % 3, .lan = l, .deadline_ms = 1 + i % 5 * 15 });
		wire_run(w, mono_add(w->now, 200));
		if (i % 4 == 0 && l->session[0].s != NULL)
			dtls_close(&l->session[0].s);
		lan_end(l);
		wire_end(w);
	}
}
END_TEST

static void add_long(TCase *c)
{
	tcase_add_loop_test(c, two_datagrams_go_astray, 0, DATAGRAMS);
	tcase_add_test(c, a_thousand_come_and_go);
}

/* What holds in DTLS 1.3 as well. */
static TCase *in_13(void)
{
	TCase *c = tcase_create("DTLS 1.3");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, wire_speak_13, NULL);
	tcase_add_loop_test(c, one_datagram_goes_astray, 0, FATES * DATAGRAMS);
	tcase_add_test(c, random_fates);
	tcase_add_test(c, a_replay_does_not_bring_our_last_flight);
	tcase_add_loop_test(c, a_lost_last_flight_is_repeated_once_a_time, 0, 2);
	tcase_add_test(c, longest_identity_and_key);
	tcase_add_test(c, the_credential_is_not_borrowed);
	tcase_add_test(c, an_id_of_nobody_reaches_nobody);
	tcase_add_loop_test(c, close_notify_both_ways, 0, 2);
	tcase_add_loop_test(c, a_rebooted_device_beside_its_old_session, 0, 2);
	tcase_add_loop_test(c, sessions_of_one_address_survive_each_other, 0, 2);
	tcase_add_loop_test(c, junk_does_not_end_a_session, 0, 4);
	tcase_add_test(c, junk_in_a_handshake_ends_it_at_most_once);
	tcase_add_test(c, a_handshake_survives_what_is_not_its_own);
	return c;
}

Suite *device_suite(void)
{
	Suite *s = suite_create("dtls devices");
	TCase *c = tcase_create("rows");
	tcase_set_timeout(c, 60);
	SUITE_TEST(s, six_ways_over_the_wire_and_both_are_up);
	tcase_add_loop_test(c, one_datagram_goes_astray, 0, FATES * DATAGRAMS);
	SUITE_TEST(s, random_fates);
	SUITE_TEST(s, wrong_key_dies_at_the_deadline_and_rests_meanwhile);
	SUITE_TEST(s, an_unknown_identity_is_told_and_ends_it);
	SUITE_TEST(s, a_replay_does_not_bring_our_last_flight);
	tcase_add_loop_test(c, a_lost_last_flight_is_repeated_once_a_time, 0, 2);
	SUITE_TEST(s, newest_is_what_the_record_numbers_say);
	SUITE_TEST(s, authentic_nonsense_harms_only_who_talks_it);
	SUITE_TEST(s, longest_identity_and_key);
	SUITE_TEST(s, the_credential_is_not_borrowed);
	tcase_add_loop_test(c, connection_id, 0, 4);
	SUITE_TEST(s, a_record_without_the_agreed_id_is_dropped);
	SUITE_TEST(s, a_session_moves_with_the_newest_record_alone);
	SUITE_TEST(s, an_id_of_nobody_reaches_nobody);
	SUITE_TEST(s, what_is_a_connection_id);
	tcase_add_loop_test(c, close_notify_both_ways, 0, 2);
	tcase_add_loop_test(c, a_rebooted_device_beside_its_old_session, 0, 2);
	tcase_add_loop_test(c, sessions_of_one_address_survive_each_other, 0, 2);
	tcase_add_loop_test(c, junk_does_not_end_a_session, 0, 4);
	SUITE_TEST(s, junk_in_a_handshake_ends_it_at_most_once);
	SUITE_TEST(s, a_handshake_survives_what_is_not_its_own);
	suite_add_tcase(s, c);
	add_long(case_long(s, "long"));
	if (wolf_peer_has_13()) {
		suite_add_tcase(s, in_13());
		TCase *l = case_long(s, "DTLS 1.3, long");
		tcase_add_checked_fixture(l, wire_speak_13, NULL);
		add_long(l);
	}
	return s;
}
