/* Interception at work (DESIGN.md 6, rule 16): what lwgate-net is to have in the kernel follows from the
 * listeners and servers that are there, and it is told whenever that changes. */
#pragma once
#include <stdbool.h>
#include "base/bug.h"
#include "base/mono.h"

struct capture;
struct conf;
struct datapath;
struct intercept;
struct workers;

struct intercept_spec {
	struct datapath *datapath; /* of the first worker; borrowed */
	struct workers *workers;   /* the others, or NULL; borrowed */
	const char *program; /* path of lwgate-net; NULL: beside the program that runs */
	const char *dir; /* of the state file; closed.h says what for; borrowed, or NULL */
	void (*broken)(void *who); /* lwgate-net is gone for good; start again, nobody else can */
	void *who; /* handed to broken */
};

/* Where lwgate-net is found, as intercept_spec says it; into size bytes. Returns path. */
const char *intercept_program(char *path, size_t size);
/* What is wanted now, with generation 0. */
void intercept_want(const struct datapath *dp, struct mono now, struct capture *capture);
/* True when a listener of the configuration intercepts. */
bool intercept_is_asked(const struct conf *conf);

/* Starts lwgate-net where there is a right to give, or where it is needed now: whoever has dropped his rights
 * can start none that has. Needed, it must come up within seconds. Returns 0 or -errno, said in the log. */
int intercept_create(struct intercept **intercept, const struct intercept_spec *spec, bool is_needed)
	MUST_CHECK;
/* Has everything taken away, but for what drops while nobody serves where keep_closed says that it stays, and
 * ends lwgate-net. NULL is allowed. */
void intercept_free(struct intercept *intercept, bool keep_closed);
/* Servers or sockets of some worker may be others now; all workers are held. */
void intercept_look(struct intercept *intercept, struct mono now);
/* True while it can capture. */
bool intercept_can(const struct intercept *intercept);

/* How it stands. */
struct intercept_status {
	bool is_wanted; /* a listener intercepts */
	bool is_captured; /* what is wanted is in the kernel */
	const char *fault; /* why not, or ""; borrowed until the next event */
};

/* Tells it. NULL stands for nothing. */
struct intercept_status intercept_status(const struct intercept *intercept);
