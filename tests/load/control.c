/* Lines between generator and server: see control.h. */
#include "control.h"
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "net.h"

#define TRIES   5
#define WAIT_MS 1000

/* Every line begins with a number, which is that of its answer, so that none is taken for another. */
static int exchange(int fd, const char *question, char *answer, size_t size)
{
	size_t head = strcspn(question, " ") + 1;
	for (int i = 0; i < TRIES; i++) {
		struct pollfd p = { fd, POLLIN, 0 };
		if (send(fd, question, strlen(question), 0) < 0)
			continue;
		while (poll(&p, 1, WAIT_MS) == 1) {
			ssize_t n = recv(fd, answer, size - 1, 0);
			answer[n > 0 ? n : 0] = '\0';
			if (n > 0 && strncmp(answer, question, head) == 0)
				return 0;
			if (n < 0)
				break; /* refused: it may be about to start */
		}
	}
	return -1;
}

const char *control_ask(const struct addr *server, const char *format, ...)
{
	static int fd = -1;
	static unsigned number;
	static char answer[CONTROL_ROOM];
	char line[CONTROL_ROOM];
	va_list list;
	if (fd < 0)
		fd = net_open(NULL, server, 0);
	int n = snprintf(line, sizeof(line), "%u ", ++number);
	va_start(list, format);
	vsnprintf(line + n, sizeof(line) - (size_t)n, format, list);
	va_end(list);
	if (fd < 0 || exchange(fd, line, answer, sizeof(answer)) != 0)
		net_die("the server's control port does not answer");
	const char *text = answer + strcspn(answer, " ") + 1;
	if (strncmp(text, "ok", 2) != 0)
		net_die("the server refuses '%s': %s", line, text);
	return text;
}

double control_number(const char *line, const char *key, double standard)
{
	size_t n = strlen(key);
	for (const char *p = line; (p = strchr(p, ' ')) != NULL;) {
		p++;
		if (strncmp(p, key, n) == 0 && p[n] == '=')
			return strtod(p + n + 1, NULL);
	}
	return standard;
}
