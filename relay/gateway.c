/* The daemon: the only list of rooms, climbed at start and descended at the end. */
#include "gateway.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/log.h"
#include "base/machine.h"
#include "closed.h"
#include "conf/conf.h"
#include "confine.h"
#include "control/control.h"
#include "control/state.h"
#include "crew.h"
#include "datapath.h"
#include "loop.h"
#include "intercept.h"
#include "netfilter/rtnl.h"
#include "resolve.h"
#include "wanted.h"
#include "workers.h"

struct gateway {
	struct gateway_spec spec;
	struct conf *conf;          /* only while coming up and reloading */
	struct loop *loop;
	struct resolver *resolver;
	struct datapath *datapath;  /* of the first worker, which is this thread */
	struct workers *workers;    /* the others, or NULL */
	struct intercept *intercept;
	bool is_broken;             /* it can not go on: it leaves, to be started again */
	bool is_disabled;           /* it leaves for good */
	struct rtnl *rtnl;
	struct watch rtnl_watch;
	struct watch signals;
	sigset_t mask_before;       /* put back at the end */
	struct control *control;
	struct state *state;
	size_t rooms;               /* how many are up */
};

/* ---- configuration ---- */

/* Loads the file; faults go to the log, and into said where that is not NULL. */
static struct conf *load(const char *path, struct text *said)
{
	struct conf_faults faults = { 0 };
	struct conf *conf = conf_load(path, &faults);
	for (size_t i = 0; i < faults.count; i++) {
		char line[1024];
		conf_fault_print(&faults.list[i], line, sizeof(line));
		if (faults.list[i].severity == CONF_ERROR)
			log_err("%s", line);
		else
			log_warn("%s", line);
		if (said != NULL)
			text_addf(said, "%s\n", line);
	}
	conf_faults_free(&faults);
	return conf;
}

/* Descriptors and ports that the wished number of endpoints needs; too few is said, not fatal. */
static void check_machine(const struct conf *conf)
{
	char line[256];
	struct machine machine;
	int rc = machine_raise_descriptors();
	if (rc != 0)
		log_warn("gateway: can not raise the limit of descriptors: %s", strerror(-rc));
	machine_read(&machine);
	if (machine_lacks(&machine, conf->gateway.max_endpoints,
		    machine_workers(conf->gateway.workers), line, sizeof(line)))
		log_warn("gateway: %s", line);
}

/* Says why a new configuration is not used. */
static int refuse(const struct gateway *g, struct text *said, int rc)
{
	log_err("gateway: %s is not used (%s), everything stays as it was", g->spec.conf_path,
		strerror(-rc));
	if (said != NULL)
		text_addf(said, "%s is not used (%s), everything stays as it was\n",
			g->spec.conf_path, strerror(-rc));
	return rc;
}

/* Whoever started without the right can not capture later. */
static int check_capture(const struct gateway *g, const struct conf *conf, struct text *said)
{
	static const char text[] = "option intercept: it can not be turned on in this process (%s); start "
		"lwgated anew, with the right CAP_NET_ADMIN";
	if (!intercept_is_asked(conf) || intercept_can(g->intercept))
		return 0;
	const char *why = intercept_status(g->intercept).fault;
	log_err(text, why);
	if (said != NULL) {
		text_addf(said, text, why);
		text_add(said, "\n");
	}
	return -EPERM;
}

/* Threads are made at the start, while there is a right to. */
static void check_workers(const struct gateway *g, const struct conf *conf, struct text *said)
{
	static const char text[] = "option workers: %u are at work, and %u are asked for; right is a restart";
	unsigned now = crew_count(g->datapath), wanted = machine_workers(conf->gateway.workers);
	if (now == wanted)
		return;
	log_warn(text, now, wanted);
	if (said != NULL) {
		text_addf(said, text, now, wanted);
		text_add(said, "\n");
	}
}

/* The configuration is applied to all workers, while the others stand still. */
static int apply(struct gateway *g, const struct conf *conf, struct mono now)
{
	workers_hold(g->workers);
	int rc = wanted_apply(g->datapath, conf, now);
	workers_release(g->workers);
	return rc;
}

static int reload(void *who, struct text *said, struct mono now)
{
	struct gateway *g = who;
	struct conf *conf = load(g->spec.conf_path, said);
	if (conf == NULL)
		return refuse(g, said, -EINVAL);
	if (!conf->gateway.enabled) {
		log_info("gateway: %s says enabled '0' now: leaving", g->spec.conf_path);
		if (said != NULL)
			text_addf(said, "%s says enabled '0' now: the relay leaves\n",
				g->spec.conf_path);
		conf_free(conf);
		g->is_disabled = true;
		loop_stop(g->loop);
		return 0;
	}
	int rc = check_capture(g, conf, said);
	if (rc == 0)
		rc = apply(g, conf, now);
	if (rc == 0) {
		check_workers(g, conf, said);
		log_set_level(conf->gateway.log_level);
		check_machine(conf);
		state_restart(g->state);
		state_changed(g->state);
		log_info("gateway: %s is in use, %zu flows", g->spec.conf_path,
			crew_flows(g->datapath));
	}
	conf_free(conf);
	if (rc == 0)
		return 0;
	if (said != NULL && g->datapath->fault[0] != '\0')
		text_addf(said, "%s\n", g->datapath->fault);
	return refuse(g, said, rc);
}

