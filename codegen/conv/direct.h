/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Direct convolution on blocked maps, 1-D and 2-D, f32.
 *
 *   x  [n][groups * ic_blocks][ih][iw][RAN_BLOCK]
 *   w  [oc_blocks][ic_blocks][kh][kw][RAN_BLOCK input channels][RAN_BLOCK output channels]
 *      `flip`: [oc_blocks][groups * ic_blocks][kh][kw][..][..], taps from the last to the first: the
 *      weights of the convolution whose gradient this is
 *   result through ran_hook_store in (n, channel block, row, column, lane), or, when `flat`, in
 *   (n, channel block, pixel, lane)
 *
 * Strides, dilation, any padding; groups whose input and output channels fill whole blocks. A 1x1
 * convolution without stride and padding is flat: the map is one row (oh = ih = 1).
 *
 * A tile is `tile_blocks` channel blocks by `tile_pixels` pixels of a row, accumulated in registers
 * over all of its inputs. Rows and columns of padding are skipped, not copied: tiles at either end
 * of a row are compiled apart, where a column is there or not as a constant (BORDER_STATIC; needs
 * that one tile on each side is enough), or look at run time (BORDER_DYNAMIC).
 *
 * Tasks: (n, channel tile, chunk of rows or columns), the last two in either order.
 */
#ifndef CODEGEN_CONV_DIRECT_H
#define CODEGEN_CONV_DIRECT_H

#include <stdint.h>

enum {
    CONV_TILE_VECTORS = 16, /* most vectors of a tile's channels */
    CONV_TILE_PIXELS = 28,
    CONV_BORDER_NONE = 0,
    CONV_BORDER_STATIC = 1,
    CONV_BORDER_DYNAMIC = 2,
};

struct conv_direct_spec {
    int64_t x, w; /* positions in io */
    int64_t n, groups;
    int64_t ic_blocks, ic_last; /* a group's; channels in its last block */
    int64_t oc_blocks;          /* a group's */
    int64_t ih, iw, oh, ow, kh, kw;
    int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int64_t flat;
    int64_t tile_blocks, tile_pixels, border;
    int64_t rows_per_task, columns_per_task; /* columns: a multiple of tile_pixels, or ow */
    int64_t flip;
    int64_t ahead_shift; /* log2 of the tiles during which the next weights are fetched, at most 4 */
    int64_t weights_outer; /* tasks walk the channel tiles outermost: weights stay in the cache */
};

#endif
