/* Every captured flow through the whole trunk, byte-compared both ways, towards a plain and towards a
 * DTLS server. Flows that do not begin with a Register belong to a device with a static address. */
#include <string.h>
#include "base/hex.h"
#include "capture.h"
#include "lwm2m/reg.h"
#include "rig.h"
#include "suite.h"

/* A replay under way. */
struct replay {
	struct rig *rig;
	uint16_t port[2];     /* source port by device, once known */
	uint64_t sent[2];     /* bytes up and down */
	unsigned messages[2]; /* up and down */
};

/* Two devices at most: the one that a direction calls port B, and the other. */
static int device_of(const struct captured *d)
{
	return strstr(d->direction, "port B") != NULL;
}

static const char *address_of(int device)
{
	return device == 1 ? B : A;
}

/* The endpoint that a request of the registration interface names, or "". */
static void read_name(const struct captured *d, char name[64])
{
	struct msg m;
	struct reg_request request;
	name[0] = '\0';
	if (!d->up || msg_peek(&m, d->bytes, d->n) != MSG_OK || !msg_is_request(&m))
		return;
	msg_request(&m, &request);
	struct reg_info info = reg_read(&request);
	if (info.kind == REG_REGISTER && info.has_ep && info.ep.n < 64)
		snprintf(name, 64, "%.*s", (int)info.ep.n, (const char *)info.ep.p);
}

static void add_static(struct rig *r)
{
	struct conf_endpoint *e = rig_endpoint(r, "static", "cloud");
	e->has_address = true;
	e->address = at(A);
}

/* One endpoint for each name in the file, or a static one. */
static void configure(struct rig *r, const char *path)
{
	static char names[8][64];
	struct capture c;
	struct captured d;
	size_t count = 0;
	bool first = true;
	capture_open(&c, path);
	for (; capture_next(&c, &d); first = false) {
		char name[64];
		read_name(&d, name);
		if (first && name[0] == '\0') {
			add_static(r);
			break;
		}
		bool known = name[0] == '\0';
		for (size_t i = 0; i < count; i++)
			known |= strcmp(names[i], name) == 0;
		if (known)
			continue;
		ck_assert_uint_lt(count, 8);
		rig_endpoint(r, strcpy(names[count], name), "cloud");
		count++;
	}
	capture_close(&c);
}

static void play_up(struct replay *p, const struct captured *d, const char *hex)
{
	int device = device_of(d);
	rig_device(p->rig, address_of(device), hex);
	ck_assert_str_eq(rig_server_got(p->rig), hex);
	if (p->port[device] != 0)
		ck_assert_uint_eq(p->rig->port, p->port[device]);
	p->port[device] = p->rig->port;
}

static void play_down(struct replay *p, const struct captured *d, const char *hex)
{
	int device = device_of(d);
	if (p->port[device] == 0)
		p->port[device] = rig_flow(p->rig, "static")->wan.port;
	rig_server(p->rig, p->port[device], hex);
	ck_assert_str_eq(rig_device_got(p->rig, address_of(device)), hex);
}

static void play(struct replay *p, const char *path)
{
	struct capture c;
	struct captured d;
	capture_open(&c, path);
	while (capture_next(&c, &d)) {
		char hex[2 * sizeof(d.bytes) + 1];
		hex_encode(d.bytes, d.n, hex);
		if (d.up)
			play_up(p, &d, hex);
		else
			play_down(p, &d, hex);
		rig_expect_silence(p->rig);
		p->sent[d.up] += d.n;
		p->messages[d.up]++;
		rig_advance(p->rig, 10);
	}
	capture_close(&c);
}

static void expect_counts(const struct replay *p)
{
	const struct rig *r = p->rig;
	ck_assert_uint_gt(p->messages[0], 0);
	ck_assert_uint_gt(p->messages[1], 0);
	ck_assert_uint_eq(rig_counts(r, COUNT_UP_MESSAGES), p->messages[true]);
	ck_assert_uint_eq(rig_counts(r, COUNT_UP_BYTES), p->sent[true]);
	ck_assert_uint_eq(rig_counts(r, COUNT_DOWN_MESSAGES), p->messages[false]);
	ck_assert_uint_eq(rig_counts(r, COUNT_DOWN_BYTES), p->sent[false]);
	for (int i = 0; i < DROP_COUNT; i++)
		ck_assert_msg(rig_drops(r, (enum drop)i) == 0, "%s",
			stat_drop_text((enum drop)i)->metric);
}

static void replay(const char *path, bool secure, bool v6)
{
	struct replay p = { .rig = rig_create() };
	if (secure)
		rig_secure(p.rig);
	if (v6)
		p.rig->servers[0].host = "2001:db8::5";
	configure(p.rig, path);
	rig_start(p.rig);
	play(&p, path);
	expect_counts(&p);
	rig_free(p.rig);
}

START_TEST(capture_passes_to_a_plain_server)
{
	replay(capture_coap_files[_i], false, false);
}
END_TEST

START_TEST(capture_passes_to_a_secure_server)
{
	replay(capture_coap_files[_i], true, false);
}
END_TEST

START_TEST(capture_passes_to_a_secure_server_over_ipv6)
{
	replay(capture_coap_files[_i], true, true);
}
END_TEST

START_TEST(captured_dtls_is_not_for_a_plain_listener)
{
	struct rig *r = rig_create();
	struct capture c;
	struct captured d;
	unsigned count = 0;
	rig_start(r);
	capture_open(&c, CAPTURE_DTLS);
	while (capture_next(&c, &d)) {
		char hex[2 * sizeof(d.bytes) + 1];
		hex_encode(d.bytes, d.n, hex);
		rig_device(r, A, hex);
		count++;
	}
	capture_close(&c);
	ck_assert_uint_gt(count, 5);
	ck_assert_uint_eq(rig_drops(r, DROP_LAN_DTLS), count);
	rig_free(r);
}
END_TEST

static Suite *replay_suite(void)
{
	Suite *s = suite_create("replay");
	TCase *t = tcase_create("captures");
	int files = 0;
	while (capture_coap_files[files] != NULL)
		files++;
	tcase_add_loop_test(t, capture_passes_to_a_plain_server, 0, files);
	tcase_add_loop_test(t, capture_passes_to_a_secure_server, 0, files);
	tcase_add_loop_test(t, capture_passes_to_a_secure_server_over_ipv6, 0, files);
	suite_add_tcase(s, t);
	SUITE_TEST(s, captured_dtls_is_not_for_a_plain_listener);
	return s;
}

SUITE_MAIN(replay_suite)
