/* Devices with DTLS, opaque ones and plain ones, at random: handshakes that begin, end or stop half way,
 * moves, copies, reloads and restarts. What must hold: nothing aborts or leaks, and the tables of
 * sessions, identities, flows and routes agree. RIG_SEED repeats a run. */
#include <errno.h>
#include <string.h>
#include "base/rand.h"
#include "called.h"
#include "identity.h"
#include "lan_session.h"
#include "opaque.h"
#include "pki.h"
#include "rig_lan.h"
#include "rig_opaque.h"
#include "suite.h"
#include "trunk.h"

enum { STEPS = 700, NAMES = 8, DEVICES = 8, SAVED = 64 };

#define CN "urn:dev:os:meter17"

static const char *const names[NAMES] = { "d0", "d1", "d2", "d3", "d4", "o0", CN, "x0" };
static const char *const hosts[] = { "192.168.1.10", "192.168.1.11", "[fd00::10]" };
static struct rig_dtls *device[DEVICES];

/* A row of the table as a state file would hold it. */
struct row {
	struct life_saved saved;
	char endpoint[24], server[8], listener[8], location[24], calls[8];
	uint8_t cid[256];
};

static const char *some_address(void)
{
	static char text[4][40];
	static unsigned next;
	char *to = text[next++ % 4];
	snprintf(to, 40, "%s:%u", hosts[rand_below(3)], 40000 + rand_below(4));
	return to;
}

static const char *some_message(void)
{
	static const char *const codes[] = { "0.01", "0.02", "0.04", "2.05", "2.01", "0.00" };
	char uri[60] = "dp";
	unsigned mid = rand_below(8), kind = rand_below(9);
	if (kind < 3)
		snprintf(uri, sizeof(uri), "rd?ep=%s&lt=%u", names[rand_below(NAMES)],
			rand_below(3) * 30);
	else if (kind == 3)
		snprintf(uri, sizeof(uri), "rd?lt=30");
	else if (kind == 4)
		snprintf(uri, sizeof(uri), "rd/%u", rand_below(3));
	else if (kind == 5)
		snprintf(uri, sizeof(uri), rand_below(2) ? "bs" : "bs?ep=d1");
	const char *code = codes[kind < 4 ? 1 : rand_below(6)];
	if (strcmp(code, "0.00") == 0)
		return empty((int)rand_below(4), mid);
	return coap((int)rand_below(kind < 4 ? 2 : 4), code, mid, rand_below(2) ? "aa" : "", uri);
}

/* ---- whom devices call ---- */

static void call_another(struct rig *r)
{
	const char *v4[] = { "192.168.1.1", CLOUD, CLOUD2, "203.0.113.9" };
	bool is_captured = r->listens[0].intercept;
	r->called[true] = at(v4[is_captured ? rand_below(4) : 0]);
	r->called[false] = at(is_captured && rand_below(2) ? "2001:db8::5" : "fd00::1");
}

static void turn_intercept(struct rig *r)
{
	static const char *links[] = { "br-lan", "br-iot" };
	struct conf_listen *l = &r->listens[0];
	l->intercept = !l->intercept && l->coaps == DEVICE_PORT;
	l->foreign = l->intercept ? (int)rand_below(3) : 0;
	l->interface = (struct conf_list){ links, l->intercept ? 2 : 0 };
	call_another(r);
}

/* ---- what happens ---- */

static void device_gone(unsigned i)
{
	if (device[i] != NULL && rand_below(2) == 0 && rig_dtls_is_up(device[i]))
		rig_dtls_close(device[i]);
	if (device[i] != NULL)
		rig_dtls_free(device[i]);
	device[i] = NULL;
}

