/* The objects of the test device. Each object, instance and resource is a resource of libcoap, so
 * that all can be observed; what is written into /5/0/0 can be read again as /26241/0/0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/peers/objects.h"

#define THINGS_MAX 4096

/* What may be done with a resource. */
enum { R = 1, W = 2, X = 4 };

/* An object, an instance or a resource. */
struct thing {
	char path[PATH_MAX_BYTES]; /* without the leading slash, as libcoap has it */
	unsigned may;              /* R, W and X; 0 for objects and instances */
	int format;                /* of a resource's value */
	struct body value;         /* of a resource */
	coap_resource_t *resource; /* libcoap owns it */
	uint8_t token[8];          /* of the last observation */
	size_t token_len;          /* bytes of it; 0 for none yet */
};

static const struct {
	const char *path;
	unsigned may;
	int format;
	const char *value;
} model[] = {
	{ "1", 0, 0, NULL },
	{ "1/0", 0, 0, NULL },
	{ "1/0/0", R, FORMAT_TEXT, "101" },
	{ "1/0/1", R | W, FORMAT_TEXT, "60" },
	{ "1/0/7", R | W, FORMAT_TEXT, "U" },
	{ "1/0/8", X, FORMAT_TEXT, NULL },
	{ "3", 0, 0, NULL },
	{ "3/0", 0, 0, NULL },
	{ "3/0/0", R, FORMAT_TEXT, "lwgate tests" },
	{ "3/0/1", R, FORMAT_TEXT, "bench device" },
	{ "3/0/2", R, FORMAT_TEXT, "0001" },
	{ "3/0/4", X, FORMAT_TEXT, NULL },
	{ "3/0/9", R, FORMAT_TEXT, "97" },
	{ "3/0/13", R | W, FORMAT_TEXT, "1700000000" },
	{ "3/0/16", R, FORMAT_TEXT, "U" },
	{ "5", 0, 0, NULL },
	{ "5/0", 0, 0, NULL },
	{ "5/0/0", W, FORMAT_OPAQUE, NULL },
	{ "5/0/3", R, FORMAT_TEXT, "0" },
	{ "5/0/5", R, FORMAT_TEXT, "0" },
	{ "26241", 0, 0, NULL },
	{ "26241/0", 0, 0, NULL },
	{ "26241/0/0", R | W, FORMAT_OPAQUE, NULL },
	{ "3303", 0, 0, NULL },
};

static struct thing *things[THINGS_MAX];
static size_t count;
static coap_context_t *context;
static int notify_flag;
static coap_tick_t slow_ticks;
static bool bootstrapping;
static objects_event *tell;

static struct thing *thing_find(const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(things[i]->path, path))
			return things[i];
	return NULL;
}

static unsigned depth(const char *path)
{
	unsigned n = 1;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static bool is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return !strncmp(path, top, n) && (path[n] == '/' || !path[n]);
}

/* ---- reading ---- */

static void senml_print(struct body *b, const struct thing *top)
{
	const char *comma = "[";

	for (size_t i = 0; i < count; i++) {
		const struct thing *t = things[i];

		if (!(t->may & R) || t->format != FORMAT_TEXT || !is_below(t->path, top->path))
			continue;
		body_print(b, "%s{\"n\":\"/%s\",\"vs\":\"%.*s\"}", comma, t->path,
			(int)t->value.len, (const char *)t->value.bytes);
		comma = ",";
	}
	body_print(b, *comma == '[' ? "[]" : "]");
}

static void links_print(struct body *b, const struct thing *top)
{
	for (size_t i = 0; i < count; i++)
		if (is_below(things[i]->path, top->path))
			body_print(b, "%s</%s>", b->len ? "," : "", things[i]->path);
}

static void free_copy(coap_session_t *session, void *copy)
{
	(void)session;
	free(copy);
}

