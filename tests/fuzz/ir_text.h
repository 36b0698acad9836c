/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef RAN_TESTS_FUZZ_IR_TEXT_H
#define RAN_TESTS_FUZZ_IR_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Aborts when the text's reading and printing break their promises. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
