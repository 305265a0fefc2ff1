/* Captured devices at random: they call us, servers, addresses that servers had, and strangers, while servers
 * change, interception goes on and off, our own address changes, and the relay restarts. What must hold: a
 * message reaches nobody but whom it called, or another server of that host; what goes to a device leaves from
 * an address that it called; the relay's own Updates are not for devices; and tables agree. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "base/rand.h"
#include "called.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

#define STATIC "192.168.1.10:40002"

enum { STEPS = 3000, NAMES = 8, SAVED = 64, SENT = 4096 };

static const char *const names[NAMES] = { "d0", "d1", "d2", "d3", "d4", "s0", "x0", "x1" };
static const char *const hosts[] = { "192.168.1.10", "192.168.1.11", "[fd00::10]" };
/* Whom devices call, and whose each is: bits of OURS, CLOUD_S (two servers), SECOND_S, FIELD_S. */
enum { OURS = 1, CLOUD_S = 2, SECOND_S = 4, FIELD_S = 8 };
static const struct {
	const char *address;
	unsigned whose;
} places[] = { { "192.168.1.1", OURS }, { "fd00::1", OURS }, { "198.51.100.1", CLOUD_S },
	{ "198.51.100.3", CLOUD_S | FIELD_S }, { "2001:db8::5", CLOUD_S }, { "198.51.100.2", SECOND_S },
	{ "198.51.100.7", FIELD_S }, { "198.51.100.8", FIELD_S }, { "203.0.113.9", 0 },
	{ "2001:db8::99", 0 } };
enum { PLACES = sizeof(places) / sizeof(places[0]) };

/* What was said by a device, by its mark. */
struct sent {
	struct addr device, called;
	bool is_relayed; /* strangers' calls were relayed then */
};

/* A row of the table as a state file would hold it. */
struct row {
	struct life_saved saved;
	char endpoint[8], server[8], listener[8], location[24], calls[8];
};

static struct sent sent[SENT];
static unsigned marks;
static unsigned reached, went_down, updates; /* so that a test that tests nothing is seen */

static unsigned whose(const struct addr *a)
{
	for (unsigned i = 0; i < PLACES; i++) {
		struct addr p = at(places[i].address);
		if (addr_same_host(&p, a))
			return places[i].whose;
	}
	return 0;
}

/* The relay's sockets as the kernel has them by now; the relay may not have read that yet. */
static void make_transparent(struct rig *r)
{
	struct listener *l;
	for (size_t at = 0; (l = wanted_listener(r->dp, &at)) != NULL;)
		list_each(node, &l->ports)
			if (rand_below(2) == 0)
				container_of(node, struct lan_port, node)->is_transparent = l->intercepts;
}

/* ---- what is said ---- */

/* The mark that hex carries, or -1: "u=" and four digits, 00753d3030.. */
static long mark_of(const char *hex)
{
	uint8_t bytes[UDP_ROOM];
	long n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	for (long i = 0; i + 6 <= n; i++)
		if (bytes[i] == 'u' && bytes[i + 1] == '=' && bytes[i + 2] >= '0' && bytes[i + 2] <= '9')
			return strtol((const char[5]){ (char)bytes[i + 2], (char)bytes[i + 3],
				(char)bytes[i + 4], (char)bytes[i + 5], 0 }, NULL, 10);
	return -1;
}

static const char *some_message(unsigned mark)
{
	static const char *const codes[] = { "0.01", "0.02", "0.04", "2.05", "2.04" };
	static const char *const tokens[] = { "", "aa", "0102030405060708" };
	char uri[80];
	unsigned kind = rand_below(8), mid = rand_below(8);
	if (kind < 4)
		snprintf(uri, sizeof(uri), "rd?ep=%s&lt=%u&u=%04u", names[rand_below(NAMES)],
			rand_below(3) * 30, mark);
	else if (kind == 4)
		snprintf(uri, sizeof(uri), "bs?ep=%s&u=%04u", names[rand_below(NAMES)], mark);
	else if (kind < 7)
		snprintf(uri, sizeof(uri), "rd/%u?u=%04u", rand_below(3), mark);
	else
		snprintf(uri, sizeof(uri), "dp?u=%04u", mark);
	const char *code = codes[kind < 4 ? 1 : rand_below(5)];
	return coap((int)rand_below(2), code, mid, tokens[rand_below(3)], uri);
}

