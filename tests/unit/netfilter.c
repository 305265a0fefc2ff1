/* The unit binary of the room netfilter. */
#include "netfilter.h"
#include "suite.h"

SUITE_MAIN(plan_suite, codec_suite, helper_suite, rtnl_suite, doors_suite)
