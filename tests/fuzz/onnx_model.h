/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef RAN_TESTS_FUZZ_ONNX_MODEL_H
#define RAN_TESTS_FUZZ_ONNX_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* How many of the inputs so far were models. */
extern unsigned long ran_fuzz_accepted;
/* 0: no code is generated. Otherwise what is a model is lowered, and each N-th one compiled. */
extern unsigned ran_fuzz_compile_each;
extern unsigned long ran_fuzz_compiled; /* lowered or compiled without an error */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
