/* Which worker a datagram belongs to: by its source, or by our connection id in it. The kernel does the same
 * among the sockets of one port (SO_REUSEPORT), by a program that is made here, so that both agree. Where
 * they do not - IPv6 extension headers, a kernel that takes no program, or asks it not for captured packets - a
 * datagram comes to another worker, which hands it over: nothing but time depends on it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/bug.h"

struct sock_filter;

/* How many workers there are, and what strangers must not know, so that they can not choose one. */
struct steer {
	unsigned count;  /* of workers */
	uint32_t key;    /* for sources */
	uint8_t cid_key; /* for connection ids */
};

/* Most instructions of a program. */
#define STEER_PROGRAM_MAX 64

/* Draws new secrets. */
void steer_init(struct steer *steer, unsigned count);
/* The worker of a source address and port. */
unsigned steer_by_source(const struct steer *steer, const struct addr *from);
/* The worker of a connection id of ours. */
unsigned steer_by_cid(const struct steer *steer, const uint8_t *cid);
/* Changes the first byte of a random connection id, so that it is that worker's. */
void steer_mark(const struct steer *steer, unsigned worker, uint8_t *cid);
/* The worker of a datagram; to a port for DTLS its connection id counts, if it has one. */
unsigned steer_datagram(const struct steer *steer, const struct addr *from, const uint8_t *bytes,
	size_t n, bool is_secure);
/* Binds the worker's socket of a port that all workers share; from the first worker on, one after the other. It
 * is an error where another program has the port, as if we were alone. Returns 0 or -errno. */
int steer_bind(const struct steer *steer, unsigned worker, int fd, const struct addr *address,
	bool is_secure) MUST_CHECK;
/* Writes the same as a program for the kernel, for sockets of one family, into room for STEER_PROGRAM_MAX.
 * Returns its length. */
unsigned short steer_program(const struct steer *steer, bool v4, bool is_secure,
	struct sock_filter *program) MUST_CHECK;
