/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/winograd_filter.h"

#include "codegen/body.h"
#include "codegen/conv/winograd.h"

enum { TAPS = 3 };

/* G times three taps, `step` apart. */
RAN_INLINE void transform(const ran_vf32 *w, int64_t step, ran_vf32 *out)
{
    const float a = WINOGRAD_A, b = WINOGRAD_B;
    const float of_a = 1 / (2 * a * a * (a * a - b * b)), of_b = 1 / (2 * b * b * (b * b - a * a));
    ran_vf32 even_a = w[0] + a * a * w[2 * step], even_b = w[0] + b * b * w[2 * step];
    out[0] = w[0] * (1 / (a * a * b * b));
    out[1] = (even_a + a * w[step]) * of_a;
    out[2] = (even_a - a * w[step]) * of_a;
    out[3] = (even_b + b * w[step]) * of_b;
    out[4] = (even_b - b * w[step]) * of_b;
    out[5] = w[2 * step];
}

/* The taps of RAN_VL output channels from w on; zero behind the first `count`. */
RAN_INLINE void load_taps(const struct winograd_filter_spec *s, const float *w, int64_t count,
                          ran_vf32 *taps)
{
    RAN_UNROLL for (int64_t tap = 0; tap < TAPS * TAPS; tap++)
    {
        taps[tap] = (ran_vf32){0};
        RAN_UNROLL for (int64_t lane = 0; lane < RAN_VL; lane++)
            if (lane < count)
                taps[tap][lane] =
                    w[lane * s->oc_stride + (s->flip ? TAPS * TAPS - 1 - tap : tap)];
    }
}

RAN_INLINE void transform_filter(const ran_vf32 *taps, float *u, int64_t point)
{
    ran_vf32 half[WINOGRAD_IN * TAPS], row[WINOGRAD_IN];
    RAN_UNROLL for (int64_t column = 0; column < TAPS; column++)
        transform(taps + column, TAPS, half + column * WINOGRAD_IN);
    RAN_UNROLL for (int64_t p = 0; p < WINOGRAD_IN; p++)
    {
        transform(half + p, WINOGRAD_IN, row);
        RAN_UNROLL for (int64_t q = 0; q < WINOGRAD_IN; q++)
            *(ran_vf32 *)(u + (p * WINOGRAD_IN + q) * point) = row[q];
    }
}

RAN_INLINE void filter(const struct winograd_filter_spec *s, const float *w, float *u, int64_t o,
                       int64_t i)
{
    ran_vf32 taps[TAPS * TAPS] = {{0}};
    const float *from = w + o * s->oc_stride + i * s->ic_stride;
    if (i < s->ic && o + RAN_VL <= s->oc)
        load_taps(s, from, RAN_VL, taps);
    else if (i < s->ic && o < s->oc)
        load_taps(s, from, s->oc - o, taps);
    transform_filter(taps, u, s->ic_blocks * RAN_BLOCK * RAN_BLOCK);
}

RAN_BODY(winograd_filter)(const struct winograd_filter_spec *s, void *const *io, char *scratch,
                          int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++) {
        int64_t o = task / s->ic_blocks, i = task % s->ic_blocks;
        float *u = (float *)io[s->u] +
                   (o * WINOGRAD_POINTS * s->ic_blocks + i) * RAN_BLOCK * RAN_BLOCK;
        for (int64_t at = 0; at < RAN_BLOCK; at++)
            for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL)
                filter(s, io[s->w], u + at * RAN_BLOCK + lane, o * RAN_BLOCK + lane,
                       i * RAN_BLOCK + at);
    }
}
