/* Rules between listeners and endpoints: who can come in with DTLS, and through which listener. */
#include "conf/conf_int.h"
#include <string.h>

/* What there is, gathered in one pass over the listeners and one over the endpoints. */
struct access {
	const struct conf_endpoint **owner; /* beside conf->listen: whose alone it is, or NULL */
	bool coaps, public_key; /* a listener for all has a coaps port, and one a private key too */
	bool wanted;            /* an endpoint comes in through a coaps port for all */
	size_t without;         /* endpoints that have no listener for their credential */
	const struct conf_endpoint *first; /* the first of those */
	unsigned line;                     /* where that names its credential */
};

/* An opaque endpoint's listener is its alone. */
static void check_owner(struct load *load, struct access *access, const struct conf_endpoint *e,
	unsigned line)
{
	char room[2][SHOWN];
	if (e->listen == NULL || e->mode != CONF_OPAQUE)
		return;
	const struct conf_endpoint **owner = &access->owner[e->listen - load->conf->listen];
	if (*owner != NULL)
		report_add(load->report, (struct conf_where){ e->where.file, line }, CONF_ERROR,
			"endpoint '%s': option listen: '%s' is also that of endpoint '%s' at "
			"%s:%u; right is a listener of its own",
			shown(room[0], e->name), e->listen->name, shown(room[1], (*owner)->name),
			(*owner)->where.file, (*owner)->where.line);
	else
		*owner = e;
}

/* Notes an endpoint that nobody listens for; only the first of them is named. */
static void check_way(struct access *access, const struct conf_endpoint *e,
	const struct endpoint_lines *lines)
{
	bool identity = e->lan_identity != NULL;
	bool public_key = e->lan_public_key_file != NULL;
	bool opaque = e->mode == CONF_OPAQUE;
	if (!(opaque ? e->has_address && e->listen == NULL : identity || public_key))
		return;
	access->wanted = true;
	if (public_key && !opaque ? access->public_key : access->coaps)
		return;
	if (access->without++ != 0)
		return;
	access->first = e;
	if (opaque)
		access->line = lines->address;
	else
		access->line = public_key ? lines->lan_public_key : lines->lan_identity;
}

static void warn_of_endpoints(struct load *load, const struct access *access)
{
	char room[SHOWN];
	const struct conf_endpoint *e = access->first;
	if (access->without == 0)
		return;
	struct conf_where where = { e->where.file, access->line };
	const char *more = access->without == 1 ? ""
		: arena_printf(&load->scratch, "; so it is with %zu more", access->without - 1);
	bool public_key = access->coaps && e->lan_public_key_file != NULL;
	report_add(load->report, where, CONF_WARNING,
		"endpoint '%s': nobody listens for its DTLS; right is a `config listen` with %s%s",
		shown(room, e->name), public_key ? "private_key_file, and coaps not 0" : "coaps not 0",
		more);
}

/* The coaps port that nobody can come in through, where it was asked for. */
static void warn_of_listeners(struct load *load, const struct access *access)
{
	for (size_t i = 0; i < load->conf->listen_count; i++) {
		const struct conf_listen *listen = &load->conf->listen[i];
		if (!listen->coaps_is_set || listen->coaps == 0 || listen->ca_file != NULL ||
			access->owner[i] != NULL || access->wanted)
			continue;
		report_add(load->report, listen->where, CONF_WARNING,
			"listen '%s': option coaps: nobody can come in with DTLS; right is option "
			"lan_identity or lan_public_key_file for an endpoint, or ca_file here",
			listen->name);
	}
}

void rules_access(struct load *load)
{
	const struct conf *conf = load->conf;
	struct access access = { .coaps = false };
	access.owner =
		arena_alloc(&load->scratch, (conf->listen_count + 1) * sizeof(*access.owner));
	if (access.owner == NULL)
		return;
	for (size_t i = 0; i < conf->endpoint_count; i++)
		check_owner(load, &access, &conf->endpoint[i], load->lines[i].listen);
	if (load->partial)
		return; /* what is missing may stand in the refused part */
	for (size_t i = 0; i < conf->listen_count; i++) {
		bool open = conf->listen[i].coaps != 0 && access.owner[i] == NULL;
		access.coaps = access.coaps || open;
		access.public_key = access.public_key ||
			(open && conf->listen[i].private_key_file != NULL);
	}
	for (size_t i = 0; i < conf->endpoint_count; i++)
		check_way(&access, &conf->endpoint[i], &load->lines[i]);
	warn_of_endpoints(load, &access);
	warn_of_listeners(load, &access);
}
