/* What the server does to a device. An operation is found again by its token, which holds its slot
 * and generation. Block-wise transfers are done here, not by libcoap, with one token for all blocks
 * of a transfer, as Wakaama does it; libcoap at the device's end gives each answer its own view. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/peers/book.h"
#include "tests/peers/ops.h"

#define ANSWER_MS   100000 /* a device that acknowledged may take this long to answer */
#define QUOTE_BYTES 400    /* longer payloads are shown by length and checksum */

/* What the operations are called, and how they go over the wire. */
enum kind {
	READ,
	READ_BLOCK,
	OBSERVE,
	CANCEL,
	WRITE,
	WRITE_BLOCK,
	ATTRIBUTES,
	EXECUTE,
	CREATE,
	DELETE,
	DISCOVER,
	BOOT_WRITE,
	BOOT_FINISH,
	KINDS
};

static const struct {
	const char *name;
	coap_pdu_code_t method;
} kinds[KINDS] = {
	[READ] = { "read", COAP_REQUEST_CODE_GET },
	[READ_BLOCK] = { "read-block", COAP_REQUEST_CODE_GET },
	[OBSERVE] = { "observe", COAP_REQUEST_CODE_GET },
	[CANCEL] = { "cancel", COAP_REQUEST_CODE_GET },
	[WRITE] = { "write", COAP_REQUEST_CODE_PUT },
	[WRITE_BLOCK] = { "write-block", COAP_REQUEST_CODE_PUT },
	[ATTRIBUTES] = { "attributes", COAP_REQUEST_CODE_PUT },
	[EXECUTE] = { "execute", COAP_REQUEST_CODE_POST },
	[CREATE] = { "create", COAP_REQUEST_CODE_POST },
	[DELETE] = { "delete", COAP_REQUEST_CODE_DELETE },
	[DISCOVER] = { "discover", COAP_REQUEST_CODE_GET },
	[BOOT_WRITE] = { "bootstrap-write", COAP_REQUEST_CODE_PUT },
	[BOOT_FINISH] = { "bootstrap-finish", COAP_REQUEST_CODE_POST },
};

/* The accounts that a bootstrap writes, one after the other. */
static const struct {
	enum kind kind;
	const char *path;
	const char *body;
} boot[] = {
	{ BOOT_WRITE, "/0/1", "[{\"n\":\"/0/1/1\",\"vb\":false},{\"n\":\"/0/1/10\",\"v\":101}]" },
	{ BOOT_WRITE, "/1/0", "[{\"n\":\"/1/0/0\",\"v\":101},{\"n\":\"/1/0/1\",\"v\":60}]" },
	{ BOOT_FINISH, "/bs", NULL },
};

/* An operation that waits for an answer, or an observation. */
struct op {
	uint32_t slot;       /* where it is in the table */
	uint32_t generation; /* tells it from earlier users of the slot */
	enum kind kind;
	bool waiting;            /* for an answer until ends_ms */
	bool starts;             /* has yet to be sent, in the next turn */
	bool shown;              /* the first answer of an observation was shown */
	unsigned step;           /* of a bootstrap */
	unsigned num;            /* block that is under way */
	unsigned szx;            /* size of blocks: 1 << (szx + 4) bytes */
	int format;              /* Content-Format, or -1 */
	int64_t ends_ms;         /* monotonic */
	coap_session_t *session; /* of a bootstrap, referenced; else NULL: the book knows */
	struct body out;         /* to be written */
	struct body in;          /* read so far */
	char query[PATH_MAX_BYTES];
	char path[PATH_MAX_BYTES];
	char ep[EP_MAX];
};

static struct op **ops;
static uint32_t slots;
static uint32_t generation;

/* ---- the table ---- */

static struct op *op_create(enum kind kind, const char *ep, const char *path)
{
	uint32_t slot = 0;

	while (slot < slots && ops[slot])
		slot++;
	if (slot == slots) {
		uint32_t more = slots ? slots * 2 : 16;

		ops = realloc(ops, more * sizeof *ops);
		if (!ops)
			die("out of memory");
		memset(ops + slots, 0, (more - slots) * sizeof *ops);
		slots = more;
	}
	struct op *op = ops[slot] = calloc(1, sizeof *op);
	if (!op)
		die("out of memory");
	*op = (struct op){
		.slot = slot, .generation = ++generation, .kind = kind, .szx = 6, .format = -1
	};
	snprintf(op->ep, sizeof op->ep, "%s", ep);
	snprintf(op->path, sizeof op->path, "%s", path);
	return op;
}

