/* Devices send more than can be carried: who loses what. Time passes by what the relay does: a message that is
 * carried costs COST_US, one that is dropped a tenth. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/hex.h"
#include "base/log.h"
#include "rig_lan.h"
#include "rig_opaque.h"
#include "suite.h"
#include "trunk.h"

/* So a millisecond carries 10 messages. */
#define COST_US 100
#define DROP_US 10
/* A look at an idle socket. */
#define IDLE_US 50
/* Datagrams that a LAN socket's queue holds: 200 ms' worth. */
#define ROOM 2000
#define PEOPLE_MAX 301

/* A device and what it does. */
struct person {
	struct addr from;
	struct flow *flow;
	struct rig_dtls *dtls;   /* or NULL */
	double per_ms;           /* messages */
	double due;              /* of them, so far */
	uint64_t sent;
	uint64_t up;             /* of the flow when the scene began */
	const char *message;     /* in hex */
};

struct scene {
	struct rig *r;
	struct person people[PEOPLE_MAX];
	unsigned count;
	uint64_t us;             /* that make no millisecond yet */
	unsigned window;         /* outstanding messages of people[0], in place of its rate; 0: it has one */
	uint64_t carried;        /* before it began */
	uint64_t words;          /* that went up and are no POST */
};

#define POST coap(NON, "0.02", 7, "aa", "dp")

/* ---- the scene ---- */

static void cast(struct scene *s, struct flow *flow, struct addr from, double per_ms)
{
	static char post[200];
	snprintf(post, sizeof(post), "%s", POST);
	s->people[s->count++] = (struct person){ .from = from, .flow = flow, .per_ms = per_ms,
		.message = post, .up = flow->up.messages };
	s->carried = rig_counts(s->r, COUNT_UP_MESSAGES);
}

/* Associations of many are paced. */
static struct flow *registered(struct rig *r, const char *from, const char *name, const char *location)
{
	char uri[60];
	snprintf(uri, sizeof(uri), "rd?ep=%s&lt=86400", name);
	const char *request = coap(CON, "0.02", 1, "aa55", uri);
	rig_device(r, from, request);
	rig_advance(r, 1000);
	rig_expect_server(r, request);
	rig_server(r, r->port, located(ACK, "2.01", 1, "aa55", location));
	rig_expect_device(r, from, located(ACK, "2.01", 1, "aa55", location));
	return rig_flow(r, name);
}

/* A device in plain CoAP; the first one is "dev0". */
static void plain(struct scene *s, double per_ms)
{
	char name[20], from[40], location[20];
	snprintf(name, sizeof(name), "dev%u", s->count);
	snprintf(from, sizeof(from), "10.0.%u.%u:40000", s->count / 200, s->count % 200 + 1);
	snprintf(location, sizeof(location), "rd/%u", s->count);
	cast(s, registered(s->r, from, name, location), at(from), per_ms);
}

static void secure(struct scene *s, double per_ms)
{
	char name[20], from[40];
	snprintf(name, sizeof(name), "dev%u", s->count);
	snprintf(from, sizeof(from), "10.0.1.%u:40000", s->count + 1);
	struct rig_dtls *d = rig_dtls_register(s->r, from, name);
	cast(s, rig_flow(s->r, name), at(from), per_ms);
	s->people[s->count - 1].dtls = d;
}

static struct scene *scene(unsigned endpoints, bool is_secure)
{
	static struct scene s;
	s = (struct scene){ .r = rig_create() };
	s.r->conf.gateway.max_endpoints = PEOPLE_MAX;
	for (unsigned i = 0; i < endpoints; i++) {
		static char name[PEOPLE_MAX][20];
		snprintf(name[i], sizeof(name[i]), "dev%u", i);
		rig_endpoint(s.r, name[i], "cloud");
		if (is_secure)
			rig_lan_secure(s.r, name[i]);
	}
	rig_start(s.r);
	fake_lan_room(s.r->net, ROOM);
	return &s;
}

/* One greedy device, people[0], and others. */
static struct scene *crowd(unsigned others, double each, double greedy)
{
	struct scene *s = scene(others + 1, false);
	plain(s, greedy);
	for (unsigned i = 0; i < others; i++)
		plain(s, each);
	return s;
}

static void say(struct scene *s, struct person *p, const char *hex)
{
	static uint8_t bytes[UDP_ROOM];
	struct addr called = s->r->called[true];
	size_t n;
	if (p->dtls != NULL) {
		called.port = DEVICE_PORT;
		rig_dtls_lose(p->dtls, hex);
		n = rig_dtls_last(p->dtls, bytes);
	} else {
		n = (size_t)hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	}
	ck_assert(fake_lan_queue(s->r->net, &p->from, &called, s->r->ifindex, bytes, n));
	p->sent++;
}

