/* A fast CoAP echo server: one plain UDP port, one DTLS-PSK port, any number of peers.
 * POST /rd is answered 2.01 with a Location, any other request with its own payload. */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include "answer.h"
#include "base/hex.h"
#include "net.h"
#include "secure.h"

#define BATCH    64
#define SESSIONS 60000
#define KEY_MAX  64

/* Datagrams that are read or sent by one system call. */
struct batch {
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage peer[BATCH];
	uint8_t room[BATCH][NET_ROOM + ANSWER_EXTRA];
	unsigned count; /* waiting to be sent */
};

/* What goes wrong on purpose on the plain port, so that a generator can be seen to notice: every so
 * many-th answer; 0 is never. */
struct faults {
	unsigned drop;       /* is not sent */
	unsigned twice;      /* is sent twice */
	unsigned misdeliver; /* goes to the peer before */
};

static struct echo {
	struct batch in;
	struct batch out;
	int plain_fd;  /* -1 when off */
	int secure_fd; /* -1 when off */
	int out_fd;    /* where the waiting answers leave */
	struct secure *secure;
	struct answer_stats stats;
	struct faults faults;
	uint64_t answers;               /* made for the plain port */
	struct sockaddr_storage before; /* peer of the answer before */
} echo = { .plain_fd = -1, .secure_fd = -1 };

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

/* The next n bytes of the waiting batch are an answer to this address. */
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

static void emit(const struct sockaddr_storage *to, const uint8_t *datagram, size_t n)
{
	if (n > NET_ROOM)
		return;
	memcpy(echo.out.room[echo.out.count], datagram, n);
	out_put(to, n);
}

static bool is_nth(unsigned every)
{
	return every != 0 && echo.answers % every == 0;
}

/* Sends the answer of m bytes that stands in the waiting batch, or lets it go wrong. */
static void out_put_plain(const struct sockaddr_storage *to, size_t m)
{
	uint8_t copy[NET_ROOM];
	const uint8_t *answer = echo.out.room[echo.out.count];
	if (echo.answers++ == 0)
		echo.before = *to;
	bool twice = is_nth(echo.faults.twice) && m <= sizeof(copy);
	if (is_nth(echo.faults.drop))
		return;
	if (twice)
		memcpy(copy, answer, m);
	out_put(is_nth(echo.faults.misdeliver) ? &echo.before : to, m);
	if (twice)
		emit(to, copy, m);
	echo.before = *to;
}

static void take(int fd, const struct sockaddr_storage *from, const uint8_t *datagram, size_t n)
{
	if (fd == echo.secure_fd) {
		secure_take(echo.secure, from, datagram, n);
		return;
	}
	size_t m = answer_make(&echo.stats, datagram, n, echo.out.room[echo.out.count]);
	if (m != 0)
		out_put_plain(from, m);
}

static void read_batch(int fd)
{
	struct batch *b = &echo.in;
	int n = recvmmsg(fd, b->msg, BATCH, MSG_DONTWAIT, NULL);
	echo.out_fd = fd;
	for (int i = 0; i < n; i++) {
		take(fd, &b->peer[i], b->room[i], b->msg[i].msg_len);
		b->msg[i].msg_hdr.msg_namelen = sizeof(b->peer[i]);
	}
	flush();
}

/* Serves until SIGTERM or SIGINT. */
static void serve(int epoll, int signals)
{
	for (;;) {
		struct epoll_event e[4];
		int n = epoll_wait(epoll, e, 4, -1);
		for (int i = 0; i < n; i++) {
			if ((int)e[i].data.u64 == signals)
				return;
			read_batch((int)e[i].data.u64);
		}
	}
}

static void report(void)
{
	struct secure_stats s = { 0 };
	if (echo.secure != NULL)
		s = secure_stats(echo.secure);
	printf("registers=%llu updates=%llu requests=%llu pings=%llu ignored=%llu "
	       "sessions=%llu handshakes=%llu refused=%llu strangers=%llu\n",
		(unsigned long long)echo.stats.registers, (unsigned long long)echo.stats.updates,
		(unsigned long long)echo.stats.requests, (unsigned long long)echo.stats.pings,
		(unsigned long long)echo.stats.ignored, (unsigned long long)s.sessions,
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
		"                [--drop N] [--twice N] [--misdeliver N]\n"
		"  --derive  the key's last four bytes are the number in the identity: dev0042 is "
		"42\n"
		"  --cid     bytes of connection id for clients that offer one\n"
		"  --drop, --twice, --misdeliver  what goes wrong with every N-th answer of the "
		"plain port");
}

struct options {
	const char *address, *coap, *coaps, *key;
	bool derive;
	unsigned cid;
	struct faults faults;
};

static unsigned every(const char *what)
{
	return (unsigned)net_number(what, optarg, 0, 1e9);
}

static struct options read_options(int argc, char **argv)
{
	static const struct option known[] = { { "address", 1, NULL, 'a' },
		{ "coap", 1, NULL, 'p' }, { "coaps", 1, NULL, 's' }, { "key", 1, NULL, 'k' },
		{ "derive", 0, NULL, 'd' }, { "cid", 1, NULL, 'c' }, { "drop", 1, NULL, 'D' },
		{ "twice", 1, NULL, 'T' }, { "misdeliver", 1, NULL, 'M' }, { 0 } };
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
		case 'k':
			o.key = optarg;
			break;
		case 'd':
			o.derive = true;
			break;
		case 'c':
			o.cid = (unsigned)net_number("--cid", optarg, 0, 32);
			break;
		case 'D':
			o.faults.drop = every("--drop");
			break;
		case 'T':
			o.faults.twice = every("--twice");
			break;
		case 'M':
			o.faults.misdeliver = every("--misdeliver");
			break;
		default:
			usage();
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
		.stats = &echo.stats,
		.emit = emit };
	int rc = secure_create(&echo.secure, &spec);
	if (rc != 0)
		net_die("no DTLS: %s", strerror(-rc));
}

int main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	echo.faults = o.faults;
	batch_init(&echo.in);
	batch_init(&echo.out);
	int signals = watch_signals(epoll);
	if (o.coap != NULL)
		echo.plain_fd = listen_at(epoll, o.address, o.coap);
	if (o.coaps != NULL) {
		open_secure(&o);
		echo.secure_fd = listen_at(epoll, o.address, o.coaps);
	}
	printf("coapecho ready\n");
	fflush(stdout);
	serve(epoll, signals);
	report();
	return 0;
}
