/* A fast CoAP echo server: one plain UDP port, one DTLS-PSK port, any number of peers. It answers what
 * devices ask (answer.h), and by its control port asks them itself (order.h). */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include "base/hex.h"
#include "fault.h"
#include "net.h"
#include "order.h"
#include "secure.h"
#include "server.h"

#define BATCH    64
#define SESSIONS 60000
#define KEY_MAX  64
/* Messages that are sent late at a time. */
#define HELD 256

/* Datagrams that are read or sent by one system call. */
struct batch {
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage peer[BATCH];
	uint8_t room[BATCH][NET_ROOM + ANSWER_EXTRA];
	unsigned count; /* waiting to be sent */
};

/* A peer: an address at the plain port, or one with a session. */
struct peer {
	struct sockaddr_storage at;
	bool secure;
};

/* A message that is late on purpose. */
struct held {
	int64_t due; /* ns, 0: free */
	struct peer to;
	size_t n;
	uint8_t message[NET_ROOM];
};

static struct echo {
	struct batch in;
	struct batch out;
	int plain_fd; /* these three: -1 when off */
	int secure_fd;
	int control_fd;
	int out_fd; /* where the waiting datagrams leave */
	struct secure *secure;
	struct server server;
	struct faults faults;
	bool faulty;        /* anything goes wrong on purpose */
	struct peer before; /* peer of the message before */
	struct held held[HELD];
} echo = { .plain_fd = -1, .secure_fd = -1, .control_fd = -1 };

static void batch_init(struct batch *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){ b->room[i], NET_ROOM };
		b->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i],
			.msg_iovlen = 1,
			.msg_name = &b->peer[i],
			.msg_namelen = sizeof(b->peer[i]) };
	}
}

static void flush(void)
{
	struct batch *b = &echo.out;
	for (unsigned done = 0; done < b->count;) {
		int n = sendmmsg(echo.out_fd, b->msg + done, b->count - done, 0);
		/* The first datagram of what is left could not be sent: go on behind it. */
		done += n > 0 ? (unsigned)n : 1;
	}
	b->count = 0;
}

/* What waits, and what comes, leaves by this socket. */
static void leave_by(int fd)
{
	if (echo.out_fd != fd)
		flush();
	echo.out_fd = fd;
}

/* The next n bytes of the waiting batch are a datagram to this address. */
static void out_put(const struct sockaddr_storage *to, size_t n)
{
	struct batch *b = &echo.out;
	b->iov[b->count].iov_len = n;
	b->peer[b->count] = *to;
	b->msg[b->count].msg_hdr.msg_namelen =
		to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	if (++b->count == BATCH)
		flush();
}

static void put(const struct sockaddr_storage *to, const uint8_t *datagram, size_t n)
{
	if (n > NET_ROOM)
		return;
	memcpy(echo.out.room[echo.out.count], datagram, n);
	out_put(to, n);
}

