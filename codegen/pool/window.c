/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/pool/window.h"

#include "codegen/vecmath/vec.h"

/* Taps [first, last) of an axis whose elements lie inside of the map, for output position o. */
struct range {
    int64_t start, first, last;
};

RAN_INLINE struct range taps(const struct window_spec *s, int64_t axis, int64_t o)
{
    struct range r = {.start = o * s->stride[axis] - s->before[axis]};
    int64_t d = s->dilation[axis];
    r.first = r.start < 0 ? (-r.start + d - 1) / d : 0;
    int64_t room = s->in[axis] - r.start;
    r.last = ran_min64(s->kernel[axis], room > 0 ? (room + d - 1) / d : 0);
    return r;
}

/* Taps that count for the average when pads do: those inside of the padded map. */
RAN_INLINE int64_t padded_taps(const struct window_spec *s, int64_t axis, int64_t o)
{
    int64_t d = s->dilation[axis], room = s->in[axis] + s->after[axis] + s->before[axis] -
                                          o * s->stride[axis];
    return ran_min64(s->kernel[axis], (room + d - 1) / d);
}

RAN_INLINE float divisor(const struct window_spec *s, const int64_t *o, const struct range *r)
{
    int64_t count = 1;
    RAN_UNROLL for (int64_t a = 0; a < POOL_AXES; a++)
        count *= s->count_pads ? padded_taps(s, a, o[a]) : r[a].last - r[a].first;
    return (float)count;
}

RAN_INLINE ran_vf32 start_value(const struct window_spec *s)
{
    return ran_splat_f32(s->kind == POOL_MAX ? -__builtin_inff() : 0);
}

RAN_INLINE ran_vf32 combined(const struct window_spec *s, ran_vf32 sum, ran_vf32 x)
{
    if (s->kind == POOL_MAX)
        return v_max(sum, x);
    if (s->kind == POOL_L1)
        return sum + v_abs(x);
    return s->kind == POOL_L2 ? sum + x * x : sum + x;
}

RAN_INLINE ran_vf32 finished(const struct window_spec *s, ran_vf32 sum, float count)
{
    if (s->kind == POOL_AVERAGE)
        return sum / count;
    return s->kind == POOL_L2 ? v_sqrt(sum) : sum;
}

RAN_INLINE const float *plane_of(const struct window_spec *s, void *const *io, int64_t plane,
                                 int64_t lanes)
{
    return (const float *)io[s->x] +
           plane * s->in[POOL_DEPTH] * s->in[POOL_HEIGHT] * s->in[POOL_WIDTH] * lanes;
}

/* ---- Blocked: a vector of channels at a time --------------------------------------------------- */

RAN_INLINE ran_vf32 blocked_window(const struct window_spec *s, const float *plane,
                                   const struct range *r)
{
    ran_vf32 sum = start_value(s);
    for (int64_t d = r[0].first; d < r[0].last; d++)
        for (int64_t h = r[1].first; h < r[1].last; h++)
            for (int64_t w = r[2].first; w < r[2].last; w++) {
                int64_t z = r[0].start + d * s->dilation[0];
                int64_t y = r[1].start + h * s->dilation[1];
                int64_t x = r[2].start + w * s->dilation[2];
                const float *from =
                    plane + ((z * s->in[1] + y) * s->in[2] + x) * RAN_BLOCK;
                sum = combined(s, sum, *(const ran_vf32 *)from);
            }
    return sum;
}

RAN_INLINE void blocked_row(const struct window_spec *s, void *const *io, int64_t plane,
                            int64_t row)
{
    const float *map = plane_of(s, io, plane, RAN_BLOCK);
    int64_t o[POOL_AXES] = {row / s->out[1], row % s->out[1], 0};
    int64_t index[5] = {plane / s->blocks, plane % s->blocks, row, 0, 0};
    struct range r[POOL_AXES] = {taps(s, 0, o[0]), taps(s, 1, o[1])};
    for (o[2] = 0; o[2] < s->out[2]; o[2]++) {
        r[2] = taps(s, 2, o[2]);
        float count = divisor(s, o, r);
        index[3] = o[2];
        RAN_UNROLL for (int64_t v = 0; v < RAN_NV; v++)
        {
            ran_vf32 y = finished(s, blocked_window(s, map + v * RAN_VL, r), count);
            index[4] = v * RAN_VL;
            ran_hook_store(io, &y, index, RAN_VL);
        }
    }
}

