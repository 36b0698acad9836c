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

/* Whether the tile's position `n` on its axis lies in the operand. */
RAN_INLINE bool is_inside(const struct pack_spec *s, const int64_t *origin, int64_t t, int64_t n)
{
    return origin[s->tile_axis[t]] + n < s->dims[s->tile_axis[t]];
}

/* How many positions of tile t, from the origin on, the operand has. */
RAN_INLINE int64_t inside(const struct pack_spec *s, const int64_t *origin, int64_t t)
{
    return ran_min64(s->tile[t], s->dims[s->tile_axis[t]] - origin[s->tile_axis[t]]);
}

RAN_INLINE int64_t offset_of(const struct pack_spec *s, const int64_t *origin)
{
    int64_t offset = 0;
    for (int64_t a = 0; a < s->rank; a++)
        offset += origin[a] * s->strides[a];
    return offset;
}

/* The operand's offset from the origin of row `row` of the tile (all but its last coordinate); -1
 * behind the end. */
RAN_INLINE int64_t row_of(const struct pack_spec *s, const int64_t *origin, int64_t row)
{
    int64_t offset = 0;
    for (int64_t t = s->tiles - 2; t >= 0; t--) {
        int64_t n = row % s->tile[t];
        if (!is_inside(s, origin, t, n))
            return -1;
        offset += n * s->strides[s->tile_axis[t]];
        row /= s->tile[t];
    }
    return offset;
}

#define PACK(size, type)                                                                           \
    RAN_INLINE void pack_row_##size(const type *from, type *to, int64_t stride, int64_t count,     \
                                    int64_t all)                                                   \
    {                                                                                              \
        int64_t n = 0;                                                                             \
        for (; n < count; n++)                                                                     \
            to[n] = from[n * stride];                                                              \
        for (; n < all; n++)                                                                       \
            to[n] = 0;                                                                             \
    }                                                                                              \
    RAN_BODY(pack_##size)(const struct pack_spec *s, void *const *io, char *scratch,               \
                          int64_t begin, int64_t end)                                              \
    {                                                                                              \
        (void)scratch;                                                                             \
        int64_t last = s->tiles - 1, lanes = s->tile[last];                                        \
        int64_t stride = s->strides[s->tile_axis[last]];                                           \
        for (int64_t task = begin; task < end; task++) {                                           \
            int64_t origin[PACK_RANK];                                                             \
            type *to = (type *)io[s->y] + task * s->tile_elements;                                 \
            tile_origin(s, task, origin);                                                          \
            const type *from = (const type *)io[s->x] + offset_of(s, origin);                      \
            int64_t count = inside(s, origin, last);                                               \
            for (int64_t row = 0; row < s->tile_elements / lanes; row++) {                         \
                int64_t at = row_of(s, origin, row);                                               \
                if (at >= 0 && count == lanes)                                                     \
                    pack_row_##size(from + at, to + row * lanes, stride, lanes, lanes);            \
                else                                                                               \
                    pack_row_##size(from + (at < 0 ? 0 : at), to + row * lanes, stride,            \
                                    at < 0 ? 0 : count, lanes);                                    \
            }                                                                                      \
        }                                                                                          \
    }

PACK(8, uint8_t)
PACK(16, uint16_t)
PACK(32, uint32_t)
PACK(64, uint64_t)
