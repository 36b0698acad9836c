/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/vecmath/vec.h"

#include "codegen/pool/window.h"

struct range {
    int64_t start, first, last;
};

/* Taps [first, last) of an axis whose elements lie inside of the map, for output position o. */
RAN_INLINE struct range taps(const struct window_spec *s, int64_t axis, int64_t o)
{
    struct range r = {.start = o * s->stride[axis] - s->before[axis]};
    int64_t d = s->dilation[axis], room = s->in[axis] - r.start;
    r.first = r.start < 0 ? (-r.start + d - 1) / d : 0;
    r.last = ran_min64(s->kernel[axis], room > 0 ? (room + d - 1) / d : 0);
    return r;
}

/* Taps that count for the average when pads do: those inside of the padded map. */
RAN_INLINE int64_t padded_taps(const struct window_spec *s, int64_t axis, int64_t o)
{
    int64_t d = s->dilation[axis];
    int64_t room = s->in[axis] + s->after[axis] + s->before[axis] - o * s->stride[axis];
    return ran_min64(s->kernel[axis], (room + d - 1) / d);
}

RAN_INLINE float divisor(const struct window_spec *s, const int64_t *o, const struct range *r)
{
    int64_t count = 1;
    RAN_UNROLL for (int64_t a = 0; a < POOL_AXES; a++)
        count *= s->count_pads ? padded_taps(s, a, o[a]) : r[a].last - r[a].first;
    return (float)count;
}

/* Calls BODY with `at`, the pixel of each tap of the window. */
#define FOR_TAPS(s, r, at, BODY)                                                                   \
    for (int64_t z = (r)[0].first; z < (r)[0].last; z++)                                           \
        for (int64_t y = (r)[1].first; y < (r)[1].last; y++)                                       \
            for (int64_t x = (r)[2].first; x < (r)[2].last; x++) {                                 \
                int64_t at = (((r)[0].start + z * (s)->dilation[0]) * (s)->in[1] + (r)[1].start +  \
                              y * (s)->dilation[1]) *                                              \
                                 (s)->in[2] +                                                      \
                             (r)[2].start + x * (s)->dilation[2];                                  \
                BODY                                                                               \
            }

/* Of equal maxima the first in the window's order has the gradient. */
RAN_INLINE void spread_max(const struct window_spec *s, const struct range *r, const float *map,
                           ran_vf32 dy, ran_vf32 *dx)
{
    ran_vf32 best = ran_splat_f32(-__builtin_inff());
    ran_vi32 where = (ran_vi32){0} - 1;
    FOR_TAPS(s, r, at, {
        ran_vf32 value = *(const ran_vf32 *)(map + at * RAN_BLOCK);
        ran_vi32 better = (value > best) | (where < 0);
        where = v_select(better, (ran_vi32){0} + (int32_t)at, where);
        best = v_select(better, value, best);
    })
    FOR_TAPS(s, r, at, {
        ran_vf32 sum = dx[at] + dy;
        dx[at] = v_select(where == (int32_t)at, sum, dx[at]);
    })
}

RAN_INLINE void spread_average(const struct window_spec *s, const struct range *r, ran_vf32 dy,
                               ran_vf32 *dx)
{
    FOR_TAPS(s, r, at, { dx[at] += dy; })
}

RAN_INLINE void spread_plane(const struct window_spec *s, const float *map, const float *dy,
                             ran_vf32 *dx)
{
    int64_t o[POOL_AXES], n = 0;
    struct range r[POOL_AXES];
    for (o[0] = 0; o[0] < s->out[0]; o[0]++)
        for (o[1] = 0; o[1] < s->out[1]; o[1]++) {
            r[0] = taps(s, 0, o[0]);
            r[1] = taps(s, 1, o[1]);
            for (o[2] = 0; o[2] < s->out[2]; o[2]++, n++) {
                r[2] = taps(s, 2, o[2]);
                ran_vf32 d = *(const ran_vf32 *)(dy + n * RAN_BLOCK);
                if (s->kind == POOL_MAX)
                    spread_max(s, r, map, d, dx);
                else
                    spread_average(s, r, d / ran_splat_f32(divisor(s, o, r)), dx);
            }
        }
}

