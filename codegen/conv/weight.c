/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/weight.h"

#include "codegen/body.h"

#ifdef __aarch64__
enum { BY_LANE = 1 };
#else
enum { BY_LANE = 0 };
#endif

enum { INPUTS = 16, TAPS = 32 };

/* Images [from, to) of a chunk. */
RAN_INLINE int64_t chunk_start(const struct conv_weight_spec *s, int64_t chunk)
{
    return chunk * s->n / s->chunks;
}

/* ---- Blocked maps -------------------------------------------------------------------------------- */

struct strip {
    int64_t image, images, row, rows;
};

struct tile {
    const float *x, *dy; /* first image: the channel block of x, the first channel block of dy */
    int64_t x_image, dy_image; /* elements of an image */
    float *sum;                /* of the tap: [input][output channel] */
    int64_t sum_block;         /* elements between channel blocks of dy */
    int64_t blocks, input;
};

typedef ran_vf32 sums[CONV_TILE_VECTORS];

RAN_INLINE void load_sums(const struct conv_weight_spec *s, const struct tile *t, sums *sum)
{
    RAN_UNROLL for (int64_t i = 0; i < s->tile_inputs; i++)
        RAN_UNROLL for (int64_t v = 0; v < t->blocks * RAN_NV; v++)
            sum[i][v] = *(const ran_vf32 *)(t->sum + v / RAN_NV * t->sum_block + i * RAN_BLOCK +
                                            v % RAN_NV * RAN_VL);
}

RAN_INLINE void store_sums(const struct conv_weight_spec *s, const struct tile *t, sums *sum)
{
    RAN_UNROLL for (int64_t i = 0; i < s->tile_inputs; i++)
        RAN_UNROLL for (int64_t v = 0; v < t->blocks * RAN_NV; v++)
            *(ran_vf32 *)(t->sum + v / RAN_NV * t->sum_block + i * RAN_BLOCK +
                          v % RAN_NV * RAN_VL) = sum[i][v];
}

RAN_INLINE void pixel(const struct conv_weight_spec *s, const struct tile *t, sums *sum,
                      const float *x, const float *dy)
{
    ran_vf32 g[CONV_TILE_VECTORS], values[INPUTS];
    RAN_SEPARATE_STEPS;
    RAN_UNROLL for (int64_t v = 0; v < t->blocks * RAN_NV; v++)
        g[v] = *(const ran_vf32 *)(dy + v / RAN_NV * s->oh * s->ow * RAN_BLOCK +
                                   v % RAN_NV * RAN_VL);
    RAN_UNROLL for (int64_t i = 0; BY_LANE && i < s->tile_inputs; i += RAN_VL)
        values[i / RAN_VL] = *(const ran_vf32 *)(x + i);
    RAN_UNROLL for (int64_t i = 0; i < s->tile_inputs; i++)
    {
        ran_vf32 value = ran_splat_f32(BY_LANE ? values[i / RAN_VL][i % RAN_VL] : x[i]);
        RAN_UNROLL for (int64_t v = 0; v < t->blocks * RAN_NV; v++)
            sum[i][v] += g[v] * value;
    }
}

/* One tap over the rows and columns of a strip for which it lies in the map. */
RAN_INLINE void tap_of_strip(const struct conv_weight_spec *s, const struct tile *t,
                             const struct strip *strip, int64_t kh, int64_t kw)
{
    ran_vf32 sum[INPUTS][CONV_TILE_VECTORS];
    int64_t shift = kw * s->dilation_w - s->pad_left;
    int64_t first = shift < 0 ? (-shift + s->stride_w - 1) / s->stride_w : 0;
    int64_t last = ran_min64(s->ow, (s->iw - 1 - shift + s->stride_w) / s->stride_w);
    if (s->iw - 1 - shift < 0 || first >= last)
        return;
    load_sums(s, t, sum);
    for (int64_t image = strip->image; image < strip->image + strip->images; image++)
        for (int64_t row = strip->row; row < strip->row + strip->rows; row++) {
            int64_t from = row * s->stride_h + kh * s->dilation_h - s->pad_top;
            if (from < 0 || from >= s->ih)
                continue;
            const float *x = t->x + image * t->x_image + t->input +
                             (from * s->iw + first * s->stride_w + shift) * RAN_BLOCK;
            const float *dy = t->dy + image * t->dy_image + (row * s->ow + first) * RAN_BLOCK;
            for (int64_t p = 0; p < last - first; p++) {
                if (s->ic_per_task > 1)
                    __builtin_prefetch(x + (s->ih * s->iw + p) * RAN_BLOCK);
                pixel(s, t, sum, x + p * s->stride_w * RAN_BLOCK, dy + p * RAN_BLOCK);
            }
        }
    store_sums(s, t, sum);
}

