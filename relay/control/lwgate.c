/* The command for people, lwgate: its command line. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "command.h"
#include "conf/conf.h"
#include "control/control.h"

static const char usage[] =
	"usage: lwgate [-s SOCKET] [--json] COMMAND\n"
	"       lwgate --version | --help\n"
	"\n"
	"  check [--print] [FILE]  say everything that is wrong with a configuration; needs no daemon;\n"
	"                          --print shows it in its canonical form, keys included\n"
	"  status                  the relay as a whole: servers, listeners, totals, losses\n"
	"  routes                  the routing table at work, a row for each flow\n"
	"  endpoints               what is configured, and how it stands\n"
	"  metrics                 all numbers in the Prometheus text format\n"
	"  reload                  let the daemon read its configuration again\n"
	"  top                     the routes, every two seconds\n"
	"\n"
	"  -s SOCKET  control socket of the daemon; /run/lwgate/lwgate.sock where not given\n"
	"  --json     answers for programs\n"
	"\n"
	"Exit status: 0 all is well, 1 something is wrong, 2 wrong usage, 3 no daemon answers.\n";

static int wrong_usage(const char *what, const char *word)
{
	fprintf(stderr, "lwgate: %s%s%s\n%s", what, word != NULL ? " " : "",
		word != NULL ? word : "", usage);
	return STATUS_USAGE;
}

/* Returns -1 to go on, else the exit status. */
static int read_options(struct command *c, int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' },
		{ "print", no_argument, NULL, 'p' }, { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	for (int o; (o = getopt_long(argc, argv, "s:hj", longs, NULL)) != -1;) {
		if (o == 's')
			c->socket = optarg;
		else if (o == 'j')
			c->as_json = true;
		else if (o == 'p')
			c->print = true;
		else if (o == 'V')
			return printf("lwgate %s\n", LWGATE_VERSION) > 0 ? STATUS_OK : STATUS_FAULT;
		else if (o == 'h')
			return fputs(usage, stdout) >= 0 ? STATUS_OK : STATUS_FAULT;
		else
			return fputs(usage, stderr) >= 0 ? STATUS_USAGE : STATUS_USAGE;
	}
	return -1;
}

static bool is_question(const char *word)
{
	static const char *const words[] = { "status", "routes", "endpoints", "metrics", "reload" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static int run(struct command *c, const char *word, int rest, char **argv)
{
	if (strcmp(word, "check") == 0) {
		c->file = rest > 0 ? argv[0] : conf_default_path();
		return rest > 1 ? wrong_usage("one file at a time, not also", argv[1]) :
				  command_check(c);
	}
	if (c->print)
		return wrong_usage("--print belongs to check", NULL);
	if (rest > 0)
		return wrong_usage("unexpected argument", argv[0]);
	if (is_question(word))
		return command_ask(c, word);
	if (strcmp(word, "top") == 0)
		return c->as_json ? wrong_usage("top has no --json", NULL) : command_top(c);
	return wrong_usage("unknown command", word);
}

int main(int argc, char **argv)
{
	struct command c = { .socket = CONTROL_PATH, .out = stdout, .err = stderr };
	int status = read_options(&c, argc, argv);
	if (status >= 0)
		return status;
	if (optind == argc)
		return wrong_usage("which command?", NULL);
	status = run(&c, argv[optind], argc - optind - 1, argv + optind + 1);
	if (fflush(stdout) != 0 && status == STATUS_OK) {
		perror("lwgate: standard output");
		status = STATUS_FAULT;
	}
	return status;
}
