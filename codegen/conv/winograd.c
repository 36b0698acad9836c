/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/conv/winograd.h"

#include "codegen/body.h"
#include "codegen/conv/tile.h"

/* A tile's place in the batch. */
struct place {
    int64_t image, row, column; /* of its first result */
    bool exists;                /* false behind the last one */
};

RAN_INLINE struct place place_of(const struct conv_winograd_spec *s, int64_t tile)
{
    int64_t tiles = s->tile_rows * s->tile_columns, rest = tile % tiles;
    return (struct place){tile / tiles, rest / s->tile_columns * WINOGRAD_OUT,
                          rest % s->tile_columns * WINOGRAD_OUT, tile < s->n * tiles};
}

RAN_INLINE int64_t point_of_v(const struct conv_winograd_spec *s)
{
    return s->ic_blocks * s->chunk * RAN_BLOCK + WINOGRAD_LINE;
}

RAN_INLINE int64_t point_of_m(const struct conv_winograd_spec *s)
{
    return s->tile_blocks * s->chunk * RAN_BLOCK + WINOGRAD_LINE;
}

/* ---- The input: v = B^T d B -------------------------------------------------------------------- */

/* d and out: six vectors, `step` apart. */
RAN_INLINE void transform_in(const ran_vf32 *d, int64_t step, ran_vf32 *out)
{
    ran_vf32 d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step],
             d5 = d[5 * step];
    const float a = WINOGRAD_A, b = WINOGRAD_B;
    ran_vf32 even_a = d4 - b * b * d2, odd_a = a * (d3 - b * b * d1);
    ran_vf32 even_b = d4 - a * a * d2, odd_b = b * (d3 - a * a * d1);
    out[0] = a * a * b * b * d0 - (a * a + b * b) * d2 + d4;
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = a * a * b * b * d1 - (a * a + b * b) * d3 + d5;
}

/* Column `c` of the tile at (top, left) of the map, which may reach over its edges. */
RAN_INLINE void load_column(const struct conv_winograd_spec *s, const float *x, int64_t top,
                            int64_t column, bool inside, ran_vf32 *out)
{
    RAN_UNROLL for (int64_t r = 0; r < WINOGRAD_IN; r++)
    {
        out[r] = (ran_vf32){0};
        if (inside ||
            (top + r >= 0 && top + r < s->ih && column >= 0 && column < s->iw))
            out[r] = *(const ran_vf32 *)(x + ((top + r) * s->iw + column) * RAN_BLOCK);
    }
}

RAN_INLINE void transform_tile(const struct conv_winograd_spec *s, const float *x, int64_t top,
                               int64_t left, bool inside, float *v)
{
    ran_vf32 half[WINOGRAD_IN][WINOGRAD_IN], column[WINOGRAD_IN], row[WINOGRAD_IN];
    RAN_UNROLL for (int64_t c = 0; c < WINOGRAD_IN; c++)
    {
        load_column(s, x, top, left + c, inside, column);
        transform_in(column, 1, half[c]);
    }
    RAN_UNROLL for (int64_t r = 0; r < WINOGRAD_IN; r++)
    {
        transform_in(&half[0][r], WINOGRAD_IN, row);
        RAN_UNROLL for (int64_t c = 0; c < WINOGRAD_IN; c++)
            *(ran_vf32 *)(v + (r * WINOGRAD_IN + c) * point_of_v(s)) = row[c];
    }
}

/* One tile of all input channels. v: its place in the matrix of the first point and block. */
RAN_INLINE void input_tile(const struct conv_winograd_spec *s, const float *x, struct place at,
                           float *v)
{
    int64_t top = at.row - s->pad_top, left = at.column - s->pad_left;
    bool inside = top >= 0 && left >= 0 && top + WINOGRAD_IN <= s->ih &&
                  left + WINOGRAD_IN <= s->iw;
    x += at.image * s->ic_blocks * s->ih * s->iw * RAN_BLOCK;
    for (int64_t block = 0; block < s->ic_blocks; block++)
        for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL) {
            const float *from = x + block * s->ih * s->iw * RAN_BLOCK + lane;
            float *to = v + block * s->chunk * RAN_BLOCK + lane;
            if (inside)
                transform_tile(s, from, top, left, true, to);
            else
                transform_tile(s, from, top, left, false, to);
        }
}

