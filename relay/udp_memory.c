/* What the kernel tells of the memory of a socket: how full its queue is, and what it dropped. */
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include "udp.h"

/* False where it does not tell. */
static bool read_meminfo(int fd, uint32_t info[SK_MEMINFO_VARS])
{
	socklen_t n = SK_MEMINFO_VARS * sizeof(*info);
	memset(info, 0, n);
	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) == 0;
}

uint32_t udp_dropped(int fd)
{
	uint32_t info[SK_MEMINFO_VARS];
	return read_meminfo(fd, info) ? info[SK_MEMINFO_DROPS] : 0;
}

unsigned udp_filled(int fd)
{
	uint32_t info[SK_MEMINFO_VARS];
	if (!read_meminfo(fd, info) || info[SK_MEMINFO_RCVBUF] == 0)
		return 0;
	return (unsigned)((uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * 100 / info[SK_MEMINFO_RCVBUF]);
}
