/* Rules within one section: options that need, exclude or contradict each other. */
#include "conf/conf_int.h"
#include <string.h>

/* ---- what this version does not do yet ---- */

/* A row goes when its day comes. */
static const struct {
	enum option_id id;
	int value; /* the number of the word, 1 for yes; ANY for whatever is written, but no 0 */
	enum conf_severity severity;
	const char *what;
} not_yet[] = {
#define ANY -1
#define NO_LAN_DTLS                                                                                \
	"DTLS towards devices is not served by this version, and without it this endpoint is not"
	{ SERVER_SECURITY, CONF_RPK, CONF_ERROR,
		"raw public keys are not in this version; right is psk" },
	{ SERVER_SECURITY, CONF_X509, CONF_ERROR,
		"certificates are not in this version; right is psk" },
	{ SERVER_DTLS, CONF_DTLS13, CONF_ERROR, "DTLS 1.3 is not in this version; right is 1.2" },
	{ SERVER_ASSIST_UPDATE, 1, CONF_ERROR, "it is not in this version; right is 0" },
	{ SERVER_ENGINE, 1, CONF_ERROR, "the proxy engine is not in this version; right is 0" },
	{ LISTEN_COAPS, ANY, CONF_WARNING, "DTLS towards devices is not served by this version" },
	{ ENDPOINT_LAN_IDENTITY, ANY, CONF_WARNING, NO_LAN_DTLS },
	{ ENDPOINT_LAN_PUBLIC_KEY_FILE, ANY, CONF_WARNING, NO_LAN_DTLS },
	{ LISTEN_INTERCEPT, 1, CONF_ERROR, "interception is not in this version; right is 0" },
	{ LISTEN_DTLS, CONF_DTLS13, CONF_ERROR, "DTLS 1.3 is not in this version; right is 1.2" },
	{ ENDPOINT_MODE, CONF_OPAQUE, CONF_ERROR,
		"opaque is not in this version; right is transparent" },
	{ ENDPOINT_MODE, CONF_PROXY, CONF_ERROR,
		"proxy is not in this version; right is transparent" },
};

void rules_not_yet(struct load *load, const struct section_in *in, const void *section)
{
	for (size_t i = 0; i < sizeof(not_yet) / sizeof(not_yet[0]); i++) {
		enum option_id id = not_yet[i].id;
		if (id < in->kind->first || id > in->kind->last || !is_given(in, id) ||
			in->given[id].wrong)
			continue;
		enum conf_type type = schema_row(id)->type;
		bool text = type == CONF_TYPE_TEXT || type == CONF_TYPE_PATH;
		int value = text ? 1 : value_number(id, section);
		if (not_yet[i].value == ANY ? value != 0 : value == not_yet[i].value)
			option_fault(load, in, id, not_yet[i].severity, "%s", not_yet[i].what);
	}
}

/* ---- server ---- */

void rules_security(struct load *load, const struct section_in *in,
	const struct conf_server *server)
{
	if (in->given[SERVER_SECURITY].wrong)
		return;
	bool secure = server->security != CONF_NOSEC;
	if (server->scheme == CONF_COAP && secure)
		option_fault(load, in, SERVER_SECURITY, CONF_ERROR,
			"the uri says coap://, which is nosec; right is coaps://, or nosec");
	else if (server->scheme == CONF_COAPS && !secure)
		option_fault(load, in, SERVER_SECURITY, CONF_ERROR,
			"the uri says coaps://, which is not nosec; right is coap://, or psk");
}

/* ---- listen ---- */

void rules_listen(struct load *load, const struct section_in *in, const struct conf_listen *listen)
{
	if (listen->coap == 0 && listen->coaps == 0 && !in->given[LISTEN_COAP].wrong &&
		!in->given[LISTEN_COAPS].wrong)
		section_fault(load, in, CONF_ERROR,
			"coap and coaps are both 0; right is a port for one of them at least");
	if (listen->unknown_endpoints != CONF_UNKNOWN_ACCEPT)
		return;
	if (!is_given(in, LISTEN_SERVER))
		option_fault(load, in, LISTEN_UNKNOWN_ENDPOINTS, CONF_ERROR,
			"accept needs to know where to; right is option server with a nosec "
			"server");
	else if (listen->server != NULL && listen->server->security != CONF_NOSEC)
		option_fault(load, in, LISTEN_UNKNOWN_ENDPOINTS, CONF_ERROR,
			"server '%s' wants a credential, which an unknown endpoint has not; right "
			"is a nosec server, or refuse", listen->server->name);
}

/* ---- endpoint ---- */

/* The server that wants the endpoint's PSK, or NULL. */
static const struct conf_server *psk_server(const struct conf_endpoint *endpoint)
{
	if (endpoint->server != NULL && endpoint->server->security == CONF_PSK)
		return endpoint->server;
	const struct conf_server *bootstrap = endpoint->bootstrap_server;
	return bootstrap != NULL && bootstrap->security == CONF_PSK ? bootstrap : NULL;
}

/* The listener whose default server an endpoint without a server is relayed to: one that wants a
 * PSK if there is one, since that asks most of the endpoint. */
static const struct conf_server *default_server(const struct conf *conf)
{
	const struct conf_server *found = NULL;
	for (size_t i = 0; i < conf->listen_count; i++) {
		const struct conf_server *server = conf->listen[i].server;
		if (server != NULL && (found == NULL || server->security == CONF_PSK))
			found = server;
	}
	return found;
}

