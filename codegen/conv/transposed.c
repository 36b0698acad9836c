/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/transposed.h"

#include "codegen/body.h"

struct tile {
    const float *x, *w; /* the group's first block in the image; the tile's first channel block */
    int64_t image, oc_block, blocks, pixels;
    int64_t row, column; /* outputs column, column + stride_w, ... */
};

typedef ran_vf32 sums[CONV_TILE_PIXELS];

RAN_INLINE int64_t weights_of_block(const struct conv_transposed_spec *s)
{
    return s->groups * s->ic_blocks * s->kh * s->kw * RAN_BLOCK * RAN_BLOCK;
}

/* One block of input channels at x for the pixels [from, to). */
RAN_INLINE void channels(const struct conv_transposed_spec *s, const struct tile *t, sums *sum,
                         const float *x, const float *w, int64_t from, int64_t to)
{
    for (int64_t c = 0; c < RAN_BLOCK; c++) {
        ran_vf32 weight[CONV_TILE_VECTORS];
        RAN_SEPARATE_STEPS;
        RAN_UNROLL for (int64_t b = 0; b < t->blocks; b++)
            RAN_UNROLL for (int64_t v = 0; v < RAN_NV; v++)
                weight[b * RAN_NV + v] = *(const ran_vf32 *)(w + b * weights_of_block(s) +
                                                             c * RAN_BLOCK + v * RAN_VL);
        RAN_UNROLL for (int64_t p = 0; p < t->pixels; p++)
        {
            if (p < from || p >= to)
                continue;
            ran_vf32 value = ran_splat_f32(x[p * RAN_BLOCK + c]);
            RAN_UNROLL for (int64_t v = 0; v < t->blocks * RAN_NV; v++)
                sum[v][p] += weight[v] * value;
        }
    }
}

/* A row of taps that meets input row `x`. */
RAN_INLINE void window_row(const struct conv_transposed_spec *s, const struct tile *t, sums *sum,
                           const float *x, const float *w)
{
    for (int64_t kw = 0; kw < s->kw; kw++) {
        int64_t scaled = t->column + s->pad_left - kw * s->dilation_w;
        int64_t first = (scaled + s->kw * s->dilation_w * s->stride_w) / s->stride_w -
                        s->kw * s->dilation_w;
        if (first * s->stride_w != scaled)
            continue;
        int64_t from = ran_max64(0, -first), to = ran_min64(t->pixels, s->iw - first);
        const float *weights = w + kw * RAN_BLOCK * RAN_BLOCK;
        if (from == 0 && to == t->pixels)
            channels(s, t, sum, x + first * RAN_BLOCK, weights, 0, t->pixels);
        else if (from < to)
            channels(s, t, sum, x + first * RAN_BLOCK, weights, from, to);
    }
}

RAN_INLINE void accumulate(const struct conv_transposed_spec *s, const struct tile *t, sums *sum)
{
    for (int64_t kh = 0; kh < s->kh; kh++) {
        int64_t scaled = t->row + s->pad_top - kh * s->dilation_h, row = scaled / s->stride_h;
        if (scaled < 0 || row * s->stride_h != scaled || row >= s->ih)
            continue;
        for (int64_t block = 0; block < s->ic_blocks; block++)
            window_row(s, t, sum, t->x + (block * s->ih + row) * s->iw * RAN_BLOCK,
                       t->w + (block * s->kh + kh) * s->kw * RAN_BLOCK * RAN_BLOCK);
    }
}

RAN_INLINE void tile_at(const struct conv_transposed_spec *s, void *const *io, struct tile t,
                        int64_t column, int64_t pixels)
{
    ran_vf32 sum[CONV_TILE_VECTORS][CONV_TILE_PIXELS];
    t.column = column;
    t.pixels = pixels;
    RAN_UNROLL for (int64_t v = 0; v < t.blocks * RAN_NV; v++)
        RAN_UNROLL for (int64_t p = 0; p < pixels; p++)
            sum[v][p] = (ran_vf32){0};
    accumulate(s, &t, sum);
    RAN_UNROLL for (int64_t v = 0; v < t.blocks * RAN_NV; v++)
        RAN_UNROLL for (int64_t p = 0; p < pixels; p++)
        {
            int64_t index[5] = {t.image, t.oc_block + v / RAN_NV, t.row, column + p * s->stride_w,
                                v % RAN_NV * RAN_VL};
            ran_hook_store(io, &sum[v][p], index, RAN_VL);
        }
}

/* All phases of a row; what is left of a phase is done pixel by pixel. */
RAN_INLINE void run_row(const struct conv_transposed_spec *s, void *const *io, struct tile t)
{
    for (int64_t phase = 0; phase < ran_min64(s->stride_w, s->ow); phase++) {
        int64_t count = (s->ow - phase + s->stride_w - 1) / s->stride_w, done = 0;
        for (; done + s->tile_pixels <= count; done += s->tile_pixels)
            tile_at(s, io, t, phase + done * s->stride_w, s->tile_pixels);
        for (; done < count; done++)
            tile_at(s, io, t, phase + done * s->stride_w, 1);
    }
}

RAN_INLINE void run_rows(const struct conv_transposed_spec *s, void *const *io, struct tile t,
                         int64_t blocks, int64_t chunk)
{
    int64_t end = ran_min64((chunk + 1) * s->rows_per_task, s->oh);
    t.blocks = blocks;
    for (t.row = chunk * s->rows_per_task; t.row < end; t.row++)
        run_row(s, io, t);
}

RAN_INLINE void run_task(const struct conv_transposed_spec *s, void *const *io, int64_t task)
{
    int64_t tiles = (s->oc_blocks + s->tile_blocks - 1) / s->tile_blocks;
    int64_t chunks = (s->oh + s->rows_per_task - 1) / s->rows_per_task;
    int64_t chunk = task % chunks, tile = task / chunks % tiles;
    int64_t group = task / chunks / tiles % s->groups, image = task / chunks / tiles / s->groups;
    int64_t first = tile * s->tile_blocks;
    struct tile t = {.image = image, .oc_block = group * s->oc_blocks + first};
    t.x = (const float *)io[s->x] +
          (image * s->groups + group) * s->ic_blocks * s->ih * s->iw * RAN_BLOCK;
    t.w = (const float *)io[s->w] + first * weights_of_block(s) +
          group * s->ic_blocks * s->kh * s->kw * RAN_BLOCK * RAN_BLOCK;
    const int64_t tail = s->oc_blocks % s->tile_blocks;
    if (tail && tile + 1 == tiles)
        run_rows(s, io, t, tail, chunk);
    else
        run_rows(s, io, t, s->tile_blocks, chunk);
}

RAN_BODY(conv_transposed)(const struct conv_transposed_spec *s, void *const *io, char *scratch,
                          int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        run_task(s, io, task);
}
