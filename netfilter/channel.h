/* Messages of wire.h through a SOCK_SEQPACKET socket, with at most one descriptor each. Both ends use
 * it; nothing arrives that wire_read has not checked. */
#pragma once
#include "netfilter/wire.h"
#include "base/bug.h"

/* Sends a message, and a duplicate of the descriptor `passed` unless it is -1. Waits up to 5 s for
 * room. Returns 0, or -errno: -EPIPE when the other end is gone. */
int channel_send(int fd, const struct wire *w, int passed) MUST_CHECK;
/* Reads a message without waiting. *passed is a descriptor, the caller's from now on, or -1. Returns 1
 * with a message, 0 when the other end is gone, -EAGAIN when there is none, -EPROTO or -EBADMSG when
 * it is none of ours, else -errno. */
int channel_receive(int fd, struct wire *w, int *passed) MUST_CHECK;
