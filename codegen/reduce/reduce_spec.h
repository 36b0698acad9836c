/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "reduce/reduce": combines the elements of the reduced coordinates.
 *
 * Coordinates are those of the operand (lanes last), in runs of kept and of reduced axes. Where the
 * last one is kept, lanes are results; where it is reduced, lanes are partial results that are
 * combined in a fixed tree at the end. The order depends on the shape only.
 */
#ifndef CODEGEN_REDUCE_REDUCE_SPEC_H
#define CODEGEN_REDUCE_REDUCE_SPEC_H

#include <stdint.h>

enum { REDUCE_RANK = 10 };
enum {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD,
    REDUCE_L1,
    REDUCE_L2,
    REDUCE_LOG_SUM,
    REDUCE_LOG_SUM_EXP,
    REDUCE_SUM_SQUARE,
};

struct reduce_spec {
    int64_t kind;
    int64_t rank;
    int64_t extent[REDUCE_RANK];
    int64_t reduced[REDUCE_RANK]; /* whether a coordinate is */
    int64_t kept_rank;            /* coordinates of the result */
    int64_t count;                /* elements reduced for one result */
    int64_t rows, rows_per_task;  /* product of the kept extents before the lanes */
    int64_t inner;                /* product of the reduced extents before the lanes */
};

#endif
