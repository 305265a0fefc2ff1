/* The door to wolfSSL: DTLS 1.2 with PSK, one record in at a time, datagrams out. Nothing of the
 * library shows here. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "dtls/dtls.h"

/* What sessions share. */
struct wolf_profile;
/* One session. */
struct wolf;
/* What it knows of its peer. */
struct wolf_known;

struct wolf_spec {
	struct dtls_psk psk;     /* a client's, borrowed as long as the session lives */
	struct dtls_pair pair;   /* a client's, borrowed for the call */
	const char *server_name; /* SNI, or NULL; copied */
	void (*send)(void *who, const uint8_t *datagram, size_t n);
	void *who; /* handed to send */
};

/* What came of a call. */
enum wolf_result {
	WOLF_NOTHING, /* taken, more is wanted */
	WOLF_DROPPED, /* not authentic, repeated, too old, or too large */
	WOLF_UP,      /* the handshake is done */
	WOLF_BYTES,   /* an authentic record of application data */
	WOLF_CLOSED,  /* an authentic close_notify */
	WOLF_FAILED   /* a fatal alert or error; the session is of no more use */
};

/* Makes the shared part of client sessions. Results as dtls_profile_create's. */
int wolf_profile_create(
	struct wolf_profile **profile, const struct dtls_profile_spec *spec) MUST_CHECK;
void wolf_profile_free(struct wolf_profile *profile);

/* Makes a client session; says nothing yet. Returns 0, -ENOMEM, or what the pair brings
 * (dtls_connect). */
int wolf_create(
	struct wolf **w, struct wolf_profile *profile, const struct wolf_spec *spec) MUST_CHECK;
/* Ends it without a word. NULL is allowed. */
void wolf_free(struct wolf *w);

/* Makes the shared part of server sessions. Results as dtls_listener_create's. */
int wolf_server_create(struct wolf_profile **profile, const struct dtls_listener_spec *spec,
	enum dtls_version version) MUST_CHECK;
/* What a server shows to one client, beside PSK. */
enum wolf_offer {
	WOLF_OFFER_NOTHING, /* PSK alone */
	WOLF_OFFER_CERT,    /* its certificate */
	WOLF_OFFER_KEY      /* its raw public key */
};
/* Chooses it by the certificate types that the ClientHello names (struct header_hello). */
enum wolf_offer wolf_offer_for(const struct wolf_profile *profile, struct slice server_types,
	struct slice client_types) MUST_CHECK;
/* True when that profile ever speaks of certificates or raw keys. */
bool wolf_has_certs(const struct wolf_profile *profile) MUST_CHECK;

/* What a session is made with that wolfSSL lets nobody change. */
struct wolf_waiting {
	struct slice secret;   /* of cookies */
	struct slice cid;      /* our connection id */
	enum wolf_offer offer; /* for the client that will come */
};
/* Makes an object that waits for a ClientHello. Returns 0 or -ENOMEM. */
int wolf_listen(struct wolf **w, struct wolf_profile *profile, const struct wolf_waiting *waiting,
	const struct wolf_spec *spec) MUST_CHECK;
/* Gives it a ClientHello from a peer, and apart the suites that it offers. WOLF_UP: the cookie was good,
 * w is a session in its handshake now. WOLF_NOTHING: answered or ignored. WOLF_FAILED: w is of no
 * more use; with wolf_is_proven the cookie was good nevertheless (DTLS 1.3: the key was not). */
enum wolf_result wolf_hello(struct wolf *w, struct slice record, struct slice suites,
	struct slice peer) MUST_CHECK;
bool wolf_is_proven(const struct wolf *w);
/* Where w sends from now on. */
void wolf_redirect(
	struct wolf *w, void (*send)(void *who, const uint8_t *datagram, size_t n), void *who);

/* Carries the handshake on with one record, or begins it with an empty slice. */
enum wolf_result wolf_handshake(struct wolf *w, struct slice record) MUST_CHECK;
/* Sends the last flight again. Returns false when the session is of no more use. */
bool wolf_repeat(struct wolf *w) MUST_CHECK;
/* The same after the handshake, where a server's last flight may have been lost. */
bool wolf_repeat_last(struct wolf *w) MUST_CHECK;
/* Takes one protected record; with WOLF_BYTES, *n bytes stand in room. */
enum wolf_result wolf_read(
	struct wolf *w, struct slice record, uint8_t *room, size_t size, size_t *n) MUST_CHECK;
/* Sends n bytes as one record. Returns false when the session is of no more use. */
bool wolf_write(struct wolf *w, const uint8_t *bytes, size_t n) MUST_CHECK;
/* Sends close_notify. */
void wolf_close(struct wolf *w);

/* ---- DTLS 1.3: the number of a record (wolf_number.c) ---- */

/* A record and the number that is hidden in its header. */
struct wolf_hidden {
	struct slice record; /* header and body, borrowed */
	struct slice body;   /* what is protected, a part of it */
	size_t at;           /* where the number stands in the record */
	size_t width;        /* its bytes, 1 or 2 */
};
/* Bytes of the body that hide the number. */
#define WOLF_MASK 16
/* What the number of the record with that body is hidden with, in the epoch that is known of the
 * peer; false when nobody knows. */
bool wolf_number_mask(struct wolf *w, struct slice body, uint8_t mask[WOLF_MASK]) MUST_CHECK;
/* True when the record proves that the peer has gone on to its next epoch: that is known from then on. */
bool wolf_next_epoch(struct wolf *w, const struct wolf_hidden *hidden) MUST_CHECK;

enum dtls_version wolf_version(const struct wolf *w);
/* True while the peer has not acknowledged a message of ours: wolf_repeat sends it again. Never with
 * DTLS 1.2. */
bool wolf_is_waiting(const struct wolf *w);
/* IANA name of the suite that was agreed. */
const char *wolf_suite(const struct wolf *w);
/* Length of the peer's connection id, or -1 when there is none or it is empty. */
int wolf_peer_cid(const struct wolf *w);
/* True when the peer uses the connection id that we gave it. */
bool wolf_has_own_cid(const struct wolf *w);
/* Description of an alert that the peer should get, since wolfSSL ended the session and says nothing
 * to it: nobody knew its identity, or it gave no certificate. -1 for none. */
int wolf_unsaid(const struct wolf *w);
/* Description of the alert that ended the session, the peer's or ours, or -1. */
int wolf_alert(const struct wolf *w);

/* ---- leaving wolfSSL ---- */

struct record12;
/* Gives what protects the records of a session that is up. False for one that record12.c can not carry: DTLS 1.3,
 * CBC, or an id that is too long. */
bool wolf_keys(const struct wolf *w, struct record12 *record) MUST_CHECK;
/* What w knows of its peer: w's, and the caller's behind wolf_leave. */
struct wolf_known *wolf_known(const struct wolf *w);
/* Ends w without a word, but for that. NULL when nothing is known but that the peer has the pre-shared key. */
struct wolf_known *wolf_leave(struct wolf *w) MUST_CHECK;
/* NULL is allowed. */
void wolf_known_free(struct wolf_known *known);

/* What the client called itself; empty before it did. Here and below NULL is what wolf_leave says. */
struct slice wolf_identity(const struct wolf_known *known);
/* See dtls.h. */
enum dtls_security wolf_security(const struct wolf_known *known);
struct slice wolf_public_key(const struct wolf_known *known);
bool wolf_peer_name(const struct wolf_known *known, size_t i, struct slice *name);
enum dtls_fault wolf_why(const struct wolf_known *known);
