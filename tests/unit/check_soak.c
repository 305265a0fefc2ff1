/* Everything at once, at random: devices, servers, time, names, routes, reloads, restarts. What must
 * hold: nothing aborts, leaks, spins or stays open, and all tables agree. RIG_SEED repeats a run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "rig.h"
#include "suite.h"
#include "trunk.h"

enum { STEPS = 1500, NAMES = 12, SAVED = 64 };

static const char *const names[NAMES] = { "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "s0", "s1",
	"x0", "x1" };
static const char *const hosts[] = { "192.168.1.10", "192.168.1.11", "[fd00::10]" };

/* A row of the table as a state file would hold it. */
struct row {
	struct life_saved saved;
	char endpoint[8], server[8], listener[8], location[24];
};

static void device_name(char text[40])
{
	snprintf(text, 40, "%s:%u", hosts[rand_below(3)], 40000 + rand_below(5));
}

/* Some message; most make sense. */
static const char *some_message(void)
{
	static const char *const codes[] = { "0.01", "0.02", "0.04", "2.05", "2.01", "2.02", "2.04",
		"4.04", "0.00" };
	static const char *const tokens[] = { "", "aa", "0102030405060708" };
	char uri[60] = "dp";
	const char *name = names[rand_below(NAMES)];
	unsigned mid = rand_below(8), kind = rand_below(8);
	if (kind < 3)
		snprintf(uri, sizeof(uri), "rd?ep=%s&lt=%u", name, rand_below(3) * 30);
	else if (kind == 3)
		snprintf(uri, sizeof(uri), "rd/%u", rand_below(3));
	else if (kind == 4)
		snprintf(uri, sizeof(uri), "bs?ep=%s", name);
	const char *code = codes[kind < 3 ? 1 : rand_below(9)];
	if (strcmp(code, "0.00") == 0)
		return empty((int)rand_below(4), mid);
	return coap((int)rand_below(kind < 3 ? 2 : 4), code, mid, tokens[rand_below(3)], uri);
}

static struct flow *some_flow(struct rig *r)
{
	size_t count = flows_count(r->dp->flows), i = 0;
	struct flow *f = NULL;
	for (uint32_t left = count == 0 ? 0 : rand_below((uint32_t)count) + 1; left > 0; left--)
		f = flow_next(r->dp->flows, &i);
	return f;
}

/* An answer to what the device asked last, or just something. */
static void server_speaks(struct rig *r)
{
	char token[20] = "";
	struct flow *f = some_flow(r);
	if (f == NULL || !wan_is_up(&f->wan) || !f->wan.has_socket || !f->wan.is_connected)
		return;
	const struct flow_asked *a = &f->asked;
	for (unsigned i = 0; i < a->token_n; i++)
		snprintf(token + 2 * i, 3, "%02x", a->token[i]);
	bool answers = a->kind != REG_OTHER && rand_below(4) != 0;
	const char *m = some_message();
	if (answers && a->kind == REG_REGISTER)
		m = located(ACK, "2.01", a->mid, token, rand_below(2) ? "rd/0" : "rd/1");
	else if (answers)
		m = coap(ACK, a->kind == REG_DEREGISTER ? "2.02" : "2.04", a->mid, token, NULL);
	uint16_t port = f->wan.port;
	if (f->wan.server->is_secure && !rig_has_session(r, port))
		return; /* a server that forgot */
	rig_server(r, port, m);
}

/* Changes the configuration, for the better or the worse. */
static void reconfigure(struct rig *r)
{
	struct conf_endpoint *e = &r->endpoints[rand_below((uint32_t)r->conf.endpoint_count)];
	struct conf_server *cloud = rig_conf_server(r, "cloud");
	switch (rand_below(9)) {
	case 0:
		r->conf.endpoint_count = 4 + rand_below(7);
		break;
	case 1:
		e->server = rig_conf_server(r, rand_below(2) ? "cloud" : "second");
		break;
	case 2:
		e->key.n = 1 + rand_below(16);
		break;
	case 3:
		cloud->port = cloud->port == SECURE_PORT ? 5683 : SECURE_PORT;
		cloud->security = cloud->port == SECURE_PORT ? CONF_PSK : CONF_NOSEC;
		break;
	case 4:
		r->listens[0].unknown_endpoints ^= 1;
		break;
	case 5:
		r->conf.gateway.max_endpoints = 2 + rand_below(20);
		break;
	case 6:
		r->listens[0].coap = rand_below(2) ? 5683 : 5783;
		break;
	case 7:
		e->lan_identity = e->lan_identity == NULL && rand_below(3) == 0 ? "lan" : NULL;
		break;
	case 8:
		r->listens[0].move = rand_below(2);
		break;
	}
	r->called[0].port = r->called[1].port = r->listens[0].coap;
	fake_net_fail_opens(r->net, 0, 0);
	if (rand_below(5) == 0)
		fake_net_fail_opens(r->net, EADDRINUSE, 1);
	int rc = rig_apply(r);
	fake_net_fail_opens(r->net, 0, 0);
	if (rc != 0) /* refused: what is there stays, so what the test thinks must follow */
		ck_assert_int_eq(rig_apply(r), 0);
}

static void keep_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from == NULL ? "" : from);
}

