/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of the bodies that work on one axis: "reduce/softmax" (softmax, log_softmax, hardmax) and
 * "reduce/arg" (arg_max, arg_min). The operand is [outer, extent, inner]; coordinates of both
 * spaces are (outer, extent, inner), lanes along the last of them that is larger than 1.
 */
#ifndef CODEGEN_REDUCE_ROWS_H
#define CODEGEN_REDUCE_ROWS_H

#include <stdint.h>

enum { ROWS_SOFTMAX, ROWS_LOG_SOFTMAX, ROWS_HARDMAX };

struct rows_spec {
    int64_t kind;       /* of softmax; of arg: 1 for the minimum */
    int64_t outer, extent, inner;
    int64_t y;          /* arg: io of the result */
    int64_t last_index; /* arg: the last of equal elements */
};

#endif
