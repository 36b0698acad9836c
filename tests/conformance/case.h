/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One conformance case by the reference evaluator. */
#ifndef TESTS_CONFORMANCE_CASE_H
#define TESTS_CONFORMANCE_CASE_H

#include <ran/ran.h>

typedef enum outcome { PASS, WRONG, UNSUPPORTED, CRASH } outcome;

/* Imports, evaluates and compares all data sets of a directory; prints the first problem. Returns
 * an exit status of the programs (RAN_MISMATCH for a wrong answer). */
ran_status interpret_case(const char *directory);

#endif