/* Some finish their handshake, some are left half way. */
static void device_comes(struct rig *r, unsigned i)
{
	char identity[24];
	const char *from = some_address();
	device_gone(i);
	if (rand_below(4) == 0) {
		device[i] = rig_dtls_cert(r, from, "device.pem", "device.key");
		return;
	}
	snprintf(identity, sizeof(identity), "%s-lan", names[rand_below(NAMES - 2)]);
	rig_lan_wrong_key(r, rand_below(10) == 0);
	r->v13 = rand_below(3) == 0;
	device[i] = rig_dtls_begin(r, from, identity, rand_below(2));
	r->v13 = false;
	rig_lan_wrong_key(r, false);
	for (unsigned steps = rand_below(3) == 0 ? rand_below(4) : 20; steps > 0; steps--)
		rig_lan_step(r);
}

static void device_acts(struct rig *r, unsigned i)
{
	if (device[i] == NULL || rand_below(8) == 0) {
		device_comes(r, i);
		return;
	}
	if (!rig_dtls_is_up(device[i]))
		return;
	switch (rand_below(8)) {
	case 0:
		rig_dtls_replay(device[i], some_address());
		break;
	case 1:
		rig_dtls_move(device[i], some_address());
		break;
	case 2:
		rig_dtls_lose(device[i], some_message());
		break;
	case 3:
		r->ifindex = 2 + rand_below(2);
		break;
	default:
		rig_dtls_send(device[i], some_message());
	}
}

static void opaque_speaks(struct rig *r)
{
	const char *said[] = { HELLO, record(rand_below(20)), cid_record(rand_below(20)), UNIFIED,
		UNIFIED_CID, DONE };
	bool is_second = r->conf.listen_count > 1 && r->listens[1].coaps == DEVICE_PORT;
	if (r->listens[0].coaps == DEVICE_PORT || is_second)
		rig_device_at(r, some_address(), DEVICE_PORT, said[rand_below(6)]);
}

static void server_speaks(struct rig *r)
{
	const char *raw[] = { TAKEN, TAKEN_WITHOUT, record(rand_below(20)), UNIFIED };
	char token[20] = "";
	size_t i = 0;
	struct flow *f = NULL;
	for (uint32_t left = rand_below((uint32_t)flows_count(r->dp->flows) + 1); left > 0; left--)
		f = flow_next(r->dp->flows, &i);
	if (f == NULL || !wan_is_up(&f->wan) || !f->wan.is_connected)
		return;
	uint16_t port = f->wan.port;
	if (f->opaque != NULL) {
		rig_server_raw(r, port, raw[rand_below(4)]);
		return;
	}
	const struct flow_asked *a = &f->asked;
	for (unsigned n = 0; n < a->token_n; n++)
		snprintf(token + 2 * n, 3, "%02x", a->token[n]);
	const char *m = some_message();
	if (a->kind == REG_REGISTER && rand_below(4) != 0)
		m = located(ACK, "2.01", a->mid, token, rand_below(2) ? "rd/0" : "rd/1");
	else if (a->kind != REG_OTHER && rand_below(4) != 0)
		m = coap(ACK, a->kind == REG_DEREGISTER ? "2.02" : "2.04", a->mid, token, NULL);
	if (!f->wan.server->is_secure || rig_has_session(r, port))
		rig_server(r, port, m);
}

/* ---- the configuration ---- */

static void turn_secured(struct rig *r, struct conf_endpoint *e)
{
	uint16_t coaps = r->listens[0].coaps;
	bool cid = r->listens[0].cid;
	if (e->lan_identity != NULL)
		e->lan_identity = NULL, e->lan_key.n = 0;
	else if (e->mode != CONF_OPAQUE && strlen(e->name) == 2)
		rig_lan_secure(r, e->name);
	r->listens[0].coaps = coaps;
	r->listens[0].cid = cid;
}

static void turn_opaque(struct rig *r, struct conf_endpoint *e)
{
	bool is = e->mode == CONF_OPAQUE;
	struct conf_server *to = rig_conf_server(r, is ? "cloud" : "raw");
	const char *name = e->name;
	*e = (struct conf_endpoint){ .where = { "test", 3 }, .name = name, .server = to };
	if (is) {
		e->identity = r->identity;
		e->key = (struct conf_key){ (uint8_t *)(uintptr_t)r->key.p, r->key.n };
		return;
	}
	e->mode = CONF_OPAQUE;
	if (rand_below(4) == 0) {
		e->listen = &r->listens[rand_below(2)];
		return;
	}
	e->has_address = true;
	e->address = at(some_address());
	e->address.port = rand_below(2) ? 0 : e->address.port;
}

