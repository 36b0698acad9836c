/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/plain.h"

#include "codegen/body.h"

/* The input coordinate that output `o` meets at tap `k` of axis `a`; -1 when there is none. */
RAN_INLINE int64_t input_at(const struct conv_plain_spec *s, int a, int64_t o, int64_t k)
{
    int64_t i;
    if (s->transposed) {
        int64_t scaled = o + s->pad[a] - k * s->dilation[a];
        i = scaled / s->stride[a];
        if (scaled < 0 || i * s->stride[a] != scaled)
            return -1;
    } else {
        i = o * s->stride[a] + k * s->dilation[a] - s->pad[a];
    }
    return i >= 0 && i < s->in[a] ? i : -1;
}

/* RAN_VL inputs of a row for outputs from `column` on; zero where there is none. */
RAN_INLINE ran_vf32 load_inputs(const struct conv_plain_spec *s, const float *row, int64_t column,
                                int64_t tap)
{
    if (s->stride[2] == 1) {
        int64_t step = s->transposed ? -s->dilation[2] : s->dilation[2];
        int64_t first = column + tap * step + (s->transposed ? s->pad[2] : -s->pad[2]);
        if (first >= 0 && first + RAN_VL <= s->in[2])
            return *(const ran_vf32 *)(row + first);
    }
    ran_vf32 x = {0};
    RAN_UNROLL for (int i = 0; i < RAN_VL; i++)
    {
        int64_t at = input_at(s, 2, column + i, tap);
        x[i] = at >= 0 ? row[at] : 0;
    }
    return x;
}

/* A row of the window: its taps along the last axis, for all channels of the tile. */
RAN_INLINE void window_row(const struct conv_plain_spec *s, ran_vf32 *sum, int64_t channels,
                           const float *row, const float *w, int64_t column)
{
    for (int64_t k = 0; k < s->kernel[2]; k++) {
        ran_vf32 x = load_inputs(s, row, column, k);
        RAN_UNROLL for (int64_t c = 0; c < channels; c++)
            sum[c] += x * ran_splat_f32(w[c * s->w_oc + k]);
    }
}

struct row_place {
    const float *x, *w; /* of the image's group; of the tile's first channel */
    int64_t image, channel, depth, row;
};

RAN_INLINE void accumulate(const struct conv_plain_spec *s, ran_vf32 *sum, int64_t channels,
                           const struct row_place *at, int64_t column)
{
    for (int64_t c = 0; c < s->ic; c++)
        for (int64_t kd = 0; kd < s->kernel[0]; kd++)
            for (int64_t kh = 0; kh < s->kernel[1]; kh++) {
                int64_t d = input_at(s, 0, at->depth, kd), h = input_at(s, 1, at->row, kh);
                if (d < 0 || h < 0)
                    continue;
                window_row(s, sum, channels,
                           at->x + ((c * s->in[0] + d) * s->in[1] + h) * s->in[2],
                           at->w + c * s->w_ic + (kd * s->kernel[1] + kh) * s->kernel[2], column);
            }
}

RAN_INLINE void run_row(const struct conv_plain_spec *s, void *const *io,
                        const struct row_place *at, int64_t channels)
{
    for (int64_t column = 0; column < s->out[2]; column += RAN_VL) {
        ran_vf32 sum[CONV_PLAIN_CHANNELS];
        RAN_UNROLL for (int64_t c = 0; c < channels; c++)
            sum[c] = (ran_vf32){0};
        accumulate(s, sum, channels, at, column);
        RAN_UNROLL for (int64_t c = 0; c < channels; c++)
        {
            int64_t all[5] = {at->image, at->channel + c, at->depth, at->row, column};
            int64_t index[5] = {all[0], all[1]};
            RAN_UNROLL for (int64_t i = 0; i < s->spatial; i++)
                index[2 + i] = all[5 - s->spatial + i];
            ran_hook_store(io, &sum[c], index, ran_min64(RAN_VL, s->out[2] - column));
        }
    }
}

RAN_INLINE void run_rows(const struct conv_plain_spec *s, void *const *io, struct row_place *at,
                         int64_t channels, int64_t first, int64_t end)
{
    for (int64_t row = first; row < end; row++) {
        at->depth = row / s->out[1];
        at->row = row % s->out[1];
        run_row(s, io, at, channels);
    }
}

