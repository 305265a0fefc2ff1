/* The loop, the lines and the message helpers of the test peers. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "tests/peers/peer.h"

/* ---- lines ---- */

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

const char *quote(const uint8_t *bytes, size_t n, char *out, size_t cap)
{
	size_t at = 0;

	out[at++] = '"';
	for (size_t i = 0; i < n; i++) {
		if (at + 9 > cap) { /* room for \xNN, the dots, the quote and the end */
			at += (size_t)snprintf(out + at, cap - at, "...");
			break;
		}
		if (bytes[i] == '"' || bytes[i] == '\\') {
			out[at++] = '\\';
			out[at++] = (char)bytes[i];
		} else if (bytes[i] >= 0x20 && bytes[i] < 0x7f) {
			out[at++] = (char)bytes[i];
		} else {
			at += (size_t)snprintf(out + at, cap - at, "\\x%02x", bytes[i]);
		}
	}
	out[at++] = '"';
	out[at] = 0;
	return out;
}

char *word(char **rest)
{
	char *start = *rest + strspn(*rest, " \t");

	if (!*start)
		return NULL;
	char *end = start + strcspn(start, " \t");
	*rest = *end ? end + 1 : end;
	*end = 0;
	return start;
}

bool number(const char *text, unsigned long max, unsigned long *value)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoul(text, &end, 10);
	return !errno && !*end && *value <= max;
}

/* ---- bytes ---- */

void body_add(struct body *b, const uint8_t *bytes, size_t n)
{
	if (b->len + n > b->room) {
		size_t room = (b->len + n) * 2;
		uint8_t *more = realloc(b->bytes, room);

		if (!more)
			die("out of memory");
		b->bytes = more;
		b->room = room;
	}
	if (n)
		memcpy(b->bytes + b->len, bytes, n);
	b->len += n;
}

void body_print(struct body *b, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof text)
		die("a text of %d bytes does not fit", n);
	body_add(b, (uint8_t *)text, (size_t)n);
}

void body_clear(struct body *b)
{
	free(b->bytes);
	*b = (struct body){ 0 };
}

uint8_t *bytes_copy(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n + 1);

	if (!copy)
		die("out of memory");
	if (n)
		memcpy(copy, bytes, n);
	copy[n] = 0;
	return copy;
}

uint32_t bytes_crc32(const uint8_t *bytes, size_t n)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* ---- addresses and messages ---- */

void address_parse(const char *text, uint16_t default_port, coap_address_t *to)
{
	struct addr a;
	struct sockaddr_storage ss;

	if (addr_parse(&a, text))
		die("'%s' is no address; wanted is 192.0.2.1:5683 or [2001:db8::1]:5683", text);
	if (!a.port)
		a.port = default_port;
	coap_address_init(to);
	to->size = addr_to_sockaddr(&a, &ss);
	memcpy(&to->addr, &ss, to->size);
}

const char *address_print(const coap_address_t *from, char text[ADDR_TEXT])
{
	struct addr a;
	struct sockaddr_storage ss = { 0 };

	memcpy(&ss, &from->addr, from->size);
	if (!addr_from_sockaddr(&a, &ss))
		return strcpy(text, "?");
	return addr_print(&a, text);
}

const char *code_print(coap_pdu_code_t code, char text[8])
{
	snprintf(text, 8, "%u.%02u", (unsigned)code >> 5 & 7, (unsigned)code & 31);
	return text;
}

bool query_get(const coap_pdu_t *pdu, const char *name, char *value, size_t cap)
{
	coap_opt_iterator_t it;
	coap_opt_filter_t only;
	coap_opt_t *opt;
	size_t n = strlen(name);

	coap_option_filter_clear(&only);
	coap_option_filter_set(&only, COAP_OPTION_URI_QUERY);
	coap_option_iterator_init(pdu, &it, &only);
	while ((opt = coap_option_next(&it))) {
		const uint8_t *text = coap_opt_value(opt);
		size_t len = coap_opt_length(opt);

		if (len < n + 1 || memcmp(text, name, n) || text[n] != '=')
			continue;
		if (len - n - 1 >= cap)
			return false;
		memcpy(value, text + n + 1, len - n - 1);
		value[len - n - 1] = 0;
		return true;
	}
	return false;
}

bool path_get(const coap_pdu_t *pdu, char *path, size_t cap)
{
	coap_string_t *text = coap_get_uri_path(pdu);
	bool fits = text && text->length + 2 <= cap;

	if (fits)
		snprintf(path, cap, "/%.*s", (int)text->length, (const char *)text->s);
	if (text)
		coap_delete_string(text);
	return fits;
}

