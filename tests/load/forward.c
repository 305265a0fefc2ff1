/* The yardstick: a bare epoll forwarder. One LAN socket, one connected WAN socket for each device,
 * found by the device's source port in an array. No CoAP, no table, no timer, no DTLS: what is left
 * is the kernel's price for a relay with these sockets.
 * usage: forward LISTEN:PORT SERVER:PORT */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net.h"

#define BATCH   64
#define EVENTS  256
#define PORTS   65536
#define LAN_KEY PORTS

/* One device: all that is known is where answers go and by which socket requests leave. */
struct pair {
	int wan; /* connected socket, 0 while there is none */
	struct sockaddr_storage device;
};

/* Datagrams that are read or sent by one system call. */
struct batch {
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t room[BATCH][NET_ROOM];
	unsigned count; /* waiting to be sent */
};

static struct forwarder {
	int epoll;
	int lan;
	struct addr server;
	struct pair pair[PORTS];
	struct batch up;
	struct batch down;
} fw;

static void batch_init(struct batch *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){ b->room[i], NET_ROOM };
		b->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i],
			.msg_iovlen = 1,
			.msg_name = &b->from[i],
			.msg_namelen = sizeof(b->from[i]) };
	}
}

/* A socket of its own for a device that is seen for the first time. */
static int pair_open(struct pair *p, uint16_t port, const struct sockaddr_storage *from)
{
	int fd = net_open(NULL, &fw.server, 0);
	if (fd < 0)
		return fd;
	int rc = net_watch(fw.epoll, fd, port);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	*p = (struct pair){ fd, *from };
	return 0;
}

/* Both families keep the port at the same place. */
static uint16_t port_of(const struct sockaddr_storage *from)
{
	return ntohs(((const struct sockaddr_in *)(const void *)from)->sin_port);
}

static void forward_up(void)
{
	struct batch *b = &fw.up;
	int n = recvmmsg(fw.lan, b->msg, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		uint16_t port = port_of(&b->from[i]);
		struct pair *p = &fw.pair[port];
		if (p->wan == 0 && pair_open(p, port, &b->from[i]) != 0)
			continue;
		send(p->wan, b->room[i], b->msg[i].msg_len, MSG_DONTWAIT);
		b->msg[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
	}
}

static void flush_down(void)
{
	struct batch *b = &fw.down;
	for (unsigned done = 0; done < b->count;) {
		int n = sendmmsg(fw.lan, b->msg + done, b->count - done, 0);
		/* The first datagram of what is left could not be sent: go on behind it. */
		done += n > 0 ? (unsigned)n : 1;
	}
	b->count = 0;
}

static void forward_down(struct pair *p)
{
	struct batch *b = &fw.down;
	ssize_t n = recv(p->wan, b->room[b->count], NET_ROOM, MSG_DONTWAIT);
	if (n < 0)
		return;
	b->iov[b->count].iov_len = (size_t)n;
	b->msg[b->count].msg_hdr.msg_name = &p->device;
	b->msg[b->count].msg_hdr.msg_namelen = p->device.ss_family == AF_INET
						       ? sizeof(struct sockaddr_in)
						       : sizeof(struct sockaddr_in6);
	if (++b->count == BATCH)
		flush_down();
}

static _Noreturn void serve(void)
{
	struct epoll_event e[EVENTS];
	for (;;) {
		int n = epoll_wait(fw.epoll, e, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (e[i].data.u64 == LAN_KEY)
				forward_up();
			else
				forward_down(&fw.pair[e[i].data.u64]);
		}
		flush_down();
	}
}

int main(int argc, char **argv)
{
	if (argc != 3)
		net_die("usage: %s LISTEN:PORT SERVER:PORT", argv[0]);
	struct addr listen = net_address(argv[1]);
	fw.server = net_address(argv[2]);
	net_need_descriptors(1024);
	batch_init(&fw.up);
	batch_init(&fw.down);
	fw.epoll = epoll_create1(EPOLL_CLOEXEC);
	fw.lan = net_open(&listen, NULL, NET_SHARED_BUFFER);
	if (fw.epoll < 0 || fw.lan < 0 || net_watch(fw.epoll, fw.lan, LAN_KEY) != 0)
		net_die("cannot listen at %s", argv[1]);
	printf("forward ready\n");
	fflush(stdout);
	serve();
}
