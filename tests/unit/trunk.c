/* Runs the trunk's suites that need no DTLS. */
#include "trunk.h"
#include "suite.h"

SUITE_MAIN(lan_suite, limit_suite, held_suite, flow_suite, route_suite, newcomer_suite, static_suite, called_suite,
	intercept_suite, move_suite, life_suite, track_suite, notice_suite, reopen_suite, datapath_suite, record_suite)
