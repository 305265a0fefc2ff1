/* The loop of the raw ends: a line in, a datagram out; a datagram in, a line out. */
#include "lines.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/hex.h"

void lines_die(const struct lines *l, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", l->name, what, strerror(errno));
	exit(2);
}

void lines_bytes(const char *words, const uint8_t *bytes, size_t n)
{
	static char text[2 * DATAGRAM + 1];
	hex_encode(bytes, n, text);
	printf("%s %s\n", words, text);
	fflush(stdout);
}

/* Hands over the whole lines; poll must not miss what a stdio buffer would hide. */
static void read_lines(struct lines *l)
{
	char *line = l->in, *end;
	ssize_t n = read(0, l->in + l->in_len, sizeof(l->in) - l->in_len - 1);
	if (n <= 0)
		exit(0);
	l->in_len += (size_t)n;
	l->in[l->in_len] = '\0';
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		l->on_line(line);
		line = end + 1;
	}
	l->in_len = strlen(line);
	memmove(l->in, line, l->in_len);
	if (l->in_len == sizeof(l->in) - 1) {
		errno = EMSGSIZE;
		lines_die(l, "line");
	}
}

void lines_run(struct lines *l)
{
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd p[] = { { 0, POLLIN, 0 }, { l->fd, POLLIN, 0 } };
		int ready = poll(p, 2, l->wait_ms > 0 ? l->wait_ms : -1);
		if (ready < 0)
			lines_die(l, "poll");
		if (p[1].revents != 0 || ready == 0)
			l->on_socket();
		if (p[0].revents != 0)
			read_lines(l);
	}
}
