/* The schema: every option, its values, its default, and what it is for. */
#include "conf/conf_int.h"
#include <stdio.h>
#include <string.h>

/* Where a value stands in its section's struct. */
#define AT(type_, field)                                                                           \
	.place = offsetof(struct type_, field), .size = sizeof(((struct type_ *)NULL)->field)
/* A reference is resolved by load.c, so the schema's row has no place for it. */
#define NOWHERE .size = 0
/* Limits of lengths, bytes. */
#define TEXT_OF(least, most) .type = CONF_TYPE_TEXT, .min = least, .max = most
#define PATH .type = CONF_TYPE_PATH, .min = 1, .max = 4095
#define BOOL(default_) .type = CONF_TYPE_BOOL, .standard = default_

static const struct conf_option table[OPTION_COUNT] = {
	[GATEWAY_ENABLED] = { "gateway", "enabled", BOOL("1"), AT(conf_gateway, enabled),
		.help = "whether the service starts" },
	[GATEWAY_NAME] = { "gateway", "name", TEXT_OF(1, 255), AT(conf_gateway, name),
		.help = "the endpoint name of the gateway itself" },
	[GATEWAY_LOG_LEVEL] = { "gateway", "log_level", .type = CONF_TYPE_CHOICE,
		.choices = "err warn info debug", .standard = "info", AT(conf_gateway, log_level),
		.help = "how much is logged" },
	[GATEWAY_MAX_ENDPOINTS] = { "gateway", "max_endpoints", .type = CONF_TYPE_NUMBER,
		.min = 1, .max = CONF_ENDPOINTS_MAX, .standard = "4096",
		AT(conf_gateway, max_endpoints), .help = "the size of the routing table" },
	[GATEWAY_WORKERS] = { "gateway", "workers", .type = CONF_TYPE_NUMBER, .min = 1, .max = 64,
		.choices = "auto", .standard = "auto", AT(conf_gateway, workers),
		.help = "how many threads relay" },
	[GATEWAY_MARK] = { "gateway", "mark", .type = CONF_TYPE_NUMBER, .min = 1, .max = UINT32_MAX,
		.standard = "0x8000000", AT(conf_gateway, mark),
		.help = "the packet mark of captured traffic" },
	[GATEWAY_MARK_MASK] = { "gateway", "mark_mask", .type = CONF_TYPE_NUMBER, .min = 1,
		.max = UINT32_MAX, .standard = "0x8000000", AT(conf_gateway, mark_mask),
		.help = "the bits of the packet mark that are ours" },
	[GATEWAY_ENDPOINTS_FILE] = { "gateway", "endpoints_file", PATH,
		AT(conf_gateway, endpoints_file),
		.help = "a CSV file of endpoints, with a header line that names endpoint options" },

	[SERVER_URI] = { "server", "uri", .type = CONF_TYPE_URI, .min = 1, .max = 512,
		AT(conf_server, uri), .help = "where the LwM2M Server listens" },
	[SERVER_SECURITY] = { "server", "security", .type = CONF_TYPE_CHOICE,
		.choices = "nosec psk rpk x509", AT(conf_server, security),
		.help = "how it is secured; without it nosec for coap, psk for coaps" },
	[SERVER_DTLS] = { "server", "dtls", .type = CONF_TYPE_CHOICE, .choices = "1.2 1.3",
		.standard = "1.2", AT(conf_server, dtls), .help = "the version of DTLS" },
	[SERVER_CID] = { "server", "cid", BOOL("1"), AT(conf_server, cid),
		.help = "whether a connection id is offered" },
	[SERVER_CA_FILE] = { "server", "ca_file", PATH, AT(conf_server, ca_file),
		.help = "the certificates that the server's is checked against" },
	[SERVER_SERVER_NAME] = { "server", "server_name", TEXT_OF(1, 253),
		AT(conf_server, server_name),
		.help = "the name in the server's certificate; without it the host of the uri" },
	[SERVER_SERVER_KEY_FILE] = { "server", "server_key_file", PATH,
		AT(conf_server, server_key_file), .help = "the server's raw public key" },
	[SERVER_INTERFACE] = { "server", "interface", TEXT_OF(1, 15), AT(conf_server, interface),
		.help = "the interface that traffic to the server leaves through" },
	[SERVER_HANDSHAKE_TIMEOUT] = { "server", "handshake_timeout", .type = CONF_TYPE_NUMBER,
		.min = 1, .max = 600, .standard = "60", AT(conf_server, handshake_timeout),
		.help = "seconds until a handshake is given up" },
	[SERVER_ASSIST_UPDATE] = { "server", "assist_update", BOOL("0"),
		AT(conf_server, assist_update),
		.help = "whether the relay sends an Update when the WAN address changed" },
	[SERVER_ENGINE] = { "server", "engine", BOOL("0"), AT(conf_server, engine),
		.help = "whether it is the proxy engine" },

	[LISTEN_INTERFACE] = { "listen", "interface", .type = CONF_TYPE_TEXTS, .min = 1, .max = 15,
		AT(conf_listen, interface), .help = "where to listen; without it everywhere" },
	[LISTEN_ADDRESS] = { "listen", "address", .type = CONF_TYPE_ADDRESSES,
		AT(conf_listen, address), .help = "where to listen; without it at every address" },
	[LISTEN_COAP] = { "listen", "coap", .type = CONF_TYPE_NUMBER, .max = 65535,
		.standard = "5683", AT(conf_listen, coap),
		.help = "the port for CoAP, 0 for none" },
	[LISTEN_COAPS] = { "listen", "coaps", .type = CONF_TYPE_NUMBER, .max = 65535,
		.standard = "5684", AT(conf_listen, coaps),
		.help = "the port for CoAP over DTLS, 0 for none" },
	[LISTEN_INTERCEPT] = { "listen", "intercept", BOOL("0"), AT(conf_listen, intercept),
		.help = "whether traffic to the servers is captured" },
	[LISTEN_FOREIGN] = { "listen", "foreign", .type = CONF_TYPE_CHOICE,
		.choices = "refuse pass relay", .standard = "refuse", AT(conf_listen, foreign),
		.help = "what becomes of captured traffic to another server" },
	[LISTEN_WITHOUT_RELAY] = { "listen", "without_relay", .type = CONF_TYPE_CHOICE,
		.choices = "open closed", .standard = "open", AT(conf_listen, without_relay),
		.help = "what becomes of captured traffic when nobody serves" },
	[LISTEN_SERVER] = { "listen", "server", .type = CONF_TYPE_SERVER, .min = 1, .max = 255,
		NOWHERE, .help = "the server of endpoints that name none" },
	[LISTEN_UNKNOWN_ENDPOINTS] = { "listen", "unknown_endpoints", .type = CONF_TYPE_CHOICE,
		.choices = "refuse accept", .standard = "refuse",
		AT(conf_listen, unknown_endpoints),
		.help = "whether endpoints without a section are served" },
	[LISTEN_MOVE] = { "listen", "move", BOOL("1"), AT(conf_listen, move),
		.help = "whether an endpoint may come back from another address" },
	[LISTEN_DTLS] = { "listen", "dtls", .type = CONF_TYPE_CHOICE, .choices = "1.2 1.3",
		.standard = "1.2", AT(conf_listen, dtls), .help = "the version of DTLS" },
	[LISTEN_CID] = { "listen", "cid", BOOL("1"), AT(conf_listen, cid),
		.help = "whether a connection id is offered" },
	[LISTEN_CERT_FILE] = { "listen", "cert_file", PATH, AT(conf_listen, cert_file),
		.help = "the certificate shown to devices" },
	[LISTEN_PRIVATE_KEY_FILE] = { "listen", "private_key_file", PATH,
		AT(conf_listen, private_key_file), .help = "the private key of cert_file; without that it is a raw public key's" },
	[LISTEN_CA_FILE] = { "listen", "ca_file", PATH, AT(conf_listen, ca_file),
		.help = "the certificates that devices' are checked against" },

	[ENDPOINT_NAME] = { "endpoint", "name", TEXT_OF(1, 255), AT(conf_endpoint, name),
		.help = "the endpoint name, as in ep= of the device's Register" },
	[ENDPOINT_SERVER] = { "endpoint", "server", .type = CONF_TYPE_SERVER, .min = 1, .max = 255,
		NOWHERE, .help = "the server that the endpoint is relayed to" },
	[ENDPOINT_BOOTSTRAP_SERVER] = { "endpoint", "bootstrap_server", .type = CONF_TYPE_SERVER,
		.min = 1, .max = 255, NOWHERE, .help = "the server for /bs and /bspack" },
	[ENDPOINT_MODE] = { "endpoint", "mode", .type = CONF_TYPE_CHOICE,
		.choices = "transparent opaque proxy", .standard = "transparent",
		AT(conf_endpoint, mode), .help = "how the endpoint is relayed: opaque passes its "
			"DTLS on unread, and needs address or listen" },
	[ENDPOINT_LISTEN] = { "endpoint", "listen", .type = CONF_TYPE_LISTEN, .min = 1, .max = 255,
		NOWHERE, .help = "the listener whose coaps port is for this opaque endpoint alone" },
	[ENDPOINT_ADDRESS] = { "endpoint", "address", .type = CONF_TYPE_ADDRESS,
		AT(conf_endpoint, address),
		.help = "where the device is, when it is always there" },
	[ENDPOINT_IDENTITY] = { "endpoint", "identity", TEXT_OF(1, 128),
		AT(conf_endpoint, identity), .help = "the PSK identity towards the server" },
	[ENDPOINT_KEY] = { "endpoint", "key", .type = CONF_TYPE_KEY, .min = 1, .max = CONF_KEY_MAX,
		AT(conf_endpoint, key), .help = "the PSK towards the server" },
	[ENDPOINT_KEY_FILE] = { "endpoint", "key_file", PATH, NOWHERE,
		.help = "a file that holds the PSK towards the server in hex" },
	[ENDPOINT_CERT_FILE] = { "endpoint", "cert_file", PATH, AT(conf_endpoint, cert_file),
		.help = "the certificate towards the server" },
	[ENDPOINT_PRIVATE_KEY_FILE] = { "endpoint", "private_key_file", PATH,
		AT(conf_endpoint, private_key_file),
		.help = "the private key towards the server, of cert_file or of a raw public key" },
	[ENDPOINT_LAN_IDENTITY] = { "endpoint", "lan_identity", TEXT_OF(1, 128),
		AT(conf_endpoint, lan_identity), .help = "the PSK identity of the device" },
	[ENDPOINT_LAN_KEY] = { "endpoint", "lan_key", .type = CONF_TYPE_KEY, .min = 1,
		.max = CONF_KEY_MAX, AT(conf_endpoint, lan_key), .help = "the PSK of the device" },
	[ENDPOINT_LAN_KEY_FILE] = { "endpoint", "lan_key_file", PATH, NOWHERE,
		.help = "a file that holds the PSK of the device in hex" },
	[ENDPOINT_LAN_PUBLIC_KEY_FILE] = { "endpoint", "lan_public_key_file", PATH,
		AT(conf_endpoint, lan_public_key_file), .help = "the device's raw public key" },
	[ENDPOINT_PREFIX] = { "endpoint", "prefix", TEXT_OF(1, 8), AT(conf_endpoint, prefix),
		.help = "the path segment that names the device behind the gateway" },
	[ENDPOINT_TYPE] = { "endpoint", "type", TEXT_OF(1, 255), AT(conf_endpoint, type),
		.help = "the device type, for the engine" },
};

