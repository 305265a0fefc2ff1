/* Whether chains of others let pass what a listener captures. A packet is walked through each chain on the
 * input hook; what is not understood makes an outcome uncertain, and the warning softer. */
#include "look.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "look_int.h"

/* Chains that jump into each other, and objects that are looked at for one packet in one base chain. */
#define DEPTH 16
#define STEPS 200000
/* How deep a rule's JSON is nested at most. */
#define NESTED 32

struct json_object *look_read(const char *text, size_t n)
{
	struct json_tokener *tok = json_tokener_new_ex(NESTED);
	struct json_object *o = NULL, *list = NULL;
	if (tok == NULL || n > INT32_MAX)
		goto out;
	o = json_tokener_parse_ex(tok, text, (int)n);
	if (!json_object_is_type(o, json_type_object) ||
		!json_object_object_get_ex(o, "nftables", &list) ||
		!json_object_is_type(list, json_type_array)) {
		json_object_put(o);
		o = NULL;
	}
out:
	if (tok != NULL)
		json_tokener_free(tok);
	return o;
}

static const char *word(struct json_object *o, const char *name)
{
	struct json_object *value = NULL;
	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, name, &value))
		return "";
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* The i-th of what is listed, when it is of that kind: "chain", "rule". */
static struct json_object *listed(struct json_object *list, size_t i, const char *kind)
{
	struct json_object *value = NULL, *o = json_object_array_get_idx(list, i);
	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, kind, &value);
	return json_object_is_type(value, json_type_object) ? value : NULL;
}

/* ---- a packet's walk --------------------------------------------------------------------------- */

enum verdict { THROUGH, ACCEPTED, DROPPED };

struct walk {
	struct json_object *list; /* all that is listed */
	struct json_object *base; /* the base chain */
	struct look_packet packet;
	unsigned steps; /* objects looked at */
	bool perhaps;   /* it may have been accepted before */
};

static enum verdict walk_chain(struct walk *w, const char *chain, unsigned depth, bool is_certain);

/* What a rule's statement does besides matching. */
static enum verdict apply(struct walk *w, const char *kind, struct json_object *value, unsigned depth,
	bool is_certain, bool *left)
{
	static const char *const harmless[] = { "counter", "log", "mangle", "notrack", "set", "comment",
		"flow" };
	enum verdict v = THROUGH;
	if (strcmp(kind, "accept") == 0)
		v = ACCEPTED;
	else if (strcmp(kind, "drop") == 0 || strcmp(kind, "reject") == 0)
		v = DROPPED;
	else if (strcmp(kind, "jump") == 0)
		return walk_chain(w, word(value, "target"), depth + 1, is_certain);
	else if (strcmp(kind, "return") == 0)
		*left = true;
	else if (strcmp(kind, "vmap") == 0)
		w->perhaps |= look_map(value, &w->packet) != LOOK_NO;
	else {
		for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
			if (strcmp(kind, harmless[i]) == 0)
				return THROUGH;
		/* Goto, queue, a match of xtables: it may be let pass. */
		w->perhaps = true;
		return THROUGH;
	}
	if (is_certain)
		return v;
	w->perhaps |= v == ACCEPTED;
	return THROUGH;
}

/* A rule: its matches, then its verdict. left: the chain is over, or perhaps. */
static enum verdict walk_rule(struct walk *w, struct json_object *rule, unsigned depth,
	bool *is_certain, bool *left)
{
	struct json_object *expr = NULL;
	bool sure = *is_certain, returns = false;
	enum verdict v = THROUGH;
	json_object_object_get_ex(rule, "expr", &expr);
	size_t n = json_object_is_type(expr, json_type_array) ? json_object_array_length(expr) : 0;
	for (size_t i = 0; i < n && v == THROUGH && !returns; i++) {
		struct json_object *one = json_object_array_get_idx(expr, i);
		if (!json_object_is_type(one, json_type_object))
			continue;
		json_object_object_foreach(one, kind, value)
		{
			bool is_match = strcmp(kind, "match") == 0;
			enum look_fit fit = is_match ? look_match(value, &w->packet) : LOOK_YES;
			if (fit == LOOK_NO)
				return THROUGH;
			sure = sure && fit == LOOK_YES && strcmp(kind, "limit") != 0;
			if (!is_match && strcmp(kind, "limit") != 0)
				v = apply(w, kind, value, depth, sure, &returns);
		}
	}
	if (returns && sure)
		*left = true;
	else if (returns)
		*is_certain = false;
	return v;
}

static bool is_in(struct json_object *rule, struct json_object *base, const char *chain)
{
	return strcmp(word(rule, "chain"), chain) == 0 &&
		strcmp(word(rule, "table"), word(base, "table")) == 0 &&
		strcmp(word(rule, "family"), word(base, "family")) == 0;
}

static enum verdict walk_chain(struct walk *w, const char *chain, unsigned depth, bool is_certain)
{
	size_t n = json_object_array_length(w->list);
	bool left = false;
	for (size_t i = 0; i < n && !left; i++) {
		if (depth > DEPTH || w->steps++ > STEPS) {
			w->perhaps = true;
			return THROUGH;
		}
		struct json_object *rule = listed(w->list, i, "rule");
		if (rule == NULL || !is_in(rule, w->base, chain))
			continue;
		enum verdict v = walk_rule(w, rule, depth, &is_certain, &left);
		if (v != THROUGH)
			return v;
		/* Left perhaps: what drops below it is no certain end. */
		if (depth == 0 && !is_certain)
			w->perhaps = true;
	}
	return THROUGH;
}

