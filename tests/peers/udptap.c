/* Prints what passes by an interface: UDP over IPv4 to a port and from it, as lines `to HEX` and `from HEX`.
 * For tests that hold both sides of the relay against each other. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/cursor.h"
#include "lines.h"

static void on_line(char *line);
static void on_socket(void);
static struct lines lines = { .name = "udptap", .on_line = on_line, .on_socket = on_socket };
static uint16_t port;

static void on_line(char *line)
{
	(void)line;
}

/* RFC 791, RFC 768; fragments are not put together. */
static void show(const uint8_t *packet, size_t n)
{
	struct cursor c = cur_of(packet, n);
	uint8_t first = cur_u8(&c);
	(void)cur_u8(&c); /* service */
	(void)cur_take(&c, 7); /* length, identification, fragment, time to live */
	uint8_t protocol = cur_u8(&c);
	(void)cur_take(&c, (first & 15U) * 4U - 10U); /* checksum, addresses, options */
	uint16_t from = cur_u16(&c), to = cur_u16(&c);
	size_t length = cur_u16(&c);
	(void)cur_u16(&c); /* checksum */
	struct slice body = cur_take(&c, length < 8 ? 0 : length - 8);
	if (c.broken || first >> 4 != 4 || protocol != 17 || (from != port && to != port))
		return;
	lines_bytes(to == port ? "to" : "from", body.p, body.n);
}

static void on_socket(void)
{
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(lines.fd, lines.bytes, sizeof(lines.bytes), MSG_DONTWAIT,
		(struct sockaddr *)&from, &len);
	if (n > 0 && ntohs(from.sll_protocol) == ETH_P_IP)
		show(lines.bytes, (size_t)n);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: udptap INTERFACE PORT\n");
		return 2;
	}
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(argv[1]) };
	port = (uint16_t)strtoul(argv[2], NULL, 10);
	/* Outgoing packets are told to those alone who ask for all protocols. */
	lines.fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	if (lines.fd < 0 || bind(lines.fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		lines_die(&lines, argv[1]);
	printf("ready\n");
	fflush(stdout);
	lines_run(&lines);
}
