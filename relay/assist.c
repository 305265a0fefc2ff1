/* The relay's own Update after a change of our address.
 *
 *   state   means                                     left when
 *   IDLE    the server knows where the device is, or   our address changes -> WANTED
 *           will not be told
 *   WANTED  an Update is due, once the association     sent -> SENT; the device's own was answered -> IDLE
 *           is up
 *   SENT    it is under way, and repeated              answered -> IDLE, by an empty ACK -> HAS_IT; never, or
 *           (RFC 7252 4.2)                             refused -> IDLE; the association went -> WANTED
 *   HAS_IT  the server has it, its answer comes apart  answered -> IDLE; never -> IDLE
 *
 * Message ids. A server tells copies by address and id (RFC 7252 4.5), so ours must be one that the device has
 * not used for 247 s, and will not use for as long. What it used is remembered; what it will use is guessed:
 * devices count up, and half of all ids lies between its last one and ours. What is left: a device that draws
 * its ids at random, or that boots and begins to count elsewhere, meets one of ours with a chance of 1 in
 * 65536 for each message of 247 s. A server may then answer it with our 2.04, which is eaten; the device
 * repeats in vain, and goes on with its next id. Ids that an earlier flow of the same device used, which
 * deregistered and came back within 247 s, are not remembered either. */
#include "assist.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/rand.h"
#include "datapath.h"
#include "life.h"
#include "track.h"
#include "udp.h"

/* Message ids are remembered modulo this: one that was used is always found, another one seldom. */
#define IDS 2048U
/* Bytes of our Update: header, token, and a Location where each '/' became the head of an option. */
#define UPDATE_MAX (4 + 8 + LOCATION_MAX + REG_SEGMENTS)

enum state { IDLE, WANTED, SENT, HAS_IT };

/* An Update that we sent. */
struct exchange {
	struct mono until; /* its answers are known until then; passed: the place is free */
	uint16_t mid;
	uint8_t token[8];
	bool is_doubtful; /* the device used the same id since: an ACK without a token may be for it */
};

struct assist {
	enum state state;
	struct mono due;         /* the next thing to do; MONO_NEVER: nothing, or not before it is up */
	int64_t pause_ms;        /* before the next copy */
	unsigned copies;         /* sent so far */
	struct exchange *latest; /* in SENT and HAS_IT: the one under way */
	struct exchange exchange[ASSIST_EXCHANGES];
	struct addr from;        /* where it was sent from */
	size_t n;                /* its bytes */
	uint8_t bytes[UPDATE_MAX];

	struct addr seen;        /* our address as the server knows it, where is_seen */
	bool is_seen;
	bool is_restored;        /* seen is of before a restart: it is looked at once the association is up */
	struct addr tried;       /* for which an Update was begun last, not answered with success; or any */
	bool is_unknown;         /* the server said that it does not know the Location */

	bool has_asked;          /* the device sent a Register or Update, by what follows */
	uint16_t asked_mid;
	struct addr asked_from;  /* our address then; any: there was none */
	struct mono asked_first;
	struct mono asked_at;    /* the last copy of it, or of a Deregister */

	uint16_t last_mid;       /* that the device used last; at random before */
	struct mono known_from;  /* all that it used in 247 s are remembered from then on */
	struct mono turned;      /* when ids[0] was begun; ids[1] is of 247 s before */
	uint8_t ids[2][IDS / 8];
};

/* ---- message ids ---- */

static void ids_turn(struct assist *a, struct mono now)
{
	int64_t age = mono_since(a->turned, now);
	if (age < ASSIST_MEMORY_MS)
		return;
	bool is_late = age >= 2 * ASSIST_MEMORY_MS;
	if (is_late)
		memset(a->ids[1], 0, sizeof(a->ids[1]));
	else
		memcpy(a->ids[1], a->ids[0], sizeof(a->ids[1]));
	memset(a->ids[0], 0, sizeof(a->ids[0]));
	a->turned = is_late ? now : mono_add(a->turned, ASSIST_MEMORY_MS);
}

static void ids_note(struct assist *a, uint16_t mid, struct mono now)
{
	ids_turn(a, now);
	a->ids[0][mid % IDS / 8] |= (uint8_t)(1U << mid % 8);
}

static bool ids_has(const struct assist *a, uint16_t mid)
{
	return ((a->ids[0][mid % IDS / 8] | a->ids[1][mid % IDS / 8]) >> mid % 8 & 1) != 0;
}

