/* The suites of the files that touch the kernel; io.c runs them. */
#pragma once
#include <check.h>

Suite *timer_suite(void);
Suite *loop_suite(void);
Suite *udp_suite(void);
Suite *udp_wan_suite(void);
Suite *resolve_suite(void);
Suite *steer_suite(void);
