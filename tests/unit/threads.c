/* What several threads use, with the sanitizer that watches them. */
#include "threads.h"
#include "suite.h"

SUITE_MAIN(ring_suite, directory_suite)