/* ---- Windows side by side: no scratch ------------------------------------------------------------ */

struct place {
    int64_t image, block, lane;
};

RAN_INLINE void store_at(void *const *io, const struct place *at, int64_t row, int64_t column,
                         ran_vf32 value)
{
    int64_t index[5] = {at->image, at->block, row, column, at->lane};
    ran_hook_store(io, &value, index, RAN_VL);
}

RAN_INLINE void disjoint_window(const struct window_spec *s, void *const *io,
                                const struct place *at, const float *map, ran_vf32 dy,
                                int64_t row, int64_t column)
{
    const int64_t width = s->kernel[2], count = s->kernel[1] * width;
    ran_vi32 where = {0};
    if (s->kind == POOL_MAX) {
        ran_vf32 best = *(const ran_vf32 *)(map + (row * s->in[2] + column) * RAN_BLOCK);
        RAN_UNROLL for (int64_t t = 1; t < count; t++)
        {
            int64_t pixel = (row + t / width) * s->in[2] + column + t % width;
            ran_vf32 value = *(const ran_vf32 *)(map + pixel * RAN_BLOCK);
            ran_vi32 better = value > best;
            where = v_select(better, (ran_vi32){0} + (int32_t)t, where);
            best = v_select(better, value, best);
        }
    }
    RAN_UNROLL for (int64_t t = 0; t < count; t++)
    {
        ran_vf32 zero = {0};
        store_at(io, at, row + t / width, column + t % width,
                 s->kind == POOL_MAX ? v_select(where == (int32_t)t, dy, zero)
                                     : dy / ran_splat_f32((float)count));
    }
}

/* What no window covers. */
RAN_INLINE void store_rest(const struct window_spec *s, void *const *io, const struct place *at)
{
    int64_t rows = s->out[1] * s->stride[1], columns = s->out[2] * s->stride[2];
    for (int64_t row = 0; row < s->in[1]; row++)
        for (int64_t column = row < rows ? columns : 0; column < s->in[2]; column++)
            store_at(io, at, row, column, (ran_vf32){0});
}

RAN_INLINE void disjoint_plane(const struct window_spec *s, void *const *io,
                               const struct place *at, const float *map, const float *dy)
{
    for (int64_t row = 0; row < s->out[1]; row++)
        for (int64_t column = 0; column < s->out[2]; column++)
            disjoint_window(s, io, at, map,
                            *(const ran_vf32 *)(dy + (row * s->out[2] + column) * RAN_BLOCK),
                            row * s->stride[1], column * s->stride[2]);
    store_rest(s, io, at);
}

/* ---- Any windows -------------------------------------------------------------------------------------- */

RAN_INLINE void plane_in_scratch(const struct window_spec *s, void *const *io,
                                 const struct place *at, const float *map, const float *dy,
                                 ran_vf32 *dx)
{
    int64_t in = s->in[0] * s->in[1] * s->in[2];
    __builtin_memset(dx, 0, (size_t)in * sizeof(*dx));
    spread_plane(s, map, dy, dx);
    for (int64_t n = 0; n < in; n++)
        store_at(io, at, n / s->in[2], n % s->in[2], dx[n]);
}

/* A task is a plane of channels, a vector of them at a time. */
RAN_BODY(pool_gradient)(const struct window_spec *s, void *const *io, char *scratch, int64_t begin,
                        int64_t end)
{
    int64_t in = s->in[0] * s->in[1] * s->in[2], out = s->out[0] * s->out[1] * s->out[2];
    for (int64_t task = begin; task < end; task++)
        for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL) {
            struct place at = {task / s->blocks, task % s->blocks, lane};
            const float *dy = (const float *)io[s->x] + task * out * RAN_BLOCK + lane;
            const float *map = s->kind == POOL_MAX
                                   ? (const float *)io[s->indices] + task * in * RAN_BLOCK + lane
                                   : NULL;
            if (s->disjoint)
                disjoint_plane(s, io, &at, map, dy);
            else
                plane_in_scratch(s, io, &at, map, dy, (ran_vf32 *)scratch);
        }
}