/* All taps of tile_inputs channels of x. */
RAN_INLINE void run_strip(const struct conv_weight_spec *s, struct tile *t, float *sum,
                          const struct strip *strip)
{
    for (int64_t kh = 0; kh < s->kh; kh++)
        for (int64_t kw = 0; kw < s->kw; kw++) {
            t->sum = sum + ((kh * s->kw + kw) * RAN_BLOCK + t->input) * RAN_BLOCK;
            tap_of_strip(s, t, strip, kh, kw);
        }
}

struct job {
    const float *x; /* the first channel block of the task, of image 0 */
    float *sum;     /* its sums, of the first channel block of dy */
    int64_t ic, blocks_of_x;
    int64_t from, to; /* images */
};

/* Channels of block number `ic` of a group. */
RAN_INLINE int64_t inputs_of(const struct conv_weight_spec *s, int64_t ic)
{
    return ic + 1 < s->ic_blocks ? RAN_BLOCK : s->ic_last;
}

/* One strip of one block of x. */
RAN_INLINE void strip_of_block(const struct conv_weight_spec *s, struct tile *t,
                               const struct job *job, int64_t block, int64_t first, int64_t end,
                               const struct strip *strip)
{
    int64_t inputs = ran_min64(end, inputs_of(s, job->ic + block));
    t->x = job->x + block * s->ih * s->iw * RAN_BLOCK;
    for (t->input = first; t->input < inputs; t->input += s->tile_inputs)
        run_strip(s, t, job->sum + block * s->kh * s->kw * RAN_BLOCK * RAN_BLOCK, strip);
}

/* With one block of x the channels go by outermost: their sums stay in the first cache. */
RAN_INLINE void run_strips(const struct conv_weight_spec *s, struct tile *t, const struct job *job,
                           int64_t first, int64_t end)
{
    for (int64_t image = job->from; image < job->to; image += s->strip_images)
        for (int64_t row = 0; row < s->oh; row += s->strip_rows) {
            struct strip strip = {image, ran_min64(s->strip_images, job->to - image), row,
                                  ran_min64(s->strip_rows, s->oh - row)};
            for (int64_t block = 0; block < job->blocks_of_x; block++)
                strip_of_block(s, t, job, block, first, end, &strip);
        }
}

RAN_INLINE void run_job(const struct conv_weight_spec *s, struct tile *t, const struct job *job,
                        int64_t blocks)
{
    int64_t block = s->kh * s->kw * RAN_BLOCK * RAN_BLOCK;
    t->blocks = blocks;
    t->sum_block = s->ic_blocks * block;
    for (int64_t b = 0; b < blocks; b++)
        __builtin_memset(job->sum + b * t->sum_block, 0,
                         (size_t)(job->blocks_of_x * block) * sizeof(float));
    int64_t step = s->ic_per_task > 1 ? RAN_BLOCK : s->tile_inputs;
    for (int64_t first = 0; first < RAN_BLOCK; first += step)
        run_strips(s, t, job, first, first + step);
}

