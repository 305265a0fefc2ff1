/* Tables of nftables as text: a door to libnftables. The library is GPL-2 only, so whoever calls this
 * must not be joined with wolfSSL. */
#include "nft.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "plan.h"

struct ruleset {
	struct nft_ctx *nft; /* keeps one netlink socket, which is the owner */
};

/* The library's socket has no close-on-exec flag. A program that inherited it would keep our table
 * alive, so whatever netlink socket the library opened gets the flag. */
static void mark_cloexec(void)
{
	for (int fd = 3; fd < 64; fd++) {
		int domain = 0;
		socklen_t n = sizeof(domain);
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_NETLINK)
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
}

int ruleset_open(struct ruleset **ruleset)
{
	*ruleset = NULL;
	struct ruleset *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (r->nft == NULL || nft_ctx_buffer_output(r->nft) != 0 ||
		nft_ctx_buffer_error(r->nft) != 0) {
		ruleset_close(r);
		return -ENOMEM;
	}
	mark_cloexec();
	*ruleset = r;
	return 0;
}

void ruleset_close(struct ruleset *ruleset)
{
	if (ruleset == NULL)
		return;
	if (ruleset->nft != NULL)
		nft_ctx_free(ruleset->nft);
	free(ruleset);
}

static int run(struct ruleset *ruleset, const char *text)
{
	return nft_run_cmd_from_buffer(ruleset->nft, text);
}

/* What a listing says of a table; empty when there is none. Valid until the next command. */
static const char *listed(struct ruleset *ruleset, const char *name)
{
	char text[64];
	snprintf(text, sizeof(text), "list table inet %s", name);
	if (run(ruleset, text) != 0)
		return "";
	const char *out = nft_ctx_get_output_buffer(ruleset->nft);
	return out != NULL ? out : "";
}

/* Whose it is, nft says only to root: "table inet lwgate { # progname NAME". */
static int say_owner(const char *listing, char why[CAPTURE_TEXT])
{
	if (strstr(listing, "flags owner") == NULL)
		return -EPERM;
	snprintf(why, CAPTURE_TEXT, "another process owns the table inet " PLAN_TABLE
		" in this network; is another lwgated running here? (as root, nft list table inet "
		PLAN_TABLE " names it)");
	return -EBUSY;
}

/* The library says what the kernel said, in words of strerror. */
static int explain(struct ruleset *ruleset, char why[CAPTURE_TEXT])
{
	char first[160] = "nftables says nothing";
	const char *error = nft_ctx_get_error_buffer(ruleset->nft);
	if (error != NULL && error[0] != '\0')
		snprintf(first, sizeof(first), "%.*s", (int)strcspn(error, "\n"), error);
	bool is_refused = strstr(first, strerror(EPERM)) != NULL;
	if (is_refused && say_owner(listed(ruleset, PLAN_TABLE), why) == -EBUSY)
		return -EBUSY;
	snprintf(why, CAPTURE_TEXT, "the rules were refused: %s", first);
	if (strstr(first, strerror(EOPNOTSUPP)) != NULL && listed(ruleset, PLAN_TABLE)[0] != '\0')
		return -EEXIST;
	if (strstr(first, strerror(ENOENT)) != NULL)
		snprintf(why, CAPTURE_TEXT, "the rules were refused (%s); the kernel may lack"
			" nft_tproxy, nft_fib_inet or nf_tables_inet", first);
	return is_refused ? -EPERM : -EIO;
}

int ruleset_run(struct ruleset *ruleset, const char *text, char why[CAPTURE_TEXT])
{
	why[0] = '\0';
	if (run(ruleset, text) == 0)
		return 0;
	return explain(ruleset, why);
}

uint64_t ruleset_digest(struct ruleset *ruleset, const char *name)
{
	unsigned flags = nft_ctx_output_get_flags(ruleset->nft);
	nft_ctx_output_set_flags(ruleset->nft, flags | NFT_CTX_OUTPUT_STATELESS);
	const char *text = listed(ruleset, name);
	/* FNV-1a: nobody gains by a collision but who may change the table anyhow. */
	uint64_t digest = 0xcbf29ce484222325;
	for (const char *c = text; *c != '\0'; c++)
		digest = (digest ^ (uint8_t)*c) * 0x100000001b3;
	nft_ctx_output_set_flags(ruleset->nft, flags);
	return text[0] == '\0' ? 0 : digest | 1;
}

/* ---- what others do ---------------------------------------------------------------------------- */

int ruleset_watch(int *fd)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = 1U << (NFNLGRP_NFTABLES - 1) };
	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (*fd < 0)
		return -errno;
	if (bind(*fd, (struct sockaddr *)&all, sizeof(all)) == 0)
		return 0;
	int rc = -errno;
	close(*fd);
	*fd = -1;
	return rc;
}

/* The name of the table comes first in every message about tables, chains, sets and rules, always as
 * attribute 1. */
static bool is_about(const struct nlmsghdr *h, const char *name)
{
	size_t head = NLMSG_LENGTH(sizeof(struct nfgenmsg));
	struct nlattr a;
	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || h->nlmsg_len < head + sizeof(a))
		return false;
	const char *at = (const char *)h + head;
	memcpy(&a, at, sizeof(a));
	size_t room = h->nlmsg_len - head - sizeof(a), n = strlen(name) + 1;
	return a.nla_type == NFTA_TABLE_NAME && a.nla_len == sizeof(a) + n && n <= room &&
		memcmp(at + sizeof(a), name, n) == 0;
}

bool ruleset_touched(int fd, const char *name)
{
	_Alignas(struct nlmsghdr) char room[16 * 1024];
	bool touched = false;
	for (int i = 0; i < 64; i++) {
		ssize_t got = recv(fd, room, sizeof(room), MSG_DONTWAIT | MSG_TRUNC);
		if (got < 0 && errno != ENOBUFS)
			return touched;
		touched |= got < 0 || (size_t)got > sizeof(room);
		unsigned left = got < 0 || (size_t)got > sizeof(room) ? 0 : (unsigned)got;
		for (const struct nlmsghdr *h = (void *)room; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			touched |= is_about(h, name);
	}
	return touched;
}
