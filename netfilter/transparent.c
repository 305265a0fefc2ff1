/* What of a socket needs a right. Packet information carries the called address both ways,
 * which lwgated asks for itself: one socket a port. */
#include "transparent.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include "netfilter.h"

/* -1 for what is no socket. */
static int get_int(int fd, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, name, &value, &n) == 0 ? value : -1;
}

int transparent_make(int fd)
{
	const int on = 1;
	int family = get_int(fd, SO_DOMAIN);
	bool is_v4 = family == AF_INET;
	if ((!is_v4 && family != AF_INET6) || get_int(fd, SO_TYPE) != SOCK_DGRAM ||
		get_int(fd, SO_PROTOCOL) != IPPROTO_UDP)
		return -EINVAL;
	/* A socket that was opened without rights has the buffers of everybody; it works with those, too. */
	const int bytes = CAPTURE_BUFFER;
	if (get_int(fd, SO_RCVBUF) < bytes)
		(void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (get_int(fd, SO_SNDBUF) < bytes)
		(void)!setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	int rc = setsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6,
		is_v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, &on, sizeof(on));
	return rc == 0 ? 0 : -errno;
}
