/* UDP sockets: wildcard ones towards devices, connected ones towards servers. */
#include "udp.h"
#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/rand.h"

/* The interface that Linux gives to lo in every network namespace. */
#define LOOPBACK_IFINDEX 1
/* Tries to bind the number that the kernel found free, before somebody else has it. */
#define PORT_TRIES 16

/* Room for the control messages of one datagram: packet information, and the overflow count. */
#define CONTROL_ROOM (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint32_t)))

/* What the kernel writes to, or reads from, beside the bytes of a slot. */
struct envelope {
	struct sockaddr_storage name;
	struct iovec iov;
	/* Aligned as cmsg(3) wants it. */
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_ROOM];
};

struct udp_batch {
	unsigned count;
	unsigned used; /* headers below it must be prepared before they are read into */
	uint32_t overflowed;
	struct udp_slot *slots;
	uint8_t *rooms;             /* UDP_ROOM bytes each */
	struct envelope *envelopes;
	struct mmsghdr *headers;
};

/* ---- batches --------------------------------------------------------------------------------- */

int udp_batch_create(struct udp_batch **batch, unsigned slots)
{
	*batch = NULL;
	struct udp_batch *b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	b->count = b->used = slots;
	b->slots = calloc(slots, sizeof(*b->slots));
	b->rooms = calloc(slots, UDP_ROOM);
	b->envelopes = calloc(slots, sizeof(*b->envelopes));
	b->headers = calloc(slots, sizeof(*b->headers));
	if (b->slots == NULL || b->rooms == NULL || b->envelopes == NULL || b->headers == NULL) {
		udp_batch_free(b);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < slots; i++)
		b->slots[i].bytes = b->rooms + (size_t)i * UDP_ROOM;
	*batch = b;
	return 0;
}

void udp_batch_free(struct udp_batch *batch)
{
	if (batch == NULL)
		return;
	free(batch->slots);
	free(batch->rooms);
	free(batch->envelopes);
	free(batch->headers);
	free(batch);
}

struct udp_slot *udp_batch_slot(struct udp_batch *batch, unsigned i)
{
	BUG_UNLESS(i < batch->count);
	return &batch->slots[i];
}

uint32_t udp_overflowed(const struct udp_batch *batch)
{
	return batch->overflowed;
}

/* ---- sockets --------------------------------------------------------------------------------- */

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* Fragments on the way out are allowed and the DF bit is never set, while the path MTU is kept
 * where it was learned: routers do not fragment IPv6. With WANT, the kernel's default, an ICMP
 * "fragmentation needed" comes back as EMSGSIZE; OMIT does not keep the path MTU. */
static int allow_fragments(int fd, bool v4)
{
	if (v4)
		return set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	return set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static int bind_interface(int fd, const char *interface)
{
	if (interface == NULL)
		return 0;
	if (strlen(interface) >= IF_NAMESIZE)
		return -ENODEV;
	socklen_t n = (socklen_t)strlen(interface);
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, n) == 0 ? 0 : -errno;
}

/* Opens a socket with what both sides share. IPv6 ones are V6ONLY, so that both families may hold
 * the same port. */
static int open_socket(bool v4, const char *interface)
{
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int rc = v4 ? 0 : set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (rc == 0)
		rc = allow_fragments(fd, v4);
	if (rc == 0)
		rc = bind_interface(fd, interface);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int bind_to(int fd, const struct addr *address)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(address, &ss);
	return bind(fd, (struct sockaddr *)&ss, n) == 0 ? 0 : -errno;
}

void udp_close(int fd)
{
	close(fd);
}

bool udp_is_link(uint32_t ifindex)
{
	char name[IF_NAMESIZE];
	/* Only a definite no counts: without a descriptor left nothing can be asked. */
	return if_indextoname(ifindex, name) != NULL || (errno != ENXIO && errno != ENODEV);
}

/* Taking it off needs no right. */
int udp_set_ordinary(int fd)
{
	int domain = 0;
	socklen_t n = sizeof(domain);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) != 0)
		return -errno;
	return domain == AF_INET ? set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 0) :
				   set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 0);
}

/* ---- LAN: open ------------------------------------------------------------------------------- */

/* Above the kernel's limit where we may, up to it where not. */
static int set_buffers(int fd, int bytes)
{
	if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes) == 0 &&
		set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes) == 0)
		return 0;
	int rc = set_int(fd, SOL_SOCKET, SO_RCVBUF, bytes);
	return rc < 0 ? rc : set_int(fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

static int tell_called(int fd, bool v4)
{
	int rc = v4 ? set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) :
		set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	return rc < 0 ? rc : set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
}

