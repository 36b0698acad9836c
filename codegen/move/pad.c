/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/move/pad.h"

#include "codegen/body.h"

RAN_INLINE int64_t modulo(int64_t i, int64_t n)
{
    int64_t rest = i % n;
    return rest < 0 ? rest + n : rest;
}

/* Where coordinate i of the result comes from; -1: nowhere. */
RAN_INLINE int64_t source_of(const struct pad_spec *s, int64_t d, int64_t i)
{
    int64_t n = s->source[d];
    i -= s->before[d];
    if (i >= 0 && i < n)
        return i;
    switch (s->mode) {
    case PAD_EDGE:
        return i < 0 ? 0 : n - 1;
    case PAD_REFLECT:
        if (n == 1)
            return 0;
        i = modulo(i, 2 * (n - 1));
        return i < n ? i : 2 * (n - 1) - i;
    case PAD_WRAP:
        return modulo(i, n);
    default:
        return -1;
    }
}

/* Coordinates of a row and the operand's element 0 of it; -1: the row is rim. */
RAN_INLINE int64_t locate(const struct pad_spec *s, int64_t row, int64_t *index)
{
    int64_t offset = 0, stride = s->source[s->rank - 1];
    bool inside = true;
    RAN_UNROLL for (int64_t d = s->rank - 2; d >= 0; d--)
    {
        index[d] = row % s->extent[d];
        row /= s->extent[d];
        int64_t from = source_of(s, d, index[d]);
        inside = inside && from >= 0;
        offset += from * stride;
        stride *= s->source[d];
    }
    return inside ? offset : -1;
}

#define PAD(name, type, vector)                                                                    \
    RAN_INLINE vector gather_##name(const struct pad_spec *s, const type *x, int64_t row,          \
                                    type value, int64_t first, int64_t lanes)                      \
    {                                                                                              \
        vector v = value - (vector){0};                                                            \
        RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)                                            \
        {                                                                                          \
            int64_t from = l < lanes && row >= 0 ? source_of(s, s->rank - 1, first + l) : -1;      \
            if (from >= 0)                                                                         \
                v[l] = x[row + from];                                                              \
        }                                                                                          \
        return v;                                                                                  \
    }                                                                                              \
    RAN_INLINE vector load_##name(const struct pad_spec *s, const type *x, int64_t row,            \
                                  type value, int64_t first, int64_t lanes)                        \
    {                                                                                              \
        int64_t from = first - s->before[s->rank - 1];                                             \
        if (row < 0)                                                                               \
            return value - (vector){0};                                                            \
        if (from >= 0 && from + RAN_VL <= s->source[s->rank - 1])                                  \
            return *(const vector *)(x + row + from);                                              \
        return gather_##name(s, x, row, value, first, lanes);                                      \
    }                                                                                              \
    RAN_BODY(pad_##name)(const struct pad_spec *s, void *const *io, char *scratch, int64_t begin,  \
                         int64_t end)                                                              \
    {                                                                                              \
        (void)scratch;                                                                             \
        const type *x = (const type *)io[s->x];                                                    \
        type value = s->value >= 0 ? *(const type *)io[s->value] : 0;                              \
        int64_t index[PAD_RANK] = {0}, all = s->extent[s->rank - 1];                               \
        int64_t last = ran_min64(end * s->rows_per_task, s->rows);                                 \
        for (int64_t row = begin * s->rows_per_task; row < last; row++) {                          \
            int64_t from = locate(s, row, index);                                                  \
            for (int64_t i = 0; i < all; i += RAN_VL) {                                            \
                int64_t lanes = ran_min64(all - i, RAN_VL);                                        \
                vector v = load_##name(s, x, from, value, i, lanes);                               \
                index[s->rank - 1] = i;                                                            \
                ran_hook_store(io, &v, index, lanes);                                              \
            }                                                                                      \
        }                                                                                          \
    }

PAD(8, uint8_t, ran_vu8)
PAD(16, uint16_t, ran_vu16)
PAD(32, uint32_t, ran_vu32)
PAD(64, uint64_t, ran_vu64)
