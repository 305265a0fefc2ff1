/* What lwgated and lwgate-net say to each other over a SOCK_SEQPACKET pair: one message a packet,
 * network order, version and lengths checked on both sides. Pure; sending is channel.h's. */
#pragma once
#include "netfilter/netfilter.h"
#include "base/bug.h"

/* Another version is refused by name, never guessed at. */
#define WIRE_VERSION 2
/* Bytes of the largest message. */
#define WIRE_MAX (16 * 1024)

enum wire_type {
	WIRE_WAKE = 1, /* to lwgate-net: have a worker, and say READY */
	WIRE_SOCKET,  /* to lwgate-net, with a descriptor: make this socket transparent */
	WIRE_SET,     /* to lwgate-net: the wanted state */
	WIRE_LEAVE,   /* to lwgate-net: take everything away and go */
	WIRE_READY,   /* from it: a worker is there; send the wanted state */
	WIRE_REFUSED, /* from it: it can not work, and why; it goes */
	WIRE_MADE,    /* from it: the socket is transparent, or why not */
	WIRE_DONE,    /* from it: the wanted state is there, or why not */
	WIRE_COUNTS,  /* from it: something was mended */
};

/* What became of a socket. */
struct wire_made {
	uint32_t id;   /* as it came with the socket */
	uint16_t code; /* 0, or errno */
};

/* An answer. */
struct wire_answer {
	uint32_t generation; /* of the wanted state; 0 with READY and REFUSED */
	uint16_t code;       /* 0, or errno */
	char text[CAPTURE_TEXT]; /* a sentence, empty when all is well */
};

/* A message, checked. */
struct wire {
	enum wire_type type; /* which member holds */
	union {
		uint32_t id; /* WIRE_SOCKET: the caller's name for it */
		struct capture set; /* WIRE_SET */
		bool keep_closed; /* WIRE_LEAVE: the fail-closed table stays, where there is one */
		struct wire_answer answer; /* WIRE_READY, WIRE_REFUSED, WIRE_DONE */
		struct wire_made made; /* WIRE_MADE */
		struct capture_counts counts; /* WIRE_COUNTS */
	};
};

/* Writes a message into `size` bytes. Returns its length, or -EMSGSIZE. */
long wire_write(const struct wire *w, uint8_t *room, size_t size) MUST_CHECK;
/* Reads a message. Returns 0, -EPROTO when it is of another version, -EBADMSG when it is anything
 * else than a whole message of ours. What it holds still has to pass plan_check. */
int wire_read(struct wire *w, const uint8_t *bytes, size_t n) MUST_CHECK;