/* What is known of the servers that the endpoint is relayed to. */
enum wants { WANTS_PSK, WANTS_NONE, WANTS_UNKNOWN };

/* Finds out, and which server it is. One that could not be read or found may be of any kind. */
static enum wants wanted(const struct load *load, const struct section_in *in,
	const struct conf_endpoint *endpoint, const struct conf_server **psk)
{
	struct conf_endpoint routed = *endpoint;
	bool server = is_given(in, ENDPOINT_SERVER);
	bool bootstrap = is_given(in, ENDPOINT_BOOTSTRAP_SERVER);
	if ((server && routed.server == NULL) || (bootstrap && routed.bootstrap_server == NULL))
		return WANTS_UNKNOWN;
	if (!server && !bootstrap)
		routed.server = default_server(load->conf);
	*psk = psk_server(&routed);
	if (load->unsure || (routed.server == NULL && routed.bootstrap_server == NULL))
		return WANTS_UNKNOWN;
	return *psk != NULL ? WANTS_PSK : WANTS_NONE;
}

static void rules_credential(struct load *load, const struct section_in *in,
	const struct conf_endpoint *endpoint)
{
	const struct conf_server *psk = NULL;
	enum wants wants = wanted(load, in, endpoint, &psk);
	bool identity = is_given(in, ENDPOINT_IDENTITY);
	enum option_id key = is_given(in, ENDPOINT_KEY) ? ENDPOINT_KEY : ENDPOINT_KEY_FILE;
	if (wants == WANTS_PSK && !identity && !is_given(in, key))
		section_fault(load, in, CONF_ERROR,
			"server '%s' wants a PSK; right is option identity with key or key_file",
			psk->name);
	else if (identity && !is_given(in, key))
		option_fault(load, in, ENDPOINT_IDENTITY, CONF_ERROR,
			"its key is missing; right is option key or key_file beside it");
	else if (!identity && is_given(in, key))
		option_fault(load, in, key, CONF_ERROR,
			"its identity is missing; right is option identity beside it");
	else if (wants == WANTS_NONE && is_given(in, key))
		option_fault(load, in, key, CONF_WARNING,
			"no server of this endpoint asks for a PSK; the key is not used");
}

static void rules_lan(struct load *load, const struct section_in *in)
{
	bool identity = is_given(in, ENDPOINT_LAN_IDENTITY);
	enum option_id key = is_given(in, ENDPOINT_LAN_KEY) ? ENDPOINT_LAN_KEY
							     : ENDPOINT_LAN_KEY_FILE;
	if (identity && !is_given(in, key))
		option_fault(load, in, ENDPOINT_LAN_IDENTITY, CONF_ERROR,
			"its key is missing; right is option lan_key or lan_key_file beside it");
	else if (!identity && is_given(in, key))
		option_fault(load, in, key, CONF_ERROR,
			"its identity is missing; right is option lan_identity beside it");
}

static void rule_short_key(struct load *load, const struct section_in *in, enum option_id id,
	enum option_id file, const struct conf_key *key)
{
	if (key->n != 0 && key->n < CONF_KEY_SAFE)
		option_fault(load, in, is_given(in, id) ? id : file, CONF_WARNING,
			"a key of %zu byte%s can be guessed; right is %d bytes or more", key->n,
			key->n == 1 ? "" : "s", CONF_KEY_SAFE);
}

/* [a-z][a-z0-9]*, and no path of the LwM2M interfaces. */
static void rule_prefix(struct load *load, const struct section_in *in, const char *prefix)
{
	static const char *const reserved[] = { "rd", "bs", "bspack", "dp" };
	char room[SHOWN];
	if (prefix == NULL)
		return;
	size_t n = strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789");
	if (prefix[n] != '\0' || (prefix[0] >= '0' && prefix[0] <= '9'))
		option_fault(load, in, ENDPOINT_PREFIX, CONF_ERROR,
			"'%s' is no prefix; right is a letter a to z, then up to 7 of a to z and 0 "
			"to 9", shown(room, prefix));
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(prefix, reserved[i]) == 0)
			option_fault(load, in, ENDPOINT_PREFIX, CONF_ERROR,
				"'%s' is a path of LwM2M itself; right is another prefix", prefix);
}

void rules_endpoint(struct load *load, const struct section_in *in,
	const struct conf_endpoint *endpoint)
{
	if (!is_given(in, ENDPOINT_NAME))
		section_fault(load, in, CONF_ERROR,
			"option name is missing; right is the endpoint name, as in ep=");
	if (!is_given(in, ENDPOINT_SERVER) && !is_given(in, ENDPOINT_BOOTSTRAP_SERVER) &&
		default_server(load->conf) == NULL && !load->partial)
		section_fault(load, in, CONF_ERROR,
			"it has no server, and no listener has a default one; right is option "
			"server");
	rules_credential(load, in, endpoint);
	rules_lan(load, in);
	rule_short_key(load, in, ENDPOINT_KEY, ENDPOINT_KEY_FILE, &endpoint->key);
	rule_short_key(load, in, ENDPOINT_LAN_KEY, ENDPOINT_LAN_KEY_FILE, &endpoint->lan_key);
	rule_prefix(load, in, endpoint->prefix);
}
