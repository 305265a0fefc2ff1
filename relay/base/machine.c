/* Descriptors and local ports of this machine. */
#include "base/machine.h"
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors that are not sockets of endpoints: listeners, control, files, resolver. */
#define OTHER_DESCRIPTORS 128
/* The same of each worker but the first. */
#define WORKER_DESCRIPTORS 64
#define PORT_RANGE "/proc/sys/net/ipv4/ip_local_port_range"

static void read_ports(struct machine *m)
{
	unsigned first, last;
	FILE *f = fopen(PORT_RANGE, "re");
	if (f == NULL)
		return;
	if (fscanf(f, "%u %u", &first, &last) == 2 && first > 0 && first <= last && last <= 65535) {
		m->port_first = (uint16_t)first;
		m->port_last = (uint16_t)last;
	}
	fclose(f);
}

void machine_read(struct machine *m)
{
	struct rlimit limit;
	*m = (struct machine){ .descriptors = UINT64_MAX };
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY)
		m->descriptors = limit.rlim_max;
	read_ports(m);
}

unsigned machine_workers(unsigned option)
{
	cpu_set_t ours;
	if (option > 0)
		return option;
	if (sched_getaffinity(0, sizeof(ours), &ours) != 0)
		return 1;
	unsigned count = (unsigned)CPU_COUNT(&ours);
	return count < MACHINE_WORKERS ? count : MACHINE_WORKERS;
}

bool machine_lacks(const struct machine *m, unsigned endpoints, unsigned workers, char *text,
	size_t size)
{
	uint64_t need = (uint64_t)endpoints + OTHER_DESCRIPTORS + (workers - 1) * WORKER_DESCRIPTORS;
	unsigned ports = m->port_first == 0 ? 65536 : (unsigned)(m->port_last - m->port_first + 1);
	size_t at = 0;
	if (size > 0)
		text[0] = '\0';
	if (need > m->descriptors) {
		int n = snprintf(text, size,
			"max_endpoints %u needs %" PRIu64 " descriptors, the hard limit is %" PRIu64
			": %" PRIu64 " are missing (raise LimitNOFILE or ulimit -Hn)",
			endpoints, need, m->descriptors, need - m->descriptors);
		at = n > 0 && (size_t)n < size ? (size_t)n : size;
	}
	if (endpoints > ports && at < size)
		snprintf(text + at, size - at,
			"%smax_endpoints %u needs as many local ports, the range is %u to %u: %u are "
			"missing (widen net.ipv4.ip_local_port_range)",
			at > 0 ? "; " : "", endpoints, m->port_first, m->port_last,
			endpoints - ports);
	return need > m->descriptors || endpoints > ports;
}

int machine_raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : -errno;
}

uint64_t machine_resident(void)
{
	unsigned long long all, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu %llu", &all, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
