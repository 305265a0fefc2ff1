/* The two columns of DESIGN.md 5: what passes, what does not, and byte for byte (rules 8, 11, 15). */
#include <errno.h>
#include <string.h>
#include "base/hex.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

static struct rig *up(void)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_start(r);
	return r;
}

/* ---- bad input is dropped in silence and counted by reason ---- */

static const struct bad {
	const char *hex;
	enum drop from_device, from_server;
} bad[] = {
	{ "", DROP_LAN_JUNK, DROP_COAP_SHORT },
	{ "40", DROP_COAP_SHORT, DROP_COAP_SHORT },
	{ "400100", DROP_COAP_SHORT, DROP_COAP_SHORT },
	{ "44010001aa", DROP_COAP_SHORT, DROP_COAP_SHORT },
	{ "80010001", DROP_LAN_JUNK, DROP_COAP_VERSION },
	{ "c0010001", DROP_LAN_JUNK, DROP_COAP_VERSION },
	{ "00010001", DROP_LAN_JUNK, DROP_COAP_VERSION },
	{ "49010001010203040506070809", DROP_COAP_TOKEN, DROP_COAP_TOKEN },
	{ "40000001ff", DROP_COAP_NOT_EMPTY, DROP_COAP_NOT_EMPTY },
	{ "41000001aa", DROP_COAP_NOT_EMPTY, DROP_COAP_NOT_EMPTY },
	{ "40010001f0", DROP_COAP_OPTION, DROP_COAP_OPTION },
	{ "40010001b5aa", DROP_COAP_OPTION, DROP_COAP_OPTION },
	{ "40010001ff", DROP_COAP_PAYLOAD, DROP_COAP_PAYLOAD },
	{ "16fefd0000000000000000000100", DROP_LAN_DTLS, DROP_COAP_VERSION },
	{ "19fefd0000000000000000000100", DROP_LAN_DTLS, DROP_COAP_VERSION },
	{ "2e000001", DROP_LAN_DTLS, DROP_COAP_VERSION },
	{ "ffffffff", DROP_LAN_JUNK, DROP_COAP_VERSION },
};

START_TEST(malformed_from_a_device_is_silent_and_counted)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	rig_device(r, A, bad[_i].hex);
	rig_device(r, B, bad[_i].hex);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, bad[_i].from_device), 2);
	ck_assert_uint_eq(rig_flow(r, "dev")->up.messages, 1);
	rig_free(r);
}
END_TEST

START_TEST(malformed_from_a_server_is_silent_and_counted)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	rig_server_raw(r, f->wan.port, bad[_i].hex);
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, bad[_i].from_server), 1);
	ck_assert_uint_eq(f->drops[bad[_i].from_server], 1);
	ck_assert_uint_eq(f->down.messages, 1);
	rig_free(r);
}
END_TEST

/* ---- rule 8 ---- */

/* Oddities of real peers that pass as they are. */
static const char *const odd[] = {
	"40000001",                       /* ping */
	"50000001",                       /* an empty NON */
	"60000001",                       /* empty ACK */
	"70000001",                       /* RST */
	"40020001b26470",                 /* Send without a token, 6.1 */
	"480200010102030405060708b26470", /* the longest token */
	"6000aa18",                       /* FETCH answered by an empty ACK alone, 6.2 */
	"42450001aabb6103ff00",           /* CON notification */
	"52450001aabb6103ff00",           /* NON notification */
	"5145000101ff68656c6c6f",         /* a NON response with the request's id, 6.9 */
	"62440001aabbd10e0a",             /* 2.04 with Block1 */
	"7102000101b26470",               /* a RST with a code: not ours to judge */
	"40e10001",                       /* a signalling code */
	"41250001aa",                     /* class 1 */
	"42bf0001aabb",                   /* 5.31 */
	"4105000102c1ff",                 /* FETCH, content format 255 */
	"41030001aad1f20ae1000007",       /* options of high numbers */
};

START_TEST(rule8_bytes_pass_as_they_are)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	rig_device(r, A, odd[_i]);
	rig_expect_server(r, odd[_i]);
	rig_server(r, f->wan.port, odd[_i]);
	rig_expect_device(r, A, odd[_i]);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

