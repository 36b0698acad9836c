/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/move/gather.h"

#include "codegen/body.h"

enum { STATUS_INDEX = 2 };

RAN_INLINE int64_t index_at(const struct gather_spec *s, void *const *io, int64_t i)
{
    int64_t index = s->wide ? ((const int64_t *)io[s->indices])[i]
                            : (int64_t)((const int32_t *)io[s->indices])[i];
    return index < 0 ? index + s->extent : index;
}

/* A task is one index of one outer row. */
RAN_BODY(gather)(const struct gather_spec *s, void *const *io, char *scratch, int64_t begin,
                 int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++) {
        int64_t outer = task / s->count, index = index_at(s, io, task % s->count);
        char *to = (char *)io[s->y] + task * s->inner;
        if (index < 0 || index >= s->extent) {
            *(int64_t *)io[s->status] = STATUS_INDEX;
            __builtin_memset(to, 0, (size_t)s->inner);
            continue;
        }
        __builtin_memcpy(to,
                         (const char *)io[s->x] + (outer * s->extent + index) * s->inner,
                         (size_t)s->inner);
    }
}