RAN_INLINE void run_task(const struct conv_plain_spec *s, void *const *io, int64_t task)
{
    int64_t rows = s->out[0] * s->out[1];
    int64_t chunks = (rows + s->rows_per_task - 1) / s->rows_per_task;
    int64_t tiles = (s->oc + CONV_PLAIN_CHANNELS - 1) / CONV_PLAIN_CHANNELS;
    int64_t first = task % chunks * s->rows_per_task, plane = task / chunks;
    int64_t end = ran_min64(first + s->rows_per_task, rows);
    int64_t channel = plane % tiles * CONV_PLAIN_CHANNELS;
    int64_t group = plane / tiles % s->groups, image = plane / tiles / s->groups;
    struct row_place at = {.image = image, .channel = group * s->oc + channel};
    at.x = (const float *)io[s->x] +
           (image * s->groups + group) * s->ic * s->in[0] * s->in[1] * s->in[2];
    at.w = (const float *)io[s->w] + group * s->w_group + channel * s->w_oc;
    if (channel + CONV_PLAIN_CHANNELS <= s->oc) {
        run_rows(s, io, &at, CONV_PLAIN_CHANNELS, first, end);
        return;
    }
    for (; channel < s->oc; channel++, at.channel++, at.w += s->w_oc)
        run_rows(s, io, &at, 1, first, end);
}

RAN_BODY(conv_plain)(const struct conv_plain_spec *s, void *const *io, char *scratch, int64_t begin,
                     int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        run_task(s, io, task);
}

/* ---- Other element types ----------------------------------------------------------------------
 */

/* RAN_VL outputs of a row for one channel, from `column` on; integers wrap. */
#define CONV(elem, type)                                                                           \
    RAN_INLINE void window_row_##elem(const struct conv_plain_spec *s, ran_v##elem *sum,           \
                                      const type *row, const type *w, int64_t column)              \
    {                                                                                              \
        for (int64_t k = 0; k < s->kernel[2]; k++) {                                               \
            ran_v##elem x = {0};                                                                   \
            RAN_UNROLL for (int i = 0; i < RAN_VL; i++)                                            \
            {                                                                                      \
                int64_t at = input_at(s, 2, column + i, k);                                        \
                x[i] = at >= 0 ? row[at] : 0;                                                      \
            }                                                                                      \
            *sum += x * w[k];                                                                      \
        }                                                                                          \
    }                                                                                              \
    RAN_INLINE void accumulate_##elem(const struct conv_plain_spec *s, ran_v##elem *sum,           \
                                      const type *x, const type *w, const int64_t *out)            \
    {                                                                                              \
        for (int64_t c = 0; c < s->ic; c++)                                                        \
            for (int64_t kd = 0; kd < s->kernel[0]; kd++)                                          \
                for (int64_t kh = 0; kh < s->kernel[1]; kh++) {                                    \
                    int64_t d = input_at(s, 0, out[2], kd), h = input_at(s, 1, out[3], kh);        \
                    if (d >= 0 && h >= 0)                                                          \
                        window_row_##elem(                                                         \
                            s, sum, x + ((c * s->in[0] + d) * s->in[1] + h) * s->in[2],            \
                            w + c * s->w_ic + (kd * s->kernel[1] + kh) * s->kernel[2], out[4]);    \
                }                                                                                  \
    }                                                                                              \
    RAN_INLINE void run_row_##elem(const struct conv_plain_spec *s, void *const *io, int64_t task) \
    {                                                                                              \
        int64_t rows = s->out[0] * s->out[1], channel = task / rows % (s->groups * s->oc);         \
        int64_t image = task / rows / (s->groups * s->oc), group = channel / s->oc;                \
        int64_t all[5] = {image, channel, task % rows / s->out[1], task % s->out[1], 0};           \
        const type *x = (const type *)io[s->x] +                                                   \
                        (image * s->groups + group) * s->ic * s->in[0] * s->in[1] * s->in[2];      \
        const type *w = (const type *)io[s->w] + group * s->w_group + channel % s->oc * s->w_oc;   \
        for (; all[4] < s->out[2]; all[4] += RAN_VL) {                                             \
            ran_v##elem sum = {0};                                                                 \
            accumulate_##elem(s, &sum, x, w, all);                                                 \
            int64_t index[5] = {image, channel};                                                   \
            RAN_UNROLL for (int64_t i = 0; i < s->spatial; i++) index[2 + i] =                     \
                all[5 - s->spatial + i];                                                           \
            ran_hook_store(io, &sum, index, ran_min64(RAN_VL, s->out[2] - all[4]));                \
        }                                                                                          \
    }                                                                                              \
    RAN_BODY(conv_plain_##elem)                                                                    \
    (const struct conv_plain_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)  \
    {                                                                                              \
        (void)scratch;                                                                             \
        for (int64_t task = begin; task < end; task++)                                             \
            run_row_##elem(s, io, task);                                                           \
    }

CONV(f64, double)
CONV(i32, int32_t)
CONV(i64, int64_t)