/* A record of the DTLS side. */
static void emit(const struct sockaddr_storage *to, const uint8_t *datagram, size_t n)
{
	leave_by(echo.secure_fd);
	put(to, datagram, n);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void say(const struct peer *to, const uint8_t *message, size_t n)
{
	if (to->secure) {
		secure_send(echo.secure, &to->at, message, n);
		return;
	}
	leave_by(echo.plain_fd);
	put(&to->at, message, n);
}

static void hold(const struct peer *to, const uint8_t *message, size_t n)
{
	for (size_t i = 0; i < HELD && n <= NET_ROOM; i++)
		if (echo.held[i].due == 0) {
			echo.held[i] = (struct held){ net_now() + FAULT_DELAY, *to, n, { 0 } };
			memcpy(echo.held[i].message, message, n);
			return;
		}
}

/* Sends what is late enough. Returns when the next one is, ns. */
static int64_t release(void)
{
	int64_t next = INT64_MAX, now = echo.faulty ? net_now() : 0;
	for (size_t i = 0; echo.faulty && i < HELD; i++) {
		struct held *h = &echo.held[i];
		if (h->due != 0 && h->due <= now) {
			say(&h->to, h->message, h->n);
			h->due = 0;
		}
		next = h->due != 0 && h->due < next ? h->due : next;
	}
	return next;
}

/* Sends a message, or lets it go wrong. */
static void say_perhaps(const struct peer *to, uint8_t *message, size_t n)
{
	struct peer before = echo.before;
	echo.before = *to;
	switch (fault_next(&echo.faults)) {
	case FAULT_DROP:
		return;
	case FAULT_LATE:
		hold(to, message, n);
		return;
	case FAULT_MISDELIVER:
		say(&before, message, n);
		return;
	case FAULT_TWICE:
		say(to, message, n);
		break;
	case FAULT_WRONG:
		message[n - 1] ^= 1;
		break;
	case FAULT_NONE:
		break;
	}
	say(to, message, n);
}

/* What the server asks. */
static void ask(const struct path *to, uint8_t *message, size_t n)
{
	say_perhaps(&(struct peer){ to->at, to->secure }, message, n);
}

/* A message that a session brought. */
static void deliver(const struct sockaddr_storage *from, const uint8_t *message, size_t n)
{
	uint8_t answer[NET_ROOM];
	size_t m = server_take(&echo.server, from, true, message, n, answer, sizeof(answer));
	if (m != 0)
		say_perhaps(&(struct peer){ *from, true }, answer, m);
}

/* A message of the plain port. Its answer is written where it will leave from. */
static void take_plain(const struct sockaddr_storage *from, const uint8_t *message, size_t n)
{
	uint8_t copy[NET_ROOM];
	leave_by(echo.plain_fd);
	uint8_t *room = echo.faulty ? copy : echo.out.room[echo.out.count];
	size_t m = server_take(&echo.server, from, false, message, n, room, sizeof(copy));
	if (m != 0 && echo.faulty)
		say_perhaps(&(struct peer){ *from, false }, copy, m);
	else if (m != 0)
		out_put(from, m);
}

static void read_batch(int fd)
{
	struct batch *b = &echo.in;
	int n = recvmmsg(fd, b->msg, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		if (fd == echo.secure_fd)
			secure_take(echo.secure, &b->peer[i], b->room[i], b->msg[i].msg_len);
		else
			take_plain(&b->peer[i], b->room[i], b->msg[i].msg_len);
		b->msg[i].msg_hdr.msg_namelen = sizeof(b->peer[i]);
	}
}

/* Does what is due. Returns when there is more to do, ns. */
static int64_t work(void)
{
	int64_t next = echo.server.asker != NULL ? asker_turn(echo.server.asker) : INT64_MAX;
	int64_t held = release();
	flush();
	return held < next ? held : next;
}

/* Waits until something can be read, or that time. */
static int await(int epoll, struct epoll_event *e, int most, int64_t until)
{
	int64_t left = until == INT64_MAX ? 0 : until - net_now();
	left = left < 0 ? 0 : left;
	struct timespec t = { left / 1000000000, left % 1000000000 };
	return epoll_pwait2(epoll, e, most, until == INT64_MAX ? NULL : &t, NULL);
}

/* Serves until SIGTERM or SIGINT. */
static void serve(int epoll, int signals)
{
	for (;;) {
		struct epoll_event e[4];
		int n = await(epoll, e, 4, work());
		for (int i = 0; i < n; i++) {
			int fd = (int)e[i].data.u64;
			if (fd == signals)
				return;
			if (fd == echo.control_fd)
				order_take(&echo.server, fd);
			else
				read_batch(fd);
		}
	}
}

static void report(void)
{
	const struct answer_stats *a = &echo.server.answers;
	struct secure_stats s = { 0 };
	if (echo.secure != NULL)
		s = secure_stats(echo.secure);
	printf("registers=%llu updates=%llu requests=%llu pings=%llu ignored=%llu "
	       "sessions=%llu handshakes=%llu refused=%llu strangers=%llu\n",
		(unsigned long long)a->registers, (unsigned long long)a->updates,
		(unsigned long long)a->requests, (unsigned long long)a->pings,
		(unsigned long long)a->ignored, (unsigned long long)s.sessions,
		(unsigned long long)s.handshakes, (unsigned long long)s.refused,
		(unsigned long long)s.strangers);
}

static int listen_at(int epoll, const char *address, const char *port)
{
	struct addr a;
	if (addr_parse(&a, address) != 0)
		net_die("'%s' is not an address", address);
	a.port = (uint16_t)net_number("port", port, 1, 65535);
	int fd = net_open(&a, NULL, NET_SHARED_BUFFER);
	int rc = fd < 0 ? fd : net_watch(epoll, fd, (uint64_t)fd);
	if (rc != 0)
		net_die("cannot listen at %s port %s: %s", address, port, strerror(-rc));
	return fd;
}

static int watch_signals(int epoll)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || net_watch(epoll, fd, (uint64_t)fd) != 0)
		net_die("signalfd: %s", strerror(errno));
	return fd;
}