/* ---- rooms ---- */

static int conf_up(struct gateway *g)
{
	g->conf = load(g->spec.conf_path, NULL);
	if (g->conf == NULL)
		return -EINVAL;
	if (!g->conf->gateway.enabled) {
		log_info("gateway: %s says enabled '0': nothing to do", g->spec.conf_path);
		closed_take_away(g->spec.state_dir);
		conf_free(g->conf);
		g->conf = NULL;
		return 1;
	}
	log_set_level(g->conf->gateway.log_level);
	check_machine(g->conf);
	return 0;
}

static void conf_down(struct gateway *g)
{
	conf_free(g->conf);
	g->conf = NULL;
}

static int loop_up(struct gateway *g)
{
	return loop_create(&g->loop);
}

static void loop_down(struct gateway *g)
{
	loop_free(g->loop);
}

static void signal_came(struct watch *watch, unsigned happened, struct mono now)
{
	(void)happened;
	struct gateway *g = container_of(watch, struct gateway, signals);
	struct signalfd_siginfo info;
	if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP) {
		log_info("gateway: asked to leave");
		loop_stop(g->loop);
	} else if (reload(g, NULL, now) != 0) {
		return; /* refuse has said why */
	}
}

static int signals_up(struct gateway *g)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, &g->mask_before) != 0)
		return -errno;
	sigdelset(&set, SIGPIPE);
	g->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (g->signals.fd < 0)
		return -errno;
	g->signals.ready = signal_came;
	int rc = loop_watch(g->loop, &g->signals, LOOP_READ);
	if (rc != 0)
		close(g->signals.fd);
	return rc;
}

static void signals_down(struct gateway *g)
{
	loop_unwatch(g->loop, &g->signals);
	close(g->signals.fd);
	sigprocmask(SIG_SETMASK, &g->mask_before, NULL);
}

static int resolver_up(struct gateway *g)
{
	return resolver_create(&g->resolver, g->loop);
}

static void resolver_down(struct gateway *g)
{
	resolver_free(g->resolver);
}

static void routes_changed(void *who)
{
	struct gateway *g = who;
	if (g->state != NULL)
		state_changed(g->state);
}

static void sockets_changed(void *who)
{
	struct gateway *g = who;
	if (g->intercept != NULL)
		intercept_look(g->intercept, loop_now(g->loop));
}

/* A relay with half of its workers would be worse than one that is started again. */
static void worker_broken(void *who)
{
	struct gateway *g = who;
	g->is_broken = true;
	loop_stop(g->loop);
}

static int make_workers(struct gateway *g)
{
	struct workers_spec spec = { .first = g->datapath,
		.count = machine_workers(g->conf->gateway.workers), .changed = routes_changed,
		.looked = sockets_changed, .broken = worker_broken, .who = g };
	return spec.count > 1 ? workers_create(&g->workers, &spec) : 0;
}

static void datapath_room_down(struct gateway *g)
{
	workers_free(g->workers);
	g->workers = NULL;
	datapath_free(g->datapath);
}

static int datapath_room_up(struct gateway *g)
{
	int rc = datapath_create(&g->datapath, g->loop, g->resolver, routes_changed, g);
	if (rc == 0)
		rc = make_workers(g);
	if (rc == 0)
		rc = wanted_apply(g->datapath, g->conf, loop_now(g->loop));
	if (rc != 0)
		datapath_room_down(g);
	return rc;
}

/* Without lwgate-net there is no interception, and nobody here can start it again. */
static void capture_broken(void *who)
{
	struct gateway *g = who;
	g->is_broken = true;
	loop_stop(g->loop);
}

static int capture_up(struct gateway *g)
{
	struct intercept_spec spec = { .datapath = g->datapath, .workers = g->workers, .dir = g->spec.state_dir,
		.broken = capture_broken, .who = g };
	return intercept_create(&g->intercept, &spec, intercept_is_asked(g->conf));
}

/* What drops while nobody serves goes only with the service. */
static void capture_down(struct gateway *g)
{
	intercept_free(g->intercept, !g->is_disabled);
	g->intercept = NULL;
}

