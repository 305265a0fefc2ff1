/* Transparent UDP sockets. The relay's udp.c reads and answers on them as on its own: packet
 * information alone carries the called address both ways, one socket a port. */
#include "transparent.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As the relay's own LAN sockets have it; above the system's limit only who has the right may go. */
#define BUFFER (4 * 1024 * 1024)

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static int set_v4(int fd)
{
	int rc = set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	if (rc == 0)
		rc = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	return rc == 0 ? set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) : rc;
}

static int set_v6(int fd)
{
	int rc = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (rc == 0)
		rc = set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	if (rc == 0)
		rc = set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	return rc == 0 ? set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : rc;
}

static int set_shared(int fd, const char *interface)
{
	int rc = set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (rc == 0 && interface[0] != '\0' &&
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
			(socklen_t)strlen(interface)) != 0)
		rc = -errno;
	if (rc == 0 && set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER) != 0)
		rc = set_int(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
	if (rc == 0 && set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER) != 0)
		rc = set_int(fd, SOL_SOCKET, SO_SNDBUF, BUFFER);
	return rc;
}

int transparent_open(const struct capture_socket *s)
{
	struct sockaddr_storage ss;
	struct addr any = addr_any(s->is_v4, s->port);
	socklen_t n = addr_to_sockaddr(&any, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* All of it before the bind: no datagram comes without its packet information. */
	int rc = s->is_v4 ? set_v4(fd) : set_v6(fd);
	if (rc == 0)
		rc = set_shared(fd, s->interface);
	if (rc == 0 && bind(fd, (struct sockaddr *)&ss, n) != 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}
