/* Words that the tests of several workers share, which are all in one thread here. Each test uses what it needs. */
#pragma once
#include "crew.h"
#include "rig.h"
#include "rig_lan.h"

#define SHARED __attribute__((unused)) static

/* A rig that will have so many workers. */
SHARED struct rig *rig_of(unsigned workers)
{
	struct rig *r = rig_create();
	r->workers = workers;
	return r;
}

/* With the endpoints "dev" and "dev2". */
SHARED struct rig *up(unsigned workers)
{
	struct rig *r = rig_of(workers);
	rig_endpoint(r, "dev", "cloud");
	rig_endpoint(r, "dev2", "cloud");
	rig_start(r);
	return r;
}

/* With "dev", which comes with DTLS alone. */
SHARED struct rig *up_secure(unsigned workers, bool cid)
{
	struct rig *r = rig_of(workers);
	rig_endpoint(r, "dev", "cloud");
	rig_lan_secure(r, "dev");
	r->listens[0].cid = cid;
	rig_start(r);
	return r;
}

/* With "dev", a static device at this address. */
SHARED struct rig *up_static(unsigned workers, const char *address)
{
	struct rig *r = rig_of(workers);
	struct conf_endpoint *e = rig_endpoint(r, "dev", "cloud");
	e->has_address = true;
	e->address = at(address);
	rig_start(r);
	return r;
}

/* Datagrams go there from now on; with -1 where the kernel would bring them. */
SHARED void steer_to(struct rig *r, int worker)
{
	fake_lan_steer(r->net, worker);
}

/* The worker that has the endpoint. */
SHARED unsigned owner(const struct rig *r, const char *name)
{
	return directory_owner(r->crew->directory, slice_str(name));
}

/* A worker's first socket. */
SHARED struct lan_port *port_at(const struct rig *r, unsigned worker)
{
	struct listener *l = wanted_listener_by_number(rig_worker(r, worker), 1);
	return container_of(l->ports.next, struct lan_port, node);
}

/* An endpoint registers, by that worker's socket. */
SHARED struct flow *register_at(struct rig *r, int worker, const char *from, const char *name, const char *location)
{
	steer_to(r, worker);
	return rig_register(r, from, name, location);
}

/* It deregisters; time for its flow to end passes. */
SHARED void deregister(struct rig *r, const char *from, const char *location)
{
	const char *request = coap(CON, "0.04", 5, "ab", location);
	rig_device(r, from, request);
	rig_expect_server(r, request);
	rig_server(r, r->port, coap(ACK, "2.02", 5, "ab", NULL));
	rig_expect_device(r, from, coap(ACK, "2.02", 5, "ab", NULL));
	rig_advance(r, 1000);
}

/* "dev" comes with DTLS, and registers, by that worker's socket. */
SHARED struct rig_dtls *dtls_register_at(struct rig *r, int worker, const char *from)
{
	steer_to(r, worker);
	return rig_dtls_register(r, from, "dev");
}

/* "dev" shakes hands, by that worker's socket. */
SHARED struct rig_dtls *dtls_at(struct rig *r, int worker, const char *from)
{
	steer_to(r, worker);
	struct rig_dtls *d = rig_dtls(r, from, "dev-lan");
	ck_assert(rig_dtls_is_up(d));
	return d;
}

/* A message goes up from here, and its answer comes back to there. */
SHARED void exchange(struct rig *r, const char *from, unsigned mid)
{
	const char *request = coap(CON, "0.02", mid, "b1", "dp");
	const char *answer = coap(ACK, "2.04", mid, "b1", NULL);
	rig_device(r, from, request);
	rig_expect_server(r, request);
	rig_server(r, r->port, answer);
	rig_expect_device(r, from, answer);
}

/* Somebody says that he is the device of this address, which is pinged, and does not answer. */
SHARED void stays_silent(struct rig *r, const char *device)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_str_ne(rig_device_got(r, device), "");
		rig_advance(r, 700);
	}
}

/* A worker that does not come to its rings, as before it is held. */
SHARED void is_late(struct rig *r, unsigned worker)
{
	loop_unwatch(r->loop, &r->crew->member[worker].bell.watch);
}

SHARED void comes_to_it(struct rig *r, unsigned worker)
{
	ck_assert_int_eq(loop_watch(r->loop, &r->crew->member[worker].bell.watch, LOOP_READ), 0);
	rig_settle(r);
}
