/* Rules within an endpoint: which credentials its servers ask for, and what its mode allows. */
#include "conf/conf_int.h"
#include <string.h>

/* ---- what its servers ask for ---- */

/* The servers that the endpoint is relayed to. */
struct demand {
	const struct conf_server *by[CONF_X509 + 1]; /* one of each security, or NULL */
	const struct conf_server *plain;             /* one that speaks no DTLS, or NULL */
	bool known; /* all of them, and there is one */
};

static void add(struct demand *demand, const struct conf_server *server)
{
	if (server == NULL)
		return;
	demand->known = true;
	if (demand->by[server->security] == NULL)
		demand->by[server->security] = server;
	if (server->scheme == CONF_COAP && demand->plain == NULL)
		demand->plain = server;
}

/* An endpoint without a server may come to any listener, and goes to the server of that one. */
static void add_defaults(struct demand *demand, const struct conf *conf,
	const struct conf_endpoint *endpoint)
{
	if (endpoint->listen != NULL)
		add(demand, endpoint->listen->server);
	for (size_t i = 0; endpoint->listen == NULL && i < conf->listen_count; i++)
		add(demand, conf->listen[i].server);
}

/* A server that could not be read or found may be of any kind. */
static struct demand demand_of(const struct load *load, const struct section_in *in,
	const struct conf_endpoint *endpoint)
{
	struct demand demand = { .known = false };
	bool server = is_given(in, ENDPOINT_SERVER);
	bool bootstrap = is_given(in, ENDPOINT_BOOTSTRAP_SERVER);
	if ((server && endpoint->server == NULL) ||
		(bootstrap && endpoint->bootstrap_server == NULL))
		return demand;
	add(&demand, endpoint->server);
	add(&demand, endpoint->bootstrap_server);
	if (!server && !bootstrap)
		add_defaults(&demand, load->conf, endpoint);
	demand.known = demand.known && !load->unsure;
	return demand;
}

/* ---- towards the server ---- */

static void rules_psk(struct load *load, const struct section_in *in, const struct demand *demand)
{
	const struct conf_server *psk = demand->by[CONF_PSK];
	bool identity = is_given(in, ENDPOINT_IDENTITY);
	enum option_id key = is_given(in, ENDPOINT_KEY) ? ENDPOINT_KEY : ENDPOINT_KEY_FILE;
	if (demand->known && psk != NULL && !identity && !is_given(in, key))
		section_fault(load, in, CONF_ERROR,
			"server '%s' wants a PSK; right is option identity with key or key_file",
			psk->name);
	else if (identity && !is_given(in, key))
		option_fault(load, in, ENDPOINT_IDENTITY, CONF_ERROR,
			"its key is missing; right is option key or key_file beside it");
	else if (!identity && is_given(in, key))
		option_fault(load, in, key, CONF_ERROR,
			"its identity is missing; right is option identity beside it");
	else if (demand->known && psk == NULL && is_given(in, key))
		option_fault(load, in, key, CONF_WARNING,
			"no server of this endpoint asks for a PSK; the key is not used");
}

/* What x509 and rpk need. */
static void rules_cert(struct load *load, const struct section_in *in, const struct demand *demand)
{
	const struct conf_server *x509 = demand->known ? demand->by[CONF_X509] : NULL;
	const struct conf_server *rpk = demand->known ? demand->by[CONF_RPK] : NULL;
	bool cert = is_given(in, ENDPOINT_CERT_FILE);
	bool key = is_given(in, ENDPOINT_PRIVATE_KEY_FILE);
	if (cert && !key)
		option_fault(load, in, ENDPOINT_CERT_FILE, CONF_ERROR,
			"its private key is missing; right is option private_key_file beside it");
	else if (x509 != NULL && !cert && key)
		option_fault(load, in, ENDPOINT_PRIVATE_KEY_FILE, CONF_ERROR,
			"server '%s' wants a certificate too; right is option cert_file beside it",
			x509->name);
	else if (x509 != NULL && !cert)
		section_fault(load, in, CONF_ERROR,
			"server '%s' wants a certificate; right is option cert_file with "
			"private_key_file", x509->name);
	else if (rpk != NULL && !key)
		section_fault(load, in, CONF_ERROR,
			"server '%s' wants a raw public key; right is option private_key_file",
			rpk->name);
}

