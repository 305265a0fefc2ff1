/* A small LwM2M Server for tests and the demo: registers devices, takes what they send, and does to
 * them what command lines on standard input say. README.md lists the commands and the lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/peers/book.h"
#include "tests/peers/credentials.h"
#include "tests/peers/ops.h"
#include "tests/peers/talk.h"

#define LISTEN_MAX  16
#define SESSION_MAX 1000000

/* Where to listen, and with what. */
static struct choice {
	struct {
		const char *at;
		coap_proto_t proto;
	} listen[LISTEN_MAX];
	size_t n;                 /* of listen */
	const char *state;        /* journal; NULL for none */
	const char *keys;         /* file of the clients' raw keys; NULL for none */
	struct security security; /* certificate or raw key, beside PSK */
	bool debug;
} choice;

static struct peer server;
static char *psk_file;

/* ---- sessions ---- */

/* The registration that the session stands for: the one made or updated last through it. */
static struct reg *reg_of(coap_session_t *session)
{
	struct reg *r = book_by_id(talk_of(session)->reg_id);

	return r && r->session == session ? r : NULL;
}

static const char *from(const coap_session_t *session, char text[ADDR_TEXT + 16])
{
	char address[ADDR_TEXT];

	snprintf(text, ADDR_TEXT + 16, "%s via %s",
		address_print(coap_session_get_addr_remote(session), address),
		coap_session_get_proto(session) == COAP_PROTO_DTLS ? "coaps" : "coap");
	return text;
}

/* A registration that has lost its session goes on through a new one of the same identity, as in
 * servers that know their clients by it. */
static void reunite(struct reg *r, void *arg)
{
	coap_session_t *session = arg;
	struct talk *t = talk_of(session);

	if (r->session || !*t->identity || strcmp(r->identity, t->identity))
		return;
	book_give_session(r, session);
	t->reg_id = r->id;
}

/* Says once that a handshake was done: libcoap's GnuTLS build tells no event of it, so there it is
 * said with the first request. */
static struct talk *greet(coap_session_t *session)
{
	char text[ADDR_TEXT + 16];
	struct talk *t = talk_of(session);

	if (!t->greeted && coap_session_get_proto(session) == COAP_PROTO_DTLS)
		say("handshake %s from %s", t->identity, from(session, text));
	if (!t->greeted)
		book_each(reunite, session);
	t->greeted = true;
	return t;
}

static int on_event(coap_session_t *session, const coap_event_t event)
{
	char text[ADDR_TEXT + 16];
	struct talk *t = coap_session_get_app_data(session);
	struct reg *r = t ? reg_of(session) : NULL;

	switch (event) {
	case COAP_EVENT_DTLS_CONNECTED:
		greet(session);
		break;
	case COAP_EVENT_DTLS_CLOSED:
		say("closed %s from %s", t ? t->identity : "?", from(session, text));
		if (r)
			book_drop_session(r);
		break;
	case COAP_EVENT_DTLS_ERROR:
		say("tls-error %s from %s", t && *t->identity ? t->identity : "?",
			from(session, text));
		break;
	case COAP_EVENT_SERVER_SESSION_DEL:
		coap_session_set_app_data(session, NULL);
		if (t)
			talk_free(t);
		break;
	default:
		break;
	}
	return 0;
}

/* ---- requests of devices ---- */

/* Puts blocks together. True when the body is whole; else the response asks for more, or says
 * what is wrong. */
static bool body_whole(struct talk *t, const coap_pdu_t *request, coap_pdu_t *response)
{
	coap_block_t block;
	const uint8_t *data;
	size_t n = 0;
	bool blockwise = coap_get_block(request, COAP_OPTION_BLOCK1, &block);

	if (!blockwise || block.num == 0)
		body_clear(&t->body);
	if (blockwise && (size_t)block.num << (block.szx + 4) != t->body.len) {
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_INCOMPLETE);
		return false;
	}
	if (coap_get_data(request, &n, &data))
		body_add(&t->body, data, n);
	if (!blockwise || !block.m)
		return true;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTINUE);
	pdu_add_uint(response, COAP_OPTION_BLOCK1, block.num << 4 | 8u | block.szx);
	return false;
}

