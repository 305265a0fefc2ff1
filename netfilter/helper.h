/* The client of lwgate-net in lwgated: starts it, sends the wanted state, gives its events to the
 * caller. Needs none of its libraries. Nothing here waits, but for helper_stop. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "netfilter/netfilter.h"
#include "base/bug.h"

struct helper;

/* What the caller is told, from helper_read. It may call helper_set from each but on_gone. */
struct helper_events {
	/* A worker is there and has nothing: call helper_set. Comes again when the worker died and
	 * another took its place; sockets that are held then need not be asked for. */
	void (*on_ready)(void *arg);
	/* The wanted state of this generation is in the kernel (code 0), or nothing was changed: code is
	 * -errno, and text a sentence. */
	void (*on_done)(void *arg, uint32_t generation, int code, const char *text);
	/* capture.socket[index] of that generation: fd is the caller's from now on; or -errno, -ENODEV
	 * when its interface is not there, so ask again after on_link. Comes before on_done. */
	void (*on_socket)(void *arg, uint32_t generation, unsigned index, int fd);
	/* A listener's interface is there, by this number, or gone: 0. A socket that is bound to it is deaf
	 * from then on. */
	void (*on_link)(void *arg, const char *name, uint32_t ifindex);
	/* Something was mended; all of it since that worker began. */
	void (*on_counts)(void *arg, const struct capture_counts *counts);
	/* lwgate-net is gone, and why; helper_fd is -1. Its rules are gone as well, sockets work on. Try
	 * helper_start after helper_pause. */
	void (*on_gone)(void *arg, const char *why);
};

/* Makes one, nothing started. `path` is the program; it, events and arg are borrowed until
 * helper_free. Returns 0 or -ENOMEM. */
int helper_create(struct helper **helper, const char *path, const struct helper_events *events,
	void *arg) MUST_CHECK;
/* Starts the program. Whoever has no right to give can start none that has. Returns 0 or -errno. */
int helper_start(struct helper *helper) MUST_CHECK;
/* Takes a socket and the process behind it, as helper_start does with its own; pid 0 is none to wait
 * for. */
void helper_adopt(struct helper *helper, int fd, pid_t pid);
/* The descriptor to wait on for reading; -1 while the program does not run. */
int helper_fd(const struct helper *helper);
/* Reads what has come and tells it. Call it when the descriptor is readable. */
void helper_read(struct helper *helper);
/* Sends the wanted state; the answer is on_done. Returns 0, -ENOTCONN while the program does not run,
 * or -errno. */
int helper_set(struct helper *helper, const struct capture *capture) MUST_CHECK;
/* How long to wait in ms before the next helper_start: more after each death without a success. */
unsigned helper_pause(const struct helper *helper);
/* Has everything taken away, but for the fail-closed table where that is to stay, and waits for the
 * program's end, up to 5 s. No event is told. */
void helper_stop(struct helper *helper, bool keep_closed);
/* Lets the program go, which then takes all but the fail-closed table away. NULL is allowed. */
void helper_free(struct helper *helper);
