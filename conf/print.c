/* The canonical print: a configuration back to UCI. */
#include "conf/conf_int.h"
#include <errno.h>
#include "conf/uci_int.h"

static void print_head(const struct section_kind *kind, const char *name, FILE *out)
{
	fprintf(out, "\nconfig %s", kind->name);
	if (name != NULL) {
		fputc(' ', out);
		uci_quote(name, out);
	}
	fputc('\n', out);
}

/* A reference to a section of that name, unless it is NULL. */
static void print_reference(enum option_id id, const char *name, FILE *out)
{
	if (name == NULL)
		return;
	fprintf(out, "\toption %s ", schema_row(id)->name);
	uci_quote(name, out);
	fputc('\n', out);
}

static const char *name_of(const struct conf_server *server)
{
	return server != NULL ? server->name : NULL;
}

static void print_gateway(const struct conf *conf, FILE *out)
{
	fprintf(out, "config gateway 'main'\n");
	for (enum option_id id = GATEWAY_ENABLED; id <= GATEWAY_ENDPOINTS_FILE; id++)
		value_print(id, &conf->gateway, out);
}

static void print_server(const struct conf_server *server, FILE *out)
{
	enum conf_security usual = server->scheme == CONF_COAPS ? CONF_PSK : CONF_NOSEC;
	print_head(&section_kinds[KIND_SERVER], server->name, out);
	for (enum option_id id = SERVER_URI; id <= SERVER_ENGINE; id++)
		if (id != SERVER_SECURITY || server->security != usual)
			value_print(id, server, out);
}

static void print_listen(const struct conf_listen *listen, FILE *out)
{
	print_head(&section_kinds[KIND_LISTEN], listen->name, out);
	for (enum option_id id = LISTEN_INTERFACE; id <= LISTEN_CA_FILE; id++) {
		if (id == LISTEN_SERVER)
			print_reference(id, name_of(listen->server), out);
		else if (id == LISTEN_COAPS && listen->coaps_is_set)
			fprintf(out, "\toption coaps '%u'\n", listen->coaps);
		else
			value_print(id, listen, out);
	}
}

static void print_endpoint(const struct conf_endpoint *endpoint, FILE *out)
{
	print_head(&section_kinds[KIND_ENDPOINT], NULL, out);
	for (enum option_id id = ENDPOINT_NAME; id <= ENDPOINT_TYPE; id++) {
		if (id == ENDPOINT_SERVER)
			print_reference(id, name_of(endpoint->server), out);
		else if (id == ENDPOINT_BOOTSTRAP_SERVER)
			print_reference(id, name_of(endpoint->bootstrap_server), out);
		else if (id == ENDPOINT_LISTEN && endpoint->listen != NULL)
			print_reference(id, endpoint->listen->name, out);
		else if (id != ENDPOINT_ADDRESS || endpoint->has_address)
			value_print(id, endpoint, out);
	}
}

int conf_print(const struct conf *conf, FILE *out)
{
	print_gateway(conf, out);
	for (size_t i = 0; i < conf->server_count; i++)
		print_server(&conf->server[i], out);
	for (size_t i = 0; i < conf->listen_count; i++)
		print_listen(&conf->listen[i], out);
	for (size_t i = 0; i < conf->endpoint_count; i++)
		if (conf->endpoint[i].where.file == conf->gateway.where.file)
			print_endpoint(&conf->endpoint[i], out);
	return ferror(out) ? -EIO : 0;
}
