/* Folders for our files. */
#include "folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/user.h"

static int make_one(const char *path)
{
	struct stat st;
	if (mkdir(path, 0755) == 0)
		return 0;
	int rc = -errno;
	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	return rc;
}

int folder_make(const char *path)
{
	char *part = strdup(path);
	if (part == NULL)
		return -ENOMEM;
	int rc = 0;
	for (char *c = part + 1; part[0] != '\0' && rc == 0 && *c != '\0'; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		rc = make_one(part);
		*c = '/';
	}
	if (rc == 0)
		rc = make_one(part);
	free(part);
	return rc;
}

static bool is_ours(const char *name, const char *prefix, const char *also)
{
	return strncmp(name, prefix, strlen(prefix)) == 0 ||
		(also != NULL && strcmp(name, also) == 0);
}

/* True when all names in the folder begin with the prefix. */
static int holds_only(int fd, const char *prefix, const char *also, bool *only)
{
	*only = true;
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	if (dir == NULL) {
		int rc = -errno;
		if (again >= 0)
			close(again);
		return rc;
	}
	for (struct dirent *e; *only && (e = readdir(dir)) != NULL;)
		*only = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			is_ours(e->d_name, prefix, also);
	closedir(dir);
	return 0;
}

/* What was opened is asked and given, not its name: nobody puts another in its place. One with a second
 * name may be somebody else's. */
static void give_file(int dir, const char *name, const struct user *user)
{
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
		(void)!fchown(fd, user->uid, user->gid);
	close(fd);
}

static void give_files(int fd, const char *prefix, const char *also, const struct user *user)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	if (dir == NULL)
		return;
	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		if (is_ours(e->d_name, prefix, also))
			give_file(fd, e->d_name, user);
	closedir(dir);
}

int folder_hand_over(int fd, const char *prefix, const char *also)
{
	const struct user *user = user_service();
	struct stat st;
	bool only;
	if (!user_will_change())
		return 0;
	if (fstat(fd, &st) != 0)
		return -errno;
	/* A folder of nobody's is from a time when there was no user for us. */
	if (st.st_uid == user->uid || (st.st_uid != 0 && st.st_uid != USER_NOBODY))
		return 0;
	int rc = holds_only(fd, prefix, also, &only);
	if (rc != 0 || !only || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return rc != 0 ? rc : -EEXIST;
	give_files(fd, prefix, also, user);
	/* A user namespace that does not know the user: there we stay who we are. */
	return fchown(fd, user->uid, user->gid) == 0 || errno == EINVAL ? 0 : -errno;
}

char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}
