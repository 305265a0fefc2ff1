/* Request lines of the control socket: whatever comes, the answer is one line of whole JSON. */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/log.h"
#include "control/answer.h"
#include "../unit/small_relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int reload(void *who, struct text *said, struct mono now)
{
	(void)who;
	(void)now;
	text_add(said, "f:1: something\n");
	return 0;
}

/* One relay for all inputs, with two flows. */
static const struct control_spec *spec_get(void)
{
	static struct small_relay relay;
	static struct control_spec spec;
	struct small_spec how = { .endpoints = 2 };
	if (spec.datapath != NULL)
		return &spec;
	log_open(LOG_TO_NOBODY, "fuzz");
	small_relay_up(&relay, &how);
	small_relay_register(&relay, "ep-0", "192.168.1.5:5683", "5");
	small_relay_register(&relay, "caf\xe9", "[fd00::5]:5683", "6");
	spec = (struct control_spec){ .datapath = relay.dp, .config = "c", .reload = reload };
	return &spec;
}

static void must_be_json(const struct text *t)
{
	struct json_tokener *tok = json_tokener_new();
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *o = json_tokener_parse_ex(tok, t->p, (int)t->n);
	if (!json_object_is_type(o, json_type_object) || t->p[t->n - 1] != '\n')
		abort();
	json_object_put(o);
	json_tokener_free(tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const struct mono now = { FAKE_NET_START_MS + 5000 };
	struct answer a;
	struct text t = { 0 };
	if (n > 4096)
		return 0;
	answer_begin(&a, spec_get(), (const char *)bytes, n, &t, now);
	while (answer_more(&a, &t, now))
		;
	answer_fini(&a);
	must_be_json(&t);
	text_fini(&t);
	return 0;
}