static void op_free(struct op *op)
{
	if (op->session)
		coap_session_release(op->session);
	ops[op->slot] = NULL;
	body_clear(&op->in);
	body_clear(&op->out);
	free(op);
}

static struct op *op_of(const coap_pdu_t *pdu)
{
	coap_bin_const_t token = coap_pdu_get_token(pdu);
	uint32_t id[2];

	if (token.length != sizeof id)
		return NULL;
	memcpy(id, token.s, sizeof id);
	if (id[0] >= slots || !ops[id[0]] || ops[id[0]]->generation != id[1])
		return NULL;
	return ops[id[0]];
}

static struct op *observation_of(const char *ep, const char *path)
{
	for (uint32_t i = 0; i < slots; i++)
		if (ops[i] && ops[i]->kind == OBSERVE && !strcmp(ops[i]->ep, ep) &&
			!strcmp(ops[i]->path, path))
			return ops[i];
	return NULL;
}

/* ---- requests ---- */

static void failed(struct op *op, const char *why)
{
	say("%s %s %s %s", kinds[op->kind].name, op->ep, op->path, why);
	op_free(op);
}

static void add_options(const struct op *op, coap_pdu_t *pdu, size_t at, size_t n)
{
	bool first = !op->num;

	if (first && (op->kind == OBSERVE || op->kind == CANCEL))
		pdu_add_uint(pdu, COAP_OPTION_OBSERVE, op->kind == CANCEL);
	pdu_add_path(pdu, op->path);
	if (op->format >= 0)
		pdu_add_uint(pdu, COAP_OPTION_CONTENT_FORMAT, (unsigned)op->format);
	if (*op->query)
		pdu_add_query(pdu, op->query, NULL);
	if (op->kind == DISCOVER)
		pdu_add_uint(pdu, COAP_OPTION_ACCEPT, FORMAT_LINK);
	if (op->in.len || op->kind == READ_BLOCK)
		pdu_add_uint(pdu, COAP_OPTION_BLOCK2, op->num << 4 | op->szx);
	if (n < op->out.len || op->kind == WRITE_BLOCK) {
		bool more = at + n < op->out.len;

		pdu_add_uint(pdu, COAP_OPTION_BLOCK1, op->num << 4 | (more ? 8u : 0u) | op->szx);
		if (first)
			pdu_add_uint(pdu, COAP_OPTION_SIZE1, (unsigned)op->out.len);
	}
}

/* Sends the request, or the one for the block at hand. */
static void op_send(struct op *op, coap_session_t *session)
{
	uint32_t id[2] = { op->slot, op->generation };
	size_t block = (size_t)1 << (op->szx + 4);
	size_t at = op->out.len ? op->num * block : 0;
	size_t left = op->out.len - at;
	size_t n = left < block ? left : block;
	coap_pdu_t *pdu = coap_new_pdu(COAP_MESSAGE_CON, kinds[op->kind].method, session);

	if (!pdu)
		die("out of memory");
	coap_add_token(pdu, sizeof id, (const uint8_t *)id);
	add_options(op, pdu, at, n);
	if (n)
		coap_add_data(pdu, n, op->out.bytes + at);
	op->starts = false;
	op->waiting = true;
	op->ends_ms = peer_now() + ANSWER_MS;
	if (coap_send(session, pdu) == COAP_INVALID_MID)
		failed(op, "unreachable");
}

/* ---- answers ---- */

static const char *payload_print(const struct op *op, char *text, size_t cap)
{
	const struct body *b = op->kind == WRITE_BLOCK ? &op->out : &op->in;
	bool whole = op->kind == DISCOVER;

	if (op->kind == WRITE_BLOCK || op->kind == READ_BLOCK || (b->len > QUOTE_BYTES && !whole))
		snprintf(text, cap, " %zu bytes crc32=%08x", b->len, bytes_crc32(b->bytes, b->len));
	else if (b->len)
		quote(b->bytes, b->len, text + 1, cap - 1), text[0] = ' ';
	else
		text[0] = 0;
	return text;
}

