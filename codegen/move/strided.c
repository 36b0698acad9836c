/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/move/strided.h"

#include "codegen/body.h"

RAN_INLINE int64_t part(const struct strided_spec *s, int64_t d, int64_t i)
{
    if (!s->factor[d])
        return i * s->low[d];
    return i / s->factor[d] * s->high[d] + i % s->factor[d] * s->low[d];
}

/* Coordinates of a row, and where it begins in the operand. */
RAN_INLINE int64_t locate(const struct strided_spec *s, int64_t row, int64_t *index)
{
    int64_t offset = s->base;
    RAN_UNROLL for (int64_t d = s->rank - 2; d >= 0; d--)
    {
        index[d] = row % s->extent[d];
        row /= s->extent[d];
        offset += part(s, d, index[d]);
    }
    return offset;
}

/* Lanes of a blocked result end with the channels. */
RAN_INLINE int64_t row_length(const struct strided_spec *s, const int64_t *index)
{
    int64_t lanes = s->extent[s->rank - 1];
    if (!s->block)
        return lanes;
    return ran_min64(lanes, s->channels - index[s->channel] * s->block);
}

#define STRIDED(name, type, vector)                                                                \
    RAN_INLINE vector gather_##name(const struct strided_spec *s, const type *from, int64_t first, \
                                    int64_t lanes)                                                 \
    {                                                                                              \
        vector v = {0};                                                                            \
        RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)                                            \
        {                                                                                          \
            if (l < lanes)                                                                         \
                v[l] = from[part(s, s->rank - 1, first + l)];                                      \
        }                                                                                          \
        return v;                                                                                  \
    }                                                                                              \
    RAN_INLINE vector load_##name(const struct strided_spec *s, const type *from, int64_t first)   \
    {                                                                                              \
        int64_t d = s->rank - 1;                                                                   \
        if (!s->factor[d] && s->low[d] == 1)                                                       \
            return *(const vector *)(from + first);                                                \
        if (!s->factor[d] && s->low[d] == 0)                                                       \
            return from[0] - (vector){0};                                                          \
        return gather_##name(s, from, first, RAN_VL);                                              \
    }                                                                                              \
    RAN_INLINE void row_##name(const struct strided_spec *s, void *const *io, const type *from,    \
                               int64_t *index)                                                     \
    {                                                                                              \
        int64_t all = s->extent[s->rank - 1], known = row_length(s, index), i = 0;                 \
        for (; i + RAN_VL <= known; i += RAN_VL) {                                                 \
            vector v = load_##name(s, from, i);                                                    \
            index[s->rank - 1] = i;                                                                \
            ran_hook_store(io, &v, index, RAN_VL);                                                 \
        }                                                                                          \
        for (; i < all; i += RAN_VL) {                                                             \
            vector v = gather_##name(s, from, i, known - i);                                       \
            index[s->rank - 1] = i;                                                                \
            ran_hook_store(io, &v, index, ran_min64(all - i, RAN_VL));                             \
        }                                                                                          \
    }                                                                                              \
    RAN_BODY(strided_##name)(const struct strided_spec *s, void *const *io, char *scratch,         \
                             int64_t begin, int64_t end)                                           \
    {                                                                                              \
        (void)scratch;                                                                             \
        int64_t index[STRIDED_RANK] = {0};                                                         \
        int64_t last = ran_min64(end * s->rows_per_task, s->rows);                                 \
        for (int64_t row = begin * s->rows_per_task; row < last; row++) {                          \
            const type *from = (const type *)io[s->x] + locate(s, row, index);                     \
            row_##name(s, io, from, index);                                                        \
        }                                                                                          \
    }

STRIDED(32, uint32_t, ran_vu32)
STRIDED(64, uint64_t, ran_vu64)
STRIDED(16, uint16_t, ran_vu16)
STRIDED(8, uint8_t, ran_vu8)
