/* What drops while nobody serves. */
#include "closed.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "intercept.h"
#include "limits.h"
#include "netfilter/helper.h"

/* False when there is no folder for it. */
static bool path_in(const char *dir, char path[256])
{
	int n = dir != NULL ? snprintf(path, 256, "%s/closed", dir) : -1;
	return n > 0 && n < 256;
}

bool closed_is_left(const char *dir)
{
	char path[256];
	return path_in(dir, path) && access(path, F_OK) == 0;
}

void closed_note(const char *dir, bool is_closed)
{
	char path[256];
	if (!path_in(dir, path))
		return;
	if (!is_closed) {
		(void)unlinkat(AT_FDCWD, path, 0);
		return;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return;
	if (fd < 0)
		log_warn("capture: can not write %s: %s; should capture be turned off while lwgated does "
			"not run, what drops stays", path, strerror(errno));
	else
		close(fd);
}

/* ---- taken away ---- */

struct taking {
	bool is_ready, is_gone;
	char why[CAPTURE_TEXT];
};

static void on_ready(void *arg)
{
	((struct taking *)arg)->is_ready = true;
}

static void on_gone(void *arg, const char *why)
{
	struct taking *t = arg;
	t->is_gone = true;
	snprintf(t->why, sizeof(t->why), "%s", why);
}

/* Nothing was asked for that these would answer. */
static void on_done(void *arg, uint32_t generation, int code, const char *text)
{
	(void)arg;
	(void)generation;
	(void)code;
	(void)text;
}

static void on_socket(void *arg, uint32_t id, int code)
{
	(void)arg;
	(void)id;
	(void)code;
}

static void on_counts(void *arg, const struct capture_counts *counts)
{
	(void)arg;
	(void)counts;
}

static const struct helper_events events = { .on_ready = on_ready, .on_done = on_done,
	.on_socket = on_socket, .on_counts = on_counts, .on_gone = on_gone };

/* Whoever is ready owns the tables, and may take them away. */
static int take_away(struct helper *helper, struct taking *t)
{
	int rc = helper_start(helper);
	if (rc == 0)
		rc = helper_wake(helper);
	while (rc == 0 && !t->is_ready && !t->is_gone)
		rc = helper_wait(helper, CAPTURE_START_MS);
	if (t->is_ready && !t->is_gone)
		helper_stop(helper, false);
	return t->is_gone ? -EPERM : rc;
}

void closed_take_away(const char *dir)
{
	char program[256];
	struct taking t = { .is_ready = false };
	struct helper *helper;
	if (!closed_is_left(dir))
		return;
	intercept_program(program, sizeof(program));
	int rc = helper_create(&helper, program, &events, &t);
	if (rc == 0) {
		rc = take_away(helper, &t);
		helper_free(helper);
	}
	if (rc == 0) {
		closed_note(dir, false);
		log_info("capture: what dropped calls of servers while nobody serves is taken away");
		return;
	}
	log_err("capture: %s can not take away what drops calls of servers while nobody serves: %s; by hand: "
		"nft delete table inet lwgate_closed", program, t.why[0] != '\0' ? t.why : strerror(-rc));
}
