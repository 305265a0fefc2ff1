/* One association towards a server: a connected socket with a remembered source port, and a DTLS
 * session where the server wants one. It is made, kept and made anew here; what it carries is its
 * owner's business (DESIGN.md 6, rules 4, 10, 11, 13, 20). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/mono.h"
#include "dtls/dtls.h"
#include "env.h"
#include "server.h"

/* See the table on top of wan.c; which address and port are tried, and when, is in wan_round.c. */
enum wan_state { WAN_CLOSED, WAN_WAITING, WAN_HANDSHAKE, WAN_UP, WAN_BACKOFF };

struct wan;

/* Calls to the owner. */
struct wan_calls {
	/* Room of UDP_ROOM bytes for the next message from the server. */
	uint8_t *(*room)(struct wan *wan, struct mono now);
	/* A message of n bytes stands in the room that was given last. The association may be closed
	 * by the owner only after the call has returned. */
	void (*message)(struct wan *wan, uint8_t *bytes, size_t n, struct mono now);
	/* Something will come soon: a chance to ask for memory (base/fetch.h). */
	void (*soon)(const struct wan *wan);
	/* Messages pass from now on. */
	void (*is_up)(struct wan *wan, struct mono now);
	/* No association came up within the server's handshake timeout; it goes on trying. */
	void (*is_late)(struct wan *wan, struct mono now);
	/* Something was lost on the way from the server. */
	void (*lost)(struct wan *wan, enum drop why);
	/* The source port is another one now: remember it. */
	void (*port_is)(struct wan *wan, uint16_t port);
};

/* What an association needs to be opened. */
struct wan_spec {
	struct server *server;         /* borrowed as long as it is open */
	struct dtls_psk psk;           /* borrowed; towards a server with pre-shared keys */
	struct dtls_pair pair;         /* borrowed; towards one with certificates or raw keys */
	const struct wan_calls *calls; /* borrowed */
	const char *label;             /* borrowed: the endpoint's name, for the log */
	uint16_t port;                 /* remembered source port, host order; 0: none */
	bool is_opaque;                /* carries records of others: no session of its own */
	int64_t delay_ms;              /* before the first try, to pace many of them */
};

/* Embedded in a flow. Zeroed is closed. What each message looks at comes first, as in the flow. */
struct wan {
	int fd;                       /* socket; meaningful where has_socket */
	enum wan_state state; /* see the table in wan.c */
	struct watch watch; /* of the socket */
	struct dtls_session *session; /* proven, or NULL */
	const struct wan_calls *calls; /* the owner's */
	struct env *env; /* borrowed */
	struct server *server; /* borrowed */
	bool is_secure;               /* it has sessions of its own */
	bool is_refused;              /* ICMP refused, and nothing was heard since */
	bool must_renew;              /* the server can not know the session's new address */
	uint8_t owed;                 /* datagrams that may come for what went up, at most WAN_READS */
	bool is_asked;                /* a CON went up and nothing authentic came since */
	uint8_t asked_copies; /* how often it was seen */
	uint16_t asked_mid;           /* the first such CON */
	struct mono asked_at; /* when it was seen first */
	unsigned failures;            /* rounds that failed in a row */
	int emit_error;               /* of the last datagram that a session sent; 0 or -errno */
	struct mono next_try;         /* while waiting, in back-off, or suspicious */
	struct dtls_session *attempt; /* being made, or NULL */
	struct addr peer;             /* the server's address in use */
	struct timer timer; /* the next thing to do */
	struct mono suspected;        /* when silence was last acted upon */

	bool has_socket; /* fd is open */
	bool is_connected;            /* a route to the server was there */
	uint16_t port;                /* the socket's source port, host order */
	uint32_t ifindex;             /* of the interface that it is bound to; 0: none */
	uint32_t overflowed;          /* what the kernel dropped on it, as counted so far */
	struct server_user user; /* in the server's ring */
	struct dtls_psk psk; /* borrowed */
	struct dtls_pair pair; /* borrowed */
	const char *label; /* the endpoint's name, borrowed */
	uint16_t kept_port;           /* remembered port; 0: none */
	bool port_was_used;           /* a server may still hold a session with kept_port */
	uint8_t step;                 /* which candidate of this round; see candidate() */
	struct mono round_ends;       /* handshakes of this round give up then */
	struct mono last_try; /* when the last round began, or failed */
	struct mono down_since;       /* when messages stopped passing; MONO_NEVER while up */
	bool is_late_told;            /* the owner knows that nothing came up in time */
};

/* Opens an association; it comes up by itself. */
void wan_open(struct wan *wan, struct env *env, const struct wan_spec *spec, struct mono now);
/* Ends it: close_notify where there is a session, socket closed. Safe on a closed one. */
void wan_close(struct wan *wan);
/* True while messages pass. */
static inline bool wan_is_up(const struct wan *wan)
{
	return wan->state == WAN_UP;
}
/* True when nothing came up within the server's handshake timeout (rule 10). */
bool wan_is_late(const struct wan *wan, struct mono now);
/* Asks for the memory that the next message needs, either way. */
void wan_fetch(const struct wan *wan);
/* Sends one message. Returns 0, -ENOTCONN unless up, -EMSGSIZE, or another -errno. */
int wan_send(struct wan *wan, const uint8_t *bytes, size_t n, struct mono now) MUST_CHECK;
/* Without sessions of its own: goes to the server's next address; behind the last one it takes another
 * source port too, unless ICMP refused (rule 4). */
void wan_next(struct wan *wan, bool is_refused, struct mono now);
/* Tells that a CON with this id goes up, sent or waiting: silence is measured from here, and a pause
 * between tries is cut short. */
void wan_note_con(struct wan *wan, uint16_t mid, struct mono now);
/* The machine's addresses or routes changed: takes the source address of today, keeps the port.
 * A session without a connection id is made anew within spread_ms. Returns true when the socket was
 * moved (rule 20). */
bool wan_move(struct wan *wan, uint32_t spread_ms, struct mono now);
/* Counts what the kernel dropped on the socket since this was last asked (rule 11). */
void wan_count_overflow(struct wan *wan);
/* The suite of the session in use, "" when there is none. */
const char *wan_suite(const struct wan *wan);
/* For people: "up", "handshake" and so on. */
const char *wan_state_print(enum wan_state state);
/* The callbacks that a server's profile needs. */
extern const struct dtls_calls wan_dtls_calls;
