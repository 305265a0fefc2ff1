/* Words for what is wrong with a credential. */
#include "reason.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "base/bug.h"

const char *reason_of_fault(enum dtls_fault fault)
{
	switch (fault) {
	case DTLS_FAULT_NONE:
		return NULL;
	case DTLS_FAULT_NO_CERTIFICATE:
		return "it gave no certificate, or not a raw public key";
	case DTLS_FAULT_BAD:
		return "its certificate can not be read, or its key is not taken";
	case DTLS_FAULT_UNTRUSTED:
		return "no certificate of the ca_file stands behind its own";
	case DTLS_FAULT_NOT_YET_VALID:
		return "its certificate is not valid yet; is the clock of this machine right?";
	case DTLS_FAULT_EXPIRED:
		return "its certificate has expired";
	case DTLS_FAULT_WRONG_NAME:
		return "its certificate is for another name";
	case DTLS_FAULT_WRONG_USE:
		return "its certificate is not made for this use";
	case DTLS_FAULT_UNKNOWN_KEY:
		return "its raw public key is not one of the configuration";
	}
	BUG("unknown fault of a credential");
}

bool reason_clock_is_unset(int64_t wall_s)
{
	const int64_t first_release = 1767225600; /* 2026-01-01 */
	return wall_s < first_release;
}

const char *reason_of_file(int rc)
{
	switch (-rc) {
	case ENOKEY:
		return "the private key can not be read";
	case EBADMSG:
		return "the certificate or public key can not be read";
	case EKEYREJECTED:
		return "certificate and private key do not belong together";
	case ENOTSUP:
		return "its key is not of curve P-256";
	case EINVAL:
		return "a certificate of the ca_file is not a CA's";
	default:
		return strerror(-rc);
	}
}
