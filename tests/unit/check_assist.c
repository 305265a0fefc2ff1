/* The relay's own Update after a change of our address (DESIGN.md 6, rule 20). Devices of these tests say
 * nothing unless it is written. */
#include <stdio.h>
#include <string.h>
#include "association.h"
#include "suite.h"
#include "track.h"
#include "trunk.h"

#define OTHER "192.0.2.77"
#define THIRD "192.0.2.78"
#define HOME "192.0.2.1"
/* The empty Update's Uri-Path, "rd" and "0", is all that stands behind its token. */
#define PATH "b27264" "0130"

/* An Update of the relay as the server got it. */
struct ours {
	unsigned mid;
	char token[17];
};

static void change_source(struct rig *r, const char *source)
{
	struct addr a = at(source);
	fake_net_source(r->net, true, &a);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_advance(r, MOVE_SOCKETS_AFTER_MS);
}

/* A server "cloud" that wants assistance, and "dev", which is registered there. */
static struct rig *up_assisted(bool secure, bool cid)
{
	struct rig *r = rig_create();
	if (secure)
		rig_secure(r);
	r->cid = cid;
	r->servers[0].assist_update = true;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	registered(r);
	return r;
}

static struct rig *plain(void)
{
	return up_assisted(false, false);
}

static struct ours read_ours(const char *got)
{
	struct ours o;
	ck_assert_uint_eq(strlen(got), 24 + strlen(PATH));
	ck_assert(strncmp(got, "4802", 4) == 0);
	ck_assert_int_eq(sscanf(got + 4, "%4x%16[0-9a-f]", &o.mid, o.token), 2);
	ck_assert_str_eq(got + 24, PATH);
	return o;
}

/* The next message that the server gets is an Update of the relay. */
static struct ours expect_ours(struct rig *r)
{
	return read_ours(rig_server_got(r));
}

/* It comes from this address once all sockets have moved. */
static struct ours moved(struct rig *r, const char *source)
{
	change_source(r, source);
	rig_advance(r, 1900);
	struct ours o = expect_ours(r);
	struct addr from = at(source);
	ck_assert(addr_same_host(&r->from, &from));
	return o;
}

/* The first one that comes within so many ms. */
static struct ours await_ours(struct rig *r, int64_t ms)
{
	const char *got = rig_server_got(r);
	for (; ms > 0 && *got == '\0'; ms -= 100) {
		rig_advance(r, 100);
		got = rig_server_got(r);
	}
	return read_ours(got);
}

/* The registration is none that ends soon. */
static void live_long(struct rig *r)
{
	rig_flow(r, "dev")->lifetime_s = 3600;
	track_extend(rig_flow(r, "dev"), fake_net_now(r->net));
}

static void answer_ours(struct rig *r, const struct ours *o, const char *code)
{
	rig_server(r, r->port, coap(ACK, code, o->mid, o->token, NULL));
}

/* Nothing of ours comes any more. */
static void expect_over(struct rig *r)
{
	rig_advance(r, 120000);
	rig_expect_silence(r);
}

/* ---- whether, and when ---- */

START_TEST(rule20_assist_server_is_told_and_its_answer_is_eaten)
{
	struct rig *r = up_assisted(_i > 0, _i > 1);
	struct ours o = moved(r, OTHER);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES_DONE), _i == 0 ? 0 : _i == 1 ? 2 : 1);
	answer_ours(r, &o, "2.04");
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 1);
	ck_assert_uint_eq(rig_drops(r, DROP_ASSIST_ANSWER), 1);
	answer(r, coap(CON, "0.01", 77, "ab", "3/0")); /* and the server reaches the device */
	pass(r, coap(ACK, "2.05", 77, "ab", NULL));
	rig_advance(r, 40000);
	change_source(r, OTHER); /* an event that means nothing */
	rig_advance(r, 10000);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_only_on_request)
{
	struct rig *r = up_assisted(_i, _i);
	r->servers[0].assist_update = false;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_uint_eq(rig_flow(r, "dev")->wan.state, WAN_UP);
	change_source(r, OTHER);
	rig_advance(r, 10000);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_flow_without_it_has_no_memory)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	registered(r);
	change_source(r, OTHER);
	ck_assert_ptr_null(rig_flow(r, "dev")->assist);
	rig_free(r);
}
END_TEST

