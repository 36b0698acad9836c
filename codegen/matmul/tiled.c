/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/matmul/tiled.h"

#include "codegen/body.h"

/* Inner dimension a step: by-lane FMA takes that many from one vector of a. */
#ifdef __aarch64__
enum { STEP = 4, BY_LANE = 1 };
#else
enum { STEP = 2, BY_LANE = 0 };
#endif

struct tile {
    const float *a;     /* first row */
    const float *panel; /* rows `pitch` apart */
    const float *ahead; /* what is fetched meanwhile */
    int64_t pitch, rows, batch, row, column;
};

typedef ran_vf32 sums[MATMUL_VECTORS];

RAN_INLINE int64_t width(const struct matmul_spec *s)
{
    return s->tile_vectors * RAN_VL;
}

/* Weights that no cache holds come while rows go by the panel before theirs: a part of the next panel
 * in each row tile. Where there is one tile only, a little ahead of their use. */
RAN_INLINE void set_ahead(const struct matmul_spec *s, struct tile *t, int64_t pass)
{
    int64_t size = s->k * t->pitch;
    t->ahead = t->panel;
    if (!s->ahead_shift)
        t->ahead += RAN_AHEAD;
    else if (pass < (1 << s->ahead_shift))
        t->ahead += size + (size * pass >> s->ahead_shift);
}

RAN_INLINE void fetch_ahead(const struct matmul_spec *s, const struct tile *t, int64_t k)
{
    const float *from = t->ahead + (k * t->pitch >> s->ahead_shift);
    if (!s->b_packed)
        return;
    __builtin_prefetch(from, 0, 2);
    RAN_UNROLL for (int64_t line = RAN_LINE; line < width(s) >> s->ahead_shift; line += RAN_LINE)
        __builtin_prefetch(from + line, 0, 2);
}

/* One element of the inner dimension; `values` as in the direct convolution. */
RAN_INLINE void inner(const struct matmul_spec *s, const struct tile *t, sums *sum,
                      const ran_vf32 *values, int lane, int64_t k)
{
    ran_vf32 b[MATMUL_VECTORS];
    RAN_SEPARATE_STEPS;
    fetch_ahead(s, t, k);
    RAN_UNROLL for (int64_t v = 0; v < s->tile_vectors; v++)
        b[v] = *(const ran_vf32 *)(t->panel + k * t->pitch + v * RAN_VL);
    RAN_UNROLL for (int64_t r = 0; r < t->rows; r++)
    {
        ran_vf32 a = ran_splat_f32(values ? values[r][lane]
                                          : t->a[r * s->a_row + k * s->a_column]);
        RAN_UNROLL for (int64_t v = 0; v < s->tile_vectors; v++)
            sum[r][v] += a * b[v];
    }
}

RAN_INLINE void step(const struct matmul_spec *s, const struct tile *t, sums *sum, int64_t k)
{
    if (BY_LANE && s->a_column == 1) {
        ran_vf32 values[MATMUL_ROWS];
        RAN_UNROLL for (int64_t r = 0; r < t->rows; r++)
            values[r] = *(const ran_vf32 *)(t->a + r * s->a_row + k);
        RAN_UNROLL for (int i = 0; i < STEP; i++)
            inner(s, t, sum, values, i, k + i);
        return;
    }
    RAN_UNROLL for (int i = 0; i < STEP; i++)
        inner(s, t, sum, NULL, 0, k + i);
}

RAN_INLINE double alpha_of(const struct matmul_spec *s)
{
    union {
        int64_t bits;
        double value;
    } alpha = {s->alpha};
    return alpha.value;
}

RAN_INLINE void store_tile(const struct matmul_spec *s, void *const *io, const struct tile *t,
                           sums *sum, bool full)
{
    float alpha = (float)alpha_of(s);
    RAN_UNROLL for (int64_t r = 0; r < t->rows; r++)
        RAN_UNROLL for (int64_t v = 0; v < s->tile_vectors; v++)
        {
            int64_t index[3] = {t->batch, t->row + r, t->column + v * RAN_VL};
            if (alpha != 1)
                sum[r][v] *= ran_splat_f32(alpha);
            if (full)
                ran_hook_store(io, &sum[r][v], index, RAN_VL);
            else if (index[2] < s->n)
                ran_hook_store(io, &sum[r][v], index, ran_min64(RAN_VL, s->n - index[2]));
        }
}

RAN_INLINE void run_tile(const struct matmul_spec *s, void *const *io, const struct tile *t)
{
    ran_vf32 sum[MATMUL_ROWS][MATMUL_VECTORS];
    RAN_UNROLL for (int64_t r = 0; r < t->rows; r++)
        RAN_UNROLL for (int64_t v = 0; v < s->tile_vectors; v++)
            sum[r][v] = (ran_vf32){0};
    int64_t k = 0;
    for (; k + STEP <= s->k; k += STEP)
        step(s, t, sum, k);
    for (; k < s->k; k++)
        inner(s, t, sum, NULL, 0, k);
    store_tile(s, io, t, sum, t->column + width(s) <= s->n);
}

