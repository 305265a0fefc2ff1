/* Asks nftables: a child `nft`, of which little is believed and for which nobody waits long. */
#include "look.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "control/text.h"
#include "look_int.h"

/* Seconds that an answer may take. */
#define SECONDS 5
/* Between two looks whether it has ended. */
#define MOMENT_MS 5

/* Begins nft with these words, whose output is *out. Returns 0 or -errno. */
static int begin(pid_t *pid, int *out, char *const args[])
{
	static const char *const places[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft" };
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
		if (t->n > LOOK_BYTES)
			return -EMSGSIZE;
	}
}

/* Sees the child end, which may have said all and yet go on: it has as long as the timer. */
static int end(pid_t pid, int timer, bool is_read)
{
	struct pollfd p = { .fd = timer, .events = POLLIN };
	int status = 0;
	pid_t ended;
	while (is_read && (ended = waitpid(pid, &status, WNOHANG)) == 0)
		is_read = poll(&p, 1, MOMENT_MS) <= 0;
	if (is_read)
		return ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return -ETIME;
}

/* Runs nft to its end; what it said is t's, of which nothing is left on failure. */
static int run(struct text *t, char *const args[])
{
	const struct itimerspec limit = { .it_value.tv_sec = SECONDS };
	pid_t pid;
	int out = -1, timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (timer < 0)
		return -errno;
	int r = timerfd_settime(timer, 0, &limit, NULL) != 0 ? -errno : begin(&pid, &out, args);
	if (r == 0) {
		r = read_all(t, out, timer);
		close(out);
		int ended = end(pid, timer, r == 0);
		r = r != 0 ? r : ended;
	}
	close(timer);
	if (r != 0)
		text_fini(t);
	return r;
}

int look_ask_tables(struct text *t)
{
	char *const args[] = { (char[]){ "nft" }, (char[]){ "list" }, (char[]){ "tables" }, NULL };
	return run(t, args);
}

int look_ask_table(struct text *t, const char *table)
{
	struct text words = { 0 };
	text_addf(&words, "list table %s", table);
	char *const args[] = { (char[]){ "nft" }, (char[]){ "-j" }, words.p, NULL };
	int r = words.broken ? -ENOMEM : run(t, args);
	text_fini(&words);
	return r;
}

int look_try(const char *rules)
{
	struct text said = { 0 }, words = { 0 };
	text_add(&words, rules);
	char *const args[] = { (char[]){ "nft" }, (char[]){ "-c" }, words.p, NULL };
	int r = words.broken ? -ENOMEM : run(&said, args);
	text_fini(&said);
	text_fini(&words);
	return r;
}
