/* One line of the state file. */
#include "row.h"
#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include "base/hex.h"
#include "control/tree.h"
#include "control/utf8.h"

/* Longest time to a registration's end that can be true, ms. */
#define EXPIRES_MAX_MS ((int64_t)(UINT32_MAX + (int64_t)LIFETIME_GRACE_S) * 1000)

/* The members, each with the only type that it may have. */
enum member {
	VERSION, SAVED_AT, ROWS,
	ENDPOINT, ENDPOINT_HEX, SERVER, BOOTSTRAP, PORT,
	LISTENER, DEVICE, INTERFACE, ZONE, CALLED, CALLED_PORT, CALLS, KNOWN, LOCATION, LIFETIME, EXPIRES, LIVE,
	SECURED, CID, UP_MESSAGES, UP_BYTES, DOWN_MESSAGES, DOWN_BYTES,
	MEMBERS
};

static const struct {
	const char *name;
	json_type type;
} members[MEMBERS] = {
	[VERSION] = { "lwgate_routes", json_type_int },
	[SAVED_AT] = { "saved_at", json_type_int },
	[ROWS] = { "rows", json_type_int },
	[ENDPOINT] = { "endpoint", json_type_string },
	[ENDPOINT_HEX] = { "endpoint_hex", json_type_string },
	[SERVER] = { "server", json_type_string },
	[BOOTSTRAP] = { "bootstrap", json_type_boolean },
	[PORT] = { "port", json_type_int },
	[LISTENER] = { "listener", json_type_string },
	[DEVICE] = { "device", json_type_string },
	[INTERFACE] = { "interface", json_type_string },
	[ZONE] = { "zone", json_type_string },
	[CALLED] = { "called", json_type_string },
	[CALLED_PORT] = { "called_port", json_type_int },
	[CALLS] = { "calls", json_type_string },
	[KNOWN] = { "known_as", json_type_string },
	[LOCATION] = { "location", json_type_string },
	[LIFETIME] = { "lifetime_s", json_type_int },
	[EXPIRES] = { "expires_in_ms", json_type_int },
	[LIVE] = { "live", json_type_boolean },
	[SECURED] = { "secured", json_type_boolean },
	[CID] = { "cid", json_type_string },
	[UP_MESSAGES] = { "up_messages", json_type_int },
	[UP_BYTES] = { "up_bytes", json_type_int },
	[DOWN_MESSAGES] = { "down_messages", json_type_int },
	[DOWN_BYTES] = { "down_bytes", json_type_int },
};

#define BIT(m) (1u << (m))
#define NAMES (BIT(ENDPOINT) | BIT(ENDPOINT_HEX))
#define PORT_NEEDS (BIT(SERVER) | BIT(BOOTSTRAP) | BIT(PORT))
#define FLOW_NEEDS                                                                                 \
	(PORT_NEEDS | BIT(LISTENER) | BIT(DEVICE) | BIT(CALLED) | BIT(LIFETIME) | BIT(EXPIRES) |   \
		BIT(LIVE) | BIT(UP_MESSAGES) | BIT(UP_BYTES) | BIT(DOWN_MESSAGES) |                \
		BIT(DOWN_BYTES))

/* What each kind of line must have, and may have besides. */
static const struct {
	uint32_t needs, may;
} kinds[] = {
	[ROW_HEADER] = { BIT(VERSION) | BIT(SAVED_AT), 0 },
	[ROW_FLOW] = { FLOW_NEEDS, NAMES | BIT(INTERFACE) | BIT(ZONE) | BIT(LOCATION) |
		BIT(SECURED) | BIT(CID) | BIT(CALLS) | BIT(CALLED_PORT) |
		BIT(KNOWN) },
	[ROW_PORT] = { PORT_NEEDS, NAMES },
	[ROW_END] = { BIT(ROWS), 0 },
};

/* What was found in a line. */
struct found {
	struct json_object *value[MEMBERS];
	uint32_t mask;
	const char *why; /* the first fault, or NULL */
};

