/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Gradient of a convolution's weights, f32, 1-D and 2-D, in two kernels.
 *
 * "conv/weight", conv_weight: partial sums over chunks of images, blocked maps.
 *   x  [n][groups * ic_blocks][ih][iw][RAN_BLOCK]   dy [n][groups * oc_blocks][oh][ow][RAN_BLOCK]
 *   y  [chunks][groups * oc_blocks][ic_blocks][kh * kw][RAN_BLOCK inputs][RAN_BLOCK outputs]
 * A tile is tile_blocks blocks of dy's channels by tile_inputs channels of x for one tap: its sums
 * stay in registers while a strip of pixels goes by. A strip (strip_rows rows, or strip_images whole
 * maps) is small enough to stay in the first cache for all taps. Taps of padding are skipped by row
 * and column. A 1x1 without stride is flat: the host merges rows.
 * Tasks: (chunk, group, channel tile of dy, ic_per_task channel blocks of x: of a 1x1, whose strips
 * are short, several, so that memory is read in long runs).
 *
 * "conv/weight", conv_weight_window: the same for few plain channels (x [n][ic][ih][iw], sums of
 * width ic) or for one channel a group (depthwise: x as dy, sums of width 1). The map, or the map of
 * one vector of channels, is copied to scratch with its padding, so that all taps of a pixel are
 * there; a tile is `tile_taps` pairs of channel and tap by tile_blocks blocks.
 * Tasks: (chunk, channel tile of dy).
 *
 * "conv/weight_sum": the chunks' sum, in order, as [o][i][kh][kw] through ran_hook_store in
 * (o, [i][kh][kw]). Tasks: (block of o, block of i).
 *
 * Chunks depend on shapes only: results are the same at any number of threads.
 */
#ifndef CODEGEN_CONV_WEIGHT_H
#define CODEGEN_CONV_WEIGHT_H

#include "codegen/conv/direct.h"

struct conv_weight_spec {
    int64_t x, dy, y; /* positions in io */
    int64_t n, chunks, groups;
    int64_t ic_blocks, ic_last; /* a group's; channels in its last block. Window: 1, channels */
    int64_t oc_blocks;          /* a group's. Window: all */
    int64_t ic_per_task;
    int64_t ih, iw, oh, ow, kh, kw;
    int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int64_t tile_blocks, tile_inputs;
    int64_t strip_rows, strip_images;
    int64_t depthwise, tile_taps;     /* window */
    int64_t padded_h, padded_w;       /* window: of the copy in scratch */
};

struct conv_weight_sum_spec {
    int64_t x; /* position in io */
    int64_t chunks, o, i, taps;
    int64_t o_blocks, i_blocks, width; /* width: inputs a block */
};

#endif
