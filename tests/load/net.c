/* What the load tools share: see net.h. */
#include "net.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t net_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int64_t net_cpu_of(pid_t pid)
{
	clockid_t clock;
	struct timespec t;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return -1;
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The fourth word of /proc/PID/stat, behind a name in brackets that may hold anything. */
static pid_t parent_of(const char *pid)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	FILE *f = fopen(path, "r");
	size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	return end != NULL && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

int64_t net_cpu_of_family(pid_t pid)
{
	int64_t sum = net_cpu_of(pid);
	DIR *proc = opendir("/proc");
	for (struct dirent *e; proc != NULL && (e = readdir(proc)) != NULL;) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || parent_of(e->d_name) != pid)
			continue;
		int64_t cpu = net_cpu_of((pid_t)strtol(e->d_name, NULL, 10));
		sum += cpu > 0 ? cpu : 0;
	}
	if (proc != NULL)
		closedir(proc);
	return sum;
}

static int prepare(int fd, const struct addr *local, const struct addr *peer, int buffer)
{
	struct sockaddr_storage ss;
	/* FORCE works for root only; the other one is cut to the kernel's limit. */
	if (buffer != 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (buffer != 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (local != NULL && bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(local, &ss)) != 0)
		return -errno;
	if (peer != NULL && connect(fd, (struct sockaddr *)&ss, addr_to_sockaddr(peer, &ss)) != 0)
		return -errno;
	return 0;
}

int net_open(const struct addr *local, const struct addr *peer, int buffer)
{
	const struct addr *any = local != NULL ? local : peer;
	int family = any != NULL && addr_is_v4(any) ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int rc = prepare(fd, local, peer, buffer);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

void net_need_descriptors(size_t wanted)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		net_die("getrlimit: %s", strerror(errno));
	if (l.rlim_max < wanted)
		net_die("%zu descriptors are needed, the hard limit is %ju", wanted,
			(uintmax_t)l.rlim_max);
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) != 0)
		net_die("setrlimit: %s", strerror(errno));
}

int net_watch(int epoll, int fd, uint64_t key)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = key };
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : -errno;
}

void net_die(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(2);
}

double net_number(const char *what, const char *text, double low, double high)
{
	char *end;
	double v = strtod(text, &end);
	if (end == text || *end != '\0' || !(v >= low && v <= high))
		net_die("%s: '%s' is not a number from %g to %g", what, text, low, high);
	return v;
}

struct addr net_address(const char *text)
{
	struct addr a;
	if (addr_parse(&a, text) != 0 || a.port == 0)
		net_die("'%s' is not ADDRESS:PORT", text);
	return a;
}
