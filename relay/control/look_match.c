/* Whether a match of nftables fits a captured packet; what is not understood fits perhaps. */
#include "look_int.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *value = NULL;
	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, name, &value);
	return value;
}

static const char *word(struct json_object *o, const char *name)
{
	struct json_object *value = member(o, name);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static struct json_object *item(struct json_object *list, size_t i)
{
	return json_object_is_type(list, json_type_array) && i < json_object_array_length(list) ?
		json_object_array_get_idx(list, i) : NULL;
}

/* What a match looks at, of our packet. */
struct value {
	bool is_known;
	const char *text; /* a word, or NULL: number counts */
	int64_t number;
};

static struct value unknown(void)
{
	return (struct value){ .is_known = false };
}

static struct value text(const char *s)
{
	return (struct value){ .is_known = true, .text = s };
}

static struct value number(int64_t n)
{
	return (struct value){ .is_known = true, .number = n };
}

static struct value of_meta(const char *key, const struct look_packet *p)
{
	if (strcmp(key, "iifname") == 0 || strcmp(key, "iif") == 0)
		return text(p->interface);
	if (strcmp(key, "l4proto") == 0)
		return text("udp");
	return strcmp(key, "mark") == 0 ? number(p->mark) : unknown();
}

static struct value of_payload(struct json_object *payload, const struct look_packet *p)
{
	const char *protocol = word(payload, "protocol"), *field = word(payload, "field");
	if (strcmp(protocol, "udp") == 0 || strcmp(protocol, "th") == 0)
		return strcmp(field, "dport") == 0 ? number(p->port) : unknown();
	if (strcmp(protocol, "ip") == 0 && strcmp(field, "protocol") == 0)
		return text("udp");
	return unknown();
}

/* Fields of other protocols, which no UDP packet has. */
static bool is_of_another(struct json_object *payload)
{
	static const char *const others[] = { "tcp", "icmp", "icmpv6", "sctp", "dccp", "esp", "ah",
		"igmp" };
	const char *protocol = word(payload, "protocol");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(protocol, others[i]) == 0)
			return true;
	return false;
}

/* A value, or one behind a mask. */
static struct value left_of(struct json_object *left, const struct look_packet *p)
{
	struct json_object *both = member(left, "&"), *mask = item(both, 1);
	if (json_object_is_type(mask, json_type_int)) {
		struct value v = of_meta(word(member(item(both, 0), "meta"), "key"), p);
		return v.is_known && v.text == NULL ? number(v.number & json_object_get_int64(mask)) :
						      unknown();
	}
	if (member(left, "meta") != NULL)
		return of_meta(word(member(left, "meta"), "key"), p);
	/* Our rules let nothing that they capture be tracked. */
	if (strcmp(word(member(left, "ct"), "key"), "state") == 0)
		return text("untracked");
	return of_payload(member(left, "payload"), p);
}

static enum look_fit fits_name(const char *name, const char *pattern)
{
	size_t n = strlen(pattern);
	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(name, pattern, n - 1) == 0 ? LOOK_YES : LOOK_NO;
	/* A named set. */
	if (pattern[0] == '@')
		return LOOK_PERHAPS;
	return strcmp(name, pattern) == 0 ? LOOK_YES : LOOK_NO;
}

static enum look_fit fits_one(const struct value *v, struct json_object *right)
{
	struct json_object *range = member(right, "range");
	if (v->text != NULL)
		return json_object_is_type(right, json_type_string) ?
			fits_name(v->text, json_object_get_string(right)) : LOOK_PERHAPS;
	if (json_object_is_type(right, json_type_int))
		return json_object_get_int64(right) == v->number ? LOOK_YES : LOOK_NO;
	struct json_object *from = item(range, 0), *to = item(range, 1);
	if (!json_object_is_type(from, json_type_int) || !json_object_is_type(to, json_type_int))
		return LOOK_PERHAPS;
	return v->number >= json_object_get_int64(from) && v->number <= json_object_get_int64(to) ?
		LOOK_YES : LOOK_NO;
}

static enum look_fit fits(const struct value *v, struct json_object *right)
{
	struct json_object *set = json_object_is_type(right, json_type_array) ? right :
									member(right, "set");
	if (!json_object_is_type(set, json_type_array))
		return fits_one(v, right);
	enum look_fit best = LOOK_NO;
	for (size_t i = 0; i < json_object_array_length(set) && best != LOOK_YES; i++) {
		enum look_fit one = fits_one(v, item(set, i));
		best = one > best ? one : best;
	}
	return best;
}

enum look_fit look_match(struct json_object *match, const struct look_packet *packet)
{
	struct json_object *left = member(match, "left"), *right = member(match, "right");
	const char *op = word(match, "op");
	bool is_not = strcmp(op, "!=") == 0;
	if (!is_not && strcmp(op, "==") != 0 && strcmp(op, "in") != 0)
		return LOOK_PERHAPS;
	if (is_of_another(member(left, "payload")))
		return LOOK_NO;
	struct value v = left_of(left, packet);
	if (!v.is_known)
		return LOOK_PERHAPS;
	enum look_fit fit = fits(&v, right);
	if (fit == LOOK_PERHAPS || !is_not)
		return fit;
	return fit == LOOK_YES ? LOOK_NO : LOOK_YES;
}

enum look_fit look_map(struct json_object *map, const struct look_packet *packet)
{
	struct json_object *key = member(map, "key"), *set = member(member(map, "data"), "set");
	struct value v = left_of(key, packet);
	enum look_fit best = LOOK_NO;
	if (!json_object_is_type(set, json_type_array) || !v.is_known)
		return LOOK_PERHAPS;
	for (size_t i = 0; i < json_object_array_length(set); i++) {
		struct json_object *one = item(item(set, i), 0);
		enum look_fit fit = fits_one(&v, one);
		best = fit > best ? fit : best;
	}
	return best;
}