static void speak(struct scene *s, uint64_t us)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct person *p = &s->people[i];
		for (p->due += p->per_ms * (double)us / 1000; p->due >= 1; p->due--)
			say(s, p, p->message);
	}
	while (s->window > fake_lan_waiting(s->r->net))
		say(s, &s->people[0], s->people[0].message);
}

/* One wake-up of the relay, and what comes meanwhile; the time that it took. */
static uint64_t turn(struct scene *s)
{
	struct rig *r = s->r;
	uint64_t carried = rig_counts(r, COUNT_UP_MESSAGES) + rig_counts(r, COUNT_OPAQUE_UP);
	uint64_t dropped = rig_drops(r, DROP_OVERLOAD);
	ck_assert_int_eq(loop_once(r->loop, 0), 0);
	for (const struct fake_datagram *d; (d = fake_wan_take(r->net)) != NULL;)
		s->words += d->bytes[3] != 7; /* the message id of a POST */
	carried = rig_counts(r, COUNT_UP_MESSAGES) + rig_counts(r, COUNT_OPAQUE_UP) - carried;
	dropped = rig_drops(r, DROP_OVERLOAD) - dropped;
	uint64_t us = IDLE_US + carried * COST_US + dropped * DROP_US;
	s->us += us;
	fake_net_work(r->net, (int64_t)(s->us / 1000));
	s->us %= 1000;
	speak(s, us);
	return us;
}

static void play(struct scene *s, unsigned ms)
{
	for (uint64_t us = 0; us < (uint64_t)ms * 1000;)
		us += turn(s);
}

/* All fall silent, and what waits is read. */
static void hush(struct scene *s)
{
	s->window = 0;
	for (unsigned i = 0; i < s->count; i++)
		s->people[i].per_ms = s->people[i].due = 0;
	while (fake_lan_waiting(s->r->net) > 0)
		turn(s);
}

static uint64_t carried(const struct person *p)
{
	return p->flow->up.messages - p->up;
}

static uint64_t dropped(const struct person *p)
{
	return p->flow->drops != NULL ? p->flow->drops[DROP_OVERLOAD] : 0;
}

static void curtain(struct scene *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->people[i].dtls != NULL)
			rig_dtls_free(s->people[i].dtls);
	rig_stop(s->r);
	while (fake_wan_take(s->r->net) != NULL || fake_lan_take(s->r->net) != NULL)
		;
	rig_free(s->r);
}

/* All but the first had everything carried. */
static void others_lost_nothing(const struct scene *s)
{
	for (unsigned i = 1; i < s->count; i++) {
		ck_assert_uint_eq(carried(&s->people[i]), s->people[i].sent);
		ck_assert_uint_eq(dropped(&s->people[i]), 0);
	}
	ck_assert_uint_eq(rig_counts(s->r, COUNT_LAN_OVERFLOWS), 0);
}

/* ---- fair shares ---- */

/* Twice of what can be carried; the greedy one sends 180 times as much as each other. */
START_TEST(modest_devices_lose_nothing_to_a_greedy_one)
{
	struct scene *s = crowd(20, 0.1, 18);
	play(s, 4000);
	ck_assert(s->r->dp->overload.is_on);
	hush(s);
	others_lost_nothing(s);
	const struct person *greedy = &s->people[0];
	ck_assert_uint_eq(carried(greedy) + dropped(greedy), greedy->sent);
	ck_assert_uint_eq(rig_drops(s->r, DROP_OVERLOAD), dropped(greedy));
	/* What the others leave is its own: 8 a millisecond, less what dropping costs. */
	ck_assert_uint_ge(carried(greedy), 4000 * 5);
	ck_assert_uint_le(carried(greedy), 4000 * 8);
	curtain(s);
}
END_TEST

/* The same with many: a window is as long as each needs to send some. */
START_TEST(three_hundred_modest_devices_lose_next_to_nothing_to_a_greedy_one)
{
	struct scene *s = crowd(300, 0.02, 14);
	uint64_t sent = 0, lost = 0;
	play(s, 4000);
	ck_assert(s->r->dp->overload.is_on);
	hush(s);
	for (unsigned i = 1; i < s->count; i++) {
		sent += s->people[i].sent;
		lost += s->people[i].sent - carried(&s->people[i]);
	}
	ck_assert_uint_le(lost * 200, sent);
	ck_assert_uint_ge(carried(&s->people[0]), 4000 * 2);
	curtain(s);
}
END_TEST