static bool may_arrive(const struct rig *r, const struct addr *called)
{
	struct listener *l;
	for (size_t at = 0; (l = wanted_listener(r->dp, &at)) != NULL;) {
		list_each(node, &l->ports) {
			const struct lan_port *p = container_of(node, struct lan_port, node);
			if (p->bound.port == called->port && p->fd >= 0 &&
				addr_is_v4(&p->bound) == addr_is_v4(called))
				return l->intercepts || p->is_transparent || whose(called) == OURS;
		}
	}
	return false;
}

static void device_speaks(struct rig *r)
{
	char from[40];
	snprintf(from, sizeof(from), "%s:%u", hosts[rand_below(3)], 40000 + rand_below(3));
	struct addr device = at(from), called;
	do
		called = at(places[rand_below(PLACES)].address);
	while (addr_is_v4(&device) != addr_is_v4(&called));
	called.port = rand_below(4) == 0 ? 5783 : 5683;
	if (!may_arrive(r, &called))
		return;
	unsigned mark = marks++ % SENT;
	const struct conf_listen *l = &r->listens[0];
	sent[mark] = (struct sent){ device, called, l->intercept && l->foreign == CONF_FOREIGN_RELAY };
	r->called[addr_is_v4(&device)] = called;
	rig_device_at(r, from, called.port, some_message(mark));
}

static struct flow *some_flow(struct rig *r)
{
	size_t count = flows_count(r->dp->flows), i = 0;
	struct flow *f = NULL;
	for (uint32_t left = count == 0 ? 0 : rand_below((uint32_t)count) + 1; left > 0; left--)
		f = flow_next(r->dp->flows, &i);
	return f;
}

static bool can_speak(const struct flow *f)
{
	return f != NULL && wan_is_up(&f->wan) && f->wan.has_socket && f->wan.is_connected &&
		f->move == NULL;
}

/* The device has called that address; a port of ours may be another one since. A static device may have said
 * nothing yet. */
static bool has_called(const struct addr *device, const struct addr *called)
{
	struct addr fixed = at(STATIC);
	bool is_ours = whose(called) == OURS;
	for (unsigned i = 0; i < SENT; i++)
		if (addr_eq(&sent[i].device, device) && addr_same_host(&sent[i].called, called) &&
			(is_ours || sent[i].called.port == called->port))
			return true;
	return addr_eq(device, &fixed);
}

/* What the device hears comes from whom it called, at the port that it called. */
static void expect_down(struct rig *r, const struct flow *f)
{
	const struct addr device = f->key.device;
	struct addr called = f->called;
	const struct fake_datagram *d = fake_lan_take(r->net);
	if (d == NULL)
		return; /* the server's word was for us */
	ck_assert(addr_eq(&d->to, &device));
	ck_assert(addr_is_any(&called) || addr_same_host(&d->from, &called));
	ck_assert(has_called(&device, &d->from));
	ck_assert_ptr_null(fake_lan_take(r->net));
	went_down++;
}

/* An answer to what the device asked last, or just something. */
static void server_speaks(struct rig *r)
{
	char token[20] = "";
	struct flow *f = some_flow(r);
	for (unsigned i = 0; i < 4 && f != NULL && f->asked.kind == REG_OTHER; i++)
		f = some_flow(r);
	if (!can_speak(f))
		return;
	const struct flow_asked *a = &f->asked;
	for (unsigned i = 0; i < a->token_n; i++)
		snprintf(token + 2 * i, 3, "%02x", a->token[i]);
	bool answers = a->kind != REG_OTHER && rand_below(8) != 0;
	struct flow_id id = f->id;
	const char *m = coap((int)rand_below(2), "0.01", rand_below(8), "bb", "3/0/0");
	if (answers && a->kind == REG_REGISTER)
		m = located(ACK, "2.01", a->mid, token, rand_below(2) ? "rd/0" : "rd/1");
	else if (answers)
		m = coap(ACK, a->kind == REG_DEREGISTER ? "2.02" : "2.04", a->mid, token, NULL);
	if (f->wan.server->is_secure && !rig_has_session(r, f->wan.port))
		return; /* a server that forgot */
	rig_server(r, f->wan.port, m);
	if ((f = flow_by_id(r->dp->flows, id)) != NULL)
		expect_down(r, f);
}