/* Says what the server asks for. A notification is the same question asked by libcoap itself. */
static void say_read(struct thing *t, const coap_pdu_t *request, const struct body *b)
{
	char text[128];
	long observe = pdu_get_uint(request, COAP_OPTION_OBSERVE);
	coap_bin_const_t token = coap_pdu_get_token(request);
	bool known = token.length && token.length == t->token_len &&
		     !memcmp(token.s, t->token, token.length);
	const char *what = observe < 0 ? "read" : observe ? "cancel" : known ? "notify" : "observe";

	if (observe == 0 && token.length <= sizeof t->token) {
		memcpy(t->token, token.s, token.length);
		t->token_len = token.length;
	}
	if (b->len > 64)
		say("%s /%s %zu bytes crc32=%08x", what, t->path, b->len,
			bytes_crc32(b->bytes, b->len));
	else
		say("%s /%s %s", what, t->path, quote(b->bytes, b->len, text, sizeof text));
}

/* True while the answer has to wait: libcoap acknowledges now and asks again in time. It removes what
 * was registered by itself after the second time. */
static bool is_put_off(coap_session_t *session, const coap_pdu_t *request)
{
	if (!slow_ticks || pdu_get_uint(request, COAP_OPTION_OBSERVE) >= 0 ||
		coap_find_async(session, coap_pdu_get_token(request)))
		return false;
	return coap_register_async(session, request, slow_ticks) != NULL;
}

static void on_get(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	struct thing *t = coap_resource_get_userdata(resource);
	struct body b = { 0 };
	int format = t->format;

	if (is_put_off(session, request))
		return;
	if (pdu_get_uint(request, COAP_OPTION_ACCEPT) == FORMAT_LINK) {
		format = FORMAT_LINK;
		links_print(&b, t);
	} else if (!t->may) {
		format = FORMAT_SENML_JSON;
		senml_print(&b, t);
	} else if (t->may & R) {
		body_add(&b, t->value.bytes, t->value.len);
	} else {
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_NOT_ALLOWED);
		return;
	}
	say_read(t, request, &b);
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
	uint8_t *copy = bytes_copy(b.bytes, b.len);
	coap_add_data_large_response(resource, session, request, response, query, (uint16_t)format,
		-1, 0, b.len, copy, free_copy, copy);
	body_clear(&b);
}

/* ---- writing ---- */

/* The observers of a resource, of its instance and of its object are told. */
static void notify(const struct thing *t)
{
	for (size_t i = 0; i < count; i++)
		if (is_below(t->path, things[i]->path))
			coap_resource_notify_observers(things[i]->resource, NULL);
}

static void value_set(struct thing *t, const uint8_t *bytes, size_t n)
{
	body_clear(&t->value);
	body_add(&t->value, bytes, n);
	notify(t);
}

static void on_put(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	struct thing *t = coap_resource_get_userdata(resource);
	const uint8_t *bytes = NULL;
	size_t n = 0;
	size_t at;
	size_t total;
	char path[PATH_MAX_BYTES] = "";

	(void)session;
	path_get(request, path, sizeof path);
	coap_get_data_large(request, &n, &bytes, &at, &total);
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
	if (query && !n) {
		say("attributes %s %.*s", path, (int)query->length, (const char *)query->s);
	} else if (t && t->may & W) {
		say("write %s %zu bytes crc32=%08x", path, n, bytes_crc32(bytes, n));
		value_set(t, bytes, n);
		if (!strcmp(t->path, "5/0/0"))
			value_set(thing_find("26241/0/0"), bytes, n);
	} else if (bootstrapping) {
		say("bootstrap-write %s %zu bytes", path, n);
	} else {
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_NOT_ALLOWED);
	}
}

static void on_post(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	struct thing *t = coap_resource_get_userdata(resource);
	const uint8_t *bytes = NULL;
	size_t n = 0;
	char text[128];
	char path[PATH_MAX_BYTES + 1];

	(void)session;
	(void)query;
	if (!(t->may & X)) {
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_NOT_ALLOWED);
		return;
	}
	coap_get_data(request, &n, &bytes);
	snprintf(path, sizeof path, "/%s", t->path);
	say("execute %s %s", path, quote(bytes, n, text, sizeof text));
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
	tell(path);
}

static void on_finish(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	(void)resource;
	(void)session;
	(void)request;
	(void)query;
	if (!bootstrapping) {
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_NOT_ALLOWED);
		return;
	}
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
	tell("/bs");
}