static void route_event(struct watch *watch, unsigned happened, struct mono now)
{
	(void)happened;
	struct gateway *g = container_of(watch, struct gateway, rtnl_watch);
	int rc = rtnl_read(g->rtnl);
	if (rc > 0 && g->workers != NULL)
		workers_addresses_changed(g->workers, now);
	else if (rc > 0)
		datapath_addresses_changed(g->datapath, now);
	if (rc >= 0)
		return;
	log_err("gateway: route events are lost from now on: %s", strerror(-rc));
	loop_unwatch(g->loop, &g->rtnl_watch);
}

static int rtnl_up(struct gateway *g)
{
	int rc = rtnl_open(&g->rtnl);
	if (rc != 0)
		return rc;
	g->rtnl_watch.fd = rtnl_fd(g->rtnl);
	g->rtnl_watch.ready = route_event;
	rc = loop_watch(g->loop, &g->rtnl_watch, LOOP_READ);
	if (rc != 0)
		rtnl_close(g->rtnl);
	return rc;
}

static void rtnl_down(struct gateway *g)
{
	loop_unwatch(g->loop, &g->rtnl_watch);
	rtnl_close(g->rtnl);
}

static int state_up(struct gateway *g)
{
	struct state_spec spec = { .datapath = g->datapath, .workers = g->workers, .dir = g->spec.state_dir,
		.wall = loop_wall };
	int rc = state_create(&g->state, &spec);
	if (rc == 0)
		state_load(g->state, loop_now(g->loop));
	return rc;
}

static void state_down(struct gateway *g)
{
	if (state_save(g->state, loop_now(g->loop)) != 0)
		log_warn("gateway: the routing table is lost with this stop");
	state_free(g->state);
	g->state = NULL;
}

static int control_up(struct gateway *g)
{
	struct control_spec spec = { .datapath = g->datapath, .workers = g->workers, .path = g->spec.socket_path,
		.config = g->spec.conf_path, .intercept = g->intercept, .state = state_path(g->state),
		.started = loop_now(g->loop), .reload = reload, .who = g };
	return control_create(&g->control, &spec);
}

static void control_down(struct gateway *g)
{
	control_free(g->control);
}

/* Threads have the rights that are left when they are made. They stand still until all is up. */
static int threads_up(void *who)
{
	struct gateway *g = who;
	return workers_start(g->workers);
}

static int rights_up(struct gateway *g)
{
	int rc = g->spec.keeps_rights ? threads_up(g) : confine(threads_up, g);
	if (rc != 0)
		workers_stop(g->workers);
	else if (!g->spec.keeps_rights)
		confine_check_reload(g->spec.conf_path);
	return rc;
}

/* What was given up does not come back. From here on this thread is alone. */
static void rights_down(struct gateway *g)
{
	workers_stop(g->workers);
}

/* ---- the house ---- */

/* All rooms, from the ground up. A room that fails to come up cleans up after itself. */
static const struct room {
	const char *name;
	int (*up)(struct gateway *g);
	void (*down)(struct gateway *g);
} rooms[] = {
	{ "configuration", conf_up, conf_down },
	{ "loop", loop_up, loop_down },
	{ "signals", signals_up, signals_down },
	{ "names", resolver_up, resolver_down },
	{ "relay", datapath_room_up, datapath_room_down },
	{ "interception", capture_up, capture_down },
	{ "route events", rtnl_up, rtnl_down },
	{ "state file", state_up, state_down },
	{ "control socket", control_up, control_down },
	{ "rights", rights_up, rights_down }, /* the last: all others need some to come up */
};

void gateway_down(struct gateway *g)
{
	if (g == NULL)
		return;
	while (g->rooms > 0)
		rooms[--g->rooms].down(g);
	free(g);
}

int gateway_up(struct gateway **gateway, const struct gateway_spec *spec)
{
	struct gateway *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return -ENOMEM;
	g->spec = *spec;
	for (; g->rooms < sizeof(rooms) / sizeof(rooms[0]); g->rooms++) {
		int rc = rooms[g->rooms].up(g);
		if (rc == 0)
			continue;
		if (rc < 0)
			log_err("gateway: can not start: %s: %s", rooms[g->rooms].name,
				strerror(-rc));
		gateway_down(g);
		return rc;
	}
	conf_free(g->conf);
	g->conf = NULL;
	if (g->workers != NULL)
		workers_release(g->workers); /* they were made held */
	*gateway = g;
	return 0;
}

int gateway_run(struct gateway *g)
{
	log_info("gateway: ready, version %s, %zu flows, %u workers", LWGATE_VERSION,
		crew_flows(g->datapath), crew_count(g->datapath));
	int rc = loop_run(g->loop);
	if (rc != 0)
		log_err("gateway: the loop broke: %s", strerror(-rc));
	return rc == 0 && g->is_broken ? -EPIPE : rc;
}

void gateway_stop(struct gateway *g)
{
	loop_stop(g->loop);
}