static void swap_ports(struct rig *r)
{
	uint16_t first = r->listens[0].coaps;
	if (r->listens[0].intercept)
		return; /* it listens at servers' ports, too */
	r->listens[0].coaps = r->listens[1].coaps;
	r->listens[1].coaps = first;
}

static void change_listener(struct rig *r)
{
	struct conf_listen *l = &r->listens[rand_below(2)];
	static struct conf_blob ca;
	if (r->listens[0].ca.n > 0)
		ca = r->listens[0].ca;
	switch (rand_below(7)) {
	case 0:
		swap_ports(r);
		break;
	case 1:
		l->unknown_endpoints ^= 1;
		break;
	case 2:
		l->cid = !l->cid;
		break;
	case 3:
		l->ca = l->ca.n > 0 ? (struct conf_blob){ NULL, 0 } : ca;
		break;
	case 4:
		r->conf.listen_count = 1 + rand_below(2);
		if (r->conf.listen_count == 1) /* what is left is on the devices' port */
			r->listens[0].coaps = DEVICE_PORT, r->listens[1].coaps = 5694;
		break;
	case 5:
		l->name = l->name[0] == 'n' ? (l == &r->listens[0] ? "lan" : "second") :
					      (l == &r->listens[0] ? "new" : "new2");
		break;
	case 6:
		l->dtls = l->dtls == CONF_DTLS13 ? CONF_DTLS12 : CONF_DTLS13;
		break;
	}
}

static void reconfigure(struct rig *r)
{
	struct conf_endpoint *e = &r->endpoints[rand_below((uint32_t)r->conf.endpoint_count)];
	switch (rand_below(8)) {
	case 7:
		turn_intercept(r);
		break;
	case 0:
		r->conf.endpoint_count = 3 + rand_below(5);
		break;
	case 1:
		if (e->mode != CONF_OPAQUE)
			e->server = rig_conf_server(r, rand_below(2) ? "cloud" : "second");
		break;
	case 2:
		turn_secured(r, e);
		break;
	case 3:
		turn_opaque(r, e);
		break;
	case 4:
		r->conf.gateway.max_endpoints = 2 + rand_below(10);
		break;
	default:
		change_listener(r);
	}
	fake_net_fail_opens(r->net, 0, 0);
	if (rand_below(5) == 0)
		fake_net_fail_opens(r->net, EADDRINUSE, 1 + rand_below(3));
	if (rand_below(5) == 0)
		fake_net_fail_watches(r->net, ENOMEM, 1 + rand_below(3));
	(void)!rig_apply(r);
	fake_net_fail_opens(r->net, 0, 0);
	fake_net_fail_watches(r->net, 0, 0);
	ck_assert_int_eq(rig_apply(r), 0);
	rig_transparent(r);
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
		if (row->saved.cid.n > 0)
			memcpy(row->cid, row->saved.cid.p, row->saved.cid.n);
		row->saved.cid.p = row->cid;
	}
	rig_stop(r);
	while (fake_lan_take(r->net) != NULL)
		;
	for (unsigned d = 0; d < DEVICES; d++)
		if (rand_below(2) == 0)
			device_gone(d);
	if (rand_below(2) == 0) /* the file was changed meanwhile */
		turn_opaque(r, &r->endpoints[rand_below((uint32_t)r->conf.endpoint_count)]);
	if (rand_below(3) == 0)
		change_listener(r);
	rig_start(r);
	rig_transparent(r);
	for (i = 0; i < count; i++) {
		int rc = life_restore(r->dp, &rows[i].saved, (int64_t)i, fake_net_now(r->net));
		ck_assert(rc == 0 || rc == -ENOENT || rc == -EEXIST || rc == -ENOSPC);
	}
}