const struct section_kind section_kinds[KIND_COUNT] = {
	{ "gateway", GATEWAY_ENABLED, GATEWAY_ENDPOINTS_FILE, sizeof(struct conf_gateway) },
	{ "server", SERVER_URI, SERVER_ENGINE, sizeof(struct conf_server) },
	{ "listen", LISTEN_INTERFACE, LISTEN_CA_FILE, sizeof(struct conf_listen) },
	{ "endpoint", ENDPOINT_NAME, ENDPOINT_TYPE, sizeof(struct conf_endpoint) },
};

const struct conf_option *conf_schema(size_t *count)
{
	*count = OPTION_COUNT;
	return table;
}

const struct conf_option *schema_row(enum option_id id)
{
	return &table[id];
}

enum option_id schema_find(const struct section_kind *kind, const char *name)
{
	for (enum option_id id = kind->first; id <= kind->last; id++)
		if (strcmp(table[id].name, name) == 0)
			return id;
	return OPTION_COUNT;
}

static int number_values(const struct conf_option *o, char *text, size_t size)
{
	const char *or = o->choices != NULL ? " or " : "";
	const char *word = o->choices != NULL ? o->choices : "";
	return snprintf(text, size, "%s%sa number from %llu to %llu", word, or,
		(unsigned long long)o->min, (unsigned long long)o->max);
}

