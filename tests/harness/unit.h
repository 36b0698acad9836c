/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A unit test is tests/unit/NAME.c, and a line in tests/local.mk:
 *
 *     #include "tests/harness/unit.h"
 *     START_TEST(adds) { ck_assert_int_eq(1 + 1, 2); } END_TEST
 *     RAN_UNIT_TESTS(adds)
 *
 * Check runs each test in a process of its own (CK_FORK=no for a debugger).
 */
#ifndef RAN_TESTS_HARNESS_UNIT_H
#define RAN_TESTS_HARNESS_UNIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Seconds a test may take; a generous guard against hanging, not a measurement. */
enum { RAN_UNIT_TIMEOUT = 300 };

static inline int run_unit_tests(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, RAN_UNIT_TIMEOUT);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Only for main, before tests run: the directory of test data, or the test is skipped. */
static inline const char *need_test_data(void)
{
    const char *directory = getenv("RANCC_TEST_DATA");
    struct stat info;
    if (directory && !stat(directory, &info) && S_ISDIR(info.st_mode))
        return directory;
    puts("SKIP: needs test data: RANCC_TEST_DATA names no directory");
    exit(77);
}

#define RAN_UNIT_TESTS(...)                                                                        \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return run_unit_tests(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));                  \
    }

#endif
