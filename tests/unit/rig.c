/* The trunk on the network in memory. */
#include "rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "base/log.h"
#include "crew.h"
#include "fake_rand.h"
#include "rig_int.h"

static const uint8_t key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

struct addr at(const char *text)
{
	struct addr a;
	ck_assert_msg(addr_parse(&a, text) == 0, "no address: %s", text);
	return a;
}

unsigned rig_seed(void)
{
	const char *set = getenv("RIG_SEED");
	unsigned seed = set != NULL ? (unsigned)strtoul(set, NULL, 10) : 20261122;
	printf("RIG_SEED=%u\n", seed);
	return seed;
}

/* ---- configuration ---- */

struct conf_server *rig_conf_server(struct rig *r, const char *name)
{
	for (size_t i = 0; name != NULL && i < r->conf.server_count; i++)
		if (strcmp(r->servers[i].name, name) == 0)
			return &r->servers[i];
	return NULL;
}

struct conf_server *rig_add_server(struct rig *r, const char *name, const char *host, uint16_t port)
{
	ck_assert_uint_lt(r->conf.server_count, RIG_SERVERS);
	struct conf_server *s = &r->servers[r->conf.server_count++];
	*s = (struct conf_server){ .where = { "test", 1 }, .name = name, .uri = "coap://", .host = host,
		.port = port, .cid = true, .handshake_timeout = 60 };
	if (port == SECURE_PORT) {
		s->scheme = CONF_COAPS;
		s->security = CONF_PSK;
	}
	return s;
}

struct conf_listen *rig_add_listen(struct rig *r, const char *name, uint16_t port)
{
	ck_assert_uint_lt(r->conf.listen_count, RIG_LISTENS);
	struct conf_listen *l = &r->listens[r->conf.listen_count++];
	*l = (struct conf_listen){ .where = { "test", 2 }, .name = name, .coap = port, .move = true };
	return l;
}

struct conf_endpoint *rig_endpoint(struct rig *r, const char *name, const char *server)
{
	ck_assert_uint_lt(r->conf.endpoint_count, RIG_ENDPOINTS);
	struct conf_endpoint *e = &r->endpoints[r->conf.endpoint_count++];
	*e = (struct conf_endpoint){ .where = { "test", 3 }, .name = name,
		.server = rig_conf_server(r, server), .identity = r->identity,
		.key = { (uint8_t *)(uintptr_t)r->key.p, r->key.n } };
	return e;
}

void rig_secure(struct rig *r)
{
	struct conf_server *s = rig_conf_server(r, "cloud");
	s->port = SECURE_PORT;
	s->scheme = CONF_COAPS;
	s->security = CONF_PSK;
}

/* ---- life ---- */

struct rig *rig_create(void)
{
	struct rig *r = calloc(1, sizeof(*r));
	ck_assert_ptr_nonnull(r);
	log_open(getenv("RIG_LOG") != NULL ? LOG_TO_STDERR : LOG_TO_NOBODY, "rig");
	fake_rand_seed(rig_seed());
	r->net = fake_net_create();
	list_init(&r->letters);
	list_init(&r->peers);
	r->identity = "meter17";
	r->key = (struct slice){ key, sizeof(key) };
	r->ifindex = 2;
	r->called[true] = at("192.168.1.1:5683");
	r->called[false] = at("[fd00::1]:5683");
	r->deaf_at = addr_any(true, 0);
	r->conf.gateway = (struct conf_gateway){ .enabled = true, .max_endpoints = 64 };
	r->conf.server = r->servers;
	r->conf.listen = r->listens;
	r->conf.endpoint = r->endpoints;
	rig_add_server(r, "cloud", CLOUD, 5683);
	rig_add_listen(r, "lan", 5683);
	return r;
}

static void changed(void *who)
{
	((struct rig *)who)->changed++;
}

static void start_crew(struct rig *r)
{
	fake_net_poll(r->net);
	ck_assert_int_eq(crew_create(&r->crew, r->workers), 0);
	for (unsigned i = 1; i < r->workers; i++)
		ck_assert_int_eq(datapath_create(&r->others[i - 1], r->loop, r->resolver, changed, r), 0);
	for (unsigned i = 0; i < r->workers; i++)
		ck_assert_int_eq(crew_join(r->crew, i == 0 ? r->dp : r->others[i - 1], i), 0);
}

struct datapath *rig_worker(const struct rig *r, unsigned i)
{
	return crew_datapath(r->dp, i);
}

void rig_start(struct rig *r)
{
	if (r->loop == NULL) {
		ck_assert_int_eq(loop_create(&r->loop), 0);
		ck_assert_int_eq(resolver_create(&r->resolver, r->loop), 0);
	}
	ck_assert_int_eq(datapath_create(&r->dp, r->loop, r->resolver, changed, r), 0);
	if (r->workers > 1)
		start_crew(r);
	ck_assert_int_eq(rig_apply(r), 0);
	rig_settle(r);
}

int rig_apply(struct rig *r)
{
	int rc = wanted_apply(r->dp, &r->conf, fake_net_now(r->net));
	rig_settle(r);
	return rc;
}