int conf_option_values(const struct conf_option *o, char *text, size_t size)
{
	unsigned min = (unsigned)o->min;
	unsigned max = (unsigned)o->max;
	switch (o->type) {
	case CONF_TYPE_BOOL:
		return snprintf(text, size, "1 or 0");
	case CONF_TYPE_NUMBER:
		return number_values(o, text, size);
	case CONF_TYPE_CHOICE:
		return snprintf(text, size, "one of: %s", o->choices);
	case CONF_TYPE_TEXT:
		return snprintf(text, size, "text of %u to %u bytes", min, max);
	case CONF_TYPE_PATH:
		return snprintf(text, size, "a path of at most %u bytes", max);
	case CONF_TYPE_SERVER:
		return snprintf(text, size, "the name of a server section");
	case CONF_TYPE_LISTEN:
		return snprintf(text, size, "the name of a listen section");
	case CONF_TYPE_URI:
		return snprintf(text, size, "coap://HOST or coaps://HOST, with :PORT where needed");
	case CONF_TYPE_KEY:
		return snprintf(text, size, "%u to %u bytes in hex", min, max);
	case CONF_TYPE_ADDRESS:
		return snprintf(text, size, "an IP address, IPv4:PORT or [IPv6]:PORT");
	case CONF_TYPE_TEXTS:
		return snprintf(text, size, "a list of texts of %u to %u bytes", min, max);
	case CONF_TYPE_ADDRESSES:
		return snprintf(text, size, "a list of IP addresses without ports");
	}
	BUG("no such type");
}

