/* Runs the trunk's suites that need no DTLS. */
#include "trunk.h"
#include "suite.h"

SUITE_MAIN(limit_suite, held_suite, flow_suite, route_suite, newcomer_suite, move_suite,
	life_suite)
