/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Any convolution or transposed convolution in plain layout, f32: 1-D to 3-D, any groups, strides,
 * dilation and padding, extents known when the model runs at the latest. Vectorised along the
 * output's rows, tile_channels output channels at a time. What the blocked kernels do not take.
 *
 *   x [n][groups * ic][in...]    w at w_oc and w_ic elements apart, [kernel...] innermost
 *   result through ran_hook_store in (n, channel, spatial axes)
 *
 * Tasks: (n, group, tile of channels, chunk of rows).
 *
 * conv_plain_<elem> is the same for f64, i32 and i64, a channel at a time. Tasks: (n, channel,
 * row).
 */
#ifndef CODEGEN_CONV_PLAIN_H
#define CODEGEN_CONV_PLAIN_H

#include <stdint.h>

enum { CONV_PLAIN_CHANNELS = 4 };

struct conv_plain_spec {
    int64_t x, w;
    int64_t n, groups, ic, oc; /* channels of a group */
    int64_t w_group, w_oc, w_ic;
    int64_t transposed;
    int64_t spatial;   /* 1 to 3; the arrays are right-aligned, filled up with 1 */
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
    int64_t rows_per_task;
};

#endif