/* An id far from where the device counts; false when all may have been used. */
static bool ids_choose(struct assist *a, uint16_t *mid, struct mono now)
{
	uint16_t from = (uint16_t)(a->last_mid + 0x8000U - IDS + rand_below(IDS));
	ids_turn(a, now);
	for (unsigned i = 0; i < IDS; i++) {
		*mid = (uint16_t)(from + i);
		if (!ids_has(a, *mid))
			return true;
	}
	return false;
}

/* ---- whom it is for ---- */

/* The address that the server sees; any while there is none, or no way to the server. */
static struct addr source_of(const struct flow *f)
{
	struct addr source;
	if (!f->wan.has_socket || udp_local(f->wan.fd, &source) != 0)
		return addr_any(true, 0);
	return source;
}

/* The flow's memory, made when it is needed first; NULL where there is none, and never will be: flows that are
 * opaque, or towards a bootstrap server. */
static struct assist *assist_get(struct flow *f, struct mono now)
{
	if (f->assist != NULL || f->opaque != NULL || f->route->is_bootstrap)
		return f->assist;
	struct assist *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	bool is_new = f->up.messages == 0 && f->location == NULL; /* else what it used is unknown */
	a->known_from = is_new ? now : mono_add(f->last_up, ASSIST_MEMORY_MS);
	a->due = MONO_NEVER;
	a->turned = now;
	a->last_mid = (uint16_t)rand_below(0x10000);
	a->seen = source_of(f);
	a->is_seen = !addr_is_any(&a->seen);
	a->tried = addr_any(true, 0);
	f->assist = a;
	return a;
}

/* The registration is one that an Update of ours can keep: POST to anything but /rd/... means something
 * else. One whose lifetime is over is left alone: a server may wait a little longer, for the device. */
static bool is_served(const struct flow *f, struct mono now)
{
	static const char rd[] = "/rd/";
	return f->wan.server->assist_update && f->is_live && f->location != NULL &&
		strncmp(f->location, rd, sizeof(rd) - 1) == 0 &&
		f->location[sizeof(rd) - 1] != '\0' &&
		(f->expires.ms == MONO_NEVER.ms ||
			!mono_reached(mono_add(f->expires, -LIFETIME_GRACE_S * 1000LL), now));
}

/* A session that the server can not know at our new address must go first. */
static bool is_ready(const struct flow *f)
{
	return wan_is_up(&f->wan) && !f->wan.must_renew;
}

static uint64_t *counted(struct flow *f, enum count what)
{
	return &f->wan.env->stat.count[what];
}

/* ---- our Update ---- */

static void put_segment(struct writer *w, unsigned delta, const char *text, size_t n)
{
	put_u8(w, (uint8_t)(delta << 4 | (n < 13 ? n : 13)));
	if (n >= 13)
		put_u8(w, (uint8_t)(n - 13));
	put_bytes(w, text, n);
}

/* CON POST to the Location, nothing else. */
static void compose(struct assist *a, const char *location)
{
	struct writer w = put_into(a->bytes, sizeof(a->bytes));
	unsigned delta = MSG_OPT_URI_PATH;
	put_u8(&w, 1U << 6 | MSG_CON << 4 | sizeof(a->latest->token));
	put_u8(&w, MSG_POST);
	put_u16(&w, a->latest->mid);
	put_bytes(&w, a->latest->token, sizeof(a->latest->token));
	while (*location == '/') {
		size_t n = strcspn(++location, "/");
		put_segment(&w, delta, location, n);
		location += n;
		delta = 0;
	}
	BUG_UNLESS(!w.broken);
	a->n = put_len(&w);
}

static bool has_token(const struct exchange *e, struct slice token)
{
	return slice_eq(token, (struct slice){ e->token, sizeof(e->token) });
}

/* A random token that neither the device's request under way has, nor another one of ours. */
static void choose_token(const struct flow *f, struct exchange *e)
{
	bool is_taken;
	do {
		rand_bytes(e->token, sizeof(e->token));
		is_taken = has_token(e, (struct slice){ f->asked.token, f->asked.token_n });
		for (size_t i = 0; i < ASSIST_EXCHANGES; i++) {
			const struct exchange *o = &f->assist->exchange[i];
			is_taken |= o != e &&
				has_token(e, (struct slice){ o->token, sizeof(o->token) });
		}
	} while (is_taken);
}

