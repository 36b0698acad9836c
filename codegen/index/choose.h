/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Specs of body "index/choose": ops whose data decide how much there is. Each is one task, which
 * writes what it has chosen to the beginning of the result and how much that is to word `size`
 * behind the status word.
 */
#ifndef CODEGEN_INDEX_CHOOSE_H
#define CODEGEN_INDEX_CHOOSE_H

#include <stdint.h>

enum { CHOOSE_RANK = 8 };

/* y[axis, k] = coordinate of the k-th element that is not zero. */
struct non_zero_spec {
    int64_t x, y, status, size; /* io; size: a word */
    int64_t is_float;           /* the sign does not count */
    int64_t rank, count;
    int64_t dims[CHOOSE_RANK];
};

/* Of x as [outer, extent, bytes] the positions whose condition is true. */
struct compress_spec {
    int64_t x, condition, y, status, size;
    int64_t outer, extent, length, bytes;
};

/* Distinct slices of x as [outer, count, inner]; -1: a result that is not asked for. Scratch: four
 * words for each slice. */
struct unique_spec {
    int64_t x, y, indices, inverse, counts, status, size;
    int64_t sorted;
    int64_t outer, count, inner;
};

/* Scratch: two words for each box. Scalars: io, -1 where absent. */
struct suppression_spec {
    int64_t boxes, scores, y, status, size;
    int64_t limit, iou, score;
    int64_t is_center;
    int64_t batches, classes, count;
};

#endif
