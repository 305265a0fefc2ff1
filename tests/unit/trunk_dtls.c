/* Runs the trunk's suites that need a DTLS server. */
#include "suite.h"
#include "trunk.h"

SUITE_MAIN(association_suite, silence_suite, network_suite, assist_suite, wan_round_suite, wanted_suite, secure_suite,
	secure_move_suite, secure_cert_suite, called_dtls_suite, secure_hostile_suite, opaque_suite, opaque_move_suite, frugal_suite, overload_suite, soak_suite, soak_called_suite, soak_dtls_suite, crew_suite,
	crew_location_suite, crew_limits_suite, crew_ports_suite, crew_called_suite)
