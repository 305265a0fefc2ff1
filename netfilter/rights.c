/* Capabilities and system calls: a door to libseccomp. */
#include "rights.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The user without rights of every system. */
#define NOBODY 65534
#define NET_ADMIN (1U << CAP_NET_ADMIN)

static int get_caps(struct __user_cap_data_struct caps[2])
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	return syscall(SYS_capget, &head, caps) == 0 ? 0 : -errno;
}

static int set_caps(uint32_t low)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = { { .effective = low, .permitted = low } };
	return syscall(SYS_capset, &head, caps) == 0 ? 0 : -errno;
}

int rights_check(char why[CAPTURE_TEXT])
{
	struct __user_cap_data_struct caps[2];
	why[0] = '\0';
	if (get_caps(caps) == 0 && (caps[0].permitted & NET_ADMIN) != 0)
		return 0;
	snprintf(why, CAPTURE_TEXT, "the right CAP_NET_ADMIN is missing; start lwgated as root, or"
		" grant it: AmbientCapabilities=CAP_NET_ADMIN in a systemd unit, \"NET_ADMIN\" in procd's"
		" capabilities file, or: setcap cap_net_admin+p lwgate-net");
	return -EPERM;
}

/* Where the user namespace knows no such user (EINVAL), or we are no root (EPERM), we stay who we
 * are; the capabilities go all the same. */
static int change_user(void)
{
	if (geteuid() != 0)
		return 0;
	(void)setgroups(0, NULL);
	if (setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0)
		return 0;
	return errno == EINVAL || errno == EPERM ? 0 : -errno;
}

int rights_drop(void)
{
	if (prctl(PR_SET_KEEPCAPS, 1) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	/* What could ever come back goes too, while we may. */
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (cap != CAP_NET_ADMIN)
			(void)prctl(PR_CAPBSET_DROP, cap);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	int rc = change_user();
	if (rc == 0)
		rc = set_caps(NET_ADMIN);
	if (rc == 0 && prctl(PR_SET_DUMPABLE, 0) != 0)
		rc = -errno;
	return rc;
}

/* ---- system calls ------------------------------------------------------------------------------ */

/* By name, so that a call that this machine's kernel headers do not know is left out. */
static const char *const allowed[] = { "bind", "brk", "clock_gettime", "clock_nanosleep", "close",
	"exit", "exit_group", "fcntl", "fcntl64", "fstat", "fstat64", "statx", "stat",
	"newfstatat", "fstatat64", "futex", "getegid", "geteuid", "getgid", "getpid", "getppid",
	"getrandom", "getsockname", "getsockopt", "gettid", "getuid", "ioctl", "lseek", "_llseek",
	"madvise", "mmap", "mmap2", "mprotect", "mremap", "munmap", "nanosleep", "poll", "ppoll",
	"ppoll_time64", "clock_gettime64", "clock_nanosleep_time64", "futex_time64", "read", "readv",
	"recv", "recvfrom", "recvmsg", "restart_syscall", "select",
	"_newselect", "pselect6", "pselect6_time64", "getdents64", "readlink", "readlinkat", "rt_sigaction", "rt_sigprocmask",
	"rt_sigreturn", "send", "sendmsg", "sendto", "setsockopt", "sigaltstack",
	"signalfd4", "sigreturn", "socketcall", "sysinfo", "uname", "write", "writev", "rseq",
	"set_robust_list" };
/* To start a worker and to end it. */
static const char *const forking[] = { "clone", "clone3", "fork", "kill", "prctl", "prlimit64",
	"tgkill", "wait4", "waitid", "waitpid", "seccomp", "capset", "set_tid_address" };

static int allow(scmp_filter_ctx f, const char *const *name, size_t count)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		int nr = seccomp_syscall_resolve_name(name[i]);
		if (nr == __NR_SCMP_ERROR)
			continue;
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
		/* Unknown on this machine. */
		if (rc == -EDOM || rc == -EEXIST)
			rc = 0;
	}
	return rc;
}

/* Sockets of netlink only, files for reading only. */
static int allow_some(scmp_filter_ctx f)
{
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		SCMP_A0(SCMP_CMP_EQ, AF_NETLINK));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	return rc == -EDOM ? 0 : rc;
}

int rights_filter(bool may_fork)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (f == NULL)
		return -ENOMEM;
	int rc = allow(f, allowed, sizeof(allowed) / sizeof(allowed[0]));
	if (rc == 0)
		rc = allow_some(f);
	if (rc == 0 && may_fork)
		rc = allow(f, forking, sizeof(forking) / sizeof(forking[0]));
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}
