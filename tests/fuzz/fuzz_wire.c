/* Messages between lwgated and lwgate-net: what was read must write to the same bytes, and a wanted
 * state that passes the check must have a plan. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "netfilter/plan.h"
#include "netfilter/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void plan(const struct capture *capture)
{
	static struct plan plan;
	char why[CAPTURE_TEXT];
	int rc = plan_check(capture, why);
	if ((rc == 0) != (why[0] == '\0') || plan_make(&plan, capture) != rc)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct wire w;
	uint8_t back[WIRE_MAX];
	if (wire_read(&w, bytes, n) != 0)
		return 0;
	if (wire_write(&w, back, sizeof(back)) != (long)n || memcmp(back, bytes, n) != 0)
		abort();
	if (w.type == WIRE_SET)
		plan(&w.set);
	return 0;
}
