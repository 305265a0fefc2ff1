/* The daemon as one thing: all rooms, up in order and down in reverse. */
#pragma once
#include <stdbool.h>
#include "base/bug.h"

struct gateway;

struct gateway_spec {
	const char *conf_path;   /* UCI file */
	const char *socket_path; /* control socket */
	const char *state_dir;   /* holds the state file */
	bool keeps_rights;       /* for tests, which go on after it */
};

/* Reads the configuration and brings every room up. The texts are borrowed. Returns 0, 1 when the
 * configuration says enabled '0', or -errno with the reason logged; then nothing is left behind. */
int gateway_up(struct gateway **gateway, const struct gateway_spec *spec) MUST_CHECK;
/* Serves until SIGTERM or SIGINT. Returns 0 or -errno. */
int gateway_run(struct gateway *gateway) MUST_CHECK;
/* Makes gateway_run return. */
void gateway_stop(struct gateway *gateway);
/* Ends every room: state saved, close_notify on each session. NULL is allowed. */
void gateway_down(struct gateway *gateway);
