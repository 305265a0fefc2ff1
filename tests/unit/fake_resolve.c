/* The network in memory: names, and every function of resolve.h. */
#include "fake_net_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct resolver {
	struct loop *loop;
	struct list asked;  /* struct resolve_private, oldest first */
	struct timer soon;  /* answers what can be answered */
};

/* A question that is under way. */
struct resolve_private {
	struct list node;
	struct resolver *resolver;
	struct resolve *question;
	struct addr literal; /* the answer, where the name is an address */
	bool is_literal;
	char name[256];
};

static struct fake_name *find(const struct fake_net *net, const char *name)
{
	list_each(node, &net->names) {
		struct fake_name *n = container_of(node, struct fake_name, node);
		if (strcmp(n->name, name) == 0)
			return n;
	}
	return NULL;
}

static struct fake_name *get(struct fake_net *net, const char *name)
{
	struct fake_name *n = find(net, name);
	if (n != NULL)
		return n;
	n = calloc(1, sizeof(*n));
	BUG_UNLESS(n != NULL && strlen(name) < sizeof(n->name));
	snprintf(n->name, sizeof(n->name), "%s", name);
	list_append(&net->names, &n->node);
	return n;
}

void fake_names_free(struct fake_net *net)
{
	list_each(node, &net->names)
		free(container_of(node, struct fake_name, node));
}

static void wake_resolver(struct fake_net *net)
{
	if (net->resolver != NULL)
		timer_arm(loop_timers(net->resolver->loop), &net->resolver->soon, net->now);
}

void fake_name_set(struct fake_net *net, const char *name, const struct addr *addresses,
	size_t count)
{
	struct fake_name *n = get(net, name);
	n->set = true;
	n->count = count < SERVER_ADDRESSES ? count : SERVER_ADDRESSES;
	for (size_t i = 0; i < n->count; i++) {
		n->addresses[i] = addresses[i];
		n->addresses[i].port = 0;
	}
	wake_resolver(net);
}

void fake_name_forget(struct fake_net *net, const char *name)
{
	get(net, name)->set = false;
}

unsigned fake_name_waiting(const struct fake_net *net, const char *name)
{
	unsigned waiting = 0;
	if (net->resolver == NULL)
		return 0;
	list_each(node, &net->resolver->asked)
		waiting += strcmp(container_of(node, struct resolve_private, node)->name, name) == 0;
	return waiting;
}

unsigned fake_name_asked(const struct fake_net *net, const char *name)
{
	const struct fake_name *n = find(net, name);
	return n == NULL ? 0 : n->asked;
}

/* Tells one question, which then is not under way any more. */
static void answer(struct resolve_private *p, const struct addr *addresses, size_t count,
	struct mono now)
{
	struct resolve *question = p->question;
	resolve_cancel(question);
	question->done(question, addresses, count, count == 0 ? "not found" : "", now);
}

/* Answers the first question that can be; the callback may ask and cancel as it likes. */
static bool answer_one(struct fake_net *net, struct resolver *r, struct mono now)
{
	list_each(node, &r->asked) {
		struct resolve_private *p = container_of(node, struct resolve_private, node);
		const struct fake_name *n = find(net, p->name);
		if (p->is_literal) {
			struct addr literal = p->literal;
			answer(p, &literal, 1, now);
			return true;
		}
		if (n != NULL && n->set) {
			answer(p, n->addresses, n->count, now);
			return true;
		}
	}
	return false;
}

/* One answer a firing: `done` may even free the resolver. */
static void soon(struct timer *timer, struct mono now)
{
	struct resolver *r = container_of(timer, struct resolver, soon);
	struct fake_net *net = fake_net_get();
	timer_arm(loop_timers(r->loop), timer, now);
	if (!answer_one(net, r, now))
		timer_disarm(loop_timers(r->loop), timer);
}

int resolver_create(struct resolver **resolver, struct loop *loop)
{
	struct fake_net *net = fake_net_get();
	BUG_UNLESS(net->resolver == NULL);
	struct resolver *r = calloc(1, sizeof(*r));
	BUG_UNLESS(r != NULL && timers_hold(loop_timers(loop), 1) == 0);
	r->loop = loop;
	r->soon.fire = soon;
	list_init(&r->asked);
	*resolver = net->resolver = r;
	return 0;
}

void resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	list_each(node, &resolver->asked)
		resolve_cancel(container_of(node, struct resolve_private, node)->question);
	timer_disarm(loop_timers(resolver->loop), &resolver->soon);
	timers_release(loop_timers(resolver->loop), 1);
	fake_net_get()->resolver = NULL;
	free(resolver);
}

int resolve_ask(struct resolver *resolver, struct resolve *question, const char *name)
{
	struct fake_net *net = fake_net_get();
	BUG_UNLESS(question->asked == NULL && question->done != NULL);
	if (strlen(name) > 255)
		return -EINVAL;
	struct resolve_private *p = calloc(1, sizeof(*p));
	BUG_UNLESS(p != NULL);
	p->resolver = resolver;
	p->question = question;
	p->is_literal = addr_parse(&p->literal, name) == 0 && p->literal.port == 0;
	snprintf(p->name, sizeof(p->name), "%s", name);
	question->asked = p;
	list_append(&resolver->asked, &p->node);
	get(net, name)->asked++;
	wake_resolver(net);
	return 0;
}

void resolve_cancel(struct resolve *question)
{
	if (question->asked == NULL)
		return;
	list_remove(&question->asked->node);
	free(question->asked);
	question->asked = NULL;
}
