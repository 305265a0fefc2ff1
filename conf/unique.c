/* Rules between sections: what may stand only once, found by hash in one pass. */
#include "conf/conf_int.h"
#include <stdio.h>
#include <string.h>

/* The indices of what may be there once; things are struct conf_endpoint. */
struct seen {
	struct index route, bootstrap, credential, key, lan_identity, address, prefix;
};

/* Joins two texts so that no other two give the same bytes. */
static struct slice joined(struct load *load, const char *a, const char *b)
{
	size_t an = strlen(a) + 1;
	size_t bn = strlen(b);
	char *bytes = arena_alloc(&load->scratch, an + bn + 1);
	if (bytes == NULL)
		return (struct slice){ NULL, 0 };
	memcpy(bytes, a, an);
	memcpy(bytes + an, b, bn);
	return (struct slice){ (const uint8_t *)bytes, an + bn };
}

/* Reports what is wrong with an endpoint because of another one, and what would be right. */
static void clash(struct load *load, const struct conf_endpoint *endpoint, unsigned line,
	enum conf_severity severity, const char *what, const struct conf_endpoint *other,
	const char *right)
{
	char room[2][SHOWN];
	struct conf_where where = { endpoint->where.file, line };
	report_add(load->report, where, severity,
		"endpoint '%s': option %s '%s' at %s:%u; right is %s",
		shown(room[0], endpoint->name), what, shown(room[1], other->name),
		other->where.file, other->where.line, right);
}

static const char *text_or(const char *text, const char *instead)
{
	return text != NULL ? text : instead;
}

static void check_route(struct load *load, struct seen *seen, struct conf_endpoint *e)
{
	if (*e->name == '\0')
		return;
	struct slice key = joined(load, e->name, e->server != NULL ? e->server->name : "");
	const struct conf_endpoint *other = index_add(&seen->route, key.p, key.n, e);
	if (other != e)
		clash(load, e, e->where.line, CONF_ERROR,
			"name: name and server are those of endpoint", other,
			"one section for each name and server");
}

/* /bs goes to the endpoint's bootstrap_server: of its sections one may name it, or all the same. */
static void check_bootstrap(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	if (e->bootstrap_server == NULL)
		return;
	const struct conf_endpoint *other =
		index_add(&seen->bootstrap, e->name, strlen(e->name), e);
	if (other->bootstrap_server != e->bootstrap_server ||
		strcmp(text_or(other->identity, ""), text_or(e->identity, "")) != 0)
		clash(load, e, lines->bootstrap, CONF_ERROR,
			"bootstrap_server: another one, or another identity, stands in endpoint",
			other, "to name it once");
}

/* One credential (server, identity) serves one endpoint. */
static void check_credential(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines, const struct conf_server *server)
{
	if (e->identity == NULL || server == NULL || server->security != CONF_PSK)
		return;
	struct slice key = joined(load, server->name, e->identity);
	const struct conf_endpoint *other = index_add(&seen->credential, key.p, key.n, e);
	if (strcmp(other->name, e->name) != 0)
		clash(load, e, lines->identity, CONF_ERROR,
			"identity: it is used for the same server by endpoint", other,
			"a credential of its own");
}

static void check_key(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	if (e->key.n == 0)
		return;
	const struct conf_endpoint *other = index_add(&seen->key, e->key.bytes, e->key.n, e);
	if (strcmp(text_or(other->identity, ""), text_or(e->identity, "")) != 0)
		clash(load, e, lines->key, CONF_WARNING,
			"key: with another identity it is also that of endpoint", other,
			"a key of its own");
}

static void check_lan(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	if (e->lan_identity == NULL)
		return;
	const struct conf_endpoint *other =
		index_add(&seen->lan_identity, e->lan_identity, strlen(e->lan_identity), e);
	struct slice mine = { e->lan_key.bytes, e->lan_key.n };
	struct slice theirs = { other->lan_key.bytes, other->lan_key.n };
	if (strcmp(other->name, e->name) != 0)
		clash(load, e, lines->lan_identity, CONF_ERROR,
			"lan_identity: it is also that of endpoint", other, "one of its own");
	else if (!slice_eq(mine, theirs))
		clash(load, e, lines->lan_key, CONF_ERROR,
			"lan_key: the same identity has another key in endpoint", other,
			"the same key");
}

static void check_address(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	char *text = e->has_address ? arena_alloc(&load->scratch, ADDR_TEXT) : NULL;
	if (text == NULL)
		return;
	addr_print(&e->address, text);
	const struct conf_endpoint *other = index_add(&seen->address, text, strlen(text), e);
	if (other != e)
		clash(load, e, lines->address, CONF_ERROR,
			"address: it is also that of endpoint", other, "another address or port");
}

