/* Policy rules and local routes: a door to libnl. Wanted against present, each time anew; the
 * kernel tells us when to look again. */
#include "policy.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* lo has this number in every network namespace. */
#define LOOPBACK 1
/* Bytes of events that may wait; what is lost beyond makes us look at everything. */
#define BUFFER (256 * 1024)
/* Kernel messages read by one call; routes that are in our way are taken at most so often. */
#define READS 64
#define TRIES 64
/* Rules that are in our way: all of a plan before, and some of others. */
#define STALE (PLAN_INTERFACES + 64)

static const int families[] = { AF_INET, AF_INET6 };
#define FAMILIES 2

/* What the dump of a family's rules found. */
struct found {
	bool is_there[PLAN_INTERFACES]; /* the rule of that interface */
	struct {
		char name[IF_NAMESIZE];
		uint32_t mark, mask;
	} stale[STALE]; /* ours by place, but not wanted */
	size_t stale_count;
};

struct policy {
	struct nl_sock *asks;  /* requests and their answers */
	struct nl_sock *hears; /* events */
	uint32_t mark, mask; /* of the rules that are wanted */
	char interface[PLAN_INTERFACES][IF_NAMESIZE];
	size_t count;
	bool is_set; /* policy_set was called */
	bool keeps; /* rules that are not in the plan stay for now */
	bool is_touched; /* somebody changed something */
	bool is_spoiled[FAMILIES]; /* and that family's route may be another one now */
	struct found found;
};

/* ---- requests ---------------------------------------------------------------------------------- */

static int errno_of(int code)
{
	switch (-code) {
	case 0:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
		return -EPERM;
	case NLE_NOACCESS:
		return -EACCES;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_OBJ_NOTFOUND:
	case NLE_NOATTR:
		return -ENOENT;
	case NLE_AF_NOSUPPORT:
	case NLE_OPNOTSUPP:
	case NLE_PROTO_MISMATCH:
		return -EAFNOSUPPORT;
	default:
		return -EIO;
	}
}

/* Sends and frees the message, and waits for the kernel's answer. */
static int ask(struct policy *p, struct nl_msg *m, bool is_whole)
{
	if (m != NULL && is_whole)
		return errno_of(nl_send_sync(p->asks, m));
	nlmsg_free(m);
	return -ENOMEM;
}

static int ask_rule(struct policy *p, int type, int flags, int family, const char *name,
	uint32_t mark, uint32_t mask)
{
	struct fib_rule_hdr head = { .family = (uint8_t)family, .action = FR_ACT_TO_TBL };
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
	bool whole = m != NULL && nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO) == 0 &&
		nla_put_u32(m, FRA_PRIORITY, PLAN_PRIORITY) == 0 &&
		nla_put_u32(m, FRA_TABLE, PLAN_ROUTES) == 0 &&
		nla_put_u32(m, FRA_FWMARK, mark) == 0 && nla_put_u32(m, FRA_FWMASK, mask) == 0 &&
		(name[0] == '\0' || nla_put_string(m, FRA_IIFNAME, name) == 0);
	return ask(p, m, whole);
}

static int ask_route(struct policy *p, int type, int flags, int family)
{
	bool is_new = type == RTM_NEWROUTE;
	struct rtmsg head = { .rtm_family = (uint8_t)family, .rtm_table = RT_TABLE_UNSPEC,
		.rtm_protocol = is_new ? RTPROT_STATIC : RTPROT_UNSPEC,
		.rtm_scope = is_new && family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_NOWHERE,
		.rtm_type = is_new ? RTN_LOCAL : RTN_UNSPEC };
	if (family == AF_INET6)
		head.rtm_scope = RT_SCOPE_UNIVERSE;
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
	bool whole = m != NULL && nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO) == 0 &&
		nla_put_u32(m, RTA_TABLE, PLAN_ROUTES) == 0 &&
		(!is_new || nla_put_u32(m, RTA_OIF, LOOPBACK) == 0);
	return ask(p, m, whole);
}

