/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/index/rows.h"

#include "codegen/index/read.h"

/* ---- By size ------------------------------------------------------------------------------------ */

RAN_INLINE int64_t hot_index(const struct one_hot_spec *s, void *const *io, int64_t n)
{
    if (s->kind == ONE_HOT_F32)
        return (int64_t)((const float *)io[s->indices])[n];
    return read_index(io[s->indices], s->kind == ONE_HOT_I64, n);
}

#define ONE_HOT(size, type)                                                                        \
    RAN_BODY(one_hot_##size)(const struct one_hot_spec *s, void *const *io, char *scratch,         \
                             int64_t begin, int64_t end)                                           \
    {                                                                                              \
        const type *values = io[s->values];                                                        \
        (void)scratch;                                                                             \
        for (int64_t task = begin; task < end; task++) {                                           \
            int64_t place = task % s->depth;                                                       \
            type *to = (type *)io[s->y] + task * s->inner;                                         \
            for (int64_t i = 0; i < s->inner; i++) {                                               \
                int64_t index = hot_index(s, io, task / s->depth * s->inner + i);                  \
                to[i] = values[(index < 0 ? index + s->depth : index) == place];                   \
            }                                                                                      \
        }                                                                                          \
    }

#define TRILU(size, type)                                                                          \
    RAN_BODY(trilu_##size)(const struct trilu_spec *s, void *const *io, char *scratch,             \
                           int64_t begin, int64_t end)                                             \
    {                                                                                              \
        int64_t k = s->k < 0 ? s->fixed_k : *(const int64_t *)io[s->k];                            \
        (void)scratch;                                                                             \
        /* Beyond the matrix all k are alike, and sums with them must not overflow. */             \
        k = ran_max64(ran_min64(k, s->columns), -s->rows);                                         \
        for (int64_t row = begin; row < end; row++) {                                              \
            const type *from = (const type *)io[s->x] + row * s->columns;                          \
            type *to = (type *)io[s->y] + row * s->columns;                                        \
            int64_t edge = row % s->rows + k;                                                      \
            for (int64_t j = 0; j < s->columns; j++)                                               \
                to[j] = (s->upper ? j >= edge : j <= edge) ? from[j] : 0;                          \
        }                                                                                          \
    }

#define BY_SIZE(size, type)                                                                        \
    ONE_HOT(size, type)                                                                            \
    TRILU(size, type)
BY_SIZE(8, uint8_t)
BY_SIZE(16, uint16_t)
BY_SIZE(32, uint32_t)
BY_SIZE(64, uint64_t)

RAN_BODY(reverse_sequence)(const struct reverse_spec *s, void *const *io, char *scratch,
                           int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++) {
        int64_t t = s->time_first ? task / s->batch : task % s->time;
        int64_t b = s->time_first ? task % s->batch : task / s->time;
        int64_t length = read_index(io[s->lens], s->wide, b);
        if (length < 0 || length > s->time) {
            *(int64_t *)io[s->status] = STATUS_INDEX;
            length = 0;
        }
        int64_t from = t < length ? length - 1 - t : t;
        int64_t at = s->time_first ? from * s->batch + b : b * s->time + from;
        __builtin_memcpy((char *)io[s->y] + task * s->bytes,
                         (const char *)io[s->x] + at * s->bytes, (size_t)s->bytes);
    }
}

/* ---- By type ------------------------------------------------------------------------------------- */

