/* Rules within the section of a server or listener: options that need, exclude or contradict each
 * other, and what this version does not do yet. */
#include "conf/conf_int.h"

/* ---- what this version does not do yet ---- */

/* A row goes when its day comes. */
static const struct {
	enum option_id id;
	int value; /* the number of the word, 1 for yes */
	const char *what;
} not_yet[] = {
	{ SERVER_ENGINE, 1, "the proxy engine is not in this version; right is 0" },
	{ ENDPOINT_MODE, CONF_PROXY,
		"proxy is not in this version; right is transparent" },
};

void rules_not_yet(struct load *load, const struct section_in *in, const void *section)
{
	for (size_t i = 0; i < sizeof(not_yet) / sizeof(not_yet[0]); i++) {
		enum option_id id = not_yet[i].id;
		if (id < in->kind->first || id > in->kind->last || !is_given(in, id) ||
			in->given[id].wrong)
			continue;
		if (value_number(id, section) == not_yet[i].value)
			option_fault(load, in, id, CONF_ERROR, "%s", not_yet[i].what);
	}
}

/* ---- server ---- */

static void rule_scheme(struct load *load, const struct section_in *in,
	const struct conf_server *server)
{
	bool secure = server->security != CONF_NOSEC;
	if (server->scheme == CONF_COAP && secure)
		option_fault(load, in, SERVER_SECURITY, CONF_ERROR,
			"the uri says coap://, which is nosec; right is coaps://, or nosec");
	else if (server->scheme == CONF_COAPS && !secure)
		option_fault(load, in, SERVER_SECURITY, CONF_ERROR,
			"the uri says coaps://, which is not nosec; right is coap://, or psk");
}

/* An option that only one kind of security uses is given in vain with another. */
static void rule_in_vain(struct load *load, const struct section_in *in, enum option_id id,
	const struct conf_server *server, const char *security)
{
	static const char *const names[] = { "nosec", "psk", "rpk", "x509" };
	if (is_given(in, id) && !in->given[id].wrong)
		option_fault(load, in, id, CONF_WARNING,
			"with security %s it is not used; right is security %s, or to leave it out",
			names[server->security], security);
}

void rules_server(struct load *load, const struct section_in *in, const struct conf_server *server)
{
	rule_scheme(load, in, server);
	if (server->security == CONF_X509 && !is_given(in, SERVER_CA_FILE))
		option_fault(load, in, SERVER_SECURITY, CONF_ERROR,
			"x509 needs to know whose certificates are trusted; right is option ca_file");
	if (server->security == CONF_RPK && !is_given(in, SERVER_SERVER_KEY_FILE))
		option_fault(load, in, SERVER_SECURITY, CONF_ERROR,
			"rpk needs to know the server's public key; right is option "
			"server_key_file");
	if (server->dtls == CONF_DTLS13 &&
		(server->security == CONF_X509 || server->security == CONF_RPK))
		option_fault(load, in, SERVER_DTLS, CONF_ERROR,
			"DTLS 1.3 goes with psk only in this version; right is 1.2");
	if (server->security != CONF_X509)
		rule_in_vain(load, in, SERVER_CA_FILE, server, "x509");
	if (server->security != CONF_RPK)
		rule_in_vain(load, in, SERVER_SERVER_KEY_FILE, server, "rpk");
	if (server->security == CONF_NOSEC)
		rule_in_vain(load, in, SERVER_SERVER_NAME, server, "x509");
}

/* ---- listen ---- */

/* The first option of DTLS that was given, or OPTION_COUNT. */
static enum option_id dtls_option(const struct section_in *in)
{
	for (enum option_id id = LISTEN_CERT_FILE; id <= LISTEN_CA_FILE; id++)
		if (is_given(in, id))
			return id;
	return OPTION_COUNT;
}

static void rules_listen_dtls(struct load *load, const struct section_in *in,
	const struct conf_listen *listen)
{
	enum option_id first = dtls_option(in);
	bool key = is_given(in, LISTEN_PRIVATE_KEY_FILE);
	if (is_given(in, LISTEN_CERT_FILE) && !key)
		option_fault(load, in, LISTEN_CERT_FILE, CONF_ERROR,
			"its private key is missing; right is option private_key_file beside it");
	if (is_given(in, LISTEN_CA_FILE) && !key)
		option_fault(load, in, LISTEN_CA_FILE, CONF_ERROR,
			"devices with certificates want to see ours; right is option "
			"private_key_file with cert_file");
	if (first != OPTION_COUNT && listen->coaps == 0 && !in->given[LISTEN_COAPS].wrong)
		option_fault(load, in, first, CONF_WARNING,
			"coaps is 0, so it is not used; right is a port");
	else if (is_given(in, LISTEN_CA_FILE) && listen->coap != 0)
		option_fault(load, in, LISTEN_CA_FILE, CONF_WARNING,
			"endpoints without lan_identity are served without DTLS too, at the coap "
			"port; right is coap '0'");
}

static void rule_accept(struct load *load, const struct section_in *in,
	const struct conf_listen *listen)
{
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

static void rules_intercept(struct load *load, const struct section_in *in,
	const struct conf_listen *listen)
{
	static const enum option_id only[] = { LISTEN_FOREIGN, LISTEN_WITHOUT_RELAY };
	for (size_t i = 0; !listen->intercept && i < 2; i++)
		if (is_given(in, only[i]))
			option_fault(load, in, only[i], CONF_WARNING,
				"it means nothing without interception; right is option intercept '1'");
	if (!listen->intercept || in->given[LISTEN_INTERCEPT].wrong)
		return;
	if (!is_given(in, LISTEN_INTERFACE))
		option_fault(load, in, LISTEN_INTERCEPT, CONF_ERROR,
			"it needs to know where the devices are; right is option interface");
	if (is_given(in, LISTEN_ADDRESS))
		option_fault(load, in, LISTEN_ADDRESS, CONF_ERROR,
			"who listens at one address hears no other; right is no address with intercept");
	if (listen->foreign == CONF_FOREIGN_RELAY && !is_given(in, LISTEN_SERVER))
		option_fault(load, in, LISTEN_FOREIGN, CONF_ERROR,
			"relay needs to know where to; right is option server");
}

void rules_listen(struct load *load, const struct section_in *in, const struct conf_listen *listen)
{
	if (listen->coap == 0 && listen->coaps == 0 && !in->given[LISTEN_COAP].wrong &&
		!in->given[LISTEN_COAPS].wrong)
		section_fault(load, in, CONF_ERROR,
			"coap and coaps are both 0; right is a port for one of them at least");
	rule_accept(load, in, listen);
	rules_listen_dtls(load, in, listen);
	rules_intercept(load, in, listen);
}
