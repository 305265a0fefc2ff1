/* From a file to a struct conf: read the text, take it section by section through the schema, hold
 * it against the rules. Faults are gathered all the way; with an error nothing is given out. */
#include "conf/conf_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/secret.h"
#include "base/user.h"
#include "conf/uci_int.h"

/* A configuration and the memory behind it. */
struct whole {
	struct conf conf;
	struct arena arena;
};

/* ---- faults ---- */

/* "endpoint 'name': " before what is wrong. */
static const char *label(struct load *load, const struct section_in *in)
{
	char room[SHOWN];
	if (in->name == NULL)
		return in->kind->name;
	return arena_printf(&load->scratch, "%s '%s'", in->kind->name, shown(room, in->name));
}

void option_fault(struct load *load, const struct section_in *in, enum option_id id,
	enum conf_severity severity, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const char *what = arena_vprintf(&load->report->arena, fmt, args);
	va_end(args);
	struct conf_where where = in->where;
	if (is_given(in, id))
		where.line = in->given[id].line;
	report_add(load->report, where, severity, "%s: option %s: %s", label(load, in),
		schema_row(id)->name, what);
}

void section_fault(struct load *load, const struct section_in *in, enum conf_severity severity,
	const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const char *what = arena_vprintf(&load->report->arena, fmt, args);
	va_end(args);
	report_add(load->report, in->where, severity, "%s: %s", label(load, in), what);
}

/* ---- files ---- */

/* What a failure to read means, in words, some of them in the room. */
static const char *read_fault(int rc, const char *path, char room[USER_TEXT])
{
	switch (rc) {
	case -ENOENT:
		return "there is no such file";
	case -EISDIR:
		return "it is no regular file";
	case -EACCES:
		user_mend_read(path, room, USER_TEXT);
		return room;
	case -EFBIG:
		return "it is too large";
	case -ENOMEM:
		return "memory ran out";
	default:
		return strerror(-rc);
	}
}

/* The folder of a path, absolute where that can be told. */
static const char *folder(struct arena *arena, const char *path)
{
	char here[4096];
	const char *slash = strrchr(path, '/');
	if (slash != NULL && *path == '/')
		return arena_copy(arena, path, (size_t)(slash - path));
	if (getcwd(here, sizeof(here)) == NULL)
		snprintf(here, sizeof(here), ".");
	if (slash == NULL)
		return arena_copy(arena, here, strlen(here));
	return arena_printf(arena, "%s/%.*s", here, (int)(slash - path), path);
}

/* What file_read does, for a test. */
static int read_stand_in(const struct text *stand_in, size_t limit, struct arena *arena,
	struct text *text)
{
	*text = (struct text){ .owner = stand_in->owner, .group = stand_in->group, .mode = stand_in->mode, .arena = arena };
	if (stand_in->bytes == NULL)
		return -ENOENT;
	if (stand_in->n > limit)
		return -EFBIG;
	if (!text_room(text, stand_in->n))
		return -ENOMEM;
	memcpy(text->bytes, stand_in->bytes, stand_in->n);
	text->n = stand_in->n;
	return 0;
}

bool load_file(struct load *load, const struct section_in *in, enum option_id id, const char *path,
	size_t limit, struct arena *arena, struct text *text)
{
	char room[USER_TEXT];
	int rc = load->stand_in != NULL ? read_stand_in(load->stand_in, limit, arena, text)
					: file_read(path, limit, arena, text);
	if (rc == 0)
		return true;
	option_fault(load, in, id, CONF_ERROR, "the file %s is not to be had: %s", path,
		read_fault(rc, path, room));
	return false;
}

/* ---- references ---- */

static const struct conf_server *find_server(struct load *load, const struct section_in *in,
	enum option_id id)
{
	char room[SHOWN];
	if (!is_given(in, id) || in->given[id].wrong)
		return NULL;
	const char *name = in->given[id].text;
	const struct conf_server *server = index_find(&load->servers, name, strlen(name));
	if (server == NULL && !load->partial)
		option_fault(load, in, id, CONF_ERROR,
			"there is no server '%s'; right is the name of a `config server` section",
			shown(room, name));
	return server;
}

