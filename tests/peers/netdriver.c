/* Plays lwgated's part towards lwgate-net, and echoes whatever its sockets get, as the relay would
 * answer, by the relay's own udp.c. It gives every right up as soon as lwgate-net runs. README.md lists the lines. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/addr.h"
#include "netfilter/helper.h"
#include "relay/udp.h"

#define BATCH 16
#define HELD 64

/* A socket that it has open. */
struct held {
	int fd;
	uint32_t id; /* its own number */
	uint16_t port; /* host order */
	bool is_v4; /* 0.0.0.0, else [::] */
};

static struct helper *helper;
static struct capture capture;
static struct held held[HELD];
static size_t held_count;
static uint32_t last_id;
static struct udp_batch *batch;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void on_ready(void *arg)
{
	(void)arg;
	say("ready");
}

static void on_done(void *arg, uint32_t generation, int code, const char *text)
{
	(void)arg;
	say("done %u %d %s", generation, -code, text);
}

static void on_socket(void *arg, uint32_t id, int code)
{
	(void)arg;
	say("socket %u %s", id, code == 0 ? "transparent" : strerror(-code));
}

static void on_counts(void *arg, const struct capture_counts *c)
{
	(void)arg;
	say("counts rules=%u routes=%u tables=%u flows=%u", c->rules, c->routes, c->tables, c->flows);
}

static void on_gone(void *arg, const char *why)
{
	(void)arg;
	say("gone %s", why);
}

static const struct helper_events events = { on_ready, on_done, on_socket, on_counts, on_gone };

/* ---- datagrams --------------------------------------------------------------------------------- */

