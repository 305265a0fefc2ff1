/* The state file, written.
 *
 *   phase   means                          left when
 *   IDLE    the timer waits for a change   it fires -> FLOWS
 *   FLOWS   rows of flows, some a wake-up  all were seen -> PORTS
 *   PORTS   rows of routes without flow    all were seen, the file has its name -> IDLE
 *
 * Flows that begin while a save is under way are left to the next one, so that none stands twice.
 */
#include "state.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/log.h"
#include "base/user.h"
#include "control/folder.h"
#include "control/row.h"
#include "crew.h"
#include "datapath.h"
#include "state_int.h"
#include "workers.h"

/* ---- when ---- */

/* The pause before the next save. */
static int64_t pause_ms(const struct state *s)
{
	int64_t ms = (int64_t)s->rows_last * STATE_ROW_US * STATE_SHARE / 1000;
	return ms > STATE_AFTER_MS ? ms : STATE_AFTER_MS;
}

static void arm(struct state *s, int64_t ms)
{
	struct env *env = &s->dp->env;
	timer_arm(env->timers, &s->timer, mono_add(loop_now(env->loop), ms));
}

void state_changed(struct state *s)
{
	if (s == NULL || s->is_wanted)
		return;
	s->is_wanted = true;
	if (s->phase == STATE_IDLE)
		arm(s, s->is_failing ? STATE_RETRY_MS : pause_ms(s));
}

/* ---- the file ---- */

/* Gives up the file that is being written. */
static void abandon(struct state *s)
{
	if (s->phase == STATE_IDLE)
		return;
	close(s->fd);
	unlinkat(s->lock, STATE_NEW, 0);
	text_fini(&s->text);
	s->phase = STATE_IDLE;
}

static void failed(struct state *s, int rc)
{
	abandon(s);
	if (!s->is_failing)
		log_err("state: can not write %s: %s", s->path_new, strerror(-rc));
	s->is_failing = true;
}