static struct exchange *place_free(struct assist *a, struct mono now)
{
	for (size_t i = 0; i < ASSIST_EXCHANGES; i++)
		if (mono_reached(a->exchange[i].until, now))
			return &a->exchange[i];
	return NULL;
}

static void stop(struct assist *a)
{
	a->state = IDLE;
	a->latest = NULL;
	a->due = MONO_NEVER;
}

/* What was begun, or was to be, is not wanted any more. */
static void left_off(struct flow *f)
{
	*counted(f, COUNT_ASSISTS_NEEDLESS) += f->assist->state != IDLE;
	stop(f->assist);
}

static void want(struct assist *a, struct mono due)
{
	a->state = WANTED;
	a->latest = NULL;
	a->due = due;
}

/* One copy. What can not be sent counts as lost on the way. */
static void transmit(struct flow *f, struct mono now)
{
	struct assist *a = f->assist;
	wan_note_con(&f->wan, a->latest->mid, now);
	int rc = wan_send(&f->wan, a->bytes, a->n, now);
	if (rc != 0)
		log_debug("assist: %s: an Update was not sent: %s", f->route->endpoint, strerror(-rc));
	a->copies++;
	a->due = mono_add(now, a->pause_ms);
	a->pause_ms *= 2;
}

/* When the Update of a flow in WANTED can be sent; now: at once. */
static struct mono may_begin(const struct flow *f, struct mono now)
{
	const struct assist *a = f->assist;
	struct mono yield = mono_add(a->asked_at, ASSIST_YIELD_MS);
	if (!is_ready(f))
		return MONO_NEVER; /* assist_is_up goes on */
	if (!mono_reached(a->known_from, now))
		return a->known_from;
	if (f->asked.kind != REG_OTHER && !mono_reached(yield, now))
		return yield; /* the device itself is about to tell the server */
	return now;
}

static void begin(struct flow *f, struct mono now)
{
	struct assist *a = f->assist;
	uint16_t mid;
	a->due = may_begin(f, now);
	if (!mono_reached(a->due, now))
		return;
	struct exchange *e = place_free(a, now);
	a->from = source_of(f);
	if (e == NULL || addr_is_any(&a->from) || !ids_choose(a, &mid, now)) {
		a->due = mono_add(now, ASSIST_AGAIN_MS);
		return;
	}
	*e = (struct exchange){ .until = mono_add(now, ASSIST_MEMORY_MS), .mid = mid };
	choose_token(f, e);
	ids_note(a, mid, now);
	a->state = SENT;
	a->latest = e;
	compose(a, f->location);
	a->is_seen = false; /* from now on the server may know us by either address */
	a->copies = 0;
	a->pause_ms = ASSIST_ACK_MS + rand_below(ASSIST_ACK_MS / 2 + 1); /* RFC 7252 4.2 */
	(*counted(f, COUNT_ASSISTS))++;
	log_debug("assist: %s: an Update of ours goes to %s", f->route->endpoint, f->location);
	transmit(f, now);
}

static void give_up(struct datapath *dp, struct flow *f, struct mono now)
{
	(*counted(f, COUNT_ASSISTS_SILENT))++;
	notice(&dp->notices, NOTICE_ASSIST, LOG_LEVEL_INFO, now,
		"assist: %s: %s did not answer an Update after our address changed",
		f->route->endpoint, f->wan.server->name);
	stop(f->assist);
}

void assist_tick(struct datapath *dp, struct flow *f, struct mono now)
{
	struct assist *a = f->assist;
	if (a == NULL || !mono_reached(a->due, now))
		return;
	if (!is_served(f, now)) {
		left_off(f);
		return;
	}
	switch (a->state) {
	case IDLE:
		a->due = MONO_NEVER;
		break;
	case WANTED:
		begin(f, now);
		break;
	case SENT:
		if (!is_ready(f))
			want(a, MONO_NEVER);
		else if (a->copies > ASSIST_RETRANSMISSIONS)
			give_up(dp, f, now);
		else
			transmit(f, now);
		break;
	case HAS_IT:
		give_up(dp, f, now);
		break;
	}
}

struct mono assist_due(const struct flow *f)
{
	return f->assist->due;
}

static void look(struct flow *f, uint32_t spread_ms, struct mono now);

/* Restored flows come up one after the other: that is pace enough. */
static void look_restored(struct flow *f, struct mono now)
{
	if (f->assist->is_restored && is_served(f, now))
		look(f, 0, now);
	f->assist->is_restored = false;
}

