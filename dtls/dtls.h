/* DTLS without I/O. A datagram goes in; an event comes out; datagrams to be sent leave through a
 * callback that was handed down; the caller asks when it must call again. The room opens no socket,
 * reads no clock, logs nothing, and shows no wolfSSL type. RFC 6347, RFC 9146, RFC 9147. */
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

/* Versions of the protocol. The library may be built without the newer one. */
enum dtls_version {
	DTLS_1_2, /* RFC 6347; what LwM2M asks for */
	DTLS_1_3  /* RFC 9147 */
};

/* How the two ends prove who they are. */
enum dtls_security {
	DTLS_PSK, /* a pre-shared key */
	DTLS_RPK, /* raw public keys (RFC 7250) */
	DTLS_X509 /* certificates */
};

/* What one end proves itself with, as in its files, PEM or DER. The key must be of P-256. */
struct dtls_pair {
	struct slice cert; /* a certificate, and behind it (PEM) its intermediate ones; empty:
				   * a raw key, whose public half follows from the private one */
	struct slice private_key; /* SEC 1 or PKCS #8, not encrypted */
};

/* What all sessions towards one server share: versions, suites, trust, connection id. */
struct dtls_profile;

struct dtls_profile_spec {
	bool cid;                       /* offer a connection id (RFC 9146, RFC 9147 9); ours has
					 * length 0 */
	const struct dtls_calls *calls; /* borrowed as long as the profile lives */
	enum dtls_security security;    /* the only one that is offered */
	/* X509: certificates of CAs, PEM or one as DER. RPK: the server's public key, as
	 * dtls_public_key_read takes it. PSK: empty. Borrowed for the call. */
	struct slice trust;
	/* X509: DNS name or literal address that the server's certificate must be for: a SAN of that
	 * kind, or the subject's CN when there is no SAN. Copied. */
	const char *expected_name;
	/* X509: seconds since 1970, for the dates in certificates; asked at each handshake. */
	int64_t (*wall_s)(void);
	enum dtls_version version; /* this one and no other: the library can not offer both with a
				    * connection id; DTLS_1_3 with PSK only */
	bool no_dhe; /* DTLS 1.3: the key alone, without Diffie-Hellman (psk_ke, RFC 8446 4.2.9):
			 * a third of the cost, and who learns the key reads what was recorded */
};

/* Makes a client profile: suites in the order of the LwM2M transport specification.
 * Returns 0, or -ENOMEM, -ENOTSUP when the library lacks a suite or the version, -EINVAL when a field is missing, or
 * what dtls_ca_check or dtls_public_key_read say of trust. */
int dtls_profile_create(
	struct dtls_profile **profile, const struct dtls_profile_spec *spec) MUST_CHECK;
/* Ends a profile; its sessions must be gone. NULL is allowed. */
void dtls_profile_free(struct dtls_profile *profile);

/* A credential, borrowed as long as a client's session lives: identity 1..128 bytes, none of them 0
 * (the library ends there), key 1..64 bytes. */
struct dtls_psk {
	struct slice identity; /* as the server knows the client */
	struct slice key;      /* shared by both */
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
	DTLS_DROP_CLIENT_HELLO, /* a ClientHello came to a session: to a client (rule 13), or again */
	DTLS_DROP_RECORD,       /* bad MAC, replay, wrong epoch, unknown connection id */
	DTLS_DROPS
};

struct dtls_session_spec {
	struct dtls_psk psk;     /* PSK: borrowed as long as the session lives */
	const char *server_name; /* SNI, or NULL; no literal address (RFC 6066 3) */
	unsigned deadline_ms;    /* for the handshake as a whole */
	void *who;               /* handed to the calls */
	struct dtls_pair pair;   /* RPK and X509: ours, in place of psk; borrowed for the call */
};

/* ---- sessions of the client role: towards servers ---- */

/* Makes a client session and emits its first flight. Returns 0, -ENOMEM, -EINVAL for a bad psk,
 * what dtls_pair_check says of a bad pair, or -EPROTO when the library refuses. */
int dtls_connect(struct dtls_session **session, struct dtls_profile *profile,
	const struct dtls_session_spec *spec, struct mono now) MUST_CHECK;
