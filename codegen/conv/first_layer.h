/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Convolution of a plain map with few channels into a blocked one, 1-D and 2-D, f32: the first layer
 * of most networks, whose 1 to 8 channels would leave a block empty.
 *
 *   x [n][ic][ih][iw]    w [oc_blocks][ic][kh][kw][RAN_BLOCK]
 *   result through ran_hook_store in (n, channel block, row, column, lane)
 *
 * Tiles and borders as in direct.h. Tasks: (n, channel tile, chunk of rows).
 */
#ifndef CODEGEN_CONV_FIRST_LAYER_H
#define CODEGEN_CONV_FIRST_LAYER_H

#include "codegen/conv/direct.h"

struct conv_first_layer_spec {
    int64_t x, w;
    int64_t n, ic, oc_blocks;
    int64_t ih, iw, oh, ow, kh, kw;
    int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int64_t tile_blocks, tile_pixels, border;
    int64_t rows_per_task;
};

#endif