RAN_INLINE void run_task(const struct conv_weight_spec *s, void *const *io, int64_t task)
{
    int64_t tiles = (s->oc_blocks + s->tile_blocks - 1) / s->tile_blocks;
    int64_t parts = (s->ic_blocks + s->ic_per_task - 1) / s->ic_per_task;
    int64_t ic = task % parts * s->ic_per_task, first = task / parts % tiles * s->tile_blocks;
    int64_t group = task / parts / tiles % s->groups, chunk = task / parts / tiles / s->groups;
    int64_t oc = group * s->oc_blocks + first, all = s->groups * s->oc_blocks;
    struct tile t = {.x_image = s->groups * s->ic_blocks * s->ih * s->iw * RAN_BLOCK,
                     .dy_image = all * s->oh * s->ow * RAN_BLOCK};
    struct job job = {.ic = ic,
                      .blocks_of_x = ran_min64(s->ic_per_task, s->ic_blocks - ic),
                      .from = chunk_start(s, chunk),
                      .to = chunk_start(s, chunk + 1)};
    job.x = (const float *)io[s->x] + (group * s->ic_blocks + ic) * s->ih * s->iw * RAN_BLOCK;
    t.dy = (const float *)io[s->dy] + oc * s->oh * s->ow * RAN_BLOCK;
    job.sum = (float *)io[s->y] + ((chunk * all + oc) * s->ic_blocks + ic) * s->kh * s->kw *
                                      RAN_BLOCK * RAN_BLOCK;
    const int64_t tail = s->oc_blocks % s->tile_blocks;
    if (tail && first + s->tile_blocks > s->oc_blocks)
        run_job(s, &t, &job, tail);
    else
        run_job(s, &t, &job, s->tile_blocks);
}

RAN_BODY(conv_weight)(const struct conv_weight_spec *s, void *const *io, char *scratch,
                      int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        run_task(s, io, task);
}

/* ---- All taps of a pixel -------------------------------------------------------------------------- */

struct window {
    const float *map; /* scratch: padded */
    const float *dy;
    float *sum;       /* [tap][input][output channel] of the first block */
    int64_t blocks;
    int64_t x_next, dy_next; /* depthwise: how far the next image lies, to be fetched meanwhile */
    const float *x;
};

/* Floats of a pixel, and of a map, in scratch. */
RAN_INLINE int64_t pixel_size(const struct conv_weight_spec *s)
{
    return s->depthwise ? RAN_BLOCK : 1;
}

RAN_INLINE int64_t combinations(const struct conv_weight_spec *s)
{
    return s->kh * s->kw * (s->depthwise ? 1 : s->ic_last);
}

/* Where the q-th pair of tap and channel lies from a pixel of the padded map. */
RAN_INLINE int64_t pair_offset(const struct conv_weight_spec *s, int64_t q)
{
    int64_t channels = s->depthwise ? 1 : s->ic_last;
    int64_t channel = q % channels, tap = q / channels;
    return ((channel * s->padded_h + tap / s->kw * s->dilation_h) * s->padded_w +
            tap % s->kw * s->dilation_w) *
           pixel_size(s);
}

RAN_INLINE int64_t sum_offset(const struct conv_weight_spec *s, int64_t q, int64_t v)
{
    return (v / RAN_NV * combinations(s) + q) * RAN_BLOCK + v % RAN_NV * RAN_VL;
}

/* Pairs [first, first + count) over a whole map. */
RAN_INLINE void run_pairs(const struct conv_weight_spec *s, const struct window *w, int64_t first,
                          int64_t count)
{
    ran_vf32 sum[TAPS][CONV_TILE_VECTORS];
    RAN_UNROLL for (int64_t q = 0; q < count; q++)
        RAN_UNROLL for (int64_t v = 0; v < w->blocks * RAN_NV; v++)
            sum[q][v] = *(const ran_vf32 *)(w->sum + sum_offset(s, first + q, v));
    for (int64_t row = 0; row < s->oh; row++)
        for (int64_t column = 0; column < s->ow; column++) {
            const float *x = w->map + (row * s->stride_h * s->padded_w + column * s->stride_w) *
                                          pixel_size(s);
            const float *dy = w->dy + (row * s->ow + column) * RAN_BLOCK;
            ran_vf32 g[CONV_TILE_VECTORS];
            if (s->depthwise && first == 0) {
                __builtin_prefetch(dy + w->dy_next);
                __builtin_prefetch(w->x + w->x_next + (row * s->ow + column) * s->stride_h *
                                                          s->stride_w * RAN_BLOCK);
            }
            RAN_UNROLL for (int64_t v = 0; v < w->blocks * RAN_NV; v++)
                g[v] = *(const ran_vf32 *)(dy + v / RAN_NV * s->oh * s->ow * RAN_BLOCK +
                                           v % RAN_NV * RAN_VL);
            RAN_UNROLL for (int64_t q = 0; q < count; q++)
            {
                const float *from = x + pair_offset(s, first + q);
                RAN_UNROLL for (int64_t v = 0; v < w->blocks * RAN_NV; v++)
                    sum[q][v] += g[v] * (s->depthwise
                                             ? *(const ran_vf32 *)(from + v % RAN_NV * RAN_VL)
                                             : ran_splat_f32(*from));
            }
        }
    RAN_UNROLL for (int64_t q = 0; q < count; q++)
        RAN_UNROLL for (int64_t v = 0; v < w->blocks * RAN_NV; v++)
            *(ran_vf32 *)(w->sum + sum_offset(s, first + q, v)) = sum[q][v];
}