static void fault(struct found *f, const char *why)
{
	if (f->why == NULL)
		f->why = why;
}

static void found_member(struct found *f, const char *name, struct json_object *value)
{
	for (unsigned m = 0; m < MEMBERS; m++) {
		if (strcmp(name, members[m].name) != 0)
			continue;
		if (!json_object_is_type(value, members[m].type))
			fault(f, "a member has the wrong type");
		f->value[m] = value;
		f->mask |= BIT(m);
		return;
	}
	fault(f, "a member is not known");
}

static void find_kind(struct found *f, struct row *row)
{
	for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		uint32_t names = f->mask & NAMES;
		bool is_named = (kinds[k].may & NAMES) == 0 || (names != 0 && names != NAMES);
		if ((f->mask & kinds[k].needs) == kinds[k].needs && is_named &&
			(f->mask & ~(kinds[k].needs | kinds[k].may)) == 0) {
			row->kind = (enum row_kind)k;
			return;
		}
	}
	fault(f, "members are missing, or do not belong together");
}

/* ---- members to values ---- */

static bool has_control(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return true;
	return false;
}

static const char *get_text(struct found *f, enum member m, size_t most)
{
	if ((f->mask & BIT(m)) == 0)
		return NULL;
	const char *s = json_object_get_string(f->value[m]);
	size_t n = (size_t)json_object_get_string_len(f->value[m]);
	if (n == 0 || n > most || strlen(s) != n)
		fault(f, "a text is empty, too long, or has a zero byte");
	if (!utf8_is_all(s, n))
		fault(f, "a text is no UTF-8");
	if (has_control((const uint8_t *)s, n))
		fault(f, "a text has a control character");
	return s;
}

static int64_t get_int(struct found *f, enum member m, int64_t least, int64_t most)
{
	int64_t v = json_object_get_int64(f->value[m]);
	if (v < least || v > most)
		fault(f, "a number is out of range");
	return v;
}

static uint64_t get_count(struct found *f, enum member m)
{
	get_int(f, m, 0, INT64_MAX);
	return json_object_get_uint64(f->value[m]);
}

static struct addr get_addr(struct found *f, enum member m)
{
	struct addr a = { .port = 0 };
	const char *s = get_text(f, m, ADDR_TEXT);
	if (addr_parse(&a, s) != 0 || a.scope != 0 || addr_is_multicast(&a))
		fault(f, "an address can not be read");
	return a;
}

static void get_endpoint(struct found *f, struct row *row)
{
	const char *s = get_text(f, ENDPOINT, ENDPOINT_NAME_MAX);
	const char *hex = get_text(f, ENDPOINT_HEX, ENDPOINT_NAME_MAX * 2);
	long n = -EINVAL;
	if (s != NULL && f->why == NULL)
		memcpy(row->endpoint, s, (size_t)(n = (long)strlen(s)));
	else if (hex != NULL && f->why == NULL)
		n = hex_decode(hex, strlen(hex), (uint8_t *)row->endpoint, ENDPOINT_NAME_MAX);
	if (n <= 0 || has_control((const uint8_t *)row->endpoint, (size_t)n))
		fault(f, "an endpoint name can not be read");
	row->saved.endpoint = row->endpoint;
}

static void get_port(struct found *f, struct row *row)
{
	get_endpoint(f, row);
	row->saved.server = get_text(f, SERVER, ROW_LINE_MAX);
	row->saved.is_bootstrap = json_object_get_boolean(f->value[BOOTSTRAP]);
	row->saved.port = (uint16_t)get_int(f, PORT, row->kind == ROW_PORT ? 1 : 0, 65535);
}

static void get_location(struct found *f, struct row *row)
{
	const char *s = get_text(f, LOCATION, LOCATION_MAX - 1);
	row->saved.location = s;
	if (s != NULL && s[0] != '/')
		fault(f, "a Location does not begin with '/'");
	for (; s != NULL && *s != '\0'; s++)
		if ((unsigned char)*s > 0x7e)
			fault(f, "a Location is no printable ASCII");
}

