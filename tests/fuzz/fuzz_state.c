/* The text of a state file: what is taken writes itself and reads the same again, and restoring it
 * harms nothing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "control/rows.h"
#include "life.h"
#include "../unit/small_relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* One relay for all inputs. */
static struct small_relay *relay_get(void)
{
	static struct small_relay relay;
	struct small_spec how = { .endpoints = 2, .max = 4 };
	if (relay.dp == NULL) {
		log_open(LOG_TO_NOBODY, "fuzz");
		small_relay_up(&relay, &how);
	}
	return &relay;
}

/* Reads the row again from its own line and writes it once more: both lines must be the same. */
static void twice(const struct row *row)
{
	struct text once = { 0 }, again = { 0 };
	struct row back;
	const char *why;
	row_write(&once, row);
	if (row_read(&back, once.p, once.n - 1, &why) != 0)
		abort();
	row_write(&again, &back);
	if (strcmp(text_str(&once), text_str(&again)) != 0)
		abort();
	row_fini(&back);
	text_fini(&once);
	text_fini(&again);
}

static void each(void *who, const struct row *row)
{
	struct small_relay *relay = who;
	twice(row);
	if (row->kind == ROW_FLOW)
		(void)!life_restore(relay->dp, &row->saved, 0, fake_net_now(relay->net));
}

static void end_all(struct small_relay *relay)
{
	struct flow *flow;
	for (size_t at = 0; (flow = flow_next(relay->dp->flows, &at)) != NULL;)
		life_end(relay->dp, flow, "the next input comes");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rows_fault fault;
	int64_t saved_at;
	if (n == 0 || n > 65536)
		return 0;
	FILE *f = fmemopen((void *)(uintptr_t)bytes, n, "r");
	if (f == NULL)
		abort();
	int rc = rows_read(f, &saved_at, each, relay_get(), &fault);
	if (rc != 0 && fault.text[0] == '\0')
		abort();
	fclose(f);
	end_all(relay_get());
	return 0;
}
