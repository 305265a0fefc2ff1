/* The control socket: what the relay is doing, told as JSON to whoever may open the socket, and the
 * wish to reload. README.md of this folder describes the answers field by field. */
#pragma once
#include "base/bug.h"
#include "base/mono.h"
#include "control/text.h"

struct control;
struct datapath;
struct intercept;
struct workers;

/* Where the socket is unless a command line says otherwise. */
#define CONTROL_PATH "/run/lwgate/lwgate.sock"

/* What the control socket must know of the rest. Texts are borrowed as long as it lives. */
struct control_spec {
	struct datapath *datapath; /* what is told of, with the other workers'; its loop is used; borrowed */
	struct workers *workers;   /* the others, or NULL; borrowed */
	const char *path;          /* of the socket */
	const char *config;        /* path of the configuration file */
	const char *state;         /* path of the state file, or NULL */
	const struct intercept *intercept; /* how interception stands, or NULL; borrowed */
	struct mono started;       /* when the daemon started */
	/* Reads the configuration again and applies it. Returns 0, or -errno when nothing was changed.
	 * Every fault and warning goes into said, one line each with its end. */
	int (*reload)(void *who, struct text *said, struct mono now);
	void *who;                 /* handed to reload */
};

/* Opens the socket (mode 0600; its folder is made when it is missing) and serves it on the loop of
 * the datapath. A socket that a dead daemon left is replaced; where a daemon answers, nothing is
 * touched. Returns 0; or -EADDRINUSE when another daemon serves there, or another -errno; the reason
 * is logged. */
int control_create(struct control **control, const struct control_spec *spec) MUST_CHECK;
/* Lets all clients go, and removes the socket. Must come before datapath_free. NULL is allowed. */
void control_free(struct control *control);
