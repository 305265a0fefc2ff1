/* The relay without rights: its user, and the list of its system calls. */
#include "confine.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/filter.h"
#include "base/log.h"
#include "base/rights.h"
#include "conf/conf.h"
#include "limits.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define RMEM_MAX "/proc/sys/net/core/rmem_max"

/* ---- system calls ---- */

/* By what they are for. On machines of 32 bit some have an elder and a younger name. */
static const char *const plain[] = {
	/* the loop */
	"epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "read", "readv", "write", "writev",
	"close", "poll", "ppoll", "ppoll_time64", "clock_gettime", "clock_gettime64", "gettimeofday",
	"time", "restart_syscall", "rt_sigreturn", "sigreturn", "rt_sigprocmask", "rt_sigaction",
	/* datagrams; the control socket's clients */
	"bind", "connect", "accept", "accept4", "recv", "recvfrom", "recvmsg", "recvmmsg",
	"recvmmsg_time64", "send", "sendto", "sendmsg", "sendmmsg", "getsockname", "getpeername",
	"getsockopt", "setsockopt", "shutdown", "fcntl", "fcntl64",
	/* files: the configuration, the state file, what c-ares reads; where its folder came later */
	"fstat", "fstat64", "stat", "stat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx",
	"lseek", "_llseek", "flock", "fsync", "access", "faccessat", "faccessat2", "getcwd",
	"readlink", "readlinkat", "renameat", "renameat2", "unlinkat", "mkdir", "mkdirat",
	/* memory, randomness */
	"brk", "munmap", "mremap", "madvise", "mlock", "munlock", "getrandom", "futex", "futex_time64",
	/* who and where we are; descriptors */
	"getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32",
	"getgid32", "getegid32", "uname", "sysinfo", "prlimit64", "getrlimit", "ugetrlimit",
	"setrlimit", "sched_getaffinity",
	/* the end, also lwgate-net's */
	"exit", "exit_group", "wait4", "waitid", "waitpid", "sigaltstack",
};

#define TYPE 0xf /* of a socket, without its flags */
#define WRITING (O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW)
#define READING (O_ACCMODE | O_CREAT | O_TRUNC)
#define NEW_FILE (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
#define SOCKET(family, type) { "socket", { { 0, UINT32_MAX, family }, { 1, TYPE, type } } }

static const struct filter_call narrow[] = {
	SOCKET(AF_INET, SOCK_DGRAM), SOCKET(AF_INET, SOCK_STREAM), SOCKET(AF_INET6, SOCK_DGRAM),
	SOCKET(AF_INET6, SOCK_STREAM), /* c-ares asks by TCP, too */
	SOCKET(AF_UNIX, SOCK_DGRAM), SOCKET(AF_UNIX, SOCK_STREAM), /* syslog; names of interfaces */
	{ "socket", { { 0, UINT32_MAX, AF_NETLINK }, { 2, UINT32_MAX, NETLINK_ROUTE } } },
	/* Files are read; what is written is new. */
	{ "open", { { 1, READING, O_RDONLY } } }, { "openat", { { 2, READING, O_RDONLY } } },
	{ "openat", { { 2, WRITING, NEW_FILE } } },
	/* Nothing becomes code that was not there. */
	{ "mmap", { { 2, PROT_EXEC, 0 } } }, { "mmap2", { { 2, PROT_EXEC, 0 } } },
	{ "mprotect", { { 2, PROT_EXEC, 0 } } },
	/* Interfaces by name and number; whether a stream is a terminal. */
	{ "ioctl", { { 1, UINT32_MAX, SIOCGIFNAME } } },
	{ "ioctl", { { 1, UINT32_MAX, SIOCGIFINDEX } } },
	{ "ioctl", { { 1, UINT32_MAX, TCGETS } } }, { "ioctl", { { 1, UINT32_MAX, FIONREAD } } },
};

int confine_filter(void)
{
	/* abort() tells itself; nobody else is told anything. */
	const struct filter_call own = { "tgkill",
		{ { 0, UINT32_MAX, (uint32_t)getpid() } } };
	const struct filter_list lists[] = {
		{ plain, COUNT(plain), narrow, COUNT(narrow) },
		{ .call = &own, .calls = 1 },
	};
	return filter_load(lists, COUNT(lists));
}

/* ---- what is said ---- */

static void say_who(const struct user *wanted, bool was_root)
{
	unsigned uid = (unsigned)geteuid();
	if (uid == 0)
		log_warn("confine: can not become user %u, so lwgated stays root, without a right; files"
			" of root's are open to it", (unsigned)wanted->uid);
	else if (was_root && !wanted->is_known)
		log_warn("confine: there is no user " USER_NAME ", so lwgated goes on as %u; right is: "
			USER_MAKE, uid);
	log_info("confine: user %u, without any right from now on", uid);
}

/* With CAP_NET_ADMIN the kernel's limit did not hold. */
static void say_buffers(void)
{
	long most;
	FILE *f = fopen(RMEM_MAX, "re");
	if (f == NULL)
		return;
	bool is_read = fscanf(f, "%ld", &most) == 1;
	fclose(f);
	if (is_read && most < LAN_SOCKET_BUFFER)
		log_info("confine: sockets that a reload opens get buffers of %ld bytes, not %d, unless"
			" their listener intercepts; right is:"
			" sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d", most,
			LAN_SOCKET_BUFFER, LAN_SOCKET_BUFFER, LAN_SOCKET_BUFFER);
}

int confine(int (*threads)(void *who), void *who)
{
	const struct user *user = user_service();
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	bool was_root = user_will_change();
	/* Keys of a reload shall stay out of the swap, too. Best effort. */
	(void)!setrlimit(RLIMIT_MEMLOCK, &all);
	int rc = rights_give_up(user, 0);
	if (rc != 0)
		return rc;
	say_who(user, was_root);
	say_buffers();
	rc = threads != NULL ? threads(who) : 0;
	if (rc != 0)
		return rc;
	if (!filter_fits()) {
		log_info("confine: a sanitized build: system calls are not filtered");
		return 0;
	}
	rc = confine_filter();
	if (rc != -ENOSYS)
		return rc;
	log_warn("confine: this kernel can not filter system calls (CONFIG_SECCOMP_FILTER)");
	return 0;
}

void confine_check_reload(const char *conf_path)
{
	struct conf_faults faults = { 0 };
	char line[1024];
	struct conf *conf = conf_load(conf_path, &faults);
	for (size_t i = 0; conf == NULL && i < faults.count; i++) {
		if (faults.list[i].severity != CONF_ERROR)
			continue;
		conf_fault_print(&faults.list[i], line, sizeof(line));
		log_warn("confine: a reload would be refused: %s", line);
	}
	conf_faults_free(&faults);
	conf_free(conf);
}
