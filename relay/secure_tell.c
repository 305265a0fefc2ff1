/* What people are told of devices with DTLS. */
#include <string.h>
#include "base/log.h"
#include "datapath.h"
#include "identity.h"
#include "lan_session.h"
#include "reason.h"
#include "secure_int.h"

/* RFC 4279 6. */
#define UNKNOWN_PSK_IDENTITY 115

static void count(struct datapath *dp, enum count what)
{
	dp->env.stat.count[what]++;
}

/* The beginning of a name that a stranger gave, fit for a log. */
static const char *shorten(struct slice name, char text[IDENTITY_SHOWN + 4])
{
	size_t n = name.n < IDENTITY_SHOWN ? name.n : IDENTITY_SHOWN;
	for (size_t i = 0; i < n; i++)
		text[i] = name.p[i] > 0x20 && name.p[i] < 0x7f ? (char)name.p[i] : '?';
	memcpy(text + n, name.n > n ? "..." : "", name.n > n ? 4 : 1);
	return text;
}

void secure_tell_refused(struct datapath *dp, const struct lan_session *s, const char *why,
	struct mono now)
{
	char from[ADDR_TEXT], name[IDENTITY_SHOWN + 4];
	struct slice called = dtls_identity(s->dtls);
	bool is_named = called.n > 0 || dtls_peer_name(s->dtls, 0, &called);
	notice(&dp->notices, NOTICE_REFUSED, LOG_LEVEL_WARN, now,
		"lan: the device at %s%s%s was refused: %s", addr_print(&s->key.device, from),
		is_named ? " that calls itself " : "", is_named ? shorten(called, name) : "", why);
}

/* A record of the handshake is not authentic though the device has named itself: most likely its key is
 * another one. wolfSSL goes on waiting for a better record, until the deadline. */
void secure_tell_wrong_key(struct datapath *dp, struct lan_session *s, struct mono now)
{
	if (s->is_told || dtls_state(s->dtls) != DTLS_HANDSHAKE || dtls_identity(s->dtls).n == 0 ||
		dtls_dropped(s->dtls, DTLS_DROP_RECORD) == 0)
		return;
	s->is_told = true;
	count(dp, COUNT_DEVICE_WRONG_KEY);
	secure_tell_refused(dp, s, "its key is another one", now);
}

/* Whoever installed the gateway's certificate sees nothing at a device. */
static void tell_refusing(struct datapath *dp, const struct lan_session *s, struct mono now)
{
	char from[ADDR_TEXT];
	notice(&dp->notices, NOTICE_REFUSES_US, LOG_LEVEL_WARN, now,
		"lan: the device at %s refused us: %s", addr_print(&s->key.device, from),
		reason_of_alert(dtls_alert(s->dtls)));
}

/* The handshake came to nothing: a stranger, a bad credential, or somebody who left. */
void secure_tell_failure(struct datapath *dp, const struct lan_session *s, struct mono now)
{
	bool is_unknown = dtls_alert(s->dtls) == UNKNOWN_PSK_IDENTITY ||
		dtls_why(s->dtls) == DTLS_FAULT_UNKNOWN_KEY;
	const char *why = reason_of_fault(dtls_why(s->dtls));
	if (s->is_told)
		return;
	count(dp, is_unknown ? COUNT_DEVICE_UNKNOWN :
		why != NULL  ? COUNT_DEVICE_BAD_CERTIFICATE :
			       COUNT_DEVICE_HALF_OPEN);
	if (why != NULL)
		secure_tell_refused(dp, s, why, now);
	else if (reason_of_alert(dtls_alert(s->dtls)) != NULL)
		tell_refusing(dp, s, now);
	else if (is_unknown)
		secure_tell_refused(dp, s, "no endpoint has that lan_identity", now);
}

void secure_tell_proven(struct datapath *dp, const struct lan_session *s, bool again,
	struct mono now)
{
	char from[ADDR_TEXT];
	notice(&dp->notices, NOTICE_SESSION, LOG_LEVEL_INFO, now, "lan: %s: %s session from %s, %s",
		s->identity->endpoint, again ? "new secure" : "secure",
		addr_print(&s->key.device, from), dtls_suite(s->dtls));
}
