/* Words that the tests of opaque endpoints share: one endpoint "dev", its server, and records in hex. Each
 * test uses what it needs. */
#pragma once
#include <stdio.h>
#include "crew.h"
#include "opaque.h"
#include "rig.h"
#include "rig_lan.h"

#define SHARED __attribute__((unused)) static

/* A server that keeps what comes as letters, though it is named coaps. */
#define RAW_PORT 5690

/* Records as a device or a server may send them: no key is behind them. */
#define DATA "0010" "00112233445566778899aabbccddeeff"
#define HELLO "16fefd" "0000" "000000000000" "000d" "01000001000000000000000100"
#define DONE "16fefd" "0000" "000000000000" "000c" "0e0000000000000000000000"
#define RANDOM "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
/* A ServerHello that asks for the connection id c1d2e3f4, or for none. */
#define TAKEN                                                                                      \
	"16fefd" "0000" "000000000000" "003d" "02" "000031" "0000" "000000" "000031" "fefd" RANDOM  \
	"00" "c0a8" "00" "0009" "0036000504c1d2e3f4"
#define TAKEN_WITHOUT                                                                              \
	"16fefd" "0000" "000000000000" "0034" "02" "000028" "0000" "000000" "000028" "fefd" RANDOM  \
	"00" "c0a8" "00" "0000"
/* A DTLS 1.3 record: its number is encrypted. */
#define UNIFIED "2e" "0102" DATA
#define UNIFIED_CID "3e" "c1d2e3f4" "0102" DATA

/* A protected record with this number, and one with a connection id. */
SHARED const char *record(unsigned number)
{
	static char text[8][120];
	static unsigned next;
	char *to = text[next++ % 8];
	snprintf(to, sizeof(text[0]), "17fefd0001%012x" DATA, number);
	return to;
}

SHARED const char *cid_record(unsigned number)
{
	static char text[8][120];
	static unsigned next;
	char *to = text[next++ % 8];
	snprintf(to, sizeof(text[0]), "19fefd0001%012xc1d2e3f4" DATA, number);
	return to;
}

/* How many workers a rig has; with several all datagrams come to the second, and all these endpoints are the
 * first's. */
SHARED unsigned opaque_workers = 1;

SHARED void with_one_worker(void)
{
	opaque_workers = 1;
}

SHARED void with_workers(void)
{
	opaque_workers = 3;
}

/* Adds a test to a suite, once with one worker and once with several. */
#define OPAQUE_TEST(suite, test)                                                                   \
	do {                                                                                       \
		TCase *one_ = tcase_create(#test), *several_ = tcase_create(#test ", workers");    \
		tcase_add_checked_fixture(one_, with_one_worker, NULL);                            \
		tcase_add_checked_fixture(several_, with_workers, NULL);                           \
		tcase_add_test(one_, test);                                                        \
		tcase_add_test(several_, test);                                                    \
		suite_add_tcase(suite, one_);                                                      \
		suite_add_tcase(suite, several_);                                                  \
	} while (0)

SHARED struct rig *opaque_rig(void)
{
	struct rig *r = rig_create();
	r->workers = opaque_workers;
	if (r->workers > 1)
		fake_lan_steer(r->net, 1);
	return r;
}

/* "dev" is opaque: at this address, or, with NULL, alone on the listener "own". */
SHARED struct conf_endpoint *opaque_endpoint(struct rig *r, const char *server, const char *address)
{
	struct conf_endpoint *e = rig_endpoint(r, "dev", server);
	r->listens[0].coaps = DEVICE_PORT;
	r->listens[0].cid = true;
	e->mode = CONF_OPAQUE;
	e->identity = NULL;
	e->key = (struct conf_key){ NULL, 0 };
	e->has_address = address != NULL;
	if (address != NULL)
		e->address = at(address);
	else
		e->listen = &r->listens[0];
	return e;
}

/* With a server that keeps datagrams as they are. */
SHARED struct rig *up_raw(const char *address)
{
	struct rig *r = opaque_rig();
	struct conf_server *s = rig_add_server(r, "raw", CLOUD, RAW_PORT);
	s->scheme = CONF_COAPS;
	s->security = CONF_PSK;
	opaque_endpoint(r, "raw", address);
	rig_start(r);
	return r;
}

/* With one that ends DTLS; "dev-lan" is its only client. */
SHARED struct rig *up_real(const char *address, bool cid)
{
	static const uint8_t key[16] = "the key of all ";
	struct rig *r = opaque_rig();
	rig_secure(r);
	r->identity = "dev-lan";
	r->key = (struct slice){ key, sizeof(key) };
	r->cid = cid;
	opaque_endpoint(r, "cloud", address);
	rig_start(r);
	return r;
}

/* A datagram goes up from here, as it is. */
SHARED void up_from(struct rig *r, const char *from, const char *hex)
{
	rig_device_at(r, from, DEVICE_PORT, hex);
	rig_expect_server(r, hex);
}

/* A datagram does not go up, and is counted. */
SHARED void lost_from(struct rig *r, const char *from, const char *hex, enum drop why)
{
	uint64_t before = rig_drops(r, why);
	rig_device_at(r, from, DEVICE_PORT, hex);
	rig_expect_server(r, "");
	ck_assert_uint_eq(rig_drops(r, why), before + 1);
}

/* A datagram comes down to this address alone, as it is. */
SHARED void down_to(struct rig *r, const char *device, const char *hex)
{
	rig_server_raw(r, r->port, hex);
	rig_expect_device(r, device, hex);
	rig_expect_silence(r);
}

/* The same, to both: where the device is, and where it may be. */
SHARED void down_to_both(struct rig *r, const char *device, const char *other, const char *hex)
{
	rig_server_raw(r, r->port, hex);
	rig_expect_device(r, device, hex);
	rig_expect_device(r, other, hex);
	rig_expect_silence(r);
}

/* The device at this address has shaken hands: the server gave the id c1d2e3f4, or none. */
SHARED struct flow *shaken(struct rig *r, const char *device, bool cid)
{
	up_from(r, device, HELLO);
	down_to(r, device, cid ? TAKEN : TAKEN_WITHOUT);
	up_from(r, device, cid ? cid_record(0) : record(0));
	down_to(r, device, record(0));
	struct flow *f = rig_flow(r, "dev");
	ck_assert_ptr_nonnull(f);
	ck_assert(f->is_live);
	return f;
}

/* The device's address in the table. */
SHARED void expect_at(struct rig *r, const char *device)
{
	char text[ADDR_TEXT];
	ck_assert_str_eq(addr_print(&rig_flow(r, "dev")->key.device, text), device);
}
