/* Words that the tests of associations share: one endpoint "dev" at address A, and its server. Each
 * test uses what it needs. */
#pragma once
#include "rig.h"

#define REG "rd?ep=dev&lt=60"
#define NAME "cloud.example"
#define SHARED __attribute__((unused)) static

/* "dev" goes to the server "cloud", secure or plain, at this host. */
SHARED struct rig *up_at(bool secure, const char *host)
{
	struct rig *r = rig_create();
	if (secure)
		rig_secure(r);
	r->servers[0].host = host;
	rig_endpoint(r, "dev", "cloud");
	rig_start(r);
	return r;
}

/* The secure server, known by its address. */
SHARED struct rig *up(void)
{
	return up_at(true, CLOUD);
}

/* The secure server, known by a name that is not resolved yet. */
SHARED struct rig *up_named(void)
{
	return up_at(true, NAME);
}

/* The name is found at one or two addresses. */
SHARED void name_set(struct rig *r, const char *first, const char *second)
{
	struct addr a[2] = { at(first), at(second == NULL ? first : second) };
	fake_name_set(r->net, NAME, a, second == NULL ? 1 : 2);
	rig_settle(r);
}

/* A message of the device reaches the server. */
SHARED void pass(struct rig *r, const char *message)
{
	rig_device(r, A, message);
	rig_expect_server(r, message);
}

/* A message of the server reaches the device. */
SHARED void answer(struct rig *r, const char *message)
{
	rig_server(r, r->port, message);
	rig_expect_device(r, A, message);
}

/* A registered device; gives the source port. */
SHARED uint16_t registered(struct rig *r)
{
	pass(r, coap(CON, "0.02", 1, "aa", REG));
	answer(r, located(ACK, "2.01", 1, "aa", "rd/0"));
	return r->port;
}

SHARED struct wan *wan_of(struct rig *r)
{
	return &rig_flow(r, "dev")->wan;
}
