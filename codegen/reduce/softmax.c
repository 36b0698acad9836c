/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/reduce/rows.h"

#include "codegen/vecmath/vec.h"

/*
 * Scratch holds the elements of one softmax: `extent` lanes (inner is 1, lanes along the axis) or
 * `extent` vectors (lanes along inner). Three passes: load and maximum, exponentials and their sum,
 * scaled results.
 */
#define SOFTMAX(name, type, vector, INFINITY_)                                                     \
    RAN_INLINE vector tail_##name(vector x, type fill, int64_t lanes)                              \
    {                                                                                              \
        RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)                                            \
        {                                                                                          \
            if (l >= lanes)                                                                        \
                x[l] = fill;                                                                       \
        }                                                                                          \
        return x;                                                                                  \
    }                                                                                              \
    /* Turns kept elements into what is summed; returns the sum's part. */                         \
    RAN_INLINE vector exponentials_##name(const struct rows_spec *s, vector *kept, vector max)     \
    {                                                                                              \
        vector e = v_exp(*kept - max);                                                             \
        *kept = s->kind == ROWS_LOG_SOFTMAX ? *kept - max : e;                                     \
        return e;                                                                                  \
    }                                                                                              \
    RAN_INLINE vector scale_##name(const struct rows_spec *s, vector sum)                          \
    {                                                                                              \
        return s->kind == ROWS_LOG_SOFTMAX ? v_log(sum) : v_splat(sum, 1) / sum;                   \
    }                                                                                              \
    RAN_INLINE vector result_##name(const struct rows_spec *s, vector kept, vector scale)          \
    {                                                                                              \
        return s->kind == ROWS_LOG_SOFTMAX ? kept - scale : kept * scale;                          \
    }                                                                                              \
    RAN_INLINE vector load_##name(void *const *io, type *kept, int64_t row, int64_t i,              \
                                  int64_t lanes)                                                   \
    {                                                                                              \
        vector x;                                                                                  \
        int64_t index[3] = {row, i, 0};                                                            \
        ran_hook_load(io, &x, index, lanes);                                                       \
        x = lanes < RAN_VL ? tail_##name(x, -INFINITY_, lanes) : x;                                \
        *(vector *)(kept + i) = x;                                                                 \
        return x;                                                                                  \
    }                                                                                              \
    RAN_INLINE void store_##name(const struct rows_spec *s, void *const *io, const type *kept,     \
                                 int64_t row, int64_t i, vector scale, int64_t lanes)              \
    {                                                                                              \
        vector v = *(const vector *)(kept + i);                                                    \
        int64_t index[3] = {row, i, 0};                                                            \
        v = s->kind == ROWS_HARDMAX ? v : result_##name(s, v, scale);                              \
        ran_hook_store(io, &v, index, lanes);                                                      \
    }                                                                                              \
    RAN_INLINE void mark_first_##name(type *kept, int64_t n, type max)                             \
    {                                                                                              \
        bool found = false;                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                          \
            bool here = !found && kept[i] == max;                                                  \
            kept[i] = here;                                                                        \
            found = found || here;                                                                 \
        }                                                                                          \
    }                                                                                              \
    /* Whole vectors and the rest apart: the number of lanes is a constant in each. */             \
    RAN_INLINE void along_axis_##name(const struct rows_spec *s, void *const *io, type *kept,      \
                                      int64_t row)                                                 \
    {                                                                                              \
        int64_t rest = s->extent % RAN_VL, full = s->extent - rest, i;                             \
        vector m = -INFINITY_ - (vector){0}, sum = {0}, scale = {0};                               \
        for (i = 0; i < full; i += RAN_VL)                                                         \
            m = v_max(m, load_##name(io, kept, row, i, RAN_VL));                                   \
        if (rest)                                                                                  \
            m = v_max(m, load_##name(io, kept, row, full, rest));                                  \
        m = v_max_across(m) - (vector){0};                                                         \
        if (s->kind == ROWS_HARDMAX) {                                                             \
            mark_first_##name(kept, s->extent, m[0]);                                              \
        } else {                                                                                   \
            for (i = 0; i < full; i += RAN_VL)                                                     \
                sum += exponentials_##name(s, (vector *)(kept + i), m);                            \
            if (rest)                                                                              \
                sum += tail_##name(exponentials_##name(s, (vector *)(kept + full), m), 0, rest);   \
            scale = scale_##name(s, v_sum_across(sum) - (vector){0});                              \
        }                                                                                          \
        for (i = 0; i < full; i += RAN_VL)                                                         \
            store_##name(s, io, kept, row, i, scale, RAN_VL);                                      \
        if (rest)                                                                                  \
            store_##name(s, io, kept, row, full, scale, rest);                                     \
    }                                                                                              \
    RAN_INLINE void across_axis_##name(const struct rows_spec *s, void *const *io, vector *kept,   \
                                       int64_t row, int64_t column, int64_t lanes)                 \
    {                                                                                              \
        int64_t index[3] = {row, 0, column};                                                       \
        vector m = -INFINITY_ - (vector){0}, sum = {0}, found = {0};                               \
        for (int64_t i = 0; i < s->extent; i++) {                                                  \
            index[1] = i;                                                                          \
            ran_hook_load(io, &kept[i], index, lanes);                                             \
            m = v_max(m, kept[i]);                                                                 \
        }                                                                                          \
        for (int64_t i = 0; i < s->extent; i++) {                                                  \
            if (s->kind != ROWS_HARDMAX) {                                                         \
                sum += exponentials_##name(s, &kept[i], m);                                        \
                continue;                                                                          \
            }                                                                                      \
            vector one = v_select((kept[i] == m) & (found == v_zero(m)), v_splat(m, 1),            \
                                  v_zero(m));                                                      \
            kept[i] = one;                                                                         \
            found += one;                                                                          \
        }                                                                                          \
        vector scale = scale_##name(s, sum);                                                       \
        for (int64_t i = 0; i < s->extent; i++) {                                                  \
            vector v = s->kind == ROWS_HARDMAX ? kept[i] : result_##name(s, kept[i], scale);       \
            index[1] = i;                                                                          \
            ran_hook_store(io, &v, index, lanes);                                                  \
        }                                                                                          \
    }                                                                                              \
    RAN_BODY(softmax_##name)(const struct rows_spec *s, void *const *io, char *scratch,            \
                             int64_t begin, int64_t end)                                           \
    {                                                                                              \
        for (int64_t row = begin; row < end; row++) {                                              \
            if (s->inner == 1) {                                                                   \
                along_axis_##name(s, io, (type *)scratch, row);                                    \
                continue;                                                                          \
            }                                                                                      \
            for (int64_t c = 0; c < s->inner; c += RAN_VL)                                         \
                across_axis_##name(s, io, (vector *)scratch, row, c,                               \
                                   ran_min64(s->inner - c, RAN_VL));                               \
        }                                                                                          \
    }

SOFTMAX(f32, float, ran_vf32, __builtin_inff())
SOFTMAX(f64, double, ran_vf64, __builtin_inf())