static void get_cid(struct found *f, struct row *row)
{
	const char *hex = get_text(f, CID, 2 * CID_MAX);
	if (hex == NULL || f->why != NULL)
		return;
	long n = hex_decode(hex, strlen(hex), row->cid, sizeof(row->cid));
	if (n <= 0)
		fault(f, "a connection id can not be read");
	else
		row->saved.cid = (struct slice){ row->cid, (size_t)n };
}

static void get_addresses(struct found *f, struct row *row)
{
	struct life_saved *s = &row->saved;
	s->device = get_addr(f, DEVICE);
	s->called = get_addr(f, CALLED);
	if (s->device.port == 0 || addr_is_any(&s->device))
		fault(f, "a device's address is no address, or lacks its port");
	if (s->called.port != 0 || addr_is_v4(&s->called) != addr_is_v4(&s->device))
		fault(f, "the called address has a port, or another family than the device");
	s->is_assisted = (f->mask & BIT(KNOWN)) != 0;
	if (s->is_assisted)
		s->known = get_addr(f, KNOWN);
	if (s->known.port != 0)
		fault(f, "our own address has a port");
	row->interface = get_text(f, INTERFACE, 255);
	row->zone = get_text(f, ZONE, 255);
	if (row->zone != NULL && !addr_is_link_local(&s->device))
		fault(f, "an address that is not link-local has a zone");
}

static void get_flow(struct found *f, struct row *row)
{
	struct life_saved *s = &row->saved;
	get_port(f, row);
	get_addresses(f, row);
	get_location(f, row);
	get_cid(f, row);
	s->listener = get_text(f, LISTENER, ROW_LINE_MAX);
	s->calls = get_text(f, CALLS, ROW_LINE_MAX);
	s->called_port = (uint16_t)get_int(f, CALLED_PORT, 0, 65535);
	s->lifetime_s = (uint32_t)get_int(f, LIFETIME, 0, UINT32_MAX);
	s->expires_in_ms = get_int(f, EXPIRES, -1, EXPIRES_MAX_MS);
	s->is_live = json_object_get_boolean(f->value[LIVE]);
	s->is_secured = json_object_get_boolean(f->value[SECURED]);
	s->up_messages = get_count(f, UP_MESSAGES);
	s->up_bytes = get_count(f, UP_BYTES);
	s->down_messages = get_count(f, DOWN_MESSAGES);
	s->down_bytes = get_count(f, DOWN_BYTES);
}

static void get_row(struct found *f, struct row *row)
{
	switch (row->kind) {
	case ROW_HEADER:
		if (json_object_get_int64(f->value[VERSION]) != ROW_VERSION)
			fault(f, "the file has another version");
		row->saved_at = get_int(f, SAVED_AT, INT64_MIN, INT64_MAX);
		return;
	case ROW_FLOW:
		get_flow(f, row);
		return;
	case ROW_PORT:
		get_port(f, row);
		return;
	case ROW_END:
		row->rows = (uint64_t)get_int(f, ROWS, 0, INT64_MAX);
		return;
	}
	BUG("unknown kind of row");
}

/* ---- a line ---- */

