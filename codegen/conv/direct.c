/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/direct.h"

#include "codegen/body.h"
#include "codegen/conv/tile.h"

struct tile {
    const float *x;     /* the image's first block of the group */
    const float *w;     /* the tile's first channel block */
    int64_t blocks, pixels;
    int64_t row, column; /* first output pixel */
    struct conv_ahead ahead;
};

RAN_INLINE int64_t weights_of_block(const struct conv_direct_spec *s)
{
    return (s->flip ? s->groups : 1) * s->ic_blocks * s->kh * s->kw * RAN_BLOCK * RAN_BLOCK;
}

/* The place in the weights of a tap of the window. */
RAN_INLINE int64_t tap_at(const struct conv_direct_spec *s, int64_t tap, int64_t taps)
{
    return s->flip ? taps - 1 - tap : tap;
}

RAN_INLINE int64_t input_column(const struct conv_direct_spec *s, int64_t column, int64_t kw)
{
    return column * s->stride_w + kw * s->dilation_w - s->pad_left;
}

RAN_INLINE void channels(const struct conv_direct_spec *s, const struct tile *t, conv_sums *sum,
                         const float *x, const float *w, int64_t count, uint64_t pixels)
{
    struct conv_extent extent = {t->blocks, t->pixels, s->stride_w * RAN_BLOCK,
                                 weights_of_block(s), t->ahead};
    conv_tile_channels(extent, sum, x, w, count, pixels);
}

/* The pixels of the tile for which column kw of the window lies in the map. */
RAN_INLINE uint64_t pixels_inside(const struct conv_direct_spec *s, const struct tile *t,
                                  int64_t kw)
{
    uint64_t pixels = 0;
    RAN_UNROLL for (int64_t p = 0; p < t->pixels; p++)
    {
        int64_t column = input_column(s, t->column + p, kw);
        pixels |= (uint64_t)(column >= 0 && column < s->iw) << p;
    }
    return pixels;
}

RAN_INLINE uint64_t all_pixels(const struct tile *t)
{
    return (UINT64_C(1) << t->pixels) - 1;
}

/* A window's row. x: its input row in this block of channels; w: its weights. */
RAN_INLINE void window_row(const struct conv_direct_spec *s, const struct tile *t, conv_sums *sum,
                           const float *x, const float *w, int64_t count, int64_t border)
{
    const int64_t all = all_pixels(t);
    if (border == CONV_BORDER_STATIC) {
        RAN_UNROLL for (int64_t kw = 0; kw < s->kw; kw++)
            channels(s, t, sum, x + input_column(s, t->column, kw) * RAN_BLOCK,
                     w + tap_at(s, kw, s->kw) * RAN_BLOCK * RAN_BLOCK, count,
                     pixels_inside(s, t, kw));
        return;
    }
    for (int64_t kw = 0; kw < s->kw; kw++) {
        const float *from = x + input_column(s, t->column, kw) * RAN_BLOCK;
        const float *weights = w + tap_at(s, kw, s->kw) * RAN_BLOCK * RAN_BLOCK;
        uint64_t inside = border == CONV_BORDER_NONE ? all : pixels_inside(s, t, kw);
        if (inside == (uint64_t)all)
            channels(s, t, sum, from, weights, count, all);
        else if (inside)
            channels(s, t, sum, from, weights, count, inside);
    }
}

RAN_INLINE void accumulate(const struct conv_direct_spec *s, const struct tile *t, conv_sums *sum,
                           int64_t border)
{
    int64_t top = t->row * s->stride_h - s->pad_top;
    int64_t first = top < 0 ? (-top + s->dilation_h - 1) / s->dilation_h : 0;
    int64_t last = ran_min64(s->kh, (s->ih - top + s->dilation_h - 1) / s->dilation_h);
    for (int64_t block = 0; block < s->ic_blocks; block++) {
        int64_t count = block + 1 < s->ic_blocks ? RAN_BLOCK : s->ic_last;
        for (int64_t kh = first; kh < last; kh++)
            window_row(s, t, sum,
                       t->x + (block * s->ih + top + kh * s->dilation_h) * s->iw * RAN_BLOCK,
                       t->w + (block * s->kh + tap_at(s, kh, s->kh)) * s->kw * RAN_BLOCK *
                                  RAN_BLOCK,
                       count, border);
    }
}

