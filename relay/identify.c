/* Who has come with DTLS. */
#include "identify.h"
#include "datapath.h"
#include "identity.h"
#include "lan_session.h"

bool identify_is_used(const struct datapath *dp, const struct identity *id)
{
	const struct route *r = route_of(dp->routes, id->endpoint, NULL);
	return identity_is_here(id) || (r != NULL && flow_by_id(dp->flows, r->flow) != NULL);
}

/* Names of devices that left make room for others. */
static void forget_unused(struct datapath *dp)
{
	struct identity *next = identity_next_dynamic(dp->identities, NULL);
	while (next != NULL) {
		struct identity *id = next;
		next = identity_next_dynamic(dp->identities, id);
		if (!identify_is_used(dp, id))
			identity_forget(dp->identities, id);
	}
}

/* An endpoint that no section names, and that a listener takes all the same. */
static struct identity *welcome(struct datapath *dp, const struct lan_session *s, struct slice name)
{
	const struct listener *l = s->port->listener;
	if (!l->accepts_unknown || l->server == NULL || !route_is_name(name) ||
		route_is_configured(dp->routes, name))
		return NULL;
	struct identity *id = identity_dynamic(dp->identities, name);
	if (id == NULL) {
		forget_unused(dp);
		id = identity_dynamic(dp->identities, name);
	}
	return id;
}

/* The first of the certificate's names that an endpoint has: the subject's CN, then those of the SAN. */
static struct identity *certified(struct datapath *dp, const struct lan_session *s)
{
	struct slice name;
	struct identity *id = NULL;
	for (size_t i = 0; id == NULL && dtls_peer_name(s->dtls, i, &name); i++) {
		id = identity_by_endpoint(dp->identities, name);
		if (id != NULL && id->is_dynamic && !s->port->listener->accepts_unknown)
			id = NULL; /* welcome elsewhere */
	}
	if (id == NULL && dtls_peer_name(s->dtls, 0, &name))
		id = welcome(dp, s, name);
	return id;
}

struct identity *identify(struct datapath *dp, const struct lan_session *s)
{
	switch (dtls_security_of(s->dtls)) {
	case DTLS_PSK:
		return identity_by_psk(dp->identities, dtls_identity(s->dtls));
	case DTLS_RPK:
		return identity_by_key(dp->identities, dtls_public_key(s->dtls));
	case DTLS_X509:
		return certified(dp, s);
	}
	BUG("unknown kind of credential");
}