/* ---- sessions of the server role: devices come to us ----
 *
 * The caller's way with a datagram from a device:
 *   1. dtls_cid_of finds a connection id of ours: the session of that id.
 *   2. dtls_is_hello: each session of that address is asked dtls_owns_hello. When none owns it,
 *      dtls_accept; a session that comes of it stands beside the old one, which lives on until the
 *      new one is DTLS_ESTABLISHED, or for ever if that never happens.
 *   3. Else the sessions of that address: the established one, then those in their handshake. */

/* Longest connection id of ours, bytes. */
#define DTLS_CID_MAX 8
/* Longest address of a peer, bytes. */
#define DTLS_PEER_MAX 64

/* Answers ClientHellos without keeping anything, and makes sessions of those that prove their
 * address. One serves any number of sockets. */
struct dtls_listener;

struct dtls_listener_spec {
	bool cid; /* use connection ids (RFC 9146) with devices that offer it */
	/* Finds the credential behind an identity as the device gives it, 0 to 128 bytes without a
	 * zero; NULL for a stranger. The key is copied before the next call; nothing is kept. */
	const struct dtls_psk *(*find_psk)(void *psk_who, struct slice identity);
	void *psk_who;                  /* handed to find_psk and find_key */
	const struct dtls_calls *calls; /* borrowed as long as the listener and its sessions live */
	/* Ours, towards devices with certificates or raw keys; borrowed for the call. A device that
	 * asks for a raw key gets the public key of it. Empty: PSK alone. */
	struct dtls_pair pair;
	/* CAs of the devices' certificates, as in struct dtls_profile_spec; borrowed for the call.
	 * Empty: no device comes in with a certificate. */
	struct slice ca;
	/* True for a raw public key (DER SubjectPublicKeyInfo) that may come in; NULL: none may.
	 * It is asked before the device has proven that it holds the private half. */
	bool (*find_key)(void *psk_who, struct slice spki);
	/* As in struct dtls_profile_spec; needed with ca. */
	int64_t (*wall_s)(void);
	/* The newest that is served; DTLS_1_3 serves 1.2 too, and certificates and raw keys there. */
	enum dtls_version version;
};

/* Makes a listener: suites in the order of the LwM2M transport specification, PSK first, of
 * which the first that the device offers is taken. A device proves itself, by PSK, certificate or raw
 * key, or it does not come in. Returns 0, or -ENOMEM, -ENOTSUP, -EINVAL when a field is missing, or
 * what dtls_pair_check and dtls_ca_check say. */
int dtls_listener_create(
	struct dtls_listener **listener, const struct dtls_listener_spec *spec) MUST_CHECK;
/* Ends a listener; its sessions must be gone. NULL is allowed. */
void dtls_listener_free(struct dtls_listener *listener);
/* Draws a new secret for the cookies. Those made under the one before are good until the next call;
 * once a minute is often enough, less than a handshake's round trip too often. */
void dtls_listener_rotate(struct dtls_listener *listener);

/* One datagram's circumstances. */
struct dtls_accept_spec {
	struct slice peer; /* the device's address in any form, 1..DTLS_PEER_MAX bytes; the same
			       * address must give the same bytes. Borrowed for the call */
	struct slice cid;  /* our connection id, should a session come of it, at most DTLS_CID_MAX
			       * bytes and of one length for all; empty without. Cheapest when it stays
			       * the same until it is used. Borrowed for the call */
	unsigned deadline_ms; /* for the handshake of that session as a whole */
	void *who;            /* handed to the calls, for the answer, and for the session's first
			       * flight; see dtls_set_who */
	/* Asked with who once the address is proven, before the costly part begins; on false the
	 * hello is dropped. NULL: every one may. */
	bool (*admit)(void *who);
};

/* Takes a datagram that no session owns. It is dropped, or answered at once by one that is not
 * longer, and NULL is returned; or it proves its address, and the session of it is returned, in its
 * handshake, the caller's from now on. Only the first record counts. */
struct dtls_session *dtls_accept(struct dtls_listener *listener,
	const struct dtls_accept_spec *spec, const uint8_t *datagram, size_t n,
	struct mono now) MUST_CHECK;
/* What is handed to the session's calls from now on. */
void dtls_set_who(struct dtls_session *s, void *who);