/* What lies behind the last tile is multiplied as well: by zeros. */
RAN_INLINE void input_nothing(const struct conv_winograd_spec *s, float *v)
{
    for (int64_t point = 0; point < WINOGRAD_POINTS; point++)
        for (int64_t block = 0; block < s->ic_blocks; block++)
            for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL)
                *(ran_vf32 *)(v + point * point_of_v(s) + block * s->chunk * RAN_BLOCK + lane) =
                    (ran_vf32){0};
}

RAN_INLINE void input(const struct conv_winograd_spec *s, void *const *io, int64_t first, float *v)
{
    for (int64_t t = 0; t < s->chunk; t++) {
        struct place at = place_of(s, first + t);
        if (at.exists)
            input_tile(s, io[s->x], at, v + t * RAN_BLOCK);
        else
            input_nothing(s, v + t * RAN_BLOCK);
    }
}

/* ---- The products: m = u v, point by point ------------------------------------------------------- */

RAN_INLINE void multiply_tile(const struct conv_winograd_spec *s, const float *v, const float *u,
                              int64_t blocks, int64_t pixels, int64_t pass, float *m)
{
    int64_t point = s->ic_blocks * RAN_BLOCK * RAN_BLOCK;
    struct conv_extent extent = {blocks, pixels, RAN_BLOCK, WINOGRAD_POINTS * point,
                                 conv_ahead(u, u + point, point, pass, s->ahead_shift)};
    ran_vf32 sum[CONV_TILE_VECTORS][CONV_TILE_PIXELS];
    RAN_UNROLL for (int64_t i = 0; i < blocks * RAN_NV; i++)
        RAN_UNROLL for (int64_t p = 0; p < pixels; p++)
            sum[i][p] = (ran_vf32){0};
    for (int64_t block = 0; block < s->ic_blocks; block++)
        conv_tile_channels(extent, sum, v + block * s->chunk * RAN_BLOCK,
                           u + block * RAN_BLOCK * RAN_BLOCK,
                           block + 1 < s->ic_blocks ? RAN_BLOCK : s->ic_last,
                           (UINT64_C(1) << pixels) - 1);
    RAN_UNROLL for (int64_t i = 0; i < blocks * RAN_NV; i++)
        RAN_UNROLL for (int64_t p = 0; p < pixels; p++)
            *(ran_vf32 *)(m + (i / RAN_NV * s->chunk + p) * RAN_BLOCK + i % RAN_NV * RAN_VL) =
                sum[i][p];
}

RAN_INLINE void multiply(const struct conv_winograd_spec *s, const float *v, const float *u,
                         int64_t blocks, float *m)
{
    const int64_t tail = s->chunk % s->tile_pixels, full = s->chunk - tail;
    for (int64_t point = 0; point < WINOGRAD_POINTS; point++) {
        for (int64_t t = 0; t < full; t += s->tile_pixels)
            multiply_tile(s, v + t * RAN_BLOCK, u, blocks, s->tile_pixels, t / s->tile_pixels,
                          m + t * RAN_BLOCK);
        if (tail)
            multiply_tile(s, v + full * RAN_BLOCK, u, blocks, tail, full / s->tile_pixels,
                          m + full * RAN_BLOCK);
        v += point_of_v(s);
        u += s->ic_blocks * RAN_BLOCK * RAN_BLOCK;
        m += point_of_m(s);
    }
}

/* ---- The results: A^T m A ------------------------------------------------------------------------ */

