/* The suites of conf, and what they share. */
#pragma once
#include "suite.h"
#include "conf/conf_int.h"

Suite *conf_uci_suite(void);
Suite *conf_parts_suite(void);
Suite *conf_print_suite(void);
Suite *conf_key_suite(void);
Suite *conf_blob_suite(void);

/* Loads text as if it stood in /x/conf; no other file exists. Faults are left in faults. */
struct conf *load_text(const char *text, struct conf_faults *faults);
/* The same; the test fails when it is refused. */
struct conf *load_good(const char *text);
