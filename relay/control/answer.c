/* Requests of the control socket, and how their answers are put together. */
#include "answer.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "control/tree.h"
#include "workers.h"

/* The command of a request line, in room of `size` bytes; false with what is wrong. */
static bool read_command(const char *line, size_t n, char *command, size_t size, const char **wrong)
{
	struct json_tokener *tok = json_tokener_new_ex(4);
	struct json_object *o = NULL, *cmd = NULL;
	if (tok != NULL)
		o = json_tokener_parse_ex(tok, line, (int)n);
	bool is_whole = tok != NULL && json_tokener_get_error(tok) == json_tokener_success &&
		json_tokener_get_parse_end(tok) == n;
	*wrong = NULL;
	if (!is_whole || !json_object_is_type(o, json_type_object))
		*wrong = "the request is no JSON object in one line";
	else if (!json_object_object_get_ex(o, "cmd", &cmd) ||
		!json_object_is_type(cmd, json_type_string))
		*wrong = "the request has no \"cmd\"";
	else
		snprintf(command, size, "%s", json_object_get_string(cmd));
	json_object_put(o);
	if (tok != NULL)
		json_tokener_free(tok);
	return *wrong == NULL;
}

void answer_error(struct text *out, const char *what)
{
	struct json_object *o = json_object_new_object();
	tree_string(&o, "error", what);
	tree_write(out, &o);
	text_add(out, "\n");
}

/* Each line of what was said as an element. */
static struct json_object *said_lines(const char *lines)
{
	struct json_object *o = json_object_new_array();
	while (*lines != '\0') {
		size_t n = strcspn(lines, "\n");
		tree_bytes(&o, NULL, lines, n);
		lines += lines[n] == '\n' ? n + 1 : n;
	}
	return o;
}

static void reload(const struct control_spec *spec, struct text *out, struct mono now)
{
	struct text said = { 0 };
	int rc = spec->reload(spec->who, &said, now);
	struct json_object *o = json_object_new_object();
	if (rc != 0)
		tree_string(&o, "error", "the configuration is not used, nothing was changed");
	tree_bool(&o, "ok", rc == 0);
	tree_put(&o, "said", said_lines(text_str(&said)));
	tree_write(out, &o);
	text_add(out, "\n");
	text_fini(&said);
}

static const struct {
	const char *command;
	bool (*more)(struct answer *a, struct text *out, struct mono now);
	bool counts; /* needs a tally */
} commands[] = {
	{ "status", show_status, true },
	{ "routes", show_routes, false },
	{ "endpoints", show_endpoints, false },
	{ "metrics", show_metrics, true },
};

static void begin_command(struct answer *a, const char *command, struct text *out, struct mono now)
{
	if (strcmp(command, "reload") == 0) {
		reload(a->spec, out, now);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(command, commands[i].command) != 0)
			continue;
		if (commands[i].counts && tally_create(&a->tally, a->spec->datapath) != 0)
			answer_error(out, "no memory is left for the answer");
		else
			a->more = commands[i].more;
		return;
	}
	answer_error(out, "unknown command; there are status, routes, endpoints, metrics, reload");
}

void answer_begin(struct answer *a, const struct control_spec *spec, const char *line, size_t n,
	struct text *out, struct mono now)
{
	char command[16];
	const char *wrong;
	*a = (struct answer){ .spec = spec };
	if (read_command(line, n, command, sizeof(command), &wrong))
		begin_command(a, command, out, now);
	else
		answer_error(out, wrong);
}

/* Workers stand still while a piece is made; a reload reads its files before it lets them stand. */
bool answer_more(struct answer *a, struct text *out, struct mono now)
{
	if (a->more == NULL)
		return false;
	workers_hold(a->spec->workers);
	if (!a->more(a, out, now))
		a->more = NULL;
	workers_release(a->spec->workers);
	return a->more != NULL;
}

void answer_fini(struct answer *a)
{
	tally_free(a->tally);
	*a = (struct answer){ 0 };
}