void assist_is_up(struct flow *f, struct mono now)
{
	struct assist *a = f->assist;
	if (a == NULL)
		return;
	a->asked_at = now; /* what the device asked before goes up now */
	look_restored(f, now);
	if (a->state == WANTED && a->due.ms == MONO_NEVER.ms)
		a->due = now;
}

void assist_stop(struct flow *f)
{
	if (f->assist == NULL)
		return;
	left_off(f);
	f->assist->tried = addr_any(true, 0);
}

void assist_end(struct flow *f)
{
	free(f->assist);
	f->assist = NULL;
}

/* ---- our address ---- */

/* What an address event means for the flow; the same event may come many times. */
static void look(struct flow *f, uint32_t spread_ms, struct mono now)
{
	struct assist *a = f->assist;
	struct addr source = source_of(f);
	if (addr_is_any(&source))
		return; /* no way to the server: there will be another event */
	if (a->is_seen && addr_same_host(&source, &a->seen)) {
		a->tried = addr_any(true, 0);
		left_off(f);
		return;
	}
	if (addr_same_host(&source, &a->tried) || a->is_unknown)
		return;
	a->tried = source;
	want(a, mono_add(now, rand_below(spread_ms + 1)));
}

void assist_move(struct datapath *dp, struct flow *f, uint32_t spread_ms, struct mono now)
{
	/* One that said nothing since a restart, or a reload, is known by the address before the move. */
	bool is_ours = is_served(f, now) && assist_get(f, now) != NULL;
	wan_move(&f->wan, spread_ms, now);
	if (!is_ours)
		return;
	look(f, spread_ms, now);
	life_rearm(dp, f, now);
}

bool assist_save(const struct flow *f, struct addr *known)
{
	const struct assist *a = f->assist;
	if (!f->wan.server->assist_update || f->opaque != NULL || f->route->is_bootstrap)
		return false;
	*known = a == NULL ? source_of(f) : a->is_seen ? a->seen : addr_any(true, 0);
	known->port = 0;
	return true;
}

void assist_restore(struct flow *f, const struct addr *known, struct mono now)
{
	struct assist *a = f->wan.server->assist_update ? assist_get(f, now) : NULL;
	if (a == NULL)
		return;
	a->seen = *known;
	a->is_seen = !addr_is_any(known);
	a->is_restored = true;
	if (wan_is_up(&f->wan))
		look_restored(f, now);
}

/* ---- what the device does itself ---- */

/* A Register or Update of the device. A server may take a copy for what it has answered already, so it is
 * the address of the first one that counts. */
static void note_asked(struct flow *f, const struct parcel *p)
{
	struct assist *a = f->assist;
	bool is_copy = a->has_asked && a->asked_mid == p->msg.mid &&
		mono_since(a->asked_first, p->now) < ASSIST_MEMORY_MS;
	a->asked_at = p->now;
	if (is_copy || p->reg.kind == REG_DEREGISTER)
		return;
	a->has_asked = true;
	a->asked_mid = p->msg.mid;
	a->asked_first = p->now;
	a->asked_from = source_of(f);
	a->is_seen = a->is_seen && addr_same_host(&a->asked_from, &a->seen);
}

/* The device used an id of ours. Our own copies stop: the server could take one for the other. */
static void note_clash(struct assist *a, uint16_t mid, struct mono now)
{
	for (size_t i = 0; i < ASSIST_EXCHANGES; i++) {
		struct exchange *e = &a->exchange[i];
		if (e->mid != mid || mono_reached(e->until, now))
			continue;
		e->is_doubtful = true;
		if (a->state == SENT && a->latest == e)
			want(a, a->due);
	}
}

void assist_note_it(struct flow *f, const struct parcel *p)
{
	struct assist *a = assist_get(f, p->now);
	if (a == NULL || (p->msg.type != MSG_CON && p->msg.type != MSG_NON))
		return; /* ACK and RST have the server's id */
	note_clash(a, p->msg.mid, p->now);
	ids_note(a, p->msg.mid, p->now);
	a->last_mid = p->msg.mid;
	if (p->reg.kind == REG_REGISTER || p->reg.kind == REG_UPDATE || p->reg.kind == REG_DEREGISTER)
		note_asked(f, p);
}

/* The server knows us by this address. */
static void is_seen_at(struct assist *a, const struct addr *from)
{
	a->seen = *from;
	a->is_seen = true;
	a->is_unknown = false;
	a->tried = addr_any(true, 0);
}

