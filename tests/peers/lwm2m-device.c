/* A small LwM2M device for tests and the demo: registers and stays registered, answers the server,
 * and does what command lines on standard input say. README.md lists the commands and the lines. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/peers/objects.h"
#include "tests/peers/security.h"

#define ANSWER_MS   100000 /* longer than libcoap repeats a CON */
#define RETRY_MAX_S 64     /* back-off doubles up to this */
#define GOODBYE_MS  5000   /* for the Deregister at the end */
#define CLOSED_MS   200    /* from the end of a session to the Update in a new one */

/* What the device waits for; one request of the registration interface at a time. */
enum wait { NOTHING, BOOTSTRAP, REGISTER, UPDATE, DEREGISTER };

static const char *const wait_names[] = { "nothing", "bootstrap", "register", "update",
	"deregister" };

/* The device. */
static struct device {
	struct peer peer;
	const char *ep;                /* endpoint name */
	char **again;                  /* the command line, for a reboot */
	struct security security;      /* for coaps */
	bool secure;                   /* coaps */
	bool bootstraps;               /* asks /bs before it registers */
	bool bare;                     /* its requests have empty tokens */
	coap_address_t server;         /* where to register */
	coap_address_t local;          /* where to bind; size 0: anywhere */
	unsigned long lifetime;        /* seconds */
	unsigned long retry_s;         /* first pause before registering again */
	unsigned long every_s;         /* the temperature changes so often; 0: never */
	unsigned long block;           /* largest block of a Register, bytes */
	unsigned long repeats;         /* how often a CON is sent again */
	coap_session_t *session;       /* NULL until needed, and while it is made anew */
	bool broken;                   /* the session is to be made anew */
	enum wait wait;                /* request that is under way */
	uint8_t token[8];              /* of that request */
	size_t token_len;              /* bytes of it */
	int64_t wait_ends_ms;          /* no answer is expected after this */
	unsigned failures;             /* in a row */
	char location[PATH_MAX_BYTES]; /* empty while not registered */
	int64_t next_ms;               /* next Update, or next try to register */
	int64_t warmer_ms;             /* next change of the temperature */
	unsigned warmth;               /* changes so far */
} dev = { .lifetime = 60, .retry_s = 2, .block = 1024, .repeats = 4 };

/* ---- the session ---- */

static void session_close(void)
{
	if (!dev.session)
		return;
	coap_session_t *s = dev.session;
	dev.session = NULL;
	/* Observers and waiting messages hold the session, and with it the port. */
	coap_session_disconnected(s, COAP_NACK_NOT_DELIVERABLE);
	coap_session_release(s);
}

static coap_session_t *session_new(const coap_address_t *local)
{
	if (dev.secure)
		return security_connect(&dev.security, dev.peer.ctx, local, &dev.server);
	return coap_new_client_session(dev.peer.ctx, local, &dev.server, COAP_PROTO_UDP);
}

/* Opens the session, from the same port as the last one where that can be had. */
static bool session_open(void)
{
	char text[ADDR_TEXT];

	if (dev.session && !dev.broken)
		return true;
	session_close();
	dev.broken = false;
	dev.session = session_new(dev.local.size ? &dev.local : NULL);
	if (!dev.session)
		return false;
	coap_session_set_max_retransmit(dev.session, (uint16_t)dev.repeats);
	dev.local = *coap_session_get_addr_local(dev.session);
	say("speaking from %s", address_print(&dev.local, text));
	return true;
}

/* ---- requests ---- */

static coap_pdu_t *request_new(coap_pdu_type_t type, coap_pdu_code_t method, enum wait wait)
{
	uint8_t token[8];
	size_t n = 0;

	if (!session_open())
		return NULL;
	coap_pdu_t *pdu = coap_new_pdu(type, method, dev.session);
	if (!pdu)
		die("out of memory");
	if (!dev.bare)
		coap_session_new_token(dev.session, &n, token);
	coap_add_token(pdu, n, token);
	if (wait != NOTHING) {
		dev.wait = wait;
		memcpy(dev.token, token, n);
		dev.token_len = n;
		dev.wait_ends_ms = peer_now() + ANSWER_MS;
	}
	return pdu;
}

static void free_copy(coap_session_t *session, void *copy)
{
	(void)session;
	free(copy);
}

