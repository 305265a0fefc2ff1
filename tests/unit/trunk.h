/* The suites of the trunk; trunk.c and trunk_dtls.c run them. */
#pragma once
#include <check.h>

Suite *limit_suite(void);
Suite *held_suite(void);
Suite *flow_suite(void);
Suite *route_suite(void);
Suite *newcomer_suite(void);
Suite *move_suite(void);
Suite *life_suite(void);
Suite *track_suite(void);
Suite *notice_suite(void);
Suite *reopen_suite(void);
Suite *datapath_suite(void);
Suite *lan_suite(void);
Suite *association_suite(void);
Suite *network_suite(void);
Suite *wan_round_suite(void);
Suite *wanted_suite(void);
Suite *frugal_suite(void);
Suite *secure_suite(void);
Suite *secure_move_suite(void);
Suite *soak_suite(void);
Suite *silence_suite(void);
Suite *record_suite(void);
Suite *static_suite(void);
