/* Listening to the kernel's address, route, rule and link events: a door to libnl. */
#include "rtnl.h"
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of events that may wait; what is lost beyond counts as a change. */
#define BUFFER (256 * 1024)
/* Kernel messages read by one call. */
#define READS 64

struct rtnl {
	struct nl_sock *socket;
	bool changed; /* by a message of the call at hand */
};

/* An address that duplicate detection still tries is nobody's source. */
static bool address_matters(struct nlmsghdr *header)
{
	struct nlattr *flags = nlmsg_find_attr(header, sizeof(struct ifaddrmsg), IFA_FLAGS);
	const struct ifaddrmsg *a = nlmsg_data(header);
	uint32_t value = flags != NULL ? nla_get_u32(flags) : a->ifa_flags;
	return (value & IFA_F_TENTATIVE) == 0 || (value & IFA_F_OPTIMISTIC) != 0 ||
		header->nlmsg_type == RTM_DELADDR;
}

/* Routes that lead somewhere, or say that none does; not those that come and go with an address or
 * are kept for one destination. */
static bool route_matters(struct nlmsghdr *header)
{
	const struct rtmsg *r = nlmsg_data(header);
	if ((r->rtm_flags & RTM_F_CLONED) != 0)
		return false;
	switch (r->rtm_type) {
	case RTN_UNICAST:
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
	case RTN_THROW:
		return true;
	default:
		return false;
	}
}

/* Up, down, there or gone. A carrier that comes or goes is told without saying what changed, as are
 * a few rare other things; bridge ports and wireless chatter have marks of their own. */
static bool link_matters(struct nlmsghdr *header)
{
	const struct ifinfomsg *link = nlmsg_data(header);
	const unsigned updown = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
	if (link->ifi_family != AF_UNSPEC)
		return false;
	if (header->nlmsg_type == RTM_DELLINK || (link->ifi_change & updown) != 0)
		return true;
	return link->ifi_change == 0 &&
		nlmsg_find_attr(header, sizeof(*link), IFLA_WIRELESS) == NULL;
}

static bool matters(struct nlmsghdr *header)
{
	switch (header->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return nlmsg_valid_hdr(header, sizeof(struct ifaddrmsg)) && address_matters(header);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return nlmsg_valid_hdr(header, sizeof(struct rtmsg)) && route_matters(header);
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return nlmsg_valid_hdr(header, sizeof(struct ifinfomsg)) && link_matters(header);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return true;
	default:
		return false;
	}
}

static int on_message(struct nl_msg *message, void *arg)
{
	struct rtnl *rtnl = arg;
	rtnl->changed |= matters(nlmsg_hdr(message));
	return NL_OK;
}

/* libnl's codes end here. */
static int errno_of(int code)
{
	switch (-code) {
	case 0:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	default:
		return -EIO;
	}
}

static int join(struct nl_sock *socket)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE };
	int code = 0;
	for (size_t i = 0; code == 0 && i < sizeof(groups) / sizeof(groups[0]); i++)
		code = nl_socket_add_membership(socket, groups[i]);
	return code;
}

int rtnl_open(struct rtnl **rtnl)
{
	*rtnl = NULL;
	struct rtnl *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->socket = nl_socket_alloc();
	if (r->socket == NULL) {
		free(r);
		return -ENOMEM;
	}
	/* Events are no answers: they carry no number of ours. */
	nl_socket_disable_seq_check(r->socket);
	int code = nl_socket_modify_cb(r->socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, r);
	if (code == 0)
		code = nl_connect(r->socket, NETLINK_ROUTE);
	if (code == 0)
		code = nl_socket_set_nonblocking(r->socket);
	if (code == 0)
		code = nl_socket_set_buffer_size(r->socket, BUFFER, 0);
	if (code == 0)
		code = join(r->socket);
	if (code == 0) {
		*rtnl = r;
		return 0;
	}
	rtnl_close(r);
	return errno_of(code);
}

int rtnl_fd(const struct rtnl *rtnl)
{
	return nl_socket_get_fd(rtnl->socket);
}

int rtnl_read(struct rtnl *rtnl)
{
	rtnl->changed = false;
	for (int i = 0; i < READS; i++) {
		int code = nl_recvmsgs_default(rtnl->socket);
		if (code == -NLE_AGAIN)
			break;
		/* The kernel's ENOBUFS: events were lost. */
		if (code == -NLE_NOMEM)
			rtnl->changed = true;
		else if (code < 0)
			return errno_of(code);
	}
	return rtnl->changed ? 1 : 0;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (rtnl == NULL)
		return;
	nl_socket_free(rtnl->socket);
	free(rtnl);
}
