/* A tiny name server for tests (RFC 1035). */
#include "dns_stub.h"
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cursor.h"

#define TYPE_A 1
#define TYPE_AAAA 28
#define HEADER 12
#define FLAGS_ANSWER 0x8180
#define FLAGS_CUT 0x8380
#define CONNECTIONS 16

/* A TCP connection. */
struct line {
	struct watch watch;
	struct dns_stub *stub;
	bool open;
};

struct dns_stub {
	struct loop *loop;
	struct watch udp;
	struct watch tcp;
	struct line lines[CONNECTIONS];
	unsigned asked;
	unsigned late[2]; /* questions for a late name, A and AAAA */
};

/* A question as it came. */
struct question {
	struct slice all; /* id, flags, counts, name, type, class */
	char label[16];   /* the first label */
	uint16_t type;
};

static bool read_question(struct question *q, const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_of(bytes, n);
	(void)cur_take(&c, HEADER);
	for (uint8_t length, first = 1; (length = cur_u8(&c)) != 0; first = 0) {
		struct slice label = cur_take(&c, length);
		if (first && label.n < sizeof(q->label)) {
			memcpy(q->label, label.p, label.n);
			q->label[label.n] = '\0';
		}
	}
	q->type = cur_u16(&c);
	(void)cur_u16(&c);
	q->all = (struct slice){ bytes, (size_t)(c.p - bytes) };
	return !c.broken;
}

static void put_header(struct writer *w, const struct question *q, uint16_t flags, uint16_t answers)
{
	put_bytes(w, q->all.p, 2);
	put_u16(w, flags);
	put_u16(w, 1);
	put_u16(w, answers);
	put_u16(w, 0);
	put_u16(w, 0);
	put_bytes(w, q->all.p + HEADER, q->all.n - HEADER);
}

/* The name by its place in the question. */
static void put_record(struct writer *w, uint16_t type, uint8_t last)
{
	uint8_t v4[4] = { 192, 0, 2, last };
	uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = last };
	put_u16(w, 0xc000 | HEADER);
	put_u16(w, type);
	put_u16(w, 1);
	put_u16(w, 0);
	put_u16(w, 60);
	put_u16(w, type == TYPE_A ? sizeof(v4) : sizeof(v6));
	put_bytes(w, type == TYPE_A ? v4 : v6, type == TYPE_A ? sizeof(v4) : sizeof(v6));
}

static void put_addresses(struct writer *w, const struct question *q, int count)
{
	put_header(w, q, FLAGS_ANSWER, (uint16_t)count);
	for (int i = 1; i <= count; i++)
		put_record(w, q->type, (uint8_t)i);
}

static bool is(const struct question *q, const char *label)
{
	return strcmp(q->label, label) == 0;
}

/* How many addresses of the family that was asked for the name has. */
static int count_for(const struct question *q)
{
	if (is(q, "both") || is(q, "late") || is(q, "cut"))
		return 1;
	if (is(q, "a") || is(q, "noise") || is(q, "half"))
		return q->type == TYPE_A;
	if (is(q, "aaaa"))
		return q->type == TYPE_AAAA;
	return is(q, "many") && q->type == TYPE_A ? 20 : 0;
}

/* A new fault each time. */
static void put_junk(struct writer *w, const struct question *q, unsigned nth)
{
	switch (nth % 4) {
	case 0: /* a record that breaks off */
		put_addresses(w, q, 1);
		w->p -= 3;
		break;
	case 1: /* a name that points at itself */
		put_header(w, q, FLAGS_ANSWER, 1);
		put_u16(w, (uint16_t)(0xc000 | put_len(w)));
		put_u16(w, q->type);
		break;
	case 2: /* 65535 records, none there */
		put_header(w, q, FLAGS_ANSWER, 0xffff);
		break;
	default: /* a header that breaks off */
		put_bytes(w, q->all.p, 5);
		break;
	}
}

static void put_answer(struct writer *w, struct dns_stub *s, const struct question *q)
{
	unsigned *late = &s->late[q->type == TYPE_AAAA];
	if (is(q, "mute") || (is(q, "half") && q->type == TYPE_AAAA))
		return;
	if (is(q, "late") && (*late)++ == 0)
		return;
	if (is(q, "nx"))
		put_header(w, q, FLAGS_ANSWER | 3, 0);
	else if (is(q, "refused"))
		put_header(w, q, FLAGS_ANSWER | 5, 0);
	else if (is(q, "junk"))
		put_junk(w, q, s->asked);
	else
		put_addresses(w, q, count_for(q));
}

/* What stands before a good answer and must not do any harm. */
static void send_noise(int fd, const struct question *q, const struct sockaddr_in *from)
{
	uint8_t room[512];
	struct writer w = put_into(room, sizeof(room));
	put_record(&w, TYPE_A, 66);
	sendto(fd, room, put_len(&w), 0, (const struct sockaddr *)from, sizeof(*from));
	sendto(fd, room, 1, 0, (const struct sockaddr *)from, sizeof(*from));
	w = put_into(room, sizeof(room));
	put_addresses(&w, q, 3);
	room[0] ^= 0xff;
	sendto(fd, room, put_len(&w), 0, (const struct sockaddr *)from, sizeof(*from));
}

