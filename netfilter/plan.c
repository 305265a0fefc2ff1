/* Wanted state to rules. Pure: no kernel, no clock, no memory of its own. */
#include "plan.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what may be wanted ------------------------------------------------------------------------ */

static int wrong(char why[CAPTURE_TEXT], const char *fmt, ...) PRINTF_LIKE(2, 3);
static int wrong(char why[CAPTURE_TEXT], const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(why, CAPTURE_TEXT, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* A name that means the same to libnftables, where a star at the end fits many, as to the kernel. */
static bool is_name(const char name[IF_NAMESIZE])
{
	size_t n = strnlen(name, IF_NAMESIZE);
	if (n == 0 || n == IF_NAMESIZE)
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~' || strchr("\"*\\/", name[i]) != NULL)
			return false;
	return true;
}

static int check_listen(const struct capture_listen *l, char why[CAPTURE_TEXT])
{
	if (l->interface_count == 0 || l->interface_count > CAPTURE_INTERFACES)
		return wrong(why, "capture needs 1 to %d interfaces, by name", CAPTURE_INTERFACES);
	if (l->port_count == 0 || l->port_count > CAPTURE_PORTS)
		return wrong(why, "capture needs 1 to %d ports", CAPTURE_PORTS);
	if (l->server_count > CAPTURE_SERVERS)
		return wrong(why, "more than %d server addresses", CAPTURE_SERVERS);
	for (size_t i = 0; i < l->interface_count; i++)
		if (!is_name(l->interface[i]))
			return wrong(why, "an interface has a name that no rule can hold");
	for (size_t i = 0; i < l->port_count; i++)
		if (l->port[i] == 0)
			return wrong(why, "port 0 can not be captured");
	for (size_t i = 0; i < l->server_count; i++)
		if (addr_is_any(&l->server[i]) || addr_is_multicast(&l->server[i]))
			return wrong(why, "a server has no unicast address");
	return 0;
}

int plan_check(const struct capture *c, char why[CAPTURE_TEXT])
{
	why[0] = '\0';
	if (c->listen_count > CAPTURE_LISTENS)
		return wrong(why, "more than %d listeners", CAPTURE_LISTENS);
	if (c->listen_count > 0 && (c->mark == 0 || (c->mark & ~c->mask) != 0))
		return wrong(why, "mark 0x%x is not within mask 0x%x", c->mark, c->mask);
	for (size_t i = 0; i < c->listen_count; i++)
		if (check_listen(&c->listen[i], why) != 0)
			return -EINVAL;
	return 0;
}

/* ---- text -------------------------------------------------------------------------------------- */

/* Text that grows in a room; one that was too small stays so. */
struct text {
	char *room; /* always ended by 0 */
	size_t n;   /* bytes used */
	size_t size;
	bool full;
};

static void say(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct text *t, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(t->room + t->n, t->size - t->n, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= t->size - t->n)
		t->full = true;
	else
		t->n += (size_t)n;
}

/* The bare address, without scope. */
static void say_address(struct text *t, const struct addr *a)
{
	char ip[INET6_ADDRSTRLEN];
	bool v4 = addr_is_v4(a);
	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->ip + 12 : a->ip, ip, sizeof(ip)) == NULL)
		t->full = true;
	else
		say(t, "%s", ip);
}

/* ---- sets -------------------------------------------------------------------------------------- */

static void say_interfaces(struct text *t, const struct capture_listen *l, size_t i)
{
	say(t, "\tset interfaces%zu {\n\t\ttype ifname\n\t\telements = { ", i);
	for (size_t k = 0; k < l->interface_count; k++)
		say(t, "%s\"%s\"", k == 0 ? "" : ", ", l->interface[k]);
	say(t, " }\n\t}\n");
}

static void say_ports(struct text *t, const struct capture_listen *l, size_t i)
{
	say(t, "\tset ports%zu {\n\t\ttype inet_service\n\t\telements = { ", i);
	for (size_t k = 0; k < l->port_count; k++)
		say(t, "%s%u", k == 0 ? "" : ", ", l->port[k]);
	say(t, " }\n\t}\n");
}