START_TEST(equally_greedy_devices_get_equal_shares)
{
	struct scene *s = crowd(19, 1, 1);
	play(s, 4000);
	hush(s);
	uint64_t all = rig_counts(s->r, COUNT_UP_MESSAGES) - s->carried;
	ck_assert_uint_ge(all, 4000 * 6);
	for (unsigned i = 0; i < s->count; i++) {
		ck_assert_uint_ge(carried(&s->people[i]) * 20 * 10, all * 9);
		ck_assert_uint_le(carried(&s->people[i]) * 20 * 10, all * 11);
	}
	curtain(s);
}
END_TEST

/* More than can even be dropped: then a good part is carried all the same. */
START_TEST(a_deluge_does_not_stop_the_relay)
{
	struct scene *s = crowd(2, 0.1, 200);
	play(s, 2000);
	ck_assert_uint_gt(rig_counts(s->r, COUNT_LAN_OVERFLOWS), 0);
	uint64_t before = rig_counts(s->r, COUNT_UP_MESSAGES);
	play(s, 1000);
	ck_assert_uint_ge(rig_counts(s->r, COUNT_UP_MESSAGES) - before, 1000 * 10 / OVERLOAD_LEAST / 2);
	curtain(s);
}
END_TEST

/* A window ends, in which one device sent `most`; the share of the next one. */
static uint32_t next_share(struct scene *s, uint32_t most)
{
	struct overload *o = &s->r->dp->overload;
	o->most = most;
	fake_net_work(s->r->net, OVERLOAD_WINDOW_MS);
	o->tick.fire(&o->tick, fake_net_now(s->r->net));
	return o->share;
}

static void fill_to(struct scene *s, unsigned percent)
{
	while (fake_lan_waiting(s->r->net) < ROOM * percent / 100)
		say(s, &s->people[0], s->people[0].message);
}

static struct scene *half_full(void)
{
	struct scene *s = crowd(0, 0, 0);
	fill_to(s, OVERLOAD_FULL + 1);
	overload_pressed(s->r->dp, fake_net_now(s->r->net));
	ck_assert(s->r->dp->overload.is_on);
	return s;
}

START_TEST(a_share_has_its_time_to_show_unless_the_queue_gets_too_full)
{
	struct scene *s = half_full();
	fill_to(s, OVERLOAD_URGENT);
	for (unsigned i = 0; i < OVERLOAD_PATIENCE_MS / OVERLOAD_WINDOW_MS; i++)
		ck_assert_uint_eq(next_share(s, 800), 600);
	ck_assert_uint_eq(next_share(s, 800), 450);
	fill_to(s, OVERLOAD_URGENT + 1);
	ck_assert_uint_eq(next_share(s, 800), 338);
	ck_assert_uint_eq(next_share(s, 800), 338);
	fill_to(s, OVERLOAD_URGENT + 2);
	ck_assert_uint_eq(next_share(s, 4), 3);
	fill_to(s, OVERLOAD_URGENT + 3);
	ck_assert_uint_eq(next_share(s, 0), OVERLOAD_FLOOR);
	hush(s);
	curtain(s);
}
END_TEST

/* So many devices wait for their answers, 4,096 say, that half of the queue is theirs. */
START_TEST(a_queue_that_stays_half_full_cuts_nobody)
{
	struct scene *s = half_full();
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_uint_eq(next_share(s, 800), UINT32_MAX);
		fill_to(s, OVERLOAD_FULL + 1 + i / 2);
	}
	hush(s);
	curtain(s);
}
END_TEST

/* ---- no overload, no cut ---- */

START_TEST(nobody_is_cut_while_all_can_be_carried)
{
	struct scene *s = crowd(20, 0.1, 7);
	play(s, 2000);
	hush(s);
	others_lost_nothing(s);
	ck_assert_uint_eq(carried(&s->people[0]), s->people[0].sent);
	ck_assert_uint_eq(rig_counts(s->r, COUNT_OVERLOADS), 0);
	curtain(s);
}
END_TEST

/* A transfer by one device, that keeps the relay busy: full batches and no end. */
START_TEST(a_transfer_that_takes_the_whole_relay_is_not_cut)
{
	struct scene *s = crowd(20, 0.01, 0);
	s->window = 256;
	play(s, 4000);
	ck_assert_uint_ge(carried(&s->people[0]), 4000 * 9);
	hush(s);
	others_lost_nothing(s);
	ck_assert_uint_eq(carried(&s->people[0]), s->people[0].sent);
	ck_assert_uint_eq(rig_counts(s->r, COUNT_OVERLOADS), 0);
	ck_assert_uint_eq(s->people[0].flow->portion.window, 0); /* nothing was even counted */
	curtain(s);
}
END_TEST

