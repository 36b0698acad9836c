/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/reduce/reduce_spec.h"

#include "codegen/vecmath/vec.h"

/* Coordinates of kept row or reduced step `i`, last one first; the lanes' coordinate is left out. */
RAN_INLINE void locate(const struct reduce_spec *s, int64_t i, bool reduced, int64_t *index)
{
    RAN_UNROLL for (int64_t d = s->rank - 2; d >= 0; d--)
    {
        if ((s->reduced[d] != 0) != reduced)
            continue;
        index[d] = i % s->extent[d];
        i /= s->extent[d];
    }
}

RAN_INLINE void result_index(const struct reduce_spec *s, const int64_t *index, int64_t *out)
{
    int64_t n = 0;
    RAN_UNROLL for (int64_t d = 0; d < s->rank; d++)
    {
        if (!s->reduced[d])
            out[n++] = index[d];
    }
    if (!n)
        out[0] = 0;
}

#define REDUCE(name, type, vector, lowest, highest, ROOT, LOG, EXP)                                \
    RAN_INLINE type start_##name(const struct reduce_spec *s)                                      \
    {                                                                                              \
        return s->kind == REDUCE_PROD  ? 1                                                         \
               : s->kind == REDUCE_MAX ? (lowest)                                                  \
               : s->kind == REDUCE_MIN ? (highest)                                                 \
                                       : 0;                                                        \
    }                                                                                              \
    /* `shift` is the maximum for log_sum_exp. */                                                  \
    RAN_INLINE vector mapped_##name(const struct reduce_spec *s, vector x, vector shift)           \
    {                                                                                              \
        if (s->kind == REDUCE_L1)                                                                  \
            return v_abs(x);                                                                       \
        if (s->kind == REDUCE_L2 || s->kind == REDUCE_SUM_SQUARE)                                  \
            return x * x;                                                                          \
        if (s->kind == REDUCE_LOG_SUM_EXP)                                                         \
            return EXP(x - shift);                                                                 \
        return x;                                                                                  \
    }                                                                                              \
    RAN_INLINE vector combined_##name(const struct reduce_spec *s, vector a, vector b)             \
    {                                                                                              \
        if (s->kind == REDUCE_MAX)                                                                 \
            return v_max(a, b);                                                                    \
        if (s->kind == REDUCE_MIN)                                                                 \
            return v_min(a, b);                                                                    \
        return s->kind == REDUCE_PROD ? a * b : a + b;                                             \
    }                                                                                              \
    RAN_INLINE vector finished_##name(const struct reduce_spec *s, vector a, vector shift)         \
    {                                                                                              \
        if (s->kind == REDUCE_MEAN)                                                                \
            return v_div(a, v_splat(a, s->count));                                                 \
        if (s->kind == REDUCE_L2)                                                                  \
            return ROOT(a);                                                                        \
        if (s->kind == REDUCE_LOG_SUM)                                                             \
            return LOG(a);                                                                         \
        if (s->kind == REDUCE_LOG_SUM_EXP)                                                         \
            return LOG(a) + shift;                                                                 \
        return a;                                                                                  \
    }                                                                                              \
    RAN_INLINE vector masked_##name(vector x, type neutral, int64_t lanes)                         \
    {                                                                                              \
        RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)                                            \
        {                                                                                          \
            if (l >= lanes)                                                                        \
                x[l] = neutral;                                                                    \
        }                                                                                          \
        return x;                                                                                  \
    }                                                                                              \
    /* Lanes in halves: the same tree for every width that divides. */                             \
    RAN_INLINE type across_##name(const struct reduce_spec *s, vector a)                           \
    {                                                                                              \
        RAN_UNROLL for (int64_t half = RAN_VL / 2; half; half /= 2)                                \
        {                                                                                          \
            vector b = a;                                                                          \
            RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)                                        \
            {                                                                                      \
                if (l < half)                                                                      \
                    b[l] = a[l + half];                                                            \
            }                                                                                      \
            a = combined_##name(s, a, b);                                                          \
        }                                                                                          \
        return a[0];                                                                               \
    }                                                                                              \
    /* One vector of results: all reduced steps, `lanes` results. */                               \
    RAN_INLINE vector columns_##name(const struct reduce_spec *s, void *const *io, int64_t *index, \
                                     int64_t lanes, vector shift)                                  \
    {                                                                                              \
        vector a = start_##name(s) - (vector){0};                                                  \
        for (int64_t step = 0; step < s->inner; step++) {                                          \
            vector x;                                                                              \
            locate(s, step, true, index);                                                          \
            ran_hook_load(io, &x, index, lanes);                                                   \
            a = combined_##name(s, a, mapped_##name(s, x, shift));                                 \
        }                                                                                          \
        return a;                                                                                  \
    }                                                                                              \
    /* One result: the lanes' coordinate is reduced too. */                                        \
    RAN_INLINE type whole_##name(const struct reduce_spec *s, void *const *io, int64_t *index,     \
                                 vector shift)                                                     \
    {                                                                                              \
        int64_t last = s->rank - 1, n = s->extent[last], i;                                        \
        vector a = start_##name(s) - (vector){0}, x;                                               \
        for (int64_t step = 0; step < s->inner; step++) {                                          \
            locate(s, step, true, index);                                                          \
            for (i = 0; i + RAN_VL <= n; i += RAN_VL) {                                            \
                index[last] = i;                                                                   \
                ran_hook_load(io, &x, index, RAN_VL);                                              \
                a = combined_##name(s, a, mapped_##name(s, x, shift));                             \
            }                                                                                      \
            if (i < n) {                                                                           \
                index[last] = i;                                                                   \
                ran_hook_load(io, &x, index, n - i);                                               \
                x = masked_##name(mapped_##name(s, x, shift), start_##name(s), n - i);             \
                a = combined_##name(s, a, x);                                                      \
            }                                                                                      \
        }                                                                                          \
        return across_##name(s, a);                                                                \
    }                                                                                              \
    RAN_INLINE void store_##name(const struct reduce_spec *s, void *const *io, vector v,           \
                                 const int64_t *index, int64_t lanes)                              \
    {                                                                                              \
        int64_t out[REDUCE_RANK];                                                                  \
        result_index(s, index, out);                                                               \
        ran_hook_store(io, &v, out, lanes);                                                        \
    }                                                                                              \
    RAN_INLINE void row_of_columns_##name(const struct reduce_spec *s,                             \
                                          const struct reduce_spec *maximum, void *const *io,      \
                                          int64_t *index)                                          \
    {                                                                                              \
        int64_t last = s->rank - 1;                                                                \
        for (int64_t i = 0; i < s->extent[last]; i += RAN_VL) {                                    \
            int64_t lanes = ran_min64(s->extent[last] - i, RAN_VL);                                \
            vector shift = {0};                                                                    \
            index[last] = i;                                                                       \
            if (s->kind == REDUCE_LOG_SUM_EXP)                                                     \
                shift = columns_##name(maximum, io, index, lanes, shift);                          \
            vector a = columns_##name(s, io, index, lanes, shift);                                 \
            store_##name(s, io, finished_##name(s, a, shift), index, lanes);                       \
        }                                                                                          \
    }                                                                                              \
    RAN_INLINE void row_of_one_##name(const struct reduce_spec *s,                                 \
                                      const struct reduce_spec *maximum, void *const *io,          \
                                      int64_t *index)                                              \
    {                                                                                              \
        vector shift = {0};                                                                        \
        if (s->kind == REDUCE_LOG_SUM_EXP)                                                         \
            shift = whole_##name(maximum, io, index, shift) - (vector){0};                         \
        vector a = whole_##name(s, io, index, shift) - (vector){0};                                \
        store_##name(s, io, finished_##name(s, a, shift), index, 1);                               \
    }                                                                                              \
    RAN_BODY(reduce_##name)(const struct reduce_spec *s, void *const *io, char *scratch,           \
                            int64_t begin, int64_t end)                                            \
    {                                                                                              \
        (void)scratch;                                                                             \
        struct reduce_spec maximum = *s;                                                           \
        maximum.kind = REDUCE_MAX;                                                                 \
        int64_t index[REDUCE_RANK] = {0};                                                          \
        int64_t stop = ran_min64(end * s->rows_per_task, s->rows);                                 \
        for (int64_t row = begin * s->rows_per_task; row < stop; row++) {                          \
            locate(s, row, false, index);                                                          \
            if (s->reduced[s->rank - 1])                                                           \
                row_of_one_##name(s, &maximum, io, index);                                         \
            else                                                                                   \
                row_of_columns_##name(s, &maximum, io, index);                                     \
        }                                                                                          \
    }