/* ---- what arrives ---- */

/* The relay's own Update: its answer is for nobody else. */
static void answer_update(struct rig *r, const char *hex)
{
	uint8_t bytes[UDP_ROOM];
	size_t i = 0;
	struct flow *f;
	ck_assert_int_ge(hex_decode(hex, strlen(hex), bytes, sizeof(bytes)), 12);
	char token[17];
	snprintf(token, sizeof(token), "%.16s", hex + 8);
	while ((f = flow_next(r->dp->flows, &i)) != NULL)
		if (f->wan.port == r->port && can_speak(f))
			break;
	if (f == NULL || rand_below(3) == 0 || f->assist == NULL ||
		(f->wan.server->is_secure && !rig_has_session(r, f->wan.port)))
		return;
	unsigned before = fake_lan_sent(r->net);
	rig_server(r, r->port, coap(ACK, rand_below(4) ? "2.04" : "4.04", bytes[2] * 256U + bytes[3], token, NULL));
	ck_assert_uint_eq(fake_lan_sent(r->net), before);
	updates++;
}

static void check_letter(struct rig *r, const char *hex)
{
	long mark = mark_of(hex);
	if (mark < 0) {
		if (strncmp(hex, "4802", 4) == 0)
			answer_update(r, hex);
		return;
	}
	const struct sent *s = &sent[mark];
	unsigned called = whose(&s->called);
	char text[2][ADDR_TEXT];
	reached++;
	ck_assert_msg(called == OURS || s->is_relayed || (called & whose(&r->to)) != 0,
		"%s was called, and %s reached", addr_print(&s->called, text[0]),
		addr_print(&r->to, text[1]));
}

/* What went to devices by itself: refusals, pings. They come from where the device called, too. */
static void drain(struct rig *r)
{
	const char *hex;
	const struct fake_datagram *d;
	rig_settle(r);
	while (*(hex = rig_server_got(r)) != '\0')
		check_letter(r, hex);
	while ((d = fake_lan_take(r->net)) != NULL)
		ck_assert(has_called(&d->to, &d->from));
}

/* ---- what changes ---- */

static void apply(struct rig *r)
{
	fake_net_fail_opens(r->net, 0, 0);
	ck_assert_int_eq(rig_apply(r), 0);
	make_transparent(r);
}

static void reconfigure(struct rig *r)
{
	struct conf_listen *l = &r->listens[0];
	struct conf_server *s = &r->servers[rand_below(5)];
	switch (rand_below(11)) {
	case 0:
		l->intercept = rand_below(4) != 0;
		break;
	case 1:
		l->foreign = (int)rand_below(3);
		break;
	case 2:
		s->assist_update = !s->assist_update;
		break;
	case 3:
		s->handshake_timeout = 20 + rand_below(3);
		break;
	case 4: /* the field's section has another name, or none */
		r->servers[4].name = strcmp(r->servers[4].name, "field") == 0 ? "meadow" : "field";
		break;
	case 5:
		r->conf.server_count = 4 + rand_below(2);
		break;
	case 6:
		r->servers[4].host = rand_below(2) ? "198.51.100.7" : "198.51.100.3";
		break;
	case 7:
		l->unknown_endpoints ^= 1;
		break;
	case 8:
		l->coap = l->coap == 5683 ? 5793 : 5683;
		break;
	case 9:
		l->server = &r->servers[rand_below(2) ? 0 : 3];
		break;
	case 10:
		r->conf.endpoint_count = 4 + rand_below(4);
		break;
	}
	for (size_t i = 0; i < r->conf.endpoint_count; i++)
		if (r->endpoints[i].server >= &r->servers[r->conf.server_count])
			r->endpoints[i].server = &r->servers[0];
	apply(r);
}