int udp_listen(const struct udp_listen_spec *spec)
{
	struct addr address = spec->address;
	bool v4 = addr_is_v4(&address);
	if (addr_is_link_local(&address) && address.scope == 0 && spec->interface != NULL)
		address.scope = if_nametoindex(spec->interface);
	int fd = open_socket(v4, spec->interface);
	if (fd < 0)
		return fd;
	int rc = tell_called(fd, v4);
	if (rc == 0)
		rc = set_buffers(fd, LAN_SOCKET_BUFFER);
	if (rc == 0)
		rc = spec->steer == NULL ? bind_to(fd, &address) :
			steer_bind(spec->steer, spec->worker, fd, &address, spec->is_secure);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* ---- LAN: read ------------------------------------------------------------------------------- */

/* An ICMP message's error, as the kernel gives it to a socket; none of them means that the socket
 * itself is broken. */
static bool is_icmp(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENONET:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case EPROTO:
	case EACCES:
	case EMSGSIZE:
		return true;
	default:
		return false;
	}
}

/* Makes an envelope ready to be filled by the kernel. */
static void prepare_read(struct udp_batch *batch, unsigned i)
{
	struct envelope *e = &batch->envelopes[i];
	e->iov = (struct iovec){ batch->slots[i].bytes, UDP_ROOM };
	batch->headers[i].msg_hdr = (struct msghdr){
		.msg_name = &e->name,
		.msg_namelen = sizeof(e->name),
		.msg_iov = &e->iov,
		.msg_iovlen = 1,
		.msg_control = e->control,
		.msg_controllen = sizeof(e->control),
	};
}

static void called_v4(struct udp_slot *slot, const struct cmsghdr *c)
{
	struct in_pktinfo info;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	slot->called = addr_any(true, 0);
	memcpy(slot->called.ip + 12, &info.ipi_addr, 4);
	slot->ifindex = (uint32_t)info.ipi_ifindex;
	/* Where an answer can not leave from what was called, the kernel names another source (ip(7)). */
	slot->is_broadcast = info.ipi_spec_dst.s_addr != info.ipi_addr.s_addr;
}

static void called_v6(struct udp_slot *slot, const struct cmsghdr *c)
{
	struct in6_pktinfo info;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	slot->called = addr_any(false, 0);
	memcpy(slot->called.ip, &info.ipi6_addr, 16);
	slot->ifindex = (uint32_t)info.ipi6_ifindex;
	if (addr_is_link_local(&slot->called))
		slot->called.scope = slot->ifindex;
	/* In our shape it could not be told from the IPv4 host. */
	slot->is_mixed = addr_is_v4(&slot->peer) || addr_is_v4(&slot->called);
}

/* Reads the control messages: what was called, and how much was lost so far. */
static void read_control(struct udp_slot *slot, struct msghdr *header, uint32_t *overflowed)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			called_v4(slot, c);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			called_v6(slot, c);
		else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			memcpy(overflowed, CMSG_DATA(c), sizeof(*overflowed));
	}
}

static void open_envelope(struct udp_batch *batch, unsigned i)
{
	struct udp_slot *slot = &batch->slots[i];
	struct mmsghdr *m = &batch->headers[i];
	slot->n = m->msg_len;
	slot->truncated = (m->msg_hdr.msg_flags & MSG_TRUNC) != 0;
	slot->called = addr_any(true, 0);
	slot->is_broadcast = slot->is_mixed = false;
	slot->ifindex = 0;
	(void)addr_from_sockaddr(&slot->peer, &batch->envelopes[i].name);
	/* The kernel leaves the count out while it is 0. */
	batch->overflowed = 0;
	read_control(slot, &m->msg_hdr, &batch->overflowed);
}

static void use(struct udp_batch *batch, unsigned end)
{
	if (batch->used < end)
		batch->used = end;
}