RAN_INLINE void tile_at(const struct matmul_spec *s, void *const *io, struct tile t,
                        const float *a, int64_t from, int64_t row, int64_t rows)
{
    set_ahead(s, &t, (row - from) / s->tile_rows);
    t.a = a + row * s->a_row;
    t.row = row;
    t.rows = rows;
    run_tile(s, io, &t);
}

/* Rows [from, to) of a panel; what is left of a symbolic m goes by fours and ones. */
RAN_INLINE void run_rows(const struct matmul_spec *s, void *const *io, struct tile t,
                         const float *a, int64_t from, int64_t to)
{
    int64_t row = from;
    for (; row + s->tile_rows <= to; row += s->tile_rows)
        tile_at(s, io, t, a, from, row, s->tile_rows);
    if (s->tail_rows > 0 && row < to)
        tile_at(s, io, t, a, from, row, s->tail_rows);
    if (s->tail_rows >= 0)
        return;
    if (s->tile_rows > 4)
        for (; row + 4 <= to; row += 4)
            tile_at(s, io, t, a, from, row, 4);
    for (; row < to; row++)
        tile_at(s, io, t, a, from, row, 1);
}

/* Columns [column, column + width) of b into scratch, zeros behind n. */
RAN_INLINE void pack_panel(const struct matmul_spec *s, const float *b, int64_t column,
                           float *panel)
{
    int64_t count = ran_min64(width(s), s->n - column);
    if (s->b_column == 1) {
        for (int64_t k = 0; k < s->k; k++) {
            const float *from = b + k * s->b_row + column;
            int64_t c = 0;
            for (; c + RAN_VL <= count; c += RAN_VL)
                *(ran_vf32 *)(panel + k * width(s) + c) = *(const ran_vf32 *)(from + c);
            for (; c < width(s); c++)
                panel[k * width(s) + c] = c < count ? from[c] : 0;
        }
        return;
    }
    for (int64_t k = 0; k < s->k; k++)
        for (int64_t c = 0; c < width(s); c += RAN_VL) {
            ran_vf32 x = {0};
            RAN_UNROLL for (int64_t i = 0; i < RAN_VL; i++)
                x[i] = c + i < count ? b[k * s->b_row + (column + c + i) * s->b_column] : 0;
            *(ran_vf32 *)(panel + k * width(s) + c) = x;
        }
}

/* The panel at `column`, in memory or packed. */
RAN_INLINE struct tile panel_at(const struct matmul_spec *s, const float *b, int64_t column,
                                float *scratch)
{
    if (s->b_packed) {
        int64_t inside = s->b_panel == width(s) ? 0 : column % s->b_panel;
        return (struct tile){.panel = b + (column - inside) * s->k + inside,
                             .pitch = s->b_panel,
                             .column = column};
    }
    if (s->b_direct && column + width(s) <= s->n)
        return (struct tile){.panel = b + column, .pitch = s->b_row, .column = column};
    pack_panel(s, b, column, scratch);
    return (struct tile){.panel = scratch, .pitch = width(s), .column = column};
}

/* Element offset of matrix number `batch` of an operand. */
RAN_INLINE int64_t batch_offset(const struct matmul_spec *s, const int64_t *strides, int64_t batch)
{
    int64_t offset = 0;
    RAN_UNROLL for (int64_t i = s->batch_rank - 1; i >= 0; i--)
    {
        offset += batch % s->batch[i] * strides[i];
        batch /= s->batch[i];
    }
    return offset;
}

RAN_INLINE void run_task(const struct matmul_spec *s, void *const *io, float *scratch, int64_t task)
{
    int64_t panels = (s->n + width(s) - 1) / width(s);
    int64_t panel_tasks = (panels + s->panels_per_task - 1) / s->panels_per_task;
    int64_t row_tasks = (s->m + s->rows_per_task - 1) / s->rows_per_task;
    int64_t panel = task % panel_tasks * s->panels_per_task;
    int64_t from = task / panel_tasks % row_tasks * s->rows_per_task;
    int64_t to = ran_min64(from + s->rows_per_task, s->m);
    int64_t batch = task / panel_tasks / row_tasks;
    int64_t end = ran_min64(panel + s->panels_per_task, panels);
    const float *a = (const float *)io[s->a] + batch_offset(s, s->a_batch, batch);
    const float *b = (const float *)io[s->b] + batch_offset(s, s->b_batch, batch);
    for (; panel < end; panel++) {
        struct tile t = panel_at(s, b, panel * width(s), scratch);
        t.batch = batch;
        run_rows(s, io, t, a, from, to);
    }
}

RAN_BODY(matmul)(const struct matmul_spec *s, void *const *io, char *scratch, int64_t begin,
                 int64_t end)
{
    for (int64_t task = begin; task < end; task++)
        run_task(s, io, (float *)scratch, task);
}
