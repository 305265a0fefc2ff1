/* The room dtls: its suites, one a file. */
#include "dtls_suites.h"

SUITE_MAIN(header_suite, handshake_suite, records_suite, record12_suite, leave_suite, listener_suite, device_suite, file_suite,
	cert_suite, cert_device_suite, cert_wire_suite, dtls13_suite, newest13_suite,
	scarce_suite)