static void on_delete(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	(void)resource;
	(void)session;
	(void)request;
	(void)query;
	coap_pdu_set_code(response,
		bootstrapping ? COAP_RESPONSE_CODE_DELETED : COAP_RESPONSE_CODE_NOT_ALLOWED);
}

/* ---- life ---- */

static void thing_add(const char *path, unsigned may, int format, const char *value)
{
	struct thing *t = calloc(1, sizeof *t);

	if (!t || count == THINGS_MAX)
		die("too many resources");
	snprintf(t->path, sizeof t->path, "%s", path);
	t->may = may;
	t->format = format;
	if (value)
		body_print(&t->value, "%s", value);
	t->resource = coap_resource_init(coap_make_str_const(t->path), notify_flag);
	coap_resource_set_get_observable(t->resource, 1);
	coap_resource_set_userdata(t->resource, t);
	coap_register_request_handler(t->resource, COAP_REQUEST_GET, on_get);
	coap_register_request_handler(t->resource, COAP_REQUEST_PUT, on_put);
	coap_register_request_handler(t->resource, COAP_REQUEST_POST, on_post);
	coap_register_request_handler(t->resource, COAP_REQUEST_DELETE, on_delete);
	coap_add_resource(context, t->resource);
	things[count++] = t;
}

static void sensor_add(unsigned instance)
{
	static const struct {
		const char *suffix;
		unsigned may;
		const char *value;
	} parts[] = { { "", 0, NULL }, { "/5700", R, "20.0" }, { "/5701", R, "Cel" },
		{ "/5605", X, NULL } };
	char path[PATH_MAX_BYTES];

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		snprintf(path, sizeof path, "3303/%u%s", instance, parts[i].suffix);
		thing_add(path, parts[i].may, FORMAT_TEXT, parts[i].value);
	}
}

void objects_init(coap_context_t *ctx, const struct objects_choice *choice, objects_event *event)
{
	coap_resource_t *other = coap_resource_unknown_init(on_put);
	coap_resource_t *bs = coap_resource_init(coap_make_str_const("bs"), 0);

	context = ctx;
	tell = event;
	slow_ticks = choice->slow_ms * COAP_TICKS_PER_SECOND / 1000;
	notify_flag = choice->con ? COAP_RESOURCE_FLAGS_NOTIFY_CON : COAP_RESOURCE_FLAGS_NOTIFY_NON;
	for (size_t i = 0; i < sizeof model / sizeof *model; i++)
		thing_add(model[i].path, model[i].may, model[i].format, model[i].value);
	for (unsigned i = 0; i < choice->instances || !i; i++)
		sensor_add(i);
	coap_register_request_handler(bs, COAP_REQUEST_POST, on_finish);
	coap_add_resource(ctx, bs);
	coap_register_request_handler(other, COAP_REQUEST_DELETE, on_delete);
	coap_add_resource(ctx, other);
}

void objects_links(struct body *b)
{
	body_print(b, "</>;rt=\"oma.lwm2m\";ct=110");
	for (size_t i = 0; i < count; i++)
		if (depth(things[i]->path) == 2)
			body_print(b, ",</%s>", things[i]->path);
}

bool objects_set(const char *path, const char *value)
{
	struct thing *t = thing_find(path + (*path == '/'));

	if (!t || !t->may)
		return false;
	value_set(t, (const uint8_t *)value, strlen(value));
	return true;
}

void objects_bootstrap(bool on)
{
	bootstrapping = on;
}

void objects_send(struct body *b, size_t n)
{
	const struct thing *t = thing_find("3303/0/5700");

	body_print(b, "[{\"n\":\"/%s\",\"v\":%.*s", t->path, (int)t->value.len,
		(const char *)t->value.bytes);
	if (b->len + 2 < n) {
		body_print(b, "},{\"n\":\"/3/0/2\",\"vs\":\"");
		while (b->len + 3 < n)
			body_add(b, (const uint8_t *)"x", 1);
		body_print(b, "\"");
	}
	body_print(b, "}]");
}

void objects_close(void)
{
	for (size_t i = 0; i < count; i++) {
		body_clear(&things[i]->value);
		free(things[i]);
	}
	count = 0;
}
