/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "move/strided": every element of the result comes from one place of the operand,
 * and the place is a sum over the coordinates:
 *   offset = base + sum_d (i_d / factor_d) * high_d + (i_d % factor_d) * low_d
 * (factor 0: i_d * low_d). Transpose, slice, expand, tile, depth_to_space, and the conversions
 * between plain and blocked layouts are all of this form.
 */
#ifndef CODEGEN_MOVE_STRIDED_H
#define CODEGEN_MOVE_STRIDED_H

#include <stdint.h>

enum { STRIDED_RANK = 10 };

struct strided_spec {
    int64_t x;    /* io of the operand */
    int64_t rank; /* coordinates of the result's space, lanes last */
    int64_t extent[STRIDED_RANK], factor[STRIDED_RANK];
    int64_t high[STRIDED_RANK], low[STRIDED_RANK]; /* elements */
    int64_t base;
    int64_t channels, channel, block; /* blocked result: extent, its coordinate, lanes a block */
    int64_t rows, rows_per_task;      /* rows: product of the extents before the lanes */
};

#endif