void assist_heard_it(struct flow *f, const struct flow_asked *asked, uint8_t code)
{
	struct assist *a = f->assist;
	bool is_update = asked->kind == REG_UPDATE;
	bool is_forgotten = is_update && code == MSG_CODE(4, 4);
	if ((!is_update && asked->kind != REG_REGISTER) || !a->has_asked ||
		a->asked_mid != asked->mid || (code >> 5 != 2 && !is_forgotten))
		return;
	struct addr source = source_of(f);
	bool is_of_now = addr_is_any(&a->asked_from) || addr_same_host(&a->asked_from, &source);
	if (is_of_now || is_forgotten)
		left_off(f);
	if (is_forgotten)
		a->is_unknown = true;
	else if (is_of_now)
		is_seen_at(a, &source);
}

/* ---- answers ---- */

static bool is_answer(const struct exchange *e, const struct msg *m)
{
	switch (m->type) {
	case MSG_CON:
	case MSG_NON:
		return msg_is_response(m) && has_token(e, m->token);
	case MSG_ACK:
		if (m->code != MSG_EMPTY)
			return m->mid == e->mid && msg_is_response(m) && has_token(e, m->token);
		return m->mid == e->mid && !e->is_doubtful;
	case MSG_RESET:
		return m->mid == e->mid && m->code == MSG_EMPTY && !e->is_doubtful;
	}
	BUG("no type of message");
}

static struct exchange *answered(struct assist *a, const struct msg *m, struct mono now)
{
	for (size_t i = 0; i < ASSIST_EXCHANGES; i++)
		if (!mono_reached(a->exchange[i].until, now) && is_answer(&a->exchange[i], m))
			return &a->exchange[i];
	return NULL;
}

/* The server has started the lifetime again, as for any Update (LwM2M Core 6.2.2). That proves nothing of
 * who is at the device's address, so a guest stays one. */
static void succeeded(struct datapath *dp, struct flow *f, struct mono now)
{
	(*counted(f, COUNT_ASSISTS_ANSWERED))++;
	is_seen_at(f->assist, &f->assist->from);
	stop(f->assist);
	if (f->location != NULL) /* else it deregistered meanwhile */
		track_extend(f, now);
	life_rearm(dp, f, now);
	if (dp->changed != NULL)
		dp->changed(dp->who);
}

static void was_refused(struct datapath *dp, struct flow *f, const struct msg *m, struct mono now)
{
	char code[8];
	struct assist *a = f->assist;
	(*counted(f, COUNT_ASSISTS_REFUSED))++;
	a->is_unknown = m->code == MSG_CODE(4, 4);
	stop(a);
	notice(&dp->notices, NOTICE_ASSIST, LOG_LEVEL_INFO, now,
		a->is_unknown ? "assist: %s: %s does not know its registration any more (%s)" :
				"assist: %s: %s refused an Update after our address changed (%s)",
		f->route->endpoint, f->wan.server->name,
		m->type == MSG_RESET ? "RST" : msg_code_print(m->code, code));
}

static void acknowledge(struct flow *f, const struct msg *m, struct mono now)
{
	uint8_t bytes[MSG_ANSWER_MAX];
	size_t n = msg_empty(bytes, MSG_ACK, m->mid);
	int rc = wan_send(&f->wan, bytes, n, now);
	if (rc != 0) /* the server will repeat it */
		log_debug("assist: %s: an ACK was not sent: %s", f->route->endpoint, strerror(-rc));
}

bool assist_eats_it(struct datapath *dp, struct flow *f, const struct msg *m, struct mono now)
{
	struct assist *a = f->assist;
	const struct exchange *e = answered(a, m, now);
	if (e == NULL)
		return false;
	flow_drop(f, &dp->env.stat, DROP_ASSIST_ANSWER);
	if (m->type == MSG_CON)
		acknowledge(f, m, now);
	if (e != a->latest)
		return true; /* once more, or too late */
	if (m->type == MSG_ACK && m->code == MSG_EMPTY) {
		if (a->state == SENT)
			a->due = mono_add(now, ASSIST_ANSWER_MS);
		a->state = HAS_IT;
		life_rearm(dp, f, now);
	} else if (m->code == MSG_CODE(2, 4)) {
		succeeded(dp, f, now);
	} else {
		was_refused(dp, f, m, now);
	}
	return true;
}