int udp_recv_batch(int fd, struct udp_batch *batch, unsigned most)
{
	BUG_UNLESS(most <= batch->count);
	for (unsigned i = 0; i < batch->used && i < most; i++)
		prepare_read(batch, i);
	if (batch->used <= most)
		batch->used = 0;
	int n = recvmmsg(fd, batch->headers, most, MSG_DONTWAIT, NULL);
	if (n < 0 && is_icmp(errno))
		n = recvmmsg(fd, batch->headers, most, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || is_icmp(errno) ? 0 : -errno;
	use(batch, (unsigned)n);
	for (int i = 0; i < n; i++)
		open_envelope(batch, (unsigned)i);
	return n;
}

/* ---- LAN: send ------------------------------------------------------------------------------- */

/* The interface that the answer is bound to. What a program of this machine sends comes in, by the
 * kernel's word, through the interface that owns the address which it called; bound to that, the
 * answer would leave by the cable (measured). So such peers are routed. */
static uint32_t answer_interface(const struct udp_slot *slot)
{
	if (slot->ifindex == LOOPBACK_IFINDEX || addr_is_loopback(&slot->peer) ||
		addr_same_host(&slot->peer, &slot->called))
		return 0;
	return slot->ifindex;
}

/* Writes the control message that names the source address and the interface; returns its bytes. Without the
 * padding behind it: Linux keeps 36 bytes on its stack, and allocates for more with each datagram. */
static size_t write_control(struct msghdr *header, const struct udp_slot *slot)
{
	uint32_t ifindex = answer_interface(slot);
	struct cmsghdr *c = CMSG_FIRSTHDR(header);
	if (addr_is_v4(&slot->peer)) {
		struct in_pktinfo info = { .ipi_ifindex = (int)ifindex };
		memcpy(&info.ipi_spec_dst, slot->called.ip + 12, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		return CMSG_LEN(sizeof(info));
	}
	struct in6_pktinfo info = { .ipi6_ifindex = ifindex };
	memcpy(&info.ipi6_addr, slot->called.ip, 16);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return CMSG_LEN(sizeof(info));
}

static void close_envelope(struct udp_batch *batch, unsigned i)
{
	const struct udp_slot *slot = &batch->slots[i];
	struct envelope *e = &batch->envelopes[i];
	struct msghdr *header = &batch->headers[i].msg_hdr;
	e->iov = (struct iovec){ slot->bytes, slot->n };
	*header = (struct msghdr){
		.msg_name = &e->name,
		.msg_namelen = addr_to_sockaddr(&slot->peer, &e->name),
		.msg_iov = &e->iov,
		.msg_iovlen = 1,
		.msg_control = e->control,
		.msg_controllen = sizeof(e->control),
	};
	header->msg_controllen = write_control(header, slot);
}

unsigned udp_send_batch(int fd, struct udp_batch *batch, unsigned first, unsigned count,
	unsigned *refused)
{
	BUG_UNLESS(first <= batch->count && count <= batch->count - first);
	unsigned end = first + count, at = first, sent = 0;
	bool blocked = false;
	use(batch, end);
	for (unsigned i = first; i < end; i++)
		close_envelope(batch, i);
	while (at < end) {
		int n = sendmmsg(fd, batch->headers + at, end - at, MSG_DONTWAIT);
		if (n > 0) {
			at += (unsigned)n;
			sent += (unsigned)n;
			blocked = false;
		} else if (errno == EAGAIN && blocked) {
			break;
		} else if (errno == EAGAIN) {
			blocked = true;
		} else if (errno != EINTR) {
			at++;
		}
	}
	*refused += count - sent;
	return sent;
}

/* ---- WAN: open ------------------------------------------------------------------------------- */

/* A socket that is bound to a wildcard address but not connected hears everybody. Until it is
 * connected it is made deaf, so that nothing of a stranger waits in it when it is. */
static int make_deaf(int fd)
{
	struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { 1, nothing };
	int rc = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	return rc == 0 ? 0 : -errno;
}

static int make_hear(int fd)
{
	return set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

static int connect_to(int fd, const struct addr *peer)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(peer, &ss);
	return connect(fd, (struct sockaddr *)&ss, n) == 0 ? 0 : -errno;
}

/* No way to the peer today; tomorrow there may be one. */
static bool is_no_route(int rc)
{
	switch (-rc) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case EACCES: /* a prohibiting route, */
	case EINVAL: /* one that is a black hole */
		return true;
	default:
		return false;
	}
}

/* Opens a deaf socket on a number, or on one of the kernel's choice. */
static int open_bound(const struct udp_connect_spec *spec, uint16_t port)
{
	bool v4 = addr_is_v4(&spec->peer);
	struct addr any = addr_any(v4, port);
	int fd = open_socket(v4, spec->interface);
	if (fd < 0)
		return fd;
	int rc = set_int(fd, SOL_SOCKET, SO_RCVBUF, WAN_SOCKET_BUFFER);
	if (rc == 0)
		rc = make_deaf(fd);
	if (rc == 0)
		rc = bind_to(fd, &any);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* Lets the kernel find a free port (it draws one at random, knows the range and the reserved ones,
 * and whether any is left), then binds it by number: only then udp_reconnect keeps it. */
static int open_chosen(const struct udp_connect_spec *spec, uint16_t *port)
{
	for (int i = 0; i < PORT_TRIES; i++) {
		struct addr local;
		int fd = open_bound(spec, 0);
		if (fd == -EADDRINUSE)
			break;
		if (fd < 0)
			return fd;
		int rc = udp_local(fd, &local);
		close(fd);
		if (rc < 0)
			return rc;
		fd = open_bound(spec, local.port);
		*port = local.port;
		if (fd != -EADDRINUSE)
			return fd;
	}
	return -EADDRNOTAVAIL;
}

int udp_connect(const struct udp_connect_spec *spec, uint16_t *port, bool *connected)
{
	uint16_t number = spec->port;
	int fd = number == 0 ? open_chosen(spec, &number) : open_bound(spec, number);
	if (fd < 0)
		return fd;
	int rc = connect_to(fd, &spec->peer);
	*connected = rc == 0;
	*port = number;
	if (rc == 0)
		rc = make_hear(fd);
	if (rc == 0 || is_no_route(rc))
		return fd;
	close(fd);
	return rc;
}

/* Takes the peer away. The kernel takes the interface away with it. */
static int disconnect(int fd)
{
	char interface[IF_NAMESIZE] = "";
	socklen_t n = sizeof(interface);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, &n) != 0)
		return -errno;
	if (connect(fd, &none, sizeof(none)) != 0)
		return -errno;
	return bind_interface(fd, interface[0] == '\0' ? NULL : interface);
}

