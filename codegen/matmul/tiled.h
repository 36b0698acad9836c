/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Matrix products in f32, batched with broadcast: y[batch][m][n] = alpha * sum over k of
 * a[batch][m][k] * b[batch][k][n], result through ran_hook_store in (batch, m, n).
 *
 * A tile is tile_rows rows by tile_vectors vectors of columns. It reads b from a panel
 * [k][tile_vectors * RAN_VL]: packed when the model was compiled (b_packed: one panel of b_panel
 * columns after the other, zeros behind column n; the tile's columns divide b_panel), straight from a row-major b (b_direct), or packed into scratch
 * by the task. Strides are in elements; a transposed operand is one with its strides swapped.
 *
 * Tasks: (batch, chunk of rows, chunk of panels). A panel stays in the second cache while the rows
 * go by.
 */
#ifndef CODEGEN_MATMUL_TILED_H
#define CODEGEN_MATMUL_TILED_H

#include <stdint.h>

enum { MATMUL_BATCH = 6, MATMUL_ROWS = 28, MATMUL_VECTORS = 16 };

struct matmul_spec {
    int64_t a, b; /* positions in io */
    int64_t m, n, k;
    int64_t a_row, a_column;
    int64_t b_row, b_column, b_packed, b_panel, b_direct;
    int64_t alpha; /* the bits of an f64 */
    int64_t tile_rows, tile_vectors;
    int64_t tail_rows; /* m modulo tile_rows, -1 when m is not a constant */
    int64_t rows_per_task, panels_per_task;
    int64_t ahead_shift; /* log2 of the row tiles during which the next panel is fetched, at most 4 */
    int64_t batch_rank;
    int64_t batch[MATMUL_BATCH], a_batch[MATMUL_BATCH], b_batch[MATMUL_BATCH];
};

#endif
