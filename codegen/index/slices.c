/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/index/read.h"

/* Where the slice of tuple n begins in x; -1 when an index is outside. */
RAN_INLINE int64_t slice_of(const struct slices_spec *s, void *const *io, int64_t n)
{
    int64_t at = n / s->per_batch * s->batch_stride;
    for (int64_t d = 0; d < s->depth; d++) {
        int64_t index = read_index(io[s->indices], s->wide, n * s->depth + d);
        index = index < 0 ? index + s->extents[d] : index;
        if (index < 0 || index >= s->extents[d]) {
            *(int64_t *)io[s->status] = STATUS_INDEX;
            return -1;
        }
        at += index * s->strides[d];
    }
    return at;
}

#define GATHER(size, type)                                                                         \
    RAN_BODY(gather_nd_##size)(const struct slices_spec *s, void *const *io, char *scratch,        \
                               int64_t begin, int64_t end)                                         \
    {                                                                                              \
        (void)scratch;                                                                             \
        for (int64_t n = begin; n < end; n++) {                                                    \
            int64_t at = slice_of(s, io, n);                                                       \
            type *to = (type *)io[s->y] + n * s->inner;                                            \
            if (at < 0)                                                                            \
                __builtin_memset(to, 0, (size_t)s->inner * sizeof(type));                          \
            else                                                                                   \
                __builtin_memcpy(to, (const type *)io[s->x] + at, (size_t)s->inner * sizeof(type)); \
        }                                                                                          \
    }
#define SCATTER(name, type, reduce)                                                                \
    RAN_BODY(scatter_nd_##name)(const struct slices_spec *s, void *const *io, char *scratch,       \
                                int64_t begin, int64_t end)                                        \
    {                                                                                              \
        type *y = io[s->y];                                                                        \
        (void)scratch;                                                                             \
        if (begin >= end)                                                                          \
            return;                                                                                \
        __builtin_memcpy(y, io[s->x], (size_t)s->total * sizeof(type));                            \
        for (int64_t n = 0; n < s->count; n++) {                                                   \
            int64_t at = slice_of(s, io, n);                                                       \
            const type *from = (const type *)io[s->updates] + n * s->inner;                        \
            for (int64_t i = 0; at >= 0 && i < s->inner; i++)                                      \
                y[at + i] = reduce(s->reduction, y[at + i], from[i]);                              \
        }                                                                                          \
    }
#define UNPOOL(size, type)                                                                         \
    RAN_BODY(max_unpool_##size)(const struct unpool_spec *s, void *const *io, char *scratch,       \
                                int64_t begin, int64_t end)                                        \
    {                                                                                              \
        type *y = io[s->y];                                                                        \
        (void)scratch;                                                                             \
        if (begin >= end)                                                                          \
            return;                                                                                \
        __builtin_memset(y, 0, (size_t)s->total * sizeof(type));                                   \
        for (int64_t n = 0; n < s->count; n++) {                                                   \
            int64_t at = ((const int64_t *)io[s->indices])[n];                                     \
            if (at >= 0 && at < s->total)                                                          \
                y[at] = ((const type *)io[s->x])[n];                                               \
            else                                                                                   \
                *(int64_t *)io[s->status] = STATUS_INDEX;                                          \
        }                                                                                          \
    }

#define BY_SIZE(size, type)                                                                        \
    GATHER(size, type)                                                                             \
    SCATTER(size, type, REPLACE)                                                                   \
    UNPOOL(size, type)
BY_SIZE(8, uint8_t)
BY_SIZE(16, uint16_t)
BY_SIZE(32, uint32_t)
BY_SIZE(64, uint64_t)
SCATTER(f32, float, reduce_f32)
SCATTER(f64, double, reduce_f64)
SCATTER(i32, int32_t, reduce_i32)
SCATTER(i64, int64_t, reduce_i64)
