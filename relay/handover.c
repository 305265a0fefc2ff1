/* What came to one worker and is another's. */
#include "handover.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "called.h"
#include "crew.h"
#include "lan_session.h"
#include "life.h"
#include "ring.h"
#include "secure.h"
#include "wanted.h"

/* A datagram goes on so often at most: two that disagree shall not play with it. */
#define HOPS_MAX 3

/* What a letter is. */
enum kind { LETTER_DATAGRAM, LETTER_SESSION, LETTER_FLOW };

/* What is sent by a ring; the bytes of a datagram follow. */
struct letter {
	enum kind kind;
	uint32_t port;         /* number of the LAN socket: that of the same place is meant */
	struct lan_key key;    /* where the device is; without who is called, which everybody finds out himself */
	struct addr called;    /* our address that it calls */
	struct handed handed;
	struct lan_session *session; /* LETTER_SESSION: owned, a copy that is in no table */
	struct life_saved *flow;     /* LETTER_FLOW: owned, in one piece with its texts */
};

/* ---- sending ---- */

/* Room for a letter with so many bytes; NULL: it is lost, and counted. */
static struct letter *begin(struct datapath *dp, unsigned to, size_t n)
{
	struct ring *ring = dp->crew->member[to].from[dp->number];
	struct letter *letter = ring_room(ring, sizeof(*letter) + n);
	if (letter == NULL)
		dp->env.stat.drop[DROP_HANDOVER_FULL]++;
	return letter;
}

static void post(struct datapath *dp, unsigned to)
{
	ring_commit(dp->crew->member[to].from[dp->number]);
	crew_ring(&dp->crew->member[to]);
}

static void send_datagram(struct datapath *dp, unsigned to, const struct parcel *p, struct handed handed)
{
	struct letter *letter = begin(dp, to, p->n);
	if (letter == NULL)
		return;
	handed.hops = (uint8_t)(p->handed.hops + 1);
	*letter = (struct letter){ .kind = LETTER_DATAGRAM, .port = p->port->number, .key = p->key,
		.called = p->called, .handed = handed };
	memcpy(letter + 1, p->bytes, p->n);
	post(dp, to);
	dp->env.stat.count[COUNT_HANDED_OVER]++;
}

/* ---- datagrams ---- */

static bool is_elsewhere(const struct datapath *dp, unsigned worker)
{
	return worker != DIRECTORY_NOBODY && worker != dp->number;
}

static bool may_go_on(const struct datapath *dp, const struct parcel *p)
{
	return dp->crew != NULL && !p->handed.is_final && p->handed.hops < HOPS_MAX;
}

bool handover_to_place(struct datapath *dp, const struct parcel *p)
{
	if (!may_go_on(dp, p) || p->handed.to_owner)
		return false;
	struct place place = place_of(&p->key.device, p->key.listener, p->port->is_secure);
	unsigned to = directory_place(dp->crew->directory, &place);
	if (!is_elsewhere(dp, to))
		return false;
	send_datagram(dp, to, p, (struct handed){ 0 });
	return true;
}

bool handover_to_owner(struct datapath *dp, struct slice endpoint, const struct parcel *p)
{
	if (!may_go_on(dp, p))
		return false;
	unsigned to = directory_owner(dp->crew->directory, endpoint);
	if (!is_elsewhere(dp, to))
		return false;
	send_datagram(dp, to, p, (struct handed){ .to_owner = true });
	return true;
}

bool handover_to_location(struct datapath *dp, const char *location, const struct parcel *p)
{
	if (!may_go_on(dp, p))
		return false;
	unsigned to = crew_locates(dp, &p->key, location);
	if (!is_elsewhere(dp, to))
		return false;
	send_datagram(dp, to, p, (struct handed){ .to_owner = true });
	return true;
}

bool handover_to_cid(struct datapath *dp, const struct parcel *p, struct slice cid)
{
	if (!may_go_on(dp, p))
		return false;
	struct place place = place_of_cid(cid.p);
	unsigned to = directory_place(dp->crew->directory, &place);
	if (to == DIRECTORY_NOBODY)
		to = steer_by_cid(&dp->crew->steer, cid.p);
	if (!is_elsewhere(dp, to))
		return false;
	send_datagram(dp, to, p, (struct handed){ 0 });
	return true;
}

bool handover_to_first(struct datapath *dp, const struct parcel *p)
{
	if (!may_go_on(dp, p) || dp->number == 0)
		return false;
	send_datagram(dp, 0, p, (struct handed){ 0 });
	return true;
}

/* ---- a session ---- */

bool handover_session(struct datapath *dp, struct lan_session *s, const char *endpoint)
{
	unsigned to = dp->crew == NULL ? DIRECTORY_NOBODY :
					 directory_owner(dp->crew->directory, slice_str(endpoint));
	if (!is_elsewhere(dp, to))
		return false;
	struct lan_session *copy = malloc(sizeof(*copy));
	struct letter *letter = copy != NULL ? begin(dp, to, 0) : NULL;
	if (letter == NULL) {
		/* The device begins anew, when there is more room. */
		free(copy);
		dtls_forget(&s->dtls);
		return true;
	}
	*copy = *s;
	*letter = (struct letter){ .kind = LETTER_SESSION, .port = s->port->number, .key = s->key,
		.called = s->called, .session = copy };
	s->dtls = NULL;
	post(dp, to);
	dp->env.stat.count[COUNT_HANDED_SESSIONS]++;
	return true;
}

/* ---- a flow ---- */

