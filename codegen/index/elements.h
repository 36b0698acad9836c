/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Specs of body "index/elements". gather_elements: y[i] = x[i, with the axis' coordinate replaced by
 * indices[i]]; scatter_elements: y = x, then y[the same place] takes updates[i], in order.
 */
#ifndef CODEGEN_INDEX_ELEMENTS_H
#define CODEGEN_INDEX_ELEMENTS_H

#include <stdint.h>

enum { INDEX_RANK = 8 };
enum { INDEX_NONE, INDEX_ADD, INDEX_MUL, INDEX_MIN, INDEX_MAX };

struct elements_spec {
    int64_t x, indices, updates, y, status; /* io */
    int64_t wide;                           /* indices are i64 (else i32) */
    int64_t reduction;
    int64_t rank, axis;
    int64_t count;                 /* of indices */
    int64_t total;                 /* elements of x */
    int64_t per_task;
    int64_t dims[INDEX_RANK];      /* of indices */
    int64_t extents[INDEX_RANK];   /* of x */
    int64_t strides[INDEX_RANK];   /* of x, in elements */
};

/* Specs of body "index/slices": tuples of `depth` indices name slices of `inner` elements. */
struct slices_spec {
    int64_t x, indices, updates, y, status;
    int64_t wide, reduction;
    int64_t count, depth, inner;
    int64_t per_batch, batch_stride; /* tuples of a batch, elements of x between batches */
    int64_t total;
    int64_t extents[INDEX_RANK], strides[INDEX_RANK];
};

/* Spec of body "index/unpool": y = 0, then y[indices[i]] = x[i]. */
struct unpool_spec {
    int64_t x, indices, y, status;
    int64_t count, total;
};

#endif
