/* What `lwgate check` does: every fault of a configuration file in one go. */
#include "command.h"
#include <string.h>
#include "base/machine.h"
#include "conf/conf.h"
#include "control/look.h"
#include "control/tree.h"

/* Room for one line about a fault. */
#define LINE 2048

/* ---- for people ---- */

static void print_faults(const struct command *c, const struct conf_faults *faults)
{
	char line[LINE];
	for (size_t i = 0; i < faults->count; i++) {
		conf_fault_print(&faults->list[i], line, sizeof(line));
		fprintf(c->err, "%s\n", line);
	}
}

/* What this machine lacks for the configuration, as a warning. */
static bool lacks(const struct conf *conf, char *line, size_t size)
{
	struct machine machine;
	machine_read(&machine);
	return machine_lacks(&machine, conf->gateway.max_endpoints,
		machine_workers(conf->gateway.workers), line, size);
}

static void print_warning(void *arg, const struct conf_listen *listen, const char *text)
{
	const struct command *c = arg;
	fprintf(c->err, "%s:%u: warning: on this machine, %s\n", listen->where.file,
		listen->where.line, text);
}

static void print_conf(const struct command *c, const struct conf *conf)
{
	char line[LINE];
	if (lacks(conf, line, sizeof(line)))
		fprintf(c->err, "%s: warning: on this machine, %s\n", c->file, line);
	look_machine(conf, c->socket, print_warning, (void *)c);
	if (!c->print)
		fprintf(c->out, "%s: ok (%zu endpoint%s, %zu server%s)\n", c->file,
			conf->endpoint_count, conf->endpoint_count == 1 ? "" : "s",
			conf->server_count, conf->server_count == 1 ? "" : "s");
}

/* ---- for programs ---- */

static struct json_object *fault(const char *file, unsigned line, bool is_error, const char *words)
{
	struct json_object *o = json_object_new_object();
	tree_string(&o, "file", file);
	tree_uint(&o, "line", line);
	tree_string(&o, "severity", is_error ? "error" : "warning");
	tree_string(&o, "text", words);
	return o;
}

static void add_warning(void *arg, const struct conf_listen *listen, const char *text)
{
	struct json_object **list = arg;
	tree_put(list, NULL, fault(listen->where.file, listen->where.line, false, text));
}

static struct json_object *all_faults(const struct command *c, const struct conf *conf,
	const struct conf_faults *faults)
{
	char line[LINE];
	struct json_object *o = json_object_new_array();
	for (size_t i = 0; i < faults->count; i++) {
		const struct conf_fault *f = &faults->list[i];
		tree_put(&o, NULL, fault(f->where.file, f->where.line, f->severity == CONF_ERROR,
			f->text));
	}
	if (conf != NULL && lacks(conf, line, sizeof(line)))
		tree_put(&o, NULL, fault(c->file, 0, false, line));
	if (conf != NULL)
		look_machine(conf, c->socket, add_warning, &o);
	return o;
}

/* False when there is no memory for it. */
static bool print_json(const struct command *c, const struct conf *conf,
	const struct conf_faults *faults)
{
	struct text t = { 0 };
	struct json_object *o = json_object_new_object();
	tree_string(&o, "file", c->file);
	tree_bool(&o, "ok", conf != NULL);
	if (conf != NULL) {
		tree_uint(&o, "endpoints", conf->endpoint_count);
		tree_uint(&o, "servers", conf->server_count);
	}
	tree_put(&o, "faults", all_faults(c, conf, faults));
	tree_write(&t, &o);
	bool is_whole = !t.broken;
	if (is_whole)
		fprintf(c->out, "%s\n", text_str(&t));
	else
		fputs("lwgate: no memory is left to tell of it\n", c->err);
	text_fini(&t);
	return is_whole;
}

int command_check(const struct command *c)
{
	struct conf_faults faults = { 0 };
	struct conf *conf = conf_load(c->file, &faults);
	int status = conf != NULL ? STATUS_OK : STATUS_FAULT;
	if (c->as_json) {
		if (!print_json(c, conf, &faults))
			status = STATUS_FAULT;
	} else {
		print_faults(c, &faults);
		if (conf != NULL)
			print_conf(c, conf);
	}
	if (conf != NULL && c->print && !c->as_json && conf_print(conf, c->out) != 0)
		status = STATUS_FAULT;
	conf_free(conf);
	conf_faults_free(&faults);
	return status;
}
