/* The workers of one relay. */
#include "crew.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/rand.h"
#include "called.h"
#include "handover.h"
#include "identity.h"
#include "lan_session.h"
#include "ring.h"
#include "secure.h"

/* ---- life ---- */

static int member_init(struct crew *crew, unsigned number)
{
	struct crew_member *m = &crew->member[number];
	m->crew = crew;
	m->bell.watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->from = calloc(crew->count, sizeof(struct ring *));
	if (m->bell.watch.fd < 0 || m->from == NULL)
		return m->from == NULL ? -ENOMEM : -errno;
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < crew->count; i++)
		if (i != number)
			rc = ring_create(&m->from[i], CREW_RING);
	return rc;
}

static void forget(struct ring *ring)
{
	struct slice left;
	for (; ring != NULL && (left = ring_first(ring)).p != NULL; ring_next(ring))
		handover_forget(left);
}

static void member_fini(struct crew_member *m, unsigned count)
{
	for (unsigned i = 0; m->from != NULL && i < count; i++) {
		forget(m->from[i]);
		ring_free(m->from[i]);
	}
	free(m->from);
	if (m->bell.watch.fd >= 0)
		close(m->bell.watch.fd);
}

int crew_create(struct crew **crew, unsigned count)
{
	struct crew *c = calloc(1, sizeof(*c));
	*crew = NULL;
	if (c == NULL)
		return -ENOMEM;
	BUG_UNLESS(count > 1);
	steer_init(&c->steer, count);
	c->member = calloc(count, sizeof(*c->member));
	int rc = c->member == NULL ? -ENOMEM : directory_create(&c->directory);
	if (rc == 0)
		rc = notices_share(&c->notices);
	c->has_notices = rc == 0;
	c->count = rc == 0 ? count : 0;
	for (unsigned i = 0; i < c->count; i++)
		c->member[i].bell.watch.fd = -1;
	for (unsigned i = 0; rc == 0 && i < count; i++)
		rc = member_init(c, i);
	if (rc != 0) {
		crew_free(c);
		return rc;
	}
	*crew = c;
	return 0;
}

void crew_end(struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++) {
		const struct crew_member *m = &crew->member[i];
		for (unsigned k = 0; k < crew->count; k++)
			forget(m->from[k]);
		if (m->dp != NULL)
			secure_end_all(m->dp, NULL);
	}
}

void crew_free(struct crew *crew)
{
	if (crew == NULL)
		return;
	for (unsigned i = 0; i < crew->count; i++)
		member_fini(&crew->member[i], crew->count);
	free(crew->member);
	if (crew->has_notices)
		notices_unshare(&crew->notices);
	directory_free(crew->directory);
	free(crew);
}

static bool is_empty(struct crew_member *m)
{
	for (unsigned i = 0; i < m->crew->count; i++)
		if (m->from[i] != NULL && ring_first(m->from[i]).p != NULL)
			return false;
	return true;
}