START_TEST(rule8_two_devices_with_equal_ids_and_tokens_at_once)
{
	struct rig *r = up();
	const char *one = coap(CON, "0.02", 0x6b20, "206b2eb8", "rd?ep=dev");
	const char *two = coap(CON, "0.02", 0x6b20, "206b2eb8", "rd?ep=dev2");
	rig_device(r, A, one);
	rig_device(r, B, two);
	rig_expect_server(r, one);
	uint16_t first = r->port;
	rig_expect_server(r, two);
	uint16_t second = r->port;
	ck_assert_uint_ne(first, second);
	rig_server(r, second, located(ACK, "2.01", 0x6b20, "206b2eb8", "rd/1"));
	rig_server(r, first, located(ACK, "2.01", 0x6b20, "206b2eb8", "rd/0"));
	rig_expect_device(r, B, located(ACK, "2.01", 0x6b20, "206b2eb8", "rd/1"));
	rig_expect_device(r, A, located(ACK, "2.01", 0x6b20, "206b2eb8", "rd/0"));
	ck_assert_str_eq(rig_flow(r, "dev")->location, "/rd/0");
	ck_assert_str_eq(rig_flow(r, "dev2")->location, "/rd/1");
	rig_device(r, A, coap(CON, "0.02", 0x6b21, "216b", "dp"));
	rig_device(r, B, coap(CON, "0.02", 0x6b21, "216b", "dp"));
	rig_expect_server(r, coap(CON, "0.02", 0x6b21, "216b", "dp"));
	ck_assert_uint_eq(r->port, first);
	rig_expect_server(r, coap(CON, "0.02", 0x6b21, "216b", "dp"));
	ck_assert_uint_eq(r->port, second);
	rig_free(r);
}
END_TEST

START_TEST(rule8_retransmissions_pass_each_time)
{
	struct rig *r = up();
	rig_register(r, A, "dev", "rd/0");
	for (int i = 0; i < 5; i++) {
		rig_device(r, A, coap(CON, "0.02", 9, "aa", "dp"));
		rig_expect_server(r, coap(CON, "0.02", 9, "aa", "dp"));
	}
	rig_free(r);
}
END_TEST

/* A CoAP message of n bytes in hex. */
static char *long_message(size_t n)
{
	char *hex = malloc(2 * n + 1);
	ck_assert_ptr_nonnull(hex);
	memcpy(hex, "40450001ff", 10);
	for (size_t i = 5; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned)(i * 7 & 0xff));
	return hex;
}

START_TEST(rule11_large_datagrams_pass_up_to_the_buffer)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	char *hex = long_message(UDP_ROOM);
	rig_device(r, A, hex);
	rig_expect_server(r, hex);
	rig_server(r, f->wan.port, hex);
	rig_expect_device(r, A, hex);
	free(hex);
	rig_free(r);
}
END_TEST

START_TEST(rule11_larger_ones_are_dropped_by_name_and_never_truncated)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	static uint8_t bytes[UDP_ROOM + 1] = { 0x40, 0x45, 0, 1, 0xff };
	struct addr from = at(A);
	fake_lan_arrive(r->net, &from, &r->called[true], 2, bytes, sizeof(bytes));
	fake_wan_arrive(r->net, f->wan.port, NULL, bytes, sizeof(bytes));
	rig_expect_silence(r);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_TOO_LARGE), 1);
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_CUT), 1);
	rig_free(r);
}
END_TEST

START_TEST(rule11_econnrefused_means_once_more)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	ck_assert(fake_wan_error(r->net, f->wan.port, ECONNREFUSED));
	rig_device(r, A, empty(CON, 1));
	rig_expect_server(r, empty(CON, 1));
	ck_assert_uint_eq(rig_counts(r, COUNT_ICMP_ERRORS), 1);
	ck_assert(fake_wan_error(r->net, f->wan.port, ECONNREFUSED));
	rig_settle(r);
	ck_assert_uint_eq(rig_counts(r, COUNT_ICMP_ERRORS), 2);
	rig_device(r, A, empty(CON, 2));
	rig_expect_server(r, empty(CON, 2));
	rig_free(r);
}
END_TEST

