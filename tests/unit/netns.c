/* A network of one's own for a test. */
#include "netns.h"
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "can not open %s", path);
	ck_assert_msg(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "can not write %s: %s",
		path, text);
	close(fd);
}

/* The user becomes root in a user namespace of its own. */
static void become_root(unsigned uid, unsigned gid)
{
	char map[64];
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
}

static void run(const char *line)
{
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "failed: %s", line);
}

void netns_enter(void)
{
	unsigned uid = getuid(), gid = getgid();
	ck_assert_msg(unshare(CLONE_NEWNET | (uid == 0 ? 0 : CLONE_NEWUSER)) == 0,
		"no network namespace to be had");
	if (uid != 0)
		become_root(uid, gid);
	netns_run("ip link set lo up");
}

int netns_here(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

void netns_move(int ns)
{
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
}

int netns_create(void)
{
	int here = netns_here();
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	netns_run("ip link set lo up");
	int there = netns_here();
	netns_move(here);
	close(here);
	return there;
}

static void put_up(const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_dad", name);
	netns_sysctl(path, "0");
	netns_run("ip link set %s up", name);
}

/* The kernel gives the link-local address last of what follows upon a carrier; a further change
 * comes behind the work that does so. */
static void settle(const char *name)
{
	netns_run("i=0; until ip -6 addr show dev %s scope link -tentative | grep -q inet6; do"
		" i=$((i + 1)); [ $i -lt 500 ] || exit 1; sleep 0.01; done;"
		"ip link set %s up", name, name);
}

void netns_join(int there, const char *name)
{
	int here = netns_here();
	netns_run("ip link add %s type veth peer name %s netns /proc/%d/fd/%d", name, name,
		(int)getpid(), there);
	put_up(name);
	netns_move(there);
	put_up(name);
	settle(name);
	netns_move(here);
	settle(name);
	close(here);
}

/* Also without duplicate detection an IPv6 address is of no use until the kernel's worker ran. */
static void await_addresses(void)
{
	run("i=0; while ip -6 addr show tentative | grep -q inet6; do"
		" i=$((i + 1)); [ $i -lt 500 ] || exit 1; sleep 0.01; done");
}

void netns_run(const char *fmt, ...)
{
	char line[512];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	ck_assert(n > 0 && n < (int)sizeof(line));
	run(line);
	if (strstr(line, "nodad") != NULL)
		await_addresses();
}

void netns_sysctl(const char *name, const char *value)
{
	char path[128];
	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	write_file(path, value);
}