/* ---- what must hold ---- */

/* The session by which the endpoint goes to the route's server, or NULL. */
static const struct lan_session *session_of(const struct rig *r, const struct identity *id,
	const struct route *route)
{
	const struct lan_session *found = NULL;
	list_each(node, (struct list *)(uintptr_t)&id->sessions) {
		const struct lan_session *s = container_of(node, struct lan_session, same_identity);
		ck_assert_ptr_eq(s->identity, id);
		struct route_way way = called_way(r->dp, &s->key, &s->called, s->port->listener);
		if (route_find(r->dp->routes, slice_str(id->endpoint), route->is_bootstrap, &way) !=
			route)
			continue;
		/* One session for each server; no configuration sends strangers to a secure one. */
		ck_assert(found == NULL || route->is_bootstrap ||
			(route->is_dynamic && route->server->is_secure));
		found = s;
	}
	return found;
}

static void check_session(const struct rig *r, struct lan_session *s)
{
	const struct identity *id = s->identity;
	ck_assert_ptr_nonnull(id);
	ck_assert(!list_is_empty(&s->same_identity));
	ck_assert_ptr_eq(identity_by_endpoint(r->dp->identities, slice_str(id->endpoint)), id);
	ck_assert_uint_eq(s->key.identity, id->number);
	ck_assert_uint_eq(s->port->listener->number, s->key.listener);
	ck_assert(s->port->is_secure);
	ck_assert(called_stays(r->dp, &s->key, s->port->listener));
	ck_assert_uint_ne(s->timer.place, 0);
	struct route *route = NULL;
	while ((route = route_of(r->dp->routes, id->endpoint, route)) != NULL) {
		struct flow *f = flow_by_id(r->dp->flows, route->flow);
		const struct lan_session *own = session_of(r, id, route);
		ck_assert(own != s || f == NULL || f->session == s || f->key.identity == 0 ||
			route->is_bootstrap || (route->is_dynamic && route->server->is_secure));
	}
}

static void check_flow(const struct rig *r, const struct flow *f)
{
	bool found = false;
	for (struct flow *g = flow_find(r->dp->flows, &f->key); g != NULL; g = g->sibling)
		found |= g == f;
	ck_assert(found);
	ck_assert_ptr_eq(flow_by_id(r->dp->flows, f->route->flow), f);
	ck_assert(f->route->is_opaque == (f->opaque != NULL));
	ck_assert(f->route->is_opaque == (f->key.identity == OPAQUE_IDENTITY));
	ck_assert_uint_eq(f->port->listener->number, f->key.listener);
	ck_assert(f->port->is_secure == (f->key.identity != 0));
	ck_assert(!f->route->is_lan_secured || f->key.identity != 0);
	ck_assert(f->session == NULL || f->session->key.identity == f->key.identity);
	ck_assert(f->session == NULL || f->session->key.server == f->key.server);
	ck_assert(called_stays(r->dp, &f->key, f->port->listener));
	if (f->key.identity == 0 || f->opaque != NULL)
		return;
	const struct identity *id =
		identity_by_endpoint(r->dp->identities, slice_str(f->route->endpoint));
	ck_assert_ptr_nonnull(id);
	ck_assert_uint_eq(id->number, f->key.identity);
	if (!f->route->is_bootstrap)
		ck_assert_ptr_eq(session_of(r, id, f->route), f->session);
	ck_assert(f->session == NULL || addr_eq(&f->session->key.device, &f->key.device));
}

static void check_tables(const struct rig *r)
{
	struct lan_session *s = NULL;
	struct flow *f;
	size_t i = 0, unproven = 0;
	while ((s = lan_session_next(r->dp->sessions, LAN_PROVEN, s)) != NULL)
		check_session(r, s);
	for (; (f = flow_next(r->dp->flows, &i)) != NULL; unproven += f->route->is_dynamic && !f->is_live)
		check_flow(r, f);
	ck_assert_uint_eq(unproven, r->dp->unproven);
	ck_assert_uint_le(loop_timers(r->loop)->count, r->dp->reserved + 64);
}