START_TEST(what_the_kernel_refuses_is_counted)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	fake_wan_fail_sends(r->net, f->wan.port, EPERM);
	rig_device(r, A, empty(CON, 1));
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_SEND), 1);
	fake_wan_fail_sends(r->net, f->wan.port, EMSGSIZE);
	rig_device(r, A, empty(CON, 2));
	ck_assert_uint_eq(rig_drops(r, DROP_WAN_TOO_LARGE), 1);
	fake_wan_fail_sends(r->net, f->wan.port, 0);
	struct addr device = at(A);
	fake_lan_refuse(r->net, &device, true);
	rig_server(r, f->wan.port, empty(CON, 3));
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_SEND), 1);
	ck_assert_uint_eq(f->up.messages, 1);
	rig_expect_silence(r);
	rig_free(r);
}
END_TEST

/* ---- one wake-up is bounded, and answers keep up with what goes up ---- */

static void queue_down(struct rig *r, const struct flow *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ck_assert(fake_wan_queue(r->net, f->wan.port, NULL, "\x60\x00\x00\x01", 4));
}

static unsigned sent_by_one_wake_up(struct rig *r)
{
	unsigned before = fake_lan_sent(r->net);
	ck_assert_int_eq(loop_once(r->loop, 0), 0);
	return fake_lan_sent(r->net) - before;
}

static void take_all(struct rig *r)
{
	rig_settle(r);
	while (*rig_server_got(r) != '\0' || *rig_device_got(r, A) != '\0')
		;
}

START_TEST(a_wake_up_brings_down_as_many_answers_as_went_up)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	for (unsigned i = 0; i < 8; i++)
		rig_device(r, A, coap(NON, "0.02", i, "", "dp"));
	queue_down(r, f, 20);
	ck_assert_uint_eq(sent_by_one_wake_up(r), 8);
	ck_assert_uint_eq(sent_by_one_wake_up(r), 1);
	take_all(r);
	rig_free(r);
}
END_TEST

START_TEST(a_wake_up_reads_a_wan_socket_in_bounds)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	for (unsigned i = 0; i < 2 * WAN_READS; i++)
		rig_device(r, A, coap(NON, "0.02", i, "", "dp"));
	queue_down(r, f, 3 * WAN_READS);
	ck_assert_uint_eq(sent_by_one_wake_up(r), WAN_READS);
	take_all(r);
	rig_free(r);
}
END_TEST

/* A server that floods one device: others get theirs in the same wake-up. */
START_TEST(a_flood_by_a_server_is_read_once_a_wake_up)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	queue_down(r, f, 20);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_eq(sent_by_one_wake_up(r), 1);
	ck_assert_uint_eq(sent_by_one_wake_up(r), 0);
	take_all(r);
	rig_free(r);
}
END_TEST

/* What was never answered is not waited for in the flood that comes later. */
START_TEST(what_a_server_owes_is_forgotten_when_its_queue_is_empty)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	for (unsigned i = 0; i < 8; i++)
		rig_device(r, A, coap(NON, "0.02", i, "", "dp"));
	queue_down(r, f, 1);
	ck_assert_uint_eq(sent_by_one_wake_up(r), 1);
	queue_down(r, f, 8);
	ck_assert_uint_eq(sent_by_one_wake_up(r), 1);
	take_all(r);
	rig_free(r);
}
END_TEST

START_TEST(datagrams_from_elsewhere_do_not_reach_a_device)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	struct addr other = at("198.51.100.9:5683");
	ck_assert(!fake_wan_queue(r->net, f->wan.port, &other, "\x40\x00\x00\x01", 4));
	rig_free(r);
}
END_TEST

START_TEST(answers_leave_from_the_address_that_was_called)
{
	struct rig *r = up();
	r->called[true] = at("10.9.8.7:5683");
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	ck_assert(addr_eq(&r->sent_from, &r->called[true]));
	rig_server(r, f->wan.port, empty(CON, 1));
	rig_expect_device(r, A, empty(CON, 1));
	ck_assert(addr_eq(&r->sent_from, &r->called[true]));
	ck_assert_uint_eq(r->sent_ifindex, 2);
	rig_free(r);
}
END_TEST

