/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/reduce/rows.h"

#include "codegen/vecmath/vec.h"

/*
 * Lanes along inner: each keeps its best element and where it was. Without an inner extent, lanes
 * walk the axis side by side and the best of them is taken at the end, the smallest (or largest)
 * position among equals. NaN is best of all, as in NumPy.
 */
#define ARG(name, type, vector)                                                                    \
    RAN_INLINE ran_vi64 better_##name(const struct rows_spec *s, vector x, vector best)            \
    {                                                                                              \
        __typeof__(x == x) better = s->kind ? x < best : x > best;                                 \
        if (s->last_index)                                                                         \
            better |= x == best;                                                                   \
        better |= (x != x) & ((best == best) | (s->last_index ? better == better : better != better)); \
        return __builtin_convertvector(better, ran_vi64);                                          \
    }                                                                                              \
    RAN_INLINE void keep_##name(const struct rows_spec *s, vector x, int64_t where, vector *best,  \
                                ran_vi64 *at)                                                      \
    {                                                                                              \
        ran_vi64 better = better_##name(s, x, *best);                                              \
        *best = v_select(__builtin_convertvector(better, __typeof__(x == x)), x, *best);           \
        *at = v_select(better, where - (ran_vi64){0}, *at);                                        \
    }                                                                                              \
    RAN_INLINE void across_axis_##name(const struct rows_spec *s, void *const *io, int64_t row,    \
                                       int64_t column, int64_t lanes)                              \
    {                                                                                              \
        int64_t index[3] = {row, 0, column};                                                       \
        vector best, x;                                                                            \
        ran_vi64 at = {0};                                                                         \
        ran_hook_load(io, &best, index, lanes);                                                    \
        for (int64_t i = 1; i < s->extent; i++) {                                                  \
            index[1] = i;                                                                          \
            ran_hook_load(io, &x, index, lanes);                                                   \
            keep_##name(s, x, i, &best, &at);                                                      \
        }                                                                                          \
        for (int64_t l = 0; l < lanes; l++)                                                        \
            ((int64_t *)io[s->y])[row * s->inner + column + l] = at[l];                            \
    }                                                                                              \
    RAN_INLINE bool wins_##name(const struct rows_spec *s, type x, int64_t at, type best,          \
                                int64_t best_at)                                                   \
    {                                                                                              \
        bool x_nan = x != x, best_nan = best != best;                                              \
        bool equal = x == best || (x_nan && best_nan);                                             \
        if (equal)                                                                                 \
            return s->last_index ? at > best_at : at < best_at;                                    \
        return best_nan ? false : x_nan || (s->kind ? x < best : x > best);                        \
    }                                                                                              \
    RAN_INLINE void along_axis_##name(const struct rows_spec *s, void *const *io, int64_t row)     \
    {                                                                                              \
        int64_t index[3] = {row, 0, 0}, n = s->extent, i = RAN_VL;                                 \
        int64_t first = ran_min64(n, RAN_VL);                                                      \
        vector best, x;                                                                            \
        ran_vi64 at;                                                                               \
        RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++) at[l] = l;                                 \
        ran_vi64 step = at;                                                                        \
        ran_hook_load(io, &best, index, first);                                                    \
        for (; i + RAN_VL <= n; i += RAN_VL) {                                                     \
            index[1] = i;                                                                          \
            ran_hook_load(io, &x, index, RAN_VL);                                                  \
            ran_vi64 better = better_##name(s, x, best);                                           \
            best = v_select(__builtin_convertvector(better, __typeof__(x == x)), x, best);         \
            at = v_select(better, step + i, at);                                                   \
        }                                                                                          \
        type winner = best[0];                                                                     \
        int64_t winner_at = at[0];                                                                 \
        for (int64_t l = 1; l < first; l++)                                                        \
            if (wins_##name(s, best[l], at[l], winner, winner_at)) {                               \
                winner = best[l];                                                                  \
                winner_at = at[l];                                                                 \
            }                                                                                      \
        if (i < n) {                                                                               \
            index[1] = i;                                                                          \
            ran_hook_load(io, &x, index, n - i);                                                   \
        }                                                                                          \
        for (int64_t l = 0; i + l < n; l++)                                                        \
            if (wins_##name(s, x[l], i + l, winner, winner_at)) {                                  \
                winner = x[l];                                                                     \
                winner_at = i + l;                                                                 \
            }                                                                                      \
        ((int64_t *)io[s->y])[row] = winner_at;                                                    \
    }                                                                                              \
    RAN_BODY(arg_##name)(const struct rows_spec *s, void *const *io, char *scratch, int64_t begin, \
                         int64_t end)                                                              \
    {                                                                                              \
        (void)scratch;                                                                             \
        for (int64_t row = begin; row < end; row++) {                                              \
            if (s->inner == 1) {                                                                   \
                along_axis_##name(s, io, row);                                                     \
                continue;                                                                          \
            }                                                                                      \
            for (int64_t c = 0; c < s->inner; c += RAN_VL)                                         \
                across_axis_##name(s, io, row, c, ran_min64(s->inner - c, RAN_VL));                \
        }                                                                                          \
    }

ARG(f32, float, ran_vf32)
ARG(f64, double, ran_vf64)
ARG(i8, int8_t, ran_vi8)
ARG(u8, uint8_t, ran_vu8)
ARG(i32, int32_t, ran_vi32)
ARG(i64, int64_t, ran_vi64)
