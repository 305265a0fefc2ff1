/* The user of a process, and its capabilities. */
#include "base/rights.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than any kernel has. */
#define CAPS 64

static int get_caps(uint64_t *permitted)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];
	if (syscall(SYS_capget, &head, caps) != 0)
		return -errno;
	*permitted = caps[0].permitted | (uint64_t)caps[1].permitted << 32;
	return 0;
}

static int set_caps(uint64_t set)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	uint32_t low = (uint32_t)set, high = (uint32_t)(set >> 32);
	struct __user_cap_data_struct caps[2] = { { .effective = low, .permitted = low },
		{ .effective = high, .permitted = high } };
	return syscall(SYS_capset, &head, caps) == 0 ? 0 : -errno;
}

bool rights_has(uint64_t set)
{
	uint64_t permitted = 0;
	return get_caps(&permitted) == 0 && (permitted & set) == set;
}

/* Where the user namespace knows no such user (EINVAL), or we may not change (EPERM), we stay. */
static int change_user(const struct user *user)
{
	if (!user_will_change())
		return 0;
	if (user->is_known)
		(void)initgroups(USER_NAME, user->gid);
	else
		(void)setgroups(0, NULL);
	if (setresgid(user->gid, user->gid, user->gid) == 0 &&
		setresuid(user->uid, user->uid, user->uid) == 0)
		return 0;
	return errno == EINVAL || errno == EPERM ? 0 : -errno;
}

int rights_give_up(const struct user *user, uint64_t keep)
{
	if (prctl(PR_SET_KEEPCAPS, keep != 0, 0, 0, 0) != 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	/* What could ever come back goes too, while we may. */
	for (int cap = 0; cap < CAPS; cap++)
		if ((keep & RIGHT(cap)) == 0)
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	int rc = change_user(user);
	if (rc == 0)
		rc = set_caps(keep);
	/* The change of user has set it anew. */
	if (rc == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		rc = -errno;
	return rc;
}