/* Adds a body, in blocks where it is longer than one of ours. */
static void request_body(coap_pdu_t *pdu, const struct body *b)
{
	uint8_t *copy = bytes_copy(b->bytes, b->len);
	unsigned szx = 0;

	while (szx < 6 && 16u << szx < dev.block)
		szx++;
	if (b->len > 16u << szx)
		pdu_add_uint(pdu, COAP_OPTION_BLOCK1, szx);
	if (!coap_add_data_large_request(dev.session, pdu, b->len, copy, free_copy, copy))
		die("the body does not fit");
}

static void failed(const char *why)
{
	unsigned long pause = dev.retry_s << (dev.failures < 6 ? dev.failures : 6);

	if (pause > RETRY_MAX_S)
		pause = RETRY_MAX_S;
	if (dev.wait == UPDATE || dev.wait == DEREGISTER)
		pause = 0;
	say("failed %s %s, registers in %lu s", wait_names[dev.wait], why, pause);
	dev.failures++;
	dev.wait = NOTHING;
	*dev.location = 0;
	dev.next_ms = peer_now() + (int64_t)pause * 1000;
}

static void send_or_fail(coap_pdu_t *pdu)
{
	if (!pdu || coap_send(dev.session, pdu) == COAP_INVALID_MID) {
		dev.broken = true;
		failed("unsent");
	}
}

static void do_register(void)
{
	char lifetime[16];
	struct body links = { 0 };
	coap_pdu_t *pdu = request_new(COAP_MESSAGE_CON, COAP_REQUEST_CODE_POST, REGISTER);

	if (pdu) {
		snprintf(lifetime, sizeof lifetime, "%lu", dev.lifetime);
		pdu_add_path(pdu, "/rd");
		pdu_add_uint(pdu, COAP_OPTION_CONTENT_FORMAT, FORMAT_LINK);
		pdu_add_query(pdu, "lwm2m", "1.1");
		pdu_add_query(pdu, "ep", dev.ep);
		pdu_add_query(pdu, "b", "U");
		pdu_add_query(pdu, "lt", lifetime);
		objects_links(&links);
		request_body(pdu, &links);
		body_clear(&links);
	}
	send_or_fail(pdu);
}

static void do_bootstrap(void)
{
	coap_pdu_t *pdu = request_new(COAP_MESSAGE_CON, COAP_REQUEST_CODE_POST, BOOTSTRAP);

	if (pdu) {
		pdu_add_path(pdu, "/bs");
		pdu_add_query(pdu, "ep", dev.ep);
		objects_bootstrap(true);
	}
	send_or_fail(pdu);
}

/* An Update or a Deregister. */
static void do_touch(coap_pdu_code_t method, enum wait wait)
{
	coap_pdu_t *pdu = request_new(COAP_MESSAGE_CON, method, wait);

	if (pdu)
		pdu_add_path(pdu, dev.location);
	send_or_fail(pdu);
}

static void do_send(const char *length, coap_pdu_type_t type)
{
	struct body b = { 0 };
	unsigned long n = 0;
	coap_pdu_t *pdu;

	if ((length && !number(length, 16 << 20, &n)) ||
		!(pdu = request_new(type, COAP_REQUEST_CODE_POST, NOTHING))) {
		say("send impossible");
		return;
	}
	objects_send(&b, n);
	pdu_add_path(pdu, "/dp");
	pdu_add_uint(pdu, COAP_OPTION_CONTENT_FORMAT, FORMAT_SENML_JSON);
	request_body(pdu, &b);
	say("sending %zu bytes crc32=%08x", b.len, bytes_crc32(b.bytes, b.len));
	body_clear(&b);
	if (coap_send(dev.session, pdu) == COAP_INVALID_MID)
		say("send unsent");
}

/* ---- answers ---- */

static bool location_take(const coap_pdu_t *pdu)
{
	coap_opt_iterator_t it;
	coap_opt_filter_t only;
	coap_opt_t *opt;
	size_t at = 0;

	coap_option_filter_clear(&only);
	coap_option_filter_set(&only, COAP_OPTION_LOCATION_PATH);
	coap_option_iterator_init(pdu, &it, &only);
	while ((opt = coap_option_next(&it)) && at < sizeof dev.location)
		at += (size_t)snprintf(dev.location + at, sizeof dev.location - at, "/%.*s",
			(int)coap_opt_length(opt), (const char *)coap_opt_value(opt));
	return at && at < sizeof dev.location;
}

