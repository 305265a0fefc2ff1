/* DTLS towards devices: records in, messages up, messages down as records (DESIGN.md 5, step 4; rules 2,
 * 3 and 12). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"
#include "base/cursor.h"
#include "base/mono.h"
#include "dtls/dtls.h"

struct datapath;
struct flow;
struct identities;
struct lan_session;
struct listener;
struct parcel;
struct routes;

/* Takes a datagram that came to a port for DTLS; messages in it go up by datapath_up. */
void secure_up(struct datapath *dp, struct parcel *p);
/* Sends one message to the session's device. Returns 0, -EMSGSIZE, or -ENOTCONN when it is over. */
int secure_send(struct lan_session *s, const uint8_t *bytes, size_t n) MUST_CHECK;

/* Takes a session that another worker made, with its dtls, port, key, called address and connection id: the
 * endpoint is this worker's. */
void secure_adopt_session(struct datapath *dp, struct lan_session *from, struct mono now);

/* Endpoints that no section names, be it in the new routes, and that are here, go into a new table too;
 * before flows are judged by it. */
void secure_adopt(struct datapath *dp, struct identities *identities, const struct routes *routes);
/* Takes a new table of identities into use. Sessions of the same credential stay; others end with a
 * close_notify, as do those whose port or listener is leaving, and handshakes under way end. */
void secure_apply(struct datapath *dp, struct identities *identities);
/* Ends all sessions, each with a close_notify, or those of one listener. */
void secure_end_all(struct datapath *dp, const struct listener *only);

/* Who devices are, for a listener; psk_who is the datapath. */
const struct dtls_psk *secure_find_psk(void *psk_who, struct slice identity);
/* True for the raw public key of an endpoint. */
bool secure_find_key(void *psk_who, struct slice spki);
/* The callbacks that a listener needs. */
extern const struct dtls_calls secure_dtls_calls;
