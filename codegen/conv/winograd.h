/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Winograd's minimal filtering F(4x4, 3x3) on blocked maps, f32: convolutions of 3x3 windows without
 * stride and dilation, in 36 multiplications for 16 results instead of 144. Its points are 0, A, -A, B,
 * -B and infinity; A = 5/8 and B = 3/2, whose powers are exact in f32, halve the error of the usual 1 and
 * 2 (Barabasz, Anderson, Soodhalter and Gregg, "Error analysis and improving the accuracy of Winograd
 * convolution for deep neural networks").
 *
 *   x  [n][ic_blocks][ih][iw][RAN_BLOCK]
 *   u  [oc_blocks][36][ic_blocks][RAN_BLOCK input channels][RAN_BLOCK output channels]:
 *      winograd_filter's result
 *   result through ran_hook_store in (n, channel block, row, column, lane)
 *
 * A map is covered by tiles of 4x4 results, each from 6x6 inputs. A task takes `chunk` tiles in the
 * order of the whole batch and `oc_per_task` blocks of output channels: it transforms the tiles into
 * scratch memory, v [36][ic_blocks][chunk][RAN_BLOCK]; then, for every few blocks of output channels,
 * multiplies them point by point into m [36][tile_blocks][chunk][RAN_BLOCK], and transforms that
 * back. The matrices of a point begin on different lines of the cache: one line lies between them.
 *
 * Results differ from direct convolution by rounding: below 1e-6 of the largest. Inputs near the end
 * of the range of f32 overflow earlier, by a factor of a hundred.
 */
#ifndef CODEGEN_CONV_WINOGRAD_H
#define CODEGEN_CONV_WINOGRAD_H

#include <stdint.h>

#define WINOGRAD_A 0.625f
#define WINOGRAD_B 1.5f

enum {
    WINOGRAD_OUT = 4,
    WINOGRAD_IN = 6,
    WINOGRAD_POINTS = WINOGRAD_IN * WINOGRAD_IN,
    WINOGRAD_LINE = 16, /* floats between the matrices of two points */
};

struct conv_winograd_spec {
    int64_t x, u; /* positions in io */
    int64_t n;
    int64_t ih, iw, oh, ow, pad_top, pad_left;
    int64_t ic_blocks, ic_last; /* channels in the last block */
    int64_t oc_blocks;
    int64_t tile_rows, tile_columns; /* tiles of a map */
    int64_t tile_blocks, tile_pixels; /* of registers */
    int64_t chunk, oc_per_task;
    int64_t ahead_shift; /* as of conv_direct */
};

#endif