static void registered(const coap_pdu_t *pdu)
{
	if (!location_take(pdu)) {
		failed("no location");
		return;
	}
	dev.wait = NOTHING;
	dev.failures = 0;
	dev.next_ms = dev.lifetime ? peer_now() + (int64_t)dev.lifetime * 500 : INT64_MAX;
	say("registered %s", dev.location);
}

static void updated(void)
{
	dev.wait = NOTHING;
	dev.next_ms = dev.lifetime ? peer_now() + (int64_t)dev.lifetime * 500 : INT64_MAX;
	say("updated %s", dev.location);
}

static void deregistered(void)
{
	dev.wait = NOTHING;
	dev.next_ms = INT64_MAX;
	say("deregistered %s", dev.location);
	*dev.location = 0;
}

static void answered(const coap_pdu_t *pdu)
{
	coap_pdu_code_t code = coap_pdu_get_code(pdu);
	char text[8];

	if (dev.wait == REGISTER && code == COAP_RESPONSE_CODE_CREATED)
		registered(pdu);
	else if (dev.wait == UPDATE && code == COAP_RESPONSE_CODE_CHANGED)
		updated();
	else if (dev.wait == DEREGISTER && code == COAP_RESPONSE_CODE_DELETED)
		deregistered();
	else if (dev.wait == BOOTSTRAP && code == COAP_RESPONSE_CODE_CHANGED)
		say("bootstrap accepted"); /* the server writes now, and finishes */
	else
		failed(code_print(code, text));
}

static bool is_awaited(const coap_pdu_t *pdu)
{
	coap_bin_const_t token = coap_pdu_get_token(pdu);

	return dev.wait != NOTHING && token.length == dev.token_len &&
	       !memcmp(token.s, dev.token, token.length);
}

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent,
	const coap_pdu_t *received, const coap_mid_t mid)
{
	char text[8];

	(void)sent;
	(void)mid;
	if (session != dev.session)
		return COAP_RESPONSE_OK;
	if (is_awaited(received))
		answered(received);
	else
		say("sent %s", code_print(coap_pdu_get_code(received), text));
	return COAP_RESPONSE_OK;
}

static void on_nack(coap_session_t *session, const coap_pdu_t *sent,
	const coap_nack_reason_t reason, const coap_mid_t mid)
{
	static const char *const why[] = { "timeout", "undeliverable", "reset", "tls", "icmp" };

	(void)mid;
	if (session != dev.session)
		return;
	if (reason != COAP_NACK_RST)
		dev.broken = true;
	if (sent && is_awaited(sent))
		failed(why[reason]);
	else
		say("lost %s", why[reason]);
}

static int on_event(coap_session_t *session, const coap_event_t event)
{
	if (session != dev.session)
		return 0;
	if (event == COAP_EVENT_DTLS_CONNECTED)
		say("handshake done");
	if (event == COAP_EVENT_DTLS_CLOSED || event == COAP_EVENT_DTLS_ERROR) {
		say("session %s", event == COAP_EVENT_DTLS_CLOSED ? "closed" : "error");
		dev.broken = true;
		/* Who is told that the session ended says soon that it is still there. */
		if (*dev.location && dev.wait == NOTHING)
			dev.next_ms = peer_now() + CLOSED_MS;
	}
	return 0;
}

/* ---- what happens ---- */

static void on_object(const char *path)
{
	if (!strcmp(path, "/bs")) {
		say("bootstrapped");
		objects_bootstrap(false);
		dev.bootstraps = false;
		dev.wait = NOTHING;
		dev.next_ms = peer_now();
	} else if (!strcmp(path, "/3/0/4")) {
		*dev.location = 0; /* a reboot: registers anew */
		dev.next_ms = peer_now() + 200;
	} else if (!strcmp(path, "/1/0/8")) {
		dev.next_ms = peer_now();
	}
}

