/* The commands of lwgate, apart from its command line. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct json_object;

/* What a command is to do, and where it speaks. */
struct command {
	const char *socket; /* of the daemon */
	const char *file;   /* check: the configuration */
	bool as_json;       /* --json */
	bool print;         /* check --print */
	FILE *out;          /* answers */
	FILE *err;          /* what is wrong */
};

/* Exit statuses. */
enum { STATUS_OK = 0, STATUS_FAULT = 1, STATUS_USAGE = 2, STATUS_UNREACHABLE = 3 };

/* Checks a configuration file, without a daemon. Returns an exit status. */
int command_check(const struct command *c);
/* Asks the daemon status, routes, endpoints, metrics or reload, and shows the answer. Returns an exit
 * status. */
int command_ask(const struct command *c, const char *what);
/* Shows status and routes again and again, until it is ended or the daemon goes. */
int command_top(const struct command *c);

/* Shows the daemon's answer to "status"; what is missing in it is shown as "-". Returns 0 or -errno. */
int tables_status(struct json_object *answer, FILE *out);
/* The same for "routes". */
int tables_routes(struct json_object *answer, FILE *out);
/* The same for "endpoints". */
int tables_endpoints(struct json_object *answer, FILE *out);