#define NO_FUNCTION(x) (x)
REDUCE(f32, float, ran_vf32, -__builtin_inff(), __builtin_inff(), v_sqrt, v_log, v_exp)
REDUCE(f64, double, ran_vf64, -__builtin_inf(), __builtin_inf(), v_sqrt, v_log, v_exp)
REDUCE(i8, int8_t, ran_vi8, INT8_MIN, INT8_MAX, NO_FUNCTION, NO_FUNCTION, NO_FUNCTION)
REDUCE(u8, uint8_t, ran_vu8, 0, UINT8_MAX, NO_FUNCTION, NO_FUNCTION, NO_FUNCTION)
REDUCE(i32, int32_t, ran_vi32, INT32_MIN, INT32_MAX, NO_FUNCTION, NO_FUNCTION, NO_FUNCTION)
REDUCE(u32, uint32_t, ran_vu32, 0, UINT32_MAX, NO_FUNCTION, NO_FUNCTION, NO_FUNCTION)
REDUCE(i64, int64_t, ran_vi64, INT64_MIN, INT64_MAX, NO_FUNCTION, NO_FUNCTION, NO_FUNCTION)
REDUCE(u64, uint64_t, ran_vu64, 0, UINT64_MAX, NO_FUNCTION, NO_FUNCTION, NO_FUNCTION)
