/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/depthwise.h"

#include "codegen/body.h"

struct tile {
    const float *x, *w; /* the vector's first channel in the map, in the weights */
    int64_t row, column, rows, columns;
};

typedef ran_vf32 sums[DEPTHWISE_COLUMNS];

/* What one input vector adds: it meets tap `kh` in output row `r`, and in each output column whose
 * window has it. `offset`: its column relative to the first window's. */
RAN_INLINE void scatter(const struct conv_depthwise_spec *s, const struct tile *t, sums *sum,
                        ran_vf32 x, int64_t r, int64_t kh, int64_t offset)
{
    RAN_UNROLL for (int64_t kw = s->kw - 1; kw >= 0; kw--)
    {
        int64_t begin = offset - kw * s->dilation_w, c = begin / s->stride_w;
        int64_t at = s->flip ? (s->kh - kh) * s->kw - 1 - kw : kh * s->kw + kw;
        if (begin >= 0 && begin % s->stride_w == 0 && c < t->columns)
            sum[r][c] += x * *(const ran_vf32 *)(t->w + at * RAN_BLOCK);
    }
}

/* One input row, `line` rows below the first window's. */
RAN_INLINE void input_row(const struct conv_depthwise_spec *s, const struct tile *t, sums *sum,
                          const float *row, int64_t line, int64_t border)
{
    int64_t first = t->column * s->stride_w - s->pad_left;
    int64_t width = (t->columns - 1) * s->stride_w + (s->kw - 1) * s->dilation_w + 1;
    RAN_UNROLL for (int64_t offset = 0; offset < width; offset++)
    {
        int64_t column = first + offset;
        if (border != CONV_BORDER_NONE && (column < 0 || column >= s->iw))
            continue;
        ran_vf32 x = *(const ran_vf32 *)(row + column * RAN_BLOCK);
        RAN_UNROLL for (int64_t r = 0; r < t->rows; r++)
        {
            int64_t tap = line - r * s->stride_h;
            if (tap >= 0 && tap % s->dilation_h == 0 && tap / s->dilation_h < s->kh)
                scatter(s, t, sum, x, r, tap / s->dilation_h, offset);
        }
    }
}

RAN_INLINE void run_tile(const struct conv_depthwise_spec *s, void *const *io,
                         const struct tile *t, const int64_t *origin, int64_t border)
{
    ran_vf32 sum[DEPTHWISE_ROWS][DEPTHWISE_COLUMNS];
    RAN_UNROLL for (int64_t r = 0; r < t->rows; r++)
        RAN_UNROLL for (int64_t c = 0; c < t->columns; c++)
            sum[r][c] = (ran_vf32){0};
    int64_t first = t->row * s->stride_h - s->pad_top;
    int64_t height = (t->rows - 1) * s->stride_h + (s->kh - 1) * s->dilation_h + 1;
    RAN_UNROLL for (int64_t line = 0; line < height; line++)
    {
        int64_t row = first + line;
        if (row >= 0 && row < s->ih)
            input_row(s, t, sum, t->x + row * s->iw * RAN_BLOCK, line, border);
    }
    RAN_UNROLL for (int64_t r = 0; r < t->rows; r++)
        RAN_UNROLL for (int64_t c = 0; c < t->columns; c++)
        {
            int64_t index[5] = {origin[0], origin[1], t->row + r, t->column + c, origin[2]};
            ran_hook_store(io, &sum[r][c], index, RAN_VL);
        }
}

RAN_INLINE void tile_at(const struct conv_depthwise_spec *s, void *const *io, struct tile t,
                        const int64_t *origin, int64_t column, int64_t columns, int64_t border)
{
    t.column = column;
    t.columns = columns;
    run_tile(s, io, &t, origin, border);
}

RAN_INLINE void run_columns(const struct conv_depthwise_spec *s, void *const *io, struct tile t,
                            const int64_t *origin)
{
    const int64_t width = s->tile_columns, tail = s->ow % width;
    const int64_t last = (s->ow - 1) / width * width;
    if (s->border == CONV_BORDER_STATIC) {
        tile_at(s, io, t, origin, 0, last ? width : s->ow, CONV_BORDER_STATIC);
        for (int64_t column = width; column < last; column += width)
            tile_at(s, io, t, origin, column, width, CONV_BORDER_NONE);
        if (last)
            tile_at(s, io, t, origin, last, s->ow - last, CONV_BORDER_STATIC);
        return;
    }
    for (int64_t column = 0; column < s->ow - tail; column += width)
        tile_at(s, io, t, origin, column, width, s->border);
    if (tail)
        tile_at(s, io, t, origin, s->ow - tail, tail, s->border);
}

/* Rows [from, to) of one vector of channels. */
RAN_INLINE void run_rows(const struct conv_depthwise_spec *s, void *const *io, struct tile t,
                         const int64_t *origin, int64_t from, int64_t to)
{
    const int64_t height = s->tile_rows, tail = s->oh % height;
    int64_t full = ran_min64(to, s->oh - tail);
    t.rows = height;
    for (t.row = from; t.row < full; t.row += height)
        run_columns(s, io, t, origin);
    if (tail && to == s->oh) {
        t.row = s->oh - tail;
        t.rows = tail;
        run_columns(s, io, t, origin);
    }
}

