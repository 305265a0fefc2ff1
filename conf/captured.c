/* What an intercepting listener listens at, and whether two can not stand together. */
#include <string.h>
#include <strings.h>
#include "conf/conf_int.h"

static const struct conf_captured *find(const struct conf_captured *list, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].port == port)
			return &list[i];
	return NULL;
}

/* Nobody out there can call a server on loopback, and its port is its own. */
static bool is_beside(const struct conf_server *s)
{
	struct addr a;
	return strcasecmp(s->host, "localhost") == 0 ||
		(addr_parse(&a, s->host) == 0 && addr_is_loopback(&a));
}

size_t conf_captured(const struct conf *conf, const struct conf_listen *listen,
	struct conf_captured list[CONF_CAPTURED_PORTS])
{
	size_t n = 0;
	for (size_t i = 0; listen->intercept && i < conf->server_count; i++) {
		const struct conf_server *s = &conf->server[i];
		bool is_own = s->port == listen->coap || s->port == listen->coaps;
		if (!is_own && !is_beside(s) && n < CONF_CAPTURED_PORTS && find(list, n, s->port) == NULL)
			list[n++] = (struct conf_captured){ s->port, s->security != CONF_NOSEC, s };
	}
	return n;
}

/* A socket speaks CoAP or DTLS: a server's port must mean the same wherever it is captured. */
static void check_kind(struct load *load, const struct conf_listen *listen,
	const struct conf_server *server, const struct conf_captured *at)
{
	bool is_secure = server->security != CONF_NOSEC;
	const char *kind = is_secure ? "DTLS" : "plain CoAP";
	if ((is_secure ? server->port == listen->coap : server->port == listen->coaps))
		report_add(load->report, listen->where, CONF_ERROR,
			"listen '%s': intercept: port %u is %s for the listener and %s for server '%s'; right "
			"is another port for one of them", listen->name, server->port,
			is_secure ? "plain CoAP" : "DTLS", kind, server->name);
	else if (at != NULL && at->is_secure != is_secure)
		report_add(load->report, listen->where, CONF_ERROR,
			"listen '%s': intercept: port %u is %s for server '%s' and %s for server '%s'; right "
			"is another port for one of them", listen->name, server->port,
			at->is_secure ? "DTLS" : "plain CoAP", at->server->name, kind, server->name);
}

/* The kernel takes nearly anything; a rule takes a word, and a star would fit many. */
static bool is_link(const char *name)
{
	for (; *name != '\0'; name++)
		if (*name <= ' ' || *name > '~' || strchr("*\"/\\", *name) != NULL)
			return false;
	return true;
}

static void check_links(struct load *load, const struct conf_listen *listen)
{
	if (listen->interface.count > CONF_CAPTURED_LINKS)
		report_add(load->report, listen->where, CONF_ERROR,
			"listen '%s': intercept: %zu interfaces; right are %d at most", listen->name,
			listen->interface.count, CONF_CAPTURED_LINKS);
	for (size_t i = 0; i < listen->interface.count; i++) {
		const char *name = listen->interface.item[i];
		if (!is_link(name))
			report_add(load->report, listen->where, CONF_ERROR,
				"listen '%s': intercept: '%s' can not be an interface; right is its whole "
				"name", listen->name, name);
	}
}

static void check_capturing(struct load *load, const struct conf_listen *listen)
{
	struct conf_captured list[CONF_CAPTURED_PORTS];
	size_t n = conf_captured(load->conf, listen, list);
	for (size_t i = 0; i < load->conf->server_count; i++)
		if (!is_beside(&load->conf->server[i]))
			check_kind(load, listen, &load->conf->server[i],
				find(list, n, load->conf->server[i].port));
	if (n == CONF_CAPTURED_PORTS)
		report_add(load->report, listen->where, CONF_ERROR,
			"listen '%s': intercept: the servers have too many different ports; right are "
			"fewer than %d", listen->name, CONF_CAPTURED_PORTS);
	check_links(load, listen);
}

void rules_captured(struct load *load)
{
	size_t capturing = 0;
	for (size_t i = 0; i < load->conf->listen_count; i++) {
		const struct conf_listen *listen = &load->conf->listen[i];
		if (!listen->intercept)
			continue;
		check_capturing(load, listen);
		if (++capturing == CONF_CAPTURING + 1)
			report_add(load->report, listen->where, CONF_ERROR,
				"listen '%s': intercept: more than %d listeners have it; right are fewer, with "
				"several interfaces each", listen->name, CONF_CAPTURING);
	}
}