START_TEST(limits_vanish_when_overload_ends)
{
	struct scene *s = crowd(20, 0.1, 18);
	play(s, 1000);
	s->people[0].per_ms = 0;
	play(s, OVERLOAD_CALM_MS + 500);
	ck_assert(!s->r->dp->overload.is_on);
	uint64_t before = dropped(&s->people[0]);
	ck_assert_uint_gt(before, 0);
	s->people[0].per_ms = 7;
	play(s, 1000);
	hush(s);
	others_lost_nothing(s);
	ck_assert_uint_eq(dropped(&s->people[0]), before);
	ck_assert_uint_eq(rig_counts(s->r, COUNT_OVERLOADS), 1);
	curtain(s);
}
END_TEST

/* ---- what is preferred ---- */

/* The greedy one updates its registration, and answers its server, while its requests are cut. */
START_TEST(updates_and_answers_of_a_greedy_device_pass)
{
	struct scene *s = crowd(20, 0.1, 18);
	const char *words[] = { coap(CON, "0.02", 8, "ab", "rd/0"), empty(ACK, 9), empty(RST, 10),
		coap(NON, "2.05", 11, "bb", NULL) };
	play(s, 1000);
	for (unsigned i = 0; i < 40; i++) {
		say(s, &s->people[0], words[i % 4]);
		play(s, 50);
	}
	ck_assert_uint_gt(dropped(&s->people[0]), 10000);
	hush(s);
	ck_assert_uint_eq(s->words, 40);
	others_lost_nothing(s);
	curtain(s);
}
END_TEST

START_TEST(a_flood_of_what_is_preferred_has_a_share_too)
{
	struct scene *s = crowd(20, 0.1, 18);
	s->people[0].message = empty(ACK, 9);
	play(s, 4000);
	hush(s);
	others_lost_nothing(s);
	ck_assert_uint_gt(dropped(&s->people[0]), 10000);
	ck_assert_uint_ge(carried(&s->people[0]), 4000 * 5);
	curtain(s);
}
END_TEST

/* ---- DTLS: by session, before anything is opened ---- */

static struct scene *secure_crowd(unsigned others, double each, double greedy)
{
	struct scene *s = scene(others + 1, true);
	secure(s, greedy);
	for (unsigned i = 0; i < others; i++)
		secure(s, each);
	return s;
}

START_TEST(modest_sessions_lose_nothing_to_a_greedy_one)
{
	struct scene *s = secure_crowd(5, 0.4, 18);
	play(s, 1500);
	ck_assert(s->r->dp->overload.is_on);
	hush(s);
	others_lost_nothing(s);
	const struct person *greedy = &s->people[0];
	ck_assert_uint_eq(carried(greedy) + dropped(greedy), greedy->sent);
	ck_assert_uint_ge(carried(greedy), 1500 * 4);
	ck_assert_uint_eq(rig_drops(s->r, DROP_LAN_RECORD), 0);
	curtain(s);
}
END_TEST

/* A share of nothing: whatever is counted is dropped. */
static void close_the_door(struct rig *r)
{
	r->dp->overload.is_on = true;
	r->dp->overload.window++;
	r->dp->overload.share = 0;
}

START_TEST(handshakes_and_alerts_pass_where_records_do_not)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "new", "cloud");
	rig_lan_secure(r, "dev");
	rig_lan_secure(r, "new");
	rig_start(r);
	/* A connection id hides what a record is. */
	struct rig_dtls *d = rig_dtls_begin(r, A, "dev-lan", false);
	rig_lan_pump(r);
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	close_the_door(r);
	rig_dtls_send(d, POST);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_OVERLOAD), 1);
	ck_assert_uint_eq(rig_flow(r, "dev")->drops[DROP_OVERLOAD], 1);
	struct rig_dtls *new = rig_dtls(r, B, "new-lan");
	ck_assert(rig_dtls_is_up(new));
	ck_assert_uint_eq(rig_proven(r), 2);
	r->dp->overload.share = 1; /* of each kind: its record was one too many */
	rig_dtls_send(d, POST);
	ck_assert_uint_eq(rig_drops(r, DROP_OVERLOAD), 2);
	rig_dtls_close(d);
	rig_lan_pump(r);
	ck_assert_uint_eq(rig_proven(r), 1);
	r->dp->overload.is_on = false;
	rig_dtls_free(d);
	rig_dtls_free(new);
	rig_free(r);
}
END_TEST

