/* What lwgate-net keeps: one capability, and its own list of system calls. */
#include "rights.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/socket.h>
#include "base/filter.h"
#include "base/rights.h"

/* It reads no file of ours, so it needs not be our user. */
static const struct user nobody = { .uid = USER_NOBODY, .gid = USER_NOBODY };

int rights_check(char why[CAPTURE_TEXT])
{
	why[0] = '\0';
	if (rights_has(RIGHT(CAP_NET_ADMIN)))
		return 0;
	snprintf(why, CAPTURE_TEXT, "the right CAP_NET_ADMIN is missing; start lwgated as root, or"
		" grant it: AmbientCapabilities=CAP_NET_ADMIN in a systemd unit, \"NET_ADMIN\" in procd's"
		" capabilities file, or: setcap cap_net_admin+p lwgate-net");
	return -EPERM;
}

int rights_drop(void)
{
	return rights_give_up(&nobody, RIGHT(CAP_NET_ADMIN));
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

/* Sockets of netlink only, files for reading only. */
static const struct filter_call some[] = {
	{ "socket", { { 0, UINT32_MAX, AF_NETLINK } } },
	{ "openat", { { 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY } } },
	{ "open", { { 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY } } },
};

int rights_filter(bool may_fork)
{
	const struct filter_list lists[] = {
		{ allowed, sizeof(allowed) / sizeof(allowed[0]), some,
			sizeof(some) / sizeof(some[0]) },
		{ .name = forking, .names = sizeof(forking) / sizeof(forking[0]) },
	};
	int rc = filter_load(lists, may_fork ? 2 : 1);
	/* A router's small kernel may have no filters; the capability is the fence that counts. */
	return rc == -ENOSYS ? 0 : rc;
}
