/* Where wolfSSL's build draws its random bytes from (CUSTOM_RAND_GENERATE_BLOCK). */
#include "base/rand.h"

int lwg_rand_block(unsigned char *out, unsigned int n);

int lwg_rand_block(unsigned char *out, unsigned int n)
{
	rand_bytes(out, n);
	return 0;
}
