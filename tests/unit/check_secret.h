/* The suite of memory for keys. */
#pragma once
#include <check.h>

Suite *secret_suite(void);
