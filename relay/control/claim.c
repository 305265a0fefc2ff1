/* The path of the control socket. */
#include "claim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "control/folder.h"

/* Connections that wait to be accepted. */
#define BACKLOG 16

/* Keeps other daemons from claiming at the same time. Returns the descriptor of the folder, to be
 * closed when done, or -errno. */
static int lock_folder(const char *path)
{
	char *folder = folder_of(path);
	if (folder == NULL)
		return -ENOMEM;
	int rc = folder_make(folder);
	int fd = rc == 0 ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (rc == 0 && fd < 0)
		rc = -errno;
	if (rc == 0 && flock(fd, LOCK_EX) != 0)
		rc = -errno;
	free(folder);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return rc;
}

/* True when somebody accepts connections there. */
static bool is_alive(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true; /* not known, so nothing is taken away */
	int rc = connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ? 0 : errno;
	close(fd);
	return rc != ECONNREFUSED && rc != ENOENT;
}

bool claim_is_served(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at.sun_path))
		return false;
	memcpy(at.sun_path, path, strlen(path) + 1);
	return is_alive(&at);
}

/* Takes away a socket that nobody serves. */
static int remove_dead(const struct sockaddr_un *at)
{
	struct stat st;
	if (lstat(at->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (is_alive(at))
		return -EADDRINUSE;
	return unlink(at->sun_path) == 0 ? 0 : -errno;
}

static int bind_there(struct claim *claim, int fd, const struct sockaddr_un *at)
{
	struct stat st;
	mode_t before = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ? 0 : -errno;
	umask(before);
	if (rc == 0 && listen(fd, BACKLOG) != 0)
		rc = -errno;
	if (rc == 0 && lstat(at->sun_path, &st) != 0)
		rc = -errno;
	if (rc != 0)
		return rc;
	claim->device = (uint64_t)st.st_dev;
	claim->inode = (uint64_t)st.st_ino;
	return 0;
}

static int open_there(struct claim *claim, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);
	int lock = lock_folder(path);
	if (lock < 0)
		return lock;
	int fd = -1;
	int rc = remove_dead(&at);
	if (rc == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		rc = fd < 0 ? -errno : bind_there(claim, fd, &at);
	}
	close(lock);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return rc;
}

int claim_open(struct claim *claim, const char *path)
{
	*claim = (struct claim){ .path = strdup(path) };
	int fd = claim->path != NULL ? open_there(claim, path) : -ENOMEM;
	if (fd >= 0)
		return fd;
	free(claim->path);
	claim->path = NULL;
	if (fd == -EADDRINUSE)
		log_err("control: another daemon serves %s", path);
	else if (fd == -EEXIST)
		log_err("control: %s is there and is no socket; it is left alone", path);
	else
		log_err("control: can not listen at %s: %s", path, strerror(-fd));
	return fd;
}

void claim_close(struct claim *claim)
{
	struct stat st;
	if (claim->path == NULL)
		return;
	if (lstat(claim->path, &st) == 0 && (uint64_t)st.st_dev == claim->device &&
		(uint64_t)st.st_ino == claim->inode)
		unlink(claim->path);
	free(claim->path);
	claim->path = NULL;
}
