/* What lwgated and lwgate-net say to each other over a SOCK_SEQPACKET pair: one message a packet,
 * network order, version and lengths checked on both sides. Pure; sending is link.h's. */
#pragma once
#include "netfilter/netfilter.h"
#include "base/bug.h"

/* Another version is refused by name, never guessed at. */
#define WIRE_VERSION 1
/* Bytes of the largest message. */
#define WIRE_MAX (16 * 1024)

enum wire_type {
	WIRE_SET = 1, /* to lwgate-net: the wanted state */
	WIRE_LEAVE,   /* to lwgate-net: take everything away and go */
	WIRE_READY,   /* from it: a worker is there and holds nothing yet; send the wanted state */
	WIRE_REFUSED, /* from it: it can not work, and why; it goes */
	WIRE_SOCKET,  /* from it, with a descriptor: a socket that was asked for */
	WIRE_DONE,    /* from it: the wanted state is there, or why not */
	WIRE_LINK,    /* from it: an interface of a listener is there or gone */
	WIRE_COUNTS,  /* from it: something was mended */
};

/* A socket that comes with the message as a descriptor, or the reason why none does. */
struct wire_socket {
	uint32_t generation; /* of the wanted state that asked */
	uint16_t index;      /* its place in capture.socket */
	uint16_t code;       /* 0, or errno */
};

/* An answer. */
struct wire_answer {
	uint32_t generation; /* of the wanted state; 0 with READY and REFUSED */
	uint16_t code;       /* 0, or errno */
	char text[CAPTURE_TEXT]; /* a sentence, empty when all is well */
};

/* An interface by its name. */
struct wire_link {
	char name[IF_NAMESIZE]; /* as the listener has it */
	uint32_t ifindex; /* 0: it is gone */
};

/* A message, checked. */
struct wire {
	enum wire_type type; /* which member holds */
	union {
		struct capture set; /* WIRE_SET */
		bool keep_closed; /* WIRE_LEAVE: the fail-closed table stays, where there is one */
		struct wire_answer answer; /* WIRE_READY, WIRE_REFUSED, WIRE_DONE */
		struct wire_socket socket; /* WIRE_SOCKET */
		struct wire_link link; /* WIRE_LINK */
		struct capture_counts counts; /* WIRE_COUNTS */
	};
};

/* Writes a message into `size` bytes. Returns its length, or -EMSGSIZE. */
long wire_write(const struct wire *w, uint8_t *room, size_t size) MUST_CHECK;
/* Reads a message. Returns 0, -EPROTO when it is of another version, -EBADMSG when it is anything
 * else than a whole message of ours. What it holds still has to pass plan_check. */
int wire_read(struct wire *w, const uint8_t *bytes, size_t n) MUST_CHECK;
