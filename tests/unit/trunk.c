/* Runs the trunk's suites that need no DTLS. */
#include "trunk.h"
#include "suite.h"

SUITE_MAIN(newcomer_suite)