#define CUMULATE(name, type)                                                                       \
    RAN_BODY(cumulate_##name)(const struct cumulate_spec *s, void *const *io, char *scratch,       \
                              int64_t begin, int64_t end)                                          \
    {                                                                                              \
        int64_t step = s->reverse ? -s->inner : s->inner;                                          \
        (void)scratch;                                                                             \
        for (int64_t o = begin; o < end; o++) {                                                    \
            int64_t at = (o * s->extent + (s->reverse ? s->extent - 1 : 0)) * s->inner;            \
            const type *x = (const type *)io[s->x] + at;                                           \
            type *y = (type *)io[s->y] + at;                                                       \
            for (int64_t j = 0; j < s->inner; j++)                                                 \
                y[j] = s->exclusive ? (type)s->product : x[j];                                     \
            for (int64_t i = 1; i < s->extent; i++) {                                              \
                const type *next = s->exclusive ? x : x + step;                                    \
                for (int64_t j = 0; j < s->inner; j++)                                             \
                    y[step + j] = s->product ? y[j] * next[j] : y[j] + next[j];                    \
                x += step;                                                                         \
                y += step;                                                                         \
            }                                                                                      \
        }                                                                                          \
    }

/* Whether a comes before b; equal ones by their positions. NaN is the largest. */
#define TOPK(name, type)                                                                           \
    RAN_INLINE bool before_##name(const struct topk_spec *s, type a, int64_t at_a, type b,         \
                                  int64_t at_b)                                                    \
    {                                                                                              \
        bool a_nan = a != a, b_nan = b != b;                                                       \
        if (a == b || (a_nan && b_nan))                                                            \
            return at_a < at_b;                                                                    \
        bool greater = a_nan || (!b_nan && a > b);                                                 \
        return s->largest ? greater : !greater;                                                    \
    }                                                                                              \
    RAN_BODY(topk_##name)(const struct topk_spec *s, void *const *io, char *scratch,               \
                          int64_t begin, int64_t end)                                              \
    {                                                                                              \
        (void)scratch;                                                                             \
        for (int64_t task = begin; task < end; task++) {                                           \
            int64_t o = task / s->inner, j = task % s->inner, last = -1;                           \
            const type *x = (const type *)io[s->x] + o * s->extent * s->inner + j;                 \
            for (int64_t r = 0; r < s->k; r++) {                                                   \
                int64_t best = -1;                                                                 \
                for (int64_t i = 0; i < s->extent; i++) {                                          \
                    type v = x[i * s->inner];                                                      \
                    if (last >= 0 && !before_##name(s, x[last * s->inner], last, v, i))            \
                        continue;                                                                  \
                    if (best < 0 || before_##name(s, v, i, x[best * s->inner], best))              \
                        best = i;                                                                  \
                }                                                                                  \
                int64_t to = (o * s->k + r) * s->inner + j;                                        \
                ((type *)io[s->values])[to] = x[best * s->inner];                                  \
                ((int64_t *)io[s->indices])[to] = best;                                            \
                last = best;                                                                       \
            }                                                                                      \
        }                                                                                          \
    }

#define BY_TYPE(name, type)                                                                        \
    CUMULATE(name, type)                                                                           \
    TOPK(name, type)
BY_TYPE(f32, float)
BY_TYPE(f64, double)
BY_TYPE(i32, int32_t)
BY_TYPE(i64, int64_t)

RAN_BODY(values)(const struct values_spec *s, void *const *io, char *scratch, int64_t begin,
                 int64_t end)
{
    (void)scratch;
    if (begin >= end)
        return;
    RAN_UNROLL for (int64_t i = 0; i < s->count; i++) ((int64_t *)io[s->y])[i] = s->value[i];
}

/* In f64, or modulo 2^64: narrower integers wrap. */
#define RANGE(name, type, wide)                                                                    \
    RAN_BODY(range_##name)(const struct range_spec *s, void *const *io, char *scratch,             \
                           int64_t begin, int64_t end)                                             \
    {                                                                                              \
        wide start = (wide)*(const type *)io[s->start], delta = (wide)*(const type *)io[s->delta]; \
        (void)scratch;                                                                             \
        for (int64_t i = 0; begin < end && i < s->count; i++)                                      \
            ((type *)io[s->y])[i] = (type)(start + (wide)i * delta);                               \
    }
RANGE(f32, float, double)
RANGE(f64, double, double)
RANGE(i16, int16_t, uint64_t)
RANGE(i32, int32_t, uint64_t)
RANGE(i64, int64_t, uint64_t)
