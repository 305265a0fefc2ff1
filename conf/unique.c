/* Rules between sections: what may stand only once, found by hash in one pass. */
#include "conf/conf_int.h"
#include <stdio.h>
#include <string.h>

/* The indices of what may be there once; things are struct conf_endpoint. */
struct seen {
	struct index route, bootstrap, credential, key, private_key, device, lan_identity,
		lan_public_key, address, prefix;
	struct index *shown; /* beside conf->server: what is shown to it instead of a PSK */
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

static struct slice blob_slice(const struct conf_blob *blob)
{
	return (struct slice){ blob->bytes, blob->n };
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

/* The certificate towards a server is its credential, and towards rpk the private key is. */
static void check_shown(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines, const struct conf_server *server)
{
	bool x509 = server != NULL && server->security == CONF_X509;
	bool rpk = server != NULL && server->security == CONF_RPK;
	struct slice credential = blob_slice(x509 ? &e->cert : &e->private_key);
	if ((!x509 && !rpk) || credential.n == 0)
		return;
	const struct conf_endpoint *other =
		index_add(&seen->shown[server - load->conf->server], credential.p, credential.n, e);
	if (strcmp(other->name, e->name) != 0)
		clash(load, e, x509 ? lines->cert : lines->private_key, CONF_ERROR,
			x509 ? "cert_file: it holds the same, for the same server, as that of endpoint"
			     : "private_key_file: it holds the same, for the same server, as that of "
			       "endpoint",
			other, "a credential of its own");
}

/* A key that two certificates share. */
static void check_private_key(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	if (e->private_key.n == 0 || e->cert.n == 0)
		return;
	const struct conf_endpoint *other =
		index_add(&seen->private_key, e->private_key.bytes, e->private_key.n, e);
	if (strcmp(other->name, e->name) != 0 &&
		!slice_eq(blob_slice(&other->cert), blob_slice(&e->cert)))
		clash(load, e, lines->private_key, CONF_WARNING,
			"private_key_file: with another certificate it is also that of endpoint",
			other, "a key of its own");
}

/* False where a file could not be taken, which was reported. */
static bool is_key_known(const struct conf_endpoint *e)
{
	return (e->lan_public_key_file != NULL) == (e->lan_public_key.n != 0);
}

/* A device has one set of credentials, whichever server it talks to. */
static void check_device(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	static const char right[] = "the same in each section of the endpoint";
	const struct conf_endpoint *other =
		index_add(&seen->device, e->name, strlen(e->name), e);
	struct slice key[2] = { { e->lan_key.bytes, e->lan_key.n },
		{ other->lan_key.bytes, other->lan_key.n } };
	if (e == other || *e->name == '\0')
		return;
	if (e->mode == CONF_OPAQUE || other->mode == CONF_OPAQUE)
		clash(load, e, e->where.line, CONF_ERROR,
			"mode: an opaque endpoint has one server, and another section is endpoint",
			other, "one section");
	else if (!text_is_same(e->lan_identity, other->lan_identity))
		clash(load, e, lines->lan_identity, CONF_ERROR,
			"lan_identity: it is not that of endpoint", other, right);
	else if (!slice_eq(key[0], key[1]))
		clash(load, e, lines->lan_key, CONF_ERROR,
			"lan_key: the same identity has another key in endpoint", other,
			"the same key");
	else if (is_key_known(e) && is_key_known(other) &&
		!slice_eq(blob_slice(&e->lan_public_key), blob_slice(&other->lan_public_key)))
		clash(load, e, lines->lan_public_key, CONF_ERROR,
			"lan_public_key_file: it does not hold what it does in endpoint", other,
			right);
}

/* What the device shows says which endpoint it is. */
static void check_lan(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	const struct conf_endpoint *other = e;
	if (e->lan_identity != NULL)
		other = index_add(&seen->lan_identity, e->lan_identity, strlen(e->lan_identity), e);
	if (strcmp(other->name, e->name) != 0)
		clash(load, e, lines->lan_identity, CONF_ERROR,
			"lan_identity: it is also that of endpoint", other, "one of its own");
	other = e;
	if (e->lan_public_key.n != 0)
		other = index_add(&seen->lan_public_key, e->lan_public_key.bytes,
			e->lan_public_key.n, e);
	if (strcmp(other->name, e->name) != 0)
		clash(load, e, lines->lan_public_key, CONF_ERROR,
			"lan_public_key_file: it holds the same as that of endpoint", other,
			"a key of its own");
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

/* The default server of that listener, unless an earlier one has it too. */
static const struct conf_server *new_default(const struct conf *conf, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (conf->listen[i].server == conf->listen[at].server)
			return NULL;
	return conf->listen[at].server;
}

static void check_towards(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines, const struct conf_server *server)
{
	check_credential(load, seen, e, lines, server);
	check_shown(load, seen, e, lines, server);
}

static void check_endpoint(struct load *load, struct seen *seen, struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	const struct conf *conf = load->conf;
	check_route(load, seen, e);
	check_bootstrap(load, seen, e, lines);
	check_towards(load, seen, e, lines, e->server);
	if (e->bootstrap_server != e->server)
		check_towards(load, seen, e, lines, e->bootstrap_server);
	for (size_t i = 0; e->server == NULL && e->bootstrap_server == NULL &&
		i < conf->listen_count; i++)
		check_towards(load, seen, e, lines, new_default(conf, i));
	check_key(load, seen, e, lines);
	check_private_key(load, seen, e, lines);
	check_device(load, seen, e, lines);
	check_lan(load, seen, e, lines);
	check_address(load, seen, e, lines);
	check_prefix(load, seen, e, lines);
}

static void check_endpoints(struct load *load)
{
	const struct conf *conf = load->conf;
	struct seen seen;
	struct index *all[] = { &seen.route, &seen.bootstrap, &seen.credential, &seen.key,
		&seen.private_key, &seen.device, &seen.lan_identity, &seen.lan_public_key,
		&seen.address, &seen.prefix };
	size_t fixed = sizeof(all) / sizeof(all[0]);
	seen.shown = arena_alloc(&load->scratch, (conf->server_count + 1) * sizeof(*seen.shown));
	if (seen.shown == NULL)
		return;
	for (size_t i = 0; i < fixed + conf->server_count; i++)
		index_init(i < fixed ? all[i] : &seen.shown[i - fixed]);
	for (size_t i = 0; i < conf->endpoint_count; i++)
		check_endpoint(load, &seen, &conf->endpoint[i], &load->lines[i]);
	for (size_t i = 0; i < fixed + conf->server_count; i++) {
		struct index *index = i < fixed ? all[i] : &seen.shown[i - fixed];
		load->failed = load->failed || index->failed;
		index_fini(index);
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
	struct conf_captured list[CONF_CAPTURED_PORTS];
	size_t i = 0, captured = conf_captured(load->conf, listen, list);
	do {
		if (listen->address_count != 0)
			addr_print(&listen->address[i], ip);
		check_socket(load, sockets, listen, interface, ip, listen->coap);
		check_socket(load, sockets, listen, interface, ip, listen->coaps);
		for (size_t k = 0; k < captured; k++)
			check_socket(load, sockets, listen, interface, ip, list[k].port);
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

/* ---- servers ---- */

/* Who sends Updates that the relay sees, to this server? */
static bool has_registrations(const struct conf *conf, const struct conf_server *server, bool *is_used)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		if (conf->listen[i].server == server)
			return true;
	for (size_t i = 0; i < conf->endpoint_count; i++) {
		const struct conf_endpoint *e = &conf->endpoint[i];
		if (e->server == server && e->mode != CONF_OPAQUE)
			return true;
		*is_used |= e->server == server || e->bootstrap_server == server;
	}
	return false;
}

static void check_servers(struct load *load)
{
	for (size_t i = 0; i < load->conf->server_count && !load->partial; i++) {
		const struct conf_server *server = &load->conf->server[i];
		bool is_used = false;
		if (server->assist_update && !has_registrations(load->conf, server, &is_used) &&
			is_used)
			report_add(load->report, server->where, CONF_WARNING,
				"server '%s': assist_update helps registrations that the relay "
				"sees, and only opaque endpoints or bootstrap come here; right is "
				"to leave it out", server->name);
	}
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
	rules_captured(load);
	check_endpoints(load);
	check_servers(load);
	rules_access(load);
}
