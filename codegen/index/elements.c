/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/index/elements.h"

#include "codegen/index/read.h"

/* Where element n of the indices points to in x; -1 when that is outside. */
RAN_INLINE int64_t place_of(const struct elements_spec *s, void *const *io, int64_t n)
{
    int64_t at = 0, rest = n;
    int64_t index = read_index(io[s->indices], s->wide, n);
    int64_t extent = s->extents[s->axis];
    index = index < 0 ? index + extent : index;
    if (index < 0 || index >= extent) {
        *(int64_t *)io[s->status] = STATUS_INDEX;
        return -1;
    }
    for (int64_t d = s->rank - 1; d >= 0; d--) {
        int64_t i = d == s->axis ? index : rest % s->dims[d];
        if (i >= s->extents[d]) {
            *(int64_t *)io[s->status] = STATUS_INDEX;
            return -1;
        }
        at += i * s->strides[d];
        rest /= s->dims[d];
    }
    return at;
}

#define GATHER(size, type)                                                                         \
    RAN_BODY(gather_elements_##size)(const struct elements_spec *s, void *const *io,               \
                                     char *scratch, int64_t begin, int64_t end)                    \
    {                                                                                              \
        (void)scratch;                                                                             \
        for (int64_t n = begin * s->per_task; n < ran_min64(end * s->per_task, s->count); n++) {   \
            int64_t at = place_of(s, io, n);                                                       \
            ((type *)io[s->y])[n] = at < 0 ? 0 : ((const type *)io[s->x])[at];                     \
        }                                                                                          \
    }
#define SCATTER(name, type, reduce)                                                                \
    RAN_BODY(scatter_elements_##name)(const struct elements_spec *s, void *const *io,              \
                                      char *scratch, int64_t begin, int64_t end)                   \
    {                                                                                              \
        type *y = io[s->y];                                                                        \
        (void)scratch;                                                                             \
        if (begin >= end)                                                                          \
            return;                                                                                \
        __builtin_memcpy(y, io[s->x], (size_t)s->total * sizeof(type));                            \
        for (int64_t n = 0; n < s->count; n++) {                                                   \
            int64_t at = place_of(s, io, n);                                                       \
            if (at >= 0)                                                                           \
                y[at] = reduce(s->reduction, y[at], ((const type *)io[s->updates])[n]);            \
        }                                                                                          \
    }

GATHER(8, uint8_t)
GATHER(16, uint16_t)
GATHER(32, uint32_t)
GATHER(64, uint64_t)
SCATTER(8, uint8_t, REPLACE)
SCATTER(16, uint16_t, REPLACE)
SCATTER(32, uint32_t, REPLACE)
SCATTER(64, uint64_t, REPLACE)
SCATTER(f32, float, reduce_f32)
SCATTER(f64, double, reduce_f64)
SCATTER(i32, int32_t, reduce_i32)
SCATTER(i64, int64_t, reduce_i64)
