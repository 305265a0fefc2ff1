/* What `lwgate check` does: every fault of a configuration file in one go. */
#include "command.h"
#include <string.h>
#include "base/machine.h"
#include "conf/conf.h"
#include "control/emit.h"

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
	return machine_lacks(&machine, conf->gateway.max_endpoints, line, size);
}

static void print_conf(const struct command *c, const struct conf *conf)
{
	char line[LINE];
	if (lacks(conf, line, sizeof(line)))
		fprintf(c->err, "%s: warning: on this machine, %s\n", c->file, line);
	if (!c->print)
		fprintf(c->out, "%s: ok (%zu endpoint%s, %zu server%s)\n", c->file,
			conf->endpoint_count, conf->endpoint_count == 1 ? "" : "s",
			conf->server_count, conf->server_count == 1 ? "" : "s");
}

/* ---- for programs ---- */

static void emit_fault(struct text *t, const char *file, unsigned line, bool is_error,
	const char *words)
{
	emit_open(t, NULL, '{');
	emit_string(t, "file", file);
	emit_uint(t, "line", line);
	emit_string(t, "severity", is_error ? "error" : "warning");
	emit_string(t, "text", words);
	emit_close(t, '}');
}

static void emit_check(const struct command *c, const struct conf *conf,
	const struct conf_faults *faults)
{
	char line[LINE];
	struct text t = { 0 };
	emit_open(&t, NULL, '{');
	emit_string(&t, "file", c->file);
	emit_bool(&t, "ok", conf != NULL);
	if (conf != NULL) {
		emit_uint(&t, "endpoints", conf->endpoint_count);
		emit_uint(&t, "servers", conf->server_count);
	}
	emit_open(&t, "faults", '[');
	for (size_t i = 0; i < faults->count; i++) {
		const struct conf_fault *f = &faults->list[i];
		emit_fault(&t, f->where.file, f->where.line, f->severity == CONF_ERROR, f->text);
	}
	if (conf != NULL && lacks(conf, line, sizeof(line)))
		emit_fault(&t, c->file, 0, false, line);
	emit_close(&t, ']');
	emit_close(&t, '}');
	fprintf(c->out, "%s\n", text_str(&t));
	text_fini(&t);
}

int command_check(const struct command *c)
{
	struct conf_faults faults = { 0 };
	struct conf *conf = conf_load(c->file, &faults);
	int status = conf != NULL ? STATUS_OK : STATUS_FAULT;
	if (c->as_json) {
		emit_check(c, conf, &faults);
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
