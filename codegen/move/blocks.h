/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "move/blocks": runs of bytes of several operands, side by side in the result
 * (concat), or of one operand, side by side in several results (split).
 *
 * The joined tensor is a matrix of `outer` rows; part p holds `bytes[p]` of each row.
 */
#ifndef CODEGEN_MOVE_BLOCKS_H
#define CODEGEN_MOVE_BLOCKS_H

#include <stdint.h>

enum { BLOCKS_PARTS = 64 };

struct blocks_spec {
    int64_t joined;      /* io of the joined tensor */
    int64_t parts, outer;
    int64_t row;         /* bytes of a joined row */
    int64_t part[BLOCKS_PARTS]; /* io */
    int64_t bytes[BLOCKS_PARTS], start[BLOCKS_PARTS];
};

#endif
