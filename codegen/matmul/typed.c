/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/matmul/typed.h"

#include "codegen/body.h"

RAN_INLINE int64_t batch_offset(const struct matmul_spec *s, const int64_t *strides, int64_t batch)
{
    int64_t offset = 0;
    RAN_UNROLL for (int64_t i = s->batch_rank - 1; i >= 0; i--)
    {
        offset += batch % s->batch[i] * strides[i];
        batch /= s->batch[i];
    }
    return offset;
}

RAN_INLINE double alpha_of(const struct matmul_spec *s)
{
    union {
        int64_t bits;
        double value;
    } alpha = {s->alpha};
    return alpha.value;
}

#define MATMUL(elem, type)                                                                         \
    RAN_INLINE ran_v##elem load_##elem(const type *from, int64_t stride, int64_t lanes)            \
    {                                                                                              \
        if (stride == 1 && lanes == RAN_VL)                                                        \
            return *(const ran_v##elem *)from;                                                     \
        ran_v##elem x = {0};                                                                       \
        RAN_UNROLL for (int i = 0; i < RAN_VL; i++) x[i] = i < lanes ? from[i * stride] : 0;       \
        return x;                                                                                  \
    }                                                                                              \
    RAN_INLINE void row_##elem(const struct matmul_spec *s, void *const *io, const type *a,        \
                               const type *b, int64_t batch, int64_t row)                          \
    {                                                                                              \
        for (int64_t column = 0; column < s->n; column += RAN_VL) {                                \
            int64_t lanes = ran_min64(RAN_VL, s->n - column);                                      \
            const type *from = b + column * s->b_column;                                           \
            ran_v##elem sum = {0};                                                                 \
            for (int64_t k = 0; k < s->k; k++)                                                     \
                sum += load_##elem(from + k * s->b_row, s->b_column, lanes) *                      \
                       a[row * s->a_row + k * s->a_column];                                        \
            if (alpha_of(s) != 1)                                                                  \
                sum *= (type)alpha_of(s);                                                          \
            int64_t index[3] = {batch, row, column};                                               \
            ran_hook_store(io, &sum, index, lanes);                                                \
        }                                                                                          \
    }                                                                                              \
    RAN_BODY(matmul_##elem)                                                                        \
    (const struct matmul_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)      \
    {                                                                                              \
        (void)scratch;                                                                             \
        for (int64_t task = begin; task < end; task++) {                                           \
            int64_t batch = task / s->m;                                                           \
            row_##elem(s, io, (const type *)io[s->a] + batch_offset(s, s->a_batch, batch),         \
                       (const type *)io[s->b] + batch_offset(s, s->b_batch, batch), batch,         \
                       task % s->m);                                                               \
        }                                                                                          \
    }

MATMUL(f64, double)
MATMUL(i32, int32_t)
MATMUL(i64, int64_t)
MATMUL(u32, uint32_t)
MATMUL(u64, uint64_t)
