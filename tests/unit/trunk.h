/* The suites of the trunk; trunk.c, trunk_dtls.c and replay.c run them. */
#pragma once
#include <check.h>

Suite *newcomer_suite(void);
