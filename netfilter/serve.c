/* The worker: wanted state and sockets in, rules, routes, and events out. Present state is taken away in
 * reverse: first nothing more is captured, then nothing more is routed, then the table is let go.
 *
 *   claimed   our table is there, empty: nobody else's can be        READY is sent
 *   serving   the plan is in the kernel                              each SET, answered by DONE;
 *             sockets are made transparent in either               each SOCKET, answered by MADE
 *   left      the peer went, said LEAVE, or SIGTERM came             all is taken away */
#include "serve.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "channel.h"
#include "ct.h"
#include "nft.h"
#include "plan.h"
#include "policy.h"
#include "rights.h"
#include "transparent.h"

/* A predecessor that is just leaving gives the table free within this. */
#define CLAIM_TRIES 20
#define CLAIM_MS    100

enum { PEER, ROUTES, TABLES, SIGNALS, WATCHED };

static struct worker {
	struct pollfd on[WATCHED];
	struct ruleset *ruleset;
	struct policy *policy;
	struct capture capture; /* what is in the kernel */
	struct plan plan[2];    /* that, and the next one */
	struct plan *now, *next;
	uint64_t closed; /* digest of the fail-closed table as we made it */
	struct capture_counts counts, told;
	bool is_asked; /* a message came */
	bool is_leaving, is_broken, is_ended, keep_closed; /* is_ended: by a signal */
} worker;

/* ---- to the peer ------------------------------------------------------------------------------- */

static void tell(struct worker *w, const struct wire *message)
{
	int rc = channel_send(w->on[PEER].fd, message, -1);
	/* A peer that is gone, or takes nothing for seconds, is left. */
	if (rc < 0)
		w->is_leaving = true;
}

static void answer(struct worker *w, enum wire_type type, uint32_t generation, int rc,
	const char *text)
{
	struct wire message = { .type = type, .answer = { generation, (uint16_t)-rc, "" } };
	snprintf(message.answer.text, CAPTURE_TEXT, "%s", text);
	tell(w, &message);
}

static void tell_counts(struct worker *w)
{
	if (memcmp(&w->counts, &w->told, sizeof(w->counts)) == 0)
		return;
	w->told = w->counts;
	struct wire message = { .type = WIRE_COUNTS, .counts = w->counts };
	tell(w, &message);
}

/* ---- sockets ----------------------------------------------------------------------------------- */

static void make(struct worker *w, uint32_t id, int fd)
{
	int rc = transparent_make(fd);
	tell(w, &(struct wire){ .type = WIRE_MADE, .made = { id, (uint16_t)-rc } });
}

/* ---- the wanted state -------------------------------------------------------------------------- */

static int run_rules(struct worker *w, const struct plan *plan, char why[CAPTURE_TEXT])
{
	int rc = ruleset_run(w->ruleset, plan->rules, why);
	if (rc == 0)
		w->closed = plan->is_closed ? ruleset_digest(w->ruleset, PLAN_CLOSED) : 0;
	return rc;
}

/* What is marked must find its way, by the rules of before and by those of now: the way is laid before, and taken
 * away after. */
static int swap(struct worker *w, char why[CAPTURE_TEXT])
{
	int rc = policy_add(w->policy, w->next, why);
	if (rc == 0)
		rc = run_rules(w, w->next, why);
	if (rc == 0)
		rc = policy_set(w->policy, w->next, why);
	if (rc == 0) {
		struct plan *old = w->now;
		w->now = w->next;
		w->next = old;
		return 0;
	}
	/* Back to what was there; that it fails too is no news. */
	char again[CAPTURE_TEXT];
	(void)(policy_set(w->policy, w->now, again) + run_rules(w, w->now, again));
	return rc;
}

static int apply(struct worker *w, const struct capture *c, char why[CAPTURE_TEXT])
{
	int rc = plan_check(c, why);
	if (rc == 0)
		rc = plan_make(w->next, c);
	if (rc == 0)
		rc = swap(w, why);
	if (rc == 0)
		w->capture = *c;
	return rc;
}

/* Old flows go last, when nothing can make them anew. Without conntrack there are none. */
static void forget_flows(struct worker *w)
{
	long n = ct_forget(&w->capture);
	if (n > 0)
		w->counts.flows += (uint32_t)n;
}

static void set(struct worker *w, const struct capture *c)
{
	char why[CAPTURE_TEXT] = "";
	int rc = apply(w, c, why);
	if (rc == 0)
		forget_flows(w);
	answer(w, WIRE_DONE, c->generation, rc, why);
}

/* ---- events ------------------------------------------------------------------------------------ */

/* `passed` came with a SOCKET. */
static void on_message(struct worker *w, const struct wire *message, int passed)
{
	bool is_first = !w->is_asked;
	w->is_asked = true;
	switch (message->type) {
	case WIRE_WAKE:
		/* What woke us has READY already. */
		if (!is_first)
			answer(w, WIRE_READY, 0, 0, "");
		return;
	case WIRE_SOCKET:
		make(w, message->id, passed);
		return;
	case WIRE_SET:
		set(w, &message->set);
		return;
	case WIRE_LEAVE:
		w->is_leaving = true;
		w->keep_closed = message->keep_closed;
		return;
	case WIRE_READY:
	case WIRE_REFUSED:
	case WIRE_MADE:
	case WIRE_DONE:
	case WIRE_COUNTS:
		answer(w, WIRE_REFUSED, 0, -EBADMSG, "a message that only lwgate-net may send");
		w->is_leaving = true;
		return;
	}
}

