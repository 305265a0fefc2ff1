/* Files into memory: regular ones only, of bounded size, under a shared lock. */
#include "conf/conf_int.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/secret.h"
#include "base/user.h"

/* Opens a regular file; a folder, pipe or device is none. */
static int open_regular(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	int rc = fstat(fd, st) != 0 ? -errno : 0;
	if (rc == 0 && !S_ISREG(st->st_mode))
		rc = -EISDIR;
	while (rc == 0 && flock(fd, LOCK_SH) != 0)
		rc = errno == EINTR ? 0 : -errno;
	/* The size counts only once a writer that held the lock is done. */
	if (rc == 0 && fstat(fd, st) != 0)
		rc = -errno;
	if (rc != 0) {
		close(fd);
		return rc;
	}
	return fd;
}

bool text_room(struct text *text, size_t n)
{
	text->bytes = text->arena != NULL ? arena_alloc(text->arena, n + 1) : secret_alloc(n + 1);
	return text->bytes != NULL;
}

int file_read(const char *path, size_t limit, struct arena *arena, struct text *text)
{
	struct stat st;
	*text = (struct text){ .arena = arena };
	int fd = open_regular(path, &st);
	if (fd < 0)
		return fd;
	size_t size = st.st_size > 0 ? (size_t)st.st_size : 0;
	text->owner = st.st_uid;
	text->group = st.st_gid;
	text->mode = st.st_mode & 07777;
	int rc = size > limit ? -EFBIG : 0;
	if (rc == 0 && !text_room(text, size))
		rc = -ENOMEM;
	while (rc == 0 && text->n < size) {
		ssize_t got = read(fd, text->bytes + text->n, size - text->n);
		if (got > 0)
			text->n += (size_t)got;
		else if (got == 0)
			break;
		else if (errno != EINTR)
			rc = -errno;
	}
	close(fd);
	if (rc == 0)
		text->bytes[text->n] = '\0';
	else
		text_wipe(text);
	return rc;
}

void text_wipe(struct text *text)
{
	if (text->arena == NULL)
		secret_free(text->bytes);
	*text = (struct text){ .n = 0 };
}

bool text_is_foreign(const struct text *text)
{
	const struct user *us = user_service();
	return text->owner != 0 && text->owner != geteuid() &&
		!(us->is_known && text->owner == us->uid);
}

bool text_is_open(const struct text *text)
{
	mode_t others = S_IRWXG | S_IRWXO;
	if (user_is_our_group(text->group))
		others &= (mode_t)~S_IRGRP;
	return (text->mode & others) != 0;
}