/* Not memcpy: what comes from memory far away wants the prefetcher, which it does without. */
RAN_INLINE void copy_row(const float *from, float *to, int64_t count)
{
    int64_t i = 0;
    for (; i + RAN_VL <= count; i += RAN_VL) {
        RAN_SEPARATE_STEPS;
        *(ran_vf32 *)(to + i) = *(const ran_vf32 *)(from + i);
    }
    for (; i < count; i++) {
        RAN_SEPARATE_STEPS;
        to[i] = from[i];
    }
}

/* A plane of x into the middle of zeros that stand already. */
RAN_INLINE void copy_plane(const struct conv_weight_spec *s, const float *from, float *to)
{
    int64_t rows = ran_min64(s->ih, s->padded_h - s->pad_top);
    int64_t columns = ran_min64(s->iw, s->padded_w - s->pad_left);
    for (int64_t row = 0; row < rows; row++)
        copy_row(from + row * s->iw * pixel_size(s),
                 to + ((row + s->pad_top) * s->padded_w + s->pad_left) * pixel_size(s),
                 columns * pixel_size(s));
}

RAN_INLINE void run_image(const struct conv_weight_spec *s, void *const *io, struct window *w,
                          int64_t image, int64_t oc)
{
    int64_t plane = s->padded_h * s->padded_w * pixel_size(s);
    int64_t channels = s->depthwise ? 1 : s->ic_last, size = s->ih * s->iw * pixel_size(s);
    const float *x = (const float *)io[s->x] +
                     (s->depthwise ? image * s->oc_blocks + oc : image * channels) * size;
    w->x = x;
    w->dy = (const float *)io[s->dy] + (image * s->oc_blocks + oc) * s->oh * s->ow * RAN_BLOCK;
    for (int64_t c = 0; c < channels; c++)
        copy_plane(s, x + c * size, (float *)w->map + c * plane);
    RAN_UNROLL for (int64_t q = 0; q < combinations(s); q += s->tile_taps)
        run_pairs(s, w, q, ran_min64(s->tile_taps, combinations(s) - q));
}

RAN_INLINE void run_window(const struct conv_weight_spec *s, void *const *io, struct window *w,
                           int64_t chunk, int64_t oc, int64_t blocks)
{
    w->blocks = blocks;
    w->sum = (float *)io[s->y] + (chunk * s->oc_blocks + oc) * combinations(s) * RAN_BLOCK;
    __builtin_memset(w->sum, 0,
                     (size_t)(blocks * combinations(s) * RAN_BLOCK) * sizeof(float));
    int64_t to = chunk_start(s, chunk + 1);
    for (int64_t image = chunk_start(s, chunk); image < to; image++) {
        w->x_next = image + 1 < to ? s->oc_blocks * s->ih * s->iw * RAN_BLOCK : 0;
        w->dy_next = image + 1 < to ? s->oc_blocks * s->oh * s->ow * RAN_BLOCK : 0;
        run_image(s, io, w, image, oc);
    }
}

RAN_BODY(conv_weight_window)(const struct conv_weight_spec *s, void *const *io, char *scratch,
                             int64_t begin, int64_t end)
{
    int64_t tiles = (s->oc_blocks + s->tile_blocks - 1) / s->tile_blocks;
    const int64_t tail = s->oc_blocks % s->tile_blocks;
    int64_t floats = s->padded_h * s->padded_w * pixel_size(s) * (s->depthwise ? 1 : s->ic_last);
    __builtin_memset(scratch, 0, (size_t)floats * sizeof(float));
    for (int64_t task = begin; task < end; task++) {
        struct window w = {.map = (const float *)scratch};
        int64_t oc = task % tiles * s->tile_blocks;
        if (tail && oc + s->tile_blocks > s->oc_blocks)
            run_window(s, io, &w, task / tiles, oc, tail);
        else
            run_window(s, io, &w, task / tiles, oc, s->tile_blocks);
    }
}