static void next_boot_step(struct op *op, coap_session_t *session)
{
	op->step++;
	op->kind = boot[op->step].kind;
	snprintf(op->path, sizeof op->path, "%s", boot[op->step].path);
	body_clear(&op->in);
	body_clear(&op->out);
	op->format = -1;
	if (boot[op->step].body) {
		op->format = FORMAT_SENML_JSON;
		body_print(&op->out, "%s", boot[op->step].body);
	}
	op_send(op, session);
}

static void finish(struct op *op, coap_session_t *session, coap_pdu_code_t code)
{
	char text[LINE_MAX_BYTES];
	char number_text[8];

	say("%s %s %s %s%s", kinds[op->kind].name, op->ep, op->path, code_print(code, number_text),
		payload_print(op, text, sizeof text));
	op->waiting = false;
	if (op->kind == BOOT_WRITE && code == COAP_RESPONSE_CODE_CHANGED)
		next_boot_step(op, session);
	else
		op_free(op);
}

/* An answer with an Observe option: the first says that the observation holds. */
static void observed(struct op *op, const coap_pdu_t *pdu, long seq)
{
	char text[LINE_MAX_BYTES];
	char code[8];

	payload_print(op, text, sizeof text);
	if (op->shown)
		say("notify %s %s%s %ld", op->ep, op->path, text, seq);
	else
		say("observe %s %s %s%s", op->ep, op->path,
			code_print(coap_pdu_get_code(pdu), code), text);
	if (!op->shown)
		op->waiting = false;
	op->shown = true;
	op->num = 0;
	body_clear(&op->in);
}

/* True when the answer asks for a further block, which has been sent then. */
static bool continued(struct op *op, coap_session_t *session, const coap_pdu_t *pdu)
{
	coap_block_t block;
	bool observing = pdu_get_uint(pdu, COAP_OPTION_OBSERVE) >= 0;

	if (coap_pdu_get_code(pdu) == COAP_RESPONSE_CODE_CONTINUE &&
		coap_get_block(pdu, COAP_OPTION_BLOCK1, &block)) {
		size_t done = (size_t)(op->num + 1) << (op->szx + 4);

		if (block.szx < op->szx) /* the device wants smaller ones */
			op->szx = block.szx;
		op->num = (unsigned)(done >> (op->szx + 4));
		op_send(op, session);
		return true;
	}
	if (observing || !coap_get_block(pdu, COAP_OPTION_BLOCK2, &block) || !block.m)
		return false;
	op->szx = block.szx;
	op->num = block.num + 1;
	op_send(op, session);
	return true;
}

coap_response_t ops_response(coap_session_t *session, const coap_pdu_t *sent,
	const coap_pdu_t *received, const coap_mid_t mid)
{
	struct op *op = op_of(received);
	const uint8_t *data;
	size_t n;
	long seq = pdu_get_uint(received, COAP_OPTION_OBSERVE);

	(void)sent;
	(void)mid;
	if (!op) {
		say("unknown-token%s", seq >= 0 ? " notify" : "");
		return COAP_RESPONSE_FAIL;
	}
	if (coap_get_data(received, &n, &data))
		body_add(&op->in, data, n);
	if (continued(op, session, received))
		return COAP_RESPONSE_OK;
	if (seq >= 0 && (op->kind == OBSERVE || op->kind == CANCEL))
		observed(op, received, seq);
	else
		finish(op, session, coap_pdu_get_code(received));
	return COAP_RESPONSE_OK;
}

void ops_nack(coap_session_t *session, const coap_pdu_t *sent, const coap_nack_reason_t reason,
	const coap_mid_t mid)
{
	static const char *const why[] = {
		[COAP_NACK_TOO_MANY_RETRIES] = "timeout",
		[COAP_NACK_NOT_DELIVERABLE] = "undeliverable",
		[COAP_NACK_RST] = "reset",
		[COAP_NACK_TLS_FAILED] = "closed",
		[COAP_NACK_ICMP_ISSUE] = "icmp",
	};
	struct op *op = sent ? op_of(sent) : NULL;

	(void)session;
	(void)mid;
	if (op)
		failed(op, why[reason]);
}

