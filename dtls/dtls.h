/* DTLS without I/O. A datagram goes in; an event comes out; datagrams to be sent leave through a
 * callback that was handed down; the caller asks when it must call again. The room opens no socket,
 * reads no clock, logs nothing, and shows no wolfSSL type. RFC 6347, RFC 9146. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "base/mono.h"

/* Most bytes of plaintext in one record (RFC 6347 4.1). */
#define DTLS_RECORD_MAX 16384
/* Most bytes that a record adds to its plaintext: header 13, CID 32, inner type 1, and with CBC the
 * IV 16, MAC 32, padding 16. */
#define DTLS_OVERHEAD_MAX 112
/* Most bytes of plaintext that we put into one record: wolfSSL holds the whole record to 16384. */
#define DTLS_WRITE_MAX (16384 - DTLS_OVERHEAD_MAX)

/* Calls from outside to the outside. */
struct dtls_calls {
	/* Sends one datagram to the peer. The bytes are valid during the call only. Any function
	 * that takes a session may call it; it must not call back into that session. */
	void (*emit)(void *who, const uint8_t *datagram, size_t n);
};

/* What all sessions towards one server share: versions, suites, connection id. */
struct dtls_profile;

struct dtls_profile_spec {
	bool cid;                       /* offer a connection id (RFC 9146); ours has length 0 */
	const struct dtls_calls *calls; /* borrowed as long as the profile lives */
};

/* Makes a client profile: DTLS 1.2, PSK suites in the order of the LwM2M transport specification.
 * Returns 0, or -ENOMEM, -ENOTSUP when the library lacks a suite. */
int dtls_profile_create(
	struct dtls_profile **profile, const struct dtls_profile_spec *spec) MUST_CHECK;
/* Ends a profile; its sessions must be gone. NULL is allowed. */
void dtls_profile_free(struct dtls_profile *profile);

/* A credential, borrowed as long as the session lives: identity 1..128 bytes, none of them 0 (the
 * library ends there), key 1..64 bytes. */
struct dtls_psk {
	struct slice identity; /* as the server knows us */
	struct slice key;      /* shared with the server */
};

/* One session with one peer. */
struct dtls_session;

/* States; see the table on top of session.c. */
enum dtls_state {
	DTLS_HANDSHAKE, /* flights are on their way */
	DTLS_UP,        /* records pass */
	DTLS_DEAD       /* over: free it */
};

/* What a call brought. */
enum dtls_event {
	DTLS_NOTHING,     /* nothing to act on; whatever it was is absorbed or dropped */
	DTLS_ESTABLISHED, /* the handshake is done: dtls_write works from now on */
	DTLS_DATA,        /* a plaintext message, maybe empty, was read, from an authentic record */
	DTLS_CLOSED,      /* the peer sent close_notify; it was answered; the session is dead */
	DTLS_ALERTED,     /* the peer sent a fatal alert, or ours was fatal; the session is dead. An
			   * alert of the handshake is told by dtls_tick: see dtls_tick */
	DTLS_TIMED_OUT    /* the handshake deadline came; the session is dead */
};

/* Why datagrams were dropped before or inside the library; counted per session. */
enum dtls_drop {
	DTLS_DROP_HEADER,       /* refused by the record header filter */
	DTLS_DROP_CLIENT_HELLO, /* a ClientHello came in on a client's association (rule 13) */
	DTLS_DROP_RECORD,       /* bad MAC, replay, wrong epoch, unknown connection id */
	DTLS_DROPS
};

struct dtls_session_spec {
	struct dtls_psk psk;     /* borrowed as long as the session lives */
	const char *server_name; /* SNI, or NULL; no literal address (RFC 6066 3) */
	unsigned deadline_ms;    /* for the handshake as a whole */
	void *who;               /* handed to the calls */
};

/* Makes a client session and emits its first flight. Returns 0, -ENOMEM, -EINVAL for a bad psk, or
 * -EPROTO when the library refuses. */
int dtls_connect(struct dtls_session **session, struct dtls_profile *profile,
	const struct dtls_session_spec *spec, struct mono now) MUST_CHECK;
/* Takes one datagram from the peer, which stays the caller's and must stay where it is: call
 * dtls_read until it returns DTLS_NOTHING (or the session is dead) before it goes. Whatever it
 * holds, also records of another session with the same peer: a session that is up survives, one in
 * its handshake survives all but a forged flight. */
void dtls_feed(struct dtls_session *s, const uint8_t *datagram, size_t n, struct mono now);
/* Gives what the last datagram brought, one event a call. With DTLS_DATA, *n bytes of plaintext
 * stand in room; a record that does not fit is counted in DTLS_DROP_RECORD. */
enum dtls_event dtls_read(
	struct dtls_session *s, uint8_t *room, size_t size, size_t *n, struct mono now) MUST_CHECK;
/* Protects n bytes, 1 to DTLS_WRITE_MAX, as one record in one datagram, and emits it. Returns 0,
 * -ENOTCONN unless up, -EINVAL for none, -EMSGSIZE for too many, -EPROTO when the library refuses
 * (session dead). */
int dtls_write(struct dtls_session *s, const uint8_t *bytes, size_t n) MUST_CHECK;
/* When dtls_tick must be called; MONO_NEVER when it need not. */
struct mono dtls_deadline(const struct dtls_session *s);
/* Retransmits, or gives up at the deadline. Returns DTLS_NOTHING, DTLS_TIMED_OUT or DTLS_ALERTED.
 * An alert in plaintext can be forged, so it ends a handshake only here, when the time of our
 * flight is over and the server has said nothing better since. */
enum dtls_event dtls_tick(struct dtls_session *s, struct mono now) MUST_CHECK;
/* Emits close_notify when up (RFC 5246 7.2.1), and ends the session. *s becomes NULL. */
void dtls_close(struct dtls_session **s);
/* Ends the session without a word. *s becomes NULL. */
void dtls_forget(struct dtls_session **s);

/* Where the session stands. */
enum dtls_state dtls_state(const struct dtls_session *s);
/* Flights of ours that left without an answer since the last datagram of the peer that counted. */
unsigned dtls_unanswered(const struct dtls_session *s);
/* IANA name of the suite, e.g. TLS_PSK_WITH_AES_128_CCM_8; "" unless up. */
const char *dtls_suite(const struct dtls_session *s);
/* Length of the connection id that the peer asked us to use, in bytes; -1 when none was agreed
 * or an empty one, or the session is not up. */
int dtls_peer_cid(const struct dtls_session *s);
/* How many datagrams or records were dropped, by reason. */
uint64_t dtls_dropped(const struct dtls_session *s, enum dtls_drop why);
/* The alert behind DTLS_ALERTED: its description (RFC 5246 7.2), or -1 when there was none. */
int dtls_alert(const struct dtls_session *s);

/* What the filter says of records. */
enum dtls_header { DTLS_HEADER_OK, DTLS_HEADER_BAD, DTLS_HEADER_CLIENT_HELLO };
/* Looks at record headers alone, before any library sees them: known content type, known version,
 * 0 < length <= what is left, epoch-0 handshake records with a message type that a client may get,
 * and nothing that the state has no use for. Gives the verdict on the first record that is refused,
 * or DTLS_HEADER_OK. A session judges record by record, and takes those that pass. */
enum dtls_header dtls_header_check(const uint8_t *datagram, size_t n, bool established);

/* Bytes of random data for the library; its build names this function. */
int lwg_rand_block(unsigned char *out, unsigned int n);