/* Repeats Block1 in the answer to the last block, as RFC 7959 2.3 wants it. */
static void echo_block(const coap_pdu_t *request, coap_pdu_t *response)
{
	coap_block_t block;

	if (coap_get_block(request, COAP_OPTION_BLOCK1, &block))
		pdu_add_uint(response, COAP_OPTION_BLOCK1, block.num << 4 | block.szx);
}

static void refuse(coap_pdu_t *response, coap_pdu_code_t code, const char *what, const char *who,
	const char *why)
{
	char text[8];

	say("refused %s %s %s %s", what, *who ? who : "?", code_print(code, text),
		*why ? why : "nosec");
	coap_pdu_set_code(response, code);
}

static size_t count_links(const struct body *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->bytes[i] == '<';
	return n;
}

static void enter(coap_session_t *session, const coap_pdu_t *request, coap_pdu_t *response,
	const char *ep, unsigned long lifetime)
{
	struct talk *t = talk_of(session);
	struct reg *old = book_by_ep(ep);
	char location[24];
	char address[ADDR_TEXT + 16];
	char version[8] = "1.0";

	query_get(request, "lwm2m", version, sizeof version);
	if (old) {
		ops_forget(ep);
		book_remove(old);
	}
	struct reg *r = book_add(ep, t->identity, lifetime, session);
	t->reg_id = r->id;
	snprintf(location, sizeof location, "%lu", r->id);
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CREATED);
	coap_add_option(response, COAP_OPTION_LOCATION_PATH, 2, (const uint8_t *)"rd");
	coap_add_option(response, COAP_OPTION_LOCATION_PATH, strlen(location), (uint8_t *)location);
	echo_block(request, response);
	say("registered %s /rd/%s lt=%lu lwm2m=%s links=%zu bytes=%zu from %s%s", ep, location,
		lifetime, version, count_links(&t->body), t->body.len, from(session, address),
		old ? " again" : "");
}

static void on_register(coap_resource_t *resource, coap_session_t *session,
	const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
	struct talk *t = greet(session);
	char ep[EP_MAX];
	char text[16] = "86400";
	unsigned long lifetime;

	(void)resource;
	(void)query;
	if (!body_whole(t, request, response))
		return;
	query_get(request, "lt", text, sizeof text);
	if (!query_get(request, "ep", ep, sizeof ep) || !*ep)
		refuse(response, COAP_RESPONSE_CODE_BAD_REQUEST, "register", "?", "no ep");
	else if (!number(text, UINT32_MAX, &lifetime))
		refuse(response, COAP_RESPONSE_CODE_BAD_REQUEST, "register", ep, "bad lt");
	else if (!talk_may_register(t, ep))
		refuse(response, COAP_RESPONSE_CODE_FORBIDDEN, "register", ep, t->identity);
	else
		enter(session, request, response, ep, lifetime);
	body_clear(&t->body);
}

/* The registration that the path /rd/<id> names, for those who may touch it. */
static struct reg *reg_named(
	coap_session_t *session, const coap_pdu_t *request, coap_pdu_t *response, const char *what)
{
	char path[PATH_MAX_BYTES] = "";
	unsigned long id;

	if (!path_get(request, path, sizeof path) || strncmp(path, "/rd/", 4) ||
		!number(path + 4, ~0ul, &id) || !book_by_id(id)) {
		refuse(response, COAP_RESPONSE_CODE_NOT_FOUND, what, path, "unknown");
		return NULL;
	}
	struct reg *r = book_by_id(id);
	if (strcmp(r->identity, talk_of(session)->identity)) {
		refuse(response, COAP_RESPONSE_CODE_BAD_REQUEST, what, r->ep, "other identity");
		return NULL;
	}
	return r;
}

static void on_update(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	struct talk *t = greet(session);
	struct reg *r = reg_named(session, request, response, "update");
	char address[ADDR_TEXT + 16];
	char text[16];
	unsigned long lifetime;

	(void)resource;
	(void)query;
	if (!r || !body_whole(t, request, response))
		return;
	lifetime = r->lifetime;
	if (query_get(request, "lt", text, sizeof text) && !number(text, UINT32_MAX, &lifetime)) {
		refuse(response, COAP_RESPONSE_CODE_BAD_REQUEST, "update", r->ep, "bad lt");
		return;
	}
	book_renew(r, lifetime, session);
	t->reg_id = r->id;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
	echo_block(request, response);
	say("updated %s /rd/%lu lt=%lu from %s", r->ep, r->id, lifetime, from(session, address));
	body_clear(&t->body);
}