/* Certificates and keys that nobody asks for. */
static void rules_cert_in_vain(struct load *load, const struct section_in *in,
	const struct demand *demand)
{
	if (!demand->known || demand->by[CONF_X509] != NULL)
		return;
	if (is_given(in, ENDPOINT_CERT_FILE))
		option_fault(load, in, ENDPOINT_CERT_FILE, CONF_WARNING,
			"no server of this endpoint asks for a certificate; it is not used");
	if (is_given(in, ENDPOINT_PRIVATE_KEY_FILE) && demand->by[CONF_RPK] == NULL)
		option_fault(load, in, ENDPOINT_PRIVATE_KEY_FILE, CONF_WARNING,
			"no server of this endpoint asks for it; it is not used");
}

/* ---- towards the device ---- */

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

/* ---- opaque ---- */

/* Options that say how DTLS is to be ended, and bootstrap_server: one address leads to one server. */
static void rules_opaque_alone(struct load *load, const struct section_in *in)
{
	for (enum option_id id = ENDPOINT_IDENTITY; id <= ENDPOINT_LAN_PUBLIC_KEY_FILE; id++)
		if (is_given(in, id))
			option_fault(load, in, id, CONF_ERROR,
				"mode opaque passes DTLS on unread, with the keys of the device "
				"itself; right is to leave it out");
	if (is_given(in, ENDPOINT_BOOTSTRAP_SERVER))
		option_fault(load, in, ENDPOINT_BOOTSTRAP_SERVER, CONF_ERROR,
			"an opaque endpoint has one server; right is to name it by option server");
}

static void rules_opaque(struct load *load, const struct section_in *in,
	const struct conf_endpoint *endpoint, const struct demand *demand)
{
	rules_opaque_alone(load, in);
	if (!is_given(in, ENDPOINT_ADDRESS) && !is_given(in, ENDPOINT_LISTEN))
		option_fault(load, in, ENDPOINT_MODE, CONF_ERROR,
			"nothing tells the device from others; right is option address, or option "
			"listen with a listener of its own");
	if (endpoint->listen != NULL && endpoint->listen->coaps == 0)
		option_fault(load, in, ENDPOINT_LISTEN, CONF_ERROR,
			"coaps of listen '%s' is 0; right is a port", endpoint->listen->name);
	if (demand->known && demand->plain != NULL)
		option_fault(load, in, ENDPOINT_MODE, CONF_ERROR,
			"server '%s' speaks no DTLS; right is a coaps:// one, or transparent",
			demand->plain->name);
}

/* ---- the whole ---- */

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

/* An endpoint has a server of its own or that of a listener. */
static void rule_server(struct load *load, const struct section_in *in,
	const struct conf_endpoint *endpoint)
{
	struct demand defaults = { .known = false };
	add_defaults(&defaults, load->conf, endpoint);
	if (is_given(in, ENDPOINT_SERVER) || is_given(in, ENDPOINT_BOOTSTRAP_SERVER) ||
		defaults.known || load->partial)
		return;
	if (endpoint->listen != NULL)
		section_fault(load, in, CONF_ERROR,
			"it has no server, and listen '%s' has none either; right is option server",
			endpoint->listen->name);
	else
		section_fault(load, in, CONF_ERROR,
			"it has no server, and no listener has a default one; right is option "
			"server");
}

void rules_endpoint(struct load *load, const struct section_in *in,
	const struct conf_endpoint *endpoint)
{
	struct demand demand = demand_of(load, in, endpoint);
	if (!is_given(in, ENDPOINT_NAME))
		section_fault(load, in, CONF_ERROR,
			"option name is missing; right is the endpoint name, as in ep=");
	rule_server(load, in, endpoint);
	if (endpoint->mode == CONF_OPAQUE) {
		rules_opaque(load, in, endpoint, &demand);
	} else {
		rules_psk(load, in, &demand);
		rules_cert(load, in, &demand);
		rules_cert_in_vain(load, in, &demand);
		rules_lan(load, in);
		if (is_given(in, ENDPOINT_LISTEN))
			option_fault(load, in, ENDPOINT_LISTEN, CONF_ERROR,
				"it goes with mode opaque only; right is to leave it out");
	}
	rule_short_key(load, in, ENDPOINT_KEY, ENDPOINT_KEY_FILE, &endpoint->key);
	rule_short_key(load, in, ENDPOINT_LAN_KEY, ENDPOINT_LAN_KEY_FILE, &endpoint->lan_key);
	rule_prefix(load, in, endpoint->prefix);
}
