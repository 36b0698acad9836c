/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Specs of body "index/rows": ops that go row by row. */
#ifndef CODEGEN_INDEX_ROWS_H
#define CODEGEN_INDEX_ROWS_H

#include <stdint.h>

enum { ONE_HOT_I32, ONE_HOT_I64, ONE_HOT_F32 };

/* y[o, d, i] = values[indices[o, i] is d]; a task is (o, d). */
struct one_hot_spec {
    int64_t indices, values, y; /* io */
    int64_t kind;
    int64_t depth, inner;
};

/* A task is a row of a matrix; k from io when it is not -1. */
struct trilu_spec {
    int64_t x, k, y;
    int64_t upper, fixed_k;
    int64_t rows, columns;
};

/* A task is (outer, inner) of [time, batch] or [batch, time]; `bytes` lie together. */
struct reverse_spec {
    int64_t x, lens, y, status;
    int64_t wide, time_first;
    int64_t time, batch, bytes;
};

/* y[o, i, j] = sum (or product) of x[o, i' <= i, j]; a task is o. */
struct cumulate_spec {
    int64_t x, y;
    int64_t product, exclusive, reverse;
    int64_t extent, inner;
};

/* The k largest (smallest) of each line, in order; a task is (o, j). */
struct topk_spec {
    int64_t x, values, indices;
    int64_t largest, k, extent, inner;
};

enum { VALUES_MAX = 64 };

/* y = value[0 .. count): elements that follow from the shapes alone. */
struct values_spec {
    int64_t y, count;
    int64_t value[VALUES_MAX];
};

/* y[i] = start + i * delta, the operands as scalars in io. */
struct range_spec {
    int64_t start, delta, y; /* io */
    int64_t count;
};

#endif
