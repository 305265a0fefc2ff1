/* The commands of lwgate that ask the daemon. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "ask.h"
#include "command.h"
#include "control/table.h"
#include "control/text.h"

/* Seconds between two looks of top. */
#define TOP_S 2

/* ---- the answer ---- */

static int unreachable(const struct command *c, int rc)
{
	fprintf(c->err, "lwgate: no daemon answers at %s: %s\n", c->socket, strerror(-rc));
	if (rc == -EACCES || rc == -EPERM)
		fputs("lwgate: only root and the group lwgate may ask; try it as one of them\n", c->err);
	else
		fputs("lwgate: is lwgated running? -s SOCKET names another socket\n", c->err);
	return STATUS_UNREACHABLE;
}

/* Prints text of the daemon to people, without what could harm a terminal. */
static void say(FILE *to, const char *head, const char *text)
{
	char *harmless = table_harmless(text);
	fprintf(to, "%s%s\n", head, harmless != NULL ? harmless : "?");
	free(harmless);
}

/* What a reload said, line by line. */
static void print_said(const struct command *c, struct json_object *answer)
{
	struct json_object *said = NULL;
	json_object_object_get_ex(answer, "said", &said);
	size_t n = json_object_is_type(said, json_type_array) ? json_object_array_length(said) : 0;
	for (size_t i = 0; i < n; i++)
		say(c->err, "", json_object_get_string(json_object_array_get_idx(said, i)));
}

/* Asks, and gives the answer as text and read. Returns an exit status. */
static int get(const struct command *c, const char *what, struct text *text,
	struct json_object **answer)
{
	int rc = ask(c->socket, what, text);
	*answer = NULL;
	if (rc != 0)
		return unreachable(c, rc);
	*answer = json_tokener_parse(text_str(text));
	if (json_object_is_type(*answer, json_type_object))
		return STATUS_OK;
	fprintf(c->err, "lwgate: the answer of %s is no JSON object\n", c->socket);
	return STATUS_UNREACHABLE;
}

/* STATUS_FAULT when the daemon says that something is wrong. */
static int status_of(const struct command *c, struct json_object *answer)
{
	struct json_object *error = NULL;
	if (!json_object_object_get_ex(answer, "error", &error))
		return STATUS_OK;
	say(c->err, "lwgate: ", json_object_get_string(error));
	return STATUS_FAULT;
}

/* The metrics are lines, which stay lines. */
static int print_metrics(struct json_object *answer, FILE *out)
{
	struct json_object *metrics = NULL;
	json_object_object_get_ex(answer, "metrics", &metrics);
	return fputs(metrics != NULL ? json_object_get_string(metrics) : "", out) < 0 ? -EIO : 0;
}

static int print_reload(struct json_object *answer, FILE *out)
{
	(void)answer;
	return fputs("the configuration is in use\n", out) < 0 ? -EIO : 0;
}

static const struct {
	const char *what;
	int (*print)(struct json_object *answer, FILE *out);
} prints[] = {
	{ "status", tables_status },       { "routes", tables_routes },
	{ "endpoints", tables_endpoints }, { "metrics", print_metrics },
	{ "reload", print_reload },
};

static int print(const struct command *c, const char *what, struct json_object *answer)
{
	for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++)
		if (strcmp(what, prints[i].what) == 0)
			return prints[i].print(answer, c->out);
	return -EINVAL;
}

int command_ask(const struct command *c, const char *what)
{
	struct text text = { 0 };
	struct json_object *answer;
	int status = get(c, what, &text, &answer);
	if (status == STATUS_OK && c->as_json)
		fputs(text_str(&text), c->out);
	if (status == STATUS_OK) {
		if (!c->as_json)
			print_said(c, answer);
		status = status_of(c, answer);
	}
	if (status == STATUS_OK && !c->as_json && print(c, what, answer) != 0)
		status = STATUS_FAULT;
	json_object_put(answer);
	text_fini(&text);
	return status;
}

/* ---- top ---- */

/* What was counted at the last look. */
struct look {
	int64_t at_ms; /* uptime of the daemon */
	uint64_t up;   /* messages */
	uint64_t down;
};

static struct look look_at(struct json_object *status)
{
	struct json_object *o, *totals = NULL;
	struct look look = { 0, 0, 0 };
	if (json_object_object_get_ex(status, "uptime_ms", &o))
		look.at_ms = json_object_get_int64(o);
	json_object_object_get_ex(status, "totals", &totals);
	if (json_object_object_get_ex(totals, "up_messages", &o))
		look.up = json_object_get_uint64(o);
	if (json_object_object_get_ex(totals, "down_messages", &o))
		look.down = json_object_get_uint64(o);
	return look;
}

/* Prints as many lines as the terminal has. */
static void print_lines(FILE *out, const char *text)
{
	struct winsize size;
	unsigned lines = 0;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_row > 2)
		lines = size.ws_row - 1u;
	for (unsigned i = 0; *text != '\0' && (lines == 0 || i < lines); i++) {
		size_t n = strcspn(text, "\n");
		fprintf(out, "%.*s\n", (int)n, text);
		text += text[n] == '\n' ? n + 1 : n;
	}
}

static void print_rates(FILE *to, struct look before, struct look now)
{
	double s = (double)(now.at_ms - before.at_ms) / 1000;
	if (before.at_ms == 0 || s <= 0 || now.up < before.up || now.down < before.down)
		fputs("messages a second: -\n\n", to);
	else
		fprintf(to, "messages a second: %.1f up, %.1f down\n\n",
			(double)(now.up - before.up) / s, (double)(now.down - before.down) / s);
}

static int show(const struct command *c, struct look *before, struct json_object *status,
	struct json_object *routes)
{
	char *page = NULL;
	size_t n;
	FILE *to = open_memstream(&page, &n);
	if (to == NULL)
		return -ENOMEM;
	struct look now = look_at(status);
	print_rates(to, *before, now);
	*before = now;
	int rc = tables_routes(routes, to);
	if (fclose(to) != 0 && rc == 0)
		rc = -ENOMEM;
	if (rc == 0 && isatty(fileno(c->out)))
		fputs("\033[H\033[J", c->out);
	if (rc == 0)
		print_lines(c->out, page);
	fflush(c->out);
	free(page);
	return rc;
}

static int look_once(const struct command *c, struct look *before)
{
	struct text text[2] = { { 0 }, { 0 } };
	struct json_object *status, *routes = NULL;
	int rc = get(c, "status", &text[0], &status);
	if (rc == STATUS_OK)
		rc = get(c, "routes", &text[1], &routes);
	if (rc == STATUS_OK)
		rc = status_of(c, status);
	if (rc == STATUS_OK)
		rc = status_of(c, routes);
	if (rc == STATUS_OK && show(c, before, status, routes) != 0)
		rc = STATUS_FAULT;
	json_object_put(status);
	json_object_put(routes);
	text_fini(&text[0]);
	text_fini(&text[1]);
	return rc;
}

int command_top(const struct command *c)
{
	struct look before = { 0, 0, 0 };
	const struct timespec pause = { .tv_sec = TOP_S };
	int status;
	while ((status = look_once(c, &before)) == STATUS_OK && !ferror(c->out))
		nanosleep(&pause, NULL);
	return status;
}
