/* The suite of the relay's last step up. */
#pragma once
#include <check.h>

Suite *confine_suite(void);
