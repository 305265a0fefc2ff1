/* Interception at work.
 *
 *   asleep    nothing was ever wanted: lwgate-net is its guard alone
 *   waking    a worker was asked for                         -> on_ready: awake
 *   awake     what is wanted was sent, and is answered       -> on_done; a new worker: on_ready again
 *   gone      lwgate-net has ended                           only a start of ours brings it back
 *
 * LAN sockets stay lwgated's: lwgate-net makes them transparent where they are. */
#include "intercept.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/log.h"
#include "called.h"
#include "closed.h"
#include "conf/conf.h"
#include "crew.h"
#include "datapath.h"
#include "limits.h"
#include "netfilter/helper.h"
#include "udp.h"
#include "wanted.h"
#include "workers.h"

/* Before what the kernel refused is tried again, ms; doubled each time. */
#define RETRY_MS      1000
#define RETRY_LAST_MS 60000
/* Sockets that are sent before the first is answered: neither side may wait for the other to read. */
#define SOCKETS_UNDER_WAY 100

struct intercept {
	struct intercept_spec spec;
	struct datapath *dp;
	char program[256];
	struct helper *helper;
	struct watch watch;
	struct flush flush;
	struct timer again;         /* what was refused is tried again */
	int64_t retry_ms;
	bool is_awake, is_ready, is_gone; /* see above */
	bool is_done;               /* the last generation is in the kernel */
	bool has_sent;              /* sent counts */
	bool has_more;              /* sockets wait until others have been answered */
	bool is_told;               /* that there are too many addresses */
	uint32_t generation;
	struct capture sent, next;
	struct capture_counts counts; /* of this worker, as told last */
	char fault[CAPTURE_TEXT];
};

/* ---- what is wanted ---- */

static void add_link(struct capture_listen *to, const char *name)
{
	for (size_t i = 0; i < to->interface_count; i++)
		if (strcmp(to->interface[i], name) == 0)
			return;
	if (to->interface_count < CAPTURE_INTERFACES)
		snprintf(to->interface[to->interface_count++], IF_NAMESIZE, "%s", name);
}

static void add_port(struct capture_listen *to, uint16_t port)
{
	for (size_t i = 0; i < to->port_count; i++)
		if (to->port[i] == port)
			return;
	if (to->port_count < CAPTURE_PORTS)
		to->port[to->port_count++] = port;
}

/* Without port, and without what the compiler leaves between members: wanted states are compared. */
static void add_server(struct capture_listen *to, const struct addr *address)
{
	for (size_t i = 0; i < to->server_count; i++)
		if (addr_same_host(&to->server[i], address))
			return;
	if (to->server_count == CAPTURE_SERVERS)
		return;
	struct addr *a = &to->server[to->server_count++];
	memcpy(a->ip, address->ip, sizeof(a->ip));
	a->scope = address->scope;
}

/* Where there are too many, former ones are left out. */
static void add_servers(struct capture_listen *to, const struct datapath *dp, struct mono now)
{
	struct list *servers = &((struct datapath *)(uintptr_t)dp)->servers;
	list_each(node, servers) {
		const struct server *s = container_of(node, struct server, node);
		for (size_t i = 0; i < s->addresses; i++)
			add_server(to, &s->address[i]);
	}
	list_each(node, servers) {
		const struct server *s = container_of(node, struct server, node);
		for (size_t i = 0; i < s->formers; i++)
			if (!mono_reached(s->former[i].until, now))
				add_server(to, &s->former[i].address);
	}
}

static void want_listener(const struct datapath *dp, struct listener *l, struct mono now,
	struct capture_listen *to)
{
	to->is_narrow = l->is_narrow;
	to->is_closed = l->is_closed;
	list_each(node, &l->ports) {
		const struct lan_port *p = container_of(node, struct lan_port, node);
		if (p->interface != NULL)
			add_link(to, p->interface);
		add_port(to, p->bound.port);
	}
	for (unsigned k = 0; l->is_narrow && k < crew_count(dp); k++)
		add_servers(to, crew_datapath(dp, k), now); /* workers look names up by themselves */
}

