/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Purely elementwise kernels: walks the index space of the result and calls ran_hook_store, which
 * computes everything. Any element type, shape, broadcast and layout.
 *
 * The space is a matrix: `rows` (all coordinates but the last) by `columns` (the last one, the
 * lanes'). A task covers rows_per_task x columns_per_task of it.
 */
#ifndef CODEGEN_ELEMENTWISE_MAP_H
#define CODEGEN_ELEMENTWISE_MAP_H

#include <stdint.h>

enum { MAP_RANK = 10 };

struct map_spec {
    int64_t rank; /* at least 1 */
    int64_t rows, rows_per_task;
    int64_t columns, columns_per_task;
    int64_t extent[MAP_RANK];
};

#endif