START_TEST(rule18_assist_is_switched_on_in_place)
{
	struct rig *r = up_at(_i, CLOUD);
	r->cid = true;
	uint16_t port = registered(r);
	uint64_t handshakes = rig_counts(r, COUNT_HANDSHAKES);
	struct server *server = rig_flow(r, "dev")->wan.server;
	r->servers[0].assist_update = true;
	ck_assert_int_eq(rig_apply(r), 0);
	ck_assert_ptr_eq(rig_flow(r, "dev")->wan.server, server);
	ck_assert_uint_eq(rig_counts(r, COUNT_HANDSHAKES), handshakes);
	/* what the device said before is not known: 247 s must pass, and the registration must live */
	r->endpoints[0].has_address = true;
	live_long(r);
	change_source(r, OTHER);
	rig_advance(r, 200000);
	rig_expect_silence(r);
	rig_advance(r, 47000);
	expect_ours(r);
	ck_assert_uint_eq(r->port, port);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_never_without_location)
{
	static const char *const odd[] = { NULL, "rd", "bs/0", "0" };
	struct rig *r = rig_create();
	r->servers[0].assist_update = true;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, odd[_i] == NULL ? coap(ACK, "2.01", 1, "aa", NULL) :
				    located(ACK, "2.01", 1, "aa", odd[_i]));
	ck_assert(rig_flow(r, "dev")->is_live);
	change_source(r, OTHER);
	rig_advance(r, 10000);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_never_for_who_left_or_never_came)
{
	struct rig *r = rig_create();
	r->servers[0].assist_update = true;
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "late", "cloud");
	rig_start(r);
	registered(r);
	rig_device(r, B, coap(CON, "0.02", 1, "aa", "rd?ep=late"));
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", "rd?ep=late"));
	r->port = rig_flow(r, "dev")->wan.port;
	pass(r, coap(CON, "0.04", 2, "bb", "rd/0"));
	answer(r, coap(ACK, "2.02", 2, "bb", NULL));
	change_source(r, OTHER);
	rig_advance(r, 10000);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_never_for_a_flow_that_is_not_live)
{
	struct rig *r = plain();
	rig_flow(r, "dev")->is_live = false;
	change_source(r, OTHER);
	rig_advance(r, 10000);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_never_for_a_registration_that_is_over)
{
	struct rig *r = plain();
	rig_advance(r, 60000); /* its lifetime; the flow lives on for its grace */
	ck_assert_ptr_nonnull(rig_flow(r, "dev"));
	change_source(r, OTHER);
	rig_advance(r, 10000);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_never_towards_a_bootstrap_server)
{
	struct rig *r = rig_create();
	struct conf_server *bs = rig_add_server(r, "bs", CLOUD2, 5683);
	bs->assist_update = true;
	rig_endpoint(r, "dev", "cloud")->bootstrap_server = bs;
	rig_start(r);
	pass(r, coap(CON, "0.02", 1, "aa", "bs?ep=dev"));
	answer(r, located(ACK, "2.04", 1, "aa", "rd/0"));
	change_source(r, OTHER);
	ck_assert_ptr_null(rig_flow(r, "dev")->assist);
	rig_advance(r, 10000);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_waits_for_the_association)
{
	struct rig *r = up_assisted(true, false);
	r->server_deaf = true;
	change_source(r, OTHER);
	rig_advance(r, 5000);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 0);
	r->server_deaf = false;
	struct ours o = await_ours(r, 20000);
	answer_ours(r, &o, "2.04");
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_is_paced_as_moves_are)
{
	static char name[300][16];
	struct rig *r = rig_create();
	r->conf.gateway.max_endpoints = 300;
	r->servers[0].assist_update = true;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name[i], sizeof(name[i]), "dev%u", i);
		rig_endpoint(r, name[i], "cloud");
	}
	rig_start(r);
	for (unsigned i = 0; i < 300; i++) {
		char from[40];
		snprintf(from, sizeof(from), "192.168.%u.%u:5000", i / 200, i % 200 + 1);
		rig_register(r, from, name[i], "rd/0");
	}
	change_source(r, OTHER);
	rig_advance(r, 2);
	unsigned first = (unsigned)rig_counts(r, COUNT_ASSISTS);
	ck_assert_uint_lt(first, 20);
	rig_advance(r, 550);
	unsigned half = (unsigned)rig_counts(r, COUNT_ASSISTS);
	ck_assert_uint_gt(half, 100);
	ck_assert_uint_lt(half, 200);
	rig_advance(r, 600);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 300);
	while (*rig_server_got(r) != '\0')
		;
	rig_free(r);
}
END_TEST

