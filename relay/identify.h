/* Who has come with DTLS: what a handshake has shown against the table of identities (DESIGN.md 6, rule 2).
 * Devices with a certificate may be welcome though no section names them; their names make room for
 * others when they have left. */
#pragma once
#include <stdbool.h>
#include "base/cursor.h"

struct datapath;
struct identity;
struct lan_session;

/* Whom the handshake has proven; NULL: nobody that we know. */
struct identity *identify(struct datapath *dp, const struct lan_session *s);
/* Somebody is here by that name, or has a flow that waits for him. */
bool identify_is_used(const struct datapath *dp, const struct identity *id);