RAN_BODY(conv_depthwise)(const struct conv_depthwise_spec *s, void *const *io, char *scratch,
                         int64_t begin, int64_t end)
{
    (void)scratch;
    int64_t chunks = (s->oh + s->rows_per_task - 1) / s->rows_per_task;
    for (int64_t task = begin; task < end; task++) {
        int64_t plane = task / chunks, from = task % chunks * s->rows_per_task;
        int64_t block = plane % s->blocks;
        const float *x = (const float *)io[s->x] + plane * s->ih * s->iw * RAN_BLOCK;
        const float *w = (const float *)io[s->w] + block * s->kh * s->kw * RAN_BLOCK;
        for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL) {
            int64_t origin[3] = {plane / s->blocks, block, lane};
            struct tile t = {.x = x + lane, .w = w + lane};
            run_rows(s, io, t, origin, from, ran_min64(from + s->rows_per_task, s->oh));
        }
    }
}

/* ---- Transposed, by phases --------------------------------------------------------------------------- */

/* A row of taps that meets input row `x`, for outputs t->column, t->column + stride_w, ... */
RAN_INLINE void phase_row(const struct conv_depthwise_spec *s, const struct tile *t, ran_vf32 *sum,
                          const float *x, int64_t kh)
{
    for (int64_t kw = 0; kw < s->kw; kw++) {
        int64_t scaled = t->column + s->pad_left - kw * s->dilation_w;
        int64_t first = (scaled + s->kw * s->dilation_w * s->stride_w) / s->stride_w -
                        s->kw * s->dilation_w;
        if (first * s->stride_w != scaled)
            continue;
        ran_vf32 w = *(const ran_vf32 *)(t->w + (kh * s->kw + kw) * RAN_BLOCK);
        if (first >= 0 && first + t->columns <= s->iw) {
            RAN_UNROLL for (int64_t c = 0; c < t->columns; c++)
                sum[c] += w * *(const ran_vf32 *)(x + (first + c) * RAN_BLOCK);
            continue;
        }
        RAN_UNROLL for (int64_t c = 0; c < t->columns; c++)
            if (first + c >= 0 && first + c < s->iw)
                sum[c] += w * *(const ran_vf32 *)(x + (first + c) * RAN_BLOCK);
    }
}

RAN_INLINE void phase_tile(const struct conv_depthwise_spec *s, void *const *io, struct tile t,
                           const int64_t *origin, int64_t column, int64_t columns)
{
    ran_vf32 sum[DEPTHWISE_COLUMNS];
    t.column = column;
    t.columns = columns;
    RAN_UNROLL for (int64_t c = 0; c < columns; c++)
        sum[c] = (ran_vf32){0};
    for (int64_t kh = 0; kh < s->kh; kh++) {
        int64_t scaled = t.row + s->pad_top - kh * s->dilation_h, row = scaled / s->stride_h;
        if (scaled >= 0 && row * s->stride_h == scaled && row < s->ih)
            phase_row(s, &t, sum, t.x + row * s->iw * RAN_BLOCK, kh);
    }
    RAN_UNROLL for (int64_t c = 0; c < columns; c++)
    {
        int64_t index[5] = {origin[0], origin[1], t.row, column + c * s->stride_w, origin[2]};
        ran_hook_store(io, &sum[c], index, RAN_VL);
    }
}

RAN_INLINE void phases_of_row(const struct conv_depthwise_spec *s, void *const *io, struct tile t,
                              const int64_t *origin)
{
    for (int64_t phase = 0; phase < ran_min64(s->stride_w, s->ow); phase++) {
        int64_t count = (s->ow - phase + s->stride_w - 1) / s->stride_w, done = 0;
        for (; done + s->tile_columns <= count; done += s->tile_columns)
            phase_tile(s, io, t, origin, phase + done * s->stride_w, s->tile_columns);
        for (; done < count; done++)
            phase_tile(s, io, t, origin, phase + done * s->stride_w, 1);
    }
}

RAN_BODY(conv_depthwise_transposed)(const struct conv_depthwise_spec *s, void *const *io,
                                    char *scratch, int64_t begin, int64_t end)
{
    (void)scratch;
    int64_t chunks = (s->oh + s->rows_per_task - 1) / s->rows_per_task;
    for (int64_t task = begin; task < end; task++) {
        int64_t plane = task / chunks, from = task % chunks * s->rows_per_task;
        int64_t block = plane % s->blocks, to = ran_min64(from + s->rows_per_task, s->oh);
        const float *x = (const float *)io[s->x] + plane * s->ih * s->iw * RAN_BLOCK;
        const float *w = (const float *)io[s->w] + block * s->kh * s->kw * RAN_BLOCK;
        for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL) {
            int64_t origin[3] = {plane / s->blocks, block, lane};
            struct tile t = {.x = x + lane, .w = w + lane};
            for (t.row = from; t.row < to; t.row++)
                phases_of_row(s, io, t, origin);
        }
    }
}
