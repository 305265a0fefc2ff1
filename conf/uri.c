/* A server's uri: scheme, host and port, nothing else. */
#include "conf/conf_int.h"
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_digits(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return n != 0;
}

/* Letters, digits, - and _, in labels of 1 to 63, a dot between and perhaps behind; the last label
 * is no number, or it would be a bad IPv4 address. */
static bool is_host_name(const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-_";
	const char *label = host;
	size_t n = 0;
	if (*host == '\0' || strlen(host) > 253)
		return false;
	for (const char *next = host; *next != '\0';) {
		label = next;
		n = strspn(label, allowed);
		if (n == 0 || n > 63 || (label[n] != '.' && label[n] != '\0'))
			return false;
		next = label + n + (label[n] == '.');
	}
	return !is_digits(label, n);
}

/* An IPv6 address, with %interface where it is link-local. */
static bool is_ipv6(const char *host)
{
	char ip[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	size_t n = strcspn(host, "%");
	if (n >= sizeof(ip))
		return false;
	memcpy(ip, host, n);
	ip[n] = '\0';
	if (inet_pton(AF_INET6, ip, bytes) != 1)
		return false;
	return host[n] == '\0' || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80 &&
		host[n + 1] != '\0' && strlen(host + n + 1) <= 15);
}

static bool is_ipv4(const char *host)
{
	uint8_t bytes[4];
	return inet_pton(AF_INET, host, bytes) == 1;
}

/* Reads ":PORT" or nothing; false where it is neither. */
static bool parse_port(const char *text, size_t n, uint16_t *port)
{
	if (n == 0)
		return true;
	unsigned value = 0;
	if (text[0] != ':' || n > 6 || !is_digits(text + 1, n - 1))
		return false;
	for (size_t i = 1; i < n; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	*port = (uint16_t)value;
	return value >= 1 && value <= 65535;
}

/* Reads [IPv6]; *n becomes its length. */
static const char *parse_bracketed(struct arena *arena, const char *text, size_t *n,
	struct conf_server *server)
{
	const char *close = memchr(text, ']', *n);
	if (close == NULL)
		return "the closing ] of the address is missing";
	server->host = arena_copy(arena, text + 1, (size_t)(close - text - 1));
	*n = (size_t)(close - text) + 1;
	return is_ipv6(server->host) ? NULL : "what stands in [ ] is no IPv6 address";
}

/* Reads a name or an IPv4 address; *n becomes its length. */
static const char *parse_bare(struct arena *arena, const char *text, size_t *n,
	struct conf_server *server)
{
	const char *colon = memchr(text, ':', *n);
	const char *last = memrchr(text, ':', *n);
	if (colon != last)
		return "an IPv6 address must stand in [ ]";
	*n = colon != NULL ? (size_t)(colon - text) : *n;
	server->host = arena_copy(arena, text, *n);
	if (!is_ipv4(server->host) && !is_host_name(server->host))
		return "the host is neither a name nor an address";
	return NULL;
}

/* Reads what stands between // and the end or a slash. */
static const char *parse_authority(struct arena *arena, const char *text, size_t n,
	struct conf_server *server)
{
	size_t host = n;
	const char *what = *text == '[' ? parse_bracketed(arena, text, &host, server)
					: parse_bare(arena, text, &host, server);
	if (what == NULL && !parse_port(text + host, n - host, &server->port))
		what = "the port is no number from 1 to 65535";
	return what;
}

const char *uri_parse(struct arena *arena, const char *text, struct conf_server *server)
{
	bool secure = strncasecmp(text, "coaps://", 8) == 0;
	if (!secure && strncasecmp(text, "coap://", 7) != 0)
		return "it does not begin with coap:// or coaps://";
	server->scheme = secure ? CONF_COAPS : CONF_COAP;
	server->port = secure ? 5684 : 5683;
	const char *from = text + (secure ? 8 : 7);
	size_t n = strcspn(from, "/?#");
	if (from[n] == '?' || from[n] == '#' || (from[n] == '/' && from[n + 1] != '\0'))
		return "nothing may follow the host and port";
	if (memchr(from, '@', n) != NULL)
		return "a user name has no place in it";
	return parse_authority(arena, from, n, server);
}