void intercept_want(const struct datapath *dp, struct mono now, struct capture *capture)
{
	struct listener *l;
	memset(capture, 0, sizeof(*capture));
	capture->mark = dp->mark;
	capture->mask = dp->mark_mask;
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;)
		if (l->intercepts && !list_is_empty(&l->ports) &&
			capture->listen_count < CAPTURE_LISTENS)
			want_listener(dp, l, now, &capture->listen[capture->listen_count++]);
}

bool intercept_is_asked(const struct conf *conf)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		if (conf->listen[i].intercept)
			return true;
	return false;
}

/* ---- what outlives us ---- */

static bool drops_without_us(const struct capture *c)
{
	for (size_t i = 0; i < c->listen_count; i++)
		if (c->listen[i].is_closed)
			return true;
	return false;
}

/* ---- to lwgate-net ---- */

/* Something can not be had now, and may be later. Many sockets may be refused at once: the first one is told. */
static void later(struct intercept *i, const char *why)
{
	if (i->again.place != 0)
		return;
	snprintf(i->fault, sizeof(i->fault), "%s", why);
	log_err("capture: %s; next try in %lld s", why, (long long)i->retry_ms / 1000);
	timer_arm(i->dp->env.timers, &i->again,
		mono_add(loop_now(i->dp->env.loop), i->retry_ms));
	i->retry_ms = i->retry_ms * 2 < RETRY_LAST_MS ? i->retry_ms * 2 : RETRY_LAST_MS;
}

static bool is_to_send(const struct listener *l, const struct lan_port *p)
{
	return l->intercepts && p->fd >= 0 && !p->is_transparent && !p->is_asked;
}

/* Names a socket of a worker towards lwgate-net: workers number theirs alike. */
#define WORKER_SHIFT 26

static uint32_t id_of(const struct lan_port *p)
{
	return p->worker << WORKER_SHIFT | (p->number & ((1U << WORKER_SHIFT) - 1));
}

/* Counts those of a worker that were asked for; the first that is to become transparent, or NULL. */
static struct lan_port *next_of(const struct datapath *dp, size_t *asked)
{
	struct listener *l;
	struct lan_port *first = NULL;
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;) {
		list_each(node, &l->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			*asked += p->is_asked;
			if (first == NULL && is_to_send(l, p))
				first = p;
		}
	}
	return first;
}

/* The same of all workers. */
static struct lan_port *next_socket(const struct intercept *i, size_t *asked)
{
	struct lan_port *first = NULL;
	*asked = 0;
	for (unsigned k = 0; k < crew_count(i->dp); k++) {
		struct lan_port *p = next_of(crew_datapath(i->dp, k), asked);
		first = first == NULL ? p : first;
	}
	return first;
}

/* False while some are still to be sent: rules without them would wait for nobody. */
static bool send_sockets(struct intercept *i)
{
	size_t asked;
	struct lan_port *p;
	while ((p = next_socket(i, &asked)) != NULL && asked < SOCKETS_UNDER_WAY) {
		int rc = helper_socket(i->helper, id_of(p), p->fd);
		p->is_asked = rc == 0;
		if (rc != 0 && rc != -ENOTCONN)
			later(i, strerror(-rc));
		if (rc != 0)
			return true;
	}
	i->has_more = p != NULL;
	return p == NULL;
}

static void send_state(struct intercept *i)
{
	if (i->has_sent && memcmp(&i->next, &i->sent, sizeof(i->next)) == 0)
		return;
	i->sent = i->next;
	i->has_sent = true;
	i->is_done = false;
	i->next.generation = ++i->generation;
	/* It may be there before we hear of it. */
	if (drops_without_us(&i->next))
		closed_note(i->spec.dir, true);
	int rc = helper_set(i->helper, &i->next);
	if (rc != 0 && rc != -ENOTCONN) { /* that is told by on_gone */
		i->has_sent = false;
		later(i, strerror(-rc));
	}
}