int udp_reconnect(int fd, const struct addr *peer)
{
	int rc = make_deaf(fd);
	if (rc == 0)
		rc = disconnect(fd);
	if (rc == 0)
		rc = connect_to(fd, peer);
	return rc == 0 ? make_hear(fd) : rc;
}

/* ---- WAN: addresses -------------------------------------------------------------------------- */

int udp_local(int fd, struct addr *local)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
		return -errno;
	return addr_from_sockaddr(local, &ss) ? 0 : -EAFNOSUPPORT;
}

/* For a socket that only asks, when all ports of the range are used: another number will do. */
static int connect_beside_range(int fd, const struct addr *peer)
{
	struct addr any = addr_any(addr_is_v4(peer), (uint16_t)(1024 + rand_below(65536 - 1024)));
	int rc = bind_to(fd, &any);
	if (rc < 0)
		return -EAGAIN;
	return connect_to(fd, peer);
}

int udp_source_for(const struct addr *peer, const char *interface, struct addr *local)
{
	int fd = open_socket(addr_is_v4(peer), interface);
	if (fd < 0)
		return fd;
	int rc = connect_to(fd, peer);
	for (int i = 0; rc == -EAGAIN && i < PORT_TRIES; i++)
		rc = connect_beside_range(fd, peer);
	if (rc == 0)
		rc = udp_local(fd, local);
	if (rc == 0)
		local->port = 0;
	close(fd);
	return rc;
}

/* ---- WAN: send and read ---------------------------------------------------------------------- */

int udp_send(int fd, const uint8_t *bytes, size_t n, unsigned *refused)
{
	if (send(fd, bytes, n, MSG_DONTWAIT) >= 0)
		return 0;
	/* An error that waited is told once, in place of this send; one that stays is no message. */
	int first = errno;
	if (!is_icmp(first))
		return -first;
	if (send(fd, bytes, n, MSG_DONTWAIT) >= 0) {
		++*refused;
		return 0;
	}
	int second = errno;
	*refused += first == ECONNREFUSED || first != second;
	return -second;
}

long udp_recv(int fd, uint8_t *room, size_t size)
{
	ssize_t n = recv(fd, room, size, MSG_DONTWAIT | MSG_TRUNC);
	if (n >= 0)
		return n;
	if (errno == EINTR)
		return -EAGAIN;
	return is_icmp(errno) ? -ECONNREFUSED : -errno;
}

uint32_t udp_ifindex(const char *interface)
{
	return if_nametoindex(interface);
}
