/* The program lwgate-net, the hand that touches the kernel. lwgated starts it with one end of a pair. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "channel.h"
#include "guard.h"
#include "rights.h"

/* Where the socket is, unless told otherwise. */
#define PEER_FD 3

static int help(FILE *to, int status)
{
	fputs("usage: lwgate-net [FD]\n"
		"       lwgate-net --version | --help\n"
		"lwgated starts it, where a listener has `option intercept '1'`. FD (3) is a socket to it.\n",
		to);
	return status;
}

static bool is_peer(int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

static int refuse(int fd, int rc, const char *why)
{
	struct wire message = { .type = WIRE_REFUSED, .answer = { .code = (uint16_t)-rc } };
	snprintf(message.answer.text, CAPTURE_TEXT, "%s", why);
	fprintf(stderr, "lwgate-net: %s\n", why);
	(void)!channel_send(fd, &message, -1);
	return EXIT_FAILURE;
}

static int run(int fd)
{
	char why[CAPTURE_TEXT];
	int rc = rights_check(why);
	if (rc == 0) {
		rc = rights_drop();
		if (rc == 0)
			rc = rights_filter(true);
		snprintf(why, sizeof(why), "lwgate-net can not give its rights up: %s", strerror(-rc));
	}
	return rc == 0 ? guard(fd) : refuse(fd, rc, why);
}

int main(int argc, char **argv)
{
	long fd = PEER_FD;
	char *end = NULL;
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("lwgate-net " LWGATE_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return help(stdout, EXIT_SUCCESS);
	if (argc == 2) {
		fd = strtol(argv[1], &end, 10);
		if (end == argv[1] || *end != '\0' || fd < 0 || fd > 1023)
			return help(stderr, 2);
	}
	if (argc > 2)
		return help(stderr, 2);
	if (!is_peer((int)fd)) {
		fprintf(stderr, "lwgate-net: descriptor %ld is no socket to lwgated, which starts it\n", fd);
		return 2;
	}
	return run((int)fd);
}
