/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/move/pack.h"

#include "codegen/body.h"

/* Where a tile begins on each axis of the operand. */
RAN_INLINE void tile_origin(const struct pack_spec *s, int64_t task, int64_t *out_at)
{
    for (int64_t d = s->rank - 1; d >= 0; d--) {
        out_at[s->axis[d]] = task % s->outer[d] * s->step[d];
        task /= s->outer[d];
    }
}

/* The operand's offset of element n of the tile at `origin`; -1 behind the end. */
RAN_INLINE int64_t element_of(const struct pack_spec *s, const int64_t *origin, int64_t n)
{
    int64_t at[PACK_RANK], offset = 0;
    for (int64_t a = 0; a < s->rank; a++)
        at[a] = origin[a];
    for (int64_t t = s->tiles - 1; t >= 0; t--) {
        at[s->tile_axis[t]] += n % s->tile[t];
        n /= s->tile[t];
    }
    for (int64_t a = 0; a < s->rank; a++) {
        if (at[a] >= s->dims[a])
            return -1;
        offset += at[a] * s->strides[a];
    }
    return offset;
}

#define PACK(size, type)                                                                           \
    RAN_BODY(pack_##size)(const struct pack_spec *s, void *const *io, char *scratch,               \
                          int64_t begin, int64_t end)                                              \
    {                                                                                              \
        (void)scratch;                                                                             \
        for (int64_t task = begin; task < end; task++) {                                           \
            int64_t origin[PACK_RANK];                                                             \
            type *to = (type *)io[s->y] + task * s->tile_elements;                                 \
            tile_origin(s, task, origin);                                                          \
            for (int64_t n = 0; n < s->tile_elements; n++) {                                       \
                int64_t from = element_of(s, origin, n);                                           \
                to[n] = from < 0 ? 0 : ((const type *)io[s->x])[from];                             \
            }                                                                                      \
        }                                                                                          \
    }

PACK(8, uint8_t)
PACK(16, uint16_t)
PACK(32, uint32_t)
PACK(64, uint64_t)