static void on_datagrams(const struct held *h)
{
	unsigned refused = 0;
	int n = udp_recv_batch(h->fd, batch, BATCH);
	for (int i = 0; i < n; i++) {
		struct udp_slot *slot = udp_batch_slot(batch, (unsigned)i);
		char from[ADDR_TEXT], called[ADDR_TEXT];
		struct addr to = slot->called;
		to.port = h->port;
		say("got %s called %s bytes %zu%s", addr_print(&slot->peer, from),
			addr_print(&to, called), slot->n,
			slot->is_broadcast || addr_is_multicast(&slot->called) ? " group" : "");
	}
	if (n > 0)
		udp_send_batch(h->fd, batch, 0, (unsigned)n, &refused);
	if (refused > 0)
		say("unsent %u", refused);
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* Each word of a list "a,b,c". */
static char *next_word(char **list)
{
	char *word = strsep(list, ",");
	return word != NULL && word[0] != '\0' ? word : NULL;
}

/* IF,IF PORT,PORT [narrow ADDRESS,..|-] [closed] */
static void add_listen(char *line)
{
	struct capture_listen *l = &capture.listen[capture.listen_count++];
	memset(l, 0, sizeof(*l));
	char *words = strsep(&line, " "), *word;
	while ((word = next_word(&words)) != NULL)
		snprintf(l->interface[l->interface_count++], IF_NAMESIZE, "%s", word);
	words = strsep(&line, " ");
	while ((word = next_word(&words)) != NULL)
		l->port[l->port_count++] = (uint16_t)strtoul(word, NULL, 10);
	while ((word = strsep(&line, " ")) != NULL) {
		l->is_closed |= strcmp(word, "closed") == 0;
		if (strcmp(word, "narrow") != 0)
			continue;
		l->is_narrow = true;
		words = strsep(&line, " ");
		while ((word = next_word(&words)) != NULL)
			l->server_count += addr_parse(&l->server[l->server_count], word) == 0;
	}
}

/* PORT 4|6 [IF] */
static void open_socket(char *line)
{
	struct held h = { .id = ++last_id };
	h.port = (uint16_t)strtoul(strsep(&line, " "), NULL, 10);
	char *family = strsep(&line, " ");
	h.is_v4 = family != NULL && family[0] == '4';
	struct udp_listen_spec spec = { .address = addr_any(h.is_v4, h.port), .interface = line };
	h.fd = udp_listen(&spec);
	say("open %u %u v%c %s", h.id, h.port, h.is_v4 ? '4' : '6',
		h.fd < 0 ? strerror(-h.fd) : "held");
	if (h.fd >= 0 && held_count < HELD)
		held[held_count++] = h;
}

static void pass(uint32_t id, int fd)
{
	int rc = helper_socket(helper, id, fd);
	if (rc < 0)
		say("unsent %s", strerror(-rc));
}

/* Has sockets of this port made transparent, all where it is 0. */
static void bless(unsigned port)
{
	for (size_t i = 0; i < held_count; i++)
		if (port == 0 || held[i].port == port)
			pass(held[i].id, held[i].fd);
}

/* Passes what is no UDP socket. */
static void pass_other(const char *what)
{
	int fd = strcmp(what, "tcp") == 0 ? socket(AF_INET, SOCK_STREAM, 0) :
		strcmp(what, "unix") == 0 ? socket(AF_UNIX, SOCK_DGRAM, 0) :
		open("/dev/null", O_RDONLY);
	pass(++last_id, fd);
	close(fd);
}

/* Closes sockets of this port, of all where it is 0. */
static void drop(unsigned port)
{
	size_t kept = 0;
	for (size_t i = 0; i < held_count; i++) {
		if (port == 0 || held[i].port == port)
			close(held[i].fd);
		else
			held[kept++] = held[i];
	}
	held_count = kept;
}

/* After this only what lwgate-net does needs a right. */
static void give_up_rights(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	if (syscall(SYS_capset, &head, none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		say("rights kept: %s", strerror(errno));
}

static void start(void)
{
	int rc = helper_start(helper);
	if (rc < 0)
		say("gone %s", strerror(-rc));
	give_up_rights();
}

static void send_it(const void *bytes, size_t n)
{
	if (write(helper_fd(helper), bytes, n) != (ssize_t)n)
		say("unsent %s", strerror(errno));
}

static void wake(void)
{
	int rc = helper_wake(helper);
	if (rc < 0)
		say("unsent %s", strerror(-rc));
}

static void set(void)
{
	capture.generation++;
	int rc = helper_set(helper, &capture);
	if (rc < 0)
		say("unset %s", strerror(-rc));
}

static void on_line(char *line)
{
	char *rest = line, *word = strsep(&rest, " ");
	if (rest == NULL)
		rest = word + strlen(word);
	if (strcmp(word, "clear") == 0)
		capture.listen_count = 0;
	else if (strcmp(word, "mark") == 0)
		capture.mark = (uint32_t)strtoul(strsep(&rest, " "), NULL, 0),
		capture.mask = (uint32_t)strtoul(rest != NULL ? rest : "0", NULL, 0);
	else if (strcmp(word, "listen") == 0)
		add_listen(rest);
	else if (strcmp(word, "open") == 0)
		open_socket(rest);
	else if (strcmp(word, "bless") == 0)
		bless((unsigned)strtoul(rest, NULL, 10));
	else if (strcmp(word, "pass") == 0)
		pass_other(rest);
	else if (strcmp(word, "drop") == 0)
		drop((unsigned)strtoul(rest, NULL, 10));
	else if (strcmp(word, "wake") == 0)
		wake();
	else if (strcmp(word, "set") == 0)
		set();
	else if (strcmp(word, "junk") == 0)
		send_it("\2\3\0\10junk", 8);
	else if (strcmp(word, "without") == 0)
		send_it("\2\2\0\10\0\0\0\1", 8);
	else if (strcmp(word, "other") == 0)
		send_it("\7\1\0\4", 4);
	else if (strcmp(word, "stop") == 0) {
		helper_stop(helper, strcmp(rest, "keep") == 0);
		say("stopped");
	} else
		say("unknown %s", word);
}

static void on_input(void)
{
	static char in[4096];
	static size_t n;
	ssize_t got = read(STDIN_FILENO, in + n, sizeof(in) - n - 1);
	if (got <= 0)
		exit(0);
	n += (size_t)got;
	in[n] = '\0';
	char *at = in, *end;
	while ((end = strchr(at, '\n')) != NULL) {
		*end = '\0';
		on_line(at);
		at = end + 1;
	}
	n -= (size_t)(at - in);
	memmove(in, at, n);
}

static void wait_once(void)
{
	struct pollfd on[HELD + 2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = helper_fd(helper), .events = POLLIN } };
	size_t count = held_count;
	struct held now[HELD];
	memcpy(now, held, sizeof(now));
	for (size_t i = 0; i < count; i++)
		on[i + 2] = (struct pollfd){ .fd = held[i].fd, .events = POLLIN };
	if (poll(on, count + 2, -1) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if ((on[i + 2].revents & POLLIN) != 0)
			on_datagrams(&now[i]);
	if (on[1].revents != 0)
		helper_read(helper);
	if (on[0].revents != 0)
		on_input();
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: netdriver LWGATE-NET\n");
		return 2;
	}
	capture.mark = capture.mask = 0x8000000;
	if (helper_create(&helper, argv[1], &events, NULL) != 0 || udp_batch_create(&batch, BATCH) != 0)
		return 1;
	start();
	for (;;)
		wait_once();
}
