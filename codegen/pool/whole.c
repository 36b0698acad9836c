/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/pool/window.h"

#include "codegen/vecmath/vec.h"

/* Partial results side by side, so that additions don't wait for each other. */
enum { PARTS = 8 };

RAN_INLINE ran_vf32 combined(const struct whole_spec *s, ran_vf32 a, ran_vf32 b)
{
    return s->kind == POOL_MAX ? v_max(a, b) : a + b;
}

RAN_INLINE float start_value(const struct whole_spec *s)
{
    return s->kind == POOL_MAX ? -__builtin_inff() : 0;
}

/* Vectors `stride` floats apart; the parts join in a fixed tree. */
RAN_INLINE ran_vf32 combine_all(const struct whole_spec *s, const float *from, int64_t count,
                                int64_t stride)
{
    ran_vf32 part[PARTS];
    RAN_UNROLL for (int64_t p = 0; p < PARTS; p++) part[p] = ran_splat_f32(start_value(s));
    int64_t i = 0;
    for (; i + PARTS <= count; i += PARTS)
        RAN_UNROLL for (int64_t p = 0; p < PARTS; p++)
            part[p] = combined(s, part[p], *(const ran_vf32 *)(from + (i + p) * stride));
    for (; i < count; i++)
        part[0] = combined(s, part[0], *(const ran_vf32 *)(from + i * stride));
    RAN_UNROLL for (int64_t half = PARTS / 2; half; half /= 2)
    {
        RAN_UNROLL for (int64_t p = 0; p < PARTS; p++)
        {
            if (p < half)
                part[p] = combined(s, part[p], part[p + half]);
        }
    }
    return part[0];
}

RAN_INLINE ran_vf32 finished(const struct whole_spec *s, ran_vf32 sum)
{
    return s->kind == POOL_MAX ? sum : sum / (float)s->pixels;
}

RAN_INLINE void blocked_plane(const struct whole_spec *s, void *const *io, int64_t plane)
{
    const float *map = (const float *)io[s->x] + plane * s->pixels * RAN_BLOCK;
    int64_t index[3] = {plane / s->blocks, plane % s->blocks, 0};
    RAN_UNROLL for (int64_t v = 0; v < RAN_NV; v++)
    {
        ran_vf32 y = finished(s, combine_all(s, map + v * RAN_VL, s->pixels, RAN_BLOCK));
        index[2] = v * RAN_VL;
        ran_hook_store(io, &y, index, RAN_VL);
    }
}

RAN_INLINE void plain_plane(const struct whole_spec *s, void *const *io, int64_t plane)
{
    const float *map = (const float *)io[s->x] + plane * s->pixels;
    int64_t whole = s->pixels / RAN_VL;
    ran_vf32 sum = combine_all(s, map, whole, RAN_VL), rest = ran_splat_f32(start_value(s));
    for (int64_t i = whole * RAN_VL; i < s->pixels; i++)
        rest[i % RAN_VL] = map[i];
    sum = combined(s, sum, rest);
    RAN_UNROLL for (int64_t half = RAN_VL / 2; half; half /= 2)
    {
        ran_vf32 other = sum;
        RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)
        {
            if (l < half)
                other[l] = sum[l + half];
        }
        sum = combined(s, sum, other);
    }
    ran_vf32 y = finished(s, ran_splat_f32(sum[0]));
    ran_hook_store(io, &y, &plane, 1);
}

/* A task is a plane (a block of channels, or a channel). */
RAN_BODY(pool_whole)(const struct whole_spec *s, void *const *io, char *scratch, int64_t begin,
                     int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        if (s->blocks)
            blocked_plane(s, io, task);
        else
            plain_plane(s, io, task);
}