/* What became of datagrams that a listener was given, and of itself. */
enum dtls_hello {
	DTLS_HELLO_REFUSED,  /* no whole ClientHello, or nothing that may be said to it */
	DTLS_HELLO_ANSWERED, /* with a cookie, or an alert */
	DTLS_HELLO_ACCEPTED, /* a session came of it */
	DTLS_HELLO_REPLACED, /* the library stumbled, and was made anew (counted besides) */
	DTLS_HELLOS
};
/* How many, since the listener was made. */
uint64_t dtls_listener_count(const struct dtls_listener *listener, enum dtls_hello what);

/* True for a datagram that begins with a ClientHello, whole or not, sound or not. */
bool dtls_is_hello(const uint8_t *datagram, size_t n);
/* True when a session in its handshake, or without data so far, was made by this hello, or by the
 * same client's hello before it: a repeat, for the session to drop, not for dtls_accept. */
bool dtls_owns_hello(const struct dtls_session *s, const uint8_t *datagram, size_t n);
/* Finds the connection id of the first record, given the length of ours. False when there is none,
 * or when the length is 0. Nothing is authentic here. */
bool dtls_cid_of(const uint8_t *datagram, size_t n, size_t length, struct slice *cid);

/* The identity that the client gave, authentic once the session was up; empty before. With
 * DTLS_ALERTED and dtls_alert 115 (unknown_psk_identity) nobody knew it; with DTLS_TIMED_OUT, or in
 * DTLS 1.3 with DTLS_ALERTED and 47, its key was perhaps another one. The session's; a client's own session has none. */
struct slice dtls_identity(const struct dtls_session *s);
/* True when the device calls us by the connection id that it was given; only when up. */
bool dtls_has_own_cid(const struct dtls_session *s);

/* ---- sessions of either role ---- */

/* Which of the three both ends proved themselves with; before it is known, what a client's session
 * offers, and DTLS_PSK for a server's. */
enum dtls_security dtls_security_of(const struct dtls_session *s);
/* The peer's public key, DER SubjectPublicKeyInfo: authentic once the session is up; before that what
 * it claims, and the same after a failure. Empty with PSK. The session's. */
struct slice dtls_public_key(const struct dtls_session *s);
/* Names in the peer's certificate, by number from 0: the subject's CN first if it has one, then DNS
 * names and URIs of the SAN as they stand there. False when there are no more. Authentic as
 * dtls_public_key is. No name has a zero byte: one that does is left out. The session's. */
bool dtls_peer_name(const struct dtls_session *s, size_t i, struct slice *name);

/* Why a peer's credential was refused. */
enum dtls_fault {
	DTLS_FAULT_NONE,           /* it was not, or the session ended for another reason */
	DTLS_FAULT_NO_CERTIFICATE, /* it gave none, or was asked for a raw key and has none */
	DTLS_FAULT_BAD, /* not readable, version 1, or a key or signature that we do not take */
	DTLS_FAULT_UNTRUSTED,     /* no CA of ours stands behind it */
	DTLS_FAULT_NOT_YET_VALID, /* or our clock is behind */
	DTLS_FAULT_EXPIRED,       /* its time is over, or that of a CA above it */
	DTLS_FAULT_WRONG_NAME,    /* a server's, for another name */
	DTLS_FAULT_WRONG_USE,     /* not made for this role: (extended) key usage */
	DTLS_FAULT_UNKNOWN_KEY    /* a raw key that nobody knows */
};
/* The reason behind DTLS_ALERTED, where it is ours. */
enum dtls_fault dtls_why(const struct dtls_session *s);

/* True when the last DTLS_DATA came in a record newer than all authentic ones before: then, and only
 * then, may the peer's address be changed to where it came from (RFC 9146 6). Asked between that
 * event and the next call with the session. In DTLS 1.3, which hides the number, a
 * client's session never knows; a server's may not for one record where a device changes its keys. */
bool dtls_was_newest(const struct dtls_session *s);

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
 * -ENOTCONN unless up, -EINVAL for none, -EMSGSIZE for too many, -EPROTO when the library refuses,
 * or the session has come to the last of its numbers, and close_notify left (dead in either case). */
