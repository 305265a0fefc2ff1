/* The suites of the room netfilter, one a file. */
#pragma once
#include <check.h>

Suite *rtnl_suite(void);
Suite *plan_suite(void);
Suite *codec_suite(void);
Suite *helper_suite(void);
Suite *doors_suite(void);
