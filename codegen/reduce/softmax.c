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
    RAN_INLINE type max_across_##name(vector a)                                                    \
    {                                                                                              \
        type m = a[0];                                                                             \
        RAN_UNROLL for (int64_t l = 1; l < RAN_VL; l++) m = a[l] > m || a[l] != a[l] ? a[l] : m;   \
        return m;                                                                                  \
    }                                                                                              \
    RAN_INLINE type sum_across_##name(vector a)                                                    \
    {                                                                                              \
        type sum = 0;                                                                              \
        RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++) sum += a[l];                               \
        return sum;                                                                                \
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
    RAN_INLINE void along_axis_##name(const struct rows_spec *s, void *const *io, type *kept,      \
                                      int64_t row)                                                 \
    {                                                                                              \
        int64_t n = s->extent, index[3] = {row, 0, 0};                                             \
        vector m = -INFINITY_ - (vector){0}, sum = {0};                                            \
        for (int64_t i = 0; i < n; i += RAN_VL) {                                                  \
            vector x;                                                                              \
            index[1] = i;                                                                          \
            ran_hook_load(io, &x, index, ran_min64(n - i, RAN_VL));                                \
            x = n - i < RAN_VL ? tail_##name(x, -INFINITY_, n - i) : x;                            \
            *(vector *)(kept + i) = x;                                                             \
            m = v_max(m, x);                                                                       \
        }                                                                                          \
        m = max_across_##name(m) - (vector){0};                                                    \
        bool found = false;                                                                        \
        for (int64_t i = 0; i < n; i += RAN_VL) {                                                  \
            if (s->kind != ROWS_HARDMAX) {                                                         \
                vector e = exponentials_##name(s, (vector *)(kept + i), m);                        \
                sum += n - i < RAN_VL ? tail_##name(e, 0, n - i) : e;                              \
                continue;                                                                          \
            }                                                                                      \
            for (int64_t l = i; l < ran_min64(i + RAN_VL, n); l++) {                               \
                bool here = !found && kept[l] == m[0];                                             \
                kept[l] = here;                                                                    \
                found = found || here;                                                             \
            }                                                                                      \
        }                                                                                          \
        vector scale = scale_##name(s, sum_across_##name(sum) - (vector){0});                      \
        for (int64_t i = 0; i < n; i += RAN_VL) {                                                  \
            vector v = *(vector *)(kept + i);                                                      \
            v = s->kind == ROWS_HARDMAX ? v : result_##name(s, v, scale);                          \
            index[1] = i;                                                                          \
            ran_hook_store(io, &v, index, ran_min64(n - i, RAN_VL));                               \
        }                                                                                          \
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
