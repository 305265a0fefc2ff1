/* A datapath on the network in memory. */
#include "small_relay.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/conf.h"
#include "life.h"
#include "wanted.h"

/* The interface that every Linux has. */
#define LO 1

static struct addr at(const char *text)
{
	struct addr a;
	BUG_UNLESS(addr_parse(&a, text) == 0);
	return a;
}

static void changed(void *who)
{
	struct small_relay *r = who;
	r->changes++;
	if (r->changed != NULL)
		r->changed(r->who);
}

void small_relay_apply(struct small_relay *r, const struct small_spec *spec)
{
	static uint8_t key[16] = "0123456789abcdef";
	struct conf_server server = { .name = "cloud", .uri = "coap://192.0.2.9",
		.host = "192.0.2.9", .port = 5683, .handshake_timeout = 60 };
	if (spec->secure) {
		server.uri = "coaps://192.0.2.9";
		server.port = 5684;
		server.scheme = CONF_COAPS;
		server.security = CONF_PSK;
	}
	struct conf_listen listen = { .name = "lan", .coap = 5683, .move = true, .server = &server,
		.unknown_endpoints = spec->no_unknown ? CONF_UNKNOWN_REFUSE : CONF_UNKNOWN_ACCEPT };
	struct conf_endpoint endpoint[SMALL_ENDPOINTS];
	char name[SMALL_ENDPOINTS][16];
	memset(endpoint, 0, sizeof(endpoint));
	for (unsigned i = 0; i < spec->endpoints; i++) {
		snprintf(name[i], sizeof(name[i]), "ep-%u", i);
		endpoint[i].name = i == 0 && spec->first != NULL ? spec->first : name[i];
		endpoint[i].server = &server;
		endpoint[i].identity = spec->secure ? "identity-of-a-meter" : NULL;
		endpoint[i].key = (struct conf_key){ key, spec->secure ? sizeof(key) : 0 };
	}
	if (spec->fixed != NULL) {
		endpoint[0].has_address = true;
		endpoint[0].address = at(spec->fixed);
	}
	if (spec->opaque) {
		endpoint[0].mode = CONF_OPAQUE;
		endpoint[0].identity = NULL;
		endpoint[0].key.n = 0;
		listen.coaps = 5684;
	}
	struct conf conf = { .gateway.enabled = true, .server = &server, .server_count = 1,
		.listen = &listen, .listen_count = spec->no_listener ? 0 : 1,
		.endpoint = endpoint, .endpoint_count = spec->endpoints };
	conf.gateway.max_endpoints = spec->max != 0 ? spec->max : 100;
	BUG_UNLESS(wanted_apply(r->dp, &conf, fake_net_now(r->net)) == 0);
}

void small_relay_up(struct small_relay *r, const struct small_spec *spec)
{
	*r = (struct small_relay){ .net = fake_net_create() };
	BUG_UNLESS(loop_create(&r->loop) == 0);
	BUG_UNLESS(resolver_create(&r->resolver, r->loop) == 0);
	BUG_UNLESS(datapath_create(&r->dp, r->loop, r->resolver, changed, r) == 0);
	small_relay_apply(r, spec);
	fake_net_wake(r->net);
}

void small_relay_down(struct small_relay *r)
{
	datapath_free(r->dp);
	resolver_free(r->resolver);
	loop_free(r->loop);
	fake_net_free(r->net);
}

/* A CON POST /rd?ep=ENDPOINT&lt=300. */
static size_t write_register(uint8_t *bytes, uint16_t mid, const char *endpoint)
{
	size_t n = strlen(endpoint) + 3, at_ = 0;
	const uint8_t head[] = { 0x41, 0x02, (uint8_t)(mid >> 8), (uint8_t)mid, 0x77, 0xb2, 'r', 'd' };
	BUG_UNLESS(n >= 3 && n < 269 + 13);
	memcpy(bytes, head, sizeof(head));
	at_ = sizeof(head);
	if (n < 13) {
		bytes[at_++] = (uint8_t)(0x40 | n);
	} else {
		bytes[at_++] = 0x4d;
		bytes[at_++] = (uint8_t)(n - 13);
	}
	memcpy(bytes + at_, "ep=", 3);
	memcpy(bytes + at_ + 3, endpoint, n - 3);
	at_ += n;
	memcpy(bytes + at_, "\x06lt=300", 7);
	return at_ + 7;
}

struct flow *small_relay_ask(struct small_relay *r, const char *endpoint, const char *device)
{
	uint8_t bytes[400];
	struct addr from = at(device), called = at("192.168.1.1:5683");
	if (!addr_is_v4(&from))
		called = at("[fd00::1]:5683");
	size_t n = write_register(bytes, ++r->mid, endpoint);
	fake_lan_arrive(r->net, &from, &called, LO, bytes, n);
	return small_relay_flow(r, endpoint);
}

struct flow *small_relay_register(struct small_relay *r, const char *endpoint, const char *device,
	const char *location)
{
	uint8_t answer[64] = { 0x61, 0x41, (uint8_t)((r->mid + 1) >> 8), (uint8_t)(r->mid + 1), 0x77,
		0x82, 'r', 'd', (uint8_t)strlen(location) };
	struct flow *flow = small_relay_ask(r, endpoint, device);
	BUG_UNLESS(flow != NULL && strlen(location) < 13);
	memcpy(answer + 9, location, strlen(location));
	const struct fake_datagram *sent = fake_wan_take_from(r->net, flow->wan.port);
	BUG_UNLESS(sent != NULL);
	fake_wan_arrive(r->net, flow->wan.port, NULL, answer, 9 + strlen(location));
	BUG_UNLESS(fake_lan_take(r->net) != NULL);
	BUG_UNLESS(flow->is_live);
	return flow;
}

void small_relay_crowd(struct small_relay *r, unsigned from, unsigned to)
{
	char name[32], device[40], location[16];
	for (unsigned i = from; i < to; i++) {
		snprintf(name, sizeof(name), "dev-%u", i);
		snprintf(device, sizeof(device), "10.0.%u.%u:5683", i >> 8, i & 255);
		snprintf(location, sizeof(location), "%u", i);
		small_relay_register(r, name, device, location);
	}
}

struct flow *small_relay_flow(struct small_relay *r, const char *endpoint)
{
	struct flow *flow;
	for (size_t i = 0; (flow = flow_next(r->dp->flows, &i)) != NULL;)
		if (strcmp(flow->route->endpoint, endpoint) == 0)
			return flow;
	return NULL;
}