/* Asks for everything of a type; the answers come to on_answer. */
static int dump(struct policy *p, int type, int family)
{
	struct rtgenmsg head = { .rtgen_family = (uint8_t)family };
	int code = nl_send_simple(p->asks, type, NLM_F_DUMP, &head, sizeof(head));
	return errno_of(code < 0 ? code : nl_recvmsgs_default(p->asks));
}

/* ---- rules ------------------------------------------------------------------------------------- */

/* What a rule says, where it stands at our place. */
struct rule {
	char name[IF_NAMESIZE]; /* empty: of every interface */
	uint32_t mark, mask;
	bool is_plain; /* it asks for nothing else */
};

static uint32_t u32_of(struct nlattr *a)
{
	return a != NULL && nla_len(a) >= 4 ? nla_get_u32(a) : 0;
}

static bool read_rule(struct nlmsghdr *h, struct rule *r)
{
	struct nlattr *a[FRA_MAX + 1];
	const struct fib_rule_hdr *head = nlmsg_data(h);
	*r = (struct rule){ .mask = UINT32_MAX };
	if (nlmsg_parse(h, sizeof(*head), a, FRA_MAX, NULL) < 0 ||
		u32_of(a[FRA_PRIORITY]) != PLAN_PRIORITY || u32_of(a[FRA_TABLE]) != PLAN_ROUTES)
		return false;
	if (a[FRA_IIFNAME] != NULL)
		snprintf(r->name, sizeof(r->name), "%s", nla_get_string(a[FRA_IIFNAME]));
	r->mark = u32_of(a[FRA_FWMARK]);
	if (a[FRA_FWMASK] != NULL)
		r->mask = u32_of(a[FRA_FWMASK]);
	r->is_plain = head->action == FR_ACT_TO_TBL && head->src_len == 0 && head->dst_len == 0 &&
		head->tos == 0 && (head->flags & FIB_RULE_INVERT) == 0 && a[FRA_OIFNAME] == NULL;
	return true;
}

static void see_rule(struct policy *p, struct nlmsghdr *h)
{
	struct found *f = &p->found;
	struct rule r;
	if (!read_rule(h, &r))
		return;
	for (size_t i = 0; r.is_plain && r.mark == p->mark && r.mask == p->mask && i < p->count; i++)
		if (!f->is_there[i] && strcmp(r.name, p->interface[i]) == 0) {
			f->is_there[i] = true;
			return;
		}
	if (f->stale_count == STALE)
		return;
	memcpy(f->stale[f->stale_count].name, r.name, IF_NAMESIZE);
	f->stale[f->stale_count].mark = r.mark;
	f->stale[f->stale_count++].mask = r.mask;
}

static int set_rules(struct policy *p, int family, uint32_t *added)
{
	struct found *f = &p->found;
	memset(f, 0, sizeof(*f));
	int rc = dump(p, RTM_GETRULE, family);
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		if (f->is_there[i])
			continue;
		rc = ask_rule(p, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, family, p->interface[i],
			p->mark, p->mask);
		*added += rc == 0;
		rc = rc == -EEXIST ? 0 : rc;
	}
	for (size_t i = 0; rc == 0 && !p->keeps && i < f->stale_count; i++) {
		rc = ask_rule(p, RTM_DELRULE, 0, family, f->stale[i].name, f->stale[i].mark,
			f->stale[i].mask);
		rc = rc == -ENOENT ? 0 : rc;
	}
	return rc;
}

/* ---- routes ------------------------------------------------------------------------------------ */

static bool is_in_our_table(struct nlmsghdr *h)
{
	const struct rtmsg *r = nlmsg_data(h);
	struct nlattr *table = nlmsg_find_attr(h, sizeof(*r), RTA_TABLE);
	return (r->rtm_flags & RTM_F_CLONED) == 0 && u32_of(table) == PLAN_ROUTES;
}

