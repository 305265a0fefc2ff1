/* The client of lwgate-net. */
#include "helper.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "channel.h"

/* Where the program looks for its socket. */
#define PEER_FD 3
#define STOP_MS 5000
/* Either end of the pair holds an answer, or a descriptor, for every socket that can be wanted: one message
 * takes 768 bytes of it, and the kernel doubles the number. */
#define BUFFER (CAPTURE_LISTENS * CAPTURE_INTERFACES * CAPTURE_PORTS * 2 * 768 / 2)
/* Messages read by one call. */
#define READS 256

struct helper {
	const char *path;
	const struct helper_events *events;
	void *arg;
	int fd; /* -1: not running */
	pid_t pid; /* 0: nobody to wait for */
	bool is_woken; /* something was sent to it */
	char why[CAPTURE_TEXT]; /* what it said last about going */
	struct wire message; /* the one that came */
	struct wire sent; /* its own room: a callback may send */
};

int helper_create(struct helper **helper, const char *path, const struct helper_events *events,
	void *arg)
{
	*helper = calloc(1, sizeof(**helper));
	if (*helper == NULL)
		return -ENOMEM;
	(*helper)->path = path;
	(*helper)->events = events;
	(*helper)->arg = arg;
	(*helper)->fd = -1;
	return 0;
}

int helper_fd(const struct helper *helper)
{
	return helper->fd;
}

/* The program leaves by itself when the socket is closed; a zombie of it is fetched when there is
 * one. */
static void reap(struct helper *h, int flags)
{
	if (h->pid > 0 && waitpid(h->pid, NULL, flags) != 0)
		h->pid = 0;
}

/* ---- start ------------------------------------------------------------------------------------- */

void helper_adopt(struct helper *h, int fd, pid_t pid)
{
	BUG_UNLESS(h->fd < 0);
	h->fd = fd;
	h->pid = pid;
	h->is_woken = false;
	h->why[0] = '\0';
}

/* With an empty environment, no blocked signals and default handlers: what we have is not its. */
static int spawn(const char *path, int peer, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	char *const argv[] = { (char *)(uintptr_t)"lwgate-net", NULL }, *const env[] = { NULL };
	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	int rc = posix_spawnattr_init(&attr);
	if (rc != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -rc;
	}
	rc = posix_spawn_file_actions_adddup2(&actions, peer, PEER_FD);
	if (rc == 0)
		rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(&attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(&attr, &all);
	if (rc == 0)
		rc = posix_spawn(pid, path, &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

/* While sockets are sent nobody reads here: with full buffers both ends would wait for each other. Without
 * the right to it, the kernel's limit has to do. */
static void widen(int fd)
{
	int bytes = BUFFER;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int helper_start(struct helper *h)
{
	int pair[2];
	pid_t pid = 0;
	BUG_UNLESS(h->fd < 0);
	reap(h, WNOHANG);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	widen(pair[0]);
	widen(pair[1]);
	int rc = spawn(h->path, pair[1], &pid);
	close(pair[1]);
	if (rc == 0) {
		helper_adopt(h, pair[0], pid);
		return 0;
	}
	close(pair[0]);
	return rc;
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void let_go(struct helper *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

static void gone(struct helper *h, const char *why, bool is_closed)
{
	let_go(h);
	/* Where its end of the pair is closed, it has ended or is about to. */
	reap(h, is_closed ? 0 : WNOHANG);
	if (h->why[0] == '\0')
		snprintf(h->why, sizeof(h->why), "%s", why);
	h->events->on_gone(h->arg, h->why);
}

/* ---- messages ---------------------------------------------------------------------------------- */

static void on_done(struct helper *h, const struct wire_answer *a)
{
	h->events->on_done(h->arg, a->generation, -(int)a->code, a->text);
}

/* Returns false for a message that lwgate-net may not send. */
static bool on_message(struct helper *h, const struct wire *m)
{
	switch (m->type) {
	case WIRE_READY:
		h->events->on_ready(h->arg);
		return true;
	case WIRE_REFUSED:
		snprintf(h->why, sizeof(h->why), "%s", m->answer.text);
		return true;
	case WIRE_MADE:
		h->events->on_socket(h->arg, m->made.id, -(int)m->made.code);
		return true;
	case WIRE_DONE:
		on_done(h, &m->answer);
		return true;
	case WIRE_COUNTS:
		h->events->on_counts(h->arg, &m->counts);
		return true;
	case WIRE_WAKE:
	case WIRE_SOCKET:
	case WIRE_SET:
	case WIRE_LEAVE:
		return false;
	}
	return false;
}

void helper_read(struct helper *h)
{
	for (int i = 0; i < READS && h->fd >= 0; i++) {
		int passed;
		int rc = channel_receive(h->fd, &h->message, &passed);
		/* It has none to give. */
		if (passed >= 0)
			close(passed);
		if (rc == -EAGAIN)
			return;
		if (rc == 1 && on_message(h, &h->message))
			continue;
		if (rc == 0)
			gone(h, "lwgate-net has ended", true);
		else if (rc == -EPROTO)
			gone(h, "lwgate-net is of another version", false);
		else
			gone(h, "lwgate-net has said what can not be read", false);
	}
}

/* Sends h->sent. */
static int say(struct helper *h, int passed)
{
	if (h->fd < 0)
		return -ENOTCONN;
	h->is_woken = true;
	int rc = channel_send(h->fd, &h->sent, passed);
	/* It is gone: helper_read tells it, and why. */
	return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc;
}

int helper_wake(struct helper *h)
{
	h->sent = (struct wire){ .type = WIRE_WAKE };
	return say(h, -1);
}

int helper_socket(struct helper *h, uint32_t id, int fd)
{
	if (fd < 0)
		return -EBADF;
	h->sent = (struct wire){ .type = WIRE_SOCKET, .id = id };
	return say(h, fd);
}

int helper_wait(struct helper *h, int ms)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	if (poll(&p, 1, ms) <= 0)
		return -ETIMEDOUT;
	helper_read(h);
	return 0;
}

int helper_set(struct helper *h, const struct capture *capture)
{
	h->sent = (struct wire){ .type = WIRE_SET, .set = *capture };
	return say(h, -1);
}

/* ---- stop -------------------------------------------------------------------------------------- */

/* Reads until the other end is gone; false when it does not go. Descriptors that still come are
 * closed. */
static bool drain(struct helper *h)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	while (poll(&p, 1, STOP_MS) > 0) {
		int passed, rc = channel_receive(h->fd, &h->message, &passed);
		if (passed >= 0)
			close(passed);
		if (rc != 1 && rc != -EAGAIN)
			return rc == 0;
	}
	return false;
}

void helper_stop(struct helper *h, bool keep_closed)
{
	if (h->fd < 0)
		return;
	/* One that sleeps needs no worker to end. */
	bool is_told;
	h->sent = (struct wire){ .type = WIRE_LEAVE, .keep_closed = keep_closed };
	if (h->is_woken)
		is_told = say(h, -1) == 0;
	else
		is_told = shutdown(h->fd, SHUT_WR) == 0;
	bool is_gone = is_told && drain(h);
	let_go(h);
	reap(h, is_gone ? 0 : WNOHANG);
}

void helper_free(struct helper *h)
{
	if (h == NULL)
		return;
	let_go(h);
	reap(h, WNOHANG);
	free(h);
}
