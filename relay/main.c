/* The command line of lwgated, and the only exit. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "gateway.h"

static const char usage[] =
	"usage: lwgated [-c FILE] [-s SOCKET] [-S STATEDIR] [-l stderr|syslog]\n"
	"       lwgated --version | --help\n"
	"\n"
	"Relays LwM2M devices to their servers. Stays in the foreground.\n"
	"\n"
	"  -c FILE      configuration; /etc/config/lwgate where not given\n"
	"  -s SOCKET    control socket; /run/lwgate/lwgate.sock where not given\n"
	"  -S STATEDIR  where the routing table outlives a restart; /var/lib/lwgate where not given\n"
	"  -l WHERE     the log: stderr (as it is where not given) or syslog\n"
	"\n"
	"SIGHUP reads the configuration again, SIGTERM ends. `lwgate status` asks a running one.\n";

/* What the command line said. */
struct options {
	struct gateway_spec spec;
	enum log_sink sink;
};

/* Returns -1 to go on, else the exit status. */
static int read_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = { { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	for (int c; (c = getopt_long(argc, argv, "c:s:S:l:h", longs, NULL)) != -1;) {
		if (c == 'c')
			o->spec.conf_path = optarg;
		else if (c == 's')
			o->spec.socket_path = optarg;
		else if (c == 'S')
			o->spec.state_dir = optarg;
		else if (c == 'l' && strcmp(optarg, "syslog") == 0)
			o->sink = LOG_TO_SYSLOG;
		else if (c == 'l' && strcmp(optarg, "stderr") == 0)
			o->sink = LOG_TO_STDERR;
		else if (c == 'V')
			return printf("lwgated %s\n", LWGATE_VERSION) > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
		else if (c == 'h')
			return fputs(usage, stdout) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
		else
			return fputs(usage, stderr) >= 0 ? 2 : 2;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "lwgated: unexpected argument '%s'\n%s", argv[optind], usage);
	return 2;
}

int main(int argc, char **argv)
{
	struct options o = { .spec = { .socket_path = "/run/lwgate/lwgate.sock",
				     .state_dir = "/var/lib/lwgate" },
		.sink = LOG_TO_STDERR };
	int status = read_options(&o, argc, argv);
	if (status >= 0)
		return status;
	log_open(o.sink, "lwgated");
	int rc = secret_guard();
	if (rc != 0) {
		log_err("lwgated: can not keep its memory from others: %s", strerror(-rc));
		return EXIT_FAILURE;
	}
	if (o.spec.conf_path == NULL)
		o.spec.conf_path = conf_default_path();
	struct gateway *gateway;
	rc = gateway_up(&gateway, &o.spec);
	if (rc == 1)
		return EXIT_SUCCESS;
	if (rc != 0)
		return EXIT_FAILURE;
	rc = gateway_run(gateway);
	gateway_down(gateway);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