static void set_names(struct rig *r)
{
	struct addr a[2] = { at(rand_below(2) ? "198.51.100.1" : "198.51.100.3"), at("2001:db8::5") };
	struct addr b = at(rand_below(2) ? "198.51.100.7" : "198.51.100.8");
	fake_name_set(r->net, "cloud.example", a, 1 + rand_below(2));
	fake_name_set(r->net, "field.example", &b, rand_below(6) != 0);
}

static void link_is(struct rig *r, bool is_there)
{
	fake_net_interface(r->net, "br-lan", is_there ? r->ifindex : 0);
	datapath_addresses_changed(r->dp, fake_net_now(r->net));
	rig_advance(r, 2000);
}

static void change_world(struct rig *r)
{
	struct addr source = at(rand_below(2) ? "192.0.2.1" : "192.0.2.2");
	switch (rand_below(6)) {
	case 0:
	case 1:
		fake_net_source(r->net, true, &source);
		datapath_addresses_changed(r->dp, fake_net_now(r->net));
		break;
	case 2:
		set_names(r);
		break;
	case 3:
		fake_net_source(r->net, true, NULL);
		datapath_addresses_changed(r->dp, fake_net_now(r->net));
		rig_advance(r, rand_below(3000));
		fake_net_source(r->net, true, &source);
		datapath_addresses_changed(r->dp, fake_net_now(r->net));
		break;
	case 4:
		r->server_deaf = !r->server_deaf && rand_below(4) == 0;
		break;
	case 5:
		link_is(r, false);
		link_is(r, true);
		break;
	}
}

static void keep_text(char *to, size_t size, const char **from)
{
	snprintf(to, size, "%s", *from == NULL ? "" : *from);
	*from = *from == NULL ? NULL : to;
}

static void restart(struct rig *r)
{
	static struct row rows[SAVED];
	size_t count = 0, i = 0;
	struct flow *f;
	for (; count < SAVED && (f = flow_next(r->dp->flows, &i)) != NULL; count++) {
		struct row *row = &rows[count];
		life_save(f, &row->saved, fake_net_now(r->net));
		keep_text(row->endpoint, sizeof(row->endpoint), &row->saved.endpoint);
		keep_text(row->server, sizeof(row->server), &row->saved.server);
		keep_text(row->listener, sizeof(row->listener), &row->saved.listener);
		keep_text(row->location, sizeof(row->location), &row->saved.location);
		keep_text(row->calls, sizeof(row->calls), &row->saved.calls);
	}
	rig_stop(r);
	rig_start(r);
	make_transparent(r);
	for (i = 0; i < count; i++) {
		int rc = life_restore(r->dp, &rows[i].saved, (int64_t)i, fake_net_now(r->net));
		ck_assert(rc == 0 || rc == -ENOENT || rc == -EEXIST || rc == -ENOSPC);
	}
}

/* ---- what must hold ---- */

static void check_flow(struct rig *r, const struct flow *f)
{
	const struct listener *l = f->port->listener;
	const struct server *called = called_server(r->dp, f->key.server);
	bool found = false;
	for (struct flow *g = flow_find(r->dp->flows, &f->key); g != NULL; g = g->sibling)
		found |= g == f;
	ck_assert(found);
	ck_assert_ptr_eq(flow_by_id(r->dp->flows, f->route->flow), f);
	ck_assert_uint_eq(l->number, f->key.listener);
	ck_assert(called_stays(r->dp, &f->key, l));
	ck_assert(f->key.server == 0 || f->key.server == CALLED_FOREIGN || called != NULL);
	if (f->key.server == 0)
		ck_assert(addr_is_any(&f->called) || whose(&f->called) == OURS);
	else
		ck_assert_uint_ne(whose(&f->called), OURS);
	if (called != NULL && f->route->server != called) /* of one host, or it moved meanwhile */
		ck_assert(!f->route->is_dynamic);
}

