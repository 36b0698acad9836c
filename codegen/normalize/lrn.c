/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/normalize/lrn.h"

#include "codegen/vecmath/vec.h"

RAN_INLINE float float_of_bits(int64_t bits)
{
    uint32_t word = (uint32_t)bits;
    float value;
    __builtin_memcpy(&value, &word, sizeof(value));
    return value;
}

RAN_INLINE ran_vf32 load_lanes(const float *from, int64_t lanes)
{
    if (lanes == RAN_VL)
        return *(const ran_vf32 *)from;
    ran_vf32 v = {0};
    for (int64_t l = 0; l < lanes; l++)
        v[l] = from[l];
    return v;
}

RAN_INLINE void column(const struct lrn_spec *s, void *const *io, int64_t image, int64_t channel,
                       int64_t i, int64_t lanes)
{
    const float *x = (const float *)io[s->x] + image * s->channels * s->inner;
    int64_t first = ran_max64(channel - (s->size - 1) / 2, 0);
    int64_t last = ran_min64(channel + s->size / 2, s->channels - 1);
    ran_vf32 sum = {0};
    for (int64_t c = first; c <= last; c++) {
        ran_vf32 v = load_lanes(x + c * s->inner + i, lanes);
        sum += v * v;
    }
    ran_vf32 base = float_of_bits(s->bias) + float_of_bits(s->alpha) * sum;
    ran_vf32 v = load_lanes(x + channel * s->inner + i, lanes) *
                 v_exp(v_log(base) * -float_of_bits(s->beta));
    int64_t index[3] = {image, channel, i};
    ran_hook_store(io, &v, index, lanes);
}

/* A task is a channel of an image. */
RAN_BODY(lrn)(const struct lrn_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++) {
        int64_t i = 0;
        for (; i + RAN_VL <= s->inner; i += RAN_VL)
            column(s, io, task / s->channels, task % s->channels, i, RAN_VL);
        if (i < s->inner)
            column(s, io, task / s->channels, task % s->channels, i, s->inner - i);
    }
}