static size_t text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static const char *put_text(char **at, const char *text)
{
	const char *begin = *at;
	if (text == NULL)
		return NULL;
	memcpy(*at, text, strlen(text) + 1);
	*at += strlen(text) + 1;
	return begin;
}

/* A copy in one piece, or NULL. */
static struct life_saved *keep_row(const struct life_saved *row)
{
	size_t n = text_size(row->endpoint) + text_size(row->server) + text_size(row->listener) +
		text_size(row->calls) + text_size(row->location);
	struct life_saved *copy = malloc(sizeof(*copy) + n);
	if (copy == NULL)
		return NULL;
	char *at = (char *)(copy + 1);
	*copy = *row;
	copy->endpoint = put_text(&at, row->endpoint);
	copy->server = put_text(&at, row->server);
	copy->listener = put_text(&at, row->listener);
	copy->calls = put_text(&at, row->calls);
	copy->location = put_text(&at, row->location);
	copy->cid = (struct slice){ NULL, 0 }; /* of opaque ones, which stay with the first worker */
	return copy;
}

static const char *calls_of(const struct datapath *dp, uint32_t number)
{
	const struct server *s = called_server(dp, number);
	if (number == CALLED_FOREIGN)
		return LIFE_CALLS_FOREIGN;
	return s != NULL ? s->name : NULL;
}

/* The row as it will be where the device is now. False when there is no room: the flow stays. */
static bool send_flow(struct datapath *dp, unsigned to, struct flow *flow, const struct parcel *p)
{
	struct life_saved row;
	life_save(flow, &row, p->now);
	row.device = p->key.device;
	row.ifindex = p->key.ifindex;
	row.called = p->called;
	row.listener = p->port->listener->name;
	row.called_port = p->port->listener->intercepts ? p->port->bound.port : 0;
	row.calls = calls_of(dp, p->key.server);
	row.registered = flow->registered;
	row.is_guest = true;
	struct life_saved *copy = keep_row(&row);
	struct letter *letter = copy != NULL ? begin(dp, to, 0) : NULL;
	if (letter == NULL) {
		free(copy);
		return false;
	}
	life_end(dp, flow, "its device is at another worker's address");
	*letter = (struct letter){ .kind = LETTER_FLOW, .flow = copy };
	post(dp, to);
	dp->env.stat.count[COUNT_HANDED_FLOWS]++;
	return true;
}

/* One that is still here; its routes may go with their flows. */
static struct flow *flow_of(const struct datapath *dp, const char *endpoint)
{
	struct flow *flow = NULL;
	for (struct route *r = NULL; flow == NULL && (r = route_of(dp->routes, endpoint, r)) != NULL;)
		flow = flow_by_id(dp->flows, r->flow);
	return flow;
}

bool handover_flow(struct datapath *dp, struct flow *flow, const struct parcel *p)
{
	char endpoint[ENDPOINT_NAME_MAX + 1];
	if (dp->crew == NULL || p->handed.is_final)
		return false;
	struct place place = place_of(&p->key.device, p->key.listener, p->port->is_secure);
	unsigned to = directory_place(dp->crew->directory, &place);
	if (!is_elsewhere(dp, to))
		return false;
	snprintf(endpoint, sizeof(endpoint), "%s", flow->route->endpoint);
	while ((flow = flow_of(dp, endpoint)) != NULL)
		if (!send_flow(dp, to, flow, p))
			return true; /* the device asks again */
	send_datagram(dp, to, p, (struct handed){ .is_final = true });
	return true;
}

/* ---- receiving ---- */

static void read_datagram(struct datapath *dp, const struct letter *letter, size_t n, struct mono now)
{
	struct parcel p = { .port = wanted_port_by_number(dp, letter->port), .called = letter->called,
		.bytes = (const uint8_t *)(letter + 1), .n = n, .now = now, .handed = letter->handed };
	if (p.port == NULL) {
		dp->env.stat.drop[DROP_LAN_STRANGER]++;
		return;
	}
	p.key = (struct lan_key){ letter->key.device, letter->key.ifindex, p.port->listener->number, 0, 0 };
	datapath_take(dp, &p);
}

static void read_session(struct datapath *dp, const struct letter *letter, struct mono now)
{
	struct lan_session *s = letter->session;
	s->port = wanted_port_by_number(dp, letter->port);
	if (s->port != NULL)
		secure_adopt_session(dp, s, now);
	else
		dtls_forget(&s->dtls);
	free(s);
}

static void read_flow(struct datapath *dp, const struct letter *letter, struct mono now)
{
	int rc = life_restore(dp, letter->flow, 0, now);
	if (rc != 0)
		log_debug("flow: %s is lost on its way to another worker", letter->flow->endpoint);
	free(letter->flow);
}

void handover_read(struct datapath *dp, struct slice message, struct mono now)
{
	const struct letter *letter = (const struct letter *)(const void *)message.p;
	switch (letter->kind) {
	case LETTER_DATAGRAM:
		read_datagram(dp, letter, message.n - sizeof(*letter), now);
		return;
	case LETTER_SESSION:
		read_session(dp, letter, now);
		return;
	case LETTER_FLOW:
		read_flow(dp, letter, now);
		return;
	}
	BUG("unknown kind of letter");
}

void handover_forget(struct slice message)
{
	const struct letter *letter = (const struct letter *)(const void *)message.p;
	if (letter->session != NULL)
		dtls_forget(&letter->session->dtls);
	free(letter->session);
	free(letter->flow);
}