int dtls_write(struct dtls_session *s, const uint8_t *bytes, size_t n) MUST_CHECK;
/* When dtls_tick must be called; MONO_NEVER when it need not. DTLS 1.3: a session that is up may need it
 * too, after dtls_read. */
struct mono dtls_deadline(const struct dtls_session *s);
/* Retransmits, or gives up at the deadline. Returns DTLS_NOTHING, DTLS_TIMED_OUT or DTLS_ALERTED.
 * An alert in plaintext can be forged, so it ends a handshake only here, when the time of our
 * flight is over and the server has said nothing better since. */
enum dtls_event dtls_tick(struct dtls_session *s, struct mono now) MUST_CHECK;
/* Emits close_notify when up (RFC 5246 7.2.1), and ends the session. *s becomes NULL. */
void dtls_close(struct dtls_session **s);
/* Ends the session without a word. *s becomes NULL. */
void dtls_forget(struct dtls_session **s);

/* Touches what the next record of a session will need, either way, so that it is near when that comes: for a
 * caller that knows some datagrams ahead. Changes nothing. */
void dtls_prefetch(const struct dtls_session *s);

/* Where the session stands. */
enum dtls_state dtls_state(const struct dtls_session *s);
/* Flights of ours that left without an answer since the last datagram of the peer that counted. */
unsigned dtls_unanswered(const struct dtls_session *s);
/* The version that is spoken. */
enum dtls_version dtls_version_of(const struct dtls_session *s);
/* IANA name of the suite, e.g. TLS_PSK_WITH_AES_128_CCM_8; "" unless up. */
const char *dtls_suite(const struct dtls_session *s);
/* Length of the connection id that the peer asked us to use, in bytes; -1 when none was agreed
 * or an empty one, or the session is not up. */
int dtls_peer_cid(const struct dtls_session *s);
/* How many datagrams or records were dropped, by reason. */
uint64_t dtls_dropped(const struct dtls_session *s, enum dtls_drop why);
/* The alert behind DTLS_ALERTED: its description (RFC 5246 7.2), or -1 when there was none. */
int dtls_alert(const struct dtls_session *s);

/* ---- files of keys and certificates ---- */

/* Longest SubjectPublicKeyInfo, bytes; one of P-256 has 91. */
#define DTLS_SPKI_MAX 160

/* Reads a public key, PEM or DER, from itself, or from a certificate or private key that holds it, as
 * SubjectPublicKeyInfo. Returns 0, -EBADMSG for what can not be read, -ENOTSUP for a key that is not of
 * P-256, -ENOMEM. */
int dtls_public_key_read(struct slice file, uint8_t out[DTLS_SPKI_MAX], size_t *n) MUST_CHECK;
/* Looks whether a pair can be used. Returns 0, -ENOKEY when the private key can not be read (or is
 * encrypted), -EBADMSG when the certificate can not, -EKEYREJECTED when they do not belong together,
 * -ENOTSUP when the key is not of P-256, -ENOMEM. Dates are not looked at. */
int dtls_pair_check(const struct dtls_pair *pair) MUST_CHECK;
/* Looks whether each certificate of ours is in its time; the faults are NOT_YET_VALID, EXPIRED, NONE, and BAD
 * for what can not be read. */
enum dtls_fault dtls_cert_dates(struct slice cert, int64_t wall_s);
/* Looks whether a file of CA certificates can be used. Returns 0, -EBADMSG when none or not all can be
 * read, -EINVAL when one of them is not a CA's (basicConstraints), -ENOMEM. Dates are not looked at. */
int dtls_ca_check(struct slice file) MUST_CHECK;

/* What the filter says of records. */
enum dtls_header { DTLS_HEADER_OK, DTLS_HEADER_BAD, DTLS_HEADER_CLIENT_HELLO };
/* Looks at record headers alone, before any library sees them: known content type, known version,
 * 0 < length <= what is left, epoch-0 handshake records with a message type that a client may get,
 * and nothing that the state has no use for. Gives the verdict on the first record that is refused,
 * or DTLS_HEADER_OK. A session judges record by record, and takes those that pass. */
enum dtls_header dtls_header_check(const uint8_t *datagram, size_t n, bool established);

/* Bytes of random data for the library; its build names this function. */
int lwg_rand_block(unsigned char *out, unsigned int n);
