/* One worker at a time. It holds no socket of the kernel's, so that all that a worker owned goes with
 * it, and reads nothing. */
#include "guard.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "serve.h"

/* After a death the next worker comes at once, then later and later. */
#define FIRST_MS 100
#define MOST_MS  30000
/* A worker that lived so long did not die of its beginning. */
#define GOOD_MS 60000

static pid_t start_worker(int fd)
{
	pid_t guard_pid = getpid(), pid = fork();
	if (pid != 0)
		return pid;
	/* Without its guard it goes, in order. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != guard_pid)
		_exit(SERVE_BROKEN);
	_exit(serve(fd));
}

/* Takes what has come; true when a signal tells us to end. */
static bool is_told_to_end(int signals)
{
	struct signalfd_siginfo info;
	bool is_told = false;
	while (read(signals, &info, sizeof(info)) == sizeof(info))
		is_told |= info.ssi_signo != SIGCHLD;
	return is_told;
}

/* Waits for the peer's first message, which is left for the worker. False when there is none to come:
 * its end, or a signal to end. */
static bool sleep_well(int fd, int signals)
{
	struct pollfd on[2] = { { .fd = fd, .events = POLLIN | POLLRDHUP },
		{ .fd = signals, .events = POLLIN } };
	for (;;) {
		if (poll(on, 2, -1) < 0)
			return false;
		if ((on[0].revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0 || is_told_to_end(signals))
			return false;
		if ((on[0].revents & POLLIN) != 0)
			return true;
	}
}

/* What a wait came to. */
enum heard { NOTHING, CHILD, END };

/* Waits for a child's death, for the peer's end, or for a signal to end. */
static enum heard wait_for(int fd, int signals, int ms)
{
	struct pollfd on[2] = { { .fd = fd }, { .fd = signals, .events = POLLIN } };
	int n = poll(on, 2, ms);
	if (n == 0)
		return NOTHING;
	bool is_end = is_told_to_end(signals);
	return is_end || (n > 0 && (on[0].revents & (POLLHUP | POLLERR)) != 0) ? END : CHILD;
}

/* The worker sees the peer's end for itself. */
static int end_worker(pid_t pid)
{
	int status = 0;
	kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) != SERVE_REFUSED ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Watches one worker. Returns true when it is to be replaced, after *pause; else *status is the
 * program's. */
static bool watch(pid_t pid, int fd, int signals, int *pause, int *status)
{
	int how = 0;
	while (waitpid(pid, &how, WNOHANG) == 0) {
		enum heard heard = wait_for(fd, signals, GOOD_MS);
		if (heard == NOTHING)
			*pause = 0;
		if (heard == END) {
			*status = end_worker(pid);
			return false;
		}
	}
	if (WIFEXITED(how) && WEXITSTATUS(how) != SERVE_BROKEN) {
		*status = WEXITSTATUS(how) == SERVE_LEFT ? EXIT_SUCCESS : EXIT_FAILURE;
		return false;
	}
	log_warn("net: the worker has died (status 0x%x); another one is started", (unsigned)how);
	return true;
}

static int watch_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int guard(int fd)
{
	int status = EXIT_FAILURE, pause = 0;
	int signals = watch_signals();
	bool is_woken = signals >= 0 && sleep_well(fd, signals);
	if (signals >= 0 && !is_woken)
		status = EXIT_SUCCESS;
	while (is_woken) {
		pid_t pid = start_worker(fd);
		if (pid < 0)
			break;
		if (!watch(pid, fd, signals, &pause, &status))
			break;
		if (pause > 0 && wait_for(fd, signals, pause) == END)
			break;
		pause = pause == 0 ? FIRST_MS : pause < MOST_MS ? 2 * pause : MOST_MS;
	}
	if (signals >= 0)
		close(signals);
	return status;
}
