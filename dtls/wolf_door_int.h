/* What the files behind the door to wolfSSL share. */
#pragma once
#include "dtls/aead_int.h"
#include "dtls/wolf_int.h"
/* Behind base/bug.h, which brings stdlib.h: wolfSSL asks for "limits.h", and gets the relay's. */
#include "dtls/wolf_cert_int.h"

struct wolf_profile {
	struct WOLFSSL_CTX *ctx;
	enum dtls_version version;
	struct WOLFSSL_CTX *raw; /* a server's: for clients that want its raw public key; or NULL */
	bool cid;         /* offer one, or take one that is offered */
	bool is_server;
	enum dtls_security security; /* a client's */
	struct wolf_trust *trust;    /* NULL: PSK alone */
	/* A server's; see struct dtls_listener_spec. */
	const struct dtls_psk *(*find_psk)(void *who, struct slice identity);
	void *who;
};

/* What stays of a peer when its session has left wolfSSL. */
struct wolf_known {
	struct slice identity;       /* the client's, owned; empty before it gave one */
	enum dtls_security security; /* what is offered, where the proof names none */
	struct wolf_proof proof;
};

struct wolf {
	struct WOLFSSL *ssl;
	struct wolf_known *known; /* owned */
	struct wolf_spec spec;
	struct slice in;              /* the record that wolfSSL may fetch, or empty */
	struct wolf_profile *profile; /* borrowed */
	bool is_server;
	const char *suite; /* the one for this client, by wolfSSL's name; a server's of DTLS 1.3 */
	bool is_named; /* a server's: the client gave an identity */
	bool stranger; /* nobody knows that identity */
	bool proven;   /* the cookie was good; a server's of DTLS 1.3 */
	struct wolf_numbers *numbers; /* what hides the client's; DTLS 1.3, NULL: not known */
};

/* A suite of DTLS 1.2 that we offer. */
struct wolf_suite12 {
	int number;       /* IANA's; wolfSSL's own name of a suite depends on how it was built */
	const char *name; /* IANA's */
	bool is_psk;
	bool is_aead;     /* else CBC */
	enum aead cipher; /* where is_aead */
};

/* That of a session, or NULL. */
const struct wolf_suite12 *wolf_suite12(struct WOLFSSL *ssl);

/* Looks a client's key up, as find_psk gives it; its length, or 0 for a stranger. */
unsigned wolf_look_up(struct wolf *w, const char *identity, unsigned char *key, unsigned key_max);
/* Gives a client's own identity and key; the key's length, or 0 when they do not fit. */
unsigned wolf_tell_psk(const struct dtls_psk *psk, char *identity, unsigned identity_max,
	unsigned char *key, unsigned key_max);

/* ---- DTLS 1.3: wolf_number.c ---- */

/* Lets a session learn what hides the peer's record numbers. */
bool wolf_numbers_setup(struct wolf *w) MUST_CHECK;
/* Wipes that. */
void wolf_numbers_free(struct wolf *w);

/* ---- DTLS 1.3: wolf13.c ---- */

/* True when the library speaks it. Nothing else here may be called without. */
bool wolf13_is_there(void);
/* How the library makes a context for it. */
WOLFSSL_METHOD *(*wolf13_method(bool is_server))(void);
/* Fits it for PSK. Returns 0, or -ENOTSUP. */
int wolf13_profile_setup(struct WOLFSSL_CTX *ctx, bool is_server, bool no_dhe) MUST_CHECK;
/* Fits one session, or one that waits for hellos under a secret. */
bool wolf13_session_setup(struct wolf *w) MUST_CHECK;
bool wolf13_wait(struct wolf *w, struct slice secret) MUST_CHECK;
/* Chooses the suite for a client that offers these; false when none is common. */
bool wolf13_choose(struct wolf *w, struct slice suites) MUST_CHECK;
/* Sends again what the peer has not acknowledged. */
bool wolf13_repeat(struct wolf *w) MUST_CHECK;
/* True when a session that came up did so by its key and by nothing else. */
bool wolf13_is_psk(const struct wolf *w) MUST_CHECK;
/* True while there is something that the peer has not acknowledged. */
bool wolf13_is_waiting(const struct wolf *w);
/* IANA name of a suite's number, or NULL. */
const char *wolf13_suite(int number);
/* True when a call ended because data came: a peer may speak before our handshake is done. */
bool wolf13_is_early(int error);