static bool has_family(const struct capture_listen *l, bool v4)
{
	for (size_t k = 0; k < l->server_count; k++)
		if (addr_is_v4(&l->server[k]) == v4)
			return true;
	return false;
}

/* An empty set of servers fits nothing, as it shall; it has no list of elements. */
static void say_servers(struct text *t, const struct capture_listen *l, size_t i, bool v4)
{
	bool first = true;
	say(t, "\tset servers%zu_%s {\n\t\ttype %s\n", i, v4 ? "v4" : "v6",
		v4 ? "ipv4_addr" : "ipv6_addr");
	if (has_family(l, v4)) {
		say(t, "\t\telements = { ");
		for (size_t k = 0; k < l->server_count; k++) {
			if (addr_is_v4(&l->server[k]) != v4)
				continue;
			say(t, first ? "" : ", ");
			say_address(t, &l->server[k]);
			first = false;
		}
		say(t, " }\n");
	}
	say(t, "\t}\n");
}

static void say_sets(struct text *t, const struct capture_listen *l, size_t i)
{
	say_interfaces(t, l, i);
	say_ports(t, l, i);
	if (!l->is_narrow)
		return;
	say_servers(t, l, i, true);
	say_servers(t, l, i, false);
}

/* ---- rules ------------------------------------------------------------------------------------- */

/* What a rule looks at: the interface's side, the port's, the address's; what was called, or who
 * answers. Not the router's own addresses, no broadcast, no multicast. `fib daddr type unicast` would
 * say so too, but an IPv6 address without a route has no such type, and the servers may be reached
 * another way. */
struct way {
	const char *interface, *port, *address, *type;
};
static const struct way inward = { "iifname", "dport", "daddr",
	"meta pkttype host fib daddr type != { local, broadcast, anycast, multicast }" };
static const struct way outward = { "oifname", "sport", "saddr", "fib saddr type != local" };

/* A rule for all addresses, or one for the servers of each family. */
enum family { ANY, V4, V6 };
static const char *const family_word[] = { [ANY] = "", [V4] = "ip ", [V6] = "ip6 " };
static enum family first_family(const struct capture_listen *l)
{
	return l->is_narrow ? V4 : ANY;
}

static enum family last_family(const struct capture_listen *l)
{
	return l->is_narrow ? V6 : ANY;
}

/* A rule's beginning. */
static void say_match(struct text *t, size_t i, const struct way *w, enum family f,
	const char *ports)
{
	say(t, "\t\t%s @interfaces%zu ", w->interface, i);
	if (f != ANY)
		say(t, "%s%s @servers%zu_%s ", family_word[f], w->address, i, f == V4 ? "v4" : "v6");
	say(t, "udp %s %s %s ", w->port, ports, w->type);
}

static void say_all_ports(struct text *t, const struct capture_listen *l, size_t i,
	const struct way *w, const char *verdict)
{
	char ports[32];
	snprintf(ports, sizeof(ports), "@ports%zu", i);
	for (enum family f = first_family(l); f <= last_family(l); f++) {
		say_match(t, i, w, f, ports);
		say(t, "%s\n", verdict);
	}
}

/* One rule a port, since the socket's port is what answers come from. Without a socket the rule ends
 * at tproxy, unmarked. */
static void say_tproxy(struct text *t, const struct capture *c, size_t i)
{
	const struct capture_listen *l = &c->listen[i];
	for (size_t k = 0; k < l->port_count; k++) {
		char port[8];
		snprintf(port, sizeof(port), "%u", l->port[k]);
		for (enum family f = first_family(l); f <= last_family(l); f++) {
			say_match(t, i, &inward, f, port);
			say(t, "tproxy %sto :%s meta mark set meta mark & 0x%08x | 0x%08x counter accept\n",
				family_word[f], port, ~c->mask, c->mark);
		}
	}
}

