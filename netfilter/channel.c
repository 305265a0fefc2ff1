/* One message a packet, at most one descriptor a message. */
#include "channel.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define WAIT_MS 5000

/* Room for descriptors as the kernel wants it; two, so that a second one is seen and closed. */
union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(2 * sizeof(int))];
};

static void attach(struct msghdr *m, union control *control, int passed)
{
	m->msg_control = control->room;
	m->msg_controllen = CMSG_SPACE(sizeof(int));
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &passed, sizeof(int));
}

int channel_send(int fd, const struct wire *w, int passed)
{
	uint8_t bytes[WIRE_MAX];
	long n = wire_write(w, bytes, sizeof(bytes));
	if (n < 0)
		return (int)n;
	union control control = { .room = { 0 } };
	struct iovec iov = { bytes, (size_t)n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (passed >= 0)
		attach(&m, &control, passed);
	for (;;) {
		if (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (poll(&p, 1, WAIT_MS) == 0)
			return -ETIMEDOUT;
	}
}

/* Takes the first descriptor and closes what else came. */
static int detach(struct msghdr *m)
{
	int first = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

int channel_receive(int fd, struct wire *w, int *passed)
{
	uint8_t bytes[WIRE_MAX];
	union control control = { .room = { 0 } };
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room,
		.msg_controllen = sizeof(control.room) };
	*passed = -1;
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	/* The other end went and left something of ours unread. This is told once; what it said comes after. */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n < 0)
		return -errno;
	*passed = detach(&m);
	if (n == 0)
		return 0;
	int rc = (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ? -EBADMSG :
		wire_read(w, bytes, (size_t)n);
	/* A descriptor belongs to a socket message, and only there. */
	if (rc == 0 && (*passed >= 0) != (w->type == WIRE_SOCKET))
		rc = -EBADMSG;
	if (rc == 0)
		return 1;
	if (*passed >= 0)
		close(*passed);
	*passed = -1;
	return rc;
}