RAN_INLINE void transform_out(const ran_vf32 *m, int64_t step, ran_vf32 *out)
{
    const float a = WINOGRAD_A, b = WINOGRAD_B;
    ran_vf32 even_a = m[step] + m[2 * step], odd_a = m[step] - m[2 * step];
    ran_vf32 even_b = m[3 * step] + m[4 * step], odd_b = m[3 * step] - m[4 * step];
    out[0] = m[0] + even_a + even_b;
    out[1] = a * odd_a + b * odd_b;
    out[2] = a * a * even_a + b * b * even_b;
    out[3] = a * a * a * odd_a + b * b * b * odd_b + m[5 * step];
}

/* Whether a tile's row or column lies in the map; all do where tiles divide it. */
RAN_INLINE bool is_inside(int64_t at, int64_t extent)
{
    return extent % WINOGRAD_OUT == 0 || at < extent;
}

RAN_INLINE void output_tile(const struct conv_winograd_spec *s, void *const *io, const float *m,
                            struct place at, int64_t block, int64_t lane)
{
    ran_vf32 half[WINOGRAD_IN][WINOGRAD_OUT], column[WINOGRAD_IN];
    RAN_UNROLL for (int64_t c = 0; c < WINOGRAD_IN; c++)
    {
        RAN_UNROLL for (int64_t r = 0; r < WINOGRAD_IN; r++)
            column[r] = *(const ran_vf32 *)(m + (r * WINOGRAD_IN + c) * point_of_m(s));
        transform_out(column, 1, half[c]);
    }
    RAN_UNROLL for (int64_t r = 0; r < WINOGRAD_OUT; r++)
    {
        if (!is_inside(at.row + r, s->oh))
            continue;
        ran_vf32 row[WINOGRAD_OUT];
        transform_out(&half[0][r], WINOGRAD_OUT, row);
        RAN_UNROLL for (int64_t c = 0; c < WINOGRAD_OUT; c++)
        {
            int64_t index[5] = {at.image, block, at.row + r, at.column + c, lane};
            if (is_inside(at.column + c, s->ow))
                ran_hook_store(io, &row[c], index, RAN_VL);
        }
    }
}

RAN_INLINE void output(const struct conv_winograd_spec *s, void *const *io, const float *m,
                       int64_t first, int64_t oc_block, int64_t blocks)
{
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t t = 0; t < s->chunk; t++) {
            struct place at = place_of(s, first + t);
            if (!at.exists)
                break;
            for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL)
                output_tile(s, io, m + (b * s->chunk + t) * RAN_BLOCK + lane, at, oc_block + b,
                            lane);
        }
}

/* ---- Tasks ---------------------------------------------------------------------------------------- */

RAN_INLINE void run_task(const struct conv_winograd_spec *s, void *const *io, float *v,
                         int64_t task)
{
    const int64_t tail = s->oc_blocks % s->tile_blocks;
    int64_t tiles = s->n * s->tile_rows * s->tile_columns;
    int64_t chunks = (tiles + s->chunk - 1) / s->chunk;
    int64_t first = task % chunks * s->chunk, block = task / chunks * s->oc_per_task;
    int64_t end = ran_min64(block + s->oc_per_task, s->oc_blocks);
    float *m = v + WINOGRAD_POINTS * point_of_v(s);
    input(s, io, first, v);
    for (; block < end; block += s->tile_blocks) {
        const float *u = (const float *)io[s->u] +
                         block * WINOGRAD_POINTS * s->ic_blocks * RAN_BLOCK * RAN_BLOCK;
        int64_t blocks = ran_min64(s->tile_blocks, end - block);
        if (tail && blocks < s->tile_blocks)
            multiply(s, v, u, tail, m);
        else
            multiply(s, v, u, s->tile_blocks, m);
        output(s, io, m, first, block, blocks);
    }
}

RAN_BODY(conv_winograd)(const struct conv_winograd_spec *s, void *const *io, char *scratch,
                        int64_t begin, int64_t end)
{
    for (int64_t task = begin; task < end; task++)
        run_task(s, io, (float *)scratch, task);
}
