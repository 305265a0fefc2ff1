/* The relay's user, by name. */
#include "base/user.h"
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/rights.h"

const struct user *user_service(void)
{
	static struct user user;
	static bool is_asked;
	if (is_asked)
		return &user;
	const struct passwd *entry = getpwnam(USER_NAME);
	is_asked = true;
	user = (struct user){ .uid = USER_NOBODY, .gid = USER_NOBODY };
	/* One that is root by another name would keep what it shall lose. */
	if (entry != NULL && entry->pw_uid != 0 && entry->pw_gid != 0)
		user = (struct user){ entry->pw_uid, entry->pw_gid, true };
	return &user;
}

bool user_is_our_group(gid_t gid)
{
	return user_service()->is_known && user_service()->gid == gid;
}

bool user_will_change(void)
{
	return geteuid() == 0 && rights_has(RIGHT(CAP_SETUID) | RIGHT(CAP_SETGID));
}

/* Cuts the path behind the first folder that we may not pass; false when we may pass all. */
static bool closed_folder(char *path)
{
	for (char *c = path; *c != '\0'; c++) {
		if (*c != '/' || c == path)
			continue;
		*c = '\0';
		if (access(path, X_OK) != 0)
			return true;
		*c = '/';
	}
	return false;
}

void user_mend_read(const char *path, char *text, size_t size)
{
	const struct user *service = user_service();
	char folder[4096];
	int n = snprintf(folder, sizeof(folder), "%s", path);
	bool is_folder = n > 0 && (size_t)n < sizeof(folder) && closed_folder(folder);
	const char *what = is_folder ? folder : path, *does = is_folder ? "pass" : "read";
	if (geteuid() != service->uid)
		snprintf(text, size, "user %u may not %s %s; right is: chown %u %s",
			(unsigned)geteuid(), does, what, (unsigned)geteuid(), what);
	else
		snprintf(text, size, "user %u may not %s %s; right is:%s chgrp %s %s && chmod g+%s %s",
			(unsigned)geteuid(), does, what,
			service->is_known ? "" : " " USER_MAKE ", a new start of lwgated, and",
			USER_NAME, what, is_folder ? "x" : "r", what);
}