/* ---- the device speaks itself ---- */

START_TEST(rule20_assist_is_needless_once_the_device_has_spoken)
{
	struct rig *r = up_assisted(_i, true);
	r->dp->env.stat.count[COUNT_ASSISTS_NEEDLESS] = 0;
	struct addr a = at(OTHER);
	fake_net_source(r->net, true, &a);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_advance(r, MOVE_SOCKETS_AFTER_MS - 1);
	/* it asks at the moment at which the sockets have moved; ours waits for its answer */
	for (unsigned i = 0; i < 3 && rig_counts(r, COUNT_SOCKETS_MOVED) == 0; i++)
		rig_advance(r, 1);
	const char *update = coap(CON, "0.02", 2, "bb", "rd/0");
	pass(r, update);
	rig_advance(r, 5000);
	rig_expect_silence(r);
	answer(r, coap(ACK, "2.04", 2, "bb", NULL));
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_NEEDLESS), 1);
	rig_advance(r, 50000);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_goes_when_the_device_gets_no_answer)
{
	struct rig *r = plain();
	change_source(r, OTHER);
	pass(r, coap(CON, "0.02", 2, "bb", "rd/0"));
	rig_advance(r, ASSIST_YIELD_MS + 1000);
	expect_ours(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_copy_of_an_earlier_request_does_not_count)
{
	struct rig *r = plain();
	pass(r, coap(CON, "0.02", 2, "bb", "rd/0"));
	change_source(r, OTHER);
	pass(r, coap(CON, "0.02", 2, "bb", "rd/0"));
	answer(r, coap(ACK, "2.04", 2, "bb", NULL)); /* it may be what the server said before */
	await_ours(r, 1000);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_id_of_long_ago_is_no_copy)
{
	struct rig *r = plain();
	live_long(r);
	pass(r, coap(CON, "0.02", 2, "bb", "rd/0"));
	answer(r, coap(ACK, "2.04", 2, "bb", NULL));
	rig_advance(r, ASSIST_MEMORY_MS);
	change_source(r, OTHER);
	pass(r, coap(CON, "0.02", 2, "bb", "rd/0")); /* it booted, and counts from the same number */
	answer(r, coap(ACK, "2.04", 2, "bb", NULL));
	rig_advance(r, 20000);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_NEEDLESS), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_not_after_a_register_that_waited_for_a_route)
{
	struct rig *r = rig_create();
	rig_secure(r);
	r->servers[0].assist_update = true;
	rig_endpoint(r, "dev", "cloud");
	fake_net_source(r->net, true, NULL);
	rig_start(r);
	rig_device(r, A, coap(CON, "0.02", 1, "aa", REG));
	change_source(r, HOME);
	rig_advance(r, 5000);
	rig_expect_server(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	change_source(r, HOME);
	rig_advance(r, 5000);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 0);
	moved(r, OTHER);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_ends_when_the_device_is_faster)
{
	struct rig *r = plain();
	struct ours o = moved(r, OTHER);
	pass(r, coap(CON, "0.02", 2, "bb", "rd/0"));
	answer(r, coap(ACK, "2.04", 2, "bb", NULL));
	rig_advance(r, 50000);
	rig_expect_silence(r);
	answer_ours(r, &o, "2.04"); /* late, eaten all the same */
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 0);
	rig_free(r);
}
END_TEST

