/* Words for what is wrong with a credential. */
#include "reason.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "base/bug.h"

#define MAKE_KEY "`openssl ecparam -name prime256v1 -genkey -noout`"

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
		return "private_key_file can not be read; right is a key of P-256, as " MAKE_KEY
		       " makes it, and none of RSA";
	case EBADMSG:
		return "a certificate or public key can not be read; right is one of P-256, whole";
	case EKEYREJECTED:
		return "certificate and private key do not belong together; right is our own "
		       "certificate first in cert_file, then its issuers";
	case ENOTSUP:
		return "its key is not of curve P-256; right is one that " MAKE_KEY " makes";
	case EINVAL:
		return "a certificate of the ca_file is not a CA's; right is that which signed theirs";
	default:
		return strerror(-rc);
	}
}

const char *reason_of_dates(struct slice cert, int64_t wall_s)
{
	if (reason_clock_is_unset(wall_s)) /* that is told for itself */
		return NULL;
	switch (cert.n > 0 ? dtls_cert_dates(cert, wall_s) : DTLS_FAULT_NONE) {
	case DTLS_FAULT_EXPIRED:
		return "has expired, or that of an issuer beside it; right is a new one";
	case DTLS_FAULT_NOT_YET_VALID:
		return "is not valid yet; is the clock of this machine right?";
	default:
		return NULL;
	}
}

const char *reason_of_alert(int alert)
{
	switch (alert) { /* RFC 5246 7.2.2 */
	case 45:
		return "it says that our certificate has expired";
	case 48:
		return "it does not know the CA of our certificate";
	case 42:
	case 43:
	case 44:
	case 46:
		return "it does not take our certificate";
	default:
		return NULL;
	}
}