/* Longest name that is compared for likeness. */
#define LIKE 32

/* How many letters must be changed, added, dropped or swapped to make b of a. */
static size_t distance(const char *a, const char *b)
{
	size_t row[3][LIKE + 1];
	size_t an = strlen(a);
	size_t bn = strlen(b);
	if (an > LIKE || bn > LIKE)
		return LIKE;
	for (size_t j = 0; j <= bn; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= an; i++) {
		size_t *now = row[i % 3];
		const size_t *up = row[(i - 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);
			best = up[j] + 1 < best ? up[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			bool swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			if (swap && row[(i - 2) % 3][j - 2] + 1 < best)
				best = row[(i - 2) % 3][j - 2] + 1;
			now[j] = best;
		}
	}
	return row[an % 3][bn];
}

/* Far enough apart that the one was hardly meant to be the other. */
static bool is_far(const char *name, size_t d)
{
	return d >= LIKE || (d > 2 && d > strlen(name) / 3);
}

const char *schema_suggest(struct arena *arena, const struct section_kind *kind, const char *name)
{
	const struct conf_option *best = &table[kind->first];
	for (enum option_id id = kind->first; id <= kind->last; id++)
		if (distance(name, table[id].name) < distance(name, best->name))
			best = &table[id];
	if (!is_far(name, distance(name, best->name)))
		return arena_printf(arena, "did you mean '%s'?", best->name);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strcmp(table[i].name, name) == 0)
			return arena_printf(arena, "it belongs in a %s section", table[i].section);
	const char *all = "the options are";
	for (enum option_id id = kind->first; id <= kind->last; id++)
		all = arena_printf(arena, "%s %s", all, table[id].name);
	return all;
}

const char *schema_suggest_kind(struct arena *arena, const char *name)
{
	const char *best = section_kinds[0].name;
	for (size_t i = 1; i < KIND_COUNT; i++)
		if (distance(name, section_kinds[i].name) < distance(name, best))
			best = section_kinds[i].name;
	if (!is_far(name, distance(name, best)))
		return arena_printf(arena, "did you mean '%s'?", best);
	return "the types are gateway, server, listen and endpoint";
}