/* ---- Plain: neighbouring columns ------------------------------------------------------------------ */

/* Element `x` of each lane's window; lanes outside of the map keep what leaves the result alone. */
RAN_INLINE ran_vf32 plain_tap(const struct window_spec *s, const float *row, int64_t x,
                              int64_t lanes)
{
    int64_t last = x + (RAN_VL - 1) * s->stride[2];
    if (s->stride[2] == 1 && lanes == RAN_VL && x >= 0 && last < s->in[2])
        return *(const ran_vf32 *)(row + x);
    ran_vf32 v = start_value(s);
    RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)
    {
        int64_t at = x + l * s->stride[2];
        if (l < lanes && at >= 0 && at < s->in[2])
            v[l] = row[at];
    }
    return v;
}

/* Windows of `lanes` columns; where positions are asked for, the flat one of each lane's maximum. */
RAN_INLINE ran_vf32 plain_windows(const struct window_spec *s, const float *plane,
                                  const struct range *r, int64_t column, int64_t lanes,
                                  ran_vi64 *where)
{
    ran_vf32 sum = start_value(s);
    ran_vi64 step;
    RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++) step[l] = l * s->stride[2];
    for (int64_t d = r[0].first; d < r[0].last; d++)
        for (int64_t h = r[1].first; h < r[1].last; h++)
            for (int64_t w = 0; w < s->kernel[2]; w++) {
                int64_t z = r[0].start + d * s->dilation[0];
                int64_t y = r[1].start + h * s->dilation[1];
                int64_t x = column * s->stride[2] - s->before[2] + w * s->dilation[2];
                ran_vf32 v = plain_tap(s, plane + (z * s->in[1] + y) * s->in[2], x, lanes);
                if (s->indices >= 0) {
                    ran_vi64 at = s->column_major
                                      ? ((step + x) * s->in[1] + y) * s->in[0] + z
                                      : (z * s->in[1] + y) * s->in[2] + x + step;
                    *where = v_select(__builtin_convertvector(v > sum, ran_vi64), at, *where);
                }
                sum = combined(s, sum, v);
            }
    return sum;
}

RAN_INLINE void plain_lanes(const struct window_spec *s, void *const *io, int64_t *index,
                            int64_t lanes)
{
    int64_t plane = index[0], row = index[1], column = index[2];
    int64_t o[POOL_AXES] = {row / s->out[1], row % s->out[1], column};
    struct range r[POOL_AXES] = {taps(s, 0, o[0]), taps(s, 1, o[1])};
    ran_vi64 where = {0};
    ran_vf32 y = plain_windows(s, plane_of(s, io, plane, 1), r, column, lanes, &where);
    if (s->kind == POOL_AVERAGE) {
        ran_vf32 counts = ran_splat_f32(1);
        for (int64_t l = 0; l < lanes; l++) {
            o[2] = column + l;
            r[2] = taps(s, 2, o[2]);
            counts[l] = divisor(s, o, r);
        }
        y = y / counts;
    } else {
        y = finished(s, y, 1);
    }
    ran_hook_store(io, &y, index, lanes);
    int64_t rows = s->out[0] * s->out[1], size = s->in[0] * s->in[1] * s->in[2];
    for (int64_t l = 0; s->indices >= 0 && l < lanes; l++)
        ((int64_t *)io[s->indices])[(plane * rows + row) * s->out[2] + column + l] =
            where[l] + plane * size;
}

RAN_INLINE void plain_row(const struct window_spec *s, void *const *io, int64_t plane, int64_t row)
{
    int64_t index[3] = {plane, row, 0}, i = 0;
    for (; i + RAN_VL <= s->out[2]; i += RAN_VL) {
        index[2] = i;
        plain_lanes(s, io, index, RAN_VL);
    }
    if (i < s->out[2]) {
        index[2] = i;
        plain_lanes(s, io, index, s->out[2] - i);
    }
}

/* A task is an output row of a plane. */
RAN_BODY(pool_window)(const struct window_spec *s, void *const *io, char *scratch, int64_t begin,
                      int64_t end)
{
    (void)scratch;
    int64_t rows = s->out[0] * s->out[1];
    for (int64_t task = begin; task < end; task++)
        if (s->blocks)
            blocked_row(s, io, task / rows, task % rows);
        else
            plain_row(s, io, task / rows, task % rows);
}