static void say_chain(struct text *t, const char *name, const char *hook, const char *priority)
{
	say(t, "\tchain %s {\n\t\ttype filter hook %s priority %s; policy accept;\n", name, hook,
		priority);
}

/* Untracked, a flow leaves nothing in conntrack that would keep its packets from NAT once we are
 * gone, and an older entry does not turn the device's address into ours. */
static void say_table(struct text *t, const struct capture *c)
{
	say(t, "table inet " PLAN_TABLE " {\n\tflags owner\n");
	for (size_t i = 0; i < c->listen_count; i++)
		say_sets(t, &c->listen[i], i);
	if (c->listen_count > 0) {
		say_chain(t, "untracked", "prerouting", "raw");
		for (size_t i = 0; i < c->listen_count; i++)
			say_all_ports(t, &c->listen[i], i, &inward, "notrack");
		say(t, "\t}\n");
		say_chain(t, "captured", "prerouting", "mangle");
		for (size_t i = 0; i < c->listen_count; i++)
			say_tproxy(t, c, i);
		say(t, "\t}\n");
		say_chain(t, "answers", "output", "raw");
		for (size_t i = 0; i < c->listen_count; i++)
			say_all_ports(t, &c->listen[i], i, &outward, "notrack");
		say(t, "\t}\n");
	}
	say(t, "}\n");
}

static void say_closed(struct text *t, const struct capture *c)
{
	say(t, "table inet " PLAN_CLOSED " {\n");
	for (size_t i = 0; i < c->listen_count; i++)
		if (c->listen[i].is_closed)
			say_sets(t, &c->listen[i], i);
	say_chain(t, "forward", "forward", "filter");
	for (size_t i = 0; i < c->listen_count; i++)
		if (c->listen[i].is_closed)
			say_all_ports(t, &c->listen[i], i, &inward, "counter drop");
	say(t, "\t}\n}\n");
}

/* Made first, so that it can be deleted: a whole table is replaced, in one transaction. */
static void say_replaced(struct text *t, const char *table, const char *flags)
{
	say(t, "table inet %s {\n%s}\ndelete table inet %s\n", table, flags, table);
}

/* ---- the plan ---------------------------------------------------------------------------------- */

static bool has_interface(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->interface_count; i++)
		if (strcmp(plan->interface[i], name) == 0)
			return true;
	return false;
}

static void add_interfaces(struct plan *plan, const struct capture_listen *l)
{
	for (size_t i = 0; i < l->interface_count; i++)
		if (!has_interface(plan, l->interface[i]))
			memcpy(plan->interface[plan->interface_count++], l->interface[i], IF_NAMESIZE);
}

int plan_make(struct plan *plan, const struct capture *c)
{
	char why[CAPTURE_TEXT];
	if (plan_check(c, why) != 0)
		return -EINVAL;
	memset(plan, 0, sizeof(*plan));
	plan->mark = c->mark;
	plan->mask = c->mask;
	for (size_t i = 0; i < c->listen_count; i++) {
		add_interfaces(plan, &c->listen[i]);
		plan->is_closed |= c->listen[i].is_closed;
	}
	struct text t = { .room = plan->rules, .size = sizeof(plan->rules) };
	say_replaced(&t, PLAN_TABLE, "\tflags owner\n");
	say_table(&t, c);
	say_replaced(&t, PLAN_CLOSED, "");
	if (plan->is_closed)
		say_closed(&t, c);
	return t.full ? -EMSGSIZE : 0;
}

static bool listen_captures(const struct capture_listen *l, const struct addr *called)
{
	bool port = false, server = !l->is_narrow;
	for (size_t i = 0; i < l->port_count; i++)
		port |= l->port[i] == called->port;
	for (size_t i = 0; i < l->server_count; i++)
		server |= addr_same_host(&l->server[i], called);
	return port && server;
}

bool plan_captures(const struct capture *c, const struct addr *called)
{
	for (size_t i = 0; i < c->listen_count; i++)
		if (listen_captures(&c->listen[i], called))
			return true;
	return false;
}
