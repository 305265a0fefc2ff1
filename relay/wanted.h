/* Start, reload and stop are the same idea: wanted state against present state (DESIGN.md 6, rule
 * 18). All that may fail happens first and can be undone; then the change is made. */
#pragma once
#include <stddef.h>
#include "base/bug.h"
#include "base/mono.h"

struct conf;
struct datapath;
struct lan_port;
struct listener;
struct server;

/* Makes the relay, all workers of it, what the configuration says: servers, routes and listeners that stay the same stay,
 * flows that are still allowed stay, the others end. Returns 0; or -errno with the reason logged, and in
 * datapath.fault where a section is the reason, and nothing is changed. The configuration may be
 * freed afterwards. Other workers must be held. */
int wanted_apply(struct datapath *dp, const struct conf *conf, struct mono now) MUST_CHECK;
/* Ends all flows, listeners, routes and servers. */
void wanted_nothing(struct datapath *dp);
/* Walks the listeners: begin with at 0, go on until NULL. */
struct listener *wanted_listener(const struct datapath *dp, size_t *at);
/* The listener of a flow key, or NULL. */
struct listener *wanted_listener_by_number(const struct datapath *dp, uint32_t number);
/* The socket of the same place as the one that has this number, be it another worker's; NULL when a reload has taken
 * it away. */
struct lan_port *wanted_port_by_number(const struct datapath *dp, uint32_t number);
/* The server of a section's name that is there now, or NULL. */
struct server *wanted_server_named(const struct datapath *dp, const char *name);
/* How many DTLS sessions an endpoint may have, by the listeners that are wanted. */
size_t wanted_sessions_most(const struct datapath *dp);
