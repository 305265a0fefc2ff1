/* One question to the daemon. */
#include "ask.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "control/tree.h"

/* The daemon may be busy, but not longer than this, s. */
#define PATIENCE_S 30

static int reach(int fd, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0)
		return -errno;
	return connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 ? 0 : -errno;
}

static int say(int fd, const char *command)
{
	struct text request = { 0 };
	struct json_object *o = json_object_new_object();
	tree_string(&o, "cmd", command);
	tree_write(&request, &o);
	text_add(&request, "\n");
	int rc = request.broken ? -ENOMEM : 0;
	for (size_t done = 0; rc == 0 && done < request.n;) {
		ssize_t n = send(fd, request.p + done, request.n - done, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			rc = -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	text_fini(&request);
	return rc;
}

static int hear(int fd, struct text *answer)
{
	char piece[65536];
	for (;;) {
		ssize_t n = recv(fd, piece, sizeof(piece), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == 0)
			return answer->broken ? -ENOMEM : answer->n == 0 ? -ECONNRESET : 0;
		text_bytes(answer, piece, (size_t)n);
	}
}

int ask(const char *path, const char *command, struct text *answer)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int rc = reach(fd, path);
	if (rc == 0)
		rc = say(fd, command);
	/* One that is turned away hears why, even where it could not say what it wanted. */
	if (rc == 0 || rc == -EPIPE)
		rc = hear(fd, answer);
	close(fd);
	return rc;
}
