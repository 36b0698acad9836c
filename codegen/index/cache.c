/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/index/cache.h"

#include "codegen/body.h"
#include "codegen/index/read.h"

/* Where row i of an update that begins at `first` goes; -1 when that is outside. */
RAN_INLINE int64_t row_of(const struct tensor_scatter_spec *s, int64_t first, int64_t i)
{
    if (first < 0 || s->extent < 1 || (!s->circular && first >= s->extent))
        return -1;
    int64_t at = (s->circular ? first % s->extent : first) + i;
    if (s->circular)
        return at % s->extent;
    return at < s->extent ? at : -1;
}

RAN_INLINE void update_rows(const struct tensor_scatter_spec *s, void *const *io, int64_t prefix)
{
    int64_t first = s->first < 0 ? 0 : ((const int64_t *)io[s->first])[prefix / s->per_batch];
    char *present = (char *)io[s->present] + prefix * s->extent * s->bytes;
    const char *update = (const char *)io[s->update] + prefix * s->count * s->bytes;
    for (int64_t i = 0; i < s->count; i++) {
        int64_t at = row_of(s, first, i);
        if (at < 0)
            *(int64_t *)io[s->status] = STATUS_INDEX;
        else
            __builtin_memcpy(present + at * s->bytes, update + i * s->bytes, (size_t)s->bytes);
    }
}

RAN_BODY(tensor_scatter)
(const struct tensor_scatter_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)
{
    int64_t bytes = s->extent * s->bytes;
    (void)scratch;
    for (int64_t prefix = begin; prefix < end; prefix++) {
        __builtin_memcpy((char *)io[s->present] + prefix * bytes,
                         (const char *)io[s->past] + prefix * bytes, (size_t)bytes);
        update_rows(s, io, prefix);
    }
}
