/* A datapath on the network in memory, with one plain server and one listener, for tests of what
 * stands above it. Aborts where something that must work does not. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "datapath.h"
#include "fake_net.h"

/* Configured endpoints at most. */
#define SMALL_ENDPOINTS 8

struct small_relay {
	struct fake_net *net;
	struct loop *loop;
	struct resolver *resolver;
	struct datapath *dp;
	unsigned changes; /* how often the datapath said that something changed */
	uint16_t mid;     /* of the last Register */
	/* Called with each change, where it is set. */
	void (*changed)(void *who);
	void *who;
};

/* What to bring up. */
struct small_spec {
	unsigned endpoints;   /* configured: "ep-0" and so on, towards server "cloud" */
	unsigned max;         /* rows of the table; 0: 100 */
	bool secure;          /* the server is coaps, endpoints have a PSK */
	bool opaque;          /* ep-0 is; there is a DTLS port, 5684 */
	bool no_unknown;      /* endpoints without a section are refused */
	bool no_listener;     /* there is no listener */
	const char *fixed;    /* address of ep-0, a static device, or NULL */
	const char *first;    /* the name of ep-0, or NULL */
};

void small_relay_up(struct small_relay *r, const struct small_spec *spec);
/* Applies another configuration. */
void small_relay_apply(struct small_relay *r, const struct small_spec *spec);
void small_relay_down(struct small_relay *r);
/* A device at this address, on interface 1 ("lo"), registers for 300 s; the server accepts it as
 * /rd/LOCATION. Returns its flow. */
struct flow *small_relay_register(struct small_relay *r, const char *endpoint, const char *device,
	const char *location);
/* The same, but the server stays silent; NULL when the relay made no flow. */
struct flow *small_relay_ask(struct small_relay *r, const char *endpoint, const char *device);
/* Registers devices "dev-FROM" up to, not including, "dev-TO". */
void small_relay_crowd(struct small_relay *r, unsigned from, unsigned to);
/* The only flow of the endpoint, or NULL. */
struct flow *small_relay_flow(struct small_relay *r, const char *endpoint);
