/* Asks for the rules of nftables: a child `nft`, of which little is believed and for which nobody waits long. */
#include "look.h"
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conf/conf.h"
#include "control/text.h"

/* Bytes that a listing may have, and seconds that it may take. */
#define LISTED  (16u << 20)
#define SECONDS 5

/* Begins nft, whose output is *out. Returns 0 or -errno. */
static int begin(pid_t *pid, int *out)
{
	static const char *const places[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft" };
	char *const args[] = { (char[]){ "nft" }, (char[]){ "-j" }, (char[]){ "list" },
		(char[]){ "ruleset" }, NULL };
	char *const environment[] = { (char[]){ "LC_ALL=C" }, NULL };
	posix_spawn_file_actions_t actions;
	int pipes[2], r = ENOENT;
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return -errno;
	if (posix_spawn_file_actions_init(&actions) != 0) {
		close(pipes[0]);
		close(pipes[1]);
		return -ENOMEM;
	}
	if (posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) != 0 ||
		posix_spawn_file_actions_adddup2(&actions, pipes[1], 1) != 0 ||
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) != 0)
		r = ENOMEM;
	for (size_t i = 0; r == ENOENT && i < sizeof(places) / sizeof(places[0]); i++)
		r = posix_spawn(pid, places[i], &actions, NULL, args, environment);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (r != 0)
		close(pipes[0]);
	else
		*out = pipes[0];
	return -r;
}

/* Reads to the end, while the timer has not ended. */
static int read_all(struct text *t, int fd, int timer)
{
	char bytes[4096];
	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = timer, .events = POLLIN } };
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (p[1].revents != 0)
			return -ETIME;
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		text_bytes(t, bytes, (size_t)n);
		if (t->broken)
			return -ENOMEM;
		if (t->n > LISTED)
			return -EMSGSIZE;
	}
}

/* Sees the child end. */
static int end(pid_t pid, bool is_read)
{
	int status = 0;
	if (!is_read)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

int look_ask(char **text, size_t *n)
{
	const struct itimerspec limit = { .it_value.tv_sec = SECONDS };
	struct text t = { 0 };
	pid_t pid;
	int out = -1, timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	*text = NULL;
	if (timer < 0)
		return -errno;
	int r = timerfd_settime(timer, 0, &limit, NULL) != 0 ? -errno : begin(&pid, &out);
	if (r == 0) {
		r = read_all(&t, out, timer);
		close(out);
		int ended = end(pid, r == 0);
		r = r != 0 ? r : ended;
	}
	close(timer);
	if (r != 0) {
		text_fini(&t);
		return r;
	}
	*text = t.p;
	*n = t.n;
	return 0;
}

void look_machine(const struct conf *conf, look_warn *warn, void *arg)
{
	const struct conf_listen *first = NULL;
	char *text = NULL;
	size_t n = 0;
	for (size_t i = 0; first == NULL && i < conf->listen_count; i++)
		first = conf->listen[i].intercept ? &conf->listen[i] : NULL;
	if (first == NULL)
		return;
	int r = look_ask(&text, &n);
	struct json_object *rules = r == 0 && text != NULL ? look_read(text, n) : NULL;
	if (rules != NULL)
		look_rules(rules, conf, warn, arg);
	else if (r == -ENOENT)
		warn(arg, first, "there is no nft, so other rules of nftables were not looked at");
	else if (r == -EPERM)
		warn(arg, first, "nft did not list the rules of nftables, so they were not looked at; "
			"right is lwgate check as root");
	else
		warn(arg, first, "the rules of nftables could not be read, so they were not looked at");
	json_object_put(rules);
	free(text);
}