static const struct conf_listen *find_listen(struct load *load, const struct section_in *in)
{
	char room[SHOWN];
	if (!is_given(in, ENDPOINT_LISTEN) || in->given[ENDPOINT_LISTEN].wrong)
		return NULL;
	const char *name = in->given[ENDPOINT_LISTEN].text;
	const struct conf_listen *listen = index_find(&load->listens, name, strlen(name));
	if (listen == NULL && !load->partial)
		option_fault(load, in, ENDPOINT_LISTEN, CONF_ERROR,
			"there is no listener '%s'; right is the name of a `config listen` section",
			shown(room, name));
	return listen;
}

/* ---- sections ---- */

static void take_options(struct load *load, struct section_in *in, const struct uci_section *s)
{
	for (const struct uci_option *o = s->first; o != NULL; o = o->next) {
		char room[SHOWN];
		enum option_id id = schema_find(in->kind, o->name);
		struct conf_where where = { load->file, o->first->line };
		if (id == OPTION_COUNT) {
			report_add(load->report, where, CONF_ERROR, "%s: unknown option '%s'; %s",
				label(load, in), shown(room, o->name),
				schema_suggest(&load->scratch, in->kind, o->name));
			continue;
		}
		in->given[id].text = o->first->text;
		in->given[id].list = o->is_list ? o->first : NULL;
		in->given[id].line = o->first->line;
		if (o->again != 0)
			option_fault(load, in, id, CONF_WARNING,
				"it was given before, in line %u; the last one holds", o->line);
	}
}

/* What the messages call an endpoint: its name option. */
static const char *endpoint_label(const struct uci_section *s)
{
	for (const struct uci_option *o = s->first; o != NULL; o = o->next)
		if (strcmp(o->name, "name") == 0)
			return o->first->text;
	return s->anonymous ? NULL : s->name;
}

/* Makes a section ready: its options are known and stand in in->given. */
static void take_section(struct load *load, struct section_in *in, enum kind_id kind,
	const struct uci_section *s)
{
	*in = (struct section_in){ .kind = &section_kinds[kind], .dir = load->dir };
	in->where = (struct conf_where){ load->file, s->line };
	in->name = s->anonymous ? NULL : s->name;
	if (kind == KIND_ENDPOINT)
		in->name = endpoint_label(s);
	take_options(load, in, s);
}

static void set_values(struct load *load, struct section_in *in, void *section)
{
	for (enum option_id id = in->kind->first; id <= in->kind->last; id++)
		value_set(load, in, id, section);
	rules_not_yet(load, in, section);
}

static void load_gateway(struct load *load, const struct uci_section *s)
{
	struct section_in in;
	struct conf_gateway *gateway = &load->conf->gateway;
	struct conf_gateway spare;
	take_section(load, &in, KIND_GATEWAY, s);
	if (!load->gateway_seen) {
		load->gateway = in;
	} else {
		section_fault(load, &in, CONF_ERROR,
			"a gateway section stands in line %u already; one is all there may be",
			gateway->where.line);
		gateway = &spare;
	}
	*gateway = (struct conf_gateway){ .where = in.where };
	set_values(load, &in, gateway);
	load->gateway_seen = true;
	if ((gateway->mark & ~gateway->mark_mask) != 0)
		option_fault(load, &in, GATEWAY_MARK, CONF_ERROR,
			"0x%x has bits outside mark_mask 0x%x", gateway->mark, gateway->mark_mask);
}

/* Reads the uri, and what it says about security. */
static void load_uri(struct load *load, const struct section_in *in, struct conf_server *server)
{
	char room[SHOWN];
	const char *what = "";
	if (is_given(in, SERVER_URI) && !in->given[SERVER_URI].wrong)
		what = uri_parse(load->arena, server->uri, server);
	if (what == NULL && !is_given(in, SERVER_SECURITY))
		server->security = server->scheme == CONF_COAPS ? CONF_PSK : CONF_NOSEC;
	if (what != NULL || in->given[SERVER_SECURITY].wrong)
		load->unsure = true;
	else
		rules_server(load, in, server);
	if (what != NULL && *what != '\0')
		option_fault(load, in, SERVER_URI, CONF_ERROR,
			"'%s': %s; right is coap://HOST or coaps://HOST, with :PORT where needed",
			shown(room, server->uri), what);
}

