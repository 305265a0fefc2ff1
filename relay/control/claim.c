/* The path of the control socket. */
#include "claim.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "base/user.h"
#include "control/folder.h"

/* Connections that wait to be accepted. */
#define BACKLOG 16
/* How often, and after how many ms, a locked folder is tried again. */
#define LOCK_TRIES 10
#define LOCK_MS    20

/* The last part of a path. */
static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* Others claim within a moment. Whoever keeps a folder locked for longer has his state file there, as we may
 * ourselves: he is not in the way. */
static int lock_a_while(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (i == LOCK_TRIES)
			return 0;
		(void)poll(NULL, 0, LOCK_MS);
	}
	return 0;
}

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
	if (rc == 0)
		rc = lock_a_while(fd);
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

/* Binds it with group and mode as they shall be: to change them later would be a change of whatever has
 * the name by then. */
static int bind_owned(int fd, const struct sockaddr_un *at)
{
	const struct user *user = user_service();
	gid_t group = getegid();
	bool is_other = user_will_change() && user->is_known && setegid(user->gid) == 0;
	mode_t before = umask(user_is_our_group(getegid()) ? 0117 : 0177);
	int rc = bind(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ? 0 : -errno;
	umask(before);
	if (is_other && setegid(group) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

static int bind_there(struct claim *claim, int fd, const struct sockaddr_un *at)
{
	struct stat st;
	int rc = bind_owned(fd, at);
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
	if (rc == 0) {
		flock(lock, LOCK_UN);
		claim->folder = lock;
		/* -EEXIST: others use it. What fails is felt at the end only, and said there. */
		(void)!folder_hand_over(lock, name_of(path), NULL);
		return fd;
	}
	close(lock);
	if (fd >= 0)
		close(fd);
	return rc;
}

int claim_open(struct claim *claim, const char *path)
{
	*claim = (struct claim){ .path = strdup(path), .folder = -1 };
	int fd = claim->path != NULL ? open_there(claim, path) : -ENOMEM;
	if (fd >= 0)
		return fd;
	free(claim->path);
	claim->path = NULL;
	if (fd == -EADDRINUSE)
		log_err("control: another daemon serves %s", path);
	else if (fd == -EEXIST)
		log_err("control: %s is there and is no socket; it is left alone", path);
	else if (fd == -EACCES || fd == -EPERM)
		log_err("control: can not listen at %s: %s; user %u needs the right to write that folder; right is:"
			" install -d -o %u FOLDER, or another path by -s", path, strerror(-fd),
			(unsigned)geteuid(), (unsigned)geteuid());
	else
		log_err("control: can not listen at %s: %s", path, strerror(-fd));
	return fd;
}

void claim_close(struct claim *claim)
{
	struct stat st;
	if (claim->path == NULL)
		return;
	const char *name = name_of(claim->path);
	bool is_ours = fstatat(claim->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		(uint64_t)st.st_dev == claim->device && (uint64_t)st.st_ino == claim->inode;
	if (is_ours && unlinkat(claim->folder, name, 0) != 0)
		log_info("control: %s stays (%s); the next start takes it away", claim->path,
			strerror(errno));
	close(claim->folder);
	free(claim->path);
	claim->path = NULL;
}
