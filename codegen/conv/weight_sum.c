/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/body.h"
#include "codegen/conv/weight.h"

/* Sums one block over the chunks into scratch: row o has its inputs' taps, [i][tap]. */
RAN_INLINE void sum_block(const struct conv_weight_sum_spec *s, const float *x, float *rows)
{
    int64_t block = s->taps * s->width * RAN_BLOCK, step = s->o_blocks * s->i_blocks * block;
    for (int64_t n = 0; n < s->taps * s->width; n++)
        for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL) {
            const float *from = x + n * RAN_BLOCK + lane;
            ran_vf32 sum = *(const ran_vf32 *)from;
            for (int64_t chunk = 1; chunk < s->chunks; chunk++)
                sum += *(const ran_vf32 *)(from + chunk * step);
            int64_t at = n % s->width * s->taps + n / s->width;
            RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)
                rows[(lane + l) * s->taps * s->width + at] = sum[l];
        }
}

RAN_INLINE void store_row(void *const *io, const float *row, int64_t o, int64_t start,
                          int64_t count)
{
    int64_t n = 0;
    for (; n + RAN_VL <= count; n += RAN_VL) {
        ran_vf32 value = *(const ran_vf32 *)(row + n);
        int64_t index[2] = {o, start + n};
        ran_hook_store(io, &value, index, RAN_VL);
    }
    if (n < count) {
        ran_vf32 value = {0};
        int64_t index[2] = {o, start + n};
        for (int64_t l = 0; n + l < count; l++)
            value[l] = row[n + l];
        ran_hook_store(io, &value, index, count - n);
    }
}

RAN_BODY(conv_weight_sum)(const struct conv_weight_sum_spec *s, void *const *io, char *scratch,
                          int64_t begin, int64_t end)
{
    float *rows = (float *)scratch;
    for (int64_t task = begin; task < end; task++) {
        int64_t ib = task % s->i_blocks, ob = task / s->i_blocks;
        int64_t count = ran_min64(s->width, s->i - ib * s->width) * s->taps;
        int64_t last = ran_min64(RAN_BLOCK, s->o - ob * RAN_BLOCK);
        sum_block(s, (const float *)io[s->x] + task * s->taps * s->width * RAN_BLOCK, rows);
        for (int64_t o = 0; o < last; o++)
            store_row(io, rows + o * s->taps * s->width, ob * RAN_BLOCK + o,
                      ib * s->width * s->taps, count);
    }
}