static void on_deregister(coap_resource_t *resource, coap_session_t *session,
	const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
	greet(session);
	struct reg *r = reg_named(session, request, response, "deregister");

	(void)resource;
	(void)query;
	if (!r)
		return;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_DELETED);
	say("deregistered %s /rd/%lu", r->ep, r->id);
	ops_forget(r->ep);
	book_remove(r);
}

static void on_send(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	struct talk *t = greet(session);
	struct reg *r = reg_of(session);
	char text[512];

	(void)resource;
	(void)query;
	if (!body_whole(t, request, response))
		return;
	if (!r) {
		refuse(response, COAP_RESPONSE_CODE_NOT_FOUND, "send", t->identity, "unregistered");
		return;
	}
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
	echo_block(request, response);
	say("send %s %zu bytes crc32=%08x %s", r->ep, t->body.len,
		bytes_crc32(t->body.bytes, t->body.len),
		quote(t->body.bytes, t->body.len, text, sizeof text));
	body_clear(&t->body);
}

static void on_bootstrap(coap_resource_t *resource, coap_session_t *session,
	const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
	char ep[EP_MAX];
	char address[ADDR_TEXT + 16];

	(void)resource;
	(void)query;
	if (!query_get(request, "ep", ep, sizeof ep)) {
		refuse(response, COAP_RESPONSE_CODE_BAD_REQUEST, "bootstrap", "?", "no ep");
		return;
	}
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
	greet(session);
	say("bootstrap %s from %s", ep, from(session, address));
	ops_bootstrap(ep, session);
}

static void on_pack(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	const coap_string_t *query, coap_pdu_t *response)
{
	static const char pack[] = "[{\"n\":\"/0/1/1\",\"vb\":false},{\"n\":\"/0/1/10\",\"v\":101},"
				   "{\"n\":\"/1/0/0\",\"v\":101},{\"n\":\"/1/0/1\",\"v\":60}]";
	char ep[EP_MAX];
	char address[ADDR_TEXT + 16];

	(void)resource;
	(void)query;
	if (!query_get(request, "ep", ep, sizeof ep)) {
		refuse(response, COAP_RESPONSE_CODE_BAD_REQUEST, "bspack", "?", "no ep");
		return;
	}
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
	pdu_add_uint(response, COAP_OPTION_CONTENT_FORMAT, FORMAT_SENML_JSON);
	coap_add_data(response, sizeof pack - 1, (const uint8_t *)pack);
	greet(session);
	say("bspack %s from %s", ep, from(session, address));
}

/* ---- the program ---- */

static void list_one(struct reg *r, void *arg)
{
	char address[ADDR_TEXT + 16];

	(void)arg;
	say("endpoint %s /rd/%lu lt=%lu from %s", r->ep, r->id, r->lifetime,
		r->session ? from(r->session, address) : "nowhere");
}

static void on_line(char *line)
{
	if (!strcmp(line, "quit"))
		server.quit = true;
	else if (!strcmp(line, "list"))
		book_each(list_one, NULL), say("listed");
	else if (!ops_command(line))
		say("unknown command");
}

static void expire(struct reg *r, void *arg)
{
	if (r->ends_ms > *(int64_t *)arg)
		return;
	say("expired %s /rd/%lu", r->ep, r->id);
	ops_forget(r->ep);
	book_remove(r);
}

static int64_t on_turn(int64_t now_ms)
{
	static int64_t next_ms;

	if (server.hup && psk_file) {
		credentials_read(psk_file);
		say("credentials read");
	}
	server.hup = false;
	if (now_ms >= next_ms) {
		book_each(expire, &now_ms);
		next_ms = now_ms + 1000;
	}
	int64_t ops_ms = ops_turn(now_ms);
	return ops_ms < next_ms ? ops_ms : next_ms;
}

static void resource_add(const char *path, coap_request_t method, coap_method_handler_t handler)
{
	coap_resource_t *r = coap_resource_init(coap_make_str_const(path), 0);

	coap_register_request_handler(r, method, handler);
	coap_add_resource(server.ctx, r);
}