static int write_out(struct state *s)
{
	if (s->text.broken)
		return -ENOMEM;
	for (size_t done = 0; done < s->text.n;) {
		ssize_t n = write(s->fd, s->text.p + done, s->text.n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	text_eat(&s->text, s->text.n);
	return 0;
}

int state_lock(struct state *s)
{
	if (s->lock >= 0)
		return 0;
	int rc = folder_make(s->dir);
	if (rc != 0)
		return rc;
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return rc;
	}
	s->lock = fd;
	return 0;
}

static int begin(struct state *s, struct mono now)
{
	int rc = state_lock(s);
	if (rc != 0)
		return rc;
	unlinkat(s->lock, STATE_NEW, 0); /* one of a daemon that was killed */
	s->fd = openat(s->lock, STATE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return -errno;
	s->phase = STATE_FLOWS;
	s->is_wanted = false;
	s->began = now;
	s->worker = 0;
	s->at = 0;
	s->rows = 0;
	s->ifindex = 0;
	struct row header = { .kind = ROW_HEADER, .saved_at = s->wall() };
	row_write(&s->text, &header);
	return 0;
}

static int take_name(struct state *s, bool to_disk)
{
	if (to_disk && fsync(s->fd) != 0)
		return -errno;
	if (renameat(s->lock, STATE_NEW, s->lock, STATE_FILE) != 0)
		return -errno;
	if (to_disk && fsync(s->lock) != 0)
		return -errno;
	return 0;
}

static int finish(struct state *s, bool to_disk)
{
	struct row end = { .kind = ROW_END, .rows = s->rows };
	row_write(&s->text, &end);
	int rc = write_out(s);
	if (rc == 0)
		rc = take_name(s, to_disk);
	if (rc != 0)
		return rc;
	if (close(s->fd) != 0)
		log_warn("state: %s: %s", s->path, strerror(errno));
	if (s->is_failing)
		log_info("state: %s can be written again", s->path);
	text_fini(&s->text);
	s->is_failing = false;
	s->rows_last = (size_t)s->rows;
	s->phase = STATE_IDLE;
	return 0;
}

/* ---- rows ---- */

/* The name of an interface, valid until the next call; NULL when it has none. Asking the kernel costs
 * more than the rest of a row, and mostly it is the same one. */
static const char *interface_name(struct state *s, uint32_t ifindex)
{
	if (ifindex == 0)
		return NULL;
	if (ifindex != s->ifindex) {
		s->ifindex = 0;
		if (if_indextoname(ifindex, s->interface) == NULL)
			return NULL;
		s->ifindex = ifindex;
	}
	return s->interface;
}

static void add_flow(struct state *s, const struct flow *flow, struct mono now)
{
	char zone[IF_NAMESIZE];
	struct row row = { .kind = ROW_FLOW };
	if (flow->born.ms >= s->began.ms) {
		s->is_wanted = true;
		return;
	}
	if (flow->is_guest && !flow->is_live)
		return; /* its address is still another's, who must find it again */
	life_save(flow, &row.saved, now);
	row.zone = interface_name(s, row.saved.device.scope);
	if (row.zone != NULL)
		row.zone = memcpy(zone, row.zone, sizeof(zone));
	row.interface = interface_name(s, row.saved.ifindex);
	row_write(&s->text, &row);
	s->rows++;
}

static void add_port(struct state *s, const struct route *route)
{
	uint16_t port = crew_port_of(s->dp, route);
	if (port == 0 || crew_flow_of(s->dp, route) != NULL)
		return;
	struct row row = { .kind = ROW_PORT, .saved = { .endpoint = route->endpoint,
		.server = route->server->name, .is_bootstrap = route->is_bootstrap,
		.port = port } };
	row_write(&s->text, &row);
	s->rows++;
}

/* Adds one row, or goes to the next phase; false when there is nothing more. */
static bool add_next(struct state *s, struct mono now)
{
	struct datapath *dp = s->dp;
	if (s->phase == STATE_FLOWS) {
		const struct flow *flow = crew_next_flow(s->dp, &s->worker, &s->at);
		if (flow != NULL) {
			add_flow(s, flow, now);
			return true;
		}
		s->phase = STATE_PORTS;
		s->at = 0;
	}
	const struct route *route = dp->routes != NULL ? route_next(dp->routes, &s->at) : NULL;
	if (route != NULL)
		add_port(s, route);
	return route != NULL;
}

/* Adds some rows. Returns 1 when there are more, 0 when that was all, or -errno. */
static int add_some(struct state *s, struct mono now)
{
	int more = 1;
	workers_hold(s->workers);
	for (unsigned i = 0; more > 0 && i < STATE_ROWS_PER_WAKE; i++)
		more = add_next(s, now) ? 1 : 0;
	workers_release(s->workers);
	int rc = write_out(s);
	return rc != 0 ? rc : more;
}

/* ---- a save ---- */

static void step(struct timer *timer, struct mono now)
{
	struct state *s = container_of(timer, struct state, timer);
	int rc = s->phase == STATE_IDLE ? begin(s, now) : 0;
	if (rc == 0)
		rc = add_some(s, now);
	if (rc > 0) {
		arm(s, 1); /* at the same point in time it would be fired by the same wake-up */
		return;
	}
	if (rc == 0)
		rc = finish(s, false);
	if (rc != 0) {
		failed(s, rc);
		s->is_wanted = true;
	}
	if (s->is_wanted)
		arm(s, rc != 0 ? STATE_RETRY_MS : pause_ms(s));
}

int state_save(struct state *s, struct mono now)
{
	abandon(s);
	timer_disarm(s->dp->env.timers, &s->timer);
	int rc = begin(s, mono_add(now, 1)); /* also what began at this point in time */
	while (rc == 0 && (rc = add_some(s, now)) > 0)
		rc = 0;
	if (rc == 0)
		rc = finish(s, true);
	if (rc != 0)
		failed(s, rc);
	return rc;
}

void state_restart(struct state *s)
{
	if (s == NULL || s->phase == STATE_IDLE)
		return;
	abandon(s);
	s->is_wanted = true;
	arm(s, pause_ms(s));
}

/* ---- life ---- */

/* Says what right is missing for the folder, and how to grant it. */
static void say_folder(const struct state *s, int rc)
{
	if (rc == -EACCES || rc == -EPERM || rc == -EROFS)
		log_err("state: can not open the folder %s: %s; user %u needs the right to make and write it;"
			" right is: install -d -o %u %s", s->dir, strerror(-rc), (unsigned)geteuid(),
			(unsigned)geteuid(), s->dir);
	else
		log_err("state: can not open the folder %s: %s", s->dir, strerror(-rc));
}

/* Later it is written with the rights of the user that we become. */
static void hand_over(const struct state *s)
{
	unsigned uid = (unsigned)user_service()->uid;
	/* Interception keeps a file there, too. */
	int rc = folder_hand_over(s->lock, STATE_FILE, "closed");
	if (rc == -EEXIST)
		log_warn("state: the folder %s has other uses too and stays root's, so user %u can not write the"
			" routing table there; right is a folder of its own, or: chown %u %s", s->dir, uid,
			uid, s->dir);
	else if (rc != 0)
		log_warn("state: the folder %s can not be given to user %u: %s", s->dir, uid,
			strerror(-rc));
}

static int set_paths(struct state *s, const char *dir)
{
	s->dir = strdup(dir);
	if (asprintf(&s->path, "%s/%s", dir, STATE_FILE) < 0)
		s->path = NULL;
	if (asprintf(&s->path_new, "%s/%s", dir, STATE_NEW) < 0)
		s->path_new = NULL;
	return s->dir != NULL && s->path != NULL && s->path_new != NULL ? 0 : -ENOMEM;
}

int state_create(struct state **state, const struct state_spec *spec)
{
	*state = NULL;
	struct state *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->dp = spec->datapath;
	s->workers = spec->workers;
	s->wall = spec->wall;
	s->timer.fire = step;
	s->lock = -1;
	int rc = set_paths(s, spec->dir);
	if (rc == 0)
		rc = timers_hold(s->dp->env.timers, 1);
	s->holds_timer = rc == 0;
	int locked = rc == 0 ? state_lock(s) : 0;
	if (locked == -EBUSY) {
		log_err("state: another daemon keeps its state in %s", s->dir);
		rc = locked;
	} else if (locked != 0) {
		say_folder(s, locked);
	}
	if (rc != 0) {
		state_free(s);
		return rc;
	}
	if (locked == 0)
		hand_over(s);
	*state = s;
	return 0;
}

void state_free(struct state *s)
{
	if (s == NULL)
		return;
	abandon(s);
	timer_disarm(s->dp->env.timers, &s->timer);
	if (s->holds_timer)
		timers_release(s->dp->env.timers, 1);
	if (s->lock >= 0)
		close(s->lock);
	text_fini(&s->text);
	free(s->dir);
	free(s->path);
	free(s->path_new);
	free(s);
}

const char *state_path(const struct state *s)
{
	return s->path;
}