START_TEST(a_message_in_a_record_is_counted_once)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	rig_start(r);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	close_the_door(r);
	r->dp->overload.share = 1;
	rig_dtls_send(d, POST);
	rig_expect_server(r, POST);
	ck_assert_uint_eq(r->dp->overload.messages, 1);
	ck_assert_uint_eq(r->dp->overload.devices, 1);
	r->dp->overload.is_on = false;
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(a_session_without_a_flow_has_a_share)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	rig_start(r);
	struct rig_dtls *d = rig_dtls(r, A, "dev-lan");
	close_the_door(r);
	rig_dtls_send(d, coap(CON, "0.02", 1, "aa", "rd?ep=dev"));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_OVERLOAD), 1);
	ck_assert_ptr_null(rig_flow(r, "dev"));
	r->dp->overload.is_on = false;
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(records_of_an_opaque_device_have_a_share)
{
	struct rig *r = up_raw(A);
	shaken(r, A, true);
	close_the_door(r);
	lost_from(r, A, record(1), DROP_OVERLOAD);
	lost_from(r, A, HELLO, DROP_OVERLOAD);
	r->dp->overload.share = 2;
	up_from(r, A, HELLO);
	lost_from(r, A, HELLO, DROP_OVERLOAD);
	up_from(r, A, record(2));
	ck_assert_uint_eq(rig_flow(r, "dev")->drops[DROP_OVERLOAD], 3);
	r->dp->overload.is_on = false;
	rig_free(r);
}
END_TEST

/* ---- what an operator is told ---- */

/* Lines of the log with this text; the last one stands in `last`. */
static unsigned lines(FILE *file, const char *text, char last[1024])
{
	char line[1024];
	unsigned n = 0;
	rewind(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strstr(line, text) != NULL) {
			memcpy(last, line, sizeof(line));
			n++;
		}
	return n;
}

START_TEST(the_log_names_who_sends_most_now_and_then)
{
	char last[1024] = "";
	struct scene *s = crowd(20, 0.1, 18);
	FILE *file = tmpfile();
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
	log_open(LOG_TO_STDERR, "rig");
	play(s, 1000);
	ck_assert_uint_eq(lines(file, "lan: overload", last), 1);
	ck_assert_ptr_nonnull(strstr(last, "dev0 sends most"));
	play(s, OVERLOAD_TELL_MS);
	ck_assert_uint_eq(lines(file, "lan: overload", last), 2);
	ck_assert_ptr_nonnull(strstr(last, "in 10"));
	s->people[0].per_ms = 0;
	play(s, OVERLOAD_CALM_MS + 500);
	ck_assert_uint_eq(lines(file, "lan: overload", last), 3);
	ck_assert_ptr_nonnull(strstr(last, "overload is over"));
	curtain(s);
}
END_TEST

Suite *overload_suite(void)
{
	Suite *s = suite_create("overload");
	SUITE_TEST(s, modest_devices_lose_nothing_to_a_greedy_one);
	SUITE_TEST(s, three_hundred_modest_devices_lose_next_to_nothing_to_a_greedy_one);
	SUITE_TEST(s, equally_greedy_devices_get_equal_shares);
	SUITE_TEST(s, a_deluge_does_not_stop_the_relay);
	SUITE_TEST(s, a_share_has_its_time_to_show_unless_the_queue_gets_too_full);
	SUITE_TEST(s, a_queue_that_stays_half_full_cuts_nobody);
	SUITE_TEST(s, nobody_is_cut_while_all_can_be_carried);
	SUITE_TEST(s, a_transfer_that_takes_the_whole_relay_is_not_cut);
	SUITE_TEST(s, limits_vanish_when_overload_ends);
	SUITE_TEST(s, updates_and_answers_of_a_greedy_device_pass);
	SUITE_TEST(s, a_flood_of_what_is_preferred_has_a_share_too);
	SUITE_TEST(s, modest_sessions_lose_nothing_to_a_greedy_one);
	SUITE_TEST(s, handshakes_and_alerts_pass_where_records_do_not);
	SUITE_TEST(s, a_message_in_a_record_is_counted_once);
	SUITE_TEST(s, a_session_without_a_flow_has_a_share);
	SUITE_TEST(s, records_of_an_opaque_device_have_a_share);
	SUITE_TEST(s, the_log_names_who_sends_most_now_and_then);
	return s;
}
