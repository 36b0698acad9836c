/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The register tile of the dense kernels: `blocks` blocks of output channels by `pixels` pixels,
 * accumulated over input channels. What a body includes; limits are those of direct.h.
 *
 * Every argument but the pointers becomes a constant, so that all loops unroll and the sums stay in
 * registers.
 */
#ifndef CODEGEN_CONV_TILE_H
#define CODEGEN_CONV_TILE_H

#include "codegen/body.h"
#include "codegen/conv/direct.h"

/* Input channels a step. */
#ifdef __aarch64__
enum { CONV_STEP = 4, CONV_BY_LANE = 1 };
#else
enum { CONV_STEP = 2, CONV_BY_LANE = 0 };
#endif

typedef ran_vf32 conv_sums[CONV_TILE_PIXELS];

/* Weights that no cache holds come while pixels go by those before them: what is fetched while `start`
 * is read, and log2 of how many times slower it goes on. */
struct conv_ahead {
    const float *start, *next;
    int64_t shift;
};

/* For pass number `pass` of many over the `size` weights from `start` on, which those behind them
 * follow. One pass alone fetches a little ahead of itself. */
RAN_INLINE struct conv_ahead conv_ahead(const float *start, const float *behind, int64_t size,
                                        int64_t pass, int64_t shift)
{
    struct conv_ahead ahead = {start, start, shift};
    if (!shift)
        ahead.next = start + RAN_AHEAD;
    else if (pass < (1 << shift))
        ahead.next = behind + (size * pass >> shift);
    return ahead;
}

struct conv_extent {
    int64_t blocks, pixels;
    int64_t x_stride; /* from a pixel to the next, in elements */
    int64_t w_stride; /* from the weights of a block of output channels to those of the next */
    struct conv_ahead ahead;
};

/* One input channel for those pixels whose bit is set in `mask`. By-lane FMA takes it from
 * `values`, vectors of CONV_STEP channels loaded before; others broadcast it from memory at the
 * pixel's turn, so that one register is enough. */
RAN_INLINE void conv_tile_channel(struct conv_extent t, conv_sums *sum, const ran_vf32 *values,
                                  const float *x, int lane, const float *w, uint64_t mask)
{
    ran_vf32 weight[CONV_TILE_VECTORS];
    RAN_UNROLL for (int64_t b = 0; b < t.blocks; b++)
    {
        __builtin_prefetch(
            t.ahead.next + b * t.w_stride + ((w - t.ahead.start) >> t.ahead.shift), 0, 2);
        RAN_UNROLL for (int64_t v = 0; v < RAN_NV; v++)
            weight[b * RAN_NV + v] = *(const ran_vf32 *)(w + b * t.w_stride + v * RAN_VL);
    }
    RAN_UNROLL for (int64_t p = 0; p < t.pixels; p++)
    {
        if (!(mask >> p & 1))
            continue;
        ran_vf32 value = ran_splat_f32(CONV_BY_LANE ? values[p][lane] : x[p * t.x_stride + lane]);
        RAN_UNROLL for (int64_t v = 0; v < t.blocks * RAN_NV; v++)
            sum[v][p] += weight[v] * value;
    }
}

/* CONV_STEP input channels at x and w for the pixels set in `mask`. */
RAN_INLINE void conv_tile_step(struct conv_extent t, conv_sums *sum, const float *x, const float *w,
                               uint64_t mask)
{
    ran_vf32 values[CONV_TILE_PIXELS];
    RAN_UNROLL for (int64_t p = 0; p < t.pixels; p++)
        if (CONV_BY_LANE && (mask >> p & 1))
            values[p] = *(const ran_vf32 *)(x + p * t.x_stride);
    RAN_UNROLL for (int i = 0; i < CONV_STEP; i++)
    {
        RAN_SEPARATE_STEPS;
        conv_tile_channel(t, sum, values, x, i, w + i * RAN_BLOCK, mask);
    }
}

/* `count` input channels of a block. */
RAN_INLINE void conv_tile_channels(struct conv_extent t, conv_sums *sum, const float *x,
                                   const float *w, int64_t count, uint64_t mask)
{
    for (int64_t c = 0; c < count; c += CONV_STEP)
        conv_tile_step(t, sum, x + c, w + c * RAN_BLOCK, mask);
}

#endif
