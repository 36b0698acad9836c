/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Depthwise convolution on blocked maps, 1-D and 2-D, f32, one output channel an input channel.
 *
 *   x [n][blocks][ih][iw][RAN_BLOCK]    w [blocks][kh][kw][RAN_BLOCK]
 *   result through ran_hook_store in (n, channel block, row, column, lane)
 *
 * A tile is tile_rows x tile_columns outputs of one vector of channels. Its inputs are loaded once
 * each, in order, and multiplied with all weights that meet them; rows of padding are skipped, and
 * columns as in direct.h.
 *
 * Tasks: (n, channel block, chunk of rows; rows_per_task is a multiple of tile_rows, or oh).
 *
 * conv_depthwise_transposed: the same spec for a transposed convolution with a stride. Outputs of one
 * phase (column modulo stride_w) meet the same taps, tile_columns of them at a time; tile_rows is 1.
 */
#ifndef CODEGEN_CONV_DEPTHWISE_H
#define CODEGEN_CONV_DEPTHWISE_H

#include "codegen/conv/direct.h"

enum { DEPTHWISE_ROWS = 4, DEPTHWISE_COLUMNS = 16 };

struct conv_depthwise_spec {
    int64_t x, w;
    int64_t n, blocks;
    int64_t ih, iw, oh, ow, kh, kw;
    int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int64_t tile_rows, tile_columns, border;
    int64_t rows_per_task;
    int64_t flip; /* taps from the last to the first, as in direct.h */
};

#endif