void ops_forget(const char *ep)
{
	for (uint32_t i = 0; i < slots; i++)
		if (ops[i] && !ops[i]->session && !strcmp(ops[i]->ep, ep))
			op_free(ops[i]);
}

/* ---- commands ---- */

static void start(struct op *op)
{
	struct reg *r = book_by_ep(op->ep);

	if (!r)
		failed(op, "unregistered");
	else if (!r->session)
		failed(op, "unreachable");
	else
		op_send(op, r->session);
}

static bool fill_pattern(struct op *op, const char *length, const char *block)
{
	unsigned long n;
	unsigned long size = 1024;

	if (!number(length, 16 << 20, &n) || (block && !number(block, 1024, &size)))
		return false;
	op->format = FORMAT_OPAQUE;
	for (op->szx = 0; op->szx < 6 && size > (16u << op->szx);)
		op->szx++;
	/* Each transfer has bytes of its own, so that two that got mixed up are found out. */
	for (unsigned long i = 0; i < n; i++)
		body_add(&op->out, &(uint8_t){ (uint8_t)(i * 31 + (i >> 8) * op->generation) }, 1);
	return true;
}

/* Puts the rest of the line where the kind of operation wants it. */
static bool fill(struct op *op, char *rest)
{
	switch (op->kind) {
	case WRITE:
	case CREATE:
		op->format = op->kind == WRITE ? FORMAT_TEXT : FORMAT_SENML_JSON;
		body_print(&op->out, "%s", rest);
		return true;
	case EXECUTE:
		if (*rest) {
			op->format = FORMAT_TEXT;
			body_print(&op->out, "%s", rest);
		}
		return true;
	case WRITE_BLOCK: {
		char *length = word(&rest);

		return fill_pattern(op, length, word(&rest));
	}
	case ATTRIBUTES:
		return snprintf(op->query, sizeof op->query, "%s", rest) < (int)sizeof op->query;
	default:
		return true;
	}
}

static void cancel(const char *ep, const char *path, bool in_silence)
{
	struct op *op = observation_of(ep, path);

	if (!op) {
		say("cancel %s %s unobserved", ep, path);
	} else if (in_silence) {
		say("forget %s %s", ep, path);
		op_free(op);
	} else {
		op->kind = CANCEL;
		start(op);
	}
}

bool ops_command(char *line)
{
	char *rest = line;
	const char *verb = word(&rest);
	const char *ep = word(&rest);
	const char *path = word(&rest);
	enum kind kind = 0;

	if (!verb || !ep || !path)
		return false;
	if (!strcmp(verb, "cancel") || !strcmp(verb, "forget")) {
		cancel(ep, path, *verb == 'f');
		return true;
	}
	while (kind < BOOT_WRITE && strcmp(kinds[kind].name, verb))
		kind++;
	if (kind == BOOT_WRITE || strlen(ep) >= EP_MAX || strlen(path) >= PATH_MAX_BYTES)
		return false;
	struct op *op = op_create(kind, ep, path);
	if (fill(op, rest))
		start(op);
	else
		failed(op, "command not understood");
	return true;
}

void ops_bootstrap(const char *ep, coap_session_t *session)
{
	struct op *op = op_create(boot[0].kind, ep, boot[0].path);

	op->session = coap_session_reference(session);
	op->format = FORMAT_SENML_JSON;
	body_print(&op->out, "%s", boot[0].body);
	op->starts = true;
}

int64_t ops_turn(int64_t now_ms)
{
	static uint32_t seen_generation;
	static int64_t next_ms;

	if (seen_generation == generation && now_ms < next_ms)
		return next_ms;
	seen_generation = generation;
	next_ms = now_ms + 1000;
	for (uint32_t i = 0; i < slots; i++) {
		if (ops[i] && ops[i]->starts)
			op_send(ops[i], ops[i]->session);
		else if (ops[i] && ops[i]->waiting && now_ms >= ops[i]->ends_ms)
			failed(ops[i], "timeout");
	}
	return next_ms;
}

void ops_close(void)
{
	for (uint32_t i = 0; i < slots; i++)
		if (ops[i])
			op_free(ops[i]);
	free(ops);
	ops = NULL;
	slots = 0;
}