/* ---- the way of the message ---- */

START_TEST(rule20_assist_is_repeated_and_given_up)
{
	struct rig *r = plain();
	live_long(r);
	struct ours o = moved(r, OTHER);
	unsigned copies = 1;
	int last = 0, pause = 0; /* of 100 ms */
	for (int i = 1; i < 1000; i++) {
		rig_advance(r, 100);
		const char *got = rig_server_got(r);
		if (*got == '\0')
			continue;
		struct ours copy = read_ours(got);
		ck_assert_uint_eq(copy.mid, o.mid);
		ck_assert_str_eq(copy.token, o.token);
		ck_assert_int_ge(i - last, pause * 2 - 2);
		pause = i - last;
		last = i;
		copies++;
	}
	ck_assert_int_ge(pause, 150); /* 2 s, 4, 8, 16 and up to half of it more */
	ck_assert_int_le(pause, 241);
	ck_assert_uint_eq(copies, 1 + ASSIST_RETRANSMISSIONS);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 1);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_SILENT), 1);
	change_source(r, OTHER); /* no news */
	rig_advance(r, 1000);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_ends_with_the_registration)
{
	struct rig *r = plain();
	rig_advance(r, 50000);
	moved(r, OTHER);
	await_ours(r, 5000);
	rig_advance(r, 10000);
	while (*rig_server_got(r) != '\0')
		;
	expect_over(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_NEEDLESS), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_begins_anew_with_another_change)
{
	struct rig *r = plain();
	struct ours one = moved(r, OTHER);
	struct ours two = moved(r, THIRD);
	ck_assert_uint_ne(one.mid, two.mid);
	ck_assert_str_ne(one.token, two.token);
	answer_ours(r, &one, "2.04"); /* says nothing of the third address */
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 0);
	struct ours three = moved(r, HOME); /* the server may know the third one by now */
	answer_ours(r, &two, "2.04");
	answer_ours(r, &three, "2.04");
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 1);
	expect_over(r);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_not_for_an_address_that_came_back_in_time)
{
	struct rig *r = up_assisted(true, false);
	r->server_deaf = true;
	change_source(r, OTHER);
	change_source(r, HOME);
	r->server_deaf = false;
	rig_advance(r, 20000);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_waits_when_too_many_answers_are_to_be_known)
{
	static const char *const source[] = { OTHER, HOME };
	struct rig *r = plain();
	for (unsigned i = 0; i < ASSIST_EXCHANGES; i++)
		moved(r, source[i % 2]);
	change_source(r, THIRD);
	rig_advance(r, 5000);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), ASSIST_EXCHANGES);
	rig_free(r);
}
END_TEST

/* ---- message ids ---- */

static unsigned distance(unsigned a, unsigned b)
{
	unsigned d = (a - b) & 0xffff;
	return d < 0x8000 ? d : 0x10000 - d;
}