static bool is_our_route(struct nlmsghdr *h)
{
	const struct rtmsg *r = nlmsg_data(h);
	return r->rtm_type == RTN_LOCAL && r->rtm_dst_len == 0 &&
		u32_of(nlmsg_find_attr(h, sizeof(*r), RTA_OIF)) == LOOPBACK;
}

/* Default routes of our table, whatever they are. */
static void clear_routes(struct policy *p, int family)
{
	for (int i = 0; i < TRIES && ask_route(p, RTM_DELROUTE, 0, family) == 0; i++)
		;
}

static int set_route(struct policy *p, int family, bool anew, uint32_t *added)
{
	if (anew || p->count == 0)
		clear_routes(p, family);
	if (p->count == 0)
		return 0;
	int rc = ask_route(p, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, family);
	*added += rc == 0;
	return rc == -EEXIST ? 0 : rc;
}

/* Where the kernel has no IPv6, or lo has none (the sysctl disable_ipv6), there is nothing to set; an
 * address on lo tells that it came. */
static bool has_no_ipv6(int family, int rc)
{
	return family == AF_INET6 && (rc == -EAFNOSUPPORT || rc == -EACCES);
}

/* Routes first: a marked packet that finds its rule finds its route. */
static int set_all(struct policy *p, const bool anew[FAMILIES], struct capture_counts *added)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < FAMILIES; i++) {
		rc = set_route(p, families[i], anew[i], &added->routes);
		if (rc == 0)
			rc = set_rules(p, families[i], &added->rules);
		if (has_no_ipv6(families[i], rc))
			rc = 0;
	}
	return rc;
}

/* ---- messages ---------------------------------------------------------------------------------- */

static int on_answer(struct nl_msg *message, void *arg)
{
	struct policy *p = arg;
	struct nlmsghdr *h = nlmsg_hdr(message);
	if (h->nlmsg_type == RTM_NEWRULE && nlmsg_valid_hdr(h, sizeof(struct fib_rule_hdr)))
		see_rule(p, h);
	return NL_OK;
}

static void hear_route(struct policy *p, struct nlmsghdr *h)
{
	if (!is_in_our_table(h))
		return;
	p->is_touched |= h->nlmsg_type == RTM_DELROUTE || !is_our_route(h);
	const struct rtmsg *r = nlmsg_data(h);
	if (h->nlmsg_type == RTM_NEWROUTE && !is_our_route(h))
		p->is_spoiled[r->rtm_family == AF_INET6] = true;
}

static bool is_lo(struct nlmsghdr *h)
{
	const struct ifinfomsg *link = nlmsg_data(h);
	return link->ifi_index == LOOPBACK;
}

static bool is_on_lo(struct nlmsghdr *h)
{
	const struct ifaddrmsg *a = nlmsg_data(h);
	return a->ifa_index == LOOPBACK;
}

static int on_event(struct nl_msg *message, void *arg)
{
	struct policy *p = arg;
	struct nlmsghdr *h = nlmsg_hdr(message);
	struct rule r;
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
		/* What could not be mended while lo was down can be now. Rules name interfaces, and stay
		 * without them. */
		p->is_touched |= nlmsg_valid_hdr(h, sizeof(struct ifinfomsg)) && is_lo(h);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		/* With the last address of lo the IPv4 route goes, without a word. */
		p->is_touched |= nlmsg_valid_hdr(h, sizeof(struct ifaddrmsg)) && is_on_lo(h);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (nlmsg_valid_hdr(h, sizeof(struct rtmsg)))
			hear_route(p, h);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		p->is_touched |= nlmsg_valid_hdr(h, sizeof(struct fib_rule_hdr)) && read_rule(h, &r);
		break;
	default:
		break;
	}
	return NL_OK;
}

/* ---- life -------------------------------------------------------------------------------------- */

