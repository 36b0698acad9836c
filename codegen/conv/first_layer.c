/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/first_layer.h"

#include "codegen/body.h"

struct tile {
    const float *x, *w; /* of the image; of the tile's first channel block */
    int64_t image, oc_block, blocks, pixels, row, column;
};

typedef ran_vf32 sums[CONV_TILE_PIXELS];

RAN_INLINE int64_t weights_of_block(const struct conv_first_layer_spec *s)
{
    return s->ic * s->kh * s->kw * RAN_BLOCK;
}

/* Tap (kh, kw) of one input channel. x: its input row. */
RAN_INLINE void tap(const struct conv_first_layer_spec *s, const struct tile *t, sums *sum,
                    const float *x, const float *w, int64_t kw, int64_t border)
{
    ran_vf32 weight[CONV_TILE_VECTORS];
    RAN_SEPARATE_STEPS;
    RAN_UNROLL for (int64_t b = 0; b < t->blocks; b++)
        RAN_UNROLL for (int64_t v = 0; v < RAN_NV; v++)
            weight[b * RAN_NV + v] =
                *(const ran_vf32 *)(w + b * weights_of_block(s) + v * RAN_VL);
    int64_t first = t->column * s->stride_w + kw * s->dilation_w - s->pad_left;
    RAN_UNROLL for (int64_t p = 0; p < t->pixels; p++)
    {
        int64_t column = first + p * s->stride_w;
        if (border != CONV_BORDER_NONE && (column < 0 || column >= s->iw))
            continue;
        ran_vf32 value = ran_splat_f32(x[column]);
        RAN_UNROLL for (int64_t v = 0; v < t->blocks * RAN_NV; v++)
            sum[v][p] += weight[v] * value;
    }
}

RAN_INLINE void window_row(const struct conv_first_layer_spec *s, const struct tile *t, sums *sum,
                           const float *x, const float *w, int64_t border)
{
    if (s->kw <= 7) {
        RAN_UNROLL for (int64_t kw = 0; kw < s->kw; kw++)
            tap(s, t, sum, x, w + kw * RAN_BLOCK, kw, border);
        return;
    }
    for (int64_t kw = 0; kw < s->kw; kw++)
        tap(s, t, sum, x, w + kw * RAN_BLOCK, kw, border);
}

RAN_INLINE void accumulate(const struct conv_first_layer_spec *s, const struct tile *t, sums *sum,
                           int64_t border)
{
    int64_t top = t->row * s->stride_h - s->pad_top;
    int64_t first = top < 0 ? (-top + s->dilation_h - 1) / s->dilation_h : 0;
    int64_t last = ran_min64(s->kh, (s->ih - top + s->dilation_h - 1) / s->dilation_h);
    for (int64_t c = 0; c < s->ic; c++)
        for (int64_t kh = first; kh < last; kh++)
            window_row(s, t, sum, t->x + (c * s->ih + top + kh * s->dilation_h) * s->iw,
                       t->w + (c * s->kh + kh) * s->kw * RAN_BLOCK, border);
}

RAN_INLINE void tile_at(const struct conv_first_layer_spec *s, void *const *io, struct tile t,
                        int64_t column, int64_t pixels, int64_t border)
{
    ran_vf32 sum[CONV_TILE_VECTORS][CONV_TILE_PIXELS];
    t.column = column;
    t.pixels = pixels;
    RAN_UNROLL for (int64_t v = 0; v < t.blocks * RAN_NV; v++)
        RAN_UNROLL for (int64_t p = 0; p < pixels; p++)
            sum[v][p] = (ran_vf32){0};
    accumulate(s, &t, sum, border);
    RAN_UNROLL for (int64_t v = 0; v < t.blocks * RAN_NV; v++)
        RAN_UNROLL for (int64_t p = 0; p < pixels; p++)
        {
            int64_t index[5] = {t.image, t.oc_block + v / RAN_NV, t.row, column + p,
                                v % RAN_NV * RAN_VL};
            ran_hook_store(io, &sum[v][p], index, RAN_VL);
        }
}

RAN_INLINE void run_row(const struct conv_first_layer_spec *s, void *const *io, struct tile t)
{
    const int64_t width = s->tile_pixels, tail = s->ow % width;
    const int64_t last = (s->ow - 1) / width * width;
    if (s->border == CONV_BORDER_STATIC) {
        tile_at(s, io, t, 0, last ? width : s->ow, CONV_BORDER_STATIC);
        for (int64_t column = width; column < last; column += width)
            tile_at(s, io, t, column, width, CONV_BORDER_NONE);
        if (last)
            tile_at(s, io, t, last, s->ow - last, CONV_BORDER_STATIC);
        return;
    }
    for (int64_t column = 0; column < s->ow - tail; column += width)
        tile_at(s, io, t, column, width, s->border);
    if (tail)
        tile_at(s, io, t, s->ow - tail, tail, s->border);
}

RAN_INLINE void run_rows(const struct conv_first_layer_spec *s, void *const *io, struct tile t,
                         int64_t blocks, int64_t chunk)
{
    int64_t end = ran_min64((chunk + 1) * s->rows_per_task, s->oh);
    t.blocks = blocks;
    for (t.row = chunk * s->rows_per_task; t.row < end; t.row++)
        run_row(s, io, t);
}

RAN_BODY(conv_first_layer)(const struct conv_first_layer_spec *s, void *const *io, char *scratch,
                           int64_t begin, int64_t end)
{
    (void)scratch;
    int64_t tiles = (s->oc_blocks + s->tile_blocks - 1) / s->tile_blocks;
    int64_t chunks = (s->oh + s->rows_per_task - 1) / s->rows_per_task;
    const int64_t tail = s->oc_blocks % s->tile_blocks;
    for (int64_t task = begin; task < end; task++) {
        int64_t tile = task % tiles, chunk = task / tiles % chunks, image = task / tiles / chunks;
        struct tile t = {.image = image, .oc_block = tile * s->tile_blocks};
        t.x = (const float *)io[s->x] + image * s->ic * s->ih * s->iw;
        t.w = (const float *)io[s->w] + t.oc_block * weights_of_block(s);
        if (tail && tile + 1 == tiles)
            run_rows(s, io, t, tail, chunk);
        else
            run_rows(s, io, t, s->tile_blocks, chunk);
    }
}
