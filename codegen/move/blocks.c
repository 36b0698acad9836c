/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/move/blocks.h"

#include "codegen/body.h"

/* A task is a row; parts are copied one after the other. Those that were computed in place (the
 * memory plan puts them there) are left alone. */
RAN_BODY(concat)(const struct blocks_spec *s, void *const *io, char *scratch, int64_t begin,
                 int64_t end)
{
    (void)scratch;
    for (int64_t row = begin; row < end; row++)
        for (int64_t p = 0; p < s->parts; p++)
            if ((char *)io[s->joined] + s->start[p] != (const char *)io[s->part[p]])
                __builtin_memcpy((char *)io[s->joined] + row * s->row + s->start[p],
                                 (const char *)io[s->part[p]] + row * s->bytes[p],
                                 (size_t)s->bytes[p]);
}

RAN_BODY(split)(const struct blocks_spec *s, void *const *io, char *scratch, int64_t begin,
                int64_t end)
{
    (void)scratch;
    for (int64_t row = begin; row < end; row++)
        for (int64_t p = 0; p < s->parts; p++)
            __builtin_memcpy((char *)io[s->part[p]] + row * s->bytes[p],
                             (const char *)io[s->joined] + row * s->row + s->start[p],
                             (size_t)s->bytes[p]);
}
