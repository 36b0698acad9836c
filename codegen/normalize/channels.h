/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Sums over the images and pixels of each channel, by chunks of images, f32, blocked maps:
 *   channel_moments  mean and sum of squares around it
 *   channel_sums     sum of x, and of x * (y - shift of the channel)
 * Results are plain, [chunk][channel]. A vector of channels at a time, its pixels in four partial
 * sums. Tasks: (chunk, channel block).
 */
#ifndef CODEGEN_NORMALIZE_CHANNELS_H
#define CODEGEN_NORMALIZE_CHANNELS_H

#include <stdint.h>

struct channels_spec {
    int64_t x, y, shift;         /* positions in io; y, shift: -1 for none */
    int64_t first, second;       /* of the results; second: -1 for none */
    int64_t n, chunks;
    int64_t channels, blocks, pixels;
};

#endif