static void rebind(const char *port_text)
{
	unsigned long port = 0;

	if (!port_text || !number(port_text, 65535, &port)) {
		say("unknown command");
		return;
	}
	coap_address_set_port(&dev.local, (uint16_t)port);
	dev.broken = true;
	say("moves to port %lu", port);
}

/* As if the power went and came back: no Deregister, no close_notify, the same source port or one
 * that is given. What was in memory is lost. */
static void reboot(const char *port_text)
{
	char at[ADDR_TEXT];
	unsigned long port;

	if (number(port_text, 65535, &port))
		coap_address_set_port(&dev.local, (uint16_t)port);
	say("reboots");
	if (dev.local.size)
		peer_again(dev.again, "--bind", address_print(&dev.local, at));
	peer_again(dev.again, NULL, NULL);
}

static void on_line(char *line)
{
	char *rest = line;
	const char *verb = word(&rest);

	if (!verb)
		return;
	if (!strcmp(verb, "quit")) {
		_exit(0); /* as if the power went: no Deregister, no close_notify */
	} else if (!strcmp(verb, "reboot")) {
		reboot(word(&rest));
	} else if (!strcmp(verb, "register")) {
		*dev.location = 0;
		dev.next_ms = peer_now();
	} else if (!strcmp(verb, "update") && *dev.location) {
		dev.next_ms = peer_now();
	} else if (!strcmp(verb, "deregister") && *dev.location) {
		do_touch(COAP_REQUEST_CODE_DELETE, DEREGISTER);
	} else if (!strcmp(verb, "send")) {
		do_send(word(&rest), COAP_MESSAGE_CON);
	} else if (!strcmp(verb, "send-non")) {
		do_send(word(&rest), COAP_MESSAGE_NON);
	} else if (!strcmp(verb, "rebind")) {
		rebind(word(&rest));
	} else if (!strcmp(verb, "set")) {
		const char *path = word(&rest);

		say("set %s", path && objects_set(path, rest) ? path : "nothing");
	} else {
		say("unknown command");
	}
}

static void warm(int64_t now_ms)
{
	char text[16];

	dev.warmer_ms = now_ms + (int64_t)dev.every_s * 1000;
	dev.warmth++;
	snprintf(text, sizeof text, "%u.%u", 20 + dev.warmth / 10 % 10, dev.warmth % 10);
	objects_set("/3303/0/5700", text);
}

static int64_t on_turn(int64_t now_ms)
{
	if (dev.every_s && now_ms >= dev.warmer_ms) {
		warm(now_ms);
		return now_ms; /* libcoap notifies in the next turn */
	}
	if (dev.wait != NOTHING && now_ms >= dev.wait_ends_ms) {
		dev.broken = true;
		failed("silence");
	}
	if (dev.wait == NOTHING && now_ms >= dev.next_ms && !dev.peer.quit) {
		if (dev.bootstraps)
			do_bootstrap();
		else if (*dev.location)
			do_touch(COAP_REQUEST_CODE_POST, UPDATE);
		else
			do_register();
	}
	int64_t next = dev.wait == NOTHING ? dev.next_ms : dev.wait_ends_ms;
	return dev.every_s && dev.warmer_ms < next ? dev.warmer_ms : next;
}

/* ---- the program ---- */

static bool is_silent(void)
{
	return dev.wait == NOTHING || !*dev.location;
}

static void goodbye(void)
{
	dev.every_s = 0;
	if (*dev.location && !dev.broken) {
		do_touch(COAP_REQUEST_CODE_DELETE, DEREGISTER);
		peer_linger(&dev.peer, GOODBYE_MS, is_silent);
	}
}

static void server_parse(const char *text)
{
	coap_uri_t uri;
	char host[EP_MAX];
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found;

	if (coap_split_uri((const uint8_t *)text, strlen(text), &uri) < 0 ||
		uri.host.length >= sizeof host)
		die("'%s' is no coap:// or coaps:// address", text);
	dev.secure = uri.scheme == COAP_URI_SCHEME_COAPS;
	memcpy(host, uri.host.s, uri.host.length);
	host[uri.host.length] = 0;
	if (getaddrinfo(host, NULL, &hints, &found))
		die("%s: no such host", host);
	coap_address_init(&dev.server);
	dev.server.size = found->ai_addrlen;
	memcpy(&dev.server.addr, found->ai_addr, found->ai_addrlen);
	coap_address_set_port(&dev.server, uri.port);
	freeaddrinfo(found);
}

