/* What a batch will look at is asked for at first. */
#include "ahead.h"
#include "datapath.h"
#include "lan_session.h"

static void soon_plain(const struct datapath *dp, const struct lan_port *port,
	struct udp_batch *batch, unsigned n)
{
	uint32_t place[LAN_BATCH];
	const struct flow *flow[LAN_BATCH];
	for (unsigned i = 0; i < n; i++) {
		struct lan_key key = lan_key_of(port, udp_batch_slot(batch, i));
		place[i] = flow_fetch_place(dp->flows, &key);
	}
	for (unsigned i = 0; i < n; i++)
		flow[i] = flow_fetch_at(dp->flows, place[i]);
	for (unsigned i = 0; i < n; i++)
		if (flow[i] != NULL)
			wan_fetch(&flow[i]->wan);
}

/* The same where the device has a session, which knows the flow. */
static void soon_secure(const struct datapath *dp, const struct lan_port *port,
	struct udp_batch *batch, unsigned n)
{
	struct lan_session *const *chain[LAN_BATCH];
	const struct lan_session *session[LAN_BATCH];
	const struct flow *flow[LAN_BATCH] = { NULL };
	for (unsigned i = 0; i < n; i++) {
		struct lan_key key = lan_key_of(port, udp_batch_slot(batch, i));
		chain[i] = lan_session_fetch_chain(dp->sessions, &key);
	}
	for (unsigned i = 0; i < n; i++)
		session[i] = lan_session_fetch(chain[i]);
	for (unsigned i = 0; i < n; i++) {
		if (session[i] == NULL || session[i]->dtls == NULL)
			continue;
		dtls_prefetch(session[i]->dtls);
		flow[i] = flow_fetch_id(dp->flows, session[i]->flow);
	}
	for (unsigned i = 0; i < n; i++)
		if (flow[i] != NULL)
			wan_fetch(&flow[i]->wan);
}

void ahead_of_batch(const struct datapath *dp, const struct lan_port *port, struct udp_batch *batch, unsigned n)
{
	if (port->is_transparent || port->listener->intercepts)
		return; /* who calls others has another key */
	if (port->is_secure)
		soon_secure(dp, port, batch, n);
	else
		soon_plain(dp, port, batch, n);
}
