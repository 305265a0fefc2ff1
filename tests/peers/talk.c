/* Who is at the other end of the server's sessions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/peers/credentials.h"
#include "tests/peers/talk.h"

static struct list talks = { &talks, &talks };

struct talk *talk_of(coap_session_t *session)
{
	struct talk *t = coap_session_get_app_data(session);

	if (!t) {
		t = calloc(1, sizeof *t);
		if (!t)
			die("out of memory");
		list_append(&talks, &t->node);
		coap_session_set_app_data(session, t);
	}
	return t;
}

void talk_free(struct talk *t)
{
	list_remove(&t->node);
	body_clear(&t->body);
	free(t);
}

void talks_clear(void)
{
	while (!list_is_empty(&talks))
		talk_free((struct talk *)talks.next);
}

/* ---- credentials ---- */

static const coap_bin_const_t *key_of(
	coap_bin_const_t *identity, coap_session_t *session, void *arg)
{
	struct talk *t = talk_of(session);

	(void)arg;
	if (identity->length >= sizeof t->identity)
		return NULL;
	memcpy(t->identity, identity->s, identity->length);
	t->identity[identity->length] = 0;

	const coap_bin_const_t *key = credentials_key(t->identity);
	if (!key)
		say("unknown-identity %s", t->identity);
	return key;
}

/* A certificate was verified, or a raw key proven: whose is it? */
static int on_client(const char *cn, const uint8_t *der, size_t n, coap_session_t *session,
	unsigned depth, int validated, void *arg)
{
	const struct security *security = arg;
	struct talk *t = talk_of(session);
	struct names names = { 0 };
	const char *owner;

	(void)cn;
	if (depth > 0 || !validated)
		return validated;
	if (!security->rpk) {
		names_get(der, n, &names);
	} else if ((owner = credentials_owner(der, n))) {
		snprintf(names.cn, sizeof names.cn, "%s", owner);
	} else {
		say("unknown-identity raw key crc32=%08x", bytes_crc32(der, n));
		return 0;
	}
	snprintf(t->identity, sizeof t->identity, "%s", *names.cn ? names.cn : names.san);
	snprintf(t->other, sizeof t->other, "%s", names.san);
	t->certified = true;
	return 1;
}

bool talk_may_register(const struct talk *t, const char *ep)
{
	if (t->certified)
		return !strcmp(t->identity, ep) || !strcmp(t->other, ep);
	return credentials_allow(t->identity, ep);
}

void talks_serve_psk(coap_context_t *ctx, const char *file)
{
	static const uint8_t nobody[16]; /* libcoap wants a default key, and never uses it */
	coap_dtls_spsk_t setup = {
		.version = COAP_DTLS_SPSK_SETUP_VERSION,
		.validate_id_call_back = key_of,
		.psk_info = { .hint = { 0, (const uint8_t *)"" },
			.key = { sizeof nobody, nobody } },
	};

	credentials_read(file);
	if (!coap_dtls_is_supported() || !coap_context_set_psk2(ctx, &setup))
		die("this libcoap can not serve DTLS");
}

void talks_serve_keys(coap_context_t *ctx, struct security *security, const char *keys)
{
	security->on_peer = on_client;
	if (keys)
		credentials_read_keys(keys);
	security_serve(security, ctx);
}
