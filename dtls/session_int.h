/* What a session is made of, for the files that share it, and how one of the server role begins: the listener makes
 * it. */
#pragma once
#include <stdalign.h>
#include "dtls/carry_int.h"
#include "dtls/dtls.h"
#include "dtls/number13_int.h"
#include "dtls/record12_int.h"
#include "dtls/wolf_int.h"

/* Bytes of a ClientHello's random that are kept. */
#define RANDOM_KEPT 16

/* What a session needs in its handshake, and as long as wolfSSL carries its records. */
struct aid {
	struct wolf *wolf;
	struct mono give_up;    /* end of the handshake */
	struct mono flight_due; /* when our flight is sent again */
	unsigned flight_ms;     /* how long the peer has for its answer */
	unsigned emitted;       /* datagrams that left */
	int64_t flight;         /* where the newest part of our last flight begins, or -1 */
	bool repeating;         /* it is time to send that again */
	bool waiting;           /* up, and a key update of ours is not acknowledged */
	unsigned loose;         /* see LOOSE_MAX */
	bool muted;             /* what leaves now is a repeat, and it is not time */
	unsigned unanswered;
	int noted;                    /* alert in plaintext that still stands, or -1 */
	struct number13 seen;         /* the highest record so far, in DTLS 1.3 */
	uint64_t next_number;         /* of a plaintext record of ours */
	uint8_t random[RANDOM_KEPT];  /* a server's: of the ClientHello that began it */
	struct slice last; /* a server's of DTLS 1.2: the datagram with its ChangeCipherSpec, owned */
};

/* At the beginning of a line of the cache. */
#define ON_A_LINE alignas(64)

/* In lines of a cache: the first two for a record of the peer's, the first and the third for one of ours. */
struct dtls_session {
	ON_A_LINE struct aid *aid; /* NULL: we carry the records ourselves */
	const struct dtls_calls *calls;
	void *who;
	struct cursor datagram; /* what dtls_read has not looked at, borrowed from the caller */
	struct header_rules rules;
	uint8_t state; /* enum dtls_state */
	bool newest;   /* the last data came in the highest record so far */
	int16_t alert; /* the one that ended the session, or -1 */
	/* DTLS 1.2: the peer's numbers; without aid, all that a record needs. */
	ON_A_LINE struct record12 record;
	struct wolf_known *known; /* the peer: aid's, or ours, or NULL for what wolf_leave says */
	const char *suite;        /* IANA name, without aid */
	struct last_flight *last; /* a server's without aid, until there is data; else NULL */
	uint64_t dropped[DTLS_DROPS];
};

/* Ends a session with that event, and that alert or -1. */
enum dtls_event session_die(struct dtls_session *s, enum dtls_event event, int alert);

/* What the listener knows of it. */
struct session_birth {
	const struct dtls_calls *calls; /* borrowed as long as the session lives */
	struct slice random;            /* of the ClientHello, 32 bytes, borrowed for the call */
	uint8_t cid;                    /* length of our connection id */
	bool certs;                     /* the client may give a certificate or raw key */
	unsigned deadline_ms;           /* for the handshake as a whole */
	void *who;                      /* handed to the calls */
	bool refused; /* DTLS 1.3: the hello was good but for its key, and the client was told */
};

/* Makes a session of an object that has taken a good ClientHello, and emits its first flight; or one
 * whose first tick, which is due at once, tells the alert. The object is taken in any case. NULL when memory is short or the library refuses. */
struct dtls_session *session_born(
	struct wolf *w, const struct session_birth *birth, struct mono now) MUST_CHECK;