START_TEST(rule20_assist_id_is_far_from_where_the_device_counts)
{
	struct rig *r = plain();
	unsigned mid = 0xfff0;
	for (unsigned i = 0; i < 20; i++)
		pass(r, coap(NON, "0.02", (mid + i) & 0xffff, "bb", "dp"));
	struct ours o = moved(r, OTHER);
	ck_assert_uint_ge(distance(o.mid, (mid + 19) & 0xffff), 0x8000 - 2 * 2048);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_id_was_not_used_for_247_s)
{
	static bool used[0x10000];
	struct rig *r = plain();
	unsigned far = 0x8000;
	memset(used, 0, sizeof(used));
	live_long(r);
	rig_advance(r, 200000); /* what is remembered turns over in between */
	/* it used nearly all ids that would be chosen, some of them long ago but within 247 s */
	for (unsigned i = 0; i < 2040; i++) {
		unsigned mid = (far + 3 * i) & 0xffff;
		used[mid % 2048] = true;
		pass(r, coap(NON, "0.02", mid, "bb", "dp"));
		if (i == 1000)
			rig_advance(r, 60000);
	}
	pass(r, coap(NON, "0.02", 1, "bb", "dp"));
	used[1] = true;
	struct ours o = moved(r, OTHER);
	ck_assert(!used[o.mid % 2048]);
	ck_assert_uint_ge(distance(o.mid, 1), 0x8000 - 2 * 2048);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_waits_for_a_free_id)
{
	struct rig *r = plain();
	live_long(r);
	for (unsigned i = 0; i < 2048; i++)
		pass(r, coap(NON, "0.02", i, "bb", "dp"));
	change_source(r, OTHER);
	rig_advance(r, 240000);
	rig_expect_silence(r);
	await_ours(r, 2 * ASSIST_MEMORY_MS);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_id_that_the_device_uses_after_all_is_left_to_it)
{
	struct rig *r = plain();
	struct ours o = moved(r, OTHER);
	pass(r, coap(CON, "0.02", o.mid, "bb", "dp"));
	answer(r, empty(ACK, o.mid)); /* it may be meant */
	answer(r, empty(RST, o.mid));
	answer(r, coap(ACK, "2.04", o.mid, "bb", NULL));
	struct ours again = await_ours(r, 5000);
	ck_assert_uint_ne(again.mid, o.mid);
	answer_ours(r, &o, "2.04"); /* this one is surely ours */
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

/* ---- answers, and what is none ---- */

START_TEST(rule20_assist_eats_a_separate_answer_and_acknowledges_it)
{
	struct rig *r = up_assisted(_i, true);
	struct ours o = moved(r, OTHER);
	rig_server(r, r->port, empty(ACK, o.mid));
	rig_advance(r, 30000); /* not repeated any more */
	rig_expect_silence(r);
	for (unsigned i = 0; i < 3; i++) {
		rig_server(r, r->port, coap(CON, "2.04", 0x9000, o.token, NULL));
		rig_expect_server(r, empty(ACK, 0x9000));
		rig_expect_silence(r);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 1);
	ck_assert_uint_eq(rig_drops(r, DROP_ASSIST_ANSWER), 4);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_eats_an_answer_without_acknowledgement)
{
	struct rig *r = plain();
	struct ours o = moved(r, OTHER);
	rig_server(r, r->port, coap(NON, "2.04", 0x9000, o.token, NULL));
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 1);
	rig_server(r, r->port, empty(ACK, o.mid)); /* the order was another */
	expect_over(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_SILENT), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_answer_that_is_announced_and_never_comes)
{
	struct rig *r = plain();
	live_long(r);
	struct ours o = moved(r, OTHER);
	rig_server(r, r->port, empty(ACK, o.mid));
	rig_advance(r, ASSIST_ANSWER_MS / 2);
	rig_server(r, r->port, empty(ACK, o.mid)); /* once more is nothing new */
	rig_advance(r, ASSIST_ANSWER_MS / 2 + 1);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_SILENT), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_eats_copies_for_247_s)
{
	struct rig *r = plain();
	struct ours o = moved(r, OTHER);
	rig_flow(r, "dev")->lifetime_s = 3600;
	for (unsigned i = 0; i < 4; i++) {
		answer_ours(r, &o, "2.04");
		rig_expect_silence(r);
		rig_advance(r, 60000);
	}
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 1);
	rig_advance(r, 20000); /* from now on nothing is known of it */
	const char *late = coap(ACK, "2.04", o.mid, o.token, NULL);
	answer(r, late);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_only_the_answer_is_eaten)
{
	struct rig *r = up_assisted(_i, true);
	struct ours o = moved(r, OTHER);
	unsigned mid = o.mid;
	char near[17];
	memcpy(near, o.token, sizeof(near));
	near[15] = near[15] == '0' ? '1' : '0';
	answer(r, coap(CON, "0.01", mid, "", "3/0")); /* a request with its id */
	answer(r, coap(CON, "0.01", mid, o.token, "3/0")); /* and its token */
	answer(r, coap(NON, "0.03", mid, o.token, "3/0/1"));
	answer(r, empty(CON, mid)); /* a ping */
	answer(r, empty(ACK, mid + 1));
	answer(r, empty(RST, mid - 1));
	answer(r, coap(ACK, "2.04", mid, near, NULL)); /* another token */
	answer(r, coap(ACK, "2.04", mid, "", NULL));
	answer(r, coap(ACK, "2.04", mid + 1, o.token, NULL)); /* another id */
	answer(r, coap(CON, "2.04", mid, near, NULL));
	answer(r, coap(NON, "2.05", mid, "", NULL));
	answer(r, coap(ACK, "0.02", mid, o.token, NULL)); /* no answer at all */
	answer(r, coap(NON, "1.01", mid, o.token, NULL)); /* of a reserved class */
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 0);
	ck_assert_uint_eq(rig_drops(r, DROP_ASSIST_ANSWER), 0);
	answer_ours(r, &o, "2.04"); /* it still waits for its own */
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 1);
	rig_free(r);
}
END_TEST