static void load_server(struct load *load, const struct uci_section *s)
{
	struct section_in in;
	struct conf_server *server = &load->conf->server[load->conf->server_count++];
	take_section(load, &in, KIND_SERVER, s);
	server->where = in.where;
	server->name = arena_copy(load->arena, s->name, strlen(s->name));
	if (s->anonymous)
		section_fault(load, &in, CONF_ERROR,
			"it has no name, so no endpoint can name it; right is config server "
			"'cloud'");
	if (!is_given(&in, SERVER_URI))
		section_fault(load, &in, CONF_ERROR,
			"option uri is missing; right is coap://HOST or coaps://HOST");
	set_values(load, &in, server);
	blob_load_server(load, &in, server);
	load_uri(load, &in, server);
	index_add(&load->servers, server->name, strlen(server->name), server);
}

static void load_listen(struct load *load, const struct uci_section *s)
{
	struct section_in in;
	struct conf_listen *listen = &load->conf->listen[load->conf->listen_count++];
	take_section(load, &in, KIND_LISTEN, s);
	listen->where = in.where;
	listen->name = arena_copy(load->arena, s->name, strlen(s->name));
	set_values(load, &in, listen);
	listen->coaps_is_set = is_given(&in, LISTEN_COAPS);
	listen->server = find_server(load, &in, LISTEN_SERVER);
	blob_load_listen(load, &in, listen);
	rules_listen(load, &in, listen);
	index_add(&load->listens, listen->name, strlen(listen->name), listen);
}

/* Room for one more endpoint; false when memory ran out. */
static bool make_room(struct load *load)
{
	struct conf *conf = load->conf;
	if (conf->endpoint_count < load->room)
		return true;
	size_t room = load->room == 0 ? 64 : load->room * 2;
	struct conf_endpoint *endpoint =
		reallocarray(conf->endpoint, room, sizeof(*conf->endpoint));
	if (endpoint != NULL)
		conf->endpoint = endpoint;
	struct endpoint_lines *lines = reallocarray(load->lines, room, sizeof(*load->lines));
	if (lines != NULL)
		load->lines = lines;
	if (endpoint == NULL || lines == NULL)
		return false;
	load->room = room;
	return true;
}

/* The line of the first of two options that was given, else of the section. */
static unsigned line_of(const struct section_in *in, enum option_id id, enum option_id other)
{
	if (is_given(in, id))
		return in->given[id].line;
	return is_given(in, other) ? in->given[other].line : in->where.line;
}

static void note_lines(struct endpoint_lines *lines, const struct section_in *in)
{
	*lines = (struct endpoint_lines){
		.bootstrap = line_of(in, ENDPOINT_BOOTSTRAP_SERVER, ENDPOINT_BOOTSTRAP_SERVER),
		.listen = line_of(in, ENDPOINT_LISTEN, ENDPOINT_LISTEN),
		.identity = line_of(in, ENDPOINT_IDENTITY, ENDPOINT_IDENTITY),
		.key = line_of(in, ENDPOINT_KEY, ENDPOINT_KEY_FILE),
		.cert = line_of(in, ENDPOINT_CERT_FILE, ENDPOINT_CERT_FILE),
		.private_key = line_of(in, ENDPOINT_PRIVATE_KEY_FILE, ENDPOINT_PRIVATE_KEY_FILE),
		.lan_identity = line_of(in, ENDPOINT_LAN_IDENTITY, ENDPOINT_LAN_IDENTITY),
		.lan_key = line_of(in, ENDPOINT_LAN_KEY, ENDPOINT_LAN_KEY_FILE),
		.lan_public_key = line_of(in, ENDPOINT_LAN_PUBLIC_KEY_FILE,
			ENDPOINT_LAN_PUBLIC_KEY_FILE),
		.address = line_of(in, ENDPOINT_ADDRESS, ENDPOINT_ADDRESS),
		.prefix = line_of(in, ENDPOINT_PREFIX, ENDPOINT_PREFIX),
	};
}

void load_endpoint(struct load *load, struct section_in *in)
{
	struct conf *conf = load->conf;
	if (!make_room(load)) {
		load->failed = true;
		return;
	}
	note_lines(&load->lines[conf->endpoint_count], in);
	struct conf_endpoint *endpoint = &conf->endpoint[conf->endpoint_count++];
	*endpoint = (struct conf_endpoint){ .where = in->where, .name = "" };
	set_values(load, in, endpoint);
	endpoint->has_address =
		is_given(in, ENDPOINT_ADDRESS) && !in->given[ENDPOINT_ADDRESS].wrong;
	endpoint->server = find_server(load, in, ENDPOINT_SERVER);
	endpoint->bootstrap_server = find_server(load, in, ENDPOINT_BOOTSTRAP_SERVER);
	endpoint->listen = find_listen(load, in);
	load->keys_inline = load->keys_inline || is_given(in, ENDPOINT_KEY) ||
		is_given(in, ENDPOINT_LAN_KEY);
	key_load(load, in, ENDPOINT_KEY, ENDPOINT_KEY_FILE, &endpoint->key);
	key_load(load, in, ENDPOINT_LAN_KEY, ENDPOINT_LAN_KEY_FILE, &endpoint->lan_key);
	blob_load_endpoint(load, in, endpoint);
	rules_endpoint(load, in, endpoint);
}

