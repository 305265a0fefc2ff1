/* What every unit binary shares: a main() that runs the suites and says how many checks failed. */
#pragma once
#include <check.h>
#include <stdlib.h>

/* A unit binary lists its suites: SUITE_MAIN(addr_suite, log_suite). */
#define SUITE_MAIN(first, ...)                                                                     \
	int main(void)                                                                             \
	{                                                                                          \
		Suite *(*make[])(void) = { first, ##__VA_ARGS__ };                                 \
		SRunner *runner = srunner_create(make[0]());                                       \
		for (size_t i = 1; i < sizeof(make) / sizeof(make[0]); i++)                        \
			srunner_add_suite(runner, make[i]());                                      \
		srunner_run_all(runner, CK_ENV);                                                   \
		int failed = srunner_ntests_failed(runner);                                        \
		srunner_free(runner);                                                              \
		return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                                  \
	}

/* Adds a case of one test to a suite. */
#define SUITE_TEST(suite, test)                                                                    \
	do {                                                                                       \
		TCase *case_ = tcase_create(#test);                                                  \
		tcase_set_timeout(case_, 60);                                                         \
		tcase_add_test(case_, test);                                                        \
		suite_add_tcase(suite, case_);                                                      \
	} while (0)

/* A case of the suite unit-long: what takes a second and more, and what `make check-fast` can wait for. */
static inline TCase *case_long(Suite *suite, const char *name)
{
	TCase *c = tcase_create(name);
	tcase_set_tags(c, "long");
	tcase_set_timeout(c, 120);
	suite_add_tcase(suite, c);
	return c;
}
