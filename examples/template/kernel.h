/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Template of a spec, codegen/normalize/center.h: what the body reads, words of 64 bits only. */
#ifndef CODEGEN_NORMALIZE_CENTER_H
#define CODEGEN_NORMALIZE_CENTER_H

#include <stdint.h>

struct center_spec {
    int64_t x;            /* io of the operand */
    int64_t rows, length; /* lines along the last axis */
    int64_t rows_per_task;
};

#endif
