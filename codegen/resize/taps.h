/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "resize/taps": every output pixel is a weighted sum of taps_y x taps_x input pixels
 * (1 x 1: nearest, 2 x 2: linear, 4 x 4: cubic, more with antialiasing). Positions and weights of
 * each output row and column are tables made when the model is compiled: for row y the words
 * position[y * taps_y + t] (int32) and weight[y * taps_y + t] (float), columns likewise.
 * Where extrapolation is an offset in the table, a first weight that is NaN marks a row or column
 * outside of the input: its pixels have that value.
 *
 * Blocked: coordinates (image, channel block, row, column, lane). Plain: (plane, row, column).
 */
#ifndef CODEGEN_RESIZE_TAPS_H
#define CODEGEN_RESIZE_TAPS_H

#include <stdint.h>

struct taps_spec {
    int64_t x, tables;             /* io */
    int64_t planes, blocks;        /* plane count; blocked: channel blocks an image, else 0 */
    int64_t height, width;         /* of the operand */
    int64_t out_height, out_width;
    int64_t taps_y, taps_x;
    int64_t position_y, weight_y, position_x, weight_x; /* offsets in the table, in words */
    int64_t extrapolation;                              /* likewise; 0: none */
};

#endif