/* The device calls another of our addresses, as after a change of its default route. */
START_TEST(rule17_answers_follow_the_address_that_is_called)
{
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	unsigned told = r->changed;
	r->called[true] = at("192.168.7.1:5683");
	rig_device(r, A, coap(CON, "0.02", 9, "bb", "dp"));
	rig_expect_server(r, coap(CON, "0.02", 9, "bb", "dp"));
	ck_assert_uint_eq(r->changed, told + 1);
	rig_server(r, f->wan.port, empty(ACK, 9));
	rig_expect_device(r, A, empty(ACK, 9));
	ck_assert(addr_eq(&r->sent_from, &r->called[true]));
	rig_device(r, A, empty(CON, 10));
	rig_expect_server(r, empty(CON, 10));
	ck_assert_uint_eq(r->changed, told + 1);
	rig_free(r);
}
END_TEST

START_TEST(rule17_answers_follow_the_socket_that_is_called)
{
	static struct addr two[2];
	struct rig *r = rig_create();
	rig_endpoint(r, "dev", "cloud");
	two[0] = at("192.168.1.1");
	two[1] = at("192.168.7.1");
	r->listens[0].address = two;
	r->listens[0].address_count = 2;
	rig_start(r);
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	struct lan_port *before = f->port;
	r->called[true] = at("192.168.7.1:5683");
	rig_register(r, A, "dev", "rd/0");
	ck_assert(addr_eq(&r->sent_from, &r->called[true]));
	ck_assert_ptr_ne(f->port, before);
	rig_free(r);
}
END_TEST

START_TEST(traffic_is_counted_both_ways)
{
	struct rig *r = up();
	struct flow *f = rig_register(r, A, "dev", "rd/0");
	uint64_t up_bytes = f->up.bytes, down_bytes = f->down.bytes;
	rig_device(r, A, coap(CON, "0.02", 9, "aa", "dp"));
	rig_expect_server(r, coap(CON, "0.02", 9, "aa", "dp"));
	rig_server(r, r->port, coap(ACK, "2.04", 9, "aa", NULL));
	rig_expect_device(r, A, coap(ACK, "2.04", 9, "aa", NULL));
	ck_assert_uint_eq(f->up.messages, 2);
	ck_assert_uint_eq(f->up.bytes, up_bytes + 8);
	ck_assert_uint_eq(f->down.messages, 2);
	ck_assert_uint_eq(f->down.bytes, down_bytes + 5);
	ck_assert_uint_eq(rig_counts(r, COUNT_UP_MESSAGES), 2);
	ck_assert_uint_eq(rig_counts(r, COUNT_DOWN_BYTES), f->down.bytes);
	rig_free(r);
}
END_TEST

Suite *datapath_suite(void)
{
	Suite *s = suite_create("datapath");
	TCase *t = tcase_create("tables");
	int bads = sizeof(bad) / sizeof(bad[0]);
	tcase_add_loop_test(t, malformed_from_a_device_is_silent_and_counted, 0, bads);
	tcase_add_loop_test(t, malformed_from_a_server_is_silent_and_counted, 0, bads);
	tcase_add_loop_test(t, rule8_bytes_pass_as_they_are, 0, sizeof(odd) / sizeof(odd[0]));
	suite_add_tcase(s, t);
	SUITE_TEST(s, rule8_two_devices_with_equal_ids_and_tokens_at_once);
	SUITE_TEST(s, rule8_retransmissions_pass_each_time);
	SUITE_TEST(s, rule11_large_datagrams_pass_up_to_the_buffer);
	SUITE_TEST(s, rule11_larger_ones_are_dropped_by_name_and_never_truncated);
	SUITE_TEST(s, rule11_econnrefused_means_once_more);
	SUITE_TEST(s, what_the_kernel_refuses_is_counted);
	SUITE_TEST(s, a_wake_up_brings_down_as_many_answers_as_went_up);
	SUITE_TEST(s, a_wake_up_reads_a_wan_socket_in_bounds);
	SUITE_TEST(s, a_flood_by_a_server_is_read_once_a_wake_up);
	SUITE_TEST(s, what_a_server_owes_is_forgotten_when_its_queue_is_empty);
	SUITE_TEST(s, datagrams_from_elsewhere_do_not_reach_a_device);
	SUITE_TEST(s, answers_leave_from_the_address_that_was_called);
	SUITE_TEST(s, rule17_answers_follow_the_address_that_is_called);
	SUITE_TEST(s, rule17_answers_follow_the_socket_that_is_called);
	SUITE_TEST(s, traffic_is_counted_both_ways);
	return s;
}
