/* Addresses: compare, read and print. */
#include "base/addr.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];
	if (addr_is_v4(a))
		return memcmp(a->ip + 12, zero, 4) == 0;
	return memcmp(a->ip, zero, 16) == 0;
}

bool addr_is_multicast(const struct addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };
	if (!addr_is_v4(a))
		return a->ip[0] == 0xff;
	return (a->ip[12] & 0xf0) == 0xe0 || memcmp(a->ip + 12, broadcast, 4) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	return addr_is_v4(a) ? a->ip[12] == 127 : memcmp(a->ip, one, sizeof(one)) == 0;
}

bool addr_is_link_local(const struct addr *a)
{
	return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
	return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 && a->scope == b->scope;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_same_host(a, b);
}

struct addr addr_any(bool v4, uint16_t port)
{
	struct addr a = { .port = port };
	if (v4)
		memcpy(a.ip, mapped, sizeof(mapped));
	return a;
}

bool addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss)
{
	memset(a, 0, sizeof(*a));
	if (ss->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, ss, sizeof(in));
		memcpy(a->ip, mapped, sizeof(mapped));
		memcpy(a->ip + 12, &in.sin_addr, 4);
		a->port = ntohs(in.sin_port);
		return true;
	}
	if (ss->ss_family != AF_INET6)
		return false;
	struct sockaddr_in6 in6;
	memcpy(&in6, ss, sizeof(in6));
	memcpy(a->ip, &in6.sin6_addr, 16);
	a->port = ntohs(in6.sin6_port);
	a->scope = addr_is_link_local(a) ? in6.sin6_scope_id : 0;
	return true;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	if (addr_is_v4(a)) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
		memcpy(&in.sin_addr, a->ip + 12, 4);
		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
	in6.sin6_scope_id = a->scope;
	memcpy(&in6.sin6_addr, a->ip, 16);
	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}

/* Reads a decimal port, 1 to 65535, all of the text. */
static int parse_port(uint16_t *port, const char *text)
{
	if (*text < '0' || *text > '9' || strlen(text) > 5)
		return -EINVAL;
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	if (*end != '\0' || v == 0 || v > 65535)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}

/* Reads a bare IP, with %interface where it is link-local. */
static int parse_ip(struct addr *a, const char *text)
{
	char ip[INET6_ADDRSTRLEN];
	const char *zone = strchr(text, '%');
	size_t n = zone != NULL ? (size_t)(zone - text) : strlen(text);
	if (n >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, n);
	ip[n] = '\0';
	memset(a, 0, sizeof(*a));
	if (zone == NULL && inet_pton(AF_INET, ip, a->ip + 12) == 1) {
		memcpy(a->ip, mapped, sizeof(mapped));
		return 0;
	}
	if (inet_pton(AF_INET6, ip, a->ip) != 1)
		return -EINVAL;
	if (zone == NULL)
		return 0;
	a->scope = if_nametoindex(zone + 1);
	return addr_is_link_local(a) && a->scope != 0 ? 0 : -EINVAL;
}

/* Cuts "ip", "ip:port", "[ip]" or "[ip]:port" apart; *port is NULL where there is none. */
static int split_port(char *text, char **ip, char **port)
{
	*ip = text;
	*port = NULL;
	if (*text == '[') {
		char *close = strchr(text, ']');
		if (close == NULL || (close[1] != '\0' && close[1] != ':'))
			return -EINVAL;
		*ip = text + 1;
		*port = close[1] == ':' ? close + 2 : NULL;
		*close = '\0';
		return 0;
	}
	char *colon = strchr(text, ':');
	if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		*colon = '\0';
		*port = colon + 1;
	}
	return 0;
}

int addr_parse(struct addr *a, const char *text)
{
	char copy[ADDR_TEXT];
	char *ip, *port;
	size_t n = strlen(text);
	if (n == 0 || n >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, n + 1);
	if (split_port(copy, &ip, &port) != 0)
		return -EINVAL;
	struct addr got;
	uint16_t p = 0;
	if (parse_ip(&got, ip) != 0 || (port != NULL && parse_port(&p, port) != 0))
		return -EINVAL;
	/* Brackets are for IPv6. */
	if (*copy == '[' && addr_is_v4(&got) && strchr(ip, ':') == NULL)
		return -EINVAL;
	got.port = p;
	*a = got;
	return 0;
}

const char *addr_print(const struct addr *a, char text[ADDR_TEXT])
{
	char ip[INET6_ADDRSTRLEN];
	char name[IF_NAMESIZE];
	char zone[IF_NAMESIZE + 1] = "";
	bool v4 = addr_is_v4(a);
	if (v4)
		inet_ntop(AF_INET, a->ip + 12, ip, sizeof(ip));
	else
		inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
	if (a->scope != 0) {
		if (if_indextoname(a->scope, name) == NULL)
			snprintf(name, sizeof(name), "%u", a->scope);
		snprintf(zone, sizeof(zone), "%%%.*s", IF_NAMESIZE - 1, name);
	}
	if (a->port == 0)
		snprintf(text, ADDR_TEXT, "%s%s", ip, zone);
	else
		snprintf(text, ADDR_TEXT, v4 ? "%s%s:%u" : "[%s%s]:%u", ip, zone, a->port);
	return text;
}
