/* Any bytes as a datagram: the peek and libcoap's parser must agree on it. Links libcoap-3-notls
 * and tests/unit/msg_libcoap.c, where the exceptions are named. */
#include <stdbool.h>
#include "../unit/msg_libcoap.h"
#include "base/bug.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static bool ready;
	if (!ready)
		msg_libcoap_init();
	ready = true;
	struct msg_verdict v = msg_libcoap_compare(bytes, n);
	if (v.disagreement != NULL)
		BUG(v.disagreement);
	return 0;
}