/* The line as one object with nothing behind it, or NULL. */
static struct json_object *parse(const char *line, size_t n)
{
	struct json_tokener *tok = json_tokener_new_ex(3);
	if (tok == NULL)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	struct json_object *o = json_tokener_parse_ex(tok, line, (int)n);
	bool is_whole = json_tokener_get_error(tok) == json_tokener_success &&
		json_tokener_get_parse_end(tok) == n;
	json_tokener_free(tok);
	if (is_whole && json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

int row_read(struct row *row, const char *line, size_t n, const char **why)
{
	struct found f = { .why = NULL };
	*row = (struct row){ .owner = n < ROW_LINE_MAX ? parse(line, n) : NULL };
	if (row->owner == NULL) {
		*why = "the line is no JSON object";
		return -EINVAL;
	}
	json_object_object_foreach(row->owner, name, value)
		found_member(&f, name, value);
	if (f.why == NULL)
		find_kind(&f, row);
	if (f.why == NULL)
		get_row(&f, row);
	if (f.why == NULL)
		return 0;
	*why = f.why;
	row_fini(row);
	return -EINVAL;
}

void row_fini(struct row *row)
{
	json_object_put(row->owner);
	row->owner = NULL;
}

/* ---- writing ---- */

static void put_port(struct json_object **o, const struct life_saved *s)
{
	char hex[2 * ENDPOINT_NAME_MAX + 1];
	size_t n = strlen(s->endpoint);
	if (utf8_is_all(s->endpoint, n) || n > ENDPOINT_NAME_MAX) {
		tree_string(o, members[ENDPOINT].name, s->endpoint);
	} else {
		hex_encode((const uint8_t *)s->endpoint, n, hex);
		tree_string(o, members[ENDPOINT_HEX].name, hex);
	}
	tree_string(o, members[SERVER].name, s->server);
	tree_bool(o, members[BOOTSTRAP].name, s->is_bootstrap);
	tree_uint(o, members[PORT].name, s->port);
}

static void put_addr(struct json_object **o, enum member m, struct addr a)
{
	char text[ADDR_TEXT];
	a.scope = 0; /* numbers of interfaces change: the names stand beside */
	tree_string(o, members[m].name, addr_print(&a, text));
}

static void put_cid(struct json_object **o, struct slice cid)
{
	char hex[2 * CID_MAX + 1];
	if (cid.n == 0)
		return;
	hex_encode(cid.p, cid.n, hex);
	tree_string(o, members[CID].name, hex);
}

static void put_flow(struct json_object **o, const struct row *row)
{
	const struct life_saved *s = &row->saved;
	put_port(o, s);
	tree_string(o, members[LISTENER].name, s->listener);
	put_addr(o, DEVICE, s->device);
	if (row->interface != NULL)
		tree_string(o, members[INTERFACE].name, row->interface);
	if (row->zone != NULL)
		tree_string(o, members[ZONE].name, row->zone);
	put_addr(o, CALLED, s->called);
	if (s->called_port != 0)
		tree_uint(o, members[CALLED_PORT].name, s->called_port);
	if (s->calls != NULL)
		tree_string(o, members[CALLS].name, s->calls);
	if (s->is_assisted)
		put_addr(o, KNOWN, s->known);
	if (s->location != NULL)
		tree_string(o, members[LOCATION].name, s->location);
	tree_uint(o, members[LIFETIME].name, s->lifetime_s);
	tree_int(o, members[EXPIRES].name, s->expires_in_ms);
	tree_bool(o, members[LIVE].name, s->is_live);
	if (s->is_secured)
		tree_bool(o, members[SECURED].name, true);
	put_cid(o, s->cid);
	tree_uint(o, members[UP_MESSAGES].name, s->up_messages);
	tree_uint(o, members[UP_BYTES].name, s->up_bytes);
	tree_uint(o, members[DOWN_MESSAGES].name, s->down_messages);
	tree_uint(o, members[DOWN_BYTES].name, s->down_bytes);
}

void row_write(struct text *t, const struct row *row)
{
	struct json_object *o = json_object_new_object();
	switch (row->kind) {
	case ROW_HEADER:
		tree_uint(&o, members[VERSION].name, ROW_VERSION);
		tree_int(&o, members[SAVED_AT].name, row->saved_at);
		break;
	case ROW_FLOW:
		put_flow(&o, row);
		break;
	case ROW_PORT:
		put_port(&o, &row->saved);
		break;
	case ROW_END:
		tree_uint(&o, members[ROWS].name, row->rows);
		break;
	}
	tree_write(t, &o);
	text_add(t, "\n");
}