static void restart(struct rig *r)
{
	static struct row rows[SAVED];
	size_t count = 0, i = 0;
	struct flow *f;
	for (; count < SAVED && (f = flow_next(r->dp->flows, &i)) != NULL; count++) {
		struct row *row = &rows[count];
		life_save(f, &row->saved, fake_net_now(r->net));
		keep_text(row->endpoint, sizeof(row->endpoint), row->saved.endpoint);
		keep_text(row->server, sizeof(row->server), row->saved.server);
		keep_text(row->listener, sizeof(row->listener), row->saved.listener);
		keep_text(row->location, sizeof(row->location), row->saved.location);
		row->saved.endpoint = row->endpoint;
		row->saved.server = row->server;
		row->saved.listener = row->listener;
		row->saved.location = row->saved.location == NULL ? NULL : row->location;
	}
	fake_net_fail_opens(r->net, 0, 0);
	rig_stop(r);
	rig_start(r);
	for (i = 0; i < count; i++) {
		int rc = life_restore(r->dp, &rows[i].saved, (int64_t)i, fake_net_now(r->net));
		ck_assert(rc == 0 || rc == -ENOENT || rc == -EEXIST || rc == -ENOSPC);
	}
}

static void change_world(struct rig *r)
{
	struct addr source = at(rand_below(2) ? "192.0.2.1" : "192.0.2.2");
	struct addr a[2] = { at(rand_below(2) ? CLOUD : CLOUD2), at("2001:db8::5") };
	switch (rand_below(7)) {
	case 0:
		fake_net_source(r->net, true, rand_below(4) == 0 ? NULL : &source);
		datapath_addresses_changed(r->dp, fake_net_now(r->net));
		break;
	case 1:
		fake_name_set(r->net, "cloud.example", a, rand_below(3));
		break;
	case 2:
		r->server_deaf = rand_below(3) == 0;
		break;
	case 3:
		r->server_mute = rand_below(3) == 0;
		break;
	case 4:
		rig_forget(r);
		break;
	case 5:
		r->takes_new = rand_below(2);
		r->cid = rand_below(2);
		break;
	case 6:
		fake_net_fail_opens(r->net, EMFILE, rand_below(3));
		break;
	}
}

/* All tables agree with each other. */
static void check_tables(struct rig *r)
{
	size_t count = 0, unproven = 0, held = 0, moves = 0, i = 0;
	struct flow *f;
	for (; (f = flow_next(r->dp->flows, &i)) != NULL; count++) {
		bool found = false;
		for (struct flow *g = flow_find(r->dp->flows, &f->key); g != NULL; g = g->sibling)
			found |= g == f;
		ck_assert(found);
		ck_assert_ptr_eq(flow_by_id(r->dp->flows, f->route->flow), f);
		ck_assert_uint_eq(f->port->listener->number, f->key.listener);
		ck_assert(f->wan.state != WAN_CLOSED);
		ck_assert(f->wan.state != WAN_UP || f->wan.has_socket);
		ck_assert(f->wan.state != WAN_UP || !f->wan.server->is_secure ||
			f->wan.session != NULL);
		ck_assert(f->held.count <= HELD_PER_FLOW);
		for (struct held *h = f->held.first; h != NULL; h = h->next)
			held += h->n;
		unproven += f->route->is_dynamic && !f->is_live;
		moves += f->move != NULL;
	}
	ck_assert_uint_eq(count, flows_count(r->dp->flows));
	ck_assert_uint_eq(unproven, r->dp->unproven);
	ck_assert_uint_eq(held, r->dp->held.bytes);
	ck_assert_uint_eq(moves, r->dp->moves.count);
	ck_assert_uint_le(fake_net_open(r->net), count + 2);
}

/* Takes whatever arrived on either side. */
static void drain(struct rig *r)
{
	rig_settle(r);
	while (*rig_server_got(r) != '\0' || fake_lan_take(r->net) != NULL)
		;
}

static void step(struct rig *r)
{
	char from[40];
	unsigned what = rand_below(100);
	device_name(from);
	if (what < 50)
		rig_device_at(r, from, r->listens[0].coap, some_message());
	else if (what < 70)
		server_speaks(r);
	else if (what < 85)
		rig_advance(r, rand_below(rand_below(10) == 0 ? 100000 : 3000));
	else if (what < 93)
		change_world(r);
	else if (what < 96)
		rig_close_sessions(r);
	else if (what < 99)
		reconfigure(r);
	else
		restart(r);
	drain(r);
	check_tables(r);
}

static struct rig *up(unsigned round)
{
	struct rig *r = rig_create();
	for (unsigned i = 0; i < round; i++) /* another part of the same sequence */
		for (unsigned j = 0; j < 1000; j++)
			(void)rand_below(2);
	rig_add_server(r, "second", CLOUD2, SECURE_PORT);
	rig_add_server(r, "bs", CLOUD2, 5683);
	r->servers[0].host = "cloud.example";
	if (round % 2 == 1)
		rig_secure(r);
	r->servers[0].handshake_timeout = 20;
	r->listens[0].server = &r->servers[0];
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->conf.gateway.max_endpoints = 10;
	for (unsigned i = 0; i < 10; i++)
		rig_endpoint(r, names[i], i % 3 == 0 ? "second" : "cloud");
	r->endpoints[1].bootstrap_server = r->endpoints[2].bootstrap_server = &r->servers[2];
	r->endpoints[8].has_address = r->endpoints[9].has_address = true;
	r->endpoints[8].address = at("192.168.1.10:40004");
	r->endpoints[9].address = at("fd00::10");
	rig_start(r);
	return r;
}

START_TEST(anything_may_happen)
{
	struct rig *r = up((unsigned)_i);
	for (unsigned i = 0; i < STEPS; i++)
		step(r);
	drain(r);
	rig_stop(r);
	rig_free(r);
}
END_TEST

Suite *soak_suite(void)
{
	Suite *s = suite_create("soak");
	TCase *t = tcase_create("rounds");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, anything_may_happen, 0, 6);
	suite_add_tcase(s, t);
	return s;
}