static void on_udp(struct watch *watch, unsigned happened, struct mono now)
{
	struct dns_stub *s = container_of(watch, struct dns_stub, udp);
	struct sockaddr_in from = { 0 };
	socklen_t from_n = sizeof(from);
	uint8_t in[512], out[1024];
	struct question q;
	(void)happened;
	(void)now;
	ssize_t n = recvfrom(watch->fd, in, sizeof(in), 0, (struct sockaddr *)&from, &from_n);
	if (n < 0 || !read_question(&q, in, (size_t)n))
		return;
	s->asked++;
	if (is(&q, "noise"))
		send_noise(watch->fd, &q, &from);
	struct writer w = put_into(out, sizeof(out));
	if (is(&q, "cut") || is(&q, "cutdead"))
		put_header(&w, &q, FLAGS_CUT, 0);
	else
		put_answer(&w, s, &q);
	ck_assert(!w.broken);
	if (put_len(&w) > 0)
		sendto(watch->fd, out, put_len(&w), 0, (struct sockaddr *)&from, from_n);
}

static void line_close(struct line *line)
{
	loop_unwatch(line->stub->loop, &line->watch);
	close(line->watch.fd);
	line->open = false;
}

/* Several questions may come in one piece; all of one come in one on lo. */
static void on_line(struct watch *watch, unsigned happened, struct mono now)
{
	struct line *line = container_of(watch, struct line, watch);
	uint8_t in[2048], out[1024];
	(void)happened;
	(void)now;
	ssize_t n = recv(watch->fd, in, sizeof(in), 0);
	struct cursor c = cur_of(in, n > 0 ? (size_t)n : 0);
	bool keep = n > 0;
	while (keep && cur_left(&c) > 0) {
		struct question q;
		struct slice one = cur_take(&c, cur_u16(&c));
		struct writer w = put_into(out, sizeof(out));
		keep = read_question(&q, one.p, one.n) && !is(&q, "cutdead");
		if (!keep)
			break;
		line->stub->asked++;
		put_u16(&w, 0);
		put_answer(&w, line->stub, &q);
		out[0] = (uint8_t)((put_len(&w) - 2) >> 8);
		out[1] = (uint8_t)(put_len(&w) - 2);
		keep = send(watch->fd, out, put_len(&w), MSG_NOSIGNAL) > 0;
	}
	if (!keep)
		line_close(line);
}

static void on_tcp(struct watch *watch, unsigned happened, struct mono now)
{
	struct dns_stub *s = container_of(watch, struct dns_stub, tcp);
	struct line *line = s->lines;
	(void)happened;
	(void)now;
	while (line < s->lines + CONNECTIONS && line->open)
		line++;
	ck_assert(line < s->lines + CONNECTIONS);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	*line = (struct line){ { .fd = fd, .ready = on_line }, s, true };
	ck_assert_int_eq(loop_watch(s->loop, &line->watch, LOOP_READ), 0);
}

static int open_on(int type, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

struct dns_stub *dns_stub_open(struct loop *loop, uint16_t *port)
{
	struct dns_stub *s = calloc(1, sizeof(*s));
	ck_assert_ptr_nonnull(s);
	s->loop = loop;
	s->udp = (struct watch){ .fd = -1, .ready = on_udp };
	s->tcp = (struct watch){ .fd = -1, .ready = on_tcp };
	for (int tries = 0; s->tcp.fd < 0 && tries < 20; tries++) {
		struct sockaddr_in at;
		socklen_t n = sizeof(at);
		close(s->udp.fd);
		s->udp.fd = open_on(SOCK_DGRAM, 0);
		ck_assert_int_eq(getsockname(s->udp.fd, (struct sockaddr *)&at, &n), 0);
		*port = ntohs(at.sin_port);
		s->tcp.fd = open_on(SOCK_STREAM, *port);
	}
	ck_assert_int_ge(s->tcp.fd, 0);
	ck_assert_int_eq(listen(s->tcp.fd, 8), 0);
	ck_assert_int_eq(loop_watch(loop, &s->udp, LOOP_READ), 0);
	ck_assert_int_eq(loop_watch(loop, &s->tcp, LOOP_READ), 0);
	return s;
}

void dns_stub_close(struct dns_stub *stub)
{
	for (int i = 0; i < CONNECTIONS; i++)
		if (stub->lines[i].open)
			line_close(&stub->lines[i]);
	loop_unwatch(stub->loop, &stub->udp);
	loop_unwatch(stub->loop, &stub->tcp);
	close(stub->udp.fd);
	close(stub->tcp.fd);
	free(stub);
}

unsigned dns_stub_asked(const struct dns_stub *stub)
{
	return stub->asked;
}
