/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "move/pad": the result is the operand with a rim. Coordinates are the result's axes;
 * in the rim the value is a constant, or that of the element which the mode maps to.
 */
#ifndef CODEGEN_MOVE_PAD_H
#define CODEGEN_MOVE_PAD_H

#include <stdint.h>

enum { PAD_RANK = 8 };
enum { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT, PAD_WRAP };

struct pad_spec {
    int64_t x, value;  /* io of the operand and of the scalar; value -1: zero */
    int64_t mode, rank;
    int64_t extent[PAD_RANK]; /* of the result */
    int64_t source[PAD_RANK]; /* of the operand */
    int64_t before[PAD_RANK]; /* rim at the beginning; negative: cut off */
    int64_t rows, rows_per_task;
};

#endif
