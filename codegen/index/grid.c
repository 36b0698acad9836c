/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/index/grid.h"

#include "codegen/body.h"

/* Without the C library's: targets without a rounding instruction would call it. */
RAN_INLINE float floor_of(float x)
{
    if (!(x > -1e9f && x < 1e9f))
        return x;
    float whole = (float)(int64_t)x;
    return whole > x ? whole - 1 : whole;
}

/* To the nearest integer, ties to the even one. */
RAN_INLINE float round_even(float x)
{
    float below = floor_of(x), over = x - below;
    bool odd = below - 2 * floor_of(below / 2) != 0;
    return over > 0.5f || (over == 0.5f && odd) ? below + 1 : below;
}

RAN_INLINE float reflect(float x, float low, float high)
{
    float range = high - low;
    if (x >= low && x <= high)
        return x;
    if (!(range > 0))
        return low;
    float beyond = x < low ? low - x : x - high, folds = floor_of(beyond / range);
    float rest = beyond - folds * range;
    bool even = folds - 2 * floor_of(folds / 2) == 0;
    return (x < low) == even ? low + rest : high - rest;
}

/* The position on an axis of `extent` pixels, brought inside as the padding says. */
RAN_INLINE float place(const struct grid_spec *s, float normal, int64_t extent)
{
    float n = (float)extent, low = s->align_corners ? 0.0f : -0.5f;
    float high = s->align_corners ? n - 1 : n - 0.5f;
    float x = s->align_corners ? (normal + 1) / 2 * (n - 1) : ((normal + 1) * n - 1) / 2;
    if (s->mode == GRID_NEAREST)
        x = round_even(x);
    if (x != x)
        x = -1;
    if (x >= low && x <= high)
        return x;
    if (s->padding == GRID_BORDER)
        return x < 0 ? 0 : x > n - 1 ? n - 1 : x;
    if (s->padding == GRID_REFLECTION)
        return reflect(x, low, high);
    return x < -1e9f ? -1e9f : x > 1e9f ? 1e9f : x;
}

/* The pixel that position i reads; -1: zero. */
RAN_INLINE int64_t pixel(const struct grid_spec *s, int64_t i, int64_t extent)
{
    if (i >= 0 && i < extent)
        return i;
    if (s->padding == GRID_ZEROS)
        return -1;
    if (s->padding == GRID_REFLECTION)
        i = (int64_t)reflect((float)i, s->align_corners ? 0.0f : -0.5f,
                             (float)extent - (s->align_corners ? 1 : 0.5f));
    return i < 0 ? 0 : i >= extent ? extent - 1 : i;
}

enum { TAPS = 4 };

/* Pixels and weights along one axis; unused taps weigh nothing. */
struct axis_taps {
    int64_t at[TAPS];
    float weight[TAPS];
};

RAN_INLINE void cubic_weights(float t, float *weight)
{
    const float a = -0.75f;
    float u = 1 - t, p = 1 + t, q = 2 - t;
    weight[0] = ((a * p - 5 * a) * p + 8 * a) * p - 4 * a;
    weight[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    weight[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
    weight[3] = ((a * q - 5 * a) * q + 8 * a) * q - 4 * a;
}

RAN_INLINE void axis_taps_of(const struct grid_spec *s, float x, int64_t extent,
                             struct axis_taps *out)
{
    float base = floor_of(x), t = x - base;
    int64_t first = (int64_t)base - 1;
    RAN_UNROLL for (int64_t i = 0; i < TAPS; i++) {
        out->at[i] = pixel(s, first + i, extent);
        out->weight[i] = 0;
    }
    if (s->mode == GRID_CUBIC) {
        cubic_weights(t, out->weight);
    } else {
        out->weight[1] = s->mode == GRID_NEAREST ? 1 : 1 - t;
        out->weight[2] = s->mode == GRID_NEAREST ? 0 : t;
    }
}

RAN_BODY(grid_sample)(const struct grid_spec *s, void *const *io, char *scratch, int64_t begin,
                      int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++) {
        const float *point = (const float *)io[s->grid] + 2 * task;
        int64_t n = task / s->points, p = task % s->points;
        struct axis_taps rows, columns;
        axis_taps_of(s, place(s, point[1], s->height), s->height, &rows);
        axis_taps_of(s, place(s, point[0], s->width), s->width, &columns);
        for (int64_t c = 0; c < s->channels; c++) {
            const float *plane =
                (const float *)io[s->x] + (n * s->channels + c) * s->height * s->width;
            float sum = 0;
            RAN_UNROLL for (int64_t i = 0; i < TAPS; i++)
                RAN_UNROLL for (int64_t j = 0; j < TAPS; j++) {
                    float weight = rows.weight[i] * columns.weight[j];
                    if (weight != 0 && rows.at[i] >= 0 && columns.at[j] >= 0)
                        sum += weight * plane[rows.at[i] * s->width + columns.at[j]];
                }
            ((float *)io[s->y])[(n * s->channels + c) * s->points + p] = sum;
        }
    }
}