static void usage(void)
{
	die("usage: lwm2m-device --ep NAME --server coap[s]://HOST[:PORT] [--bind ADDRESS[:PORT]]\n"
	    "    [--psk IDENTITY:HEXKEY | --cert PEM --key PEM --ca PEM [--server-name NAME] |\n"
	    "     --rpk PEM [--server-key PEM]] [--lifetime S] [--retry S] [--every S]\n"
	    "    [--instances N] [--block BYTES] [--repeats N] [--con] [--slow MS] [--bare]\n"
	    "    [--bootstrap] [--debug]\n"
	    "Commands come on standard input.");
}

static const struct option long_options[] = {
	{ "ep", required_argument, NULL, 'e' },
	{ "server", required_argument, NULL, 's' },
	{ "bind", required_argument, NULL, 'b' },
	{ "psk", required_argument, NULL, 'p' },
	{ "lifetime", required_argument, NULL, 'l' },
	{ "retry", required_argument, NULL, 'r' },
	{ "every", required_argument, NULL, 't' },
	{ "instances", required_argument, NULL, 'i' },
	{ "block", required_argument, NULL, 'B' },
	{ "repeats", required_argument, NULL, 'R' },
	{ "slow", required_argument, NULL, 'w' },
	{ "con", no_argument, NULL, 'c' },
	{ "bare", no_argument, NULL, 'n' },
	{ "bootstrap", no_argument, NULL, 'S' },
	{ "debug", no_argument, NULL, 'd' },
	SECURITY_OPTIONS,
	{ 0 },
};

static struct objects_choice choice;
static bool debug;

static bool number_option(int c)
{
	const struct {
		int c;
		unsigned long max;
		unsigned long *to;
	} numbers[] = {
		{ 'l', 1000000, &dev.lifetime },
		{ 'r', 1000000, &dev.retry_s },
		{ 't', 1000000, &dev.every_s },
		{ 'i', 900, &choice.instances },
		{ 'B', 1024, &dev.block },
		{ 'R', 10, &dev.repeats },
		{ 'w', 100000, &choice.slow_ms },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (numbers[i].c == c)
			return number(optarg, numbers[i].max, numbers[i].to);
	return false;
}

static bool flag_option(int c)
{
	choice.con |= c == 'c';
	debug |= c == 'd';
	dev.bootstraps |= c == 'S';
	dev.bare |= c == 'n';
	return c < 0x100 && strchr("cdSn", c) != NULL;
}

static void options_parse(int argc, char **argv)
{
	for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
		if (c == 'e')
			dev.ep = optarg;
		else if (c == 's')
			server_parse(optarg);
		else if (c == 'b')
			address_parse(optarg, 0, &dev.local);
		else if (c == 'p')
			security_psk(&dev.security, optarg);
		else if (!security_option(&dev.security, c) && !flag_option(c) && !number_option(c))
			usage();
	}
	if (optind < argc || !dev.ep || strlen(dev.ep) >= EP_MAX || !dev.server.size ||
		(dev.secure && !dev.security.identity && !security_has_keys(&dev.security)))
		usage();
}

int main(int argc, char **argv)
{
	dev.again = argv;
	options_parse(argc, argv);
	dev.peer.on_line = on_line;
	dev.peer.on_turn = on_turn;
	peer_init(&dev.peer, debug);
	coap_context_set_block_mode(dev.peer.ctx, COAP_BLOCK_USE_LIBCOAP | COAP_BLOCK_SINGLE_BODY);
	coap_register_event_handler(dev.peer.ctx, on_event);
	coap_register_response_handler(dev.peer.ctx, on_response);
	coap_register_nack_handler(dev.peer.ctx, on_nack);
	objects_init(dev.peer.ctx, &choice, on_object);
	objects_set("/3/0/2", dev.ep); /* the serial number tells devices apart */
	dev.warmer_ms = peer_now() + (int64_t)dev.every_s * 1000;
	say("ready");
	peer_run(&dev.peer);
	goodbye();
	session_close();
	coap_free_context(dev.peer.ctx);
	coap_cleanup();
	objects_close();
	say("stopped");
	return 0;
}