static void check_tables(struct rig *r)
{
	size_t count = 0, unproven = 0, held = 0, i = 0;
	struct flow *f;
	for (; (f = flow_next(r->dp->flows, &i)) != NULL; count++) {
		check_flow(r, f);
		for (struct held *h = f->held.first; h != NULL; h = h->next)
			held += h->n;
		unproven += f->route->is_dynamic && !f->is_live;
	}
	ck_assert_uint_eq(count, flows_count(r->dp->flows));
	ck_assert_uint_eq(unproven, r->dp->unproven);
	ck_assert_uint_eq(held, r->dp->held.bytes);
	ck_assert_uint_le(loop_timers(r->loop)->count, r->dp->reserved + 64);
}

static void step(struct rig *r)
{
	unsigned what = rand_below(100);
	if (what < 50)
		device_speaks(r);
	else if (what < 70)
		server_speaks(r);
	else if (what < 85)
		rig_advance(r, rand_below(rand_below(10) == 0 ? 200000 : 3000));
	else if (what < 90)
		change_world(r);
	else if (what < 94)
		reconfigure(r);
	else if (what < 99)
		server_speaks(r);
	else
		restart(r);
	drain(r);
	check_tables(r);
}

static struct rig *up(unsigned round)
{
	static const char *links[] = { "br-lan" };
	struct rig *r = rig_create();
	for (unsigned i = 0; i < round * 1000; i++)
		(void)rand_below(2);
	memset(sent, 0, sizeof(sent));
	marks = reached = went_down = updates = 0;
	r->servers[0].host = "cloud.example";
	rig_add_server(r, "second", CLOUD2, 5683);
	rig_add_server(r, "bs", CLOUD2, 5783);
	rig_add_server(r, "other", "cloud.example", 5783);
	rig_add_server(r, "field", "field.example", 5683);
	if (round % 2 == 1)
		rig_secure(r);
	struct conf_listen *l = &r->listens[0];
	l->interface = (struct conf_list){ links, 1 };
	l->intercept = true;
	l->server = &r->servers[round % 3 == 0 ? 3 : 0];
	l->unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->conf.gateway = (struct conf_gateway){ .enabled = true, .max_endpoints = 12, .mark = 1, .mark_mask = 1 };
	fake_net_interface(r->net, "br-lan", r->ifindex);
	fake_net_own(r->net, &r->called[true]);
	fake_net_own(r->net, &r->called[false]);
	rig_endpoint(r, "d0", "cloud");
	rig_endpoint(r, "d0", "second");
	rig_endpoint(r, "d1", "other");
	rig_endpoint(r, "s0", "second");
	rig_endpoint(r, "d1", "field");
	rig_endpoint(r, "d2", "second");
	rig_endpoint(r, "d3", "field");
	r->endpoints[1].bootstrap_server = r->endpoints[5].bootstrap_server = &r->servers[2];
	r->endpoints[3].has_address = true;
	r->endpoints[3].address = at(STATIC);
	for (unsigned i = 0; i < 5; i++)
		r->servers[i].assist_update = i % 2 == 0;
	set_names(r);
	rig_start(r);
	make_transparent(r);
	return r;
}

START_TEST(rule16_anything_may_happen_to_captured_devices)
{
	struct rig *r = up((unsigned)_i);
	for (unsigned i = 0; i < STEPS; i++)
		step(r);
	drain(r);
	if (getenv("RIG_LOG") != NULL)
		printf("%u messages up, %u down, %u updates\n", reached, went_down, updates);
	ck_assert_uint_gt(reached, 20);
	ck_assert_uint_gt(went_down, 10);
	rig_stop(r);
	rig_free(r);
}
END_TEST

Suite *soak_called_suite(void)
{
	Suite *s = suite_create("soak, captured");
	TCase *t = tcase_create("rounds");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, rule16_anything_may_happen_to_captured_devices, 0, 6);
	suite_add_tcase(s, t);
	return s;
}