static void check_prefix(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	if (e->prefix == NULL)
		return;
	const struct conf_endpoint *other =
		index_add(&seen->prefix, e->prefix, strlen(e->prefix), e);
	if (strcmp(other->name, e->name) != 0)
		clash(load, e, lines->prefix, CONF_ERROR,
			"prefix: it is also that of endpoint", other, "another prefix");
}

static void check_endpoints(struct load *load)
{
	struct seen seen;
	struct index *all[] = { &seen.route, &seen.bootstrap, &seen.credential, &seen.key,
		&seen.lan_identity, &seen.address, &seen.prefix };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		index_init(all[i]);
	for (size_t i = 0; i < load->conf->endpoint_count; i++) {
		struct conf_endpoint *e = &load->conf->endpoint[i];
		const struct endpoint_lines *lines = &load->lines[i];
		check_route(load, &seen, e);
		check_bootstrap(load, &seen, e, lines);
		check_credential(load, &seen, e, lines, e->server);
		check_credential(load, &seen, e, lines, e->bootstrap_server);
		check_key(load, &seen, e, lines);
		check_lan(load, &seen, e, lines);
		check_address(load, &seen, e, lines);
		check_prefix(load, &seen, e, lines);
	}
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		load->failed = load->failed || all[i]->failed;
		index_fini(all[i]);
	}
}

/* ---- listeners ---- */

/* A socket that a listener opens. */
struct use {
	const struct conf_listen *listen;
};

static void check_socket(struct load *load, struct index *sockets, const struct conf_listen *listen,
	const char *interface, const char *address, uint16_t port)
{
	struct use *mine = arena_alloc(&load->scratch, sizeof(*mine));
	if (port == 0 || mine == NULL)
		return;
	mine->listen = listen;
	const char *text = arena_printf(&load->scratch, "port %u at %s%s%s", port, address,
		*interface != '\0' ? " of interface " : "", interface);
	const struct use *first = index_add(sockets, text, strlen(text), mine);
	if (first->listen == listen && first != mine)
		report_add(load->report, listen->where, CONF_ERROR,
			"listen '%s': %s is named twice; right is once", listen->name, text);
	else if (first != mine)
		report_add(load->report, listen->where, CONF_ERROR,
			"listen '%s': %s belongs to listen '%s' in line %u; right is another port, "
			"address or interface", listen->name, text, first->listen->name,
			first->listen->where.line);
}

static void check_interface(struct load *load, struct index *sockets,
	const struct conf_listen *listen, const char *interface)
{
	char ip[ADDR_TEXT] = "every address";
	size_t i = 0;
	do {
		if (listen->address_count != 0)
			addr_print(&listen->address[i], ip);
		check_socket(load, sockets, listen, interface, ip, listen->coap);
		check_socket(load, sockets, listen, interface, ip, listen->coaps);
	} while (++i < listen->address_count);
}

static void check_listeners(struct load *load)
{
	struct index sockets;
	index_init(&sockets);
	for (size_t i = 0; i < load->conf->listen_count; i++) {
		const struct conf_listen *listen = &load->conf->listen[i];
		if (listen->interface.count == 0)
			check_interface(load, &sockets, listen, "");
		for (size_t k = 0; k < listen->interface.count; k++)
			check_interface(load, &sockets, listen, listen->interface.item[k]);
	}
	load->failed = load->failed || sockets.failed;
	index_fini(&sockets);
}

/* ---- the whole ---- */

/* What every gateway needs that serves. */
static void check_presence(struct load *load)
{
	const struct conf *conf = load->conf;
	struct conf_where where = { load->file, 0 };
	unsigned most = conf->gateway.max_endpoints;
	if (most != 0 && conf->endpoint_count > most)
		option_fault(load, &load->gateway, GATEWAY_MAX_ENDPOINTS, CONF_ERROR,
			"%u are allowed, but there are %zu endpoints; right is %zu or more, up to "
			"%d",
			most, conf->endpoint_count, conf->endpoint_count, CONF_ENDPOINTS_MAX);
	if (!conf->gateway.enabled || load->partial)
		return;
	if (conf->server_count == 0)
		report_add(load->report, where, CONF_ERROR,
			"there is no server; right is a `config server` section with option uri");
	if (conf->listen_count == 0)
		report_add(load->report, where, CONF_ERROR,
			"there is no listener; right is a `config listen` section");
}

void rules_between(struct load *load)
{
	check_presence(load);
	check_listeners(load);
	check_endpoints(load);
}