static void usage(void)
{
	net_die("usage: coapecho [--address IP] [--coap PORT] [--coaps PORT] [--key HEX] [--derive]"
		" [--cid BYTES]\n"
		"                [--control PORT] [--drop N] [--twice N] [--misdeliver N] "
		"[--wrong N] [--late N]\n"
		"  --derive   the key's last four bytes are the number in the identity: dev0042 "
		"is 42\n"
		"  --cid      bytes of connection id for clients that offer one\n"
		"  --control  where the generator says what devices are asked (order.h)\n"
		"  --drop, --twice, --misdeliver, --wrong, --late\n"
		"             what goes wrong with every N-th message");
}

struct options {
	const char *address, *coap, *coaps, *control, *key;
	bool derive;
	unsigned cid;
};

static const struct option known[] = { { "address", 1, NULL, 'a' }, { "coap", 1, NULL, 'p' },
	{ "coaps", 1, NULL, 's' }, { "control", 1, NULL, 'o' }, { "key", 1, NULL, 'k' },
	{ "derive", 0, NULL, 'd' }, { "cid", 1, NULL, 'c' }, FAULT_OPTIONS(1), { 0 } };

static void read_fault(int c)
{
	if (c < 1 || c > FAULT_NONE)
		usage();
	fault_read(&echo.faults, (enum fault)(c - 1), optarg);
	echo.faulty = true;
}

static struct options read_options(int argc, char **argv)
{
	struct options o = { .address = "127.0.0.1", .key = "000102030405060708090a0b0c0d0e0f" };
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (c) {
		case 'a':
			o.address = optarg;
			break;
		case 'p':
			o.coap = optarg;
			break;
		case 's':
			o.coaps = optarg;
			break;
		case 'o':
			o.control = optarg;
			break;
		case 'k':
			o.key = optarg;
			break;
		case 'd':
			o.derive = true;
			break;
		case 'c':
			o.cid = (unsigned)net_number("--cid", optarg, 0, 32);
			break;
		default:
			read_fault(c);
		}
	}
	if (optind != argc || (o.coap == NULL && o.coaps == NULL))
		usage();
	return o;
}

static void open_secure(const struct options *o)
{
	static uint8_t key[KEY_MAX];
	long n = hex_decode(o->key, strlen(o->key), key, sizeof(key));
	if (n < 4)
		net_die("--key: 4 to 64 bytes in hex are wanted");
	struct secure_spec spec = { .key = key,
		.key_n = (size_t)n,
		.derive = o->derive,
		.cid = o->cid,
		.sessions = SESSIONS,
		.deliver = deliver,
		.emit = emit };
	int rc = secure_create(&echo.secure, &spec);
	if (rc != 0)
		net_die("no DTLS: %s", strerror(-rc));
}

static void open_control(int epoll, const struct options *o)
{
	struct server *s = &echo.server;
	echo.control_fd = listen_at(epoll, o->address, o->control);
	s->paths = paths_create(MARK_DEVICES_MAX);
	s->asker = s->paths != NULL ? asker_create(s->paths, ask) : NULL;
	if (s->asker == NULL)
		net_die("no memory");
	/* An open loop needs its own time, not that of the next tick. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
}

int main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	batch_init(&echo.in);
	batch_init(&echo.out);
	int signals = watch_signals(epoll);
	if (o.coap != NULL)
		echo.plain_fd = listen_at(epoll, o.address, o.coap);
	if (o.coaps != NULL) {
		open_secure(&o);
		echo.secure_fd = listen_at(epoll, o.address, o.coaps);
	}
	if (o.control != NULL)
		open_control(epoll, &o);
	printf("coapecho ready\n");
	fflush(stdout);
	serve(epoll, signals);
	report();
	return 0;
}
