/* DTLS record, CID record, CoAP, or junk. */
#include "classify.h"

enum kind classify(const uint8_t *datagram, size_t n)
{
	if (n == 0)
		return KIND_JUNK;
	uint8_t first = datagram[0];
	if (first >> 6 == 1)
		return KIND_COAP;
	if (first >= 20 && first <= 24)
		return KIND_DTLS;
	if (first == 25 || first >> 5 == 1)
		return KIND_DTLS_CID;
	return KIND_JUNK;
}
