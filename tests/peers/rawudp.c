/* A raw end of the tests over UDP: sends lines of hex from an address of one's choice and prints
 * what comes, and from where. Answers nothing, repeats nothing. README.md lists the lines. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/addr.h"
#include "base/hex.h"
#include "lines.h"

#define BUFFER (4 * 1024 * 1024)

static void on_line(char *line);
static void on_socket(void);
static struct lines lines = { .name = "rawudp", .on_line = on_line, .on_socket = on_socket };
/* Where lines without an address go: as told, or to whom was heard last. */
static struct addr to;
static int is_fixed;

static void unsent(const char *why)
{
	printf("unsent %s\n", why);
	fflush(stdout);
}

static void on_line(char *line)
{
	struct addr target = to;
	struct sockaddr_storage ss;
	char *hex = strchr(line, ' ');
	if (hex != NULL) {
		*hex++ = '\0';
		if (addr_parse(&target, line) != 0) {
			unsent("bad address");
			return;
		}
	} else {
		hex = line;
	}
	long n = hex_decode(hex, strlen(hex), lines.bytes, sizeof(lines.bytes));
	if (n < 0) {
		unsent("bad hex");
		return;
	}
	socklen_t len = addr_to_sockaddr(&target, &ss);
	if (sendto(lines.fd, lines.bytes, (size_t)n, 0, (struct sockaddr *)&ss, len) < 0)
		unsent(strerror(errno));
}

static void on_socket(void)
{
	char text[ADDR_TEXT];
	struct sockaddr_storage ss;
	struct addr from;
	socklen_t len = sizeof(ss);
	ssize_t n = recvfrom(lines.fd, lines.bytes, sizeof(lines.bytes), MSG_DONTWAIT,
		(struct sockaddr *)&ss, &len);
	if (n < 0) {
		printf("refused %s\n", strerror(errno));
		fflush(stdout);
		return;
	}
	if (!addr_from_sockaddr(&from, &ss))
		return;
	if (!is_fixed)
		to = from;
	lines_bytes(addr_print(&from, text), lines.bytes, (size_t)n);
}

static void open_socket(const struct addr *at)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(at, &ss);
	int on = 1, size = BUFFER;
	lines.fd = socket(ss.ss_family, SOCK_DGRAM, 0);
	if (lines.fd < 0)
		lines_die(&lines, "socket");
	if (setsockopt(lines.fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) != 0 ||
		setsockopt(lines.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) != 0 ||
		bind(lines.fd, (struct sockaddr *)&ss, len) != 0)
		lines_die(&lines, "bind");
}

int main(int argc, char **argv)
{
	struct addr at;
	if (argc < 2 || argc > 3 || addr_parse(&at, argv[1]) != 0 ||
		(argc == 3 && addr_parse(&to, argv[2]) != 0)) {
		fprintf(stderr, "usage: rawudp ADDRESS[:PORT] [TO:PORT]\n");
		return 2;
	}
	is_fixed = argc == 3;
	open_socket(&at);
	lines_run(&lines);
}