/* Anything that a server, or who feigns one, may send: message and its fate. */
struct thing {
	const char *hex;
	bool is_answer;
};

static const char *pick(const char *const words[], unsigned n)
{
	return words[(unsigned)rand() % n];
}

static struct thing anything(const struct ours *o)
{
	static const char *const codes[] = { "0.00", "0.01", "0.02", "1.01", "2.04", "2.05", "4.04",
		"5.00", "6.01", "7.01" };
	char near[17], part[15];
	memcpy(near, o->token, sizeof(near));
	char *digit = &near[(unsigned)rand() % 16];
	*digit = *digit == '0' ? '1' : '0';
	memcpy(part, o->token, 14);
	part[14] = '\0';
	const char *const tokens[] = { o->token, o->token, near, part, "", "00" };
	const char *code = pick(codes, 10), *token = pick(tokens, 6);
	int type = rand() % 4;
	bool has_mid = rand() % 2 == 0, is_empty = strcmp(code, "0.00") == 0;
	bool is_response = strchr("245", code[0]) != NULL;
	bool has_token = strcmp(token, o->token) == 0;
	unsigned mid = has_mid ? o->mid : (o->mid + 1 + (unsigned)rand() % 3) & 0xffff;
	struct thing t = { .hex = coap(type, code, mid, is_empty ? "" : token, NULL) };
	if (type == CON || type == NON)
		t.is_answer = is_response && has_token;
	else if (is_empty)
		t.is_answer = has_mid;
	else
		t.is_answer = type == ACK && has_mid && is_response && has_token;
	return t;
}

