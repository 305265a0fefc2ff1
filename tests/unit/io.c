/* Timers, the loop, sockets and names, against the kernel as it is. */
#include "suite.h"
#include "io.h"

SUITE_MAIN(timer_suite, loop_suite, udp_suite, udp_wan_suite, resolve_suite, steer_suite)