/* ---- the run ---- */

static void drain(struct rig *r)
{
	rig_lan_pump(r);
	while (*rig_server_got(r) != '\0')
		;
	for (unsigned i = 0; i < DEVICES; i++)
		while (device[i] != NULL && *rig_dtls_got(device[i]) != '\0')
			;
	rig_lan_pump(r);
}

static void step(struct rig *r)
{
	unsigned what = rand_below(100);
	if (rand_below(12) == 0)
		call_another(r);
	if (what < 45)
		device_acts(r, rand_below(DEVICES));
	else if (what < 55)
		rig_device(r, some_address(), some_message());
	else if (what < 62)
		opaque_speaks(r);
	else if (what < 77)
		server_speaks(r);
	else if (what < 88)
		rig_advance(r, rand_below(rand_below(10) == 0 ? 300000 : 3000));
	else if (what < 98)
		reconfigure(r);
	else
		restart(r);
	if (rand_below(4) != 0)
		drain(r);
	check_tables(r);
}

static struct rig *up(unsigned round)
{
	struct rig *r = rig_create();
	for (unsigned i = 0; i < round * 1000; i++)
		(void)rand_below(2);
	memset(device, 0, sizeof(device));
	r->takes_strays = true;
	rig_add_server(r, "second", CLOUD2, 5683);
	rig_add_server(r, "bs", CLOUD2, 5783);
	struct conf_server *raw = rig_add_server(r, "raw", CLOUD, RAW_PORT);
	raw->scheme = CONF_COAPS;
	raw->security = CONF_PSK;
	if (round % 2 == 1)
		rig_secure(r);
	r->servers[0].handshake_timeout = 20;
	rig_lan_pki(r);
	struct conf_listen *l = rig_add_listen(r, "second", 5693);
	*l = (struct conf_listen){ .where = { "test", 2 }, .name = "second", .coap = 5693, .coaps = 5694,
		.move = true, .cert = r->listens[0].cert, .private_key = r->listens[0].private_key,
		.ca = r->listens[0].ca, .server = rig_conf_server(r, "second") };
	r->listens[0].coaps_is_set = l->coaps_is_set = true;
	r->listens[0].dtls = l->dtls = round % 4 < 2 ? CONF_DTLS13 : CONF_DTLS12;
	r->listens[0].server = &r->servers[0];
	r->listens[0].unknown_endpoints = CONF_UNKNOWN_ACCEPT;
	r->conf.gateway.max_endpoints = 10;
	for (unsigned i = 0; i < NAMES - 1; i++)
		rig_endpoint(r, names[i], i % 3 == 2 ? "second" : "cloud");
	for (unsigned i = 0; i < 4; i++)
		rig_lan_secure(r, names[i]);
	r->endpoints[1].bootstrap_server = rig_conf_server(r, "bs");
	turn_opaque(r, &r->endpoints[5]);
	fake_net_interface(r->net, "br-lan", 2);
	fake_net_interface(r->net, "br-iot", 3);
	fake_net_own(r->net, &r->called[true]);
	fake_net_own(r->net, &r->called[false]);
	if (round % 3 == 1)
		turn_intercept(r);
	rig_start(r);
	rig_transparent(r);
	return r;
}

START_TEST(anything_may_happen_to_devices_with_dtls)
{
	struct rig *r = up((unsigned)_i);
	for (unsigned i = 0; i < STEPS; i++)
		step(r);
	drain(r);
	for (unsigned i = 0; i < DEVICES; i++)
		device_gone(i);
	rig_stop(r);
	rig_free(r);
}
END_TEST

Suite *soak_dtls_suite(void)
{
	Suite *s = suite_create("soak with DTLS");
	TCase *t = tcase_create("rounds");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, anything_may_happen_to_devices_with_dtls, 0, 8);
	suite_add_tcase(s, t);
	return s;
}