/* What is left is for the next wake-up: others come first. */
static void rung(struct watch *watch, unsigned happened, struct mono now)
{
	struct crew_member *m = container_of(watch, struct crew_member, bell.watch);
	uint64_t count;
	(void)happened;
	if (read(watch->fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return;
	atomic_exchange(&m->bell.is_rung, false);
	crew_read(m->dp, now);
	if (!is_empty(m))
		crew_ring(m);
}

int crew_join(struct crew *crew, struct datapath *dp, unsigned number)
{
	struct crew_member *m = &crew->member[number];
	m->dp = dp;
	m->bell.watch.ready = rung;
	int rc = loop_watch(dp->env.loop, &m->bell.watch, LOOP_READ);
	if (rc != 0)
		return rc;
	dp->crew = crew;
	dp->number = number;
	dp->env.is_copy = number > 0;
	dp->env.workers = dp->held.workers = crew->count;
	dp->env.directory = crew->directory;
	dp->notices.shared = &crew->notices;
	lan_sessions_share(dp->sessions, crew->count);
	crew_draw_cid(dp);
	return 0;
}

void crew_leave(struct datapath *dp)
{
	if (dp->crew == NULL)
		return;
	loop_unwatch(dp->env.loop, &dp->crew->member[dp->number].bell.watch);
	dp->crew->member[dp->number].dp = NULL;
	dp->crew = NULL;
	dp->env.directory = NULL;
	dp->notices.shared = NULL;
}

/* ---- the bell ---- */

void crew_ring(struct crew_member *m)
{
	const uint64_t one = 1;
	if (!atomic_exchange(&m->bell.is_rung, true) &&
		write(m->bell.watch.fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		BUG("a bell can not be rung");
}

bool crew_read(struct datapath *dp, struct mono now)
{
	bool had_some = false;
	struct crew_member *m = &dp->crew->member[dp->number];
	for (unsigned i = 0; i < m->crew->count; i++) {
		struct slice message;
		for (unsigned n = 0; n < CREW_MESSAGES && m->from[i] != NULL &&
			(message = ring_first(m->from[i])).p != NULL; n++) {
			handover_read(dp, message, now);
			ring_next(m->from[i]);
			had_some = true;
		}
	}
	return had_some;
}

/* It ends: a datagram goes on HOPS_MAX times at most; a session or a flow stays. */
void crew_settle(struct datapath *dp, struct mono now)
{
	bool had_some = dp->crew != NULL;
	while (had_some) {
		had_some = false;
		for (unsigned i = 0; i < dp->crew->count; i++)
			had_some |= crew_read(crew_datapath(dp, i), now);
	}
}

/* ---- all of them ---- */

unsigned crew_count(const struct datapath *dp)
{
	return dp->crew != NULL ? dp->crew->count : 1;
}

struct datapath *crew_datapath(const struct datapath *dp, unsigned i)
{
	return dp->crew != NULL ? dp->crew->member[i].dp : (struct datapath *)(uintptr_t)dp;
}

size_t crew_flows(const struct datapath *dp)
{
	return dp->crew != NULL ? directory_flows(dp->crew->directory) : flows_count(dp->flows);
}

size_t crew_unproven(const struct datapath *dp)
{
	size_t n = 0;
	for (unsigned i = 0; i < crew_count(dp); i++)
		n += crew_datapath(dp, i)->unproven;
	return n;
}

unsigned crew_moves(const struct datapath *dp)
{
	unsigned n = 0;
	for (unsigned i = 0; i < crew_count(dp); i++)
		n += crew_datapath(dp, i)->moves.count;
	return n;
}

struct flow *crew_next_flow(const struct datapath *dp, unsigned *worker, size_t *at)
{
	struct flow *flow = NULL;
	while (*worker < crew_count(dp) &&
		(flow = flow_next(crew_datapath(dp, *worker)->flows, at)) == NULL) {
		++*worker;
		*at = 0;
	}
	return flow;
}

struct flow *crew_flow_of(const struct datapath *dp, const struct route *route)
{
	struct flow *flow = NULL;
	if (dp->crew == NULL)
		return flow_by_id(dp->flows, route->flow);
	for (unsigned i = 0; flow == NULL && i < dp->crew->count; i++) {
		const struct datapath *one = crew_datapath(dp, i);
		const struct route *r = route_find_exact(one->routes, route->endpoint,
			route->server->name, route->is_bootstrap);
		if (r != NULL)
			flow = flow_by_id(one->flows, r->flow);
	}
	return flow;
}

void crew_counters(const struct datapath *dp, struct counters *sum)
{
	*sum = (struct counters){ { 0 }, { 0 } };
	for (unsigned i = 0; i < crew_count(dp); i++) {
		const struct counters *one = &crew_datapath(dp, i)->env.stat;
		for (unsigned k = 0; k < DROP_COUNT; k++)
			sum->drop[k] += one->drop[k];
		for (unsigned k = 0; k < COUNT_COUNT; k++)
			sum->count[k] += one->count[k];
	}
}

size_t crew_held_bytes(const struct datapath *dp)
{
	size_t n = 0;
	for (unsigned i = 0; i < crew_count(dp); i++)
		n += crew_datapath(dp, i)->held.bytes;
	return n;
}

bool crew_is_overloaded(const struct datapath *dp)
{
	bool is = false;
	for (unsigned i = 0; i < crew_count(dp); i++)
		is |= crew_datapath(dp, i)->overload.is_on;
	return is;
}

size_t crew_sessions(const struct datapath *dp, bool is_proven)
{
	size_t n = 0;
	for (unsigned i = 0; i < crew_count(dp); i++)
		n += lan_sessions_count(crew_datapath(dp, i)->sessions, is_proven);
	return n;
}

static void share(struct datapath *dp, const struct server *s, struct mono now)
{
	for (unsigned i = 0; i < dp->crew->count; i++) {
		struct server *other = called_server(crew_datapath(dp, i), s->number);
		if (other != NULL && other != s)
			server_learn(other, s->address, s->addresses, now);
	}
}

void crew_share_servers(struct datapath *dp, struct mono now)
{
	for (unsigned i = 0; dp->crew != NULL && i < dp->crew->count; i++)
		list_each(node, &crew_datapath(dp, i)->servers) {
			struct server *s = container_of(node, struct server, node);
			if (s->is_news)
				share(dp, s, now);
			s->is_news = false;
		}
}

uint16_t crew_port_of(const struct datapath *dp, const struct route *route)
{
	return dp->crew == NULL ? route->port :
				  directory_port(dp->crew->directory, route->endpoint,
					  route->server->name, route->is_bootstrap);
}

/* The worker that has the endpoint, else the one that its device will come to. */
static unsigned home_of(const struct crew *crew, const char *endpoint, const struct addr *device)
{
	unsigned owner = directory_owner(crew->directory, slice_str(endpoint));
	return owner != DIRECTORY_NOBODY ? owner : steer_by_source(&crew->steer, device);
}

bool crew_is_home(const struct datapath *dp, const char *endpoint, const struct addr *device)
{
	return dp->crew == NULL || home_of(dp->crew, endpoint, device) == dp->number;
}

struct datapath *crew_home(struct datapath *dp, const char *endpoint, const char *server,
	bool is_bootstrap, const struct addr *device)
{
	if (dp->crew == NULL)
		return dp;
	const struct route *r = route_find_exact(dp->routes, endpoint, server, is_bootstrap);
	bool is_opaque = r != NULL && r->is_opaque;
	return crew_datapath(dp, is_opaque ? 0 : home_of(dp->crew, endpoint, device));
}

bool crew_knows_cid(const struct datapath *dp, struct slice cid)
{
	struct place place = place_of_cid(cid.p);
	return lan_session_by_cid(dp->sessions, cid) != NULL ||
		directory_place(dp->crew->directory, &place) != DIRECTORY_NOBODY;
}

bool crew_is_host(const struct datapath *dp, const struct lan_key *key)
{
	struct place host = place_of_host(&key->device, key->listener);
	return flow_is_host(dp->flows, key) || (dp->crew != NULL &&
		directory_place(dp->crew->directory, &host) != DIRECTORY_NOBODY);
}

bool crew_is_at_first(const struct datapath *dp, const struct lan_key *key)
{
	struct place place = place_of(&key->device, key->listener, true);
	return directory_place(dp->crew->directory, &place) == 0;
}

void crew_draw_cid(struct datapath *dp)
{
	rand_bytes(dp->next_cid, sizeof(dp->next_cid));
	if (dp->crew != NULL)
		steer_mark(&dp->crew->steer, dp->number, dp->next_cid);
}

/* ---- what the directory is told ---- */

static struct place place_of_key(const struct lan_key *key)
{
	return place_of(&key->device, key->listener, key->identity != 0);
}

/* Without DTLS an address is one worker's: guests and owners of it must meet. With DTLS who was proven last is
 * there. */
static bool enter_place(struct datapath *dp, const struct lan_key *key)
{
	struct place place = place_of_key(key);
	return directory_place_enter(dp->crew->directory, &place, dp->number, key->identity != 0);
}

static void leave_place(struct datapath *dp, const struct lan_key *key)
{
	struct place place = place_of_key(key);
	directory_place_leave(dp->crew->directory, &place, dp->number);
}

/* First the new one: where both are one, nobody shall come between. */
static void move_place(struct datapath *dp, const struct lan_key *from, const struct lan_key *to)
{
	(void)enter_place(dp, to);
	leave_place(dp, from);
}

/* Without memory a host is as unknown as any. */
static void enter_host(struct datapath *dp, const struct lan_key *key)
{
	struct place host = place_of_host(&key->device, key->listener);
	(void)directory_place_enter(dp->crew->directory, &host, dp->number, true);
}

static void leave_host(struct datapath *dp, const struct lan_key *key)
{
	struct place host = place_of_host(&key->device, key->listener);
	directory_place_leave(dp->crew->directory, &host, dp->number);
}

bool crew_enter_flow(struct datapath *dp, struct route *route, const struct lan_key *key)
{
	struct directory *d = dp->crew->directory;
	if (!directory_add_flow(d, flows_most(dp->flows)))
		return false;
	bool has_endpoint = directory_enter(d, route->endpoint, dp->number);
	if (has_endpoint && enter_place(dp, key)) {
		uint16_t port = crew_port_of(dp, route);
		route->port = port != 0 ? port : route->port;
		enter_host(dp, key);
		return true;
	}
	if (has_endpoint)
		directory_leave(d, route->endpoint, dp->number);
	directory_remove_flow(d);
	return false;
}

void crew_leave_flow(struct datapath *dp, const struct route *route, const struct lan_key *key)
{
	struct directory *d = dp->crew->directory;
	leave_place(dp, key);
	leave_host(dp, key);
	if (route->is_dynamic)
		crew_port_is(dp, route, 0);
	directory_leave(d, route->endpoint, dp->number);
	directory_remove_flow(d);
}

void crew_move_flow(struct datapath *dp, const struct lan_key *from, const struct lan_key *to)
{
	move_place(dp, from, to);
	enter_host(dp, to);
	leave_host(dp, from);
}

static struct origin origin_of_key(const struct lan_key *key)
{
	return origin_of(&key->device, key->ifindex, key->listener, key->server);
}

/* With DTLS no Location is asked for. */
void crew_locate_flow(struct datapath *dp, struct flow *flow)
{
	bool is_found = flow->location != NULL && flow->key.identity == 0;
	if (dp->crew == NULL || (!is_found && flow->located == NULL))
		return;
	struct registration now = { origin_of_key(&flow->key), flow->location,
		flow->route->server->number, flow->registered, dp->number };
	if (directory_register(dp->crew->directory, &flow->located, is_found ? &now : NULL))
		return;
	free(flow->location);
	flow->location = NULL;
}

unsigned crew_locates(const struct datapath *dp, const struct lan_key *key, const char *location)
{
	struct origin origin = origin_of_key(key);
	return directory_location(dp->crew->directory, &origin, location);
}

struct flow *crew_flow_by_location(const struct datapath *dp, const struct lan_key *key, const char *location)
{
	if (dp->crew != NULL && crew_locates(dp, key, location) != dp->number)
		return NULL;
	return flow_by_location(dp->flows, key, location);
}

void crew_port_is(struct datapath *dp, const struct route *route, uint16_t port)
{
	directory_set_port(dp->crew->directory, route->endpoint, route->server->name,
		route->is_bootstrap, port);
}

bool crew_enter_session(struct datapath *dp, struct lan_session *s)
{
	struct place cid = place_of_cid(s->cid);
	s->is_entered = directory_enter(dp->crew->directory, s->identity->endpoint, dp->number);
	if (!s->is_entered)
		return false;
	(void)enter_place(dp, &s->key);
	if (s->is_adopted)
		(void)directory_place_enter(dp->crew->directory, &cid, dp->number, true);
	return true;
}

void crew_move_session(struct datapath *dp, const struct lan_session *s, const struct lan_key *to)
{
	if (s->is_entered)
		move_place(dp, &s->key, to);
}

void crew_leave_session(struct datapath *dp, struct lan_session *s)
{
	struct place cid = place_of_cid(s->cid);
	if (!s->is_entered)
		return;
	s->is_entered = false;
	leave_place(dp, &s->key);
	if (s->is_adopted)
		directory_place_leave(dp->crew->directory, &cid, dp->number);
	directory_leave(dp->crew->directory, s->identity->endpoint, dp->number);
}
