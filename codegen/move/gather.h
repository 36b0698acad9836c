/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "move/gather": result[o, i, c] = x[o, indices[i], c] on matrices of bytes: `inner`
 * bytes lie together. Negative indices count from the end; others out of range set the status word
 * and read nothing.
 */
#ifndef CODEGEN_MOVE_GATHER_H
#define CODEGEN_MOVE_GATHER_H

#include <stdint.h>

struct gather_spec {
    int64_t x, indices, y, status; /* io */
    int64_t wide;                  /* indices are i64 (else i32) */
    int64_t outer, count, extent;  /* rows before, indices, extent of the axis */
    int64_t inner;                 /* bytes */
};

#endif
