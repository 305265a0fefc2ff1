/* The user that the relay runs as, once it has no rights any more, and which files that one may read. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/bug.h"

/* What the user and its group are called. */
#define USER_NAME "lwgate"
/* The user without rights of every system, where nobody is called so. */
#define USER_NOBODY 65534
/* Makes it, on Debian; a package does so by itself. */
#define USER_MAKE "adduser --system --group --no-create-home " USER_NAME
/* Room for a sentence of ours that names a path. */
#define USER_TEXT 1024

struct user {
	uid_t uid;     /* never root's */
	gid_t gid;     /* the same */
	bool is_known; /* the machine has a user of that name; else this is USER_NOBODY */
};

/* The user of that name, asked for once: later there may be no right to look. */
const struct user *user_service(void);
/* True for the group of that name, which may read our files and ask the running relay. */
bool user_is_our_group(gid_t gid);
/* True when this process is root, and may go on as user_service. */
bool user_will_change(void);
/* Says, as snprintf does, who can not read the file, and the command that mends it: of the file, or of
 * the first folder on its way that can not be passed. */
void user_mend_read(const char *path, char *text, size_t size);
