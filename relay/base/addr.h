/* Addresses of both families in one shape, and the one way in which they are printed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/bug.h"

/* An IP address with a port. IPv4 is kept as ::ffff:a.b.c.d. Compare with addr_eq. */
struct addr {
	uint8_t ip[16]; /* network order; IPv4 mapped */
	uint32_t scope; /* interface index of a link-local IPv6 address, else 0 */
	uint16_t port;  /* host order; 0 where none is meant */
};

/* Room for any printed address: [ip%interface]:port and the end. */
#define ADDR_TEXT 80

/* True for an IPv4 address. */
bool addr_is_v4(const struct addr *a);
/* True for 0.0.0.0 and ::. */
bool addr_is_any(const struct addr *a);
/* True for a multicast address, and for 255.255.255.255. */
bool addr_is_multicast(const struct addr *a);
/* True for 127.0.0.0/8 and ::1. */
bool addr_is_loopback(const struct addr *a);
/* True for fe80::/10. */
bool addr_is_link_local(const struct addr *a);
/* True when address, scope and port are the same. */
bool addr_eq(const struct addr *a, const struct addr *b);
/* True when address and scope are the same, whatever the ports. */
bool addr_same_host(const struct addr *a, const struct addr *b);
/* The address 0.0.0.0 or :: with a port in host order. */
struct addr addr_any(bool v4, uint16_t port);

/* Reads a socket address of either family; false for another family. */
bool addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss);
/* Writes the socket address of the right family and gives its length in bytes. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);

/* Reads "192.0.2.1", "192.0.2.1:5683", "2001:db8::1", "[fe80::1%eth0]:5683". The port is 0 when
 * the text has none. Returns 0, or -EINVAL and leaves a as it was. */
int addr_parse(struct addr *a, const char *text) MUST_CHECK;
/* Prints ip:port, [ip]:port, or the bare ip when the port is 0, into ADDR_TEXT bytes; returns text. */
const char *addr_print(const struct addr *a, char text[ADDR_TEXT]);