static void tell_full(struct intercept *i)
{
	bool is_full = false;
	for (size_t k = 0; k < i->next.listen_count; k++)
		is_full |= i->next.listen[k].server_count == CAPTURE_SERVERS;
	if (is_full && !i->is_told)
		log_warn("capture: %d addresses of servers are known by now, which is as many as foreign "
			"'pass' captures; calls to others pass by; right is foreign 'refuse'", CAPTURE_SERVERS);
	i->is_told = is_full;
}

static void update(struct intercept *i, struct mono now)
{
	if (i->is_gone)
		return;
	intercept_want(i->dp, now, &i->next);
	tell_full(i);
	if (!i->is_awake && (i->next.listen_count > 0 || closed_is_left(i->spec.dir)))
		i->is_awake = helper_wake(i->helper) == 0;
	if (!i->is_ready)
		return;
	if (send_sockets(i))
		send_state(i);
}

static bool is_changed(struct datapath *dp)
{
	bool is = dp->env.servers_changed || dp->ports_changed;
	dp->env.servers_changed = dp->ports_changed = false;
	return is;
}

void intercept_look(struct intercept *i, struct mono now)
{
	bool is = false;
	crew_share_servers(i->dp, now);
	for (unsigned k = 0; k < crew_count(i->dp); k++)
		is |= is_changed(crew_datapath(i->dp, k));
	for (unsigned k = 0; is && k < crew_count(i->dp); k++)
		called_forget(crew_datapath(i->dp, k));
	if (is)
		update(i, now);
}

static void flush_run(struct flush *flush, struct mono now)
{
	struct intercept *i = container_of(flush, struct intercept, flush);
	if (!i->dp->env.servers_changed && !i->dp->ports_changed)
		return;
	workers_hold(i->spec.workers);
	intercept_look(i, now);
	workers_release(i->spec.workers);
}

static void again(struct timer *timer, struct mono now)
{
	struct intercept *i = container_of(timer, struct intercept, again);
	i->has_sent = i->is_done && i->has_sent;
	workers_hold(i->spec.workers);
	update(i, now);
	workers_release(i->spec.workers);
}

/* ---- from lwgate-net ---- */

static void forget_asked(const struct datapath *dp)
{
	struct listener *l;
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;)
		list_each(node, &l->ports)
			container_of(node, struct lan_port, node)->is_asked = false;
}

static void on_ready(void *arg)
{
	struct intercept *i = arg;
	i->is_awake = i->is_ready = true;
	i->has_sent = i->is_done = false;
	i->counts = (struct capture_counts){ 0 };
	for (unsigned k = 0; k < crew_count(i->dp); k++)
		forget_asked(crew_datapath(i->dp, k));
	i->dp->ports_changed = true;
}

static struct lan_port *port_of(const struct datapath *first, uint32_t id)
{
	struct listener *l;
	uint32_t worker = id >> WORKER_SHIFT;
	if (worker >= crew_count(first))
		return NULL;
	const struct datapath *dp = crew_datapath(first, worker);
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;) {
		list_each(node, &l->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (id_of(p) == id)
				return p;
		}
	}
	return NULL;
}

/* All is as it is wanted. */
static void settle(struct intercept *i)
{
	size_t asked;
	if (!i->is_done || next_socket(i, &asked) != NULL)
		return;
	i->fault[0] = '\0';
	i->retry_ms = RETRY_MS;
	timer_disarm(i->dp->env.timers, &i->again);
}

static void on_socket(void *arg, uint32_t id, int code)
{
	struct intercept *i = arg;
	char why[CAPTURE_TEXT], at[ADDR_TEXT];
	struct lan_port *p = port_of(i->dp, id);
	i->dp->ports_changed |= i->has_more;
	if (p == NULL)
		return; /* it was closed meanwhile */
	p->is_asked = false;
	p->is_transparent = code == 0;
	if (code == 0) {
		settle(i);
		return;
	}
	snprintf(why, sizeof(why), "the socket at %s can not be made transparent: %s",
		addr_print(&p->bound, at), strerror(-code));
	later(i, why);
}

