/* The suites of what several threads use; threads.c runs them. */
#pragma once
#include <check.h>

Suite *ring_suite(void);
Suite *directory_suite(void);
