/* Folders for our files. */
#include "folder.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}
