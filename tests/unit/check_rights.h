/* The suite of the base's rights. */
#pragma once
#include <check.h>

Suite *rights_suite(void);