void pdu_add_uint(coap_pdu_t *pdu, coap_option_num_t option, unsigned value)
{
	uint8_t bytes[4];
	unsigned n = coap_encode_var_safe(bytes, sizeof bytes, value);

	coap_add_option(pdu, option, n, bytes);
}

void pdu_add_path(coap_pdu_t *pdu, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n)
			coap_add_option(pdu, COAP_OPTION_URI_PATH, n, (const uint8_t *)path);
		path += n + (path[n] == '/');
	}
}

void pdu_add_query(coap_pdu_t *pdu, const char *name, const char *value)
{
	char text[EP_MAX + 16];
	int n = snprintf(text, sizeof text, "%s%s%s", name, value ? "=" : "", value ? value : "");

	if (n < 0 || (size_t)n >= sizeof text)
		die("the query %s is too long", name);
	coap_add_option(pdu, COAP_OPTION_URI_QUERY, (size_t)n, (const uint8_t *)text);
}

long pdu_get_uint(const coap_pdu_t *pdu, coap_option_num_t option)
{
	coap_opt_iterator_t it;
	coap_opt_t *opt = coap_check_option(pdu, option, &it);

	if (!opt)
		return -1;
	return (long)coap_decode_var_bytes(coap_opt_value(opt), coap_opt_length(opt));
}

/* ---- the loop ---- */

int64_t peer_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void log_to_stderr(coap_log_t level, const char *message)
{
	(void)level;
	fputs(message, stderr);
}

void peer_init(struct peer *p, bool debug)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	p->in_open = true;

	coap_startup();
	coap_set_log_handler(log_to_stderr);
	coap_set_log_level(debug ? LOG_DEBUG : LOG_ERR);
	coap_dtls_set_log_level(debug ? LOG_DEBUG : LOG_EMERG);
	p->ctx = coap_new_context(NULL);
	if (!p->ctx || p->signals < 0 || coap_context_get_coap_fd(p->ctx) < 0)
		die("libcoap gives no context with a descriptor to wait for");
}

static void signal_take(struct peer *p)
{
	struct signalfd_siginfo info;

	while (read(p->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGHUP)
			p->hup = true;
		else
			p->quit = true;
	}
}

/* Reads once and hands on each whole line. The end of the input is no reason to leave. */
static void lines_take(struct peer *p)
{
	ssize_t n = read(STDIN_FILENO, p->in + p->in_len, sizeof p->in - p->in_len - 1);

	if (n <= 0) {
		p->in_open = n < 0 && (errno == EINTR || errno == EAGAIN);
		return;
	}
	p->in_len += (size_t)n;
	p->in[p->in_len] = 0;

	char *start = p->in;
	for (char *end; (end = strchr(start, '\n')); start = end + 1) {
		*end = 0;
		if (*start)
			p->on_line(start);
	}
	p->in_len = strlen(start);
	memmove(p->in, start, p->in_len + 1);
	if (p->in_len + 1 == sizeof p->in)
		p->in_len = 0; /* a line that is too long is no command */
}

static void turn(struct peer *p, int64_t latest)
{
	coap_io_process(p->ctx, COAP_IO_NO_WAIT);
	int64_t next = p->on_turn(peer_now());
	/* libcoap's own timers are in its descriptor; the limit is for what it may forget. */
	int64_t wait = (next < latest ? next : latest) - peer_now();
	struct pollfd fds[] = {
		{ .fd = coap_context_get_coap_fd(p->ctx), .events = POLLIN },
		{ .fd = p->signals, .events = POLLIN },
		{ .fd = p->in_open ? STDIN_FILENO : -1, .events = POLLIN },
	};

	poll(fds, 3, wait < 0 ? 0 : wait > 1000 ? 1000 : (int)wait);
	if (fds[1].revents)
		signal_take(p);
	if (fds[2].revents)
		lines_take(p);
}

void peer_run(struct peer *p)
{
	while (!p->quit)
		turn(p, INT64_MAX);
}

void peer_linger(struct peer *p, int64_t ms, bool (*done)(void))
{
	int64_t end = peer_now() + ms;

	p->in_open = false;
	while (!done() && peer_now() < end)
		turn(p, end);
}

void peer_again(char **argv, const char *option, const char *value)
{
	size_t n = 0;

	while (argv[n])
		n++;
	char **more = calloc(n + 3, sizeof *more);
	if (!more)
		die("out of memory");
	memcpy(more, argv, n * sizeof *more);
	if (option) {
		more[n] = strdup(option);
		more[n + 1] = strdup(value);
	}
	closefrom(STDERR_FILENO + 1);
	execv("/proc/self/exe", more);
	die("can not begin anew");
}
