/* Conntrack entries of flows that began before they were captured: a door to libnl-nf. */
#include "ct.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netlink/addr.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netfilter/ct.h>
#include <netlink/netfilter/nfnl.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include "plan.h"

/* One pass over the table. */
struct pass {
	const struct capture *capture;
	struct nl_sock *deletes; /* a second socket: the first one is busy with the dump */
	struct nl_sock *asks; /* a third one: what is ours */
	bool is_local; /* its last answer */
	long count;
};

/* libnl's directions. */
enum { ORIGINAL = 0, REPLY = 1 };

static bool take_address(struct addr *a, struct nl_addr *from, uint16_t port)
{
	bool v4 = from != NULL && nl_addr_get_family(from) == AF_INET;
	unsigned n = from != NULL ? nl_addr_get_len(from) : 0;
	if (n != (v4 ? 4U : 16U))
		return false;
	*a = addr_any(v4, port);
	memcpy(a->ip + (v4 ? 12 : 0), nl_addr_get_binary_addr(from), n);
	return true;
}

static int on_route(struct nl_msg *message, void *arg)
{
	struct pass *pass = arg;
	struct nlmsghdr *h = nlmsg_hdr(message);
	if (h->nlmsg_type == RTM_NEWROUTE && nlmsg_valid_hdr(h, sizeof(struct rtmsg)))
		pass->is_local = ((const struct rtmsg *)nlmsg_data(h))->rtm_type == RTN_LOCAL;
	return NL_OK;
}

/* Whether an address is this machine's is asked of its routes, which needs no socket but netlink. One that
 * no route leads to is not. */
static bool is_ours(struct pass *pass, const struct addr *a)
{
	int n = addr_is_v4(a) ? 4 : 16;
	struct rtmsg head = { .rtm_family = n == 4 ? AF_INET : AF_INET6, .rtm_dst_len = (uint8_t)(n * 8) };
	struct nl_msg *m = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST);
	pass->is_local = false;
	if (m != NULL && nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO) == 0 &&
		nla_put(m, RTA_DST, n, a->ip + sizeof(a->ip) - n) == 0 &&
		nl_send_auto(pass->asks, m) >= 0)
		(void)nl_recvmsgs_default(pass->asks);
	nlmsg_free(m);
	return pass->is_local;
}

/* Flows of this machine itself, the relay's own towards the servers above all, must stay: without its
 * entry a server's next packet would be a stranger's to the firewall. */
static bool is_wanted(struct pass *pass, const struct nfnl_ct *ct)
{
	struct addr from, called;
	if (!nfnl_ct_test_proto(ct) || nfnl_ct_get_proto(ct) != IPPROTO_UDP ||
		!nfnl_ct_test_dst_port(ct, ORIGINAL))
		return false;
	return take_address(&from, nfnl_ct_get_src(ct, ORIGINAL), 0) &&
		take_address(&called, nfnl_ct_get_dst(ct, ORIGINAL),
			nfnl_ct_get_dst_port(ct, ORIGINAL)) &&
		plan_captures(pass->capture, &called) && !is_ours(pass, &from) && !is_ours(pass, &called);
}

static int on_entry(struct nl_msg *message, void *arg)
{
	struct pass *pass = arg;
	struct nfnl_ct *ct = NULL;
	if (nfnlmsg_ct_parse(nlmsg_hdr(message), &ct) != 0)
		return NL_OK;
	/* One that ended meanwhile is gone as well. */
	if (is_wanted(pass, ct) && nfnl_ct_del(pass->deletes, ct, 0) == 0)
		pass->count++;
	nfnl_ct_put(ct);
	return NL_OK;
}

static long walk(struct pass *pass, struct nl_sock *reads)
{
	int code = nl_socket_modify_cb(reads, NL_CB_VALID, NL_CB_CUSTOM, on_entry, pass);
	if (code == 0)
		code = nfnl_connect(reads);
	if (code == 0)
		code = nfnl_connect(pass->deletes);
	if (code == 0)
		code = nl_socket_modify_cb(pass->asks, NL_CB_VALID, NL_CB_CUSTOM, on_route, pass);
	if (code == 0)
		code = nl_connect(pass->asks, NETLINK_ROUTE);
	if (code == 0)
		code = nfnl_ct_dump_request(reads);
	if (code >= 0)
		code = nl_recvmsgs_default(reads);
	switch (-code) {
	case 0:
		return pass->count;
	case NLE_PERM:
		return -EPERM;
	default:
		return -EIO;
	}
}

long ct_forget(const struct capture *capture)
{
	if (capture->listen_count == 0)
		return 0;
	struct nl_sock *reads = nl_socket_alloc();
	struct pass pass = { .capture = capture, .deletes = nl_socket_alloc(), .asks = nl_socket_alloc() };
	long rc = -ENOMEM;
	if (reads != NULL && pass.deletes != NULL && pass.asks != NULL) {
		/* The answer is the route. */
		nl_socket_disable_auto_ack(pass.asks);
		rc = walk(&pass, reads);
	}
	nl_socket_free(reads);
	nl_socket_free(pass.deletes);
	nl_socket_free(pass.asks);
	return rc;
}
