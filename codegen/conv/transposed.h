/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Transposed convolution on blocked maps, 1-D and 2-D, f32.
 *
 *   x [n][groups * ic_blocks][ih][iw][RAN_BLOCK]
 *   w [oc_blocks][groups * ic_blocks][kh][kw][RAN_BLOCK input][RAN_BLOCK output channels]
 *   result through ran_hook_store in (n, channel block, row, column, lane)
 *
 * Outputs of one phase (column modulo stride_w) meet the same taps and neighbouring inputs, so that
 * a tile of tile_pixels outputs, stride_w apart, is a direct convolution's. Groups whose channels
 * fill whole blocks. Tasks: (n, group, channel tile, chunk of rows).
 */
#ifndef CODEGEN_CONV_TRANSPOSED_H
#define CODEGEN_CONV_TRANSPOSED_H

#include "codegen/conv/direct.h"

struct conv_transposed_spec {
    int64_t x, w;
    int64_t n, groups, ic_blocks, oc_blocks; /* of a group */
    int64_t ih, iw, oh, ow, kh, kw;
    int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int64_t tile_blocks, tile_pixels;
    int64_t rows_per_task;
};

#endif