/* Sockets that capture nothing any more hear their own addresses only. */
static void make_ordinary(struct datapath *dp)
{
	struct listener *l;
	for (size_t at = 0; (l = wanted_listener(dp, &at)) != NULL;) {
		list_each(node, &l->ports) {
			struct lan_port *p = container_of(node, struct lan_port, node);
			if (!l->intercepts && p->is_transparent)
				p->is_transparent = p->fd >= 0 && udp_set_ordinary(p->fd) != 0;
		}
	}
}

static void tell_done(const struct capture *c)
{
	if (c->listen_count == 0)
		log_info("capture: nothing is captured");
	for (size_t i = 0; i < c->listen_count; i++) {
		char text[512] = "";
		const struct capture_listen *l = &c->listen[i];
		size_t n = 0;
		for (size_t k = 0; k < l->port_count && n < sizeof(text); k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %u", l->port[k]);
		for (size_t k = 0; k < l->interface_count && n < sizeof(text); k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", k == 0 ? " from " : ", ",
				l->interface[k]);
		log_info("capture: UDP%s%s is captured", text, l->is_narrow ? " to the servers" : "");
	}
}

static void on_done(void *arg, uint32_t generation, int code, const char *text)
{
	struct intercept *i = arg;
	if (generation != i->generation)
		return;
	if (code != 0) {
		i->has_sent = false;
		later(i, text);
		return;
	}
	i->is_done = true;
	settle(i);
	closed_note(i->spec.dir, drops_without_us(&i->sent));
	for (unsigned k = 0; k < crew_count(i->dp); k++)
		make_ordinary(crew_datapath(i->dp, k));
	tell_done(&i->sent);
}

static void on_counts(void *arg, const struct capture_counts *counts)
{
	struct intercept *i = arg;
	uint64_t *count = i->dp->env.stat.count;
	count[COUNT_CAPTURE_RULES] += counts->rules - i->counts.rules;
	count[COUNT_CAPTURE_ROUTES] += counts->routes - i->counts.routes;
	count[COUNT_CAPTURE_TABLES] += counts->tables - i->counts.tables;
	count[COUNT_CAPTURE_FLOWS] += counts->flows - i->counts.flows;
	if (counts->rules + counts->routes + counts->tables >
		i->counts.rules + i->counts.routes + i->counts.tables)
		notice(&i->dp->notices, NOTICE_MENDED, LOG_LEVEL_WARN, loop_now(i->dp->env.loop),
			"capture: somebody removed what was ours from the kernel: it was mended (%u "
			"policy rules, %u routes, %u tables so far)", counts->rules, counts->routes,
			counts->tables);
	i->counts = *counts;
}

static void on_gone(void *arg, const char *why)
{
	struct intercept *i = arg;
	bool is_wanted = i->next.listen_count > 0, was_ready = i->is_ready;
	i->is_gone = true;
	i->is_ready = i->is_done = false;
	loop_unwatch(i->dp->env.loop, &i->watch);
	timer_disarm(i->dp->env.timers, &i->again);
	snprintf(i->fault, sizeof(i->fault), "%s", why);
	if (is_wanted && was_ready) {
		log_err("capture: %s; nobody without rights can start it again, so lwgated leaves", why);
		i->spec.broken(i->spec.who);
	} else if (is_wanted) { /* asked for by a reload: who calls us is served as before */
		log_err("capture: %s; nothing is captured until lwgated is started anew", why);
	}
}

static const struct helper_events events = { .on_ready = on_ready, .on_done = on_done,
	.on_socket = on_socket, .on_counts = on_counts, .on_gone = on_gone };

static void is_readable(struct watch *watch, unsigned happened, struct mono now)
{
	(void)happened;
	(void)now;
	struct intercept *i = container_of(watch, struct intercept, watch);
	workers_hold(i->spec.workers);
	helper_read(i->helper);
	workers_release(i->spec.workers);
}

/* ---- life ---- */

const char *intercept_program(char *path, size_t size)
{
	static const char name[] = "lwgate-net";
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n <= 0 || (size_t)n + sizeof(name) > size)
		n = snprintf(path, size, "/usr/sbin/");
	snprintf(path + n, size - (size_t)n, "%s", name);
	return path;
}

