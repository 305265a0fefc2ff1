/* Sockets of a flood: see flood_net.h. */
#include "flood_net.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "net.h"

#define HEADERS 28 /* IP and UDP, without options */

struct flood_net {
	struct flood_net_spec spec;
	struct sockaddr_in to;
	uint32_t first; /* of the source addresses, host order */
	int raw;        /* -1: none */
	unsigned turn;  /* socket that is asked next */
	int fd[FLOOD_PORTS];
};

static uint32_t v4_of(const struct addr *a)
{
	uint32_t v;
	memcpy(&v, a->ip + 12, 4);
	return ntohl(v);
}

/* ---- opening -------------------------------------------------------------------------------- */

static int open_port(void)
{
	struct addr any = addr_any(true, 0);
	int on = 1, fd = net_open(&any, NULL, NET_SHARED_BUFFER);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) != 0 ||
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) != 0)
		net_die("flood: no socket: %s", strerror(fd < 0 ? -fd : errno));
	return fd;
}

static int open_raw(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		net_die("flood: no raw socket: %s", strerror(errno));
	return fd;
}

struct flood_net *flood_net_open(const struct flood_net_spec *spec)
{
	struct flood_net *net = calloc(1, sizeof(*net));
	BUG_UNLESS(net != NULL);
	struct sockaddr_storage ss;
	if (!addr_is_v4(&spec->to))
		net_die("flood: IPv4 is wanted");
	net->spec = *spec;
	net->first = v4_of(&spec->from);
	addr_to_sockaddr(&spec->to, &ss);
	memcpy(&net->to, &ss, sizeof(net->to));
	net->raw = spec->lie.port != 0 ? open_raw() : -1;
	for (unsigned i = 0; net->raw < 0 && i < spec->ports; i++)
		net->fd[i] = open_port();
	return net;
}

void flood_net_close(struct flood_net *net)
{
	for (unsigned i = 0; net->raw < 0 && i < net->spec.ports; i++)
		close(net->fd[i]);
	if (net->raw >= 0)
		close(net->raw);
	free(net);
}

uint64_t flood_net_clients(const struct flood_net *net)
{
	return (uint64_t)net->spec.sources * net->spec.ports;
}

/* ---- speaking ------------------------------------------------------------------------------- */

/* The kernel sums the header up; UDP without a sum is allowed (RFC 768). */
static bool lie(struct flood_net *net, const uint8_t *bytes, size_t n)
{
	uint8_t head[HEADERS];
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	struct udphdr udp = { .source = htons(net->spec.lie.port),
		.dest = net->to.sin_port,
		.len = htons((uint16_t)(8 + n)) };
	ip.tot_len = htons((uint16_t)(HEADERS + n));
	ip.saddr = htonl(v4_of(&net->spec.lie));
	ip.daddr = net->to.sin_addr.s_addr;
	memcpy(head, &ip, 20);
	memcpy(head + 20, &udp, 8);
	struct iovec parts[2] = { { head, HEADERS }, { (void *)bytes, n } };
	struct sockaddr_in to = net->to;
	struct msghdr m = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = parts, .msg_iovlen = 2
	};
	return sendmsg(net->raw, &m, 0) >= 0;
}

bool flood_net_send(struct flood_net *net, uint64_t client, const uint8_t *bytes, size_t n)
{
	if (net->raw >= 0)
		return lie(net, bytes, n);
	struct iovec part = { (void *)bytes, n };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
	memset(&control, 0, sizeof(control));
	struct msghdr m = { .msg_name = &net->to,
		.msg_namelen = sizeof(net->to),
		.msg_iov = &part,
		.msg_iovlen = 1 };
	if (net->first != 0) {
		struct in_pktinfo info = {
			.ipi_spec_dst.s_addr =
				htonl(net->first + (uint32_t)(client % net->spec.sources))
		};
		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = IPPROTO_IP;
		h->cmsg_type = IP_PKTINFO;
		h->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(h), &info, sizeof(info));
	}
	return sendmsg(net->fd[client / net->spec.sources % net->spec.ports], &m, 0) >= 0;
}

/* ---- hearing -------------------------------------------------------------------------------- */

static uint32_t called(struct msghdr *m)
{
	struct in_pktinfo info;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h))
		if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(h), sizeof(info));
			return ntohl(info.ipi_addr.s_addr);
		}
	return 0;
}

static bool take_from(struct flood_net *net, unsigned port, uint64_t *client, uint8_t *room,
	size_t size, size_t *n)
{
	struct iovec part = { room, size };
	union {
		struct cmsghdr align;
		char room[256];
	} control;
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room) };
	ssize_t got = recvmsg(net->fd[port], &m, MSG_DONTWAIT);
	if (got < 0)
		return false;
	uint32_t source = net->first != 0 ? called(&m) - net->first : 0;
	*client = (uint64_t)port * net->spec.sources + source;
	*n = (size_t)got;
	return source < net->spec.sources;
}

bool flood_net_take(struct flood_net *net, uint64_t *client, uint8_t *room, size_t size, size_t *n)
{
	for (unsigned i = 0; net->raw < 0 && i < net->spec.ports; i++) {
		unsigned port = (net->turn + i) % net->spec.ports;
		if (take_from(net, port, client, room, size, n)) {
			net->turn = port;
			return true;
		}
	}
	return false;
}

static bool is_end(const struct addr *a, uint32_t ip, uint16_t port)
{
	return v4_of(a) == ntohl(ip) && a->port == ntohs(port);
}

static void hear_one(const struct flood_net *net, const uint8_t *packet, size_t n,
	void (*hear)(const uint8_t *datagram, size_t n))
{
	struct iphdr ip;
	struct udphdr udp;
	if (n < HEADERS || packet[0] != 0x45 || packet[9] != IPPROTO_UDP)
		return;
	memcpy(&ip, packet, 20);
	memcpy(&udp, packet + 20, 8);
	size_t length = ntohs(udp.len);
	if (length < 8 || length > n - 20)
		return;
	const struct addr *to = &net->spec.to, *lie_of = &net->spec.lie;
	bool up = is_end(lie_of, ip.saddr, udp.source) && is_end(to, ip.daddr, udp.dest);
	bool down = is_end(to, ip.saddr, udp.source) && is_end(lie_of, ip.daddr, udp.dest);
	if (up || down)
		hear(packet + HEADERS, length - 8);
}

void flood_net_listen(const struct flood_net *net, const char *interface, int64_t ns,
	void (*hear)(const uint8_t *datagram, size_t n))
{
	uint8_t room[NET_ROOM];
	struct sockaddr_ll where = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof(where)) != 0)
		net_die("flood: can not listen on %s: %s", interface, strerror(errno));
	fprintf(stderr, "listening\n");
	for (int64_t end = net_now() + ns; net_now() < end;) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t n;
		(void)poll(&p, 1, 50);
		while ((n = recv(fd, room, sizeof(room), 0)) >= 0)
			hear_one(net, room, (size_t)n, hear);
	}
	close(fd);
}