START_TEST(rule20_assist_anything_else_passes_at_random)
{
	struct rig *r = plain();
	srand(rig_seed());
	struct ours o = moved(r, OTHER);
	unsigned eaten = 0;
	for (unsigned i = 0; i < 5000; i++) {
		struct thing t = anything(&o);
		char hex[64];
		snprintf(hex, sizeof(hex), "%s", t.hex);
		rig_server(r, r->port, hex);
		if (!t.is_answer)
			rig_expect_device(r, A, hex);
		else if (hex[0] == '4')
			ck_assert_int_eq(strncmp(rig_server_got(r), "6000", 4), 0);
		eaten += t.is_answer;
		rig_expect_silence(r);
	}
	ck_assert_uint_gt(eaten, 500);
	ck_assert_uint_eq(rig_drops(r, DROP_ASSIST_ANSWER), eaten);
	ck_assert_uint_eq(
		rig_counts(r, COUNT_ASSISTS_ANSWERED) + rig_counts(r, COUNT_ASSISTS_REFUSED), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_refused_with_a_reset)
{
	struct rig *r = plain();
	struct ours o = moved(r, OTHER);
	rig_server(r, r->port, empty(RST, o.mid));
	expect_over(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_REFUSED), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_of_a_forgotten_registration_invents_nothing)
{
	struct rig *r = plain();
	struct ours o = moved(r, OTHER);
	struct mono expires = rig_flow(r, "dev")->expires;
	answer_ours(r, &o, "4.04");
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_REFUSED), 1);
	ck_assert_int_eq(rig_flow(r, "dev")->expires.ms, expires.ms);
	ck_assert_ptr_nonnull(rig_flow(r, "dev")->location);
	change_source(r, THIRD); /* nor is it asked again */
	rig_advance(r, 10000);
	rig_expect_silence(r);
	pass(r, coap(CON, "0.02", 2, "bb", REG)); /* until the device has registered */
	answer(r, located(ACK, "2.01", 2, "bb", "rd/0"));
	moved(r, OTHER);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_that_is_answered_extends_the_registration)
{
	struct rig *r = plain();
	rig_advance(r, 30000);
	struct mono expires = rig_flow(r, "dev")->expires;
	struct ours o = moved(r, OTHER);
	uint64_t up = rig_flow(r, "dev")->up.messages;
	unsigned changed = r->changed;
	answer_ours(r, &o, "2.04");
	ck_assert_int_gt(rig_flow(r, "dev")->expires.ms, expires.ms + 30000);
	ck_assert_uint_gt(r->changed, changed);
	ck_assert_uint_eq(rig_flow(r, "dev")->up.messages, up); /* nothing was relayed */
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_and_the_device_leaves_meanwhile)
{
	struct rig *r = plain();
	r->endpoints[0].has_address = true; /* the flow stays */
	r->endpoints[0].address = at(A);
	ck_assert_int_eq(rig_apply(r), 0);
	struct ours o = moved(r, OTHER);
	pass(r, coap(CON, "0.04", 2, "bb", "rd/0"));
	answer(r, coap(ACK, "2.02", 2, "bb", NULL));
	answer_ours(r, &o, "2.04");
	ck_assert_int_eq(rig_flow(r, "dev")->expires.ms, MONO_NEVER.ms);
	expect_over(r);
	rig_free(r);
}
END_TEST

/* The relay ends and a new one begins, our address being this one now. */
static void restart_at(struct rig *r, const char *source)
{
	struct life_saved row;
	struct addr a = at(source);
	char location[] = "/rd/0";
	life_save(rig_flow(r, "dev"), &row, fake_net_now(r->net));
	ck_assert_str_eq(row.location, location);
	row.endpoint = "dev";
	row.server = "cloud";
	row.listener = "lan";
	row.location = location;
	rig_stop(r);
	fake_net_source(r->net, true, &a);
	rig_start(r);
	ck_assert_int_eq(life_restore(r->dp, &row, 0, fake_net_now(r->net)), 0);
	rig_settle(r);
}

/* What the device used before is not known: it takes 247 s. */
START_TEST(rule20_assist_after_a_restart_at_another_address)
{
	for (int secure = 0; secure < 2; secure++) {
		struct rig *r = up_assisted(secure, false);
		rig_flow(r, "dev")->expires = MONO_NEVER;
		restart_at(r, OTHER);
		rig_advance(r, ASSIST_MEMORY_MS - 1000);
		rig_expect_silence(r);
		struct ours o = await_ours(r, 3000);
		struct addr from = at(OTHER);
		ck_assert(addr_same_host(&r->from, &from));
		rig_server(r, r->port, coap(ACK, "2.04", o.mid, o.token, NULL));
		rig_expect_silence(r);
		ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS_ANSWERED), 1);
		rig_free(r);
	}
}
END_TEST

START_TEST(rule20_assist_not_after_a_restart_at_the_same_address)
{
	struct rig *r = plain();
	rig_flow(r, "dev")->expires = MONO_NEVER;
	struct addr source;
	ck_assert_int_eq(udp_local(rig_flow(r, "dev")->wan.fd, &source), 0);
	char text[ADDR_TEXT];
	source.port = 0;
	restart_at(r, addr_print(&source, text));
	rig_advance(r, 2 * ASSIST_MEMORY_MS);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ASSISTS), 0);
	rig_free(r);
}
END_TEST