/* A program that we start would have the right. Where it has it from its file, it is started when it is
 * needed. */
static bool has_right(void)
{
	return (geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_NET_ADMIN, 0, 0, 0) == 1) ||
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_ADMIN, 0, 0) == 1;
}

/* Waits for the first worker, so that what hinders it is told where the gateway starts. */
static int wait_ready(struct intercept *i)
{
	int rc = helper_wake(i->helper);
	i->is_awake = rc == 0;
	while (rc == 0 && !i->is_ready && !i->is_gone)
		rc = helper_wait(i->helper, CAPTURE_START_MS);
	if (i->is_ready)
		return 0;
	log_err("capture: %s does not come up: %s", i->program,
		i->fault[0] != '\0' ? i->fault : strerror(-rc));
	return i->is_gone ? -EPERM : rc;
}

static int start(struct intercept *i, bool is_needed)
{
	i->is_gone = true;
	if (!is_needed && !has_right()) {
		snprintf(i->fault, sizeof(i->fault), "lwgated was started without the right to capture");
		return 0;
	}
	int rc = helper_start(i->helper);
	if (rc == 0) {
		i->is_gone = false;
		i->watch.fd = helper_fd(i->helper);
		rc = loop_watch(i->dp->env.loop, &i->watch, LOOP_READ);
	} else {
		snprintf(i->fault, sizeof(i->fault), "lwgate-net can not be started: %s", strerror(-rc));
		if (is_needed)
			log_err("capture: %s: %s", i->program, i->fault);
	}
	if (!is_needed)
		return i->is_gone ? 0 : rc;
	return rc == 0 ? wait_ready(i) : rc;
}

int intercept_create(struct intercept **intercept, const struct intercept_spec *spec, bool is_needed)
{
	struct intercept *i = calloc(1, sizeof(*i));
	if (i == NULL)
		return -ENOMEM;
	i->spec = *spec;
	i->dp = spec->datapath;
	i->retry_ms = RETRY_MS;
	i->watch.ready = is_readable;
	i->watch.fd = -1;
	i->flush.run = flush_run;
	i->again.fire = again;
	if (spec->program != NULL)
		snprintf(i->program, sizeof(i->program), "%s", spec->program);
	else
		intercept_program(i->program, sizeof(i->program));
	int rc = timers_hold(i->dp->env.timers, 1);
	if (rc != 0) {
		free(i);
		return rc;
	}
	loop_on_flush(i->dp->env.loop, &i->flush);
	rc = helper_create(&i->helper, i->program, &events, i);
	if (rc == 0)
		rc = start(i, is_needed);
	if (rc != 0) {
		intercept_free(i, true);
		return rc;
	}
	*intercept = i;
	return 0;
}

void intercept_free(struct intercept *i, bool keep_closed)
{
	if (i == NULL)
		return;
	loop_unwatch(i->dp->env.loop, &i->watch);
	timer_disarm(i->dp->env.timers, &i->again);
	timers_release(i->dp->env.timers, 1);
	list_remove(&i->flush.node);
	if (i->helper != NULL)
		helper_stop(i->helper, keep_closed);
	if (!keep_closed && !i->is_gone)
		closed_note(i->spec.dir, false);
	helper_free(i->helper);
	free(i);
}

bool intercept_can(const struct intercept *i)
{
	return !i->is_gone;
}

struct intercept_status intercept_status(const struct intercept *i)
{
	if (i == NULL)
		return (struct intercept_status){ .fault = "" };
	return (struct intercept_status){ .is_wanted = i->next.listen_count > 0,
		.is_captured = i->is_done, .fault = i->fault };
}
