/* The client of lwgate-net in lwgated: starts it, sends the wanted state, gives its events to the
 * caller. Needs none of its libraries. Nothing here waits, but for helper_wait
 * and helper_stop.
 *
 * helper_start needs a right that the caller may give up afterwards. The program then does nothing until
 * helper_wake; after on_ready come helper_socket and helper_set, which are done in the order in which they
 * were called, so that sockets which were sent before a wanted state are transparent before its rules are
 * there. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "netfilter/netfilter.h"
#include "base/bug.h"

struct helper;

/* What the caller is told, from helper_read. It may call helper_wake, helper_socket and helper_set from
 * each but on_gone. */
struct helper_events {
	/* A worker is there and may have nothing: call helper_set. Comes again when the worker died and
	 * another took its place. Sockets stay transparent; only those that on_socket has not answered are
	 * to be sent again. */
	void (*on_ready)(void *arg);
	/* The wanted state of this generation is in the kernel (code 0), or nothing was changed: code is
	 * -errno, and text a sentence. */
	void (*on_done)(void *arg, uint32_t generation, int code, const char *text);
	/* The socket of this id is transparent (code 0), or is as it was: code is -errno, -EINVAL when it is
	 * no UDP socket. */
	void (*on_socket)(void *arg, uint32_t id, int code);
	/* Something was mended; all of it since that worker began. */
	void (*on_counts)(void *arg, const struct capture_counts *counts);
	/* lwgate-net is gone, and why; helper_fd is -1. Its rules are gone as well, sockets stay
	 * transparent. Whoever has the right still may call helper_start again. */
	void (*on_gone)(void *arg, const char *why);
};

/* Makes one, nothing started. `path` is the program; it, events and arg are borrowed until
 * helper_free. Returns 0 or -ENOMEM. */
int helper_create(struct helper **helper, const char *path, const struct helper_events *events,
	void *arg) MUST_CHECK;
/* Starts the program, which until it is woken is one idle process with nothing in the kernel. Whoever has
 * no right to give can start none that has; on_gone then tells it. Returns 0 or -errno. */
int helper_start(struct helper *helper) MUST_CHECK;
/* Takes a socket and the process behind it, as helper_start does with its own; pid 0 is none to wait
 * for. */
void helper_adopt(struct helper *helper, int fd, pid_t pid);
/* The descriptor to wait on for reading; -1 while the program does not run. */
int helper_fd(const struct helper *helper);
/* Reads what has come and tells it. Call it when the descriptor is readable. */
void helper_read(struct helper *helper);
/* Waits up to ms for what comes, and reads it: for a start, where nothing else is served yet. Returns 0, or
 * -ETIMEDOUT. */
int helper_wait(struct helper *helper, int ms) MUST_CHECK;
/* Asks for a worker; on_ready follows, also when one is there already. Returns 0, -ENOTCONN while the
 * program does not run, or -errno. */
int helper_wake(struct helper *helper) MUST_CHECK;
/* Has the UDP socket `fd` made transparent, whatever traffic is on it; fd stays the caller's, which may
 * close it at once. id is the caller's name for it; the answer is on_socket. Call it after on_ready: a
 * program that sleeps is woken by it, but READY comes before the answer. Some 250 may be sent before
 * helper_read is called; more would wait. Returns 0, -ENOTCONN while the program does not run, or
 * -errno. */
int helper_socket(struct helper *helper, uint32_t id, int fd) MUST_CHECK;
/* Sends the wanted state. Call it after on_ready, as helper_socket. The answer is on_done. Returns 0,
 * -ENOTCONN while the program does not run, or -errno. */
int helper_set(struct helper *helper, const struct capture *capture) MUST_CHECK;
/* Has everything taken away, but for the fail-closed table where that is to stay, and waits for the
 * program's end, up to 5 s. One that was never woken took nothing and just ends: what a dead predecessor
 * left stays as well. No event is told. */
void helper_stop(struct helper *helper, bool keep_closed);
/* Lets the program go, which then takes all but the fail-closed table away. NULL is allowed. */
void helper_free(struct helper *helper);