void rig_stop(struct rig *r)
{
	if (r->dp == NULL)
		return;
	if (r->crew != NULL)
		crew_end(r->crew);
	for (unsigned i = RIG_WORKERS - 1; i > 0; i--) {
		datapath_free(r->others[i - 1]);
		r->others[i - 1] = NULL;
	}
	datapath_free(r->dp);
	r->dp = NULL;
	if (r->crew != NULL)
		ck_assert_uint_eq(directory_flows(r->crew->directory), 0);
	crew_free(r->crew);
	r->crew = NULL;
	rig_pump(r);
	ck_assert_uint_eq(fake_net_open(r->net), 0);
	ck_assert_uint_eq(fake_net_watched(r->net), 0);
}

void rig_free(struct rig *r)
{
	if (r->dp != NULL)
		rig_expect_silence(r);
	rig_stop(r);
	resolver_free(r->resolver);
	loop_free(r->loop);
	rig_forget(r);
	list_each(node, &r->letters)
		free(container_of(node, struct rig_letter, node));
	fake_net_free(r->net);
	free(r);
}

/* ---- what happens ---- */

void rig_settle(struct rig *r)
{
	fake_net_wake(r->net);
	rig_pump(r);
}

void rig_advance(struct rig *r, int64_t ms)
{
	struct mono end = mono_add(fake_net_now(r->net), ms);
	rig_settle(r);
	while (mono_reached(timers_next(loop_timers(r->loop)), end)) {
		fake_net_until(r->net, timers_next(loop_timers(r->loop)));
		rig_pump(r);
	}
	fake_net_until(r->net, end);
	rig_pump(r);
}

void rig_device_at(struct rig *r, const char *from, uint16_t port, const char *hex)
{
	uint8_t bytes[2 * UDP_ROOM];
	long n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
	ck_assert_msg(n >= 0, "no hex: %s", hex);
	struct addr device = at(from);
	struct addr called = r->called[addr_is_v4(&device)];
	called.port = port;
	fake_lan_arrive(r->net, &device, &called, r->ifindex, bytes, (size_t)n);
	rig_pump(r);
}

void rig_device(struct rig *r, const char *from, const char *hex)
{
	rig_device_at(r, from, 5683, hex);
}

const char *rig_device_got(struct rig *r, const char *device)
{
	static char text[2][2 * UDP_ROOM + 1];
	static unsigned next;
	rig_settle(r);
	const struct fake_datagram *d = fake_lan_take(r->net);
	if (d == NULL)
		return "";
	char got[ADDR_TEXT];
	ck_assert_str_eq(addr_print(&d->to, got), device);
	r->sent_from = d->from;
	r->sent_ifindex = d->ifindex;
	char *to = text[next++ % 2];
	hex_encode(d->bytes, d->n, to);
	return to;
}

void rig_expect_silence(struct rig *r)
{
	rig_settle(r);
	ck_assert_msg(list_is_empty(&r->letters), "a server got %s", rig_server_got(r));
	const struct fake_datagram *d = fake_lan_take(r->net);
	char text[200] = "", to[ADDR_TEXT] = "";
	if (d != NULL) {
		hex_encode(d->bytes, d->n < 90 ? d->n : 90, text);
		addr_print(&d->to, to);
	}
	ck_assert_msg(d == NULL, "device %s got %s", to, text);
}

/* ---- short ways ---- */

struct flow *rig_flow(const struct rig *r, const char *name)
{
	struct flow *f;
	for (unsigned w = 0; w < crew_count(r->dp); w++)
		for (size_t i = 0; (f = flow_next(rig_worker(r, w)->flows, &i)) != NULL;)
			if (strcmp(f->route->endpoint, name) == 0)
				return f;
	return NULL;
}

uint64_t rig_drops(const struct rig *r, enum drop why)
{
	uint64_t n = 0;
	for (unsigned w = 0; w < crew_count(r->dp); w++)
		n += rig_worker(r, w)->env.stat.drop[why];
	return n;
}

uint64_t rig_counts(const struct rig *r, enum count what)
{
	uint64_t n = 0;
	for (unsigned w = 0; w < crew_count(r->dp); w++)
		n += rig_worker(r, w)->env.stat.count[what];
	return n;
}

struct flow *rig_register(struct rig *r, const char *from, const char *name, const char *location)
{
	static unsigned mid = 0x7000;
	char uri[300];
	mid++;
	snprintf(uri, sizeof(uri), "rd?ep=%s&lt=60", name);
	const char *request = coap(CON, "0.02", mid, "aa55", uri);
	const char *answer = located(ACK, "2.01", mid, "aa55", location);
	rig_device(r, from, request);
	rig_expect_server(r, request);
	rig_server(r, r->port, answer);
	rig_expect_device(r, from, answer);
	struct flow *f = rig_flow(r, name);
	ck_assert_ptr_nonnull(f);
	return f;
}

void rig_call(struct rig *r, const char *address)
{
	struct addr a = at(address);
	a.port = 5683;
	r->called[addr_is_v4(&a)] = a;
}

void rig_transparent(struct rig *r)
{
	struct listener *l;
	for (unsigned w = 0; w < crew_count(r->dp); w++)
		for (size_t i = 0; (l = wanted_listener(rig_worker(r, w), &i)) != NULL;)
			list_each(node, &l->ports)
				container_of(node, struct lan_port, node)->is_transparent = l->intercepts;
}
