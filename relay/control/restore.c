/* The state file, read at start. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "control/rows.h"
#include "control/state.h"
#include "crew.h"
#include "datapath.h"
#include "state_int.h"

/* A clock that says less than this, 2020-01-01, was never set. */
#define CLOCK_SET 1577836800

/* What a restore has done so far. */
struct restore {
	struct datapath *dp;
	struct mono now;
	int64_t down_ms;    /* how long nobody relayed */
	unsigned flows;     /* restored */
	unsigned ports;     /* remembered for routes without flow */
	unsigned unwanted;  /* rows that the configuration has no use for */
	unsigned refused;   /* flows for which there was no room, or whose address is taken */
	uint32_t ifindex;   /* of the interface that was looked up last */
	char interface[IF_NAMESIZE];
};

/* ---- a broken file ---- */

/* The name for the next broken file: a free one, else the oldest. False when there is no memory. */
static bool broken_name(const struct state *s, char **name)
{
	struct timespec oldest = { 0, 0 };
	*name = NULL;
	for (unsigned i = 1; i <= STATE_BROKEN_KEPT; i++) {
		struct stat st;
		char *path;
		if (asprintf(&path, "%s.broken-%u", s->path, i) < 0)
			break;
		bool is_free = lstat(path, &st) != 0;
		bool is_older = !is_free && (st.st_ctim.tv_sec < oldest.tv_sec ||
			(st.st_ctim.tv_sec == oldest.tv_sec && st.st_ctim.tv_nsec < oldest.tv_nsec));
		if (is_free || *name == NULL || is_older) {
			free(*name);
			*name = path;
			oldest = is_free ? oldest : st.st_ctim;
		} else {
			free(path);
		}
		if (is_free)
			break;
	}
	return *name != NULL;
}

static void set_aside(const struct state *s, const struct rows_fault *fault)
{
	char *name;
	if (!broken_name(s, &name)) {
		log_err("state: %s:%u: %s; there is no memory to set it aside", s->path, fault->line,
			fault->text);
		return;
	}
	log_err("state: %s:%u: %s; the file is set aside as %s and nothing of it is used", s->path,
		fault->line, fault->text, name);
	if (rename(s->path, name) != 0)
		log_err("state: can not set it aside: %s", strerror(errno));
	free(name);
}

/* ---- a good one ---- */

/* The interface's number today, 0 when it is not there. */
static uint32_t ifindex_of(struct restore *r, const char *interface)
{
	if (r->ifindex == 0 || strcmp(r->interface, interface) != 0) {
		snprintf(r->interface, sizeof(r->interface), "%s", interface);
		r->ifindex = if_nametoindex(interface);
	}
	return r->ifindex;
}

/* Puts today's interface numbers into a row; false when an interface is gone. */
static bool set_interfaces(struct restore *r, const struct row *row, struct life_saved *saved)
{
	if (row->zone != NULL && (saved->device.scope = ifindex_of(r, row->zone)) == 0)
		return false;
	if (row->interface != NULL && (saved->ifindex = ifindex_of(r, row->interface)) == 0)
		return false;
	if (addr_is_link_local(&saved->called))
		saved->called.scope = saved->ifindex;
	return true;
}

/* Remembers the source port of a route that has no flow. */
static void restore_port(struct restore *r, const struct life_saved *saved)
{
	struct route *route = route_find_exact(r->dp->routes, saved->endpoint, saved->server,
		saved->is_bootstrap);
	if (route == NULL) {
		r->unwanted++;
		return;
	}
	if (route->port == 0)
		route->port = saved->port;
	if (r->dp->crew != NULL)
		crew_port_is(r->dp, route, saved->port);
	r->ports++;
}

static void restore_flow(struct restore *r, const struct life_saved *saved)
{
	int64_t delay = (int64_t)r->flows * 1000 / RESTORE_PER_SECOND;
	struct datapath *dp = crew_home(r->dp, saved->endpoint, saved->server, saved->is_bootstrap,
		&saved->device);
	switch (life_restore(dp, saved, delay, r->now)) {
	case 0:
		r->flows++;
		return;
	case -ENOENT:
		r->unwanted++;
		return;
	default:
		r->refused++;
	}
}

/* A registration that ended while nobody relayed leaves its port, as does a flow whose interface is
 * gone. */
static void restore_row(void *who, const struct row *row)
{
	struct restore *r = who;
	struct life_saved saved = row->saved;
	bool is_flow = row->kind == ROW_FLOW && set_interfaces(r, row, &saved);
	if (is_flow && saved.expires_in_ms >= 0) {
		saved.expires_in_ms -= r->down_ms;
		is_flow = saved.expires_in_ms > 0;
	}
	if (is_flow)
		restore_flow(r, &saved);
	else
		restore_port(r, &saved);
}

/* Milliseconds since the file was written; 0 when the clock can not be trusted. */
static int64_t down_ms(const struct state *s, int64_t saved_at)
{
	int64_t wall = s->wall();
	int64_t longest = (int64_t)UINT32_MAX + LIFETIME_GRACE_S;
	if (saved_at < CLOCK_SET || wall < saved_at)
		return 0;
	return (wall - saved_at < longest ? wall - saved_at : longest) * 1000;
}

static int load(struct state *s, FILE *file, struct mono now, struct rows_fault *fault)
{
	struct restore r = { .dp = s->dp, .now = now };
	int64_t saved_at;
	int rc = rows_read(file, &saved_at, NULL, NULL, fault);
	if (rc != 0)
		return rc;
	r.down_ms = down_ms(s, saved_at);
	rewind(file);
	rc = rows_read(file, &saved_at, restore_row, &r, fault);
	log_info("state: %u flows are restored, %u source ports remembered, %u rows of no use now, "
		"%u without room", r.flows, r.ports, r.unwanted, r.refused);
	return rc;
}

void state_load(struct state *s, struct mono now)
{
	struct rows_fault fault;
	int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (file == NULL && errno == ENOENT) {
		log_info("state: %s is not there: a first start", s->path);
		return;
	}
	if (file == NULL) {
		log_err("state: can not read %s: %s", s->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	int rc = load(s, file, now, &fault);
	fclose(file);
	if (rc == -EINVAL)
		set_aside(s, &fault);
	else if (rc != 0)
		log_err("state: can not read %s: %s", s->path, strerror(-rc));
}
