/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Template of a kernel body, codegen/normalize/center.c (in KERNEL_BODIES): lines minus their mean.
 * Index space: row, position. */
#include "kernel.h"

#include "codegen/body.h"

RAN_INLINE float mean(const float *x, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (float)n;
}

RAN_BODY(center)
(const struct center_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)
{
    (void)scratch;
    int64_t last = ran_min64(end * s->rows_per_task, s->rows);
    for (int64_t row = begin * s->rows_per_task; row < last; row++) {
        const float *x = (const float *)io[s->x] + row * s->length;
        float m = mean(x, s->length);
        for (int64_t i = 0; i < s->length; i += RAN_VL) {
            int64_t lanes = ran_min64(s->length - i, RAN_VL), index[] = {row, i};
            ran_vf32 v = {0};
            for (int64_t l = 0; l < lanes; l++)
                v[l] = x[i + l] - m;
            ran_hook_store(io, &v, index, lanes);
        }
    }
}
