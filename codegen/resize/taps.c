/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/resize/taps.h"

#include "codegen/body.h"

RAN_INLINE const int32_t *positions(const struct taps_spec *s, void *const *io, int64_t offset)
{
    return (const int32_t *)io[s->tables] + offset;
}

RAN_INLINE const float *weights(const struct taps_spec *s, void *const *io, int64_t offset)
{
    return (const float *)io[s->tables] + offset;
}

/* One tap needs no multiplication: nearest copies infinities and NaN as they are. */
RAN_INLINE ran_vf32 weighted(ran_vf32 sum, float weight, ran_vf32 x, bool single)
{
    return single ? x : sum + weight * x;
}

/* NaN is the only float that differs from itself. */
RAN_INLINE bool is_outside(const float *wy, const float *wx)
{
    return *wy != *wy || *wx != *wx;
}

RAN_INLINE void blocked_pixel(const struct taps_spec *s, void *const *io, const float *plane,
                              int64_t *index)
{
    const int32_t *py = positions(s, io, s->position_y) + index[2] * s->taps_y;
    const int32_t *px = positions(s, io, s->position_x) + index[3] * s->taps_x;
    const float *wy = weights(s, io, s->weight_y) + index[2] * s->taps_y;
    const float *wx = weights(s, io, s->weight_x) + index[3] * s->taps_x;
    bool single = s->taps_x == 1 && s->taps_y == 1;
    RAN_UNROLL for (int64_t v = 0; v < RAN_NV; v++)
    {
        ran_vf32 sum = {0};
        for (int64_t ty = 0; ty < s->taps_y; ty++)
            for (int64_t tx = 0; tx < s->taps_x; tx++) {
                const float *from = plane + (py[ty] * s->width + px[tx]) * RAN_BLOCK + v * RAN_VL;
                sum = weighted(sum, wy[ty] * wx[tx], *(const ran_vf32 *)from, single);
            }
        if (s->extrapolation && is_outside(wy, wx))
            sum = *weights(s, io, s->extrapolation) - (ran_vf32){0};
        index[4] = v * RAN_VL;
        ran_hook_store(io, &sum, index, RAN_VL);
    }
}

RAN_INLINE void plain_pixels(const struct taps_spec *s, void *const *io, const float *plane,
                             int64_t *index, int64_t lanes)
{
    const int32_t *py = positions(s, io, s->position_y) + index[1] * s->taps_y;
    const int32_t *px = positions(s, io, s->position_x) + index[2] * s->taps_x;
    const float *wy = weights(s, io, s->weight_y) + index[1] * s->taps_y;
    const float *wx = weights(s, io, s->weight_x) + index[2] * s->taps_x;
    bool single = s->taps_x == 1 && s->taps_y == 1;
    ran_vf32 sum = {0};
    for (int64_t ty = 0; ty < s->taps_y; ty++)
        for (int64_t tx = 0; tx < s->taps_x; tx++) {
            const float *row = plane + py[ty] * s->width;
            ran_vf32 x = {0}, w = {0};
            RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)
            {
                if (l < lanes) {
                    x[l] = row[px[l * s->taps_x + tx]];
                    w[l] = wy[ty] * wx[l * s->taps_x + tx];
                }
            }
            sum = single ? x : sum + w * x;
        }
    RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)
    {
        if (s->extrapolation && l < lanes && is_outside(wy, wx + l * s->taps_x))
            sum[l] = *weights(s, io, s->extrapolation);
    }
    ran_hook_store(io, &sum, index, lanes);
}

RAN_INLINE void plain_row(const struct taps_spec *s, void *const *io, int64_t plane, int64_t y)
{
    const float *from = (const float *)io[s->x] + plane * s->height * s->width;
    int64_t index[3] = {plane, y, 0}, i = 0;
    for (; i + RAN_VL <= s->out_width; i += RAN_VL) {
        index[2] = i;
        plain_pixels(s, io, from, index, RAN_VL);
    }
    if (i < s->out_width) {
        index[2] = i;
        plain_pixels(s, io, from, index, s->out_width - i);
    }
}

RAN_INLINE void blocked_row(const struct taps_spec *s, void *const *io, int64_t plane, int64_t y)
{
    const float *from = (const float *)io[s->x] + plane * s->height * s->width * RAN_BLOCK;
    int64_t index[5] = {plane / s->blocks, plane % s->blocks, y, 0, 0};
    for (index[3] = 0; index[3] < s->out_width; index[3]++)
        blocked_pixel(s, io, from, index);
}

/* A task is an output row of a plane. */
RAN_BODY(resize_taps)(const struct taps_spec *s, void *const *io, char *scratch, int64_t begin,
                      int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        if (s->blocks)
            blocked_row(s, io, task / s->out_height, task % s->out_height);
        else
            plain_row(s, io, task / s->out_height, task % s->out_height);
}