RAN_INLINE void run_tile(const struct conv_direct_spec *s, void *const *io, const struct tile *t,
                         int64_t image, int64_t oc_block, int64_t border)
{
    ran_vf32 sum[CONV_TILE_VECTORS][CONV_TILE_PIXELS];
    RAN_UNROLL for (int64_t v = 0; v < t->blocks * RAN_NV; v++)
        RAN_UNROLL for (int64_t p = 0; p < t->pixels; p++)
            sum[v][p] = (ran_vf32){0};
    accumulate(s, t, sum, border);
    RAN_UNROLL for (int64_t v = 0; v < t->blocks * RAN_NV; v++)
        RAN_UNROLL for (int64_t p = 0; p < t->pixels; p++)
        {
            int64_t lane = v % RAN_NV * RAN_VL, block = oc_block + v / RAN_NV;
            int64_t index[5] = {image, block, t->row, t->column + p, lane};
            int64_t flat[4] = {image, block, t->column + p, lane};
            ran_hook_store(io, &sum[v][p], s->flat ? flat : index, RAN_VL);
        }
}

struct place {
    const float *x, *w;
    int64_t image, oc_block, row;
    int64_t pass; /* tiles before this one with these weights */
};

RAN_INLINE void tile_at(const struct conv_direct_spec *s, void *const *io, struct place *at,
                        int64_t blocks, int64_t column, int64_t pixels, int64_t border)
{
    struct tile t = {at->x, at->w, blocks, pixels, at->row, column,
                     conv_ahead(at->w, at->w + blocks * weights_of_block(s), weights_of_block(s),
                                at->pass++, s->ahead_shift)};
    run_tile(s, io, &t, at->image, at->oc_block, border);
}

/* Columns [from, to) of a row; `to` is the end of the row or a multiple of the tile. */
RAN_INLINE void run_columns(const struct conv_direct_spec *s, void *const *io,
                            struct place *at, int64_t blocks, int64_t from, int64_t to)
{
    const int64_t width = s->tile_pixels, tail = s->ow % width;
    const int64_t last = (s->ow - 1) / width * width;
    int64_t column = from, full = ran_min64(to, s->ow - tail);
    int64_t inner = s->border == CONV_BORDER_DYNAMIC ? CONV_BORDER_DYNAMIC : CONV_BORDER_NONE;
    if (s->border == CONV_BORDER_STATIC) {
        tile_at(s, io, at, blocks, 0, last ? width : s->ow, CONV_BORDER_STATIC);
        column = width;
        full = last;
    }
    for (; column < full; column += width)
        tile_at(s, io, at, blocks, column, width, inner);
    if (s->border == CONV_BORDER_STATIC && last)
        tile_at(s, io, at, blocks, last, s->ow - last, CONV_BORDER_STATIC);
    if (s->border != CONV_BORDER_STATIC && tail && to == s->ow)
        tile_at(s, io, at, blocks, s->ow - tail, tail, inner);
}

RAN_INLINE void run_rows(const struct conv_direct_spec *s, void *const *io, struct place *at,
                         int64_t blocks, int64_t chunk)
{
    int64_t column_chunks = (s->ow + s->columns_per_task - 1) / s->columns_per_task;
    int64_t row = chunk / column_chunks * s->rows_per_task;
    int64_t end = ran_min64(row + s->rows_per_task, s->oh);
    int64_t from = chunk % column_chunks * s->columns_per_task;
    int64_t to = ran_min64(from + s->columns_per_task, s->ow);
    for (; row < end; row++) {
        at->row = row;
        run_columns(s, io, at, blocks, from, to);
    }
}

RAN_INLINE void run_task(const struct conv_direct_spec *s, void *const *io, int64_t task)
{
    int64_t tiles = (s->oc_blocks + s->tile_blocks - 1) / s->tile_blocks;
    int64_t chunks = (s->oh + s->rows_per_task - 1) / s->rows_per_task *
                     ((s->ow + s->columns_per_task - 1) / s->columns_per_task);
    int64_t all_tiles = tiles * s->groups;
    int64_t image = task / (all_tiles * chunks), rest = task % (all_tiles * chunks);
    int64_t tile = s->weights_outer ? rest / chunks : rest % all_tiles;
    int64_t chunk = s->weights_outer ? rest % chunks : rest / all_tiles;
    int64_t group = tile / tiles, first = tile % tiles * s->tile_blocks;
    struct place at = {.image = image, .oc_block = group * s->oc_blocks + first};
    at.x = (const float *)io[s->x] +
           (image * s->groups + group) * s->ic_blocks * s->ih * s->iw * RAN_BLOCK;
    at.w = (const float *)io[s->w] +
           (s->flip ? first * weights_of_block(s) +
                          group * s->ic_blocks * s->kh * s->kw * RAN_BLOCK * RAN_BLOCK
                    : at.oc_block * weights_of_block(s));
    const int64_t tail = s->oc_blocks % s->tile_blocks;
    if (tail && first + s->tile_blocks > s->oc_blocks)
        run_rows(s, io, &at, tail, chunk);
    else
        run_rows(s, io, &at, s->tile_blocks, chunk);
}

RAN_BODY(conv_direct)(const struct conv_direct_spec *s, void *const *io, char *scratch,
                      int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        run_task(s, io, task);
}
