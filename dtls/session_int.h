/* How a session of the server role begins: the listener makes it. */
#pragma once
#include "dtls/dtls.h"
#include "dtls/wolf_int.h"

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