static void load_endpoints_file(struct load *load)
{
	const struct section_in *in = &load->gateway;
	struct text text;
	const char *path = load->conf->gateway.endpoints_file;
	if (path == NULL)
		return;
	if (!load_file(load, in, GATEWAY_ENDPOINTS_FILE, path, CONF_FILE_MAX, NULL, &text))
		return;
	/* In messages the file is named from where the configuration was named. */
	const char *name = in->given[GATEWAY_ENDPOINTS_FILE].text;
	const char *slash = strrchr(load->file, '/');
	if (*name != '/' && slash != NULL)
		name = arena_printf(load->arena, "%.*s/%s", (int)(slash - load->file), load->file,
			name);
	else
		name = arena_copy(load->arena, name, strlen(name));
	csv_read(load, name, folder(&load->scratch, path), text.bytes, text.n);
	key_warn_open(load, name, &text);
	text_wipe(&text);
}

/* ---- the whole file ---- */

static const char *syntax_hint(const char *reason)
{
	static const struct {
		const char *reason, *hint;
	} hint[] = {
		{ "invalid command", "a line begins with config, option or list" },
		{ "insufficient", "config wants a type, option and list want a name and a value" },
		{ "too many", "a value with blanks stands in quotes" },
		{ "invalid character in name", "a name is made of letters, digits and _" },
		{ "invalid character in type", "a type is one of gateway server listen endpoint" },
		{ "EOF", "the quote that opens here is never closed" },
		{ "option/list", "begin with a config line" },
		{ "section of different", "give it another name" },
	};
	for (size_t i = 0; i < sizeof(hint) / sizeof(hint[0]); i++)
		if (strncmp(reason, hint[i].reason, strlen(hint[i].reason)) == 0)
			return hint[i].hint;
	return "a line begins with config, option or list and goes on with a name";
}

static void report_syntax(struct load *load, const struct uci_doc *doc)
{
	for (const struct uci_fault *f = doc->fault; f != NULL; f = f->next) {
		struct conf_where where = { load->file, f->line };
		if (!f->lost)
			report_add(load->report, where, CONF_ERROR, "%s; %s", f->reason,
				syntax_hint(f->reason));
		else
			report_add(load->report, where, f->comment ? CONF_WARNING : CONF_ERROR,
				"%s", f->reason);
	}
	load->partial = doc->refused != 0;
}

static enum kind_id kind_of(const struct uci_section *s)
{
	enum kind_id kind = KIND_GATEWAY;
	while (kind < KIND_COUNT && strcmp(section_kinds[kind].name, s->type) != 0)
		kind++;
	return kind;
}

/* Counts the sections of each kind, and reports those that are none. */
static void count_sections(struct load *load, const struct uci_doc *doc, size_t count[KIND_COUNT])
{
	for (const struct uci_section *s = doc->first; s != NULL; s = s->next) {
		char room[SHOWN];
		enum kind_id kind = kind_of(s);
		struct conf_where where = { load->file, s->line };
		if (kind == KIND_COUNT)
			report_add(load->report, where, CONF_ERROR,
				"unknown section type '%s'; %s", shown(room, s->type),
				schema_suggest_kind(&load->scratch, s->type));
		else
			count[kind]++;
		where.line = s->again;
		if (s->again != 0)
			report_add(load->report, where, CONF_ERROR,
				"%s '%s': a section of that name stands in line %u already; right "
				"is another name", shown(room, s->type), s->name, s->line);
	}
}

static void load_each(struct load *load, const struct uci_doc *doc, enum kind_id kind)
{
	struct section_in in;
	for (const struct uci_section *s = doc->first; s != NULL; s = s->next) {
		if (kind_of(s) != kind)
			continue;
		switch (kind) {
		case KIND_GATEWAY:
			load_gateway(load, s);
			break;
		case KIND_SERVER:
			load_server(load, s);
			break;
		case KIND_LISTEN:
			load_listen(load, s);
			break;
		case KIND_ENDPOINT:
			take_section(load, &in, KIND_ENDPOINT, s);
			load_endpoint(load, &in);
			break;
		case KIND_COUNT:
			break;
		}
	}
}