START_TEST(rule20_assist_long_segments_of_a_location)
{
	static const char location[] = "rd/abcdefghijklmnop/q";
	struct rig *r = rig_create();
	r->servers[0].assist_update = true;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", location);
	change_source(r, OTHER);
	rig_advance(r, 1900);
	const char *got = rig_server_got(r);
	unsigned mid;
	char token[17];
	ck_assert_int_eq(sscanf(got, "4802%4x%16[0-9a-f]", &mid, token), 2);
	ck_assert_str_eq(got, coap(CON, "0.02", mid, token, location));
	rig_free(r);
}
END_TEST

Suite *assist_suite(void)
{
	Suite *s = suite_create("assist");
	TCase *t = tcase_create("plain and secure");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, rule20_assist_server_is_told_and_its_answer_is_eaten, 0, 3);
	tcase_add_loop_test(t, rule20_assist_only_on_request, 0, 2);
	tcase_add_loop_test(t, rule18_assist_is_switched_on_in_place, 0, 1);
	tcase_add_loop_test(t, rule20_assist_never_without_location, 0, 4);
	tcase_add_loop_test(t, rule20_assist_is_needless_once_the_device_has_spoken, 0, 2);
	tcase_add_loop_test(t, rule20_assist_eats_a_separate_answer_and_acknowledges_it, 0, 2);
	tcase_add_loop_test(t, rule20_assist_only_the_answer_is_eaten, 0, 2);
	suite_add_tcase(s, t);
	SUITE_TEST(s, rule20_assist_flow_without_it_has_no_memory);
	SUITE_TEST(s, rule20_assist_never_for_who_left_or_never_came);
	SUITE_TEST(s, rule20_assist_never_for_a_flow_that_is_not_live);
	SUITE_TEST(s, rule20_assist_never_for_a_registration_that_is_over);
	SUITE_TEST(s, rule20_assist_never_towards_a_bootstrap_server);
	SUITE_TEST(s, rule20_assist_waits_for_the_association);
	SUITE_TEST(s, rule20_assist_is_paced_as_moves_are);
	SUITE_TEST(s, rule20_assist_goes_when_the_device_gets_no_answer);
	SUITE_TEST(s, rule20_assist_copy_of_an_earlier_request_does_not_count);
	SUITE_TEST(s, rule20_assist_id_of_long_ago_is_no_copy);
	SUITE_TEST(s, rule20_assist_not_after_a_register_that_waited_for_a_route);
	SUITE_TEST(s, rule20_assist_ends_when_the_device_is_faster);
	SUITE_TEST(s, rule20_assist_is_repeated_and_given_up);
	SUITE_TEST(s, rule20_assist_ends_with_the_registration);
	SUITE_TEST(s, rule20_assist_begins_anew_with_another_change);
	SUITE_TEST(s, rule20_assist_not_for_an_address_that_came_back_in_time);
	SUITE_TEST(s, rule20_assist_waits_when_too_many_answers_are_to_be_known);
	SUITE_TEST(s, rule20_assist_id_is_far_from_where_the_device_counts);
	SUITE_TEST(s, rule20_assist_id_was_not_used_for_247_s);
	SUITE_TEST(s, rule20_assist_waits_for_a_free_id);
	SUITE_TEST(s, rule20_assist_id_that_the_device_uses_after_all_is_left_to_it);
	SUITE_TEST(s, rule20_assist_eats_an_answer_without_acknowledgement);
	SUITE_TEST(s, rule20_assist_answer_that_is_announced_and_never_comes);
	SUITE_TEST(s, rule20_assist_eats_copies_for_247_s);
	SUITE_TEST(s, rule20_assist_anything_else_passes_at_random);
	SUITE_TEST(s, rule20_assist_refused_with_a_reset);
	SUITE_TEST(s, rule20_assist_of_a_forgotten_registration_invents_nothing);
	SUITE_TEST(s, rule20_assist_that_is_answered_extends_the_registration);
	SUITE_TEST(s, rule20_assist_and_the_device_leaves_meanwhile);
	SUITE_TEST(s, rule20_assist_after_a_restart_at_another_address);
	SUITE_TEST(s, rule20_assist_not_after_a_restart_at_the_same_address);
	SUITE_TEST(s, rule20_assist_long_segments_of_a_location);
	return s;
}