static int connect_to_kernel(struct nl_sock *s, nl_recvmsg_msg_cb_t on, void *arg)
{
	int code = nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, on, arg);
	if (code == 0)
		code = nl_connect(s, NETLINK_ROUTE);
	return code == 0 ? nl_socket_set_buffer_size(s, BUFFER, 0) : code;
}

static int hear(struct nl_sock *s)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
		RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR };
	int code = nl_socket_set_nonblocking(s);
	for (size_t i = 0; code == 0 && i < sizeof(groups) / sizeof(groups[0]); i++)
		code = nl_socket_add_membership(s, groups[i]);
	return code;
}

int policy_open(struct policy **policy)
{
	*policy = NULL;
	struct policy *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->asks = nl_socket_alloc();
	p->hears = nl_socket_alloc();
	int code = p->asks == NULL || p->hears == NULL ? -NLE_NOMEM : 0;
	if (code == 0)
		code = connect_to_kernel(p->asks, on_answer, p);
	if (code == 0) {
		/* Events are no answers: they carry no number of ours. */
		nl_socket_disable_seq_check(p->hears);
		code = connect_to_kernel(p->hears, on_event, p);
	}
	if (code == 0)
		code = hear(p->hears);
	if (code == 0) {
		*policy = p;
		return 0;
	}
	policy_close(p);
	return errno_of(code);
}

int policy_fd(const struct policy *policy)
{
	return nl_socket_get_fd(policy->hears);
}

static void take_plan(struct policy *p, const struct plan *plan)
{
	memcpy(p->interface, plan->interface, sizeof(p->interface));
	p->count = plan->interface_count;
	p->mark = plan->mark;
	p->mask = plan->mask;
}

int policy_add(struct policy *p, const struct plan *plan, char why[CAPTURE_TEXT])
{
	why[0] = '\0';
	if (plan->interface_count == 0)
		return 0;
	p->keeps = true;
	int rc = policy_set(p, plan, why);
	p->keeps = false;
	return rc;
}

int policy_set(struct policy *p, const struct plan *plan, char why[CAPTURE_TEXT])
{
	struct capture_counts unused = { 0 };
	take_plan(p, plan);
	bool anew[FAMILIES] = { !p->is_set, !p->is_set };
	int rc = set_all(p, anew, &unused);
	p->is_set = rc == 0;
	why[0] = '\0';
	if (rc < 0)
		snprintf(why, CAPTURE_TEXT, "the policy rules or local routes were refused: %s%s",
			strerror(-rc), rc == -EIO ? " (is lo up?)" : "");
	return rc;
}

static int mend(struct policy *p, struct capture_counts *counts)
{
	bool anew[FAMILIES] = { p->is_spoiled[0], p->is_spoiled[1] };
	p->is_touched = p->is_spoiled[0] = p->is_spoiled[1] = false;
	if (!p->is_set)
		return 0;
	int rc = set_all(p, anew, counts);
	/* While lo is down nothing can be routed there; its coming up is an event. */
	return rc == -EIO ? 0 : rc;
}

int policy_read(struct policy *p, struct capture_counts *counts)
{
	for (int i = 0; i < READS; i++) {
		int code = nl_recvmsgs_default(p->hears);
		if (code == -NLE_AGAIN)
			break;
		/* The kernel's ENOBUFS: events were lost. */
		if (code == -NLE_NOMEM)
			p->is_touched = p->is_spoiled[0] = p->is_spoiled[1] = true;
		else if (code < 0)
			return errno_of(code);
	}
	return p->is_touched ? mend(p, counts) : 0;
}

void policy_clear(struct policy *p)
{
	struct capture_counts unused = { 0 };
	static const bool all[FAMILIES] = { true, true };
	p->count = 0;
	(void)set_all(p, all, &unused);
	p->is_set = false;
}

void policy_close(struct policy *policy)
{
	if (policy == NULL)
		return;
	nl_socket_free(policy->asks);
	nl_socket_free(policy->hears);
	free(policy);
}