static void resources_add(void)
{
	/* Locations come and go: what is under no other name is looked up in the book. */
	coap_resource_t *rest = coap_resource_unknown_init(NULL);

	coap_register_request_handler(rest, COAP_REQUEST_POST, on_update);
	coap_register_request_handler(rest, COAP_REQUEST_DELETE, on_deregister);
	coap_add_resource(server.ctx, rest);
	resource_add("rd", COAP_REQUEST_POST, on_register);
	resource_add("dp", COAP_REQUEST_POST, on_send);
	resource_add("bs", COAP_REQUEST_POST, on_bootstrap);
	resource_add("bspack", COAP_REQUEST_GET, on_pack);
}

static void listen_on(const char *text, coap_proto_t proto)
{
	coap_address_t at;
	char address[ADDR_TEXT];
	bool secure = proto == COAP_PROTO_DTLS;

	address_parse(text, secure ? 5684 : 5683, &at);
	if (!coap_new_endpoint(server.ctx, &at, proto))
		die("%s: can not listen there", text);
	say("listening %s %s", secure ? "coaps" : "coap", address_print(&at, address));
}

static void usage(void)
{
	die("usage: lwm2m-server [--coap ADDRESS[:PORT]].. [--coaps ADDRESS[:PORT]]..\n"
	    "    [--psk FILE] [--cert PEM --key PEM --ca PEM | --rpk PEM --clients FILE]\n"
	    "    [--state FILE] [--debug]\n"
	    "FILE of --psk has lines: IDENTITY HEXKEY [ENDPOINT]; that of --clients ENDPOINT PEM.\n"
	    "Without addresses it listens on [::]:5683, and with credentials on [::]:5684.\n"
	    "Commands come on standard input.");
}

static const struct option long_options[] = {
	{ "coap", required_argument, NULL, 'c' },
	{ "coaps", required_argument, NULL, 's' },
	{ "psk", required_argument, NULL, 'p' },
	{ "clients", required_argument, NULL, 'k' },
	{ "state", required_argument, NULL, 'S' },
	{ "debug", no_argument, NULL, 'd' },
	SECURITY_OPTIONS,
	{ 0 },
};

static void choose_address(const char *at, coap_proto_t proto)
{
	if (choice.n == LISTEN_MAX)
		usage();
	choice.listen[choice.n].at = at;
	choice.listen[choice.n++].proto = proto;
}

static void options_parse(int argc, char **argv)
{
	for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
		if (c == 'c')
			choose_address(optarg, COAP_PROTO_UDP);
		else if (c == 's')
			choose_address(optarg, COAP_PROTO_DTLS);
		else if (c == 'p')
			psk_file = optarg;
		else if (c == 'k')
			choice.keys = optarg;
		else if (c == 'S')
			choice.state = optarg;
		else if (c == 'd')
			choice.debug = true;
		else if (!security_option(&choice.security, c))
			usage();
	}
	if (optind < argc || (choice.security.rpk && !choice.keys))
		usage();
	if (!choice.n) {
		choose_address("::", COAP_PROTO_UDP);
		if (psk_file || security_has_keys(&choice.security))
			choose_address("::", COAP_PROTO_DTLS);
	}
}

static void server_open(void)
{
	server.on_line = on_line;
	server.on_turn = on_turn;
	peer_init(&server, choice.debug);
	coap_context_set_max_handshake_sessions(server.ctx, SESSION_MAX);
	coap_register_event_handler(server.ctx, on_event);
	coap_register_response_handler(server.ctx, ops_response);
	coap_register_nack_handler(server.ctx, ops_nack);
	resources_add();
	if (psk_file)
		talks_serve_psk(server.ctx, psk_file);
	if (security_has_keys(&choice.security))
		talks_serve_keys(server.ctx, &choice.security, choice.keys);
	book_open(choice.state);
	for (size_t i = 0; i < choice.n; i++)
		listen_on(choice.listen[i].at, choice.listen[i].proto);
	say("ready");
}

static void server_close(void)
{
	ops_close();
	book_close();
	coap_free_context(server.ctx);
	coap_cleanup();
	/* libcoap tells nothing of the sessions that end with its context. */
	talks_clear();
	credentials_clear();
	say("stopped");
}

int main(int argc, char **argv)
{
	options_parse(argc, argv);
	server_open();
	peer_run(&server);
	server_close();
	return 0;
}