/* ---- what is told ------------------------------------------------------------------------------ */

/* Whether a name can stand in a command and in a path as it is. */
static bool is_plain(const char *name)
{
	return name[0] != '\0' && name[0] != '-' && strlen(name) <= 64 &&
		name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
		'\0';
}

/* How the rule is there after a restart of the firewall: fw4 makes its table anew and includes what lies
 * in folders named as the chains; others read files of their own. */
static void say_lasting(char *text, size_t size, const char *table, const char *chain, const char *rule)
{
	if (strcmp(table, "fw4") == 0)
		snprintf(text, size, "and, to last, mkdir -p /usr/share/nftables.d/chain-pre/%s && echo "
			"'%s' >/usr/share/nftables.d/chain-pre/%s/lwgate.nft", chain, rule, chain);
	else
		snprintf(text, size, "and, to last, '%s' first in that chain in the firewall's own file "
			"(Debian: /etc/nftables.conf)", rule);
}

static void say_drop(const struct walk *w, const struct conf *conf, const struct conf_listen *listen,
	look_warn *warn, void *arg)
{
	char text[LOOK_TEXT], rule[64], lasting[384];
	const char *family = word(w->base, "family"), *table = word(w->base, "table"),
		   *chain = word(w->base, "name");
	bool is_name = is_plain(family) && is_plain(table) && is_plain(chain);
	const char *sure = w->perhaps ? "may drop" : "drops";
	snprintf(rule, sizeof(rule), "meta mark and 0x%x == 0x%x accept", conf->gateway.mark_mask,
		conf->gateway.mark);
	if (!is_name) {
		snprintf(text, sizeof(text), "a chain on the input hook %s what listen '%.64s' captures on "
			"'%.16s'; right is a rule there: %s", sure, listen->name, w->packet.interface, rule);
	} else {
		say_lasting(lasting, sizeof(lasting), table, chain, rule);
		snprintf(text, sizeof(text), "chain '%s' of table '%s %s' %s what listen '%.64s' captures on "
			"'%.16s' (port %u); right is: nft insert rule %s %s %s %s; %s", chain, family, table,
			sure, listen->name, w->packet.interface, w->packet.port, family, table, chain, rule,
			lasting);
	}
	warn(arg, listen, text);
}

/* One warning a chain and listener, about the first packet that would not arrive. */
static bool is_dropped(struct walk *w, const char *interface, uint16_t port)
{
	w->packet.interface = interface;
	w->packet.port = port;
	w->steps = 0;
	w->perhaps = false;
	enum verdict v = walk_chain(w, word(w->base, "name"), 0, true);
	return v == DROPPED || (v == THROUGH && strcmp(word(w->base, "policy"), "drop") == 0);
}

static void look_chain(struct walk *w, const struct conf *conf, const struct conf_listen *listen,
	look_warn *warn, void *arg)
{
	uint16_t port[LOOK_PORTS];
	size_t n = look_ports_of(conf, listen, port);
	for (size_t i = 0; i < listen->interface.count; i++)
		for (size_t k = 0; k < n; k++)
			if (is_dropped(w, listen->interface.item[i], port[k])) {
				say_drop(w, conf, listen, warn, arg);
				return;
			}
}

static bool offloads(struct json_object *rule)
{
	struct json_object *expr = NULL, *flow = NULL;
	json_object_object_get_ex(rule, "expr", &expr);
	size_t n = json_object_is_type(expr, json_type_array) ? json_object_array_length(expr) : 0;
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(expr, i);
		if (json_object_is_type(one, json_type_object) &&
			json_object_object_get_ex(one, "flow", &flow) &&
			strcmp(word(flow, "op"), "add") == 0)
			return true;
	}
	return false;
}

static void look_listen(struct json_object *list, const struct conf *conf,
	const struct conf_listen *listen, look_warn *warn, void *arg)
{
	bool is_offloaded = false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *chain = listed(list, i, "chain"), *rule = listed(list, i, "rule");
		struct walk w = { .list = list, .base = chain, .packet.mark = conf->gateway.mark };
		if (chain != NULL && strcmp(word(chain, "hook"), "input") == 0 &&
			strcmp(word(chain, "type"), "filter") == 0 &&
			strcmp(word(chain, "family"), "netdev") != 0)
			look_chain(&w, conf, listen, warn, arg);
		is_offloaded |= rule != NULL && offloads(rule);
	}
	if (is_offloaded)
		warn(arg, listen, "flows are offloaded ('flow add' in the rules of nftables), and what is "
			"offloaded before the capture begins passes it by; right is no offloading (OpenWrt: "
			"option flow_offloading '0' in /etc/config/firewall)");
}

void look_rules(struct json_object *rules, const struct conf *conf, look_warn *warn, void *arg)
{
	struct json_object *list = NULL;
	json_object_object_get_ex(rules, "nftables", &list);
	for (size_t i = 0; i < conf->listen_count; i++)
		if (conf->listen[i].intercept && json_object_is_type(list, json_type_array))
			look_listen(list, conf, &conf->listen[i], warn, arg);
}
