/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the family's bodies share: reading an index, combining two values. */
#ifndef CODEGEN_INDEX_READ_H
#define CODEGEN_INDEX_READ_H

#include "codegen/body.h"
#include "codegen/index/elements.h"

enum { STATUS_INDEX = 2 };

RAN_INLINE int64_t read_index(const void *indices, int64_t wide, int64_t n)
{
    return wide ? ((const int64_t *)indices)[n] : (int64_t)((const int32_t *)indices)[n];
}

#define REPLACE(how, a, b) ((void)(a), (b))
/* NaN wins over numbers, as in ONNX's Min and Max. */
#define REDUCE(name, type)                                                                         \
    RAN_INLINE type reduce_##name(int64_t how, type a, type b)                                     \
    {                                                                                              \
        if (how == INDEX_ADD)                                                                      \
            return a + b;                                                                          \
        if (how == INDEX_MUL)                                                                      \
            return a * b;                                                                          \
        if (a != a || b != b)                                                                      \
            return a != a ? a : b;                                                                 \
        return how == INDEX_MIN ? (a < b ? a : b) : a > b ? a : b;                                 \
    }
REDUCE(f32, float)
REDUCE(f64, double)
REDUCE(i32, int32_t)
REDUCE(i64, int64_t)
#undef REDUCE

#endif