/* A gateway that no section describes has all defaults. */
static void default_gateway(struct load *load)
{
	load->gateway = (struct section_in){ .kind = &section_kinds[KIND_GATEWAY],
		.where = { load->file, 0 }, .dir = load->dir };
	load->conf->gateway.where = load->gateway.where;
	set_values(load, &load->gateway, &load->conf->gateway);
}

static void load_doc(struct load *load, const struct uci_doc *doc, const struct text *text)
{
	size_t count[KIND_COUNT] = { 0 };
	struct conf *conf = load->conf;
	report_syntax(load, doc);
	count_sections(load, doc, count);
	conf->server = arena_alloc(load->arena, (count[KIND_SERVER] + 1) * sizeof(*conf->server));
	conf->listen = arena_alloc(load->arena, (count[KIND_LISTEN] + 1) * sizeof(*conf->listen));
	if (conf->server == NULL || conf->listen == NULL)
		return;
	default_gateway(load);
	for (enum kind_id kind = KIND_GATEWAY; kind < KIND_COUNT; kind++)
		load_each(load, doc, kind);
	key_warn_open(load, load->file, text);
	load_endpoints_file(load);
	rules_between(load);
}

static struct load load_begin(struct whole *whole, struct report *report, const char *name)
{
	struct load load = { .conf = &whole->conf, .arena = &whole->arena, .report = report };
	arena_init(&load.scratch, whole->arena.limit);
	index_init(&load.servers);
	index_init(&load.listens);
	load.file = arena_copy(load.arena, name, strlen(name));
	load.dir = folder(&load.scratch, load.file);
	return load;
}

static bool load_end(struct load *load, const struct uci_doc *doc)
{
	bool failed = load->failed || load->arena->failed || load->scratch.failed ||
		load->servers.failed || load->listens.failed || doc->failed;
	index_fini(&load->servers);
	index_fini(&load->listens);
	arena_fini(&load->scratch);
	free(load->lines);
	return !failed;
}

static struct conf *load_text(const char *name, const struct text *text,
	const struct text *stand_in, size_t memory, struct conf_faults *faults)
{
	struct report report;
	struct uci_doc doc;
	struct whole *whole = calloc(1, sizeof(*whole));
	report_init(&report);
	if (whole == NULL) {
		report.failed = true;
		report_finish(&report, name, faults);
		return NULL;
	}
	arena_init(&whole->arena, memory);
	whole->conf.owned = whole;
	struct load load = load_begin(whole, &report, name);
	load.stand_in = stand_in;
	uci_read(&doc, text->bytes, text->n, true, memory);
	if (!doc.failed)
		load_doc(&load, &doc, text);
	report.failed = !load_end(&load, &doc) || report.failed;
	uci_fini(&doc);
	report_finish(&report, name, faults);
	if (faults->errors == 0)
		return &whole->conf;
	conf_free(&whole->conf);
	return NULL;
}

struct conf *conf_load_text(const char *name, const char *text, size_t n,
	const struct text *stand_in, size_t memory, struct conf_faults *faults)
{
	const struct text whole = { .bytes = (char *)(uintptr_t)text, .n = n };
	return load_text(name, &whole, stand_in, memory, faults);
}

struct conf *conf_load(const char *path, struct conf_faults *faults)
{
	struct text text;
	int rc = file_read(path, CONF_FILE_MAX, NULL, &text);
	if (rc != 0) {
		struct report report;
		char room[USER_TEXT];
		report_init(&report);
		report_add(&report, (struct conf_where){ path, 0 }, CONF_ERROR,
			"the configuration is not to be had: %s", read_fault(rc, path, room));
		report_finish(&report, path, faults);
		return NULL;
	}
	struct conf *conf = load_text(path, &text, NULL, 0, faults);
	text_wipe(&text);
	return conf;
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	struct whole *whole = conf->owned;
	arena_fini(&whole->arena);
	free(conf->endpoint);
	free(whole);
}

const char *conf_default_path(void)
{
	static const char runtime[] = "/var/run/uci/lwgate";
	return access(runtime, F_OK) == 0 ? runtime : "/etc/config/lwgate";
}
