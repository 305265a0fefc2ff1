/* A datagram of a known flow allocates nothing (DESIGN.md 5), protected or not. AddressSanitizer counts; what the network
 * in memory allocates for itself, one parcel a datagram that is queued or sent, is taken off. */
#include <string.h>
#include "base/hex.h"
#include "rig_lan.h"
#include "suite.h"
#include "trunk.h"

/* Of the sanitizer's runtime; gcc brings no header for it. */
int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void *, size_t),
	void (*freed)(const volatile void *));

enum { ROUNDS = 50, PARCELS = 2 };
static volatile unsigned allocations;

static void allocated(const volatile void *block, size_t n)
{
	(void)block;
	(void)n;
	allocations++;
}

static void freed(const volatile void *block)
{
	(void)block;
}

static struct rig *up(bool secure)
{
	struct rig *r = rig_create();
	if (secure)
		rig_secure(r);
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	rig_register(r, A, "dev", "rd/0");
	ck_assert_int_ne(__sanitizer_install_malloc_and_free_hooks(allocated, freed), 0);
	return r;
}

/* Allocations of the relay while it carries one message up. */
static unsigned carry_up(struct rig *r, const char *hex)
{
	uint8_t bytes[100];
	struct addr from = at(A);
	long n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	unsigned before = allocations;
	fake_lan_arrive(r->net, &from, &r->called[true], r->ifindex, bytes, (size_t)n);
	unsigned made = allocations - before - PARCELS;
	rig_expect_server(r, hex);
	return made;
}

/* And one down; a secure server's datagram is sealed before the counting begins. */
static unsigned carry_down(struct rig *r, const char *hex, bool secure)
{
	uint8_t bytes[300];
	uint16_t port = rig_flow(r, "dev")->wan.port;
	r->tap = r->server_mute = true;
	if (secure)
		rig_server(r, port, hex);
	r->server_mute = false;
	const char *record = secure ? r->tapped : hex;
	long n = hex_decode(record, strlen(record), bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	unsigned before = allocations;
	fake_wan_arrive(r->net, port, NULL, bytes, (size_t)n);
	unsigned made = allocations - before - PARCELS;
	rig_expect_device(r, A, hex);
	return made;
}

/* A record of a device is made before the counting begins. */
static unsigned carry_up_secured(struct rig *r, struct rig_dtls *d, const char *hex)
{
	static uint8_t bytes[UDP_ROOM];
	struct addr from = at(A), called = r->called[true];
	called.port = DEVICE_PORT;
	rig_dtls_lose(d, hex);
	size_t n = rig_dtls_last(d, bytes);
	unsigned before = allocations;
	fake_lan_arrive(r->net, &from, &called, r->ifindex, bytes, n);
	unsigned made = allocations - before - PARCELS;
	rig_expect_server(r, hex);
	return made;
}

static unsigned carry_down_secured(struct rig *r, struct rig_dtls *d, const char *hex)
{
	uint8_t bytes[300];
	uint16_t port = rig_flow(r, "dev")->wan.port;
	r->tap = r->server_mute = true;
	rig_server(r, port, hex);
	r->server_mute = false;
	long n = hex_decode(r->tapped, strlen(r->tapped), bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	unsigned before = allocations;
	fake_wan_arrive(r->net, port, NULL, bytes, (size_t)n);
	unsigned made = allocations - before - PARCELS;
	rig_expect_dtls(d, hex);
	return made;
}

START_TEST(record_of_a_known_device_allocates_nothing)
{
	struct rig *r = rig_create();
	rig_secure(r);
	rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	rig_start(r);
	struct rig_dtls *d = rig_dtls_register(r, A, "dev");
	ck_assert_int_ne(__sanitizer_install_malloc_and_free_hooks(allocated, freed), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		ck_assert_uint_eq(carry_up_secured(r, d, coap(CON, "0.02", i, "aa", "dp")), 0);
		ck_assert_uint_eq(carry_down_secured(r, d, coap(ACK, "2.04", i, "aa", NULL)), 0);
		rig_advance(r, 100);
	}
	rig_dtls_free(d);
	rig_free(r);
}
END_TEST

START_TEST(counting_works)
{
	struct rig *r = up(false);
	unsigned before = allocations;
	void *volatile block = malloc(1);
	free(block);
	ck_assert_uint_eq(allocations, before + 1);
	rig_free(r);
}
END_TEST

START_TEST(datagram_of_a_known_flow_allocates_nothing)
{
	struct rig *r = up(_i);
	for (unsigned i = 0; i < ROUNDS; i++) {
		ck_assert_uint_eq(carry_up(r, coap(CON, "0.02", i, "aa", "dp")), 0);
		ck_assert_uint_eq(carry_down(r, coap(ACK, "2.04", i, "aa", NULL), _i), 0);
		ck_assert_uint_eq(carry_down(r, coap(CON, "0.01", i, "bb", "3/0"), _i), 0);
		ck_assert_uint_eq(carry_up(r, coap(ACK, "2.05", i, "bb", NULL)), 0);
		ck_assert_uint_eq(carry_up(r, coap(CON, "0.02", i, "cc", "rd/0?lt=60")), 0);
		ck_assert_uint_eq(carry_down(r, coap(ACK, "2.04", i, "cc", NULL), _i), 0);
		rig_advance(r, 100);
	}
	rig_free(r);
}
END_TEST

Suite *frugal_suite(void)
{
	Suite *s = suite_create("frugal");
	TCase *t = tcase_create("plain and secure");
	tcase_add_loop_test(t, datagram_of_a_known_flow_allocates_nothing, 0, 2);
	suite_add_tcase(s, t);
	SUITE_TEST(s, record_of_a_known_device_allocates_nothing);
	SUITE_TEST(s, counting_works);
	return s;
}