static void on_peer(struct worker *w)
{
	static struct wire message;
	int passed;
	int rc = channel_receive(w->on[PEER].fd, &message, &passed);
	if (rc == -EAGAIN)
		return;
	if (rc == 1)
		on_message(w, &message, passed);
	if (passed >= 0)
		close(passed);
	if (rc == 1)
		return;
	if (rc == -EPROTO)
		answer(w, WIRE_REFUSED, 0, rc, "lwgated and lwgate-net are of different versions");
	else if (rc < 0)
		answer(w, WIRE_REFUSED, 0, rc, "a message that can not be read");
	w->is_leaving = true;
}

static void on_routes(struct worker *w)
{
	if (policy_read(w->policy, &w->counts) < 0)
		w->is_broken = true;
}

/* The fail-closed table has no owner, so that it can outlive us. */
static void on_tables(struct worker *w)
{
	char why[CAPTURE_TEXT];
	if (!ruleset_touched(w->on[TABLES].fd, PLAN_CLOSED) || !w->now->is_closed ||
		ruleset_digest(w->ruleset, PLAN_CLOSED) == w->closed)
		return;
	if (run_rules(w, w->now, why) == 0)
		w->counts.tables++;
}

static bool is_ready(const struct worker *w, int i)
{
	return w->on[i].revents != 0;
}

static void loop(struct worker *w)
{
	while (!w->is_leaving && !w->is_broken && !w->is_ended) {
		if (poll(w->on, WATCHED, -1) < 0 && errno != EINTR) {
			w->is_broken = true;
			return;
		}
		if (is_ready(w, ROUTES))
			on_routes(w);
		if (is_ready(w, TABLES))
			on_tables(w);
		if (is_ready(w, PEER))
			on_peer(w);
		w->is_ended |= is_ready(w, SIGNALS);
		tell_counts(w);
	}
}

/* ---- life -------------------------------------------------------------------------------------- */

static int watch_signals(int *fd)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

static int open_all(struct worker *w, int fd)
{
	w->now = &w->plan[0];
	w->next = &w->plan[1];
	for (int i = 0; i < WATCHED; i++)
		w->on[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	w->on[PEER].fd = fd;
	w->keep_closed = true;
	int rc = watch_signals(&w->on[SIGNALS].fd);
	if (rc == 0)
		rc = ruleset_open(&w->ruleset);
	if (rc == 0)
		rc = ruleset_watch(&w->on[TABLES].fd);
	if (rc == 0)
		rc = policy_open(&w->policy);
	if (rc == 0)
		w->on[ROUTES].fd = policy_fd(w->policy);
	return rc == 0 ? rights_filter(false) : rc;
}

/* The table is the lock: who has it may touch rules and routes. */
static int claim(struct worker *w, char why[CAPTURE_TEXT])
{
	int rc = ruleset_run(w->ruleset, PLAN_EMPTY, why);
	if (rc == -EEXIST && ruleset_run(w->ruleset, PLAN_REMOVE, why) == 0)
		rc = ruleset_run(w->ruleset, PLAN_EMPTY, why);
	for (int i = 0; rc == -EBUSY && i < CLAIM_TRIES; i++) {
		(void)poll(NULL, 0, CLAIM_MS);
		rc = ruleset_run(w->ruleset, PLAN_EMPTY, why);
	}
	if (rc == -EPERM)
		snprintf(why, CAPTURE_TEXT, "CAP_NET_ADMIN is there, but not over this network"
			" namespace: nftables refuses");
	return rc;
}

static void take_away(struct worker *w)
{
	char why[CAPTURE_TEXT];
	struct capture nothing = { .generation = 0 };
	bool is_all = !w->keep_closed && plan_make(w->next, &nothing) == 0;
	/* Where this fails the table still goes with us. */
	if (ruleset_run(w->ruleset, is_all ? w->next->rules : PLAN_EMPTY, why) < 0)
		fprintf(stderr, "lwgate-net: at the end: %s\n", why);
	policy_clear(w->policy);
}

static void close_all(struct worker *w)
{
	policy_close(w->policy);
	ruleset_close(w->ruleset);
	for (int i = TABLES; i < WATCHED; i++)
		if (w->on[i].fd >= 0)
			close(w->on[i].fd);
	memset(w, 0, sizeof(*w));
}

enum serve_end serve(int fd)
{
	struct worker *w = &worker;
	char why[CAPTURE_TEXT] = "";
	enum serve_end end = SERVE_LEFT;
	int rc = open_all(w, fd);
	if (rc < 0)
		snprintf(why, sizeof(why), "lwgate-net can not begin: %s", strerror(-rc));
	else
		rc = claim(w, why);
	if (rc == 0) {
		answer(w, WIRE_READY, 0, 0, "");
		loop(w);
		take_away(w);
		end = w->is_leaving ? SERVE_LEFT : SERVE_BROKEN;
	} else {
		answer(w, WIRE_REFUSED, 0, rc, why);
		end = SERVE_REFUSED;
	}
	close_all(w);
	return end;
}
