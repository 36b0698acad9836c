/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/winograd_filter.h"

#include "codegen/body.h"
#include "codegen/conv/winograd.h"

enum { TAPS = 3 };

/* G times three taps, `step` apart. */
RAN_INLINE void transform(const ran_vf32 *w, int64_t step, ran_vf32 *out)
{
    ran_vf32 ends = w[0] + w[2 * step], wide = w[0] + 4 * w[2 * step];
    out[0] = w[0] * 0.25f;
    out[1] = (ends + w[step]) * (-1 / 6.0f);
    out[2] = (ends - w[step]) * (-1 / 6.0f);
    out[3] = (wide + 2 * w[step]) * (1 / 24.0f);
    out[4] = (wide - 2 * w[step]) * (1 / 24.0f);
    out[5] = w[2 * step];
}

RAN_INLINE void filters(const float *w, float *u, int64_t count)
{
    ran_vf32 taps[TAPS * TAPS], half[WINOGRAD_IN * TAPS], row[WINOGRAD_IN];
    RAN_UNROLL for (int64_t tap = 0; tap < TAPS * TAPS; tap++)
    {
        taps[tap] = (ran_vf32){0};
        RAN_UNROLL for (int64_t lane = 0; lane < RAN_VL; lane++)
            if (lane < count)
                taps[tap][lane] = w[lane * TAPS * TAPS + tap];
    }
    RAN_UNROLL for (int64_t column = 0; column < TAPS; column++)
        transform(taps + column, TAPS, half + column * WINOGRAD_IN);
    RAN_UNROLL for (int64_t p = 0; p < WINOGRAD_IN; p++)
    {
        transform(half + p, WINOGRAD_IN, row);
        RAN_UNROLL for (int64_t q = 0; q < WINOGRAD_IN; q++)
            RAN_UNROLL for (int64_t lane = 0; lane < RAN_VL; lane++)
                if (lane < count)
                    u[lane * WINOGRAD_POINTS + p * WINOGRAD_IN + q] = row[q][lane];
    }
}

RAN_BODY(winograd_filter)(const struct winograd_filter_spec *s, void *const *io, char *scratch,
                          int64_t begin, int64_t end)
{
    (void)scratch;
    const float *w = io[s->w];
    float *u = io[s->u];
    int64_t f = begin * WINOGRAD_FILTERS_A_TASK;
    int64_t last = ran_min64(end * WINOGRAD_FILTERS_A_TASK, s->filters);
    for (; f + RAN_VL <= last; f += RAN_VL)
        filters(w + f * TAPS * TAPS, u + f * WINOGRAD_POINTS, RAN_VL);
    if (f < last)
        filters(w + f * TAPS * TAPS, u + f * WINOGRAD_POINTS, last - f);
}
