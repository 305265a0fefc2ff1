/* Any bytes as a datagram of DTLS records that passes unended: what a bystander sees of it. The first byte
 * is the length of the connection id that is thought to be there. */
#include <stdlib.h>
#include <string.h>
#include "base/bug.h"
#include "limits.h"
#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool is_inside(struct slice s, const uint8_t *bytes, size_t n)
{
	return s.n == 0 || (s.p >= bytes && s.n <= n && (size_t)(s.p - bytes) <= n - s.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct record_view v, again;
	if (n < 1 || n > UDP_ROOM)
		return 0;
	/* Behind the copy nothing may be read. */
	uint8_t *copy = malloc(n);
	BUG_UNLESS(copy != NULL);
	memcpy(copy, bytes + 1, n - 1);
	n--;
	struct slice at = record_cid_at(copy, n);
	BUG_UNLESS(is_inside(at, copy, n));
	if (record_look(copy, n, bytes[0], &v)) {
		BUG_UNLESS(n > 0 && is_inside(v.cid, copy, n) && is_inside(v.gives_cid, copy, n));
		BUG_UNLESS(!v.begins_hello || v.has_client_hello);
		BUG_UNLESS(!v.has_number || v.has_protected);
		BUG_UNLESS(v.cid.n == 0 || (v.has_cid && v.cid.n == bytes[0]));
		/* A length that was wrong does not make junk of it. */
		BUG_UNLESS(record_look(copy, n, 0, &again));
		BUG_UNLESS(again.has_client_hello == v.has_client_hello || v.has_cid);
	}
	free(copy);
	return 0;
}
